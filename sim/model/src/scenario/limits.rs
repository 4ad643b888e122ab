//! What a run can take. Within these limits time moves on, memory is bounded, and a run ends on the day it was started.
//!
//! They are far beyond anything that is worth simulating; what they catch is a slip of the unit, such as a scaler that
//! decides every nanosecond. What depends on how the run goes, such as requests that pile up, the engine bounds itself.

use super::error::Problem;
use super::read::Findings;
use super::validate::problem;
use super::{Arrivals, Function, NodeGroup, Scenario};
use crate::distributions::Distribution;
use crate::policies::Scaling;
use crate::rng::Seed;
use crate::time::{SimTime, Span};

/// Most functions, and most workloads.
const MOST_FUNCTIONS: usize = 5000;
/// Most machines.
const MOST_MACHINES: u64 = 10_000;
/// Most replicas that all functions may have together.
const MOST_REPLICAS: u64 = 1_000_000;
/// Most machines times functions: what each machine knows of each function is kept.
const MOST_PAIRS: u64 = 10_000_000;
/// Most machines times replicas: each replica looks at each machine for a place.
const MOST_PLACES: u64 = 1_000_000_000;
/// Most calls that queue workers may have in flight together.
const MOST_DELIVERIES: u64 = 1_000_000;
/// Most variants: each is checked as a scenario of its own.
const MOST_VARIANTS: usize = 200;
/// Most times that one thing may happen in a replication: some hours of the engine's time.
const MOST_EVENTS: f64 = 1e10;
/// Most failures of machines in a replication: they are drawn in advance.
const MOST_FAILURES: f64 = 1e6;
/// Most samples that a scaler may keep in a window.
const MOST_SAMPLES: u64 = 100_000;

/// Counts that are too large to look any further.
pub(super) fn sizes(scenario: &Scenario, variants: usize, found: &Findings, problems: &mut Vec<Problem>) {
    let functions = scenario.functions.len() as u64;
    let machines: u64 = scenario.nodes.iter().map(|node| u64::from(node.count)).sum();
    let replicas: u64 = scenario.functions.iter().map(|function| u64::from(function.replicas.max)).sum();
    let queue = &scenario.queue;
    let deliveries = u64::from(queue.workers) * u64::from(queue.max_inflight);
    let most = MOST_FUNCTIONS as u64;
    for (path, count, most, what, help) in [
        ("function", functions, most, "functions", "leave some out"),
        ("workload", scenario.workloads.len() as u64, most, "workloads", "leave some out"),
        ("node", scenario.nodes.len() as u64, most, "groups of machines", "join equal ones with `count`"),
        ("variant", variants as u64, MOST_VARIANTS as u64, "variants", "put some into a scenario of their own"),
        ("node", machines, MOST_MACHINES, "machines", "lower `count`"),
        ("function", replicas, MOST_REPLICAS, "replicas in all", "lower replicas.max"),
        ("node", machines * functions, MOST_PAIRS, "pairs of a machine and a function", "lower `count`"),
        ("node", machines * replicas, MOST_PLACES, "pairs of a machine and a replica", "lower `count` or replicas.max"),
        ("queue.max_inflight", deliveries, MOST_DELIVERIES, "deliveries at once", "lower workers or max_inflight"),
    ] {
        if count > most {
            problems.push(problem(found, path, format!("{count} {what} are more than {most}")).help(help));
        }
    }
}

/// Things that would happen too often.
pub(super) fn rhythms(scenario: &Scenario, found: &Findings, problems: &mut Vec<Problem>) {
    for (index, workload) in scenario.workloads.iter().enumerate() {
        let requests = expected(&workload.arrivals, scenario.duration);
        if requests > MOST_EVENTS {
            problems.push(
                problem(
                    found,
                    &format!("workload.{index}.arrivals"),
                    too_often(requests, "requests", scenario.duration),
                )
                .help("lower the rate or the duration"),
            );
        }
    }
    for function in &scenario.functions {
        scalers(scenario, function, found, problems);
        crashes(scenario, function, found, problems);
    }
    for (index, node) in scenario.nodes.iter().enumerate() {
        failures(scenario, node, index, found, problems);
    }
}

fn too_often(count: f64, what: &str, during: Span) -> String {
    match count.is_finite() {
        true => format!("about {count:.1e} {what} in {during} are more than a run can take"),
        false => format!("{what} without any time between them would never let time pass"),
    }
}

/// Requests that these arrivals are expected to make.
fn expected(arrivals: &Arrivals, duration: Span) -> f64 {
    let secs = duration.as_secs_f64();
    match arrivals {
        Arrivals::Constant(rate) | Arrivals::Poisson(rate) => rate.0 * secs,
        Arrivals::Renewal(law) => secs / mean_within(law, duration),
        Arrivals::Mmpp(states) => {
            let fastest = states.iter().map(|state| state.rate.0).fold(0.0, f64::max);
            let ring: f64 = states.iter().map(|state| state.mean_stay.as_secs_f64()).sum();
            fastest * secs + states.len() as f64 * secs / ring
        }
        Arrivals::Shape(points) => {
            let end = SimTime::ZERO + duration;
            let area = |pair: &[super::ShapePoint]| {
                let (from, to) = (pair[0], pair[1]);
                let (whole, within) = (to.at.since(from.at).as_secs_f64(), to.at.min(end).since(from.at).as_secs_f64());
                if whole == 0.0 || within == 0.0 {
                    return 0.0;
                }
                let last = from.rate.0 + (to.rate.0 - from.rate.0) * within / whole;
                (from.rate.0 + last) / 2.0 * within
            };
            let after = points.last().map_or(0.0, |last| last.rate.0 * end.since(last.at).as_secs_f64());
            points.windows(2).map(area).sum::<f64>() + after
        }
        Arrivals::Batches { sizes, period } => {
            let largest = sizes.iter().map(|step| step.size).max().unwrap_or(0);
            f64::from(largest.max(1)) * secs / period.as_secs_f64()
        }
        Arrivals::Cron(_) => secs / 60.0,
        Arrivals::Trace(instants) => instants.len() as f64,
        // What users do depends on their answers.
        Arrivals::Users(_) => 0.0,
    }
}

/// The mean of a law in seconds, with draws cut at `end`: how often it fits into a run depends on nothing else. From a
/// sample, since laws whose mean is infinite have one too.
fn mean_within(law: &Distribution, end: Span) -> f64 {
    const DRAWS: u32 = 500;
    let mut stream = Seed(0).stream("limits");
    let sum: f64 = (0..DRAWS).map(|_| law.sample(&mut stream).min(end).as_secs_f64()).sum();
    sum / f64::from(DRAWS)
}

fn scalers(scenario: &Scenario, function: &Function, found: &Findings, problems: &mut Vec<Problem>) {
    let path = format!("function.{}.scaling", function.name);
    // Each timer, and the longest window that is kept at its rhythm.
    let timers: Vec<(String, Span, Span)> = match &function.scaling {
        Scaling::CeAlert(alert) => {
            let of =
                |key: &str| format!("{path}.{}.{key}", if alert.corrected { "ce-alert-corrected" } else { "ce-alert" });
            vec![
                (of("scrape"), alert.scrape, alert.rate_window),
                (of("evaluation"), alert.evaluation, Span::ZERO),
                (of("group_interval"), alert.group_interval, Span::ZERO),
                (of("repeat_interval"), alert.repeat_interval, Span::ZERO),
            ]
        }
        Scaling::Pro(pro) => vec![(path.clone(), pro.period, pro.down_window)],
        Scaling::Hpa(hpa) => {
            let of = |key: &str| format!("{path}.hpa.{key}");
            let mut timers = vec![
                (of("period"), hpa.period, hpa.down_window.max(hpa.up_window)),
                (of("metric_resolution"), hpa.metric_resolution, Span::ZERO),
            ];
            timers
                .extend(hpa.housekeeping_interval.map(|interval| (of("housekeeping_interval"), interval, Span::ZERO)));
            timers
        }
        _ => Vec::new(),
    };
    let idler = function.scale_to_zero.iter();
    let idler =
        idler.map(|idler| (format!("function.{}.scale_to_zero.reconcile", function.name), idler.reconcile, Span::ZERO));
    let lasts = scenario.duration + scenario.drain;
    for (path, period, window) in timers.into_iter().chain(idler) {
        let ticks = lasts.as_secs_f64() / period.as_secs_f64();
        if ticks > MOST_EVENTS {
            let message = too_often(ticks, &format!("looks, one every {period},"), lasts);
            problems.push(problem(found, &path, message).help("write a longer period, or a shorter duration or drain"));
        } else if window.as_nanos() / period.as_nanos().max(1) > MOST_SAMPLES {
            let message = format!("a window of {window} holds more than {MOST_SAMPLES} samples, one every {period}");
            problems.push(problem(found, &path, message).help("write a longer period or a shorter window"));
        }
    }
}

fn crashes(scenario: &Scenario, function: &Function, found: &Findings, problems: &mut Vec<Problem>) {
    let Some(law) = &function.crashes else { return };
    let life = mean_within(law, scenario.duration) + scenario.cluster.crash_backoff.as_secs_f64();
    let count = f64::from(function.replicas.max) * scenario.duration.as_secs_f64() / life;
    if count > MOST_EVENTS {
        let message = too_often(count, "crashes", scenario.duration);
        problems.push(
            problem(found, &format!("function.{}.crashes", function.name), message)
                .help("write a longer time between crashes, or a longer cluster.crash_backoff"),
        );
    }
}

fn failures(scenario: &Scenario, node: &NodeGroup, index: usize, found: &Findings, problems: &mut Vec<Problem>) {
    let Some(random) = &node.random_failures else { return };
    let duration = scenario.duration;
    let cycle = mean_within(&random.time_between, duration) + mean_within(&random.repair, duration);
    let count = f64::from(node.count) * duration.as_secs_f64() / cycle;
    if count > MOST_FAILURES {
        let message = too_often(count, "failures of machines", duration);
        problems.push(
            problem(found, &format!("node.{index}.random_failures"), message)
                .help("write a longer time between failures, such as { exponential = \"30d\" }"),
        );
    }
}
