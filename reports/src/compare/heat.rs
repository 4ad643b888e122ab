//! Where are requests lost? A table whose cells are coloured by the losses: one setting against the other where two were
//! varied, and each result against the hops that gave up.

use faas_lab_model::metrics::result::OutcomeKind;
use maud::{Markup, html};

use super::view::{Seen, View};
use super::{caption, swatch};
use crate::format;
use crate::words;

/// Shares from which a cell is one step stronger in colour; the same on every page, so that pages can be held side by side.
const STEPS: [f64; 7] = [0.0, 0.001, 0.01, 0.03, 0.1, 0.3, 0.6];

/// One way of being lost.
type Loss<'a> = (OutcomeKind, Option<&'a str>);

/// Both tables, as far as there is anything to show.
pub(super) fn losses(view: &View<'_>) -> Markup {
    let lost: Vec<&Seen<'_>> = view.ranked.iter().filter(|seen| seen.lost().is_some_and(|share| share > 0.0)).collect();
    if lost.is_empty() {
        return html! { p { "Every request of every result was answered in full; no hop gave up on any." } };
    }
    let ways = ways(view);
    html! {
        figure .heat-map {
            (caption(&title(view), "Share of requests without a full answer: the stronger the colour, the more are lost."))
            @if let [first, second] = view.comparison.axes.as_slice() {
                @if view.ranked.iter().all(|seen| seen.entry.values.len() == 2) {
                    (grid(view, (&first.key, &first.values), (&second.key, &second.values)))
                }
            }
            (by_hop(view, &ways))
            (legend())
        }
    }
}

/// Each result against the hops, without a title; nothing where nothing was lost.
pub(super) fn by_result(view: &View<'_>) -> Markup {
    let ways = ways(view);
    html! { @if !ways.is_empty() { figure .heat-map { (caption(&title(view), "")) (by_hop(view, &ways)) } } }
}

/// The ways in which requests were lost, most frequent first.
fn ways<'v>(view: &'v View<'_>) -> Vec<Loss<'v>> {
    let mut ways: Vec<(Loss<'v>, f64)> = Vec::new();
    for seen in &view.ranked {
        for (way, count) in seen.losses() {
            let share = count as f64 / seen.requests as f64;
            match ways.iter_mut().find(|(known, _)| *known == way) {
                Some((_, total)) => *total += share,
                None => ways.push((way, share)),
            }
        }
    }
    ways.sort_by(|a, b| b.1.total_cmp(&a.1));
    ways.into_iter().map(|(way, _)| way).collect()
}

fn way_words((kind, hop): Loss<'_>) -> String {
    let kind = words::outcome_words(kind);
    hop.map_or_else(|| kind.to_owned(), |hop| format!("{kind} at {hop}"))
}

/// The one that loses most and by what, the one that loses least.
fn title(view: &View<'_>) -> String {
    let mut judged: Vec<(&Seen<'_>, f64)> = view.ranked.iter().filter_map(|seen| Some((seen, seen.lost()?))).collect();
    judged.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (Some((least, low)), Some((most, high))) = (judged.first(), judged.last()) else { return String::new() };
    let losses = most.losses();
    let all: u64 = losses.values().sum();
    let main = losses.into_iter().max_by_key(|(_, count)| *count).map(|(way, count)| match count {
        count if count == all => format!(", all of them {}", way_words(way)),
        count if 2 * count > all => format!(", most of them {}", way_words(way)),
        _ => format!(", more {} than any other way", way_words(way)),
    });
    let first = format!("{} loses {} of its requests{}", most.label(), format::share(*high), main.unwrap_or_default());
    match judged.len() {
        1 => first,
        _ if format::share(*low) == format::share(*high) => {
            format!("All lose {} of their requests", format::share(*high))
        }
        _ => format!("{first}; {} loses {}", least.label(), format::share(*low)),
    }
}

/// One setting down, the other across.
fn grid(view: &View<'_>, (down, rows): (&str, &[String]), (across, columns): (&str, &[String])) -> Markup {
    let at = |row: &String, column: &String| {
        view.ranked.iter().find(|seen| seen.entry.values == [row.clone(), column.clone()])
    };
    // The last word of a key says enough, unless both have the same.
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let name = |key: &str| if last(down) == last(across) { key.to_owned() } else { last(key) };
    html! {
        div .scroll tabindex="0" role="region" aria-label="Losses by setting" {
            table .heat {
                caption { "Lost, by " code title=(down) { (name(down)) } " (down) and " code title=(across) { (name(across)) } " (across)" }
                thead { tr { th scope="col" {} @for column in columns { th .n scope="col" { (words::value_words(column)) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (words::value_words(row)) }
                            @for column in columns {
                                @match at(row, column).and_then(|seen| Some((seen, seen.lost()?))) {
                                    Some((seen, share)) => td class={ "n h" (step(share)) } title=(seen.label()) {
                                        (format::share(share))
                                        @if let Some((way, count)) = seen.losses().into_iter().max_by_key(|(_, count)| *count) {
                                            small { (way_words(way)) @if seen.losses().len() > 1 { " " (format::share(count as f64 / seen.requests as f64)) } }
                                        }
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

/// Each result against the hops.
fn by_hop(view: &View<'_>, ways: &[Loss<'_>]) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Losses by hop" {
            table .heat .sortable {
                caption { "Lost, by result and hop" }
                thead {
                    tr {
                        th scope="col" { "result" }
                        @for way in ways { th .n .way scope="col" { (way_words(*way)) } }
                        th .n scope="col" { "lost in all" }
                    }
                }
                tbody {
                    @for seen in &view.ranked {
                        tr data-e=(seen.index) {
                            th scope="row" { (swatch(seen.look)) span .label { (seen.label()) } }
                            @for way in ways {
                                @let share = seen.losses().get(way).map_or(0.0, |count| *count as f64 / seen.requests.max(1) as f64);
                                (cell((seen.requests > 0).then_some(share)))
                            }
                            (cell(seen.lost()))
                        }
                    }
                }
            }
        }
    }
}

fn cell(share: Option<f64>) -> Markup {
    match share {
        Some(share) => {
            html! { td class={ "n h" (step(share)) } data-v=(format!("{share:.9}")) { (format::share(share)) } }
        }
        None => html! { td .n { (format::NONE) } },
    }
}

/// How strongly a share is coloured, from 0 to 7; exactly none is not coloured at all.
fn step(share: f64) -> usize {
    if share > 0.0 { STEPS.iter().filter(|from| share >= **from).count() } else { 0 }
}

fn legend() -> Markup {
    let until =
        |index: usize| STEPS.get(index).map_or("more".to_owned(), |share| format!("below {}", format::share(*share)));
    html! {
        p .legend .quiet aria-hidden="true" {
            span .h0 { "none" }
            @for index in 1..=STEPS.len() { span class={ "h" (index) } { (until(index)) } }
        }
    }
}
