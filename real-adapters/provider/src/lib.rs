//! Runs functions: each replica is a watchdog process of this machine.
//!
//! The gateway sees a [`Provider`] only, so that another one (a cluster's) can stand in. It decides how many replicas
//! there are and which of them go; the provider starts and ends them and says what is there.

pub mod api;
mod provider;

pub use provider::{Deployed, LogStream, Provider, ProviderError, Replica, ReplicaState, Replicas};
