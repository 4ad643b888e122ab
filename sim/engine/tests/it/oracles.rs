//! The engine against closed forms and exact chains.
//!
//! Each test runs independent replications until the half-width of their own 99.9 % interval is at most 1 % of the truth,
//! and then wants the truth inside that interval. What is printed (`--nocapture`) makes a table.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::metrics::result;
use faas_lab_model::policies::provisioning::Binding;
use faas_lab_model::policies::{Bounds, IdleRouting, KeepAlivePolicy, PerRequest, Scaling};
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::*;
use faas_lab_model::statistics::Estimate;
use faas_lab_model::theory::{
    InfiniteServers, KeepAlive, Mg1, Mm1, Mmc, Mmck, ProcessorSharing, Setup, ZeroServiceKeepAlive, erlang_b,
};
use faas_lab_model::time::Span;
use faas_lab_model::units::{ByteRate, Bytes};

use crate::runs::{Runs, estimate, metric};
use crate::support::{exponential, mmc, per_request};

const CONFIDENCE: f64 = 0.999;
const LARGEST_HALF_WIDTH: f64 = 0.01;
const RUNS: u32 = 32;

/// Fails unless each metric has its truth, and the interval is narrow enough for that to mean something.
fn assert_truths(model: &str, runs: Runs<'_>, truths: &[(&str, Option<f64>)]) {
    let runs = Runs { seed: seed_of(model), ..runs };
    let keys: Vec<&str> = truths.iter().map(|(key, _)| *key).collect();
    for (estimate, (key, truth)) in runs.estimates(&keys).iter().zip(truths) {
        assert_truth(model, key, estimate, truth.expect("a steady state"));
    }
}

/// Each model has seeds of its own: with the same arrivals everywhere they would err together.
fn seed_of(model: &str) -> Seed {
    Seed(model.bytes().fold(1, |sum: u64, byte| sum.wrapping_mul(257).wrapping_add(u64::from(byte))))
}

fn assert_truth(model: &str, quantity: &str, estimate: &Estimate, truth: f64) {
    let half_width = estimate.half_width_at(CONFIDENCE).expect("several runs");
    let z = estimate.z_score(truth).expect("runs differ");
    println!("{model} | {quantity} | {truth:.6} | {:.6} ± {half_width:.6} | {z:+.2}", estimate.mean);
    assert!(
        half_width <= LARGEST_HALF_WIDTH * truth,
        "{model}, {quantity}: ± {:.2} % says too little",
        100.0 * half_width / truth
    );
    assert!(
        estimate.covers(truth, CONFIDENCE).expect("several runs"),
        "{model}, {quantity}: {} ± {half_width}, and theory says {truth} (z = {z:.2})",
        estimate.mean
    );
}

/// [`mmc`] long enough for so many arrivals in each of [`RUNS`] runs after a warm-up, with its theory beside it.
fn station(servers: u32, arrival_rate: f64, mean_service: f64, arrivals: f64, warm_up: f64) -> Scenario {
    mmc(servers, arrival_rate, mean_service, warm_up + arrivals / arrival_rate)
}

fn with_service(mut scenario: Scenario, law: Distribution) -> Scenario {
    scenario.functions[0].demand.law = law;
    scenario
}

fn with_places(mut scenario: Scenario, capacity: u32) -> Scenario {
    scenario.functions[0].waiting_room = Some(WaitingRoom { capacity: Some(capacity), discipline: Discipline::Fifo });
    scenario
}

// ---- A fixed number of servers ----

#[test]
fn mm1() {
    let theory = Mm1 { arrival_rate: 0.6, mean_service: 1.0 };
    let scenario = station(1, 0.6, 1.0, 400_000.0, 1000.0);
    let truths = [
        (result::WAITING_MEAN, theory.mean_wait()),
        (result::RESPONSE_MEAN, theory.mean_response()),
        (result::QUEUE_MEAN, theory.mean_queue()),
        (result::REPLICAS_BUSY_MEAN, Some(0.6)),
    ];
    assert_truths("M/M/1", Runs::of(&scenario, RUNS, 1000.0), &truths);
}

#[test]
fn mmc_waits() {
    let theory = Mmc { servers: 4, arrival_rate: 2.8, mean_service: 1.0 };
    let scenario = station(4, 2.8, 1.0, 1_100_000.0, 1000.0);
    let truths = [
        (result::WAITING_MEAN, theory.mean_wait()),
        (result::WAITED_SHARE, theory.wait_probability()),
        (result::REPLICAS_BUSY_MEAN, theory.offered_load()),
    ];
    assert_truths("M/M/4", Runs::of(&scenario, RUNS, 1000.0), &truths);
}

#[test]
fn erlang_c_for_ten_servers() {
    let theory = Mmc { servers: 10, arrival_rate: 8.0, mean_service: 1.0 };
    let scenario = station(10, 8.0, 1.0, 400_000.0, 500.0);
    let truths = [(result::WAITED_SHARE, theory.wait_probability()), (result::RESPONSE_MEAN, theory.mean_response())];
    assert_truths("Erlang C (10, 8)", Runs::of(&scenario, RUNS, 500.0), &truths);
}

/// Blocking without a waiting room does not depend on the law of service, only on its mean.
#[test]
fn erlang_b_whatever_the_service_law() {
    // The mean of a lognormal law is its median times e^(σ²/2).
    let lognormal = Distribution::Lognormal { median: 2.0 / std::f64::consts::E.sqrt(), sigma: 1.0 };
    for (name, law) in [("Erlang B (5, 4)", exponential(2.0)), ("Erlang B (5, 4), lognormal service", lognormal)] {
        let scenario = with_places(with_service(station(5, 2.0, 2.0, 120_000.0, 200.0), law), 0);
        let blocked = erlang_b(5, 4.0);
        let truths =
            [(result::REFUSED_SHARE, blocked), (result::IN_SYSTEM_MEAN, blocked.map(|blocked| 4.0 * (1.0 - blocked)))];
        assert_truths(name, Runs::of(&scenario, RUNS, 200.0), &truths);
    }
}

#[test]
fn mmck() {
    let theory = Mmck { servers: 10, capacity: 20, arrival_rate: 12.0, mean_service: 1.0 };
    let scenario = with_places(station(10, 12.0, 1.0, 250_000.0, 200.0), 10);
    let truths = [
        (result::REFUSED_SHARE, theory.blocking_probability()),
        (result::WAITING_MEAN, theory.mean_wait()),
        (result::QUEUE_MEAN, theory.mean_queue()),
    ];
    assert_truths("M/M/10/20", Runs::of(&scenario, RUNS, 200.0), &truths);
}

#[test]
fn md1() {
    let theory = Mg1::deterministic(0.7, 1.0);
    let scenario = with_service(station(1, 0.7, 1.0, 400_000.0, 1000.0), Distribution::Constant(1.0));
    let truths = [(result::WAITING_MEAN, theory.mean_wait()), (result::QUEUE_MEAN, theory.mean_queue())];
    assert_truths("M/D/1", Runs::of(&scenario, RUNS, 1000.0), &truths);
}

#[test]
fn mg1_by_pollaczek_and_khinchine() {
    let laws = [
        ("M/G/1, lognormal", Distribution::Lognormal { median: 0.8, sigma: 0.6 }, 450_000.0),
        ("M/G/1, gamma", Distribution::Gamma { mean: 1.0, cv: 1.5 }, 800_000.0),
    ];
    for (name, law, arrivals) in laws {
        let mean_service = law.mean().expect("a finite mean");
        let arrival_rate = 0.5 / mean_service;
        let squared_cv = law.squared_cv().expect("a finite variance");
        let theory = Mg1 { arrival_rate, mean_service, squared_cv };
        let scenario = with_service(station(1, arrival_rate, mean_service, arrivals, 1000.0), law);
        assert_truths(name, Runs::of(&scenario, RUNS, 1000.0), &[(result::WAITING_MEAN, theory.mean_wait())]);
    }
}

// ---- Shared and unlimited servers ----

/// One machine with one core, of the reference machine's speed.
pub(crate) fn one_core() -> NodeGroup {
    NodeGroup {
        name: "node".into(),
        count: 1,
        cores: 1,
        reserved_cores: 0.0,
        memory: Bytes(1 << 33),
        reserved_memory: Bytes(0),
        pod_start: Distribution::Constant(0.0),
        classes: Vec::new(),
        link: ByteRate(1e9),
        disk_write: ByteRate(1e9),
        idle_watts: 0.0,
        watts_per_busy_core: 0.0,
        price: 0.0,
        failures: Vec::new(),
        random_failures: None,
    }
}

/// Calls share one core equally: the mean response depends on the mean of the service law alone.
#[test]
fn processor_sharing_is_insensitive() {
    let theory = ProcessorSharing { arrival_rate: 0.5, mean_service: 1.0 };
    for (name, law) in
        [("M/D/1-PS", Distribution::Constant(1.0)), ("M/G/1-PS, gamma", Distribution::Gamma { mean: 1.0, cv: 1.5 })]
    {
        let mut scenario = with_service(station(1, 0.5, 1.0, 150_000.0, 500.0), law);
        scenario.nodes = vec![one_core()];
        scenario.functions[0].concurrency = Concurrency::Unlimited;
        scenario.functions[0].waiting_room = None;
        let truths = [
            (result::RESPONSE_MEAN, theory.mean_response()),
            (result::IN_SYSTEM_MEAN, theory.mean_in_system()),
            (result::CPU_UTILIZATION, Some(0.5)),
        ];
        assert_truths(name, Runs::of(&scenario, RUNS, 500.0), &truths);
    }
}

#[test]
fn mg_infinity() {
    let law = Distribution::Gamma { mean: 3.0, cv: 1.5 };
    let mut scenario = with_service(station(1, 2.0, 3.0, 60_000.0, 500.0), law);
    scenario.functions[0].concurrency = Concurrency::Unlimited;
    scenario.functions[0].waiting_room = None;
    let theory = InfiniteServers { arrival_rate: 2.0, mean_service: 3.0 };
    assert_truths(
        "M/G/∞",
        Runs::of(&scenario, RUNS, 500.0),
        &[(result::IN_SYSTEM_MEAN, theory.mean_in_system()), (result::RESPONSE_MEAN, Some(3.0))],
    );
}

// ---- Keep-alive ----

fn most_recently_used(mut scenario: Scenario) -> Scenario {
    scenario.functions[0].cold_demand = None;
    let routing = IdleRouting::MostRecentlyUsed;
    scenario.functions[0].scaling = Scaling::PerRequest(PerRequest { routing, ..PerRequest::default() });
    scenario
}

#[test]
fn keep_alive_with_a_stack_of_idle_replicas() {
    for (arrival_rate, mean_service, keep_alive, cap, arrivals) in
        [(1.0, 2.0, 10.0, None, 300_000.0), (10.0, 2.016, 10.0, None, 900_000.0), (2.0, 2.0, 2.0, Some(5), 300_000.0)]
    {
        let theory = KeepAlive { arrival_rate, mean_service, keep_alive, cap };
        let means = theory.steady_state().expect("a steady state");
        let duration = 500.0 + arrivals / arrival_rate;
        let scenario = most_recently_used(per_request(
            arrival_rate,
            mean_service,
            mean_service,
            keep_alive,
            cap.unwrap_or(u32::MAX),
            duration,
        ));
        // The share of cold starts is of all arrivals, the refused ones included.
        let mut truths = vec![(result::REPLICAS_MEAN, means.replicas()), (result::REPLICAS_BUSY_MEAN, means.busy)];
        if cap.is_some() {
            truths.push((result::REFUSED_SHARE, means.p_rejected));
        }
        truths.push((result::COLD_SHARE, means.p_cold / (1.0 - means.p_rejected)));
        let truths: Vec<_> = truths.into_iter().map(|(key, truth)| (key, Some(truth))).collect();
        let name = format!("keep-alive ({arrival_rate}, {mean_service}, {keep_alive}, {cap:?})");
        assert_truths(&name, Runs::of(&scenario, RUNS, 500.0), &truths);
    }
}

#[test]
fn keep_alive_of_calls_that_take_no_time() {
    let theory = ZeroServiceKeepAlive { arrival_rate: 0.5, keep_alive: 2.0 };
    let mut scenario = per_request(0.5, 1.0, 1.0, 2.0, u32::MAX, 60_000.0);
    scenario.functions[0].cold_demand = None;
    scenario.functions[0].demand.law = Distribution::ZERO;
    let truths = [
        (result::COLD_SHARE, theory.p_cold()),
        (result::REPLICAS_MEAN, theory.replicas()),
        (result::REPLICA_LIFESPAN_MEAN, theory.mean_lifespan()),
    ];
    assert_truths("zero-service keep-alive", Runs::of(&scenario, RUNS, 100.0), &truths);
}

/// While nothing expires, the starts from an empty platform are the most calls ever in flight at once.
#[test]
fn cold_starts_from_empty() {
    for (arrival_rate, mean_service, horizon, runs) in [(0.9, 2.016, 300.0, 6000), (5.0, 1.0, 60.0, 4000)] {
        let theory = KeepAlive { arrival_rate, mean_service, keep_alive: horizon, cap: None };
        let truth = theory.cold_starts_from_empty(horizon);
        let scenario =
            most_recently_used(per_request(arrival_rate, mean_service, mean_service, horizon, u32::MAX, horizon));
        let name = format!("from empty ({arrival_rate}, {mean_service}, {horizon})");
        assert_truths(&name, Runs::of(&scenario, runs, 0.0), &[(result::REPLICA_STARTS, truth)]);
    }
}

// ---- Setup times ----

/// Replicas that start for waiting requests, take an exponential time to, and go as soon as nothing waits.
fn with_setup(setup: Setup, max: u32, starts_at_once: Option<u32>, arrivals: f64) -> Scenario {
    let duration = 500.0 + arrivals / setup.arrival_rate;
    let mut scenario = mmc(max, setup.arrival_rate, setup.mean_service, duration);
    let function = &mut scenario.functions[0];
    function.scaling = Scaling::PerRequest(PerRequest {
        binding: Binding::Room { cancel_surplus: true },
        starts_at_once,
        ..PerRequest::default()
    });
    function.keep_alive = KeepAlivePolicy::Fixed(Span::ZERO);
    function.replicas = Bounds { min: 0, max, initial: 0 };
    function.cold_start.boot.law = exponential(setup.mean_setup);
    scenario
}

/// The mean number in setup is what is live and not ready: every server that is up is busy.
fn assert_setup(name: &str, scenario: &Scenario, response: Option<f64>, in_setup: Option<f64>) {
    let runs = Runs { seed: seed_of(name), ..Runs::of(scenario, RUNS, 500.0) };
    let rows = runs.measure(|record| {
        let [response, live, ready] =
            [result::RESPONSE_MEAN, result::REPLICAS_MEAN, result::REPLICAS_READY_MEAN].map(|key| metric(record, key));
        (response, live - ready)
    });
    let (responses, setups): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
    assert_truth(name, "response", &estimate(&responses), response.expect("a steady state"));
    if let Some(in_setup) = in_setup {
        assert_truth(name, "in setup", &estimate(&setups), in_setup);
    }
}

#[test]
fn mm1_with_setup() {
    let setup = Setup { arrival_rate: 0.5, mean_service: 1.0, mean_setup: 2.0 };
    let scenario = with_setup(setup, 1, None, 350_000.0);
    assert_setup("M/M/1 with setup", &scenario, setup.single_server_response(), None);
}

#[test]
fn mm_infinity_with_setup() {
    let setup = Setup { arrival_rate: 2.0, mean_service: 1.0, mean_setup: 2.0 };
    let means = setup.unlimited_servers().expect("a steady state");
    let scenario = with_setup(setup, u32::MAX, None, 150_000.0);
    assert_setup("M/M/∞ with setup", &scenario, Some(means.response), Some(means.in_setup));
}

#[test]
fn mmk_with_setup() {
    for (name, arrival_rate, mean_setup, arrivals) in
        [("M/M/10 with setup, load 6", 6.0, 2.0, 150_000.0), ("M/M/10 with setup, load 8", 8.0, 5.0, 400_000.0)]
    {
        let setup = Setup { arrival_rate, mean_service: 1.0, mean_setup };
        let means = setup.servers(10).expect("a steady state");
        let scenario = with_setup(setup, 10, None, arrivals);
        assert_setup(name, &scenario, Some(means.response), Some(means.in_setup));
    }
}

#[test]
fn mmk_with_staggered_setup() {
    let setup = Setup { arrival_rate: 6.0, mean_service: 1.0, mean_setup: 2.0 };
    let scenario = with_setup(setup, 10, Some(1), 500_000.0);
    assert_setup("M/M/10 with staggered setup", &scenario, setup.staggered_response(10), None);
}

// ---- The intervals themselves ----

/// Over many seeds, 95 % intervals miss the truth about as often as they say they do.
#[test]
fn intervals_miss_as_often_as_the_binomial_says() {
    const SEEDS: u32 = 100;
    let lossy = with_places(station(5, 2.0, 2.0, 1500.0, 50.0), 0);
    let mut shared = station(1, 2.0, 3.0, 1500.0, 50.0);
    shared.functions[0].concurrency = Concurrency::Unlimited;
    shared.functions[0].waiting_room = None;
    for (name, scenario, key, truth) in [
        ("Erlang B", lossy, result::REFUSED_SHARE, erlang_b(5, 4.0).expect("a load")),
        ("M/M/∞", shared, result::IN_SYSTEM_MEAN, 6.0),
    ] {
        let misses = (0..SEEDS).filter(|seed| {
            let runs = Runs { seed: Seed(7000 + u64::from(*seed)), ..Runs::of(&scenario, 20, 50.0) };
            !runs.estimates(&[key])[0].covers(truth, 0.95).expect("several runs")
        });
        let misses = misses.count() as u32;
        println!("{name}: {misses} of {SEEDS} intervals miss");
        let at_most = binomial_up_to(misses, SEEDS, 0.05);
        let at_least = 1.0 - misses.checked_sub(1).map_or(0.0, |below| binomial_up_to(below, SEEDS, 0.05));
        assert!(at_most.min(at_least) > 0.0005, "{name}: {misses} of {SEEDS} intervals of 95 % miss the truth");
    }
}

/// P(at most k successes in n trials).
fn binomial_up_to(k: u32, n: u32, p: f64) -> f64 {
    let mut probability = (1.0 - p).powi(n as i32);
    let mut sum = probability;
    for i in 0..k {
        probability *= f64::from(n - i) / f64::from(i + 1) * p / (1.0 - p);
        sum += probability;
    }
    sum
}
