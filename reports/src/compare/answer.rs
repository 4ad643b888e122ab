//! The answer in one sentence: which setting to take, at what price, and how sure that is.

use faas_lab_model::metrics::comparison::Verdict as Truth;
use faas_lab_model::metrics::result::{self, Estimate, ObjectiveResult, Source};
use maud::{Markup, html};

use super::view::{Seen, View, is_policy};
use super::{measured, short};
use crate::format;
use crate::words::{self, Verdict};

/// What stands at the top of the page: the answer that the comparison has, or the one that follows from its results.
pub(super) fn answer(view: &View<'_>) -> Markup {
    let (verdict, text) = match (sentence(view), view.comparison.answer.trim()) {
        (own, "") => own,
        (own, given) if own.1 == given => own,
        // Whoever searched for it knows more than its results show.
        (_, given) => (Verdict::Open, given.to_owned()),
    };
    html! { p class=(verdict.class()) { (words::tied(&text)) } }
}

/// The sentence, and what it amounts to.
pub(super) fn sentence(view: &View<'_>) -> (Verdict, String) {
    let Some(first) = view.ranked.first() else { return (Verdict::Unsure, "There is nothing to compare.".to_owned()) };
    if view.ranked.len() == 1 {
        let (verdict, text) = words::answer(&first.entry.result);
        return (verdict, format!("{text} There is nothing to compare it with."));
    }
    if view.ranked.iter().all(|seen| seen.requests == 0) {
        return (
            Verdict::Unsure,
            "No request arrived in any of the results, so there is nothing to compare.".to_owned(),
        );
    }
    let partial = view.ranked.iter().filter(|seen| seen.entry.result.partial).count();
    let (verdict, text) = if let Some(text) = measured::sentence(view) {
        (Verdict::Open, text)
    } else if view.ranked.iter().any(|seen| !seen.entry.result.objectives.is_empty()) {
        by_objective(view)
    } else {
        (Verdict::Open, without_objective(view))
    };
    match partial {
        0 => (verdict, text),
        _ => (
            verdict,
            format!("{text} {} ended early, so this covers only what was done by then.", counted(view, partial)),
        ),
    }
}

/// `2 of the 12 results` or `All results`.
fn counted(view: &View<'_>, count: usize) -> String {
    match view.ranked.len() {
        all if all == count => "All results".to_owned(),
        all => format!("{count} of the {all} results"),
    }
}

fn by_objective(view: &View<'_>) -> (Verdict, String) {
    let meeting: Vec<&Seen<'_>> = view.ranked.iter().filter(|seen| seen.meets()).collect();
    let Some(best) = meeting.first() else { return (Verdict::Missed, nobody(view)) };
    let verdict = if best.is_certain() { Verdict::Met } else { Verdict::Unsure };
    let mut text = format!("{} meets {}", beginning(view, best), objectives(best));
    text += &price(view, best);
    text += match meeting.len() {
        1 => format!(", the only one of {} to do so", view.ranked.len()),
        2 if view.ranked.len() == 2 => "; both meet it".to_owned(),
        many if many == view.ranked.len() => format!("; all {many} meet it"),
        many => format!("; {many} of {} meet it", view.ranked.len()),
    }
    .as_str();
    text.push('.');
    if !best.is_certain() {
        text += match best.entry.result.replications.len() {
            1 => " It is a single run, so others might say otherwise.",
            _ => " Its interval reaches across the objective, so more replications might say otherwise.",
        };
    }
    if let Some(tie) = tie(view, best, &meeting[1..]) {
        text += &tie;
    }
    (verdict, text)
}

/// Nothing meets the objectives: which comes closest, and by how much it misses.
fn nobody(view: &View<'_>) -> String {
    let judged: Vec<&Seen<'_>> = view.ranked.iter().filter(|seen| !seen.entry.result.objectives.is_empty()).collect();
    let Some(best) = judged.first() else { return "No result has an objective.".to_owned() };
    let misses: Vec<String> = best
        .entry
        .result
        .objectives
        .iter()
        .filter(|objective| !objective.met)
        .map(|objective| match &objective.found {
            Some(found) => {
                let unit = words::unit_of(&objective.metric);
                let value = format::estimate_in(found, unit, &best.entry.result.cost.currency);
                format!("its {} is {value}", words::metric_words(&objective.metric))
            }
            None => format!("it has no {} to judge", words::metric_words(&objective.metric)),
        })
        .collect();
    let unsure = if best.is_certain() { "" } else { ", within its interval" };
    format!(
        "Not one of the {} meets {}. {} is ranked first, but {}{unsure}.",
        view.ranked.len(),
        objectives(best),
        beginning(view, best),
        misses.join(" and "),
    )
}

/// Without an objective there is no right answer, only an order.
fn without_objective(view: &View<'_>) -> String {
    let (best, base) = (&view.ranked[0], view.baseline());
    let mut text = format!("No objective is set. By {}, {} comes first", rule(view), described(view, best));
    let key = [result::RESPONSE_P99, result::RESPONSE_P95, result::RESPONSE_MEAN, result::ERROR_RATE];
    if let Some(key) = key.into_iter().find(|key| best.of(key).is_some()) {
        text += &format!(", with a {} of {}", words::metric_words(key), best.text(key));
        if best.index != base.index && base.of(key).is_some() {
            text += &format!(" where {} has {}", base.label(), base.text(key));
        }
    }
    text += &price(view, best).replacen(" at ", ", at ", 1);
    text.push('.');
    if let Some(tie) = tie(view, best, &view.ranked[1..].iter().collect::<Vec<_>>()) {
        text += &tie;
    }
    text
}

/// The rule of the ranking without a full stop and without its reason, fit for the middle of a sentence.
fn rule(view: &View<'_>) -> String {
    let rule = view.comparison.ranked_by.split(", since").next().unwrap_or_default().trim().trim_end_matches('.');
    if rule.is_empty() { "the order given".to_owned() } else { rule.to_owned() }
}

/// ` at 61 % of the cost of …`, where that can be said.
fn price(view: &View<'_>, best: &Seen<'_>) -> String {
    let base = view.baseline();
    let (Some(cost), Some(currency)) = (best.of(result::COST), view.currency()) else { return String::new() };
    match base.of(result::COST) {
        Some(against) if best.index != base.index && against.mean > 0.0 => {
            let ratio = cost.mean / against.mean;
            let really = view.difference(best.index, result::COST).map(|difference| difference.verdict);
            match really {
                Some(Truth::Same) => format!(" at the same cost as {}", base.label()),
                Some(Truth::Unclear) => format!(" at a cost that cannot be told from that of {}", base.label()),
                _ if (ratio - 1.0).abs() < 0.1 => format!(
                    " at a cost {} % {} than that of {}",
                    format::significant(100.0 * (ratio - 1.0).abs(), 1),
                    if ratio < 1.0 { "lower" } else { "higher" },
                    base.label()
                ),
                _ if ratio >= 2.0 => {
                    format!(" at {} times the cost of {}", format::significant(ratio, 2), base.label())
                }
                _ => format!(" at {} % of the cost of {}", format::significant(100.0 * ratio, 2), base.label()),
            }
        }
        _ => format!(" at a cost of {}", format::money(cost.mean, currency)),
    }
}

/// What to know of the next in rank, if chance may have put it there.
fn tie(view: &View<'_>, best: &Seen<'_>, others: &[&Seen<'_>]) -> Option<String> {
    let costs = view.currency().is_some() && best.of(result::COST).is_some();
    let deciding: Vec<&str> = match costs && best.meets() {
        true => vec![result::COST],
        false => vec![result::RESPONSE_P99, result::RESPONSE_P95, result::ERROR_RATE],
    };
    // Whoever is not named differs for certain, all of them together (Bonferroni).
    let sure = 1.0 - view.comparison.family_error.clamp(1e-9, 0.5) / others.len().max(1) as f64;
    let alike: Vec<&str> = others
        .iter()
        .filter(|other| {
            let mut judged = deciding.iter().filter_map(|metric| told_apart(best, other, metric, sure)).peekable();
            judged.peek().is_some() && judged.all(|apart| !apart)
        })
        .map(|other| other.label())
        .collect();
    let in_what = if costs && best.meets() { "cost" } else { "response times and errors" };
    match alike.as_slice() {
        [] => None,
        [one] => Some(format!(" In {in_what} it cannot be told apart from {one}.")),
        [one, two] => Some(format!(" In {in_what} it cannot be told apart from {one} and {two}.")),
        many => Some(format!(" In {in_what} it cannot be told apart from {} and {} others.", many[0], many.len() - 1)),
    }
}

/// Whether a metric differs by more than its interval at this confidence, paired by seed where both have the same seeds.
/// `None` where that cannot be known.
fn told_apart(one: &Seen<'_>, other: &Seen<'_>, metric: &str, confidence: f64) -> Option<bool> {
    let values = |seen: &Seen<'_>| -> Vec<(u64, f64)> {
        let of = |replication: &result::Replication| Some((replication.seed, *replication.metrics.get(metric)?));
        seen.entry.result.replications.iter().filter_map(of).collect()
    };
    let (left, right) = (values(one), values(other));
    let seeds = |values: &[(u64, f64)]| values.iter().map(|(seed, _)| *seed).collect::<Vec<_>>();
    let plain = |values: &[(u64, f64)]| values.iter().map(|(_, value)| *value).collect::<Vec<_>>();
    if !left.is_empty() && seeds(&left) == seeds(&right) {
        let difference = Estimate::from_pairs(&plain(&left), &plain(&right))?;
        return match difference.half_width_at(confidence) {
            Some(half) => Some(difference.mean.abs() > half),
            None => (difference.mean == 0.0).then_some(false),
        };
    }
    let (left, right) = (one.of(metric)?, other.of(metric)?);
    let half = left.half_width_at(confidence)?.hypot(right.half_width_at(confidence)?);
    Some((left.mean - right.mean).abs() > half)
}

/// `p95 < 2 s and errors < 10 %`: times first, as people would say it.
pub(super) fn objectives(seen: &Seen<'_>) -> String {
    let result = &seen.entry.result;
    let mut objectives: Vec<&ObjectiveResult> = result.objectives.iter().collect();
    objectives.sort_by_key(|objective| words::unit_of(&objective.metric) != "s");
    let word = |objective: &ObjectiveResult| {
        let unit = words::unit_of(&objective.metric);
        let name = match objective.metric.as_str() {
            result::ERROR_RATE => "errors".to_owned(),
            metric => metric
                .strip_prefix("response_")
                .filter(|rest| rest.starts_with('p'))
                .map_or_else(|| words::metric_words(metric), str::to_owned),
        };
        // A word before the first sign names the function that the objective is about.
        let whose = objective.text.split([' ', ':']).next().filter(|word| {
            result.functions.len() > 1 && result.functions.iter().any(|function| function.name == *word)
        });
        let whose = whose.map_or(String::new(), |whose| format!("{whose} "));
        format!("{whose}{name} < {}", short(objective.at_most, unit, &result.cost.currency))
    };
    let texts: Vec<String> = objectives.into_iter().map(word).collect();
    texts.join(" and ")
}

/// An entry in words: what was set, or its name.
pub(super) fn described(view: &View<'_>, seen: &Seen<'_>) -> String {
    let measured = match seen.entry.result.source {
        Source::Measured if view.is_mixed() => " (measured)",
        _ => "",
    };
    let axes = &view.comparison.axes;
    if axes.len() != seen.entry.values.len() || !axes.iter().any(|axis| is_policy(&axis.key)) {
        return format!("{}{measured}", seen.label());
    }
    let mut policy = String::new();
    let mut settings = Vec::new();
    for (axis, value) in axes.iter().zip(&seen.entry.values) {
        let last = axis.key.rsplit('.').next().unwrap_or(&axis.key).replace('_', " ");
        let value = words::value_words(value);
        if is_policy(&axis.key) {
            policy = format!("{} scaling", policy_words(&value));
        } else if last.ends_with("timeout") {
            settings.push(format!("{} {value} {last}", article(&value)));
        } else {
            settings.push(format!("{last} {value}"));
        }
    }
    match settings.is_empty() {
        true => format!("{policy}{measured}"),
        false => format!("{policy} with {}{measured}", settings.join(" and ")),
    }
}

/// Abbreviations as they are spelled: `hpa` is HPA, `ce-alert` is CE alert.
fn policy_words(name: &str) -> String {
    match name.split_once('-') {
        None if name == "hpa" => "HPA".to_owned(),
        Some(("ce", rest)) => format!("CE {}", rest.replace('-', " ")),
        _ => name.replace('-', " "),
    }
}

/// As at the start of a sentence; a mere name stays as it is.
fn beginning(view: &View<'_>, seen: &Seen<'_>) -> String {
    let text = described(view, seen);
    if text.starts_with(seen.label()) { text } else { words::capitalized(&text) }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', '8']) || word.starts_with("11 ") || word.starts_with("18 ") {
        "an"
    } else {
        "a"
    }
}
