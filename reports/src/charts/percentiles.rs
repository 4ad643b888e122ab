//! How slow are the slowest? Response times by percentile, on an axis where each further nine takes the same room.

use super::plot::{Area, EndLabel, Hover, Layout, draw};
use super::scale::{Scale, nines_ticks};
use super::{Chart, Ink, Row, Table, both, fit};
use crate::format;
use crate::responses::{Responses, Times};

/// Shares that the table lists, as far as the data support them.
pub(super) const LISTED: [f64; 10] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999];

/// One line of the chart.
pub(crate) struct Curve<'a> {
    pub name: String,
    pub ink: Ink,
    pub times: &'a Times,
}

/// A timeout: its length and the hops that have it.
pub(crate) struct Limit {
    pub seconds: f64,
    pub name: String,
}

/// One function's curve; beside it all requests, if some failed.
pub(crate) fn of_function(responses: &Responses, limits: &[Limit]) -> Option<Chart> {
    let answered = &responses.answered;
    if answered.is_empty() {
        return None;
    }
    let mut curves = vec![Curve { name: "answered".to_owned(), ink: Ink::Blue, times: answered }];
    let failed = responses.all.count() - answered.count();
    if failed * 1000 > responses.all.count() {
        curves.push(Curve { name: "all requests".to_owned(), ink: Ink::Muted, times: &responses.all });
    }
    Some(chart(caption(responses), &curves, limits))
}

/// Several functions beside each other; `None` if fewer than two have answered anything.
pub(crate) fn of_functions(curves: &[Curve<'_>], limits: &[Limit]) -> Option<Chart> {
    let [_, _, ..] = curves else { return None };
    let slowness = |curve: &&Curve<'_>| curve.times.quantile(0.5);
    let slowest = curves.iter().max_by(|a, b| slowness(a).total_cmp(&slowness(b)))?;
    let fastest = curves.iter().min_by(|a, b| slowness(a).total_cmp(&slowness(b)))?;
    let caption = format!(
        "At the median {} is the fastest with {}, {} the slowest with {}. Only requests that were answered in full are counted.",
        fastest.name,
        format::time(slowness(&fastest)),
        slowest.name,
        format::time(slowness(&slowest)),
    );
    Some(chart(caption, curves, limits))
}

fn caption(responses: &Responses) -> String {
    let times = &responses.answered;
    let half = times.quantile(0.5);
    let mut text = format!("Half of the answered requests have their answer within {}", format::time(half));
    if times.supported() >= 0.99 {
        let p99 = times.quantile(0.99);
        text += &format!("; one in a hundred takes longer than {}", format::time(p99));
        if p99 > 2.0 * half {
            text += &format!(", {} times as long", format::significant(p99 / half, 2));
        }
        let (slow, slow_cold) = (times.beyond(p99), responses.cold.beyond(p99));
        if slow > 0 && slow_cold * 2 >= slow {
            let share =
                if slow_cold == slow { "all".to_owned() } else { format::share(slow_cold as f64 / slow as f64) };
            text += &format!("; {share} of those slowest met a cold start");
        }
    }
    text.push('.');
    if times.count() < responses.all.count() {
        let share = format::share(times.count() as f64 / responses.all.count() as f64);
        text += &format!(" This describes the {share} of requests that were answered in full.");
    }
    text
}

fn chart(caption: String, curves: &[Curve<'_>], limits: &[Limit]) -> Chart {
    let most = curves.iter().map(|curve| curve.times.supported()).fold(0.5, f64::max);
    let across = Scale::Nines(0.0, most);
    let (wide, narrow) = both(|layout| paint(layout, across, curves, limits));
    let mut head = vec!["percentile".to_owned()];
    head.extend(curves.iter().map(|curve| curve.name.clone()));
    head.push("requests beyond".to_owned());
    let row = |share: &f64| {
        let of_curve = |curve: &Curve<'_>| {
            if *share <= curve.times.supported() {
                format::time(curve.times.quantile(*share))
            } else {
                format::NONE.to_owned()
            }
        };
        let beyond = (curves[0].times.count() as f64 * (1.0 - share)).round();
        let mut cells = vec![format!("{} %", format::significant(share * 100.0, 7))];
        cells.extend(curves.iter().map(of_curve));
        cells.push(format::count(beyond as u64));
        Row { at: Some(across.at(*share)), cells }
    };
    if curves.len() > 1 {
        let last = head.len() - 1;
        head[last] = format!("beyond, {}", curves[0].name);
    }
    Chart {
        title: "How slow are the slowest?".to_owned(),
        caption,
        label: "Response time by percentile".to_owned(),
        wide,
        narrow,
        table: Table {
            caption: "Response time by percentile".to_owned(),
            entries: Vec::new(),
            head,
            rows: LISTED.iter().filter(|share| **share <= most + 1e-12).map(row).collect(),
        },
    }
}

/// The curve of a distribution as shares and times, evenly over the nines that the data support.
pub(super) fn points(times: &Times, steps: u32) -> Vec<(f64, f64)> {
    let (from, to) = (0.01, times.supported());
    let nines = |share: f64| -(1.0 - share).log10();
    (0..=steps)
        .map(|step| nines(from) + (nines(to) - nines(from)) * f64::from(step) / f64::from(steps))
        .map(|nines| 1.0 - 10f64.powf(-nines))
        .map(|share| (share, times.quantile(share)))
        .collect()
}

fn paint(layout: Layout, across: Scale, curves: &[Curve<'_>], limits: &[Limit]) -> super::Drawing {
    let height = layout.pick(380.0, 320.0);
    let right_margin = layout.pick(150.0, 100.0);
    let area = Area { left: 66.0, top: 26.0, right: layout.width() - right_margin, bottom: height - 44.0 };
    draw(layout, height, |sheet| {
        let tops = curves.iter().map(|curve| curve.times.quantile(curve.times.supported()));
        let top = tops.fold(0.0, f64::max);
        // A timeout far above all times would press the curve flat; the table of timeouts still has it.
        let shown: Vec<&Limit> = limits.iter().filter(|limit| limit.seconds <= 4.0 * top).collect();
        let ends =
            curves.iter().flat_map(|curve| [curve.times.quantile(0.01), curve.times.quantile(curve.times.supported())]);
        let y = Scale::log_around(ends.chain(shown.iter().map(|limit| limit.seconds * 1.1)));
        let panel = sheet.panel(area, across, y);
        let Scale::Nines(_, most) = across else { unreachable!("the axis of percentiles has nines") };
        let ticks = nines_ticks(most);
        panel.x_grid(&ticks);
        panel.y_axis(&y.log_ticks(7));
        panel.x_axis(&ticks);
        sheet.bold("response time", (4.0, 15.0), super::plot::Stand::On);
        let axis_name =
            layout.pick("percentile: share of requests that were faster", "share of requests that were faster");
        sheet.text(
            axis_name,
            ((area.left + area.right) / 2.0, area.bottom + 24.0),
            Ink::Muted,
            super::plot::Stand::Below,
        );
        panel.limits(&shown.iter().map(|limit| (limit.seconds, limit.name.as_str())).collect::<Vec<_>>());
        let mut labels = Vec::new();
        for curve in curves {
            let to = curve.times.supported();
            let points = points(curve.times, 160);
            let end = points.last().map_or(1.0, |(_, seconds)| *seconds);
            labels.push(EndLabel {
                text: fit(&curve.name, right_margin - 10.0),
                y: panel.at(to, end).1,
                ink: curve.ink,
            });
            panel.line(points, curve.ink);
        }
        panel.end_labels(labels);
        Hover::Across(area.left / layout.width(), area.right / layout.width())
    })
}
