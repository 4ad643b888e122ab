//! The load tester: a scenario's arrivals against a live gateway, timed from the moment each was meant to be sent.
//!
//! The same scenario and seed give the same schedule as in the simulator, and what is seen goes through the same recorder
//! into the same [`RunResult`](faas_lab_model::metrics::result::RunResult).

pub mod answer;
pub mod experiment;
pub mod target;
