//! The charts of a comparison: response times together and apart, replicas and losses over time, cost against speed.

use faas_lab_model::metrics::result::{self, Estimate};
use maud::{Markup, html};

use super::view::{MOST_LINES, MOST_PANELS, Seen, View};
use super::{caption, short, swatch};
use crate::charts::overlay::Curve;
use crate::charts::panels::{self, Shown};
use crate::charts::percentiles::Limit;
use crate::charts::scatter::{self, Point};
use crate::charts::{Drawing, overlay};
use crate::page::{svg, svg_of, table};
use crate::{format, words};

/// All on one pair of axes, then each on its own beside the baseline.
pub(super) fn response_times(view: &View<'_>) -> Markup {
    html! {
        (lines(view))
        @if view.ranked.len() > 1 && view.ranked.iter().any(|seen| !seen.answered.is_empty()) { (apart(view)) }
    }
}

/// All on one pair of axes.
pub(super) fn lines(view: &View<'_>) -> Markup {
    let first = view.first(MOST_LINES);
    let curves: Vec<Curve<'_>> = view
        .drawn()
        .map(|seen| Curve {
            entry: seen.index,
            name: seen.label(),
            look: seen.look,
            times: &seen.answered,
            shown: first.contains(&seen.index),
        })
        .collect();
    let Some((wide, narrow, numbers)) = overlay::of(&curves, &limits(view)) else {
        return html! { p .quiet { "Not one request was answered in full, so there are no response times to show." } };
    };
    let label = "Response time by percentile, a line for each result";
    html! {
        figure .lines {
            (caption(&together(view), &described(view)))
            (svg(&wide, "wide", label))
            (svg(&narrow, "narrow", label))
            details { summary { "The numbers" } (table(&numbers)) }
        }
    }
}

/// The fastest and the slowest at p99, of those that answered.
fn together(view: &View<'_>) -> String {
    let mut answered: Vec<&Seen<'_>> = view.ranked.iter().filter(|seen| !seen.answered.is_empty()).collect();
    let share = if answered.iter().all(|seen| seen.answered.supported() >= 0.99) { 0.99 } else { 0.5 };
    let name = if share == 0.99 { "99 % of its answers" } else { "half of its answers" };
    let at = |seen: &Seen<'_>| seen.answered.quantile(share);
    answered.sort_by(|a, b| at(a).total_cmp(&at(b)));
    match answered.as_slice() {
        [only] => format!("{} gives {name} within {}", only.label(), format::time(at(only))),
        [fast, .., slow] if at(slow) > at(fast) * 1.02 => format!(
            "{} gives {name} within {}, {} only within {}",
            fast.label(),
            format::time(at(fast)),
            slow.label(),
            format::time(at(slow))
        ),
        [one, ..] => format!("All give {} within about {}", name.replace("its", "their"), format::time(at(one))),
        [] => String::new(),
    }
}

/// Whom the curves describe: those that were answered, which may be few.
fn described(view: &View<'_>) -> String {
    let shares: Vec<f64> = view.ranked.iter().filter_map(Seen::lost).map(|lost| 1.0 - lost).collect();
    let (least, most) =
        shares.iter().fold((1.0_f64, 0.0_f64), |(least, most), share| (least.min(*share), most.max(*share)));
    let mut text = match () {
        () if shares.is_empty() => String::new(),
        () if least == 1.0 => "Every request was answered in full.".to_owned(),
        () if format::share(least) == format::share(most) => {
            format!("The curves describe the {} of requests that were answered in full.", format::share(least))
        }
        () => format!(
            "The curves describe requests that were answered in full: from {} to {} of all, so read them beside the losses.",
            format::share(least),
            format::share(most)
        ),
    };
    let replicated = view.ranked.iter().any(|seen| seen.entry.result.replications.len() > 1);
    if replicated {
        text += " A curve is of all runs of a result together; figures in tables are means over them.";
    }
    if view.ranked.len() > MOST_LINES {
        let among_best = view.ranked.iter().take(MOST_LINES).any(|seen| seen.index == view.baseline);
        let shown = match among_best {
            true => format!("the {MOST_LINES} best by rank"),
            false => format!("the {} best by rank and the baseline", MOST_LINES - 1),
        };
        text += &format!(" Shown are {shown}; the table above chooses others.");
    }
    text
}

/// Timeouts that all results share, and the objectives on response times.
fn limits(view: &View<'_>) -> Vec<Limit> {
    let of = |seen: &Seen<'_>| words::limits(&seen.entry.result, None);
    let mut shared = of(&view.ranked[0]);
    for seen in &view.ranked[1..] {
        let others = of(seen);
        shared.retain(|limit| others.iter().any(|other| other.name == limit.name));
    }
    for objective in &view.ranked[0].entry.result.objectives {
        if objective.metric.starts_with("response_p") && objective.at_most > 0.0 {
            shared.push(Limit { seconds: objective.at_most, name: format!("objective: {}", objective.text) });
        }
    }
    shared.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    shared
}

fn shown<'v>(view: &'v View<'_>) -> Vec<Shown<'v>> {
    let shown = |seen: &'v Seen<'_>| Shown {
        entry: seen.index,
        name: seen.label(),
        look: seen.look,
        times: &seen.answered,
        result: &seen.entry.result,
    };
    view.drawn().map(shown).collect()
}

/// A panel for each result.
fn apart(view: &View<'_>) -> Markup {
    let panels = panels::percentiles(&shown(view), view.baseline);
    let spread = |share: f64| {
        let times = view.ranked.iter().filter(|seen| !seen.answered.is_empty() && share <= seen.answered.supported());
        let times: Vec<f64> = times.map(|seen| seen.answered.quantile(share)).collect();
        let (least, most) = times.iter().fold((f64::INFINITY, 0.0_f64), |(l, m), time| (l.min(*time), m.max(*time)));
        (times.len() > 1 && least > 0.0).then_some(most / least)
    };
    let factor = |factor: f64| format::significant(factor, 2);
    let title = match (spread(0.5), spread(0.99)) {
        (Some(half), Some(slow)) if slow > 1.5 * half => {
            format!("Medians differ by a factor of {} at the most, p99 by {}", factor(half), factor(slow))
        }
        (Some(half), Some(slow)) => {
            format!("Medians differ by a factor of {} and p99 by {}", factor(half), factor(slow))
        }
        (Some(half), None) => format!("Medians differ by a factor of {} at the most", factor(half)),
        _ => "Each result's response times".to_owned(),
    };
    let text = format!(
        "Response time by percentile (share of requests that were faster, in %), each result beside {} (dotted). The table above has the numbers.",
        view.baseline().label()
    );
    html! {
        figure .multiples {
            (caption(&title, &text))
            (panel_grid(view, &panels, &|seen| {
                let times = &seen.answered;
                let at = |share: f64| if share <= times.supported() { format::time(times.quantile(share)) } else { format::NONE.to_owned() };
                format!("p50 {} · p99 {}", at(0.5), at(0.99))
            }))
        }
    }
}

/// Panels with their names and a line of numbers; those beyond the first wait to be chosen.
fn panel_grid(view: &View<'_>, panels: &[(usize, Drawing)], numbers: &dyn Fn(&Seen<'_>) -> String) -> Markup {
    let first = view.first(MOST_PANELS);
    html! {
        div .panels {
            @for seen in view.drawn() {
                @if let Some((_, drawing)) = panels.iter().find(|(entry, _)| *entry == seen.index) {
                    @let off = !first.contains(&seen.index);
                    div .panel .off[off] data-e=(seen.index) {
                        p .name { (swatch(seen.look)) span .label { (seen.label()) } }
                        p .quiet { (words::tied(&numbers(seen))) }
                        (svg_of(drawing, "", seen.label(), Some(seen.index)))
                    }
                }
            }
        }
    }
}

/// Replicas and losses over time.
pub(super) fn over_time(view: &View<'_>) -> Option<Markup> {
    let shown = shown(view);
    let (panels, numbers) = panels::over_time(&shown, view.baseline)?;
    let most = |seen: &Seen<'_>| peak(seen, "replicas ready").map(|(_, value)| value);
    let mut by_peak: Vec<(&Seen<'_>, f64)> = view.ranked.iter().filter_map(|seen| Some((seen, most(seen)?))).collect();
    by_peak.sort_by(|a, b| a.1.total_cmp(&b.1));
    let replicas = |value: f64| format::significant(value, 2);
    let title = match by_peak.as_slice() {
        [(few, least), .., (many, top)] if *top > least * 1.05 => format!(
            "{} never has more than {} ready on average, {} up to {}",
            few.label(),
            if replicas(*least) == "1" { "1 replica".to_owned() } else { format!("{} replicas", replicas(*least)) },
            many.label(),
            replicas(*top)
        ),
        [(_, top), ..] if replicas(*top) == "1" => "At most 1 replica is ready at once".to_owned(),
        [(_, top), ..] => format!("At most {} replicas are ready at once", replicas(*top)),
        [] => "When requests are lost".to_owned(),
    };
    let mut text =
        format!("Each result beside {} (dotted), means over its runs on common axes.", view.baseline().label());
    let worst = view
        .ranked
        .iter()
        .filter_map(|seen| Some((seen, peak(seen, "errors")?)))
        .max_by(|a, b| a.1.1.total_cmp(&b.1.1));
    if let Some((seen, (at, rate))) = worst {
        text += &format!(
            " Most requests at once are lost with {}: {} around {}.",
            seen.label(),
            format::rate(rate),
            format::time(at)
        );
    }
    Some(html! {
        figure .multiples {
            (caption(&title, &text))
            (panel_grid(view, &panels, &|seen| {
                let hours = seen.replica_hours().map(|hours| format!("{} replica-hours", format::significant(hours.mean, 3)));
                let lost = seen.lost().map(|lost| format!("{} lost", format::share(lost)));
                [hours, lost].into_iter().flatten().collect::<Vec<_>>().join(" · ")
            }))
            details { summary { "The numbers" } (table(&numbers)) }
        }
    })
}

/// When a series of the whole run is at its highest, and how high.
fn peak(seen: &Seen<'_>, name: &str) -> Option<(f64, f64)> {
    let result = &seen.entry.result;
    crate::charts::peak_of(result, name)
}

/// Cost against p99; without costs replica-hours, and without those nothing.
pub(super) fn cost(view: &View<'_>) -> Markup {
    let currency = view.currency();
    let across = |seen: &Seen<'_>| match currency {
        Some(_) => seen.of(result::COST).copied(),
        None => seen.replica_hours(),
    };
    let placed: Vec<(&Seen<'_>, Estimate, Estimate)> = view
        .ranked
        .iter()
        .filter_map(|seen| Some((seen, across(seen)?, *seen.of(result::RESPONSE_P99)?)))
        .filter(|(_, _, p99)| p99.mean > 0.0)
        .collect();
    if placed.len() < 2 {
        return html! { p .quiet { "Fewer than two results have both a price and a p99, so there is nothing to weigh." } };
    }
    let beaten = |(_, cost, p99): &(&Seen<'_>, Estimate, Estimate)| {
        placed.iter().any(|(_, other, slower)| {
            other.mean <= cost.mean && slower.mean <= p99.mean && (other.mean < cost.mean || slower.mean < p99.mean)
        })
    };
    let pareto = &view.comparison.pareto;
    let words_of = |value: f64| match currency {
        Some(currency) => format::money(value, currency),
        None => format::significant(value, 3),
    };
    let points: Vec<Point<'_>> = placed
        .iter()
        .enumerate()
        .map(|(rank, place)| {
            let (seen, across, up) = *place;
            let unit = if currency.is_some() {
                words_of(across.mean)
            } else {
                format!("{} replica-hours", words_of(across.mean))
            };
            Point {
                entry: seen.index,
                name: seen.label(),
                look: seen.look,
                across,
                up,
                best: if currency.is_some() && !pareto.is_empty() {
                    pareto.contains(&seen.index)
                } else {
                    !beaten(place)
                },
                chief: rank == 0 || seen.index == view.baseline,
                words: scatter::words(seen.label(), &unit, &up),
            }
        })
        .collect();
    let (what, axis) = match currency {
        Some(currency) => ("cheaper", format!("cost of the measured window, {currency}")),
        None => ("leaner", "replica-hours of the measured window".to_owned()),
    };
    let (wide, narrow) = scatter::of(&points, &axis);
    let best: Vec<&Point<'_>> = points.iter().filter(|point| point.best).collect();
    let fastest = points.iter().min_by(|a, b| a.up.mean.total_cmp(&b.up.mean)).expect("there are two points");
    let ends = points
        .iter()
        .map(|point| point.across.mean)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)));
    let title = match best.as_slice() {
        _ if ends.1 - ends.0 < 0.02 * ends.1 => format!(
            "All {} within {} %; {} is the fastest at p99, with {}",
            if currency.is_some() { "costs lie" } else { "replica-hours lie" },
            format::significant((100.0 * (ends.1 / ends.0 - 1.0)).max(0.01), 2),
            fastest.name,
            format::time(fastest.up.mean)
        ),
        [one] => format!(
            "{} is both the {} and the fastest at p99",
            one.name,
            if currency.is_some() { "cheapest" } else { "leanest" }
        ),
        many => {
            // A front says nothing of what was lost on the way; the objectives may.
            let judged = placed.iter().any(|(seen, ..)| !seen.entry.result.objectives.is_empty());
            let meets = |point: &&&Point<'_>| placed.iter().any(|(seen, ..)| seen.index == point.entry && seen.meets());
            let meeting = match many.iter().filter(meets).count() {
                _ if !judged => String::new(),
                0 => "; none of them meets the objectives".to_owned(),
                all if all == many.len() => "; all of them meet the objectives".to_owned(),
                1 => "; only one of them meets the objectives".to_owned(),
                some => format!("; only {some} of them meet the objectives"),
            };
            format!("For {} of {} results no other is both {what} and faster{meeting}", many.len(), points.len())
        }
    };
    let left_out = view.ranked.len() - points.len();
    let mut text =
        "Left is cheaper, low is faster; filled points lie on the front of the means, with their 95 % intervals."
            .to_owned();
    if currency.is_none() {
        text = "Results have no cost in one currency, so replica-hours stand for it. Left is leaner, low is faster; filled points lie on the front of the means.".to_owned();
    }
    if left_out > 0 {
        text += &format!(
            " {} without both figures {} left out.",
            words::plural(left_out as u64, "result"),
            if left_out == 1 { "is" } else { "are" }
        );
    }
    html! {
        figure {
            (caption(&title, &text))
            (svg(&wide, "wide", "Cost against p99 response time"))
            (svg(&narrow, "narrow", "Cost against p99 response time"))
            details {
                summary { "The numbers" }
                div .scroll tabindex="0" role="region" aria-label="Cost and p99" {
                    table .sortable {
                        caption { "Cost and p99 by result" }
                        thead { tr { th scope="col" { "result" } th .n scope="col" { @if currency.is_some() { "cost" } @else { "replica-hours" } } th .n scope="col" { "p99" } th scope="col" { "on the front" } } }
                        tbody {
                            @for point in &points {
                                tr data-e=(point.entry) {
                                    th scope="row" { (point.name) }
                                    td .n data-v=(point.across.mean) { (match currency { Some(currency) => format::estimate_in(&point.across, "currency", currency), None => format::estimate(&point.across, "replicas") }) }
                                    td .n data-v=(point.up.mean) { (short(point.up.mean, "s", "")) }
                                    td { @if point.best { "yes" } @else { "no" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
