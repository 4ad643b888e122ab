//! One replication's measurements, before they are joined with others into a [`RunResult`](super::result::RunResult).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TimeHistogram;
use super::result::{OutcomeKind, Warning};
use crate::rng::Seed;
use crate::time::{SimTime, Span};

/// What one replication yields.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// Its seed.
    pub seed: Seed,
    /// Whether it was ended before its time.
    pub partial: bool,
    /// The measured window: from the end of the warm-up to the end of arrivals (or to where it was ended).
    pub window: (SimTime, SimTime),
    /// Metrics over all functions, by the keys of [`METRICS`](super::result::METRICS); cost and energy are not in it yet.
    pub metrics: BTreeMap<&'static str, f64>,
    /// Function by function, in the order of the scenario.
    pub functions: Vec<FunctionRecord>,
    /// Machine by machine.
    pub nodes: Vec<NodeRecord>,
    /// Length of a step of the series.
    pub step: Span,
    /// Averages over each step, each series with the same number of steps.
    pub series: Vec<SeriesRecord>,
    /// When requests met a cold start, at most the first 5000.
    pub cold_starts: Vec<SimTime>,
    /// What was found during the run.
    pub warnings: Vec<Warning>,
}

/// What one function yields in one replication.
#[derive(Clone, Debug, Default)]
pub struct FunctionRecord {
    /// Its metrics, by the keys of [`METRICS`](super::result::METRICS).
    pub metrics: BTreeMap<&'static str, f64>,
    /// How its requests ended.
    pub outcomes: BTreeMap<Ending, u64>,
    /// Response times by (waited for a replica to start, how it ended).
    pub responses: BTreeMap<(bool, OutcomeKind), TimeHistogram>,
    /// Total seconds that successful requests spent in each part, in the order they meet the parts.
    pub parts: Vec<(&'static str, f64)>,
    /// Phases of its cold starts, in their order.
    pub phases: Vec<PhaseRecord>,
    /// What would be billed for it.
    pub usage: Usage,
}

/// How a request ended, from its client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ending {
    /// What the client saw.
    pub kind: OutcomeKind,
    /// Which hop decided it, where that matters.
    pub hop: Option<Hop>,
    /// HTTP status that the client saw; `None` for a closed connection or a client that gave up.
    pub status: Option<u16>,
}

/// A place on the path that can end a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hop {
    /// The client's own timeout.
    Client,
    /// The gateway's read timeout.
    GatewayRead,
    /// The gateway's write timeout.
    GatewayWrite,
    /// The gateway's upstream timeout.
    GatewayUpstream,
    /// The provider's client timeout.
    Provider,
    /// The watchdog's read timeout.
    WatchdogRead,
    /// The watchdog's write timeout.
    WatchdogWrite,
    /// The watchdog's exec timeout.
    WatchdogExec,
    /// The waiting room or the scaling policy.
    Admission,
    /// The watchdog's limit of calls in flight, or the function's accept queue.
    Replica,
    /// The queue of asynchronous invocations.
    Queue,
}

impl Hop {
    /// The name that results and reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Hop::Client => "client",
            Hop::GatewayRead => "gateway read",
            Hop::GatewayWrite => "gateway write",
            Hop::GatewayUpstream => "gateway upstream",
            Hop::Provider => "provider",
            Hop::WatchdogRead => "watchdog read",
            Hop::WatchdogWrite => "watchdog write",
            Hop::WatchdogExec => "watchdog exec",
            Hop::Admission => "admission",
            Hop::Replica => "replica",
            Hop::Queue => "queue",
        }
    }
}

/// One phase of cold starts in one replication.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseRecord {
    /// `schedule`, `pull`, `sandbox`, `create`, `boot`, `probe` or `endpoint`.
    pub name: &'static str,
    /// Starts it was seen in.
    pub count: u64,
    /// Total seconds.
    pub total_secs: f64,
    /// Longest, in seconds.
    pub max_secs: f64,
}

/// What one machine did in the measured window.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRecord {
    /// Its name.
    pub name: String,
    /// Busy time of its cores, the system's own share included, in core-seconds.
    pub busy_core_secs: f64,
    /// Time it was up, in seconds.
    pub up_secs: f64,
    /// Energy in joules.
    pub energy_joules: f64,
}

/// One quantity over time in one replication.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRecord {
    /// See [`Series::name`](super::result::Series::name).
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Index of the function it is about; `None` for the whole system.
    pub function: Option<usize>,
    /// Average over each step.
    pub values: Vec<f64>,
}

/// What a pay-per-use platform would bill for one function in the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Calls that reached a replica.
    pub calls: u64,
    /// Sum of calls' times on replicas, each rounded up to whole milliseconds, in seconds.
    pub call_secs: f64,
    /// Sum of the times of cold starts (from wanted to ready), in seconds.
    pub init_secs: f64,
    /// Replica-seconds in any state.
    pub replica_secs: f64,
    /// Replica-seconds with at least one call.
    pub busy_replica_secs: f64,
}
