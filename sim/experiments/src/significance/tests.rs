//! The tests' own tests: worked examples, and how often they are right over many simulated comparisons.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

use faas_lab_model::fixtures;
use faas_lab_model::policies::Bounds;
use faas_lab_model::rng::{Seed, Stream, Uniforms};
use faas_lab_model::scenario::{Arrivals, Scenario, WarmUp};
use faas_lab_model::theory;
use faas_lab_model::time::Span;
use faas_lab_model::units::Rate;

use super::*;
use crate::{Crew, contest};

/// A result with these values of `key`, replication by replication, from seeds `first`, `first + 1`, …
pub(crate) fn result_with(key: &str, first: u64, values: &[f64]) -> RunResult {
    let scenario = Scenario { replications: values.len() as u32, ..fixtures::scenario() };
    let records = values.iter().zip(first..).map(|(value, seed)| {
        let mut record = fixtures::record(&scenario, seed, 1.0);
        let key = result::metric(key).expect("a metric").key;
        record.metrics = std::collections::BTreeMap::from([(result::OFFERED, 80.0), (key, *value)]);
        record
    });
    let truncated = crate::Truncated { warm_up: Span::ZERO, rule: "given".into(), warning: None };
    crate::simulate::result_of(&scenario, "again", records.collect(), truncated, crate::Ended::Planned)
        .expect("records")
}

const KEY: &str = result::RESPONSE_MEAN;

fn contrast(left: &RunResult, right: &RunResult) -> Contrast {
    Contrast::new(left, right, KEY).expect("values")
}

/// Fails unless `hits` of `tries` fit a probability of at least `low` and at most `high`, within 4 deviations.
fn assert_share(hits: usize, tries: usize, low: f64, high: f64) {
    let share = hits as f64 / tries as f64;
    let deviation = |p: f64| 4.0 * (p * (1.0 - p) / tries as f64).sqrt();
    assert!(share >= low - deviation(low) && share <= high + deviation(high), "{share} outside {low}..{high}");
}

#[test]
fn pairs_and_strangers_from_worked_examples() {
    // Differences 1, 2, 3: mean 2, standard error 1/√3, t = 3.4641 at 2 degrees of freedom.
    let paired = contrast(&result_with(KEY, 1, &[11.0, 22.0, 33.0]), &result_with(KEY, 1, &[10.0, 20.0, 30.0]));
    assert!(paired.paired && (paired.estimate.mean, paired.estimate.n) == (2.0, 3));
    assert!((paired.p_value.expect("known") - 0.074_179_9).abs() < 1e-6, "{paired:?}");
    assert_eq!(paired.relative(), Some(0.1));

    // Welch: means 3 and 8, variances 2.5 and 10, five values each: t = −5/√2.5 at 5.88235 degrees of freedom.
    let left = result_with(KEY, 1, &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let right = result_with(KEY, 100, &[4.0, 6.0, 8.0, 10.0, 12.0]);
    let welch = contrast(&left, &right);
    assert!(!welch.paired && welch.estimate.mean == -5.0);
    assert!((welch.degrees_of_freedom.expect("a spread") - 5.882_352_941).abs() < 1e-8);
    assert!((welch.estimate.standard_error().expect("a spread") - 2.5f64.sqrt()).abs() < 1e-12);
    assert!((welch.p_value.expect("known") - 0.020_3).abs() < 1e-3, "{welch:?}");
}

#[test]
fn what_cannot_be_known_is_left_open() {
    let single = contrast(&result_with(KEY, 1, &[2.0]), &result_with(KEY, 1, &[1.0]));
    assert_eq!((single.p_value, single.estimate.half_width, single.paired), (None, None, false));
    let single = contrast(&result_with(KEY, 1, &[2.0]), &result_with(KEY, 5, &[1.0, 1.5]));
    assert_eq!((single.p_value, single.same), (None, false));
    assert!(Contrast::new(&result_with(KEY, 1, &[2.0]), &result_with(KEY, 1, &[2.0]), result::COST).is_none());
}

#[test]
fn equal_values_are_the_same_and_fixed_ones_differ() {
    let same = contrast(&result_with(KEY, 1, &[1.0, 2.0]), &result_with(KEY, 1, &[1.0, 2.0]));
    assert_eq!((same.same, same.p_value), (true, Some(1.0)));
    let fixed = |key, n: usize, left, right| {
        let (left, right) = (result_with(key, 1, &vec![left; n]), result_with(key, 1, &vec![right; n]));
        Contrast::new(&left, &right, key).and_then(|contrast| contrast.p_value).expect("known")
    };
    assert_eq!(fixed(result::REPLICAS_MEAN, 2, 12.0, 6.0), 0.0);
    // Two counts of one in both runs, against two of two: one of the 6 ways to deal them out, on either side.
    assert!((fixed(result::COLD_STARTS, 2, 1.0, 2.0) - 1.0 / 3.0).abs() < 1e-9);
    assert!(fixed(result::COLD_STARTS, 10, 0.0, 1.0) < 2e-5);
    // So one request of a hundred that fails in both runs, against none, is not a difference beyond doubt.
    assert!((fixed(result::ERROR_RATE, 2, 0.01, 0.0) - 1.0 / 3.0).abs() < 1e-9);
}

#[test]
fn a_live_system_is_paired_only_with_the_same_requests() {
    let simulated = result_with(KEY, 1, &[1.0, 2.0, 4.0]);
    let mut measured = result_with(KEY, 1, &[2.0, 3.5, 4.0]);
    measured.source = Source::Measured;
    assert!(contrast(&measured, &simulated).paired);
    measured.replications[1].metrics.insert(result::OFFERED.into(), 81.0);
    assert!(!contrast(&measured, &simulated).paired);
}

#[test]
fn holm_from_a_worked_example() {
    assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]);
    assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0]);
    assert!(holm(&[]).is_empty());
}

#[test]
fn better_and_worse_go_by_the_metric() {
    let of = |key: &str, left: f64, right: f64| {
        let noise = [0.0, 0.001, -0.001, 0.0005, 0.002, -0.001];
        let side = |mean: f64| result_with(key, 1, &noise.map(|noise| mean + noise * mean));
        let (left, mut right) = (side(left), side(right));
        right.replications.iter_mut().for_each(|replication| {
            let seed = replication.seed as f64;
            replication.metrics.entry(key.to_owned()).and_modify(|value| *value *= 1.0 + 1e-4 * seed);
        });
        differences(&[&right, &left], 0, &[])[0].verdict
    };
    assert_eq!(of(result::RESPONSE_P95, 1.0, 2.0), Verdict::Better);
    assert_eq!(of(result::RESPONSE_P95, 2.0, 1.0), Verdict::Worse);
    assert_eq!(of(result::GOODPUT, 2.0, 1.0), Verdict::Better);
}

#[test]
fn a_family_of_nothing_is_rarely_called_real() {
    // Six results that differ by chance alone, heavy-tailed and not: eleven of a hundred would be called without Holm.
    let mut stream = Seed(11).stream("family");
    let skewed = |stream: &mut Stream| -libm::log(stream.uniform());
    let tries = 2000;
    for paired in [true, false] {
        let mistaken = (0..tries).filter(|_| {
            let results: Vec<RunResult> = (0..6u64)
                .map(|entry| {
                    let values: Vec<f64> =
                        (0..8).map(|_| 10.0 + (0..12).map(|_| skewed(&mut stream)).sum::<f64>()).collect();
                    result_with(KEY, if paired { 0 } else { 100 * entry }, &values)
                })
                .collect();
            let found = differences(&results.iter().collect::<Vec<_>>(), 0, &[]);
            assert!(found.len() == 5 && found.iter().all(|difference| difference.paired == paired));
            found.iter().any(|difference| difference.verdict != Verdict::Unclear)
        });
        assert_share(mistaken.count(), tries, 0.0, FAMILY_ERROR);
    }
}

/// M/M/c with service in 1 s on average.
fn queue(servers: u32, rate: f64, seed: u64) -> Scenario {
    let mut scenario = fixtures::scenario();
    scenario.duration = Span::from_secs(3000);
    scenario.warm_up = WarmUp::Given(Span::from_secs(200));
    scenario.seed = Seed(seed);
    scenario.replications = 5;
    scenario.functions[0].replicas = Bounds { min: servers, max: servers, initial: servers };
    scenario.workloads[0].arrivals = Arrivals::Poisson(Rate(rate));
    scenario
}

fn played(scenarios: &[Scenario]) -> Vec<RunResult> {
    let stop = AtomicBool::new(false);
    let crew = Crew { threads: NonZeroUsize::new(2).expect("two"), stop: &stop, progress: &|_| () };
    let commands = vec![String::new(); scenarios.len()];
    contest(scenarios, &commands, &crew).results.into_iter().flatten().collect()
}

#[test]
fn intervals_cover_the_true_difference_of_two_queues_as_often_as_they_say() {
    // M/M/2 and M/M/3 at 1.2 requests per second, a service time of 1 s each: response times from Erlang's C formula.
    let response = |servers: u32| {
        let wait = theory::erlang_c(servers, 1.2).expect("stable") / (f64::from(servers) - 1.2);
        1.0 + wait
    };
    let truth = response(3) - response(2);
    for shared in [true, false] {
        let tries = 300;
        let covered = (0..tries).filter(|trial| {
            let seed = 1000 * trial + 5;
            let results = played(&[queue(3, 1.2, seed), queue(2, 1.2, if shared { seed } else { seed + 77 })]);
            let contrast = contrast(&results[0], &results[1]);
            assert_eq!(contrast.paired, shared);
            contrast.estimate.half_width.is_some_and(|half| (contrast.estimate.mean - truth).abs() <= half)
        });
        assert_share(covered.count(), tries as usize, 0.95, 0.95);
    }
}

#[test]
fn equal_queues_with_other_seeds_are_rarely_called_different() {
    // All judged metrics of four equal queues at once: percentiles, errors, replicas, …
    let tries = 150;
    let mistaken = (0..tries).filter(|trial| {
        let scenarios: Vec<Scenario> = (0..4).map(|k| queue(2, 1.2, 100_000 + 10 * trial + k)).collect();
        let results = played(&scenarios);
        let found = differences(&results.iter().collect::<Vec<_>>(), 0, &[]);
        assert!(found.len() >= 15 && found.iter().all(|difference| !difference.paired));
        found.iter().any(|difference| !matches!(difference.verdict, Verdict::Unclear | Verdict::Same))
    });
    assert_share(mistaken.count(), tries as usize, 0.0, FAMILY_ERROR);
}
