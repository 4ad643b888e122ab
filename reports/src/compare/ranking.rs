//! Who is best? All results in the order of their rank, with what they are judged by.

use faas_lab_model::metrics::result::{self, Estimate, OutcomeKind, Source};
use maud::{Markup, html};

use super::swatch;
use super::view::{Seen, View};
use crate::format;
use crate::words;

/// One column: how it is called, and what a result has in it: a value to sort by, the words, a smaller word below.
struct Column<'v> {
    head: String,
    about: &'static str,
    cell: Box<CellOf<'v>>,
}

/// What a column has of a result.
type CellOf<'v> = dyn Fn(&Seen<'_>) -> Option<Cell> + 'v;

struct Cell {
    value: f64,
    words: String,
    small: String,
}

/// The table.
pub(super) fn ranking(view: &View<'_>) -> Markup {
    let columns: Vec<Column<'_>> = columns(view)
        .into_iter()
        .filter(|column| view.ranked.iter().any(|seen| (column.cell)(seen).is_some()))
        .collect();
    let judged = view.ranked.iter().any(|seen| !seen.entry.result.objectives.is_empty());
    let rule = view.comparison.ranked_by.trim();
    html! {
        p {
            @if !rule.is_empty() { "Ranked by " (rule.trim_end_matches('.')) ". " }
            (means(view)) "."
            @if view.policies && view.ranked.len() > 1 { " Each scaling policy has one colour on this page." }
        }
        div .scroll tabindex="0" role="region" aria-label="Ranking" {
            table #ranked .sortable {
                caption { "Results, best first" }
                thead {
                    tr {
                        th .n scope="col" { "rank" }
                        th scope="col" { "result" }
                        @if judged { th scope="col" { "objective" } }
                        @for column in &columns { th .n scope="col" title=(column.about) { (column.head) } }
                    }
                }
                tbody {
                    @for (rank, seen) in view.ranked.iter().enumerate() {
                        tr data-e=(seen.index) .baseline[seen.index == view.baseline] {
                            td .n data-v=(rank + 1) { (rank + 1) }
                            th scope="row" { (swatch(seen.look)) (name(view, seen)) }
                            @if judged { (objective(seen)) }
                            @for column in &columns {
                                @match (column.cell)(seen) {
                                    Some(cell) => td .n data-v=(number(cell.value)) {
                                        (cell.words) @if !cell.small.is_empty() { small { (cell.small) } }
                                    },
                                    None => td .n { (format::NONE) },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The same figures without ranks, in the order given.
pub(super) fn side_by_side(view: &View<'_>) -> Markup {
    let columns: Vec<Column<'_>> = columns(view)
        .into_iter()
        .filter(|column| view.ranked.iter().any(|seen| (column.cell)(seen).is_some()))
        .collect();
    html! {
        div .scroll tabindex="0" role="region" aria-label="Runs side by side" {
            table #ranked {
                caption { (means(view)) }
                thead {
                    tr { th scope="col" { "run" } @for column in &columns { th .n scope="col" title=(column.about) { (column.head) } } }
                }
                tbody {
                    @for seen in &view.ranked {
                        tr data-e=(seen.index) {
                            th scope="row" { (swatch(seen.look)) span .label { (seen.label()) } @if seen.entry.result.source == Source::Measured { " " span .tag { "measured" } } }
                            @for column in &columns {
                                @match (column.cell)(seen) {
                                    Some(cell) => td .n { (cell.words) @if !cell.small.is_empty() { small { (cell.small) } } },
                                    None => td .n { (format::NONE) },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What a figure is, and what stands below it.
fn means(view: &View<'_>) -> String {
    let measured = view.ranked.iter().any(|seen| seen.entry.result.source == Source::Measured);
    let runs = if measured { "runs" } else { "replications" };
    format!("Means over {runs}, the half-width of their 95 % interval below")
}

/// A number as scripts read it.
fn number(value: f64) -> String {
    format!("{value:.9}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The label with what sets it apart from others.
fn name(view: &View<'_>, seen: &Seen<'_>) -> Markup {
    let result = &seen.entry.result;
    html! {
        span .label { (seen.label()) }
        @if seen.index == view.baseline && view.ranked.len() > 1 { " " span .tag { "baseline" } }
        @if view.is_mixed() && result.source == Source::Measured { " " span .tag { "measured" } }
        @if result.partial { " " span .tag { "ended early" } }
        @if seen.requests == 0 { " " span .tag { "no requests" } }
    }
}

fn objective(seen: &Seen<'_>) -> Markup {
    let (value, class, word) = match () {
        () if seen.entry.result.objectives.is_empty() => return html! { td { (format::NONE) } },
        () if seen.meets() && seen.is_certain() => (0, "judged met", "met"),
        () if seen.meets() => (1, "judged unsure", "met, unsure"),
        () if seen.is_certain() => (3, "judged missed", "missed"),
        () => (2, "judged missed", "missed, unsure"),
    };
    html! { td class=(class) data-v=(value) { (word) } }
}

fn columns<'v>(view: &'v View<'_>) -> Vec<Column<'v>> {
    let metric = |head: &str, key: &'static str| Column {
        head: head.to_owned(),
        about: about(key),
        cell: Box::new(move |seen| {
            seen.of(key).map(|estimate| cell(estimate, words::unit_of(key), &seen.entry.result.cost.currency))
        }),
    };
    let lost = |head: &str, kind: OutcomeKind| Column {
        head: head.to_owned(),
        about: "Share of all requests that ended so.",
        cell: Box::new(move |seen| {
            let share = seen.share_of(kind)?;
            Some(Cell { value: share, words: format::share(share), small: String::new() })
        }),
    };
    let mut columns = vec![
        metric("p50", result::RESPONSE_P50),
        metric("p95", result::RESPONSE_P95),
        metric("p99", result::RESPONSE_P99),
        metric("goodput", result::GOODPUT),
        metric("errors", result::ERROR_RATE),
    ];
    let kinds = [
        ("timed out", OutcomeKind::TimedOut),
        ("refused", OutcomeKind::Refused),
        ("cut short", OutcomeKind::Truncated),
        ("unavailable", OutcomeKind::Unavailable),
        ("failed", OutcomeKind::Failed),
        ("unfinished", OutcomeKind::Unfinished),
    ];
    let seen = |kind| view.ranked.iter().any(|seen| seen.share_of(kind).is_some_and(|share| share > 0.0));
    columns.extend(kinds.into_iter().filter(|(_, kind)| seen(*kind)).map(|(head, kind)| lost(head, kind)));
    columns.push(metric("cold starts", result::COLD_STARTS));
    columns.push(Column {
        head: "replica-hours".to_owned(),
        about: match view.baseline().counts_all_replicas() {
            true => "Replicas in any state times the hours of the measured window.",
            false => "Ready replicas, which all of these results know, times the hours of the measured window.",
        },
        cell: Box::new(|seen| seen.replica_hours().map(|hours| cell(&hours, "replicas", ""))),
    });
    let mut cost = metric("cost", result::COST);
    if let Some(currency) = view.currency().filter(|currency| !currency.is_empty()) {
        cost.head = format!("cost, {currency}");
        cost.cell = Box::new(|seen| seen.of(result::COST).map(|estimate| cell(estimate, "currency", "")));
    }
    columns.push(cost);
    columns.push(metric("energy", result::ENERGY));
    columns
}

fn about(key: &str) -> &'static str {
    result::METRICS.iter().find(|metric| metric.key == key).map_or("", |metric| metric.about)
}

/// The mean to what its interval supports, and the interval below it.
fn cell(estimate: &Estimate, unit: &str, currency: &str) -> Cell {
    let text = format::estimate_in(estimate, unit, currency);
    let (words, small) = match text.split_once(" ± ") {
        Some((mean, rest)) => match rest.split_once(' ') {
            Some((half, unit)) if unit.starts_with('/') => (format!("{mean}{unit}"), format!("± {half}")),
            Some((half, unit)) => (format!("{mean} {unit}"), format!("± {half}")),
            None => (mean.to_owned(), format!("± {rest}")),
        },
        None => (text.clone(), String::new()),
    };
    Cell { value: estimate.mean, words, small }
}
