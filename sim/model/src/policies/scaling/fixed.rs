//! A fixed number of replicas.

/// The initial number of replicas, always.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fixed {}
