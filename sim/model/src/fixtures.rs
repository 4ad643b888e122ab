//! A plain scenario and a made-up record, for the tests of all packages. Not part of the product.

use std::collections::BTreeMap;

use crate::distributions::Distribution;
use crate::metrics::result::{self, OutcomeKind, ScenarioRecord};
use crate::metrics::{Ending, FunctionRecord, NodeRecord, PhaseRecord, RunRecord, SeriesRecord, TimeHistogram, Usage};
use crate::policies::scaling::Fixed;
use crate::policies::{Bounds, DispatchPolicy, KeepAlivePolicy, PlacementPolicy, Scaling};
use crate::rng::Seed;
use crate::scenario::{
    Arrivals, AsyncQueue, Backoff, Cluster, ColdStart, Concurrency, Demand, Discipline, Edge, Function, Gateway,
    Invocation, Jitter, NodeGroup, Prices, Scenario, WaitingRoom, WarmUp, Watchdog, WatchdogMode, Workload,
};
use crate::time::{SimTime, Span};
use crate::units::{ByteRate, Bytes, Rate};

/// No time at all, as a law.
pub const NONE: Distribution = Distribution::Constant(0.0);

/// M/M/1: Poisson arrivals at 0.8/s, one replica that is always there and serves one request in 1 s on average.
pub fn scenario() -> Scenario {
    Scenario {
        name: "plain".into(),
        about: "One queue.".into(),
        duration: Span::from_secs(1000),
        warm_up: WarmUp::Given(Span::ZERO),
        drain: Span::from_secs(1000),
        seed: Seed(7),
        replications: 2,
        nodes: Vec::new(),
        edge: Edge { rtt: NONE, bandwidth: None, client_timeout: None },
        gateway: Gateway {
            replicas: 1,
            workers: 1,
            overhead: NONE,
            read_timeout: None,
            write_timeout: None,
            upstream_timeout: None,
            provider_timeout: None,
            scale_from_zero: None,
        },
        queue: AsyncQueue {
            workers: 1,
            max_inflight: 1,
            ack_wait: Span::from_secs(30),
            extends_ack: false,
            max_body: None,
            commit: NONE,
            attempts: 1,
            retry_codes: Vec::new(),
            backoff: Backoff { initial: Span::ZERO, max: Span::ZERO, factor: 1.0, jitter: Jitter::None },
            retry_after: None,
            callback: None,
        },
        cluster: Cluster {
            placement: PlacementPolicy::Spread,
            node_detection: Span::from_secs(40),
            eviction_delay: Span::from_secs(300),
            crash_backoff: Span::from_secs(10),
            crash_backoff_max: Span::from_secs(300),
            termination_grace: Span::from_secs(30),
            registry: None,
            pull_overhead: Span::ZERO,
        },
        functions: vec![function("f")],
        workloads: vec![Workload {
            name: "f".into(),
            function: 0,
            arrivals: Arrivals::Poisson(Rate(0.8)),
            invocation: Invocation::Sync,
            request: Bytes(0),
            body: None,
            retries: None,
        }],
        objectives: Vec::new(),
        prices: Prices { currency: "EUR".into(), per_kwh: 0.0, amortisation: Span::ZERO, cloud: None },
        variants: Vec::new(),
        record: ScenarioRecord::default(),
        provenance: Vec::new(),
        warnings: Vec::new(),
    }
}

/// A function with one replica, one worker in it, exponential demand of mean 1 s and an unlimited waiting room.
pub fn function(name: &str) -> Function {
    Function {
        name: name.into(),
        memory: Bytes(128 << 20),
        memory_limit: None,
        memory_per_call: Bytes(0),
        cpu_request: 0.0,
        cpu_limit: None,
        cpu_period: None,
        demand: Demand { class: None, law: Distribution::Exponential { mean: 1.0 } },
        wait: NONE,
        cold_demand: None,
        response: Bytes(0),
        stream: None,
        error_rate: 0.0,
        cancellable: false,
        watchdog: Watchdog {
            mode: WatchdogMode::None,
            overhead: NONE,
            read_timeout: None,
            write_timeout: None,
            exec_timeout: None,
            max_inflight: None,
        },
        concurrency: Concurrency::Workers { count: 1, backlog: Some(0) },
        contention: 0.0,
        cold_start: ColdStart {
            schedule: NONE,
            image: Bytes(0),
            image_present: true,
            sandbox: NONE,
            create: NONE,
            boot: Demand { class: None, law: NONE },
            readiness_probe: None,
            endpoint: NONE,
        },
        replicas: Bounds { min: 1, max: 1, initial: 1 },
        scaling: Scaling::Fixed(Fixed {}),
        scale_to_zero: None,
        dispatch: DispatchPolicy::Random,
        keep_alive: KeepAlivePolicy::Forever,
        lifetime: None,
        waiting_room: Some(WaitingRoom { capacity: None, discipline: Discipline::Fifo }),
        crashes: None,
        initial: Vec::new(),
    }
}

/// Machines with one core each that draw 2 W, and 1 W more when busy.
pub fn node_group(name: &str, count: u32) -> NodeGroup {
    NodeGroup {
        name: name.into(),
        count,
        cores: 1,
        reserved_cores: 0.0,
        memory: Bytes(4 << 30),
        reserved_memory: Bytes(0),
        pod_start: NONE,
        classes: Vec::new(),
        link: ByteRate(1e8),
        disk_write: ByteRate(1e8),
        idle_watts: 2.0,
        watts_per_busy_core: 1.0,
        price: 0.0,
        failures: Vec::new(),
        random_failures: None,
    }
}

/// A record as a run of `scenario` with `seed` might yield it: 80 requests a function, all but a tenth of them
/// answered, with mean response time `response_mean` seconds.
pub fn record(scenario: &Scenario, seed: u64, response_mean: f64) -> RunRecord {
    let metrics = BTreeMap::from([
        (result::OFFERED, 80.0),
        (result::SUCCESS_SHARE, 0.9),
        (result::RESPONSE_MEAN, response_mean),
        (result::RESPONSE_P95, 3.0 * response_mean),
        (result::IN_SYSTEM_MEAN, 0.8 * response_mean),
    ]);
    let (ok, refused) = (
        Ending { kind: OutcomeKind::Ok, hop: None, status: Some(200) },
        Ending { kind: OutcomeKind::Refused, hop: Some(crate::metrics::Hop::Admission), status: Some(429) },
    );
    let responses = |count: u64, secs: f64| {
        let mut histogram = TimeHistogram::default();
        (0..count).for_each(|_| histogram.record(Span::from_secs_f64(secs)));
        histogram
    };
    let function = FunctionRecord {
        metrics: metrics.clone(),
        outcomes: BTreeMap::from([(ok, 72), (refused, 8)]),
        responses: BTreeMap::from([
            ((false, OutcomeKind::Ok), responses(70, response_mean)),
            ((true, OutcomeKind::Ok), responses(2, response_mean)),
            ((false, OutcomeKind::Refused), responses(8, 0.0)),
        ]),
        parts: vec![("waiting", 72.0 * response_mean * 0.75), ("service", 72.0 * response_mean * 0.25)],
        phases: vec![PhaseRecord { name: "boot", count: 2, total_secs: 3.0, max_secs: 2.0 }],
        usage: Usage { calls: 72, call_secs: 72.0, ..Usage::default() },
    };
    let steps = 100;
    let nodes = scenario.nodes.iter().flat_map(|group| {
        (1..=group.count).map(|k| NodeRecord {
            name: format!("{}-{k}", group.name),
            busy_core_secs: 500.0,
            up_secs: scenario.duration.as_secs_f64(),
            energy_joules: 2500.0,
        })
    });
    RunRecord {
        seed: Seed(seed),
        partial: false,
        window: (SimTime::ZERO, SimTime::ZERO + scenario.duration),
        metrics,
        functions: scenario.functions.iter().map(|_| function.clone()).collect(),
        nodes: nodes.collect(),
        step: scenario.duration / steps,
        series: vec![SeriesRecord {
            name: "in flight",
            unit: "count",
            function: None,
            // Any series that moves will do: its mean is 0.8 times the response time, as Little's law wants.
            values: (0..steps).map(|k| 0.8 * response_mean * (0.5 + (k * 37 % steps) as f64 / 99.0)).collect(),
        }],
        cold_starts: vec![SimTime::ZERO + Span::from_secs(1)],
        warnings: Vec::new(),
    }
}
