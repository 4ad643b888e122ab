//! The decisions that a platform takes, as small traits by when they are taken. The simulator and the real gateway run
//! the same implementations; a scenario names them through the enums here.
//!
//! | trait | asked | answers |
//! |---|---|---|
//! | [`Scaler`] | on its own timer, with a scrape's worth of counters | how many replicas there should be |
//! | [`Provisioner`] | at an arrival | reuse, start, wait or reject |
//! | [`KeepAlive`] | when a replica becomes idle | how long it may stay so |
//! | [`Dispatch`] | when a request needs a replica | which one |
//! | [`Placement`] | when a replica needs a node | which one |
//!
//! A new policy is one file, one enum line, one match arm, one scenario and one test module.

pub mod dispatch;
pub mod keep_alive;
mod listing;
pub mod placement;
pub mod provisioning;
pub mod scaling;

pub use dispatch::{Dispatch, DispatchPolicy, Dispatcher, IdleRouting, Pool};
pub use keep_alive::{KeepAlive, KeepAlivePolicy};
pub use listing::{Listing, listings};
pub use placement::{NodeView, Placement, PlacementPolicy, ReplicaSize};
pub use provisioning::{PerRequest, Provision, Provisioner, Supply};
pub use scaling::{Bounds, ReplicaUse, Scaler, ScalerSetup, Scaling, Snapshot, Verdict};
