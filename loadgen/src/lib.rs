//! The load tester: a scenario's arrivals against a live gateway, timed from the moment each was meant to be sent.
//!
//! The same scenario and seed give the same schedule as in the simulator, and what is seen goes through the same recorder
//! into the same [`RunResult`](faas_lab_model::metrics::result::RunResult).

pub mod answer;
pub mod callbacks;
pub mod client;
pub mod exchange;
mod fault;
pub mod interval_log;
pub mod payload;
pub mod ping;
pub mod probe;
pub mod prometheus;
pub mod shard;
pub mod target;
pub mod warmth;
