//! The gateway over real sockets, with a provider whose replicas live in this process.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod api;
mod cold;
mod fake;
mod hostile;
mod invoke;
mod lab;
mod metrics;
mod queued;
mod scaling;
mod ui;
