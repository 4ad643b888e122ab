//! The answer in one sentence: who wins, by the objective or without one, and what it costs.

use faas_lab_model::metrics::comparison::{Comparison, Verdict};
use faas_lab_model::metrics::result::{self, RunResult};

use super::ranking::{Standing, mean, standing};

/// What was found.
pub(super) fn answer(comparison: &Comparison) -> String {
    let [winner, rest @ ..] = comparison.ranking.as_slice() else { return String::new() };
    let result = |entry: &usize| &comparison.entries[*entry].result;
    let label = |entry: &usize| comparison.entries[*entry].label.as_str();
    let count = comparison.entries.len();
    let judged = !result(winner).objectives.is_empty();
    if result(winner).summary.is_empty() {
        return "No result holds anything to compare.".to_owned();
    }
    if count == 1 {
        return format!("{} is alone: there is nothing to compare it with.", label(winner));
    }
    if !judged {
        return without_objective(comparison, *winner);
    }
    let bounds = objectives(result(winner));
    let others = rest.iter().filter(|entry| standing(result(entry)) != Standing::Missed).count();
    match standing(result(winner)) {
        Standing::Missed => {
            let all = if count == 2 { "Neither of the two".to_owned() } else { format!("None of the {count}") };
            format!("{all} meets {bounds}; {} comes nearest.", label(winner))
        }
        found => {
            let surely = if found == Standing::Met { "meets" } else { "probably meets" };
            let alone = match others {
                0 => "; no other does".to_owned(),
                _ => String::new(),
            };
            let price = price(comparison, *winner).unwrap_or_default();
            format!("{} {surely} {bounds}{price}{alone}.", label(winner))
        }
    }
}

/// `p95 < 2s and error_rate < 10%`.
fn objectives(result: &RunResult) -> String {
    let texts: Vec<&str> = result.objectives.iter().map(|objective| objective.text.as_str()).collect();
    match texts.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// ` at 61 % of the cost of …`: of the baseline, or where that wins, of the next that meets the objectives.
fn price(comparison: &Comparison, winner: usize) -> Option<String> {
    let result = |entry: usize| &comparison.entries[entry].result;
    let meets = |entry: &&usize| **entry != winner && standing(result(**entry)) != Standing::Missed;
    let other = match comparison.baseline {
        baseline if baseline != winner => baseline,
        _ => *comparison.ranking.iter().find(meets)?,
    };
    // Without a front there are no costs to compare.
    comparison.pareto.first()?;
    let ratio = mean(result(winner), result::COST)? / mean(result(other), result::COST)?;
    if !ratio.is_finite() {
        return None;
    }
    let whose = &comparison.entries[other].label;
    let doubt = match verdict(comparison, if other == comparison.baseline { winner } else { other }, result::COST) {
        Some(Verdict::Unclear) => ", a difference that may be chance",
        _ => "",
    };
    if (ratio - 1.0).abs() < 0.01 {
        return Some(format!(" at the cost of {whose}"));
    }
    Some(format!(" at {} of the cost of {whose}{doubt}", percent(ratio)))
}

fn verdict(comparison: &Comparison, entry: usize, metric: &str) -> Option<Verdict> {
    let mut found = comparison.differences.iter().filter(|difference| difference.entry == entry);
    found.find(|difference| difference.metric == metric).map(|difference| difference.verdict)
}

/// By the p99, which is what the ranking goes by where errors are alike.
fn without_objective(comparison: &Comparison, winner: usize) -> String {
    let best = &comparison.entries[winner].label;
    let base = &comparison.entries[comparison.baseline].label;
    let among = format!("{best} comes first of {}", comparison.entries.len());
    if winner == comparison.baseline {
        return format!("{among}, by {}.", first_of(comparison));
    }
    let mut found = comparison.differences.iter().filter(|difference| difference.entry == winner);
    let p99 = found.find(|difference| difference.metric == result::RESPONSE_P99);
    let Some((p99, relative)) = p99.and_then(|p99| Some((p99, p99.relative?))) else {
        return format!("{among}, by {}.", first_of(comparison));
    };
    let way = if relative < 0.0 { "below" } else { "above" };
    let real = match p99.verdict {
        Verdict::Better | Verdict::Worse | Verdict::Different => "a real difference",
        Verdict::Unclear => "which may be chance",
        Verdict::Same => return format!("{among}; its p99 is that of {base}."),
    };
    format!("{among}: its p99 is {} {way} that of {base}, {real}.", percent(relative.abs()))
}

fn first_of(comparison: &Comparison) -> &str {
    comparison.ranked_by.split(", since").next().unwrap_or(&comparison.ranked_by)
}

/// Two digits at least, and no more than matter.
fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent < 0.05 => "less than 0.1 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}
