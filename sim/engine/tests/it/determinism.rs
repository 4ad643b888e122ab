//! The same seed gives the same run; variants of one scenario meet the same requests.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::*;
use faas_lab_model::time::{SimTime, Span};

use faas_lab_sim::{RequestRecord, RunOptions, run};

use crate::play::*;
use crate::support::{exponential, per_request, secs};

/// A bit of everything that draws.
fn busy() -> Scenario {
    let mut scenario = on_machines(replicas(stage(&[], 1.0), 3), 2, 2);
    scenario.duration = secs(300.0);
    scenario.workloads[0].arrivals = Arrivals::Poisson(faas_lab_model::units::Rate(3.0));
    scenario.workloads[0].retries = Some(Retries {
        attempts: 3,
        backoff: Backoff { jitter: Jitter::Full, ..no_jitter(0.5, 2.0, 10.0) },
        codes: vec![500, 502, 503],
    });
    scenario.edge.rtt = exponential(0.02);
    scenario.edge.client_timeout = Some(secs(4.0));
    scenario.gateway.overhead = exponential(0.01);
    scenario.gateway.replicas = 2;
    let function = &mut scenario.functions[0];
    function.demand.law = exponential(0.8);
    function.error_rate = 0.05;
    function.crashes = Some(exponential(100.0));
    function.cold_start.create = exponential(1.0);
    function.watchdog.overhead = exponential(0.01);
    scenario.nodes[0].random_failures =
        Some(RandomFailures { time_between: exponential(100.0), repair: exponential(20.0) });
    scenario
}

#[test]
fn a_seed_determines_a_run() {
    let scenario = busy();
    let everything = |seed| {
        let played = play_with(&scenario, Seed(seed));
        format!("{:?}{:?}", played.record, played.requests)
    };
    assert_eq!(everything(5), everything(5));
    assert_ne!(everything(5), everything(6));
}

/// Arrival and service demand of each request of the first workload, in order of birth.
fn requests(scenario: &Scenario) -> Vec<(SimTime, Option<Span>)> {
    let played = play_with(scenario, Seed(9));
    let of_first = played.requests.iter().filter(|request| request.workload == 0);
    of_first.map(|request| (request.arrived, (!request.service.is_zero()).then_some(request.service))).collect()
}

#[test]
fn variants_meet_the_same_requests() {
    // Without machines the service time is the demand.
    let mut base = per_request(2.0, 1.0, 1.0, 30.0, 50, 200.0);
    base.functions[0].cold_demand = None;
    let expected = requests(&base);
    assert!(expected.len() > 300);
    let same = |change: fn(&mut Scenario)| {
        let mut variant = base.clone();
        change(&mut variant);
        let seen = requests(&variant);
        assert_eq!(seen.len(), expected.len());
        for (seen, expected) in seen.iter().zip(&expected) {
            assert_eq!(seen.0, expected.0);
            // Where it was served at all, and to the end.
            if let (Some(seen), Some(expected)) = (seen.1, expected.1) {
                assert!(seen == expected || seen == secs(1.0), "{seen} instead of {expected}");
            }
        }
    };
    same(|s| s.gateway.upstream_timeout = Some(secs(1.0)));
    same(|s| s.functions[0].keep_alive = faas_lab_model::policies::KeepAlivePolicy::Fixed(Span::ZERO));
    same(|s| s.functions[0].replicas.max = 3);
    same(|s| s.functions[0].cold_start.boot.law = exponential(2.0));
    same(|s| s.edge.rtt = exponential(0.1));
    same(|s| s.functions[0].error_rate = 0.3);
    same(|s| {
        s.gateway.replicas = 3;
        s.gateway.overhead = exponential(0.05);
    });
    same(|s| {
        s.workloads[0].retries =
            Some(Retries { attempts: 5, backoff: no_jitter(1.0, 2.0, 10.0), codes: vec![429, 500, 502] });
        s.functions[0].error_rate = 0.3;
    });
    same(|s| {
        let mut other = s.functions[0].clone();
        other.name = "g".into();
        s.functions.push(other);
        let mut second = s.workloads[0].clone();
        (second.name, second.function) = ("v".into(), 1);
        s.workloads.push(second);
    });
}

#[test]
fn a_series_has_the_same_length_however_a_run_ends() {
    let steps = |arrivals: &[f64]| play(&stage(arrivals, 10.0)).record.series[0].values.len();
    assert_eq!(steps(&[1.0]), 240);
    assert_eq!(steps(&[995.0]), 240);
}

/// A second workload with a function of its own leaves everything that happens to the first one's requests as it was:
/// arrivals, demands, and the draws made later for routing, round trips and cold starts.
#[test]
fn a_neighbour_without_contention_changes_nothing() {
    let mut alone = per_request(2.0, 0.5, 0.5, 3.0, 50, 400.0);
    alone.edge.rtt = Distribution::Lognormal { median: 0.01, sigma: 0.5 };
    alone.functions[0].cold_start.boot.law = exponential(1.0);
    let mut shared = alone.clone();
    let mut neighbour = (shared.functions[0].clone(), shared.workloads[0].clone());
    neighbour.0.name = "neighbour".into();
    (neighbour.1.name, neighbour.1.function) = ("neighbour".into(), 1);
    shared.functions.push(neighbour.0);
    shared.workloads.insert(0, neighbour.1);
    let log_of_f = |scenario: &Scenario| {
        let mut log = Vec::new();
        let mut keep = |request: &RequestRecord| {
            if request.function == 0 {
                log.push((request.arrived, request.ended, request.cold));
            }
        };
        run(scenario, Seed(5), RunOptions { requests: Some(&mut keep), ..RunOptions::default() });
        log
    };
    assert_eq!(log_of_f(&alone), log_of_f(&shared));
}
