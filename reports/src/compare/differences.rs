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
            0 => "; replications could not be paired",
            paired if paired == all.len() => ", replications paired by seed",
            _ => ", replications paired by seed where both have the same",
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

fn axis(view: &View<'_>, metric: &str) -> Markup {
    let axis = forest::axis(of_metric(view, metric).map(|difference| &difference.estimate));
    let unit = words::unit_of(metric);
    let base = view.baseline().of(metric).map_or(0.0, |estimate| estimate.mean);
    // As in the cells: money by its share of the baseline's.
    let tick = |value: f64| match unit {
        "currency" if base > 0.0 => format!("{} %", format::significant(100.0 * value / base, 2)),
        unit => short(value, unit, view.currency().unwrap_or_default()),
    };
    svg_of(&forest::head(axis, tick), "cell", "", None)
}

fn cell(view: &View<'_>, seen: &Seen<'_>, metric: &str) -> Markup {
    let Some(difference) = view.difference(seen.index, metric) else { return html! { td { (format::NONE) } } };
    let axis = forest::axis(of_metric(view, metric).map(|difference| &difference.estimate));
    let text = text(view, difference);
    let (class, word) = verdict(difference.verdict);
    html! {
        td data-v=(format!("{:.9}", difference.estimate.mean)) {
            (svg_of(&forest::cell(axis, &difference.estimate, is_real(difference.verdict), &text), "cell", &text, None))
            span .value { (words::tied(&text)) } " "
            span class=(class) { (word) }
        }
    }
}

/// The difference with its sign, and what it is of the baseline's mean.
fn text(view: &View<'_>, difference: &Difference) -> String {
    let unit = words::unit_of(&difference.metric);
    let mut text = match (unit, difference.relative) {
        ("share", _) => points(difference),
        ("currency", Some(relative)) if relative.is_finite() && relative != 0.0 => {
            return percent(difference, relative);
        }
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
fn percent(difference: &Difference, relative: f64) -> String {
    let base = difference.estimate.mean / relative;
    let scaled = |value: f64| (value / base).abs();
    let estimate = Estimate {
        mean: relative,
        half_width: difference.estimate.half_width.map(scaled),
        sd: difference.estimate.sd.map(scaled),
        n: difference.estimate.n,
    };
    if relative.abs() + estimate.half_width.unwrap_or(0.0) < 5e-5 {
        return "less than 0.01 %".to_owned();
    }
    let text = format::estimate(&estimate, "share");
    if relative > 0.0 { format!("+{text}") } else { text }
}

/// A difference of shares in percentage points.
fn points(difference: &Difference) -> String {
    format::estimate(&difference.estimate, "share").replace(" %", " points")
}

fn is_real(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Better | Verdict::Worse | Verdict::Different)
}

fn verdict(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
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
                                @let (class, word) = verdict(difference.verdict);
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
