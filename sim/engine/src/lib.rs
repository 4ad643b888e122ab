//! The discrete-event engine: one scenario, one seed, one record.
//!
//! Events leave the calendar in order; `World::handle` in `world.rs` routes each to the part of the
//! system it concerns. Nothing here knows the time but through the calendar, and nothing draws but through the seed.

mod calendar;
mod call;
mod cold_start;
mod cpu;
mod dispatcher;
mod edge;
mod event;
mod function;
mod gateway;
mod idle;
mod machines;
mod node;
mod queue;
mod ration;
mod removal;
mod replica;
mod scaler;
mod stream;
mod streaming;
mod worker;
mod world;

use std::sync::atomic::AtomicBool;

use faas_lab_model::metrics::{Ending, RunRecord};
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::Scenario;
use faas_lab_model::time::{SimTime, Span};

use world::World;

pub use world::MOST_IN_FLIGHT;

/// What to do with a run; nothing in here can change a number, but for the seed and the warm-up.
#[derive(Default)]
pub struct RunOptions<'a> {
    /// Left out of statistics at the start.
    pub warm_up: Span,
    /// Number of steps of the time series; 0 takes 240.
    pub steps: usize,
    /// Set from outside to end the run early; its record is then partial.
    pub stop: Option<&'a AtomicBool>,
    /// Called now and then with the simulated time reached.
    pub progress: Option<&'a (dyn Fn(SimTime) + Sync)>,
    /// Called with each request when it has ended, in order of their ends.
    pub requests: Option<&'a mut dyn FnMut(&RequestRecord)>,
}

/// One request, for `requests.csv`. Times are since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestRecord {
    /// Number in order of birth over the whole run, from 0.
    pub id: u64,
    /// Index of the workload.
    pub workload: usize,
    /// Index of the function.
    pub function: usize,
    /// Arrival.
    pub arrived: SimTime,
    /// When the client had its answer, or gave up.
    pub ended: SimTime,
    /// How it ended.
    pub ending: Ending,
    /// Attempts made.
    pub attempts: u32,
    /// Whether it waited for a replica to start.
    pub cold: bool,
    /// Time from arrival at the platform to the start of service of the last attempt.
    pub waiting: Span,
    /// Service time of the last attempt.
    pub service: Span,
    /// Number of the replica that had it, in order of creation, if one did.
    pub replica: Option<u64>,
    /// Bytes of the response body that the client got.
    pub body_bytes: u64,
}

/// Plays `scenario` once with `seed`.
///
/// Never fails: a `Scenario` has been validated. Panics only if an invariant of the engine is broken.
pub fn run<'a>(scenario: &'a Scenario, seed: Seed, mut options: RunOptions<'a>) -> RunRecord {
    World::new(scenario, seed, &mut options).run(seed, &options)
}
