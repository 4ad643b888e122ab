//! Another simulator's numbers: SimFaaS 0.2.2 (Mahmoudi and Khazaei), run by us, within four combined standard errors.
//!
//! SimFaaS starts empty and leaves nothing out, so neither do we; its shares are of all requests, refused ones included;
//! its running replicas are those with a call, starting ones included. It ends at the first event after the horizon
//! where we end at the horizon itself, which is far below the noise here.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::metrics::{RunRecord, result};
use faas_lab_model::scenario::*;
use faas_lab_model::time::SimTime;

use crate::runs::{Runs, estimate, metric};
use crate::support::{exponential, per_request, secs};

/// Share of requests that start a replica.
const P_COLD: (&str, fn(&RunRecord) -> f64) =
    ("cold share", |record| metric(record, result::COLD_STARTS) / metric(record, result::OFFERED));
const P_REFUSED: (&str, fn(&RunRecord) -> f64) = ("refused share", |record| metric(record, result::REFUSED_SHARE));
const REPLICAS: (&str, fn(&RunRecord) -> f64) = ("replicas", |record| metric(record, result::REPLICAS_MEAN));
const BUSY: (&str, fn(&RunRecord) -> f64) = ("busy replicas", |record| metric(record, result::REPLICAS_BUSY_MEAN));
const LIFESPAN: (&str, fn(&RunRecord) -> f64) = ("lifespan", |record| metric(record, result::REPLICA_LIFESPAN_MEAN));
const COLD_STARTS: (&str, fn(&RunRecord) -> f64) = ("cold starts", |record| metric(record, result::COLD_STARTS));
/// With several calls per replica only the call that starts a replica is cold to SimFaaS, not those that join it.
const P_START: (&str, fn(&RunRecord) -> f64) =
    ("share of starts", |record| metric(record, result::REPLICA_STARTS) / metric(record, result::OFFERED));
/// Calls per replica at each instant with a replica, averaged over those instants; from steps of a second.
const CONCURRENCY: (&str, fn(&RunRecord) -> f64) = ("calls per replica", |record| {
    let series = |name| record.series.iter().find(|series| series.name == name).map(|series| &series.values);
    let (calls, replicas) = (series("in flight").expect("a series"), series("replicas").expect("a series"));
    let there = calls.iter().zip(replicas).filter(|(_, replicas)| **replicas > 0.0);
    let (sum, steps) = there.fold((0.0, 0.0), |(sum, steps), (calls, replicas)| (sum + calls / replicas, steps + 1.0));
    sum / steps
});

type Vector<'a> = ((&'a str, fn(&RunRecord) -> f64), f64, f64);

/// Fails unless each quantity agrees with SimFaaS's mean and standard error.
fn assert_agree(name: &str, runs: Runs<'_>, vectors: &[Vector<'_>]) {
    let rows = runs.measure(|record| vectors.iter().map(|((_, read), ..)| read(record)).collect::<Vec<f64>>());
    let mut far = Vec::new();
    for (index, ((quantity, _), theirs, their_error)) in vectors.iter().enumerate() {
        let ours = estimate(&rows.iter().map(|row| row[index]).collect::<Vec<_>>());
        let our_error = ours.standard_error().unwrap_or(0.0);
        let error = (our_error * our_error + their_error * their_error).sqrt();
        let z =
            if error > 0.0 { (ours.mean - theirs) / error } else { f64::from(u8::from(ours.mean != *theirs)) * 99.0 };
        println!("{name} | {quantity} | {theirs} ± {their_error} | {:.7} ± {our_error:.2e} | {z:+.2}", ours.mean);
        if z.abs() > 4.0 {
            far.push(format!("{quantity}: {} where SimFaaS has {theirs} (z = {z:.1})", ours.mean));
        }
    }
    assert!(far.is_empty(), "{name}: {far:?}");
}

#[test]
fn readme() {
    let scenario = per_request(0.9, 1.991, 2.244, 600.0, 1000, 1e6);
    assert_agree(
        "readme",
        Runs::of(&scenario, 10, 0.0),
        &[(P_COLD, 0.00133729, 1.2e-5), (REPLICAS, 7.6953, 0.0073), (BUSY, 1.79191, 0.00075), (LIFESPAN, 6419.7, 55.0)],
    );
}

#[test]
fn ten_per_second_at_three_keep_alives() {
    for (keep_alive, vectors) in [
        (
            600.0,
            [
                (P_COLD, 0.000324599, 7.1e-6),
                (REPLICAS, 37.527, 0.080),
                (BUSY, 20.155, 0.013),
                (LIFESPAN, 12202.0, 280.0),
            ],
        ),
        (
            60.0,
            [(P_COLD, 0.00369395, 2.9e-5), (REPLICAS, 33.052, 0.029), (BUSY, 20.160, 0.013), (LIFESPAN, 899.7, 6.9)],
        ),
        (
            10.0,
            [(P_COLD, 0.0239038, 8.7e-5), (REPLICAS, 28.767, 0.021), (BUSY, 20.190, 0.013), (LIFESPAN, 120.48, 0.42)],
        ),
    ] {
        let scenario = per_request(10.0, 2.016, 2.163, keep_alive, 1000, 1e5);
        assert_agree(&format!("nb08_{keep_alive}"), Runs::of(&scenario, 5, 0.0), &vectors);
    }
}

#[test]
fn rare_calls() {
    let scenario = per_request(0.001_863_136_764_181_901_8, 1.98, 2.34, 600.0, 1000, 1e8);
    assert_agree(
        "low13",
        Runs::of(&scenario, 10, 0.0),
        &[
            (P_COLD, 0.329626, 0.00028),
            (REPLICAS, 0.67831, 0.00038),
            (BUSY, 0.0039142, 4.4e-6),
            (LIFESPAN, 1104.24, 0.65),
        ],
    );
}

#[test]
fn short_and_no_keep_alive() {
    let short = per_request(1.0, 1.0, 3.0, 2.0, 1000, 1e5);
    assert_agree(
        "short_th",
        Runs::of(&short, 10, 0.0),
        &[
            (P_COLD, 0.324603, 0.00051),
            (REPLICAS, 2.78221, 0.0012),
            (BUSY, 1.64662, 0.00087),
            (LIFESPAN, 8.5747, 0.0093),
        ],
    );
    let none = per_request(1.0, 1.0, 3.0, 0.0, 1000, 1e5);
    assert_agree(
        "zero_th",
        Runs::of(&none, 10, 0.0),
        &[(P_COLD, 1.0, 0.0), (REPLICAS, 2.9971, 0.0030), (BUSY, 2.9971, 0.0030)],
    );
}

#[test]
fn at_the_limit_of_replicas() {
    let twenty = per_request(10.0, 2.0, 2.2, 20.0, 20, 1e4);
    assert_agree(
        "reject20",
        Runs::of(&twenty, 10, 0.0),
        &[
            (P_COLD, 0.000202002, 1.4e-6),
            (P_REFUSED, 0.158941, 0.00056),
            (REPLICAS, 19.9967, 0.0003),
            (BUSY, 16.816, 0.012),
        ],
    );
    let five = per_request(2.0, 2.0, 4.0, 30.0, 5, 1e5);
    assert_agree(
        "reject5",
        Runs::of(&five, 10, 0.0),
        &[
            (P_COLD, 3.04992e-5, 1.7e-6),
            (P_REFUSED, 0.199494, 0.00046),
            (REPLICAS, 4.99988, 5e-6),
            (BUSY, 3.2035, 0.0020),
        ],
    );
}

fn with_laws(mut scenario: Scenario, arrivals: Arrivals, warm: Distribution, cold: Distribution) -> Scenario {
    scenario.workloads[0].arrivals = arrivals;
    scenario.functions[0].demand.law = warm;
    scenario.functions[0].cold_demand = Some(cold);
    scenario
}

#[test]
fn other_laws() {
    let poisson = |rate| Arrivals::Poisson(faas_lab_model::units::Rate(rate));
    let constant = with_laws(
        per_request(1.0, 1.0, 1.0, 10.0, 1000, 1e5),
        poisson(1.0),
        Distribution::Constant(2.0),
        Distribution::Constant(3.0),
    );
    assert_agree(
        "const_svc",
        Runs::of(&constant, 10, 0.0),
        &[(P_COLD, 0.0966347, 0.00022), (REPLICAS, 4.8186, 0.0035), (BUSY, 2.0980, 0.0021), (LIFESPAN, 49.84, 0.10)],
    );
    let gauss = with_laws(
        per_request(1.0, 1.0, 1.0, 15.0, 1000, 1e5),
        poisson(2.0),
        Distribution::Normal { mean: 1.0, sd: 0.3 },
        Distribution::Normal { mean: 2.0, sd: 0.5 },
    );
    assert_agree(
        "gauss",
        Runs::of(&gauss, 10, 0.0),
        &[(P_COLD, 0.0317548, 0.00011), (REPLICAS, 5.8254, 0.0045), (BUSY, 2.06069, 0.0015), (LIFESPAN, 91.85, 0.26)],
    );
    let cron = with_laws(
        per_request(1.0, 1.0, 1.0, 600.0, 1000, 1e7),
        Arrivals::Renewal(Distribution::Constant(600.5)),
        exponential(2.0),
        exponential(3.0),
    );
    assert_agree(
        "cron",
        Runs::of(&cron, 10, 0.0),
        &[(P_COLD, 0.208633, 0.0015), (BUSY, 0.0036633, 8.2e-6), (LIFESPAN, 2879.3, 21.0)],
    );
}

/// Nothing is random here: the counts are SimFaaS's own, the averages differ by its longer last gap alone.
#[test]
fn nothing_random() {
    let scenario = with_laws(
        per_request(1.0, 1.0, 1.0, 10.0, 1000, 1e4),
        Arrivals::Constant(faas_lab_model::units::Rate(1.0)),
        Distribution::Constant(2.5),
        Distribution::Constant(4.5),
    );
    let found = Runs::of(&scenario, 1, 0.0)
        .measure(|record| [COLD_STARTS, LIFESPAN, REPLICAS, BUSY].map(|(_, read)| read(record)));
    let [cold, lifespan, replicas, busy] = found[0];
    println!("const_all | {cold} {lifespan} {replicas} {busy}");
    assert_eq!((cold, lifespan), (5.0, 17.5));
    assert!((replicas - 3.0023).abs() < 0.0005 && (busy - 2.50055).abs() < 0.0005, "{replicas}, {busy}");
}

/// Several calls per replica; a cold start is provisioning only, and calls may wait for it.
#[test]
fn several_calls_per_replica() {
    for (slots, vectors) in [
        (
            1,
            [
                (P_START, 0.00605887, 6.5e-5),
                (REPLICAS, 19.429, 0.035),
                (BUSY, 10.098, 0.015),
                (CONCURRENCY, 0.52444, 0.0008),
            ],
        ),
        (
            2,
            [
                (P_START, 0.00308298, 5e-5),
                (REPLICAS, 9.9862, 0.019),
                (BUSY, 6.1430, 0.008),
                (CONCURRENCY, 1.0230, 0.0015),
            ],
        ),
        (
            5,
            [
                (P_START, 0.000985833, 3e-5),
                (REPLICAS, 4.2628, 0.0092),
                (BUSY, 2.9383, 0.0031),
                (CONCURRENCY, 2.3847, 0.005),
            ],
        ),
        (
            10,
            [
                (P_START, 0.000710648, 1.6e-5),
                (REPLICAS, 2.2640, 0.0074),
                (BUSY, 1.7729, 0.0017),
                (CONCURRENCY, 4.578, 0.014),
            ],
        ),
    ] {
        let mut scenario = per_request(5.0, 2.0, 2.0, 60.0, 1000, 2e4);
        let function = &mut scenario.functions[0];
        function.cold_demand = None;
        function.concurrency = Concurrency::Workers { count: slots, backlog: None };
        function.cold_start.boot.law = exponential(3.0);
        let runs = Runs { steps: 20_000, ..Runs::of(&scenario, 20, 0.0) };
        assert_agree(&format!("par{slots}"), runs, &vectors);
    }
}

#[test]
fn from_a_given_state() {
    let empty = per_request(0.9, 2.016, 2.163, 600.0, 1000, 300.0);
    assert_agree(
        "trans_cold",
        Runs::of(&empty, 10_000, 0.0),
        &[
            (P_COLD, 0.0267351, 3.6e-5),
            (COLD_STARTS, 7.2186, 0.0098),
            (REPLICAS, 6.3514, 0.008),
            (BUSY, 1.80551, 0.0016),
        ],
    );
    let idle_until =
        |count, end| InitialReplica { count, state: InitialState::Idle { expires: Some(SimTime::ZERO + secs(end)) } };
    let mut warm = empty.clone();
    warm.functions[0].initial = vec![InitialReplica { count: 3, state: InitialState::Busy }, idle_until(5, 300.0)];
    assert_agree(
        "trans_warm",
        Runs::of(&warm, 10_000, 0.0),
        &[
            (P_COLD, 0.000438153, 1.5e-5),
            (COLD_STARTS, 0.1207, 0.0041),
            (REPLICAS, 8.0616, 0.0024),
            (BUSY, 1.82057, 0.0016),
        ],
    );
    let mut burst = per_request(5.0, 1.0, 2.0, 60.0, 1000, 120.0);
    burst.functions[0].initial = vec![idle_until(10, 60.0)];
    assert_agree(
        "trans_burst",
        Runs::of(&burst, 2000, 0.0),
        &[
            (P_COLD, 0.00623011, 6.5e-5),
            (COLD_STARTS, 3.7495, 0.039),
            (REPLICAS, 12.0434, 0.022),
            (BUSY, 4.98586, 0.0064),
        ],
    );
}
