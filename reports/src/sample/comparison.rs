//! Comparisons of sample results, with a plain ranking and plain tests: what the program computes with more care.

use faas_lab_model::metrics::comparison::{Axis, Comparison, Difference, Entry, Verdict};
use faas_lab_model::metrics::result::*;

use super::{histogram, times, two_functions};

/// Metrics that results are held against each other by, and whether less is better.
const HELD: [(&str, bool); 6] = [
    (RESPONSE_P95, true),
    (RESPONSE_P99, true),
    (ERROR_RATE, true),
    (COST, true),
    (GOODPUT, false),
    (COLD_STARTS, true),
];

/// Puts results side by side; the first is the baseline. Those that meet their objectives come first, the cheapest of
/// them at the top.
pub fn beside_each_other(name: &str, axes: Vec<Axis>, entries: Vec<Entry>) -> Comparison {
    let mean = |index: usize, key: &str| entries[index].result.summary.get(key).map(|estimate| estimate.mean);
    let met = |index: usize| entries[index].result.objectives.iter().all(|objective| objective.met);
    let mut ranking: Vec<usize> = (0..entries.len()).collect();
    let rank = |index: usize| {
        let key = if met(index) { COST } else { RESPONSE_P99 };
        (!met(index), mean(index, key).unwrap_or(f64::INFINITY))
    };
    ranking.sort_by(|a, b| rank(*a).0.cmp(&rank(*b).0).then(rank(*a).1.total_cmp(&rank(*b).1)));
    let place = |index: usize| Some((mean(index, COST)?, mean(index, RESPONSE_P99)?));
    let beaten = |(cost, p99): (f64, f64)| {
        let better = |(c, p): (f64, f64)| c <= cost && p <= p99 && (c < cost || p < p99);
        (0..entries.len()).filter_map(place).any(better)
    };
    let pareto = (0..entries.len()).filter(|index| place(*index).is_some_and(|place| !beaten(place))).collect();
    let differences = (1..entries.len())
        .flat_map(|index| HELD.map(|(metric, less)| difference(&entries, index, metric, less)))
        .flatten()
        .collect();
    Comparison {
        name: name.to_owned(),
        command: "faas-lab compare scenarios/pi4-k3s.toml".to_owned(),
        answer: String::new(),
        axes,
        baseline: 0,
        ranking,
        ranked_by: "objectives met, then cost, then p99".to_owned(),
        pareto,
        differences,
        family_error: 0.05,
        warnings: Vec::new(),
        entries,
    }
}

fn difference(entries: &[Entry], index: usize, metric: &str, less_is_better: bool) -> Option<Difference> {
    let values = |index: usize| -> Vec<f64> {
        entries[index]
            .result
            .replications
            .iter()
            .filter_map(|replication| replication.metrics.get(metric).copied())
            .collect()
    };
    let estimate = Estimate::from_pairs(&values(index), &values(0))?;
    let base = entries[0].result.summary.get(metric)?.mean;
    let real = estimate.half_width.is_some_and(|half| estimate.mean.abs() > 1.6 * half);
    let verdict = match () {
        () if estimate.mean == 0.0 => Verdict::Same,
        () if !real => Verdict::Unclear,
        () if (estimate.mean < 0.0) == less_is_better => Verdict::Better,
        () => Verdict::Worse,
    };
    Some(Difference {
        entry: index,
        metric: metric.to_owned(),
        estimate,
        relative: (base != 0.0).then(|| estimate.mean / base),
        paired: true,
        p_value: estimate.half_width.map(|half| (-(estimate.mean / half).powi(2)).exp()),
        verdict,
    })
}

/// `count` variants over a policy and a timeout, from fast and dear to slow and cheap.
pub fn grid(count: usize) -> Comparison {
    let policies = ["fixed", "capacity", "hpa", "ce-alert"];
    let timeouts: Vec<String> =
        (0..count.div_ceil(policies.len())).map(|index| format!("{}s", 5 * (index + 1))).collect();
    let cells = policies.iter().flat_map(|policy| timeouts.iter().map(move |timeout| (*policy, timeout)));
    let entries = cells
        .take(count)
        .enumerate()
        .map(|(index, (policy, timeout))| Entry {
            label: format!("{policy}, {timeout}"),
            values: vec![policy.to_owned(), timeout.clone()],
            result: variant(index as f64 / count.max(2) as f64, index),
        })
        .collect();
    let axes = vec![
        Axis { key: "function.hello.scaling".to_owned(), values: policies.map(str::to_owned).to_vec() },
        Axis { key: "function.hello.watchdog.http.exec_timeout".to_owned(), values: timeouts },
    ];
    beside_each_other("pi4-k3s: policies and timeouts", axes, entries)
}

/// A result that is slower and cheaper the higher `slowness` is, from 0 to 1.
pub fn variant(slowness: f64, number: usize) -> RunResult {
    let mut result = two_functions();
    let wobble = |replication: usize| 1.0 + 0.04 * ((replication * 7 + number * 3) as f64).sin();
    let (slower, cheaper) = (1.0 + 3.0 * slowness, 1.0 - 0.45 * slowness);
    for (index, replication) in result.replications.iter_mut().enumerate() {
        for (key, value) in &mut replication.metrics {
            *value *= match key.as_str() {
                key if key.starts_with("response_") => slower * wobble(index),
                ERROR_RATE | TIMED_OUT_SHARE | REFUSED_SHARE => slower,
                COST | ENERGY | COST_PER_MILLION => cheaper,
                REPLICAS_MEAN | REPLICAS_BUSY_MEAN => cheaper,
                _ => 1.0,
            };
        }
    }
    let replications = result.replications.clone();
    for (key, estimate) in &mut result.summary {
        let values: Vec<f64> = replications.iter().map(|replication| replication.metrics[key]).collect();
        *estimate = super::estimate(&values);
    }
    for function in &mut result.functions {
        for response in function.responses.iter_mut().filter(|response| response.outcome == OutcomeKind::Ok) {
            let median = if response.cold { 1.9 } else { 0.21 };
            response.histogram = histogram(times(response.histogram.count, median * slower, 0.2));
        }
        for outcome in function.outcomes.iter_mut().filter(|outcome| outcome.outcome == OutcomeKind::TimedOut) {
            outcome.count = (outcome.count as f64 * slower * slower) as u64;
        }
    }
    for series in &mut result.timeline.series {
        let factor = match series.name.as_str() {
            "replicas ready" => cheaper,
            "errors" => slower,
            _ => 1.0,
        };
        for values in [&mut series.mean, &mut series.low, &mut series.high] {
            values.iter_mut().for_each(|value| *value *= factor);
        }
    }
    for objective in &mut result.objectives {
        objective.found = result.summary.get(&objective.metric).copied();
        objective.met = objective.found.is_some_and(|found| found.mean <= objective.at_most);
    }
    result
}
