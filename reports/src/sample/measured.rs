//! What a load tester sees of a live system: one run, from outside, with replicas sampled and no machines in sight.

use faas_lab_model::metrics::result::*;

/// Metrics that can be seen from outside.
const SEEN: [&str; 15] = [
    OFFERED,
    SUCCESS_SHARE,
    ERROR_RATE,
    GOODPUT,
    RESPONSE_MEAN,
    RESPONSE_P50,
    RESPONSE_P90,
    RESPONSE_P95,
    RESPONSE_P99,
    REFUSED_SHARE,
    TIMED_OUT_SHARE,
    COLD_STARTS,
    COLD_SHARE,
    REPLICAS_MEAN,
    RETRIES_PER_REQUEST,
];

/// Series that can be seen from outside.
const SERIES: [&str; 5] = ["arrivals", "successes", "errors", "in flight", "replicas ready"];

/// A result as if its first replication had been measured.
pub fn measured(mut result: RunResult) -> RunResult {
    result.source = Source::Measured;
    result.command = "faas-lab loadtest scenarios/pi4-k3s.toml --gateway=http://127.0.0.1:8080".to_owned();
    result.replications.truncate(1);
    for run in &mut result.replications {
        run.metrics.retain(|key, _| SEEN.contains(&key.as_str()));
        run.functions.values_mut().for_each(|metrics| metrics.retain(|key, _| SEEN.contains(&key.as_str())));
    }
    let single = |value: f64| Estimate { mean: value, half_width: None, sd: None, n: 1 };
    let run = result.replications.first().cloned();
    let own = |name: Option<&str>| {
        let metrics = run.as_ref().and_then(|run| match name {
            None => Some(&run.metrics),
            Some(name) => run.functions.get(name),
        });
        metrics.into_iter().flatten().map(|(key, value)| (key.clone(), single(*value))).collect()
    };
    result.summary = own(None);
    for function in &mut result.functions {
        function.summary = own(Some(&function.name));
        (function.parts, function.cold_phases) = (Vec::new(), Vec::new());
    }
    for objective in &mut result.objectives {
        objective.found = result.summary.get(&objective.metric).copied();
        objective.met = objective.found.is_some_and(|found| found.mean <= objective.at_most);
        objective.certain = false;
    }
    // Sampled three times as often as the simulation averages, for the whole system only.
    result.timeline.step_seconds /= 3.0;
    result.timeline.series.retain(|series| series.function.is_none() && SERIES.contains(&series.name.as_str()));
    for series in &mut result.timeline.series {
        series.mean = series.mean.iter().flat_map(|value| [*value; 3]).collect();
        (series.low, series.high) = (series.mean.clone(), series.mean.clone());
    }
    (result.nodes, result.checks, result.provenance) = (Vec::new(), Vec::new(), Vec::new());
    result.cost = CostResult::default();
    let text = "3 of 6090 requests were sent more than 10 ms after their time, the worst by 14 ms.";
    result.warnings = vec![Warning { code: "late".to_owned(), text: text.to_owned() }];
    result
}
