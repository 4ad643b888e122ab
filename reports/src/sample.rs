//! Results made by formula, for tests of reports and of what uses them. The figures are plausible; they are nobody's measurement.

pub mod comparison;
pub mod measured;

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use faas_lab_model::metrics::result::*;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};

const REPLICATIONS: u32 = 10;
const STEPS: usize = 240;
const STEP_SECONDS: f64 = 30.0;

/// Two functions over two hours with a flash crowd, timeouts and cold starts, ten replications.
pub fn two_functions() -> RunResult {
    let (faces, hello) =
        (function_result("face-recognition", 0.21, 8100, 310, 470), function_result("hello", 0.012, 52_000, 85, 0));
    let mut result = nothing();
    result.functions = vec![faces, hello];
    result.replications = (0..REPLICATIONS).map(replication).collect();
    result.summary = summary(&result.replications, |replication| &replication.metrics);
    for function in &mut result.functions {
        let name = function.name.clone();
        function.summary = summary(&result.replications, |replication| &replication.functions[&name]);
    }
    result.timeline = timeline();
    result.nodes =
        ["pi4-1", "pi4-2", "pi4-3"].into_iter().enumerate().map(|(index, name)| node(name, index as f64)).collect();
    let mark = |hop: &str, function: Option<&str>, seconds| TimeoutMark {
        hop: hop.to_owned(),
        function: function.map(str::to_owned),
        seconds,
    };
    result.timeouts = vec![
        mark("gateway read", None, 60.0),
        mark("gateway write", None, 60.0),
        mark("gateway upstream", None, 60.0),
        mark("client", None, 70.0),
        mark("watchdog exec", Some("face-recognition"), 30.0),
    ];
    let item = |name: &str, basis: &str, mean: f64| CostItem {
        name: name.to_owned(),
        basis: basis.to_owned(),
        amount: estimate(&[mean * 0.97, mean, mean * 1.03]),
    };
    result.cost = CostResult {
        currency: "EUR".to_owned(),
        items: vec![
            item("electricity", "0.0345 kWh at 0.30 EUR/kWh", 0.010_35),
            item("hardware", "3 nodes × 2 h, 75 EUR over 4 years each", 0.012_84),
        ],
        total: Some(estimate(&[0.0225, 0.0232, 0.0239])),
    };
    result.objectives = vec![
        objective("p95 < 2s", RESPONSE_P95, 2.0, result.summary.get(RESPONSE_P95).copied()),
        objective("error_rate < 0.005", ERROR_RATE, 0.005, result.summary.get(ERROR_RATE).copied()),
    ];
    result.checks = vec![TheoryCheck {
        model: "M/M/4".to_owned(),
        quantity: "mean waiting time".to_owned(),
        unit: "s".to_owned(),
        theory: 0.745,
        simulated: estimate(&[0.741, 0.752, 0.744, 0.749]),
        z: 0.62,
        source: "Harchol-Balter (2013), §14.3".to_owned(),
    }];
    let known = |parameter: &str, value: &str, basis, source: &str| Provenance {
        parameter: parameter.to_owned(),
        value: value.to_owned(),
        basis,
        source: source.to_owned(),
    };
    result.provenance = vec![
        known("node.pi4.power.idle", "2.7 W", Basis::Published, "a published survey of single-board computers"),
        known(
            "function.face-recognition.demand",
            "lognormal, median 42.7 ms",
            Basis::Measured,
            "own run of 1000 images",
        ),
        known("node.pi4.speed.cascade", "0.24", Basis::Derived, "ratio of the two machines' published times"),
        known(
            "function.hello.cold_start.boot",
            "lognormal, median 300 ms",
            Basis::Transferred,
            "the same image on another machine",
        ),
        known("edge.rtt", "lognormal, median 0.3 ms", Basis::Assumed, ""),
        known("function.hello.replicas.max", "20", Basis::Choice, ""),
    ];
    let warning = |code: &str, text: &str| Warning { code: code.to_owned(), text: text.to_owned() };
    result.warnings = vec![
        warning(
            "timeout-chain",
            "The client waits 70 s, but the gateway gives up after 60 s: a slow answer becomes a 504. Raise the gateway's timeouts or lower the client's.",
        ),
        warning("few-cold-starts", "Quantiles of cold requests to hello rest on 85 values."),
    ];
    result
}

/// One function, one replication, no objectives: what a first try looks like.
pub fn one_function() -> RunResult {
    let mut result = two_functions();
    result.name = "hello-once".to_owned();
    result.functions.remove(0);
    result.replications.truncate(1);
    result.objectives.clear();
    result.timeline.cold_starts.truncate(6);
    result.timeline.series.retain(|series| series.function.as_deref() != Some("face-recognition"));
    for series in &mut result.timeline.series {
        (series.low, series.high) = (series.mean.clone(), series.mean.clone());
    }
    let single = |estimate: &mut Estimate| *estimate = Estimate { half_width: None, sd: None, n: 1, ..*estimate };
    result.summary = result.functions[0].summary.clone();
    result.summary.values_mut().for_each(single);
    result.functions[0].summary.values_mut().for_each(single);
    result
}

/// A run in which nothing happened.
pub fn nothing() -> RunResult {
    RunResult {
        schema_version: SCHEMA_VERSION,
        measurement: None,
        source: Source::Simulated,
        tool: Tool { name: "faas-lab".to_owned(), version: "0.1.0".to_owned() },
        name: "pi4-k3s".to_owned(),
        about: "Three Raspberry Pi 4 run k3s and OpenFaaS. Faces arrive slowly, then in a ramp, then in a flash crowd."
            .to_owned(),
        command: "faas-lab simulate scenarios/pi4-k3s.toml --seed 42".to_owned(),
        partial: false,
        seed: 42,
        window: Window {
            warm_up_seconds: 600.0,
            warm_up_rule: "given".to_owned(),
            duration_seconds: STEPS as f64 * STEP_SECONDS,
            drain_seconds: 70.0,
        },
        scenario: ScenarioRecord {
            path: "scenarios/pi4-k3s.toml".to_owned(),
            toml: "name = \"pi4-k3s\"\nduration = \"2h\"\nreplications = 10\n".to_owned(),
            overrides: vec!["function.face-recognition.replicas.max=12".to_owned()],
            ..ScenarioRecord::default()
        },
        replications: Vec::new(),
        summary: BTreeMap::new(),
        functions: Vec::new(),
        timeline: Timeline { step_seconds: STEP_SECONDS, ..Timeline::default() },
        nodes: Vec::new(),
        timeouts: Vec::new(),
        cost: CostResult::default(),
        objectives: Vec::new(),
        checks: Vec::new(),
        provenance: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Mean and 95 % interval of some values.
pub fn estimate(values: &[f64]) -> Estimate {
    Estimate::from_replications(values).expect("samples have finite values")
}

/// A histogram of times in seconds, as results hold it.
pub fn histogram(times: impl IntoIterator<Item = f64>) -> HistogramData {
    let mut micros: Histogram<u64> = Histogram::new(3).expect("three digits are allowed");
    let (mut sum, mut min, mut max) = (0.0, f64::INFINITY, 0.0_f64);
    for time in times {
        micros.record((time * 1e6) as u64).expect("an auto-resizing histogram takes every value");
        (sum, min, max) = (sum + time, min.min(time), max.max(time));
    }
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(&micros, &mut bytes).expect("memory takes all");
    HistogramData {
        count: micros.len(),
        mean_seconds: sum / micros.len().max(1) as f64,
        min_seconds: if micros.is_empty() { 0.0 } else { min },
        max_seconds: max,
        hdr_v2_base64: STANDARD.encode(bytes),
    }
}

/// Evenly spread quantiles of a skewed distribution around `median`.
fn times(count: u64, median: f64, spread: f64) -> impl Iterator<Item = f64> {
    (0..count).map(move |index| {
        let share = (index as f64 + 0.5) / count as f64;
        // Logistic in the logarithm: heavy on the right, as response times are.
        median * (share / (1.0 - share)).powf(spread)
    })
}

fn function_result(name: &str, median: f64, warm: u64, cold: u64, lost: u64) -> FunctionResult {
    let (cold_times, warm_times) = (times(cold, 1.9 + median, 0.22), times(warm, median, 0.2));
    let response = |cold, outcome, histogram| ResponseHistogram { cold, outcome, histogram };
    let mut responses = vec![
        response(false, OutcomeKind::Ok, histogram(warm_times)),
        response(true, OutcomeKind::Ok, histogram(cold_times)),
    ];
    let ending = |outcome, hop: Option<&str>, status, count| OutcomeCount {
        outcome,
        hop: hop.map(str::to_owned),
        status,
        count,
    };
    let mut outcomes = vec![ending(OutcomeKind::Ok, None, Some(200), warm + cold)];
    if lost > 0 {
        responses.push(response(false, OutcomeKind::TimedOut, histogram(times(lost * 2 / 3, 30.0, 0.001))));
        responses.push(response(false, OutcomeKind::Refused, histogram(times(lost / 3, 0.004, 0.1))));
        outcomes.extend([
            ending(OutcomeKind::TimedOut, Some("watchdog exec"), Some(502), lost * 2 / 3),
            ending(OutcomeKind::Refused, Some("replica"), Some(429), lost / 3 - 25),
            ending(OutcomeKind::Truncated, Some("gateway write"), Some(200), 21),
            ending(OutcomeKind::Unfinished, None, None, 4),
        ]);
    }
    let parts = [
        ("network", 0.0006),
        ("gateway", 0.0021),
        ("cold start", 0.071),
        ("waiting", median * 0.6),
        ("service", median),
        ("retries", 0.0),
    ];
    let total: f64 = parts.iter().map(|(_, mean)| mean).sum();
    let part =
        |(part, mean): (&str, f64)| PartResult { part: part.to_owned(), mean_seconds: mean, share: mean / total };
    let phase = |(phase, count, mean): (&str, u64, f64)| PhaseResult {
        phase: phase.to_owned(),
        count,
        mean_seconds: mean,
        max_seconds: mean * 2.4,
    };
    let phases = [
        ("schedule", 84, 0.021),
        ("pull", 9, 3.1),
        ("sandbox", 84, 0.18),
        ("create", 84, 0.14),
        ("boot", 84, 0.31),
        ("probe", 84, 1.02),
        ("endpoint", 84, 0.09),
    ];
    FunctionResult {
        name: name.to_owned(),
        summary: BTreeMap::new(),
        outcomes,
        responses,
        parts: parts.into_iter().map(part).collect(),
        cold_phases: phases.into_iter().map(phase).collect(),
    }
}

fn replication(index: u32) -> Replication {
    let metrics = |scale: f64, answered: f64| -> BTreeMap<String, f64> {
        // Replications differ by a few per cent, in no particular order.
        let varied = |value: f64, share: f64| value * (1.0 + share * (f64::from(index) * 2.4).sin());
        [
            (OFFERED, varied(888.0 * scale, 0.02)),
            (SUCCESS_SHARE, 1.0 - varied(1.0 - answered, 0.06)),
            (ERROR_RATE, varied(1.0 - answered, 0.06)),
            (GOODPUT, varied(0.117 * scale, 0.02)),
            (RESPONSE_MEAN, varied(0.41 / scale, 0.03)),
            (RESPONSE_P50, varied(0.21 / scale, 0.02)),
            (RESPONSE_P90, varied(0.62 / scale, 0.04)),
            (RESPONSE_P95, varied(1.31 / scale, 0.11)),
            (RESPONSE_P99, varied(3.4 / scale, 0.09)),
            (WAITING_MEAN, varied(0.126 / scale, 0.05)),
            (SERVICE_MEAN, varied(0.21 / scale, 0.01)),
            (COLD_STARTS, varied(31.0, 0.2)),
            (COLD_SHARE, varied(0.037, 0.2)),
            (TIMED_OUT_SHARE, varied((1.0 - answered) * 0.67, 0.1)),
            (REFUSED_SHARE, varied((1.0 - answered) * 0.28, 0.1)),
            (REPLICA_STARTS, varied(8.4, 0.2)),
            (REPLICAS_MEAN, varied(3.1, 0.04)),
            (REPLICAS_BUSY_MEAN, varied(1.2, 0.03)),
            (IN_SYSTEM_MEAN, varied(1.4, 0.03)),
            (CPU_UTILIZATION, varied(0.27, 0.02)),
            (ENERGY, varied(124_200.0, 0.003)),
            (COST, varied(0.0232, 0.01)),
            (COST_PER_MILLION, varied(26.1, 0.03)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    };
    let functions = [("face-recognition", 1.0, 0.947), ("hello", 5.86, 1.0)]
        .map(|(name, scale, answered)| (name.to_owned(), metrics(scale, answered)));
    Replication { index, seed: 42 + u64::from(index), metrics: metrics(6.86, 0.9923), functions: functions.into() }
}

fn summary(
    replications: &[Replication],
    of: impl Fn(&Replication) -> &BTreeMap<String, f64>,
) -> BTreeMap<String, Estimate> {
    let values = |key: &String| replications.iter().map(|replication| of(replication)[key]).collect::<Vec<_>>();
    of(&replications[0]).keys().map(|key| (key.clone(), estimate(&values(key)))).collect()
}

fn objective(text: &str, metric: &str, at_most: f64, found: Option<Estimate>) -> ObjectiveResult {
    let met = found.is_some_and(|found| found.mean <= at_most);
    let certain = found.is_some_and(|found| (found.mean - at_most).abs() > found.half_width.unwrap_or(f64::INFINITY));
    ObjectiveResult { text: text.to_owned(), metric: metric.to_owned(), at_most, found, met, certain }
}

fn node(name: &str, index: f64) -> NodeResult {
    let near = |value: f64| estimate(&[value * 0.99, value, value * 1.01 + 0.001]);
    NodeResult {
        name: name.to_owned(),
        cores: 4,
        utilization: near(0.31 - 0.06 * index),
        watts: near(3.9 - 0.3 * index),
        energy_joules: near(28_100.0 - 2000.0 * index),
    }
}

fn timeline() -> Timeline {
    // A quiet start, a ramp, a plateau, a flash crowd, and quiet again.
    let load = |step: usize| match step as f64 / STEPS as f64 {
        t if t < 0.25 => 0.2,
        t if t < 0.5 => 0.2 + (t - 0.25) * 80.0,
        t if t < 0.66 => 20.0,
        t if t < 0.7 => 60.0,
        t => 5.0 * (1.0 - t) + 0.1,
    };
    let wobble = |step: usize, pace: f64| 1.0 + 0.08 * (step as f64 * pace * TAU).sin();
    let lagged = |step: usize, lag: usize| load(step.saturating_sub(lag));
    let series = |name: &str, unit: &str, function: Option<&str>, spread: f64, of: &dyn Fn(usize) -> f64| {
        let mean: Vec<f64> = (0..STEPS).map(of).collect();
        Series {
            name: name.to_owned(),
            unit: unit.to_owned(),
            function: function.map(str::to_owned),
            low: mean.iter().map(|value| value * (1.0 - spread)).collect(),
            high: mean.iter().map(|value| value * (1.0 + spread)).collect(),
            mean,
        }
    };
    let mut all = Vec::new();
    for (function, part) in [(None, 1.0), (Some("face-recognition"), 0.7), (Some("hello"), 0.3)] {
        let lost = move |step: usize| (lagged(step, 2) - 24.0).max(0.0) * 0.4 * part;
        let replicas = move |step: usize, lag: usize| (lagged(step, lag) * part / 5.0).ceil().clamp(1.0, 12.0);
        all.extend([
            series("arrivals", "1/s", function, 0.1, &|step| load(step) * part * wobble(step, 0.07)),
            series("successes", "1/s", function, 0.1, &|step| lagged(step, 1) * part * wobble(step, 0.07) - lost(step)),
            series("errors", "1/s", function, 0.3, &lost),
            series("in flight", "count", function, 0.2, &|step| lagged(step, 1) * part * 0.4 * wobble(step, 0.11)),
            series("waiting", "count", function, 0.4, &|step| (lagged(step, 1) - 15.0).max(0.0) * part * 0.3),
            series("queue depth", "count", function, 0.0, &|_| 0.0),
            series("replicas desired", "replicas", function, 0.0, &|step| replicas(step, 0)),
            series("replicas starting", "replicas", function, 0.2, &|step| {
                (replicas(step, 0) - replicas(step, 2)).max(0.0)
            }),
            series("replicas ready", "replicas", function, 0.1, &|step| replicas(step, 2)),
            series("replicas busy", "replicas", function, 0.1, &|step| {
                (lagged(step, 1) * part * 0.2 * wobble(step, 0.11)).min(replicas(step, 2))
            }),
        ]);
    }
    all.push(series("node cpu", "share", None, 0.05, &|step| (0.06 + lagged(step, 1) / 40.0).min(0.95)));
    all.push(series("power", "W", None, 0.03, &|step| 8.1 + 11.0 * (lagged(step, 1) / 40.0).min(0.95)));
    let cold = |index: usize| 900.0 + 14.0 * index as f64 + 1700.0 * (index as f64 * 0.37).sin().abs();
    Timeline { step_seconds: STEP_SECONDS, series: all, cold_starts: (0..240).map(cold).collect() }
}
