//! Scenarios built in code: the smallest complete ones, to be changed by each test.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::policies::scaling::Fixed;
use faas_lab_model::policies::{Bounds, DispatchPolicy, KeepAlivePolicy, PerRequest, PlacementPolicy, Scaling};
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::*;
use faas_lab_model::time::Span;
use faas_lab_model::units::{Bytes, Rate};

pub(crate) fn secs(secs: f64) -> Span {
    Span::from_secs_f64(secs)
}

pub(crate) fn exponential(mean: f64) -> Distribution {
    Distribution::Exponential { mean }
}

/// One function `f` with Poisson arrivals, exponential service, a fixed number of replicas that serve one call each, and
/// an unbounded waiting room; no machines, no network, no timeouts: M/M/c.
pub(crate) fn mmc(servers: u32, arrival_rate: f64, mean_service: f64, duration: f64) -> Scenario {
    Scenario {
        name: "test".into(),
        about: String::new(),
        duration: secs(duration),
        warm_up: WarmUp::Given(Span::ZERO),
        drain: secs(duration),
        seed: Seed(1),
        replications: 1,
        nodes: Vec::new(),
        edge: Edge { rtt: Distribution::ZERO, bandwidth: None, client_timeout: None },
        gateway: Gateway {
            replicas: 1,
            workers: 1,
            overhead: Distribution::ZERO,
            read_timeout: None,
            write_timeout: None,
            upstream_timeout: None,
            provider_timeout: None,
            scale_from_zero: None,
        },
        queue: AsyncQueue {
            workers: 1,
            max_inflight: 1,
            ack_wait: secs(30.0),
            extends_ack: false,
            max_body: None,
            commit: Distribution::ZERO,
            attempts: 1,
            retry_codes: Vec::new(),
            backoff: Backoff { initial: secs(1.0), max: secs(10.0), factor: 2.0, jitter: Jitter::None },
            retry_after: None,
            callback: None,
        },
        cluster: Cluster {
            placement: PlacementPolicy::Spread,
            node_detection: secs(40.0),
            eviction_delay: secs(300.0),
            crash_backoff: secs(10.0),
            crash_backoff_max: secs(300.0),
            termination_grace: secs(30.0),
            registry: None,
            pull_overhead: Span::ZERO,
        },
        functions: vec![Function {
            name: "f".into(),
            memory: Bytes(128 << 20),
            memory_limit: None,
            memory_per_call: Bytes(0),
            cpu_request: 0.0,
            cpu_limit: None,
            demand: Demand { class: None, law: exponential(mean_service) },
            wait: Distribution::ZERO,
            cold_demand: None,
            response: Bytes(0),
            stream: None,
            error_rate: 0.0,
            watchdog: Watchdog {
                mode: WatchdogMode::None,
                overhead: Distribution::ZERO,
                read_timeout: None,
                write_timeout: None,
                exec_timeout: None,
                max_inflight: None,
            },
            concurrency: Concurrency::Workers { count: 1, backlog: None },
            cold_start: ColdStart {
                schedule: Distribution::ZERO,
                image: Bytes(0),
                image_present: true,
                sandbox: Distribution::ZERO,
                create: Distribution::ZERO,
                boot: Demand { class: None, law: Distribution::ZERO },
                readiness_probe: None,
                endpoint: Distribution::ZERO,
            },
            replicas: Bounds { min: servers, max: servers, initial: servers },
            scaling: Scaling::Fixed(Fixed {}),
            scale_to_zero: None,
            dispatch: DispatchPolicy::Random,
            keep_alive: KeepAlivePolicy::Forever,
            lifetime: None,
            waiting_room: Some(WaitingRoom { capacity: None, discipline: Discipline::Fifo }),
            crashes: None,
            initial: Vec::new(),
        }],
        workloads: vec![Workload {
            name: "w".into(),
            function: 0,
            arrivals: Arrivals::Poisson(Rate(arrival_rate)),
            invocation: Invocation::Sync,
            request: Bytes(0),
            retries: None,
        }],
        objectives: Vec::new(),
        prices: Prices { currency: String::new(), per_kwh: 0.0, amortisation: secs(1.0), cloud: None },
        variants: Vec::new(),
        record: Default::default(),
        provenance: Vec::new(),
        warnings: Vec::new(),
    }
}

/// SimFaaS's platform: a replica for each request that finds none idle, kept for `keep_alive` seconds, at most `cap`.
pub(crate) fn per_request(
    arrival_rate: f64,
    warm: f64,
    cold: f64,
    keep_alive: f64,
    cap: u32,
    duration: f64,
) -> Scenario {
    let mut scenario = mmc(1, arrival_rate, warm, duration);
    let function = &mut scenario.functions[0];
    function.cold_demand = Some(exponential(cold));
    function.scaling = Scaling::PerRequest(PerRequest::default());
    function.keep_alive = KeepAlivePolicy::Fixed(secs(keep_alive));
    function.replicas = Bounds { min: 0, max: cap, initial: 0 };
    function.waiting_room = None;
    scenario
}
