//! An OpenFaaS-compatible gateway: invocations, the REST API, the durable queue's front and the scaler.
//!
//! [`Gateway`] puts the parts together. The file names are those of the simulator: `gateway.rs`, `dispatcher.rs`,
//! `scaler.rs`, `idle.rs`, `removal.rs`; to learn how the real part differs from the simulated one, open both.

mod api;
mod auth;
mod browser;
mod call;
mod decisions;
mod dispatcher;
mod function;
mod functions;
mod gateway;
mod idle;
mod invoke;
mod labels;
mod link;
mod metrics;
mod options;
mod queued;
mod removal;
mod reply;
mod route;
mod scaler;
pub mod triggers;
mod ui;

pub use api::check_deployment;
pub use decisions::{Entry, Policy, Seen, SeenReplica};
pub use gateway::{Gateway, GatewayError};
pub use labels::Settings;
pub use options::{Asset, Credentials, Limits, Options};
pub use queued::queue_settings;
pub use route::{Cleaned, Refusal, Route, Target, clean, encode};
pub use scaler::policies;
