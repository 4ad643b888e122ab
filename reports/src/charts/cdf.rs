//! What does a cold start cost a request? The distribution of response times, cold and warm apart.

use super::plot::{Area, Hover, Layout, Panel, Stand, draw, width_of};
use super::scale::Scale;
use super::{Chart, Ink, Row, Table, both};
use crate::format;
use crate::responses::{Responses, Times};

const LISTED: [f64; 11] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

/// One line of the chart.
struct Curve<'a> {
    name: &'static str,
    ink: Ink,
    times: &'a Times,
}

/// `None` when nothing was answered.
pub(crate) fn of_function(responses: &Responses) -> Option<Chart> {
    let mut curves = vec![
        Curve { name: "warm", ink: Ink::Blue, times: &responses.warm },
        Curve { name: "cold", ink: Ink::Purple, times: &responses.cold },
    ];
    curves.retain(|curve| !curve.times.is_empty());
    if curves.is_empty() {
        return None;
    }
    let (wide, narrow) = both(|layout| paint(layout, &curves));
    let mut head = vec!["share of requests".to_owned()];
    head.extend(curves.iter().map(|curve| format!("{} ({} requests)", curve.name, format::count(curve.times.count()))));
    let row = |share: &f64| {
        let of_curve = |curve: &Curve<'_>| {
            if *share <= curve.times.supported() {
                format::time(curve.times.quantile(*share))
            } else {
                format::NONE.to_owned()
            }
        };
        let mut cells = vec![format!("{} %", format::significant(share * 100.0, 4))];
        cells.extend(curves.iter().map(of_curve));
        Row { at: Some(*share), cells }
    };
    Some(Chart {
        title: if responses.cold.is_empty() {
            "How are response times spread?"
        } else {
            "What does a cold start cost a request?"
        }
        .to_owned(),
        caption: caption(responses),
        label: "Share of requests answered within a time, cold and warm apart".to_owned(),
        wide,
        narrow,
        table: Table {
            caption: "Time within which a share of requests was answered".to_owned(),
            entries: Vec::new(),
            head,
            rows: LISTED.iter().map(row).collect(),
        },
    })
}

fn caption(responses: &Responses) -> String {
    let (warm, cold) = (&responses.warm, &responses.cold);
    let middle = |times: &Times| format::time(times.quantile(0.5));
    if cold.is_empty() {
        return format!(
            "No answered request met a cold start: all found a ready replica and took {} at the median.",
            middle(warm)
        );
    }
    if warm.is_empty() {
        return format!("Every answered request met a cold start and took {} at the median.", middle(cold));
    }
    let share = format::share(cold.count() as f64 / responses.answered.count() as f64);
    let times = cold.quantile(0.5) / warm.quantile(0.5);
    let compared =
        if times >= 1.15 { format!(", {} times as long", format::significant(times, 2)) } else { String::new() };
    format!(
        "Requests that found a ready replica took {} at the median; the {share} that waited for one to start took {}{compared}.",
        middle(warm),
        middle(cold),
    )
}

fn paint(layout: Layout, curves: &[Curve<'_>]) -> super::Drawing {
    let height = layout.pick(330.0, 290.0);
    let area = Area { left: 66.0, top: 26.0, right: layout.width() - 24.0, bottom: height - 44.0 };
    draw(layout, height, |sheet| {
        let ends = curves.iter().flat_map(|curve| [curve.times.quantile(0.002), curve.times.quantile(1.0)]);
        let x = Scale::log_around(ends);
        let panel = sheet.panel(area, x, Scale::Linear(0.0, 1.0));
        let ticks = x.log_ticks(layout.pick(9, 5));
        panel.x_grid(&ticks);
        let shares = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, format::share(share)));
        panel.y_axis(&shares);
        panel.x_axis(&ticks);
        sheet.bold("share of requests answered", (4.0, 15.0), Stand::On);
        let below = ((area.left + area.right) / 2.0, area.bottom + 24.0);
        sheet.text("within this response time", below, Ink::Muted, Stand::Below);
        let lines: Vec<Vec<(f64, f64)>> = curves.iter().map(|curve| points(curve.times)).collect();
        for (curve, line) in curves.iter().zip(&lines) {
            let text = format!("{} ({})", curve.name, format::count(curve.times.count()));
            let (at, stand) = free_place(&panel, &lines, line, width_of(&text));
            sheet.text(&text, at, curve.ink, stand);
            panel.line(line.clone(), curve.ink);
        }
        Hover::Up(area.top / height, area.bottom / height)
    })
}

fn points(times: &Times) -> Vec<(f64, f64)> {
    (0..=250).map(|step| f64::from(step) / 250.0).map(|share| (times.quantile(share), share)).collect()
}

/// A place for a label beside its line that no line crosses.
fn free_place(panel: &Panel<'_, '_>, lines: &[Vec<(f64, f64)>], own: &[(f64, f64)], width: f64) -> ((f64, f64), Stand) {
    let mut first = None;
    for share in [0.6, 0.5, 0.4, 0.7, 0.3, 0.2, 0.8, 0.1, 0.9] {
        let (x, y) = panel.at(own[(share * 250.0) as usize].0, share);
        for (from, to, stand) in [(x + 14.0, x + 14.0 + width, Stand::Right), (x - 14.0 - width, x - 14.0, Stand::Left)]
        {
            let at = (if stand == Stand::Right { from } else { to }, y);
            first.get_or_insert((at, stand));
            let crossed = |line: &Vec<(f64, f64)>| {
                line.iter()
                    .map(|(value, share)| panel.at(*value, *share))
                    .any(|(px, py)| px > from - 4.0 && px < to + 4.0 && (py - y).abs() < 10.0)
            };
            if from >= panel.area.left && to <= panel.area.right && !lines.iter().any(crossed) {
                return (at, stand);
            }
        }
    }
    first.expect("a line has places")
}
