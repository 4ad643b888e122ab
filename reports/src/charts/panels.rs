//! Small multiples: one small panel for each result, all on the same axes, the baseline's line behind each.

use faas_lab_model::metrics::result::{RunResult, Series};

use super::over_time::series;
use super::overlay::most_supported;
use super::percentiles::points;
use super::plot::{Area, Drawing, Hover, Panel, Sheet, Stand, draw_sized};
use super::scale::{Scale, clock_ticks, nines_ticks};
use super::{Ink, Look, Row, Table};
use crate::format;
use crate::responses::Times;

const WIDTH: f64 = 232.0;

/// Most rows of a table; longer series are averaged over neighbouring steps.
const ROWS: usize = 60;

/// One result.
pub(crate) struct Shown<'a> {
    pub entry: usize,
    pub name: &'a str,
    pub look: Look,
    pub times: &'a Times,
    pub result: &'a RunResult,
}

/// Response times by percentile, a panel each; those without answers get none.
pub(crate) fn percentiles(all: &[Shown<'_>], baseline: usize) -> Vec<(usize, Drawing)> {
    let answered: Vec<&Shown<'_>> = all.iter().filter(|shown| !shown.times.is_empty()).collect();
    let most = most_supported(answered.iter().map(|shown| shown.times));
    let across = Scale::Nines(0.0, most);
    let ends =
        answered.iter().flat_map(|shown| [shown.times.quantile(0.01), shown.times.quantile(shown.times.supported())]);
    let up = Scale::log_around(ends);
    let behind = answered.iter().find(|shown| shown.entry == baseline).map(|shown| points(shown.times, 60));
    let draw = |shown: &&Shown<'_>| {
        let height = 160.0;
        let area = Area { left: 52.0, top: 8.0, right: WIDTH - 10.0, bottom: height - 24.0 };
        let drawing = draw_sized(WIDTH, height, |sheet| {
            let panel = sheet.panel(area, across, up);
            let ticks: Vec<(f64, String)> =
                nines_ticks(most).into_iter().map(|(share, text)| (share, text.replace(" %", ""))).collect();
            panel.x_grid(&ticks);
            panel.y_axis(&up.log_ticks(5));
            panel.x_axis(&ticks);
            reference(sheet, &panel, behind.as_ref().filter(|_| shown.entry != baseline));
            sheet.group(&shown.look.classes(false), None, || panel.line(points(shown.times, 80), shown.look.ink));
            Hover::Across(area.left / WIDTH, area.right / WIDTH)
        });
        (shown.entry, drawing)
    };
    answered.iter().map(draw).collect()
}

/// The baseline's line.
fn reference(sheet: &Sheet<'_>, panel: &Panel<'_, '_>, line: Option<&Vec<(f64, f64)>>) {
    if let Some(line) = line.filter(|line| line.len() > 1) {
        sheet.group("base", None, || panel.line(line.clone(), Ink::Muted));
    }
}

/// What panels over time show: the name of a series in results, and of its axis.
const OVER_TIME: [(&str, &str); 2] = [("replicas ready", "ready replicas"), ("errors", "requests lost per second")];

/// Panels over time on common axes, with the numbers behind them; `None` where no result has a series.
pub(crate) fn over_time(all: &[Shown<'_>], baseline: usize) -> Option<(Vec<(usize, Drawing)>, Table)> {
    let seen = |name: &'static str| all.iter().filter_map(move |shown| series(shown.result, name, None));
    let top = |name: &'static str| {
        seen(name).flat_map(|series| &series.mean).copied().filter(|value| value.is_finite()).fold(0.0, f64::max)
    };
    let rows: Vec<(&'static str, &'static str, f64)> =
        OVER_TIME.iter().map(|(name, axis)| (*name, *axis, top(name))).filter(|(_, _, top)| *top > 0.0).collect();
    let length = |shown: &Shown<'_>| {
        let steps =
            rows.iter().filter_map(|(name, ..)| series(shown.result, name, None)).map(|series| series.mean.len()).max();
        steps.unwrap_or(0) as f64 * shown.result.timeline.step_seconds
    };
    let seconds = all.iter().map(length).filter(|length| length.is_finite()).fold(0.0, f64::max);
    if rows.is_empty() || seconds <= 0.0 {
        return None;
    }
    let behind = all.iter().find(|shown| shown.entry == baseline);
    let drawn = all.iter().filter(|shown| length(shown) > 0.0);
    let panels = drawn.map(|shown| (shown.entry, time_panel(shown, behind, &rows, seconds))).collect();
    Some((panels, table(all, &rows, seconds)))
}

fn time_panel(shown: &Shown<'_>, behind: Option<&Shown<'_>>, rows: &[(&str, &str, f64)], seconds: f64) -> Drawing {
    let (title, plot, gap) = (20.0, 60.0, 4.0);
    let height = (title + plot + gap) * rows.len() as f64 + 22.0;
    let (left, right) = (34.0, WIDTH - 20.0);
    draw_sized(WIDTH, height, |sheet| {
        let time = Scale::Linear(0.0, seconds);
        let ticks = clock_ticks(seconds, 2);
        for (row, (name, axis, top)) in rows.iter().enumerate() {
            let start = (title + plot + gap) * row as f64;
            let area = Area { left, top: start + title, right, bottom: start + title + plot };
            let (up, step) = Scale::from_zero(*top, 2);
            let panel = sheet.panel(area, time, up);
            panel.x_grid(&ticks);
            panel.y_axis(&up.linear_ticks(step, |value| format::significant(value, 3)));
            sheet.text(axis, (left, start + title - 4.0), Ink::Muted, Stand::On);
            if let Some(behind) = behind.filter(|behind| behind.entry != shown.entry) {
                reference(sheet, &panel, line(behind, name).as_ref());
            }
            if let Some(line) = line(shown, name) {
                sheet.group(&shown.look.classes(false), None, || panel.line(line, shown.look.ink));
            }
            if row + 1 == rows.len() {
                panel.x_axis(&ticks);
            }
        }
        Hover::Across(left / WIDTH, right / WIDTH)
    })
}

/// A series as moments and values; the middle of a step stands for it.
fn line(shown: &Shown<'_>, name: &str) -> Option<Vec<(f64, f64)>> {
    let (series, step) = (series(shown.result, name, None)?, shown.result.timeline.step_seconds);
    let chunk = series.mean.len().div_ceil(240).max(1);
    let middle = |index: usize, part: &[f64]| (index as f64 * chunk as f64 + part.len() as f64 / 2.0) * step;
    let points = series.mean.chunks(chunk).enumerate().map(|(index, part)| (middle(index, part), mean(part)));
    Some(points.filter(|(_, value)| value.is_finite()).collect())
}

fn table(all: &[Shown<'_>], rows: &[(&str, &str, f64)], seconds: f64) -> Table {
    let steps = all
        .iter()
        .map(|shown| shown.result.timeline.step_seconds)
        .filter(|step| *step > 0.0)
        .fold(f64::INFINITY, f64::min);
    let count = (seconds / steps).ceil().clamp(1.0, ROWS as f64) as usize;
    let span = seconds / count as f64;
    let (mut head, mut entries) = (vec!["from".to_owned()], vec![None]);
    for shown in all {
        for (_, axis, _) in rows {
            head.push(format!("{}, {axis}", shown.name));
            entries.push(Some(shown.entry));
        }
    }
    let cell = |shown: &Shown<'_>, name: &str, from: f64| {
        let value = series(shown.result, name, None)
            .and_then(|series| within(series, shown.result.timeline.step_seconds, from, from + span));
        value.map_or_else(|| format::NONE.to_owned(), |value| format::significant(value, 3))
    };
    let row = |index: usize| {
        let from = index as f64 * span;
        let mut cells = vec![format::time(from)];
        for shown in all {
            cells.extend(rows.iter().map(|(name, ..)| cell(shown, name, from)));
        }
        Row { at: Some((index as f64 + 0.5) / count as f64), cells }
    };
    let caption = format!("Averages over steps of {}", format::time(span));
    Table { caption, head, entries, rows: (0..count).map(row).collect() }
}

/// Mean of the steps that begin within a span of time.
fn within(series: &Series, step: f64, from: f64, to: f64) -> Option<f64> {
    let index = |time: f64| ((time / step - 1e-9).ceil().max(0.0) as usize).min(series.mean.len());
    let part = series.mean.get(index(from)..index(to).max(index(from)))?;
    let value = if part.is_empty() { *series.mean.get((from / step) as usize)? } else { mean(part) };
    value.is_finite().then_some(value)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
