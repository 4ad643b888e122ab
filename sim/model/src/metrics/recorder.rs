//! Measures a run while it goes on. Statistics are updated in place, so memory does not grow with the number of requests.
//!
//! Per-request statistics count the cohort that arrived in the measured window (warm-up, duration]; time averages cover
//! that window and nothing else. Little's law and conservation hold exactly, in whole nanoseconds, over the whole run:
//! [`Recorder::close`] checks them on every run.

use std::collections::BTreeMap;

use super::Gauge;
use super::cohort::{Cohort, PARTS};
use super::record::{Ending, FunctionRecord, Hop, NodeRecord, PhaseRecord, RunRecord, SeriesRecord, Usage};
use super::result::{self, OutcomeKind};
use crate::rng::Seed;
use crate::time::{SimTime, Span};

/// Cold starts whose instants are kept for the timeline.
const MOST_COLD_STARTS: usize = 5000;

/// Functions with a timeline of their own; beyond this many only the whole system has one.
const MOST_FUNCTION_SERIES: usize = 8;

/// The phases of a cold start, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// API write, admission, scheduling; waiting for a node with room too.
    Schedule,
    /// Image pull.
    Pull,
    /// Sandbox and network.
    Sandbox,
    /// Creating and starting the container.
    Create,
    /// The process' own start.
    Boot,
    /// Until the readiness probe sees it.
    Probe,
    /// Until it is in every endpoint list.
    Endpoint,
}

const PHASES: [&str; 7] = ["schedule", "pull", "sandbox", "create", "boot", "probe", "endpoint"];

/// A request that has ended for its client.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// When it arrived.
    pub born: SimTime,
    /// How it ended.
    pub ending: Ending,
    /// Whether it waited for a replica to start.
    pub cold: bool,
    /// Whether it was served at all; then the two times below mean something.
    pub served: bool,
    /// From arrival at the platform to the start of service, in the last attempt.
    pub waiting: Span,
    /// Service time of the last attempt.
    pub service: Span,
    /// Time in each [`Part`](super::Part).
    pub parts: [Span; PARTS],
}

/// Measures one function.
#[derive(Clone, Debug, Default)]
pub struct FunctionMeter {
    /// Requests that have arrived and not ended.
    pub in_system: Gauge,
    /// Requests that wait for a free slot.
    pub waiting: Gauge,
    /// Asynchronous invocations in the queue.
    pub queued: Gauge,
    /// Replicas that are wanted.
    pub desired: Gauge,
    /// Replicas that start.
    pub starting: Gauge,
    /// Replicas that take calls.
    pub ready: Gauge,
    /// Replicas with at least one call.
    pub busy: Gauge,
    /// Replicas in any state.
    pub live: Gauge,
    totals: Totals,
    measured: Totals,
    arrived: u64,
    ended: u64,
    /// Sum of the sojourn times of all ended requests of the run, in nanoseconds.
    sojourn: u128,
    cohort: Cohort,
    phases: [PhaseSum; 7],
    bins: Bins,
}

/// Counters that run from the start; the measured window takes their difference.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Replicas that began to start.
    pub starts: u64,
    /// Replicas that ended, and the sum of their lives in nanoseconds.
    pub lives: (u64, u128),
    /// CPU time burnt, in nanoseconds.
    pub cpu: f64,
    /// CPU time burnt for clients who never got their full answer from it, in nanoseconds.
    pub wasted_cpu: f64,
    /// Calls that a replica has served, and the sum of their times rounded up to whole milliseconds.
    pub calls: (u64, u128),
    /// Sum of the lengths of cold starts, in nanoseconds.
    pub init: u128,
    /// Asynchronous deliveries beside one that still ran.
    pub duplicates: u64,
    /// Asynchronous invocations given up.
    pub dead_letters: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct PhaseSum {
    count: u64,
    nanos: u128,
    max: Span,
}

/// What happened in the current step.
#[derive(Clone, Copy, Debug, Default)]
struct Bins {
    arrivals: u64,
    successes: u64,
    errors: u64,
}

/// Measures one machine.
#[derive(Clone, Debug, Default)]
pub struct NodeMeter {
    /// Name of the machine.
    name: String,
    /// Cores at work, the system's own share included.
    pub busy_cores: f64,
    /// Whether it is up.
    pub up: bool,
    /// Cores in all.
    cores: f64,
    /// Power when idle.
    idle_watts: f64,
    /// Power that each busy core adds.
    watts_per_busy_core: f64,
    last: SimTime,
    busy_secs: f64,
    up_secs: f64,
    step: (f64, f64),
    start: (f64, f64),
    measured: (f64, f64),
}

impl NodeMeter {
    /// Measures a machine that is up, with so many cores at work from the start.
    pub fn new(name: String, cores: f64, busy_cores: f64, idle_watts: f64, watts_per_busy_core: f64) -> NodeMeter {
        NodeMeter { name, cores, busy_cores, idle_watts, watts_per_busy_core, up: true, ..NodeMeter::default() }
    }

    /// Brings the integrals up to `now`; call before `busy_cores` or `up` change.
    pub fn settle(&mut self, now: SimTime) {
        let secs = now.since(self.last).as_secs_f64();
        self.last = now;
        if self.up {
            self.busy_secs += self.busy_cores * secs;
            self.up_secs += secs;
        }
    }

    fn watts(&self, busy_secs: f64, up_secs: f64) -> f64 {
        self.idle_watts * up_secs + self.watts_per_busy_core * busy_secs
    }
}

/// Measures a run.
#[derive(Debug)]
pub struct Recorder {
    /// Function by function, in the order of the scenario.
    pub functions: Vec<FunctionMeter>,
    /// Machine by machine.
    pub nodes: Vec<NodeMeter>,
    warm_up: SimTime,
    window_end: Option<SimTime>,
    step: Span,
    step_start: SimTime,
    system: Vec<SystemSeries>,
    per_function: Vec<Vec<Vec<f64>>>,
    cold_starts: Vec<SimTime>,
}

#[derive(Clone, Debug)]
struct SystemSeries {
    name: &'static str,
    unit: &'static str,
    values: Vec<f64>,
}

const FUNCTION_SERIES: [(&str, &str); 11] = [
    ("arrivals", "1/s"),
    ("successes", "1/s"),
    ("errors", "1/s"),
    ("in flight", "count"),
    ("waiting", "count"),
    ("queue depth", "count"),
    ("replicas desired", "replicas"),
    ("replicas starting", "replicas"),
    ("replicas ready", "replicas"),
    ("replicas busy", "replicas"),
    ("replicas", "replicas"),
];
const NODE_CPU: usize = FUNCTION_SERIES.len();
const POWER: usize = NODE_CPU + 1;

impl FunctionMeter {
    /// Counters to be raised as things happen.
    #[inline]
    pub fn totals(&mut self) -> &mut Totals {
        &mut self.totals
    }

    /// Counters so far.
    pub fn total(&self) -> &Totals {
        &self.totals
    }

    /// A request arrives.
    #[inline]
    pub fn arrive(&mut self, now: SimTime, in_cohort: bool) {
        self.in_system.add(now, 1);
        self.arrived += 1;
        self.bins.arrivals += 1;
        self.cohort.offered += u64::from(in_cohort);
    }

    /// A request is tried again.
    pub fn retry(&mut self, in_cohort: bool) {
        if in_cohort {
            self.cohort.retry();
        }
    }

    /// An asynchronous invocation has ended this long after its 202.
    pub fn queue_delay(&mut self, delay: Span, in_cohort: bool) {
        if in_cohort {
            self.cohort.queue_delay(delay);
        }
    }

    /// A phase of a cold start is over.
    pub fn phase(&mut self, phase: Phase, length: Span) {
        let sum = &mut self.phases[phase as usize];
        sum.count += 1;
        sum.nanos += u128::from(length.as_nanos());
        sum.max = sum.max.max(length);
    }

    #[inline]
    fn end(&mut self, now: SimTime, ended: &Ended, in_cohort: bool) {
        self.in_system.add(now, -1);
        self.ended += 1;
        self.sojourn += u128::from((now - ended.born).as_nanos());
        let ok = ended.ending.kind == OutcomeKind::Ok;
        if ok {
            self.bins.successes += 1;
        } else {
            self.bins.errors += 1;
        }
        if in_cohort {
            self.cohort.end(now - ended.born, ended.ending, ended.cold);
            if ended.served {
                self.cohort.serve(ended.cold);
                self.cohort.time(ended.waiting, ended.service);
            }
            if ok {
                self.cohort.divide(&ended.parts);
            }
        }
    }

    fn gauges(&mut self) -> [&mut Gauge; 8] {
        [
            &mut self.in_system,
            &mut self.waiting,
            &mut self.queued,
            &mut self.desired,
            &mut self.starting,
            &mut self.ready,
            &mut self.busy,
            &mut self.live,
        ]
    }

    /// Totals of the measured window: those at its end less those at its start.
    fn window(&self) -> Totals {
        let (end, start) = (&self.totals, &self.measured);
        Totals {
            starts: end.starts - start.starts,
            lives: (end.lives.0 - start.lives.0, end.lives.1 - start.lives.1),
            cpu: end.cpu - start.cpu,
            wasted_cpu: end.wasted_cpu - start.wasted_cpu,
            calls: (end.calls.0 - start.calls.0, end.calls.1 - start.calls.1),
            init: end.init - start.init,
            duplicates: end.duplicates - start.duplicates,
            dead_letters: end.dead_letters - start.dead_letters,
        }
    }
}

impl Recorder {
    /// Measures `functions` functions and these machines, with the window starting at `warm_up` and series in `steps` steps.
    pub fn new(functions: usize, nodes: Vec<NodeMeter>, warm_up: SimTime, duration: Span, steps: usize) -> Recorder {
        let series = |name, unit| SystemSeries { name, unit, values: Vec::with_capacity(steps) };
        let mut system: Vec<_> = FUNCTION_SERIES.iter().map(|(name, unit)| series(*name, *unit)).collect();
        system.push(series("node cpu", "share"));
        system.push(series("power", "W"));
        let own_series = (2..=MOST_FUNCTION_SERIES).contains(&functions);
        Recorder {
            functions: vec![FunctionMeter::default(); functions],
            nodes,
            warm_up,
            window_end: None,
            step: Span::from_nanos(duration.as_nanos().div_ceil(steps as u64).max(1)),
            step_start: SimTime::ZERO,
            system,
            per_function: vec![vec![Vec::new(); FUNCTION_SERIES.len()]; if own_series { functions } else { 0 }],
            cold_starts: Vec::new(),
        }
    }

    /// Length of a step of the series.
    pub fn step(&self) -> Span {
        self.step
    }

    /// Whether a request born at this instant counts.
    #[inline]
    pub fn in_cohort(&self, born: SimTime) -> bool {
        born >= self.warm_up
    }

    /// A request arrives.
    #[inline]
    pub fn arrive(&mut self, now: SimTime, function: usize) {
        let in_cohort = self.in_cohort(now);
        self.functions[function].arrive(now, in_cohort);
    }

    /// A request has ended for its client.
    #[inline]
    pub fn end(&mut self, now: SimTime, function: usize, ended: &Ended) {
        let in_cohort = self.in_cohort(ended.born);
        if ended.cold && self.cold_starts.len() < MOST_COLD_STARTS {
            self.cold_starts.push(ended.born);
        }
        self.functions[function].end(now, ended, in_cohort);
    }

    /// The warm-up is over: time averages start here.
    pub fn start_window(&mut self, now: SimTime) {
        for function in &mut self.functions {
            function.gauges().into_iter().for_each(|gauge| gauge.start_window(now));
            function.measured = function.totals;
        }
        for node in &mut self.nodes {
            node.settle(now);
            node.start = (node.busy_secs, node.up_secs);
        }
    }

    /// Arrivals are over (or the run is cut short): time averages end here.
    pub fn end_window(&mut self, now: SimTime) {
        if self.window_end.is_some() {
            return;
        }
        self.window_end = Some(now);
        for function in &mut self.functions {
            function.gauges().into_iter().for_each(|gauge| gauge.end_window(now));
            // From here on `measured` holds the window's own totals.
            function.measured = function.window();
        }
        for node in &mut self.nodes {
            node.settle(now);
            node.measured = (node.busy_secs - node.start.0, node.up_secs - node.start.1);
        }
    }

    /// A step of the series is over.
    pub fn end_step(&mut self, now: SimTime) {
        let secs = now.since(self.step_start).as_secs_f64();
        self.step_start = now;
        if secs <= 0.0 {
            return;
        }
        let mut sums = [0.0; FUNCTION_SERIES.len()];
        for (index, function) in self.functions.iter_mut().enumerate() {
            let bins = std::mem::take(&mut function.bins);
            let mut values = [0.0; FUNCTION_SERIES.len()];
            values[..3].copy_from_slice(&[bins.arrivals, bins.successes, bins.errors].map(|n| n as f64 / secs));
            for (value, gauge) in values[3..].iter_mut().zip(function.gauges()) {
                *value = gauge.end_step(now) * 1e-9 / secs;
            }
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
            if let Some(series) = self.per_function.get_mut(index) {
                series.iter_mut().zip(values).for_each(|(series, value)| series.push(value));
            }
        }
        self.system.iter_mut().zip(sums).for_each(|(series, sum)| series.values.push(sum));
        let (mut busy, mut cores, mut joules) = (0.0, 0.0, 0.0);
        for node in &mut self.nodes {
            node.settle(now);
            let (busy_secs, up_secs) = (node.busy_secs - node.step.0, node.up_secs - node.step.1);
            node.step = (node.busy_secs, node.up_secs);
            busy += busy_secs;
            cores += node.cores;
            joules += node.watts(busy_secs, up_secs);
        }
        if cores > 0.0 {
            self.system[NODE_CPU].values.push(busy / (cores * secs));
            self.system[POWER].values.push(joules / secs);
        }
    }

    /// Requests that have arrived and not ended.
    pub fn in_flight(&self) -> i64 {
        self.functions.iter().map(|function| function.in_system.value()).sum()
    }

    /// The record of the run that ended at `now`. `unfinished` yields the function and birth of each request still in flight.
    ///
    /// # Panics
    /// If requests were lost or invented, or if the sum of all sojourn times is not the integral of the number in the
    /// system (Little's law without limits, to the nanosecond): then the engine is wrong.
    pub fn close(
        mut self,
        now: SimTime,
        seed: Seed,
        partial: bool,
        unfinished: impl Iterator<Item = (usize, SimTime)>,
    ) -> RunRecord {
        self.end_window(now);
        for (function, born) in unfinished {
            let in_cohort = self.in_cohort(born);
            let meter = &mut self.functions[function];
            meter.in_system.add(now, -1);
            meter.ended += 1;
            meter.sojourn += u128::from((now - born).as_nanos());
            if in_cohort {
                meter.cohort.ended += 1;
                meter.cohort.count(Ending { kind: OutcomeKind::Unfinished, hop: None, status: None });
            }
        }
        let end = self.window_end.unwrap_or(now);
        let window_secs = end.since(self.warm_up).as_secs_f64();
        let mut whole = Cohort::default();
        let mut sums = WindowSums::default();
        let mut functions = Vec::with_capacity(self.functions.len());
        for meter in &mut self.functions {
            meter.check(now);
            whole.merge(&meter.cohort);
            let own = WindowSums::of(meter);
            let mut metrics = BTreeMap::new();
            meter.cohort.metrics(window_secs, &mut metrics);
            own.metrics(window_secs, &mut metrics);
            sums.add(&own);
            functions.push(meter.record(metrics));
        }
        let mut metrics = BTreeMap::new();
        whole.metrics(window_secs, &mut metrics);
        sums.metrics(window_secs, &mut metrics);
        let cores: f64 = self.nodes.iter().map(|node| node.cores).sum();
        if cores > 0.0 && window_secs > 0.0 {
            let busy: f64 = self.nodes.iter().map(|node| node.measured.0).sum();
            assert!(busy <= cores * window_secs * (1.0 + 1e-9), "cores were busy for longer than they exist");
            metrics.insert(result::CPU_UTILIZATION, busy / (cores * window_secs));
        }
        let nodes = self.nodes.iter().map(|node| NodeRecord {
            name: node.name.clone(),
            busy_core_secs: node.measured.0,
            up_secs: node.measured.1,
            energy_joules: node.watts(node.measured.0, node.measured.1),
        });
        RunRecord {
            seed,
            partial,
            window: (self.warm_up.min(end), end),
            metrics,
            functions,
            nodes: nodes.collect(),
            step: self.step,
            series: self.series(),
            cold_starts: std::mem::take(&mut self.cold_starts),
            warnings: Vec::new(),
        }
    }

    fn series(&mut self) -> Vec<SeriesRecord> {
        let record = |name, unit, function, values| SeriesRecord { name, unit, function, values };
        let system = std::mem::take(&mut self.system);
        let mut all: Vec<_> = system
            .into_iter()
            .filter(|series| !series.values.is_empty())
            .map(|series| record(series.name, series.unit, None, series.values))
            .collect();
        for (index, own) in std::mem::take(&mut self.per_function).into_iter().enumerate() {
            for ((name, unit), values) in FUNCTION_SERIES.iter().zip(own) {
                all.push(record(name, unit, Some(index), values));
            }
        }
        all
    }
}

impl FunctionMeter {
    /// Conservation and Little's law, exactly.
    fn check(&mut self, now: SimTime) {
        assert_eq!(self.arrived, self.ended, "every request that arrived ends exactly once");
        assert_eq!(self.cohort.offered, self.cohort.ended, "every request of the cohort ends exactly once");
        assert_eq!(self.in_system.value(), 0, "no request is left in the system");
        assert_eq!(
            self.sojourn,
            self.in_system.total(now),
            "the integral of the number in the system is the sum of the sojourn times"
        );
    }

    fn record(&mut self, metrics: BTreeMap<&'static str, f64>) -> FunctionRecord {
        let totals = self.measured;
        FunctionRecord {
            metrics,
            outcomes: self.cohort.outcomes(),
            responses: self.cohort.take_responses(),
            parts: self.cohort.parts(),
            phases: PHASES
                .into_iter()
                .zip(&self.phases)
                .filter(|(_, sum)| sum.count > 0)
                .map(|(name, sum)| PhaseRecord {
                    name,
                    count: sum.count,
                    total_secs: sum.nanos as f64 * 1e-9,
                    max_secs: sum.max.as_secs_f64(),
                })
                .collect(),
            usage: Usage {
                calls: totals.calls.0,
                call_secs: totals.calls.1 as f64 * 1e-9,
                init_secs: totals.init as f64 * 1e-9,
                replica_secs: self.live.window() * 1e-9,
                busy_replica_secs: self.busy.window() * 1e-9,
            },
        }
    }
}

/// Sums over the measured window that add up over functions.
#[derive(Default)]
struct WindowSums {
    totals: Totals,
    in_system: f64,
    waiting: f64,
    ready: f64,
    busy: f64,
    live: f64,
}

impl WindowSums {
    fn of(meter: &FunctionMeter) -> WindowSums {
        WindowSums {
            totals: meter.measured,
            in_system: meter.in_system.window(),
            waiting: meter.waiting.window(),
            ready: meter.ready.window(),
            busy: meter.busy.window(),
            live: meter.live.window(),
        }
    }

    fn add(&mut self, other: &WindowSums) {
        let (mine, theirs) = (&mut self.totals, &other.totals);
        mine.starts += theirs.starts;
        mine.lives.0 += theirs.lives.0;
        mine.lives.1 += theirs.lives.1;
        mine.cpu += theirs.cpu;
        mine.wasted_cpu += theirs.wasted_cpu;
        mine.duplicates += theirs.duplicates;
        mine.dead_letters += theirs.dead_letters;
        self.in_system += other.in_system;
        self.waiting += other.waiting;
        self.ready += other.ready;
        self.busy += other.busy;
        self.live += other.live;
    }

    fn metrics(&self, window_secs: f64, metrics: &mut BTreeMap<&'static str, f64>) {
        metrics.insert(result::REPLICA_STARTS, self.totals.starts as f64);
        metrics.insert(result::DUPLICATES, self.totals.duplicates as f64);
        metrics.insert(result::DEAD_LETTERS, self.totals.dead_letters as f64);
        if self.totals.lives.0 > 0 {
            let mean = self.totals.lives.1 as f64 * 1e-9 / self.totals.lives.0 as f64;
            metrics.insert(result::REPLICA_LIFESPAN_MEAN, mean);
        }
        if self.totals.cpu > 0.0 {
            metrics.insert(result::WASTED_CPU_SHARE, self.totals.wasted_cpu / self.totals.cpu);
        }
        if window_secs > 0.0 {
            let nanos = window_secs * 1e9;
            metrics.insert(result::IN_SYSTEM_MEAN, self.in_system / nanos);
            metrics.insert(result::QUEUE_MEAN, self.waiting / nanos);
            metrics.insert(result::REPLICAS_MEAN, self.live / nanos);
            metrics.insert(result::REPLICAS_READY_MEAN, self.ready / nanos);
            metrics.insert(result::REPLICAS_BUSY_MEAN, self.busy / nanos);
        }
    }
}

impl Ending {
    /// A full answer with status 200.
    pub const OK: Ending = Ending { kind: OutcomeKind::Ok, hop: None, status: Some(200) };

    /// An ending of this kind at this hop with this status.
    pub const fn new(kind: OutcomeKind, hop: Option<Hop>, status: Option<u16>) -> Ending {
        Ending { kind, hop, status }
    }
}
