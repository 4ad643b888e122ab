//! A fixed number of replicas.

use crate::policies::Listing;

/// The initial number of replicas, always. Nobody needs to be asked, so it has no [`Scaler`](super::Scaler).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fixed {}

impl Fixed {
    /// How it is listed.
    pub const LISTING: Listing = Listing {
        name: "fixed",
        key: "function.NAME.scaling",
        about: "the initial number of replicas, always: the baseline that every other policy is measured against",
    };
}
