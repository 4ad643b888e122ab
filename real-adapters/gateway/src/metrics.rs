//! What Prometheus reads: the stock gateway's names, with the gauges of its commercial edition and a few of our own.
//!
//! Each function keeps the handles of its own series, so that a call looks nothing up by label.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::RwLock;
use std::time::Duration;

use faas_lab_queue::QueueMetrics;
use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// Seconds that callers were held for a replica, from a socket's time to a timeout's.
const COLD_START_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0];

/// The series of all functions.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    invocations: IntCounterVec,
    seconds: HistogramVec,
    started: IntCounterVec,
    in_flight: IntGaugeVec,
    service_count: IntGaugeVec,
    ready_count: IntGaugeVec,
    service_min: IntGaugeVec,
    target_load: GaugeVec,
    cold_start: HistogramVec,
    retried: IntCounterVec,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let registry = Registry::new();
        let function = &["function_name"];
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels).expect("the name is a constant");
            register(&registry, counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), function).expect("the name is a constant");
            register(&registry, gauge)
        };
        let histogram = |name: &str, help: &str, labels: &[&str], buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(&registry, HistogramVec::new(options, labels).expect("the name is a constant"))
        };
        Metrics {
            invocations: counter(
                "gateway_function_invocation_total",
                "Calls that have ended.",
                &["code", "function_name"],
            ),
            seconds: histogram(
                "gateway_functions_seconds",
                "Time from a call's dispatch to the end of its answer.",
                &["code", "function_name"],
                prometheus::DEFAULT_BUCKETS,
            ),
            started: counter("gateway_function_invocation_started", "Calls that have been handed on.", function),
            in_flight: gauge("gateway_function_invocation_inflight", "Calls that have not ended yet."),
            service_count: gauge("gateway_service_count", "Replicas that are wanted."),
            ready_count: gauge("gateway_service_ready_count", "Replicas that take calls."),
            service_min: gauge("gateway_service_min", "Fewest replicas that the policy may choose."),
            target_load: register(
                &registry,
                GaugeVec::new(
                    Opts::new("gateway_service_target_load", "Load that one replica should carry."),
                    &["function_name", "scaling_type"],
                )
                .expect("the name is a constant"),
            ),
            cold_start: histogram(
                "gateway_cold_start_seconds",
                "Time that calls were held for a replica.",
                function,
                COLD_START_BUCKETS,
            ),
            retried: counter(
                "gateway_function_connect_retries_total",
                "Calls sent to another replica because the first could not be reached.",
                function,
            ),
            registry,
        }
    }

    /// The text that Prometheus scrapes.
    pub(crate) fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// The series of one function; `name` is `name.namespace`.
    pub(crate) fn function(&self, name: &str) -> FunctionMetrics {
        let label = &[name];
        let mut metrics = FunctionMetrics {
            name: name.to_owned(),
            invocations: self.invocations.clone(),
            seconds: self.seconds.clone(),
            started: self.started.with_label_values(label),
            in_flight: self.in_flight.with_label_values(label),
            service_count: self.service_count.with_label_values(label),
            ready_count: self.ready_count.with_label_values(label),
            service_min: self.service_min.with_label_values(label),
            cold_start: self.cold_start.with_label_values(label),
            retried: self.retried.with_label_values(label),
            ok: None,
            others: RwLock::new(Vec::new()),
        };
        metrics.ok = Some(metrics.code(200));
        metrics
    }

    /// The load that one replica of a function should carry, if its policy has such a thing.
    pub(crate) fn set_target(&self, name: &str, target: Option<(&'static str, f64)>) {
        for measure in ["rps", "capacity", "cpu", "queue"] {
            // What is not there cannot be removed, which is as it should be.
            let _ = self.target_load.remove_label_values(&[name, measure]);
        }
        if let Some((measure, target)) = target {
            self.target_load.with_label_values(&[name, measure]).set(target);
        }
    }

    /// A removed function's series end.
    pub(crate) fn forget(&self, function: &FunctionMetrics) {
        let label = &[function.name.as_str()];
        for code in function.codes() {
            let labels = [code.to_string(), function.name.clone()];
            let _ = self.invocations.remove_label_values(&labels);
            let _ = self.seconds.remove_label_values(&labels);
        }
        for gauge in [&self.in_flight, &self.service_count, &self.ready_count, &self.service_min] {
            let _ = gauge.remove_label_values(label);
        }
        let _ = self.started.remove_label_values(label);
        let _ = self.retried.remove_label_values(label);
        let _ = self.cold_start.remove_label_values(label);
        self.set_target(&function.name, None);
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("every name is registered once");
    collector
}

/// What the queue counts itself, in Prometheus' format. All but its callbacks it counts across restarts, unlike a registry:
/// accepted = delivered + cancelled + purged + dead + Σ depth + Σ inflight at any moment.
///
/// `deployed` are the functions (`name.namespace`) that are shown even if nothing waits for them; what waits for others is
/// shown too.
pub(crate) fn queue_text<'a>(queue: &'a QueueMetrics, deployed: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let functions: BTreeSet<&str> =
        deployed.chain(queue.depth.keys().chain(queue.in_flight.keys()).map(String::as_str)).collect();
    for (name, help, counts) in [
        ("gateway_queue_depth", "Asynchronous invocations that wait.", &queue.depth),
        ("gateway_queue_inflight", "Asynchronous invocations under way, callbacks included.", &queue.in_flight),
    ] {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for function in &functions {
            let count = counts.get(*function).copied().unwrap_or(0);
            // A name that came through a message of somebody else's may hold anything.
            let label = function.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let _ = writeln!(text, "{name}{{function_name=\"{label}\"}} {count}");
        }
    }
    if let Some(age) = queue.oldest_age {
        let name = "gateway_queue_oldest_age_seconds";
        let help = "Age of the oldest invocation that waits or is under way.";
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {}", age.as_secs_f64());
    }
    for (name, kind, help, value) in [
        ("gateway_queue_accepted_total", "counter", "Asynchronous invocations accepted.", queue.accepted),
        ("gateway_queue_delivered_total", "counter", "Invocations that their function has answered.", queue.delivered),
        ("gateway_queue_cancelled_total", "counter", "Invocations taken back before delivery.", queue.cancelled),
        ("gateway_queue_retried_total", "counter", "Answers that led to another attempt.", queue.retried),
        ("gateway_queue_redelivered_total", "counter", "Deliveries that may have run twice.", queue.redelivered),
        ("gateway_queue_dead_letters", "gauge", "Invocations that were given up and are kept.", queue.dead),
        ("gateway_queue_purged_total", "counter", "Invocations that were given up and forgotten.", queue.purged),
        ("gateway_queue_bytes", "gauge", "Bytes that wait or are under way.", queue.bytes),
        ("gateway_queue_callbacks_ok_total", "counter", "Callbacks that were taken.", queue.callbacks_ok),
        ("gateway_queue_callbacks_failed_total", "counter", "Callbacks that were given up.", queue.callbacks_failed),
    ] {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    text
}

/// The series of one function.
#[derive(Debug)]
pub(crate) struct FunctionMetrics {
    name: String,
    invocations: IntCounterVec,
    seconds: HistogramVec,
    pub(crate) started: IntCounter,
    pub(crate) in_flight: IntGauge,
    pub(crate) service_count: IntGauge,
    pub(crate) ready_count: IntGauge,
    pub(crate) service_min: IntGauge,
    pub(crate) cold_start: Histogram,
    pub(crate) retried: IntCounter,
    /// Status 200, which most calls end with.
    ok: Option<CodeMetrics>,
    others: RwLock<Vec<CodeMetrics>>,
}

#[derive(Clone, Debug)]
struct CodeMetrics {
    code: u16,
    invocations: IntCounter,
    seconds: Histogram,
}

impl FunctionMetrics {
    /// A call has ended.
    pub(crate) fn ended(&self, code: u16, took: Duration) {
        match &self.ok {
            Some(ok) if code == 200 => ok.count(took),
            _ => self.code(code).count(took),
        }
    }

    /// Calls that have ended, with any status.
    pub(crate) fn invocations(&self) -> u64 {
        let others = self.others.read().unwrap_or_else(|broken| broken.into_inner());
        self.ok.iter().chain(others.iter()).map(|code| code.invocations.get()).sum()
    }

    fn code(&self, code: u16) -> CodeMetrics {
        let known = self.others.read().unwrap_or_else(|broken| broken.into_inner());
        if let Some(known) = known.iter().find(|known| known.code == code) {
            return known.clone();
        }
        drop(known);
        let labels = [code.to_string(), self.name.clone()];
        let metrics = CodeMetrics {
            code,
            invocations: self.invocations.with_label_values(&labels),
            seconds: self.seconds.with_label_values(&labels),
        };
        if code != 200 {
            let mut others = self.others.write().unwrap_or_else(|broken| broken.into_inner());
            if !others.iter().any(|known| known.code == code) {
                others.push(metrics.clone());
            }
        }
        metrics
    }

    fn codes(&self) -> Vec<u16> {
        let others = self.others.read().unwrap_or_else(|broken| broken.into_inner());
        std::iter::once(200).chain(others.iter().map(|code| code.code)).collect()
    }
}

impl CodeMetrics {
    fn count(&self, took: Duration) {
        self.invocations.inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_stock_ones_and_series_end_with_their_function() {
        let metrics = Metrics::new();
        let function = metrics.function("hello.openfaas-fn");
        function.started.inc();
        function.ended(200, Duration::from_millis(3));
        function.ended(503, Duration::from_millis(3));
        function.ended(503, Duration::from_millis(3));
        function.service_count.set(2);
        metrics.set_target("hello.openfaas-fn", Some(("rps", 50.0)));
        assert_eq!(function.invocations(), 3);
        let text = metrics.text();
        for line in [
            r#"gateway_function_invocation_total{code="503",function_name="hello.openfaas-fn"} 2"#,
            r#"gateway_function_invocation_started{function_name="hello.openfaas-fn"} 1"#,
            r#"gateway_functions_seconds_bucket{code="200",function_name="hello.openfaas-fn",le="0.005"} 1"#,
            r#"gateway_service_count{function_name="hello.openfaas-fn"} 2"#,
            r#"gateway_service_target_load{function_name="hello.openfaas-fn",scaling_type="rps"} 50"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        metrics.forget(&function);
        assert!(!metrics.text().contains("hello"), "{}", metrics.text());
    }

    #[test]
    fn the_queue_is_shown_for_deployed_functions_and_for_whatever_waits() {
        let queue = QueueMetrics {
            depth: [("a.ns".to_owned(), 2), ("q\"\\\n.ns".to_owned(), 1)].into(),
            in_flight: [("a.ns".to_owned(), 3)].into(),
            oldest_age: Some(Duration::from_millis(1500)),
            purged: 4,
            ..QueueMetrics::default()
        };
        let text = queue_text(&queue, ["a.ns", "b.ns"].into_iter());
        for line in [
            r#"gateway_queue_depth{function_name="a.ns"} 2"#,
            r#"gateway_queue_depth{function_name="b.ns"} 0"#,
            r#"gateway_queue_depth{function_name="q\"\\\n.ns"} 1"#,
            r#"gateway_queue_inflight{function_name="a.ns"} 3"#,
            "gateway_queue_oldest_age_seconds 1.5",
            "gateway_queue_purged_total 4",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}
