//! A result's summary in Prometheus' text format, as node-exporter's textfile collector takes it: no timestamps, every
//! metric with its help and type.

use std::collections::BTreeMap;

use faas_lab_model::metrics::result::{METRICS, MetricInfo, RunResult, Source};
use prometheus::{GaugeVec, Opts, Registry, TextEncoder};

/// The file's text.
pub fn text(result: &RunResult) -> String {
    let registry = Registry::new();
    let mut out = Out { registry, gauges: BTreeMap::new(), scenario: result.name.clone() };
    for metric in METRICS {
        let name = name_of(metric);
        if let Some(estimate) = result.summary.get(metric.key) {
            out.set(&name, metric.about, &["function"], &[""], estimate.mean);
        }
        for function in &result.functions {
            if let Some(estimate) = function.summary.get(metric.key) {
                out.set(&name, metric.about, &["function"], &[&function.name], estimate.mean);
            }
        }
    }
    for function in &result.functions {
        for outcome in &function.outcomes {
            let status = outcome.status.map(|status| status.to_string()).unwrap_or_default();
            let hop = outcome.hop.clone().unwrap_or_default();
            let values = [function.name.as_str(), outcome.outcome.name(), hop.as_str(), status.as_str()];
            let labels = ["function", "outcome", "hop", "status"];
            out.set("faas_lab_requests", "Requests by how they ended.", &labels, &values, outcome.count as f64);
        }
    }
    for objective in &result.objectives {
        let met = f64::from(u8::from(objective.met));
        let about = "Whether an objective was met: 1 or 0.";
        out.set("faas_lab_objective_met", about, &["objective"], &[&objective.text], met);
    }
    let source = match result.source {
        Source::Simulated => "simulated",
        Source::Measured => "measured",
    };
    let seed = result.seed.to_string();
    let labels = ["source", "version", "seed"];
    out.set("faas_lab_run_info", "What was run; always 1.", &labels, &[source, &result.tool.version, &seed], 1.0);
    let partial = f64::from(u8::from(result.partial));
    out.set("faas_lab_run_partial", "Whether the run was ended before its time: 1 or 0.", &[], &[], partial);
    TextEncoder::new().encode_to_string(&out.registry.gather()).unwrap_or_default()
}

/// `faas_lab_response_p99_seconds`: base units are part of a name.
fn name_of(metric: &MetricInfo) -> String {
    let unit = match metric.unit {
        "s" => "_seconds",
        "1/s" => "_per_second",
        "J" => "_joules",
        "share" => "_ratio",
        _ => "",
    };
    format!("faas_lab_{}{unit}", metric.key)
}

struct Out {
    registry: Registry,
    gauges: BTreeMap<String, GaugeVec>,
    scenario: String,
}

impl Out {
    fn set(&mut self, name: &str, about: &str, labels: &[&str], values: &[&str], value: f64) {
        let gauge = self.gauges.entry(name.to_owned()).or_insert_with(|| {
            let labels: Vec<&str> = std::iter::once("scenario").chain(labels.iter().copied()).collect();
            let gauge =
                GaugeVec::new(Opts::new(name, about), &labels).expect("names are made of letters and underscores");
            self.registry.register(Box::new(gauge.clone())).expect("every name is registered once");
            gauge
        });
        let values: Vec<&str> = std::iter::once(self.scenario.as_str()).chain(values.iter().copied()).collect();
        gauge.with_label_values(&values).set(value);
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::fixtures;
    use faas_lab_model::metrics::assemble;
    use faas_lab_model::metrics::result::Window;

    use super::*;
    use crate::probe::exposition::samples;

    fn result(name: &str) -> RunResult {
        let mut scenario = fixtures::scenario();
        scenario.name = name.to_owned();
        let record = fixtures::record(&scenario, 7, 2.0);
        let window =
            Window { warm_up_seconds: 0.0, warm_up_rule: "given".into(), duration_seconds: 1000.0, drain_seconds: 0.0 };
        assemble(&scenario, String::new(), vec![record], window, Vec::new())
    }

    #[test]
    fn the_summary_is_there_with_units_in_names() {
        let name = "a \"quoted\"\nname\\";
        let (result, text) = (result(name), text(&result(name)));
        let all: Vec<_> = samples(&text).collect();
        let whole = |metric: &str| {
            all.iter().find(|sample| sample.name == metric && sample.label("function") == Some("")).expect(metric).value
        };
        assert_eq!(whole("faas_lab_response_mean_seconds"), result.summary["response_mean"].mean);
        assert_eq!(whole("faas_lab_offered"), result.summary["offered"].mean);
        assert!(all.iter().all(|sample| sample.label("scenario") == Some(name)), "{text}");
        let requests: f64 =
            all.iter().filter(|sample| sample.name == "faas_lab_requests").map(|sample| sample.value).sum();
        let counted: u64 = result.functions[0].outcomes.iter().map(|outcome| outcome.count).sum();
        assert_eq!(requests, counted as f64);
    }

    /// The format: help and type once, before a metric's lines, which are together and have no timestamp.
    #[test]
    fn it_is_valid_for_the_textfile_collector() {
        let text = text(&result("plain"));
        assert!(text.ends_with('\n') && !text.contains("\n\n"));
        let mut current = String::new();
        let mut done = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                current = rest.split(' ').next().expect("a name").to_owned();
                assert!(!done.contains(&current), "{current} comes twice");
                done.push(current.clone());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert_eq!(rest, format!("{current} gauge"));
            } else {
                assert!(line.starts_with(&format!("{current}{{")), "{line}");
                assert_eq!(line.rsplit_once("} ").expect("a value").1.split(' ').count(), 1, "{line}");
            }
        }
        assert!(done.len() >= 5, "{done:?}");
    }
}
