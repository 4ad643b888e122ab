//! Is a difference real? Every result held against the baseline, with intervals and a plain word for each.

use faas_lab_model::metrics::comparison::{Difference, Verdict};
use faas_lab_model::metrics::result::Estimate;
use maud::{Markup, html};

use super::view::{Seen, View};
use super::{caption, short, swatch};
use crate::charts::forest;
use crate::format;
use crate::page::svg_of;
use crate::words;

/// Metrics that get a column with intervals drawn; the others are in the table behind.
const DRAWN: usize = 5;

/// `None` where nothing was held against anything.
pub(super) fn differences(view: &View<'_>) -> Option<Markup> {
    let metrics = view.compared_metrics();
    let others: Vec<&Seen<'_>> = view.ranked.iter().filter(|seen| seen.index != view.baseline).collect();
    if metrics.is_empty() || others.is_empty() {
        return None;
    }
    let base = view.baseline().label();
    let drawn: Vec<&str> = metrics.iter().copied().take(DRAWN).collect();
    let all = &view.comparison.differences;
    let paired = all.iter().filter(|difference| difference.paired).count();
    let text = format!(
        "Each result minus {base}, with 95 % intervals{}. A difference is called real only if all that are on this page, taken together, would lead to a single such mistake in at most {} of pages; filled marks are real, hollow ones may be chance.",
        match paired {
            0 => "; runs could not be paired",
            paired if paired == all.len() => ", runs paired by seed",
            _ => ", runs paired by seed where both have the same",
        },
        format::share(view.comparison.family_error),
    );
    Some(html! {
        figure .forest {
            (caption(&title(view, &metrics, others.len()), &text))
            div .scroll tabindex="0" role="region" aria-label="Differences from the baseline" {
                table .sortable {
                    caption { "Difference from " (base) }
                    thead {
                        tr {
                            th scope="col" { "result" }
                            @for metric in &drawn { th scope="col" { (words::metric_words(metric)) } }
                        }
                        tr .axes aria-hidden="true" {
                            td {}
                            @for metric in &drawn { td { (axis(view, metric)) } }
                        }
                    }
                    tbody {
                        @for seen in &others {
                            tr data-e=(seen.index) {
                                th scope="row" { (swatch(seen.look)) span .label { (seen.label()) } }
                                @for metric in &drawn { (cell(view, seen, metric)) }
                            }
                        }
                    }
                }
            }
            details { summary { "All differences" } (table(view, &others, &metrics)) }
        }
    })
}

/// In the metric that decides first: how many are really better, how many really worse.
fn title(view: &View<'_>, metrics: &[&str], others: usize) -> String {
    let metric = metrics[0];
    let count = |verdict: Verdict| {
        view.comparison.differences.iter().filter(|d| d.metric == metric && d.verdict == verdict).count()
    };
    let name = words::metric_words(metric);
    let base = view.baseline().label();
    let of = |count: usize| if count == others { format!("all {others}") } else { format!("{count} of {others}") };
    match (count(Verdict::Better), count(Verdict::Worse), count(Verdict::Different)) {
        (better, worse, other) if view.is_mixed() && better + worse + other > 0 => {
            words::capitalized(&format!("{} really differ from {base} in {name}", of(better + worse + other)))
        }
        (0, 0, 0) => format!("No difference from {base} in {name} is certain to be more than chance"),
        (0, 0, real) => words::capitalized(&format!("{} really differ from {base} in {name}", of(real))),
        (better, 0, _) => words::capitalized(&format!("{} really have a better {name} than {base}", of(better))),
        (0, worse, _) => words::capitalized(&format!("{} really have a worse {name} than {base}", of(worse))),
        (better, worse, _) => {
            format!("{} of {others} really have a better {name} than {base}, {worse} a worse one", better)
        }
    }
}

fn of_metric<'v>(view: &'v View<'_>, metric: &str) -> impl Iterator<Item = &'v Difference> {
    view.comparison
        .differences
        .iter()
        .filter(move |difference| difference.metric == metric && difference.estimate.mean.is_finite())
}

/// The scale that all differences in a metric are drawn on, and its step.
fn scale(view: &View<'_>, metric: &str) -> forest::Axis {
    let estimates: Vec<Estimate> = of_metric(view, metric).map(|difference| drawn(view, difference)).collect();
    forest::axis(estimates.iter())
}

/// A difference as it is drawn: money as a share of the baseline's, if all that is in the column can be.
fn drawn(view: &View<'_>, difference: &Difference) -> Estimate {
    let all = || of_metric(view, &difference.metric).all(|difference| share_of_money(difference).is_some());
    share_of_money(difference).filter(|_| all()).unwrap_or(difference.estimate)
}

/// A difference of money as a share of the baseline's mean.
fn share_of_money(difference: &Difference) -> Option<Estimate> {
    let relative = difference.relative.filter(|relative| relative.is_finite())?;
    let Difference { estimate, .. } = difference;
    if words::unit_of(&difference.metric) != "currency" || (relative == 0.0) != (estimate.mean == 0.0) {
        return None;
    }
    if relative == 0.0 {
        // Nothing says how large the baseline is, but where nothing differs nothing needs to.
        return estimate.half_width.is_none_or(|half| half == 0.0).then_some(*estimate);
    }
    let scaled = |value: f64| (value * relative / estimate.mean).abs();
    Some(Estimate {
        mean: relative,
        half_width: estimate.half_width.map(scaled),
        sd: estimate.sd.map(scaled),
        n: estimate.n,
    })
}

fn axis(view: &View<'_>, metric: &str) -> Markup {
    let unit = words::unit_of(metric);
    let tick = |value: f64| match unit {
        // As in the cells: money by its share of the baseline's.
        "currency" if of_metric(view, metric).all(|difference| share_of_money(difference).is_some()) => {
            format::share(value)
        }
        "share" => format::share(value).replace(" %", " pts"),
        unit => short(value, unit, view.currency().unwrap_or_default()),
    };
    svg_of(&forest::head(scale(view, metric), tick), "cell", "", None)
}

fn cell(view: &View<'_>, seen: &Seen<'_>, metric: &str) -> Markup {
    let Some(difference) = view.difference(seen.index, metric) else { return html! { td { (format::NONE) } } };
    let estimate = drawn(view, difference);
    let text = text(view, difference);
    let (class, word) = verdict(view, difference);
    html! {
        td data-v=(format!("{:.9}", difference.estimate.mean)) {
            (svg_of(&forest::cell(scale(view, metric), &estimate, is_real(difference.verdict), &text), "cell", &text, None))
            span .value { (words::tied(&text)) } " "
            span class=(class) { (word) }
        }
    }
}

/// The difference with its sign, and what it is of the baseline's mean.
fn text(view: &View<'_>, difference: &Difference) -> String {
    let unit = words::unit_of(&difference.metric);
    if let Some(share) = share_of_money(difference).filter(|share| share.mean != 0.0) {
        return percent(&share);
    }
    let mut text = match (unit, difference.relative) {
        ("share", _) => points(difference),
        (unit, _) => format::estimate_in(&difference.estimate, unit, view.currency().unwrap_or_default()),
    };
    if difference.estimate.mean > 0.0 {
        text.insert(0, '+');
    }
    if let Some(relative) =
        difference.relative.filter(|relative| relative.is_finite() && unit != "share" && *relative != 0.0)
    {
        let sign = if relative > 0.0 { "+" } else { "" };
        text += &format!(" ({sign}{} %)", format::significant(relative * 100.0, 2));
    }
    text
}

/// A difference as a share of the baseline's mean, which is what one would say of money.
fn percent(share: &Estimate) -> String {
    if share.mean.abs() + share.half_width.unwrap_or(0.0) < 5e-5 {
        return "less than 0.01 %".to_owned();
    }
    let text = format::estimate(share, "share");
    if share.mean > 0.0 { format!("+{text}") } else { text }
}

/// A difference of shares in percentage points.
fn points(difference: &Difference) -> String {
    format::estimate(&difference.estimate, "share").replace(" %", " points")
}

fn is_real(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Better | Verdict::Worse | Verdict::Different)
}

/// A simulation is not better or worse than what was measured, it is off.
fn verdict(view: &View<'_>, difference: &Difference) -> (&'static str, &'static str) {
    let source = view.ranked.iter().find(|seen| seen.index == difference.entry).map(|seen| seen.entry.result.source);
    let across = source.is_some_and(|source| source != view.baseline().entry.result.source);
    match difference.verdict {
        Verdict::Better | Verdict::Worse | Verdict::Different if across => {
            ("judged", if difference.estimate.mean > 0.0 { "higher" } else { "lower" })
        }
        Verdict::Better => ("judged met", "better"),
        Verdict::Worse => ("judged missed", "worse"),
        Verdict::Different => ("judged", "different"),
        Verdict::Unclear => ("judged quiet", "may be chance"),
        Verdict::Same => ("judged quiet", "the same"),
    }
}

fn table(view: &View<'_>, others: &[&Seen<'_>], metrics: &[&str]) -> Markup {
    let p_value = |p: Option<f64>| match p {
        None => format::NONE.to_owned(),
        Some(p) if p < 0.0001 => "< 0.0001".to_owned(),
        Some(p) => format::significant(p, 2),
    };
    html! {
        div .scroll tabindex="0" role="region" aria-label="All differences" {
            table {
                caption { "Differences from " (view.baseline().label()) "; p is the probability of one at least as large by chance, for that line alone" }
                thead {
                    tr {
                        th scope="col" { "result" }
                        th scope="col" { "figure" }
                        th .n scope="col" { "difference" }
                        th .n scope="col" { "p" }
                        th scope="col" { "paired" }
                        th scope="col" { "all taken together" }
                    }
                }
                tbody {
                    @for seen in others {
                        @for metric in metrics {
                            @if let Some(difference) = view.difference(seen.index, metric) {
                                @let (class, word) = verdict(view, difference);
                                tr {
                                    th scope="row" { (seen.label()) }
                                    td { (words::metric_words(metric)) }
                                    td .n { (text(view, difference)) }
                                    td .n { (p_value(difference.p_value)) }
                                    td { @if difference.paired { "yes" } @else { "no" } }
                                    td class=(class) { (word) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
