//! Sentences about a result that more than one report says.

use std::collections::BTreeMap;

use faas_lab_model::metrics::measurement::ErrorReason;
use faas_lab_model::metrics::result::{
    self, Basis, Estimate, METRICS, ObjectiveResult, OutcomeKind, RunResult, Source,
};

use crate::charts::percentiles::Limit;
use crate::format;

/// How an outcome reads in the middle of a sentence.
pub(crate) fn outcome_words(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Ok => "answered in full",
        OutcomeKind::Truncated => "cut short",
        OutcomeKind::TimedOut => "timed out",
        OutcomeKind::Refused => "refused",
        OutcomeKind::Unavailable => "unavailable",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Unfinished => "unfinished",
    }
}

/// What an error of a live run said: status and body, or how the exchange broke, and what helps where that is known.
pub(crate) fn error_words(error: &ErrorReason) -> String {
    let broke = error.fault.as_deref().map(|fault| match fault {
        "name" => "the host's name has no address",
        "connect" => "the connection was refused: is it up, and is this its address?",
        "connect-timeout" => "no connection in time: --connect-timeout allows more",
        "tls" => "TLS could not be agreed on: --insecure takes any certificate",
        "client-timeout" => "the client gave up: --timeout allows more",
        "closed" => "the connection was closed before an answer",
        "cut" => "the connection was closed within the answer",
        "garbage" => "what came is no HTTP",
        _ => "the exchange broke",
    });
    let status = error.status.map(|status| format!("status {status}"));
    let parts: Vec<String> = [status, broke.map(str::to_owned), error.reason.clone()].into_iter().flatten().collect();
    if parts.is_empty() { "given up when the run ended".to_owned() } else { parts.join(": ") }
}

/// How a value is known.
pub(crate) fn basis_words(basis: Basis) -> &'static str {
    match basis {
        Basis::Published => "published",
        Basis::Measured => "measured",
        Basis::Derived => "derived",
        Basis::Transferred => "transferred",
        Basis::Assumed => "assumed",
        Basis::Choice => "choice",
    }
}

/// Where the result comes from.
pub(crate) fn source_words(source: Source) -> &'static str {
    match source {
        Source::Simulated => "simulated",
        Source::Measured => "measured",
    }
}

/// What the runs of a result are called: only a simulation is replicated at will.
pub(crate) fn run_words(source: Source) -> &'static str {
    match source {
        Source::Simulated => "replication",
        Source::Measured => "run",
    }
}

/// The seed of a result: a live system has none, but what it was sent has.
pub(crate) fn seed_words(result: &RunResult) -> String {
    match result.source {
        Source::Simulated => format!("seed {}", result.seed),
        Source::Measured => format!("schedule of seed {}", result.seed),
    }
}

/// A short name of a metric, fit for a table.
pub(crate) fn metric_words(key: &str) -> String {
    match key {
        result::OFFERED => "requests per replication",
        result::SUCCESS_SHARE => "answered in full",
        result::ERROR_RATE => "error rate",
        result::RESPONSE_MEAN => "mean response time",
        result::RESPONSE_P50 => "median response time",
        result::RESPONSE_P90 => "p90 response time",
        result::RESPONSE_P95 => "p95 response time",
        result::RESPONSE_P99 => "p99 response time",
        result::RESPONSE_P999 => "p99.9 response time",
        result::RESPONSE_MAX => "longest response time",
        result::WAITING_MEAN => "mean waiting time",
        result::WAITED_SHARE => "share that waited",
        result::SERVICE_MEAN => "mean service time",
        result::REFUSED_SHARE => "refused",
        result::TIMED_OUT_SHARE => "timed out",
        result::TRUNCATED_SHARE => "cut short",
        result::COLD_STARTS => "cold starts",
        result::COLD_SHARE => "share with a cold start",
        result::REPLICAS_MEAN => "mean replicas",
        result::REPLICAS_READY_MEAN => "mean ready replicas",
        result::REPLICAS_BUSY_MEAN => "mean busy replicas",
        result::REPLICA_LIFESPAN_MEAN => "mean life of a replica",
        result::IN_SYSTEM_MEAN => "mean requests in flight",
        result::QUEUE_MEAN => "mean requests waiting",
        result::WASTED_CPU_SHARE => "wasted CPU time",
        result::CPU_UTILIZATION => "CPU utilization",
        result::COST_PER_MILLION => "cost per million answered",
        result::QUEUE_DELAY_MEAN => "mean time in the queue",
        other => return other.replace('_', " "),
    }
    .to_owned()
}

/// Unit of a metric; a plain number's where the metric is unknown.
pub(crate) fn unit_of(key: &str) -> &'static str {
    METRICS.iter().find(|metric| metric.key == key).map_or("count", |metric| metric.unit)
}

/// A metric of a summary, in words.
pub(crate) fn metric_text(summary: &BTreeMap<String, Estimate>, key: &str, currency: &str) -> Option<String> {
    summary.get(key).map(|estimate| format::estimate_in(estimate, unit_of(key), currency))
}

/// What the answer amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every objective is met for certain.
    Met,
    /// At least one is missed.
    Missed,
    /// None is missed, but some could not be judged.
    Unsure,
    /// There is no objective.
    Open,
}

impl Verdict {
    /// Classes of the answer in a page.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Verdict::Met => "answer met",
            Verdict::Missed => "answer missed",
            Verdict::Unsure => "answer unsure",
            Verdict::Open => "answer",
        }
    }
}

/// The answer that a report opens with.
pub(crate) fn answer(result: &RunResult) -> (Verdict, String) {
    let requests = requests(result);
    let mut text = match (result.partial, result.source) {
        (true, Source::Measured) => "Measured on a live system until the run was ended early: ".to_owned(),
        (true, Source::Simulated) => "In a run that was ended early, up to there: ".to_owned(),
        (false, Source::Measured) => "Measured on a live system: ".to_owned(),
        (false, Source::Simulated) => String::new(),
    };
    let (verdict, sentence) = match () {
        () if requests == 0 => (Verdict::Unsure, "no request arrived, so there is nothing to judge.".to_owned()),
        () if result.objectives.is_empty() => (Verdict::Open, description(result)),
        () => judgement(result),
    };
    text += &sentence;
    (verdict, capitalized(&text))
}

/// Requests that the histograms and outcomes count, over all functions and replications.
pub(crate) fn requests(result: &RunResult) -> u64 {
    result.functions.iter().flat_map(|function| &function.outcomes).map(|outcome| outcome.count).sum()
}

/// Those of them that were answered in full.
pub(crate) fn answered(result: &RunResult) -> u64 {
    let outcomes = result.functions.iter().flat_map(|function| &function.outcomes);
    outcomes.filter(|outcome| outcome.outcome == OutcomeKind::Ok).map(|outcome| outcome.count).sum()
}

/// Without an objective: how many, how fast.
fn description(result: &RunResult) -> String {
    let share = match result.summary.get(result::SUCCESS_SHARE) {
        _ if answered(result) == requests(result) => "all".to_owned(),
        Some(share) => format!("{} of the", format::estimate(share, "share")),
        None => format!("{} of the", format::share(answered(result) as f64 / requests(result) as f64)),
    };
    let of = |key| metric_text(&result.summary, key, "");
    match (of(result::RESPONSE_P50), of(result::RESPONSE_P95)) {
        (Some(median), Some(p95)) => {
            format!("{share} requests are answered in full, half of them within {median} and 95 % within {p95}.")
        }
        _ if answered(result) == 0 => "not one request is answered in full.".to_owned(),
        _ => format!("{share} requests are answered in full."),
    }
}

/// Objective by objective, those missed first.
fn judgement(result: &RunResult) -> (Verdict, String) {
    let mut sorted: Vec<&ObjectiveResult> = result.objectives.iter().collect();
    sorted.sort_by_key(|objective| objective.met && objective.found.is_some());
    let single = |objective: &&&ObjectiveResult| objective.found.is_some_and(|found| found.half_width.is_none());
    let single = sorted.len() > 1 && sorted.iter().filter(single).count() == sorted.len();
    let mut clauses: Vec<String> = sorted.iter().map(|objective| clause(result, objective, single)).collect();
    if single && sorted.iter().any(|objective| !objective.certain) {
        clauses.push("a single run cannot tell for certain".to_owned());
    }
    let missed = result.objectives.iter().filter(|objective| objective.found.is_some() && !objective.met).count();
    let sure = result.objectives.iter().all(|objective| objective.found.is_some() && objective.certain);
    let verdict = match (missed, sure) {
        (0, true) => Verdict::Met,
        (0, false) => Verdict::Unsure,
        _ => Verdict::Missed,
    };
    (verdict, format!("{}.", clauses.join("; ")))
}

/// Whether an objective is met. A doubt that all share is said once, elsewhere.
fn clause(result: &RunResult, objective: &ObjectiveResult, shared_doubt: bool) -> String {
    let unit = unit_of(&objective.metric);
    let name = metric_words(&objective.metric);
    let whose = result.functions.iter().find(|function| {
        result.functions.len() > 1
            && objective.text.split(|c: char| c.is_whitespace() || c == ':').any(|w| w == function.name)
    });
    let whose = whose.map_or(String::new(), |function| format!("{}: ", function.name));
    let bound = match unit {
        "currency" => format::money(objective.at_most, &result.cost.currency),
        unit => format::quantity(objective.at_most, unit),
    };
    let Some(found) = &objective.found else {
        return format!("{whose}the objective {} cannot be judged, since the run has no {name}", objective.text);
    };
    let value = format::estimate_in(found, unit, &result.cost.currency);
    let verb = if objective.met { "meets" } else { "misses" };
    let doubt = match objective.certain {
        true => "",
        false if shared_doubt => "",
        false if found.half_width.is_none() => ", though a single run cannot tell for certain",
        false => ", though the interval reaches across it",
    };
    format!("{whose}the {name} of {value} {verb} the objective of at most {bound}{doubt}")
}

/// The timeouts that concern a function (all for `None`), equal ones under one name, shortest first.
pub(crate) fn limits(result: &RunResult, function: Option<&str>) -> Vec<Limit> {
    let mut by_length: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for mark in &result.timeouts {
        let concerns = mark.function.is_none() || function.is_none() || mark.function.as_deref() == function;
        if concerns && mark.seconds.is_finite() && mark.seconds > 0.0 {
            let hops = by_length.entry((mark.seconds * 1e6) as u64).or_default();
            if !hops.contains(&mark.hop.as_str()) {
                hops.push(&mark.hop);
            }
        }
    }
    let limit = |(micros, hops): (u64, Vec<&str>)| {
        let seconds = micros as f64 * 1e-6;
        Limit { seconds, name: format!("{} timeout: {}", format::time(seconds), hops.join(", ")) }
    };
    by_length.into_iter().map(limit).collect()
}

/// Ties numbers to their units with spaces that do not break.
pub(crate) fn tied(text: &str) -> String {
    const UNITS: [&str; 15] = ["ns", "µs", "ms", "s", "min", "h", "d", "%", "J", "kJ", "kWh", "W", "/s", "/h", "±"];
    let mut words = text.split(' ').peekable();
    let mut out = String::with_capacity(text.len() + 16);
    while let Some(word) = words.next() {
        out.push_str(word);
        let Some(next) = words.peek() else { break };
        let unit = next.trim_end_matches(['.', ',', ';', ':', ')']);
        let number = word.ends_with(|last: char| last.is_ascii_digit());
        let next_number = next.starts_with(|first: char| first.is_ascii_digit());
        let tie =
            word == "±" || (number && UNITS.contains(&unit)) || (next_number && matches!(word, "min" | "h" | "d"));
        out.push(if tie { '\u{a0}' } else { ' ' });
    }
    out
}

/// A value as written in a scenario, as people would write it: `10s` is 10 s, `"hpa"` is hpa.
pub(crate) fn value_words(value: &str) -> String {
    let plain = value.trim().trim_matches('"');
    let digits = plain.len() - plain.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = plain.split_at(digits);
    match unit {
        "ns" | "us" | "µs" | "ms" | "s" | "h" | "d" | "%" if digits > 0 => format!("{number} {unit}"),
        "m" | "min" if digits > 0 => format!("{number} min"),
        _ => plain.to_owned(),
    }
}

/// The window that statistics cover, in words.
pub(crate) fn window_words(result: &RunResult) -> String {
    let window = &result.window;
    let mut text = format!("{} of arrivals", format::time(window.duration_seconds));
    if window.warm_up_seconds > 0.0 {
        text += &format!(
            ", the first {} left out as warm-up ({})",
            format::time(window.warm_up_seconds),
            window.warm_up_rule
        );
    }
    text
}

/// `1 replication`, `10 replications`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", format::count(count), if count == 1 { "" } else { "s" })
}

pub(crate) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_with_their_units() {
        for (text, expected) in [
            ("p95 of 780 ± 40 ms meets 2 s.", "p95 of 780~±~40~ms meets 2~s."),
            ("around 80 min 30 s, at 14/s", "around 80~min~30~s, at 14/s"),
            ("10 replications, 4 d", "10 replications, 4~d"),
            ("", ""),
        ] {
            assert_eq!(tied(text), expected.replace('~', "\u{a0}"));
        }
    }
}
