//! Small stages for behaviour tests: constant times, arrivals at given instants, every request's end on record.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop, RunRecord};
use faas_lab_model::policies::Bounds;
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::*;
use faas_lab_model::time::{SimTime, Span};
use faas_lab_model::units::{ByteRate, Bytes};
use faas_lab_sim::{RequestRecord, RunOptions, run};

use crate::support::{mmc, secs};

/// A law that always gives this many seconds.
pub(crate) fn always(secs: f64) -> Distribution {
    Distribution::Constant(secs)
}

pub(crate) fn at(instant: f64) -> SimTime {
    SimTime::ZERO + secs(instant)
}

/// Requests at these instants to one function on one ready replica that takes any number of calls; each works for
/// `service` seconds; no machines, no network, no timeouts. Ends are followed for as long as arrivals may come.
pub(crate) fn stage(arrivals: &[f64], service: f64) -> Scenario {
    let mut scenario = mmc(1, 1.0, 1.0, 1000.0);
    scenario.workloads[0].arrivals = Arrivals::Trace(arrivals.iter().map(|instant| at(*instant)).collect());
    let function = &mut scenario.functions[0];
    function.demand.law = always(service);
    function.concurrency = Concurrency::Unlimited;
    function.waiting_room = None;
    scenario
}

/// The same with `workers` workers and an accept queue of `backlog` places (`None`: any number).
pub(crate) fn with_workers(mut scenario: Scenario, workers: u32, backlog: Option<u32>) -> Scenario {
    scenario.functions[0].concurrency = Concurrency::Workers { count: workers, backlog };
    scenario
}

/// The same on `count` machines of so many cores, with room for everything.
pub(crate) fn on_machines(mut scenario: Scenario, count: u32, cores: u32) -> Scenario {
    scenario.nodes = vec![NodeGroup {
        name: "node".into(),
        count,
        cores,
        reserved_cores: 0.0,
        memory: Bytes(1 << 40),
        reserved_memory: Bytes(0),
        pod_start: Distribution::ZERO,
        classes: Vec::new(),
        link: ByteRate(1e6),
        disk_write: ByteRate(1e9),
        idle_watts: 0.0,
        watts_per_busy_core: 0.0,
        price: 0.0,
        failures: Vec::new(),
        random_failures: None,
    }];
    scenario
}

/// The same with so many replicas, from the start and always.
pub(crate) fn replicas(mut scenario: Scenario, count: u32) -> Scenario {
    scenario.functions[0].replicas = Bounds { min: count, max: count, initial: count };
    scenario
}

/// How a run went: its record, and its requests in order of birth.
pub(crate) struct Played {
    pub(crate) record: RunRecord,
    pub(crate) requests: Vec<RequestRecord>,
}

pub(crate) fn play(scenario: &Scenario) -> Played {
    play_with(scenario, Seed(1))
}

pub(crate) fn play_with(scenario: &Scenario, seed: Seed) -> Played {
    let mut requests = Vec::new();
    let mut log = |request: &RequestRecord| requests.push(*request);
    let record = run(scenario, seed, RunOptions { requests: Some(&mut log), ..RunOptions::default() });
    requests.sort_by_key(|request| request.id);
    Played { record, requests }
}

impl Played {
    /// When the requests ended, in milliseconds, in order of birth.
    pub(crate) fn ends(&self) -> Vec<u64> {
        self.requests.iter().map(|request| millis(request.ended)).collect()
    }

    /// How each request ended and when, in milliseconds, in order of birth.
    pub(crate) fn story(&self) -> Vec<(Ending, u64)> {
        self.requests.iter().map(|request| (request.ending, millis(request.ended))).collect()
    }

    pub(crate) fn metric(&self, key: &str) -> f64 {
        self.record.metrics.get(key).copied().unwrap_or(f64::NAN)
    }

    /// Mean of a series of the whole system over the steps from `from` to `to` seconds.
    pub(crate) fn series(&self, name: &str, from: f64, to: f64) -> f64 {
        let series = self.record.series.iter().find(|series| series.name == name).expect("the series is recorded");
        let step = self.record.step.as_secs_f64();
        let (from, to) = ((from / step).round() as usize, (to / step).round() as usize);
        series.values[from..to].iter().sum::<f64>() / (to - from) as f64
    }

    /// Count and total seconds of a phase of cold starts.
    pub(crate) fn phase(&self, name: &str) -> Option<(u64, f64)> {
        let phases = &self.record.functions[0].phases;
        phases
            .iter()
            .find(|phase| phase.name == name)
            .map(|phase| (phase.count, (phase.total_secs * 1e6).round() / 1e6))
    }
}

/// To the nearest millisecond: shares of a core leave errors of some nanoseconds.
pub(crate) fn millis(instant: SimTime) -> u64 {
    (instant.as_nanos() + 500_000) / 1_000_000
}

pub(crate) fn timed_out(hop: Hop, status: Option<u16>) -> Ending {
    Ending::new(OutcomeKind::TimedOut, Some(hop), status)
}

pub(crate) fn truncated(hop: Hop) -> Ending {
    Ending::new(OutcomeKind::Truncated, Some(hop), Some(200))
}

pub(crate) const OK: Ending = Ending::OK;
pub(crate) const TOO_MANY: Ending = Ending::new(OutcomeKind::Refused, Some(Hop::Replica), Some(429));
pub(crate) const NO_PLACE: Ending = Ending::new(OutcomeKind::Refused, Some(Hop::Admission), Some(429));
pub(crate) const NOBODY_THERE: Ending = Ending::new(OutcomeKind::Unavailable, Some(Hop::Admission), Some(503));
pub(crate) const REPLICA_GONE: Ending = Ending::new(OutcomeKind::Failed, Some(Hop::Replica), Some(502));

pub(crate) fn no_jitter(initial: f64, factor: f64, max: f64) -> Backoff {
    Backoff { initial: secs(initial), max: secs(max), factor, jitter: Jitter::None }
}

/// A hold for functions at rest with the gateway's own figures.
pub(crate) const HOLD: ScaleFromZero =
    ScaleFromZero { cache: Span::from_millis(250), poll: Span::from_millis(100), polls: 1000 };
