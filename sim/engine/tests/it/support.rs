//! Scenarios built in code: the smallest complete ones, to be changed by each test.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::fixtures;
use faas_lab_model::policies::{Bounds, KeepAlivePolicy, PerRequest, Scaling};
use faas_lab_model::scenario::{Arrivals, Backoff, Concurrency, Jitter, Scenario};
use faas_lab_model::time::Span;
use faas_lab_model::units::Rate;

pub(crate) fn secs(secs: f64) -> Span {
    Span::from_secs_f64(secs)
}

pub(crate) fn exponential(mean: f64) -> Distribution {
    Distribution::Exponential { mean }
}

/// One function `f` with Poisson arrivals, exponential service, a fixed number of replicas that serve one call each, and
/// an unbounded waiting room; no machines, no network, no timeouts: M/M/c.
pub(crate) fn mmc(servers: u32, arrival_rate: f64, mean_service: f64, duration: f64) -> Scenario {
    let mut scenario = fixtures::scenario();
    (scenario.duration, scenario.drain) = (secs(duration), secs(duration));
    let queue = &mut scenario.queue;
    queue.backoff = Backoff { initial: secs(1.0), max: secs(10.0), factor: 2.0, jitter: Jitter::None };
    let function = &mut scenario.functions[0];
    function.demand.law = exponential(mean_service);
    function.concurrency = Concurrency::Workers { count: 1, backlog: None };
    function.replicas = Bounds { min: servers, max: servers, initial: servers };
    scenario.workloads[0].name = "w".into();
    scenario.workloads[0].arrivals = Arrivals::Poisson(Rate(arrival_rate));
    scenario
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
