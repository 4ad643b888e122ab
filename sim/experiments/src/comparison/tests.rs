//! Comparisons of made-up results.

use std::collections::BTreeMap;

use faas_lab_model::metrics::comparison::Verdict;
use faas_lab_model::metrics::result::{Estimate, ObjectiveResult};
use proptest::prelude::*;

use super::*;
use crate::significance::tests::result_with;

/// An entry whose p99 and cost have these means, with a little noise that is not shared.
fn entry(label: &str, p99: f64, cost: Option<f64>) -> Entry {
    let noise = |salt: f64| [0.0, 0.01, -0.01, 0.02].map(|noise| 1.0 + noise * salt);
    let salt = 1.0 + p99 % 0.37;
    let mut result = result_with(result::RESPONSE_P99, 1, &noise(salt).map(|factor| factor * p99));
    for (run, factor) in result.replications.iter_mut().zip(noise(0.5 * salt)) {
        run.metrics.insert(result::ERROR_RATE.into(), 0.0);
        run.metrics.extend(cost.map(|cost| (result::COST.to_owned(), cost * factor)));
    }
    summarize(&mut result);
    result.cost.currency = "EUR".into();
    Entry { label: label.to_owned(), values: Vec::new(), result }
}

fn summarize(result: &mut RunResult) {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (key, value) in result.replications.iter().flat_map(|run| &run.metrics) {
        values.entry(key.clone()).or_default().push(*value);
    }
    let estimate = |values: &Vec<f64>| Estimate::from_replications(values).expect("values");
    result.summary = values.iter().map(|(key, values)| (key.clone(), estimate(values))).collect();
}

/// Gives an entry the objective `p99 < 1s`.
fn judged(mut entry: Entry) -> Entry {
    let found = entry.result.summary[result::RESPONSE_P99];
    entry.result.objectives = vec![ObjectiveResult {
        text: "p99 < 1s".into(),
        metric: result::RESPONSE_P99.into(),
        at_most: 1.0,
        found: Some(found),
        met: found.mean <= 1.0,
        certain: (found.mean - 1.0).abs() >= found.half_width.expect("several"),
    }];
    entry
}

fn compared(entries: Vec<Entry>) -> Comparison {
    juxtapose(Material {
        name: "test".into(),
        command: "again".into(),
        axes: Vec::new(),
        entries,
        baseline: 0,
        warnings: Vec::new(),
    })
}

fn codes(comparison: &Comparison) -> Vec<&str> {
    comparison.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

#[test]
fn the_cheapest_that_meets_the_objective_wins() {
    let comparison = compared(vec![
        judged(entry("fixed", 0.4, Some(10.0))),
        judged(entry("capacity", 0.7, Some(6.1))),
        judged(entry("hpa", 2.0, Some(5.0))),
        judged(entry("borderline", 0.995, Some(1.0))),
    ]);
    assert_eq!(comparison.ranking, [1, 0, 3, 2]);
    // Cheapest first; hpa is dearer and slower than the borderline one.
    assert_eq!(comparison.pareto, [3, 1, 0]);
    assert!(comparison.ranked_by.starts_with("what certainly meets"));
}

#[test]
fn costs_that_are_nearly_equal_leave_it_to_the_p99() {
    let comparison = compared(vec![judged(entry("slow", 0.8, Some(1.0))), judged(entry("fast", 0.4, Some(1.004)))]);
    assert_eq!(comparison.ranking, [1, 0]);
}

#[test]
fn where_none_meets_it_the_nearest_is_named() {
    let comparison = compared(vec![judged(entry("a", 3.0, Some(1.0))), judged(entry("b", 1.5, Some(9.0)))]);
    assert_eq!(comparison.ranking, [1, 0]);
    let comparison = compared(vec![judged(entry("a", 0.5, None)), judged(entry("b", 1.5, None))]);
    assert_eq!(comparison.ranking, [0, 1]);
}

#[test]
fn without_an_objective_errors_come_first_and_then_the_p99() {
    let mut failing = entry("fast but failing", 0.1, None);
    failing.result.summary.insert(result::ERROR_RATE.into(), Estimate { mean: 0.5, half_width: None, sd: None, n: 4 });
    let comparison = compared(vec![entry("a", 1.0, None), entry("b", 0.5, None), failing]);
    assert_eq!(comparison.ranking, [1, 0, 2]);
    assert!(comparison.pareto.is_empty());
    let verdicts: Vec<Verdict> = comparison.differences.iter().map(|difference| difference.verdict).collect();
    assert_eq!(verdicts, [Verdict::Better, Verdict::Same, Verdict::Better, Verdict::Same]);
}

#[test]
fn what_does_not_fit_is_told_and_the_rest_goes_on() {
    let mut dollars = entry("dollars", 0.5, Some(3.0));
    dollars.result.cost.currency = "USD".into();
    dollars.result.functions[0].name = "other".into();
    dollars.result.window.duration_seconds /= 2.0;
    let mut empty = entry("empty", 0.5, None);
    empty.result.replications.clear();
    empty.result.summary.clear();
    empty.result.partial = true;
    let comparison = compared(vec![entry("euros", 1.0, Some(1.0)), dollars, empty]);
    for code in ["currencies", "functions", "durations", "empty", "partial"] {
        assert!(codes(&comparison).contains(&code), "{code} is not in {:?}", comparison.warnings);
    }
    assert!(comparison.differences.iter().all(|difference| difference.metric != result::COST));
    assert!(comparison.differences.iter().all(|difference| difference.entry == 1));
    assert_eq!(comparison.ranking, [1, 0, 2]);
    let comparison = compared(vec![entry("with", 1.0, Some(1.0)), entry("without", 2.0, None)]);
    assert!(comparison.warnings.iter().any(|warning| warning.text.starts_with("without: has no cost")));
}

#[test]
fn a_warning_names_those_that_it_is_about() {
    let chain = Warning { code: "timeout-chain".into(), text: "the gateway is too impatient.".into() };
    let mut entries = vec![entry("a", 1.0, None), entry("b", 2.0, None), entry("c", 3.0, None)];
    entries[1].result.warnings = vec![chain.clone()];
    entries[2].result.warnings = vec![chain.clone()];
    let comparison = compared(entries.clone());
    assert_eq!(comparison.warnings, [Warning { text: "b; c: the gateway is too impatient.".into(), ..chain.clone() }]);
    entries[0].result.warnings = vec![chain];
    assert_eq!(compared(entries).warnings[0].text, "all 3: the gateway is too impatient.");
}

#[test]
fn a_warning_of_all_that_share_a_setting_names_the_setting() {
    let chain = Warning { code: "timeout-chain".into(), text: "the gateway is too impatient.".into() };
    let entries: Vec<Entry> = [("a", "5s"), ("a", "60s"), ("b", "5s"), ("b", "60s")]
        .into_iter()
        .map(|(policy, timeout)| {
            let mut entry = entry(&format!("{policy}, {timeout}"), 1.0, None);
            entry.values = vec![policy.to_owned(), timeout.to_owned()];
            entry.result.warnings.extend((timeout == "60s").then(|| chain.clone()));
            entry
        })
        .collect();
    let axis = |key: &str, values: [&str; 2]| Axis { key: key.into(), values: values.map(str::to_owned).to_vec() };
    let axes = vec![axis("f.scaling", ["a", "b"]), axis("f.exec_timeout", ["5s", "60s"])];
    let told = |entries: Vec<Entry>| {
        let material = Material {
            name: "test".into(),
            command: "again".into(),
            axes: axes.clone(),
            entries,
            baseline: 0,
            warnings: Vec::new(),
        };
        juxtapose(material).warnings[0].text.clone()
    };
    assert_eq!(told(entries.clone()), "all 2 with exec_timeout=60s: the gateway is too impatient.");
    let mut fewer = entries;
    fewer[3].result.warnings.clear();
    assert_eq!(told(fewer), "a, 60s: the gateway is too impatient.");
}

#[test]
fn what_was_measured_is_not_asked_for_a_simulations_settings() {
    let mut measured = entry("measured", 1.0, None);
    measured.result.source = result::Source::Measured;
    measured.result.replications.truncate(1);
    let comparison = compared(vec![entry("simulated", 1.0, Some(1.0)), measured]);
    let texts: Vec<&str> = comparison.warnings.iter().map(|warning| warning.text.as_str()).collect();
    for start in ["measured: a single measured run,", "measured: no cost was measured,"] {
        assert!(texts.iter().any(|text| text.starts_with(start)), "{start}: {texts:?}");
    }
    assert!(!texts.iter().any(|text| text.contains("[prices]")), "{texts:?}");
}

#[test]
fn a_comparison_survives_json() {
    let comparison = compared(vec![judged(entry("a", 0.5, Some(1.0))), judged(entry("b", 1.5, Some(2.0)))]);
    let json = serde_json::to_string(&comparison).expect("string keys");
    let again = serde_json::from_str::<Comparison>(&json).expect("what was written");
    assert_eq!((again.ranking, again.entries.len()), (comparison.ranking, 2));
}

proptest! {
    #[test]
    fn whatever_is_compared_has_one_rank_and_a_front_that_no_one_beats(
        places in prop::collection::vec((1u32..6, prop::option::of(1u32..6)), 1..8), objective: bool,
    ) {
        let entries: Vec<Entry> = places.iter().enumerate().map(|(k, (p99, cost))| {
            let entry = entry(&format!("e{k}"), f64::from(*p99) / 3.0, cost.map(f64::from));
            if objective { judged(entry) } else { entry }
        }).collect();
        let comparison = compared(entries);
        let mut ranks = comparison.ranking.clone();
        ranks.sort_unstable();
        prop_assert_eq!(ranks, (0..places.len()).collect::<Vec<_>>());
        let mean = |k: usize, key| ranking::mean(&comparison.entries[k].result, key);
        let place = |k: usize| mean(k, result::COST).zip(mean(k, result::RESPONSE_P99));
        for k in 0..places.len() {
            let Some((cost, p99)) = place(k) else { continue };
            let beaten = (0..places.len()).filter_map(place).any(|(c, p)| c <= cost && p <= p99 && (c, p) != (cost, p99));
            prop_assert_eq!(comparison.pareto.contains(&k), !beaten);
        }
        let base = comparison.differences.iter().any(|difference| difference.entry == comparison.baseline);
        prop_assert!(!base);
    }
}
