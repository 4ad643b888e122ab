//! An OpenFaaS-compatible gateway: invocations, the REST API, the durable queue's front and the scaler.

pub mod triggers;
