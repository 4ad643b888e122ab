//! Panels above each other on one time axis, for series of a run.

use faas_lab_model::metrics::result::{RunResult, Series};

use super::plot::{Area, Drawing, EndLabel, Hover, Layout, Stand, draw};
use super::scale::{Scale, clock_ticks};
use super::{Ink, Row, Table, fit};
use crate::format;

/// Most rows of a table; longer series are averaged over neighbouring steps.
const ROWS: usize = 120;

/// One panel: what its axis is called, and its series.
pub(crate) struct PanelOf<'r> {
    pub name: &'static str,
    pub lines: Vec<LineOf<'r>>,
}

/// One series of a panel.
pub(crate) struct LineOf<'r> {
    pub name: &'static str,
    pub ink: Ink,
    pub series: &'r Series,
}

/// What stands behind the panels.
pub(crate) struct Frame<'r> {
    pub step_seconds: f64,
    pub warm_up_seconds: f64,
    /// When requests met cold starts.
    pub cold_starts: &'r [f64],
}

/// The series called `name` of a function, or of the system; the only function's series are the system's.
pub(crate) fn series<'r>(result: &'r RunResult, name: &str, function: Option<&str>) -> Option<&'r Series> {
    let of = |function: Option<&str>| {
        result.timeline.series.iter().find(|series| series.name == name && series.function.as_deref() == function)
    };
    match function {
        None if result.functions.len() == 1 => of(None).or_else(|| of(Some(&result.functions[0].name))),
        _ => of(function),
    }
}

/// A series that a panel would show: its name in the result, its label, its ink.
type Wanted = (&'static str, &'static str, Ink);

/// Panels with those of their series that have anything to show; empty panels are left out.
pub(crate) fn panels<'r>(
    result: &'r RunResult,
    function: Option<&str>,
    wanted: &[(&'static str, &[Wanted])],
) -> Vec<PanelOf<'r>> {
    let line = |(name, label, ink): &Wanted| {
        let series = series(result, name, function)?;
        let seen = series.mean.iter().chain(&series.high).any(|value| value.is_finite() && *value > 0.0);
        seen.then_some(LineOf { name: label, ink: *ink, series })
    };
    wanted
        .iter()
        .map(|(name, lines)| PanelOf { name, lines: lines.iter().filter_map(line).collect() })
        .filter(|panel| !panel.lines.is_empty())
        .collect()
}

/// Draws the panels.
pub(crate) fn paint(layout: Layout, panels: &[PanelOf<'_>], frame: &Frame<'_>) -> Drawing {
    let (title, plot, gap) = (32.0, layout.pick(118.0, 104.0), 16.0);
    let rug = if frame.cold_starts.is_empty() { 0.0 } else { 26.0 };
    let height = (title + plot + gap) * panels.len() as f64 + rug + 34.0;
    let (left, right_margin) = (58.0, layout.pick(118.0, 82.0));
    let right = layout.width() - right_margin;
    let steps = longest(panels);
    let seconds = steps as f64 * frame.step_seconds;
    let time = Scale::Linear(0.0, seconds.max(f64::MIN_POSITIVE));
    let ticks = clock_ticks(seconds, layout.pick(9, 4));
    let chunk = steps.div_ceil(layout.pick(400, 130)).max(1);
    draw(layout, height, |sheet| {
        let mut top = 0.0;
        for (index, panel_of) in panels.iter().enumerate() {
            let area = Area { left, top: top + title, right, bottom: top + title + plot };
            let share = panel_of.lines[0].series.unit == "share";
            let most = panel_of.lines.iter().flat_map(|line| line.series.high.iter().chain(&line.series.mean));
            let most = most.copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
            let (scale, step) = if share { (Scale::Linear(0.0, 1.0), 0.5) } else { Scale::from_zero(most, 3) };
            let panel = sheet.panel(area, time, scale);
            panel.shade_until(frame.warm_up_seconds.min(seconds));
            let Scale::Linear(_, end) = scale else { unreachable!("values over time have a linear axis") };
            let values = (0..=(end / step + 1e-9) as usize).map(|index| index as f64 * step);
            let words = |value: f64| if share { format::share(value) } else { format::significant(value, 4) };
            panel.x_grid(&ticks);
            panel.y_axis(&values.map(|value| (value, words(value))).collect::<Vec<_>>());
            sheet.bold(panel_of.name, (4.0, top + 18.0), Stand::On);
            if index == 0 && panel.at(frame.warm_up_seconds, 0.0).0 - left > 62.0 {
                sheet.text("warm-up", (left + 5.0, area.top + 11.0), Ink::Muted, Stand::Right);
            }
            let middle = |step: usize, chunk: usize| (step as f64 + chunk as f64 / 2.0) * frame.step_seconds;
            let mut labels = Vec::new();
            for line in &panel_of.lines {
                let series = line.series;
                let points = |values: &[f64], join: fn(&[f64]) -> f64| -> Vec<(f64, f64)> {
                    let joined = values.chunks(chunk).enumerate();
                    joined.map(|(index, part)| (middle(index * chunk, part.len()), join(part))).collect()
                };
                if series.low != series.high {
                    panel.band(&points(&series.low, least), &points(&series.high, greatest), line.ink);
                }
                let points = points(&series.mean, mean);
                let end = points.last().map_or(0.0, |(_, value)| *value);
                let text = fit(line.name, right_margin - 10.0);
                labels.push(EndLabel { text, y: panel.at(0.0, end).1, ink: line.ink });
                panel.line(points, line.ink);
            }
            panel.end_labels(labels);
            top += title + plot + gap;
        }
        let foot = Area { left, top, right, bottom: top + rug.max(1.0) - 8.0 };
        let panel = sheet.panel(foot, time, Scale::Linear(0.0, 1.0));
        if rug > 0.0 {
            panel.rug(frame.cold_starts, Ink::Purple);
            panel.end_labels(vec![EndLabel { text: "cold starts".to_owned(), y: foot.bottom - 5.0, ink: Ink::Purple }]);
        }
        panel.x_axis(&ticks);
        Hover::Across(left / layout.width(), right / layout.width())
    })
}

/// The numbers behind the panels.
pub(crate) fn table(panels: &[PanelOf<'_>], frame: &Frame<'_>) -> Table {
    let steps = longest(panels);
    let chunk = steps.div_ceil(ROWS).max(1);
    let lines = || panels.iter().flat_map(|panel| &panel.lines);
    let mut head = vec!["from".to_owned()];
    head.extend(lines().map(|line| match line.series.unit.as_str() {
        "1/s" => format!("{}, per s", line.name),
        "share" | "count" | "replicas" | "" => line.name.to_owned(),
        unit => format!("{}, {unit}", line.name),
    }));
    let cell = |line: &LineOf<'_>, index: usize| {
        let values = line.series.mean.get(index * chunk..).unwrap_or(&[]);
        let values = &values[..chunk.min(values.len())];
        match line.series.unit.as_str() {
            _ if values.is_empty() => format::NONE.to_owned(),
            "share" => format!("{} %", format::significant(mean(values) * 100.0, 3)),
            _ => format::significant(mean(values), 3),
        }
    };
    let rows = (0..steps.div_ceil(chunk)).map(|index| {
        let from = (index * chunk) as f64 * frame.step_seconds;
        let mut cells = vec![format::time(from)];
        cells.extend(lines().map(|line| cell(line, index)));
        Row { at: Some((index * chunk) as f64 / steps as f64 + 0.5 * chunk as f64 / steps as f64), cells }
    });
    let caption = format!("Averages over steps of {}", format::time(frame.step_seconds * chunk as f64));
    Table { caption, head, entries: Vec::new(), rows: rows.collect() }
}

/// The moment of the largest mean and that mean.
pub(crate) fn peak(series: &Series, step_seconds: f64) -> Option<(f64, f64)> {
    let (index, value) = series.mean.iter().enumerate().filter(|(_, value)| value.is_finite()).max_by(|a, b| {
        // Of equal values the first.
        a.1.total_cmp(b.1).then(b.0.cmp(&a.0))
    })?;
    (*value > 0.0).then_some((index as f64 * step_seconds, *value))
}

/// When a series of the whole run is at its highest, and how high.
pub(crate) fn peak_of(result: &RunResult, name: &str) -> Option<(f64, f64)> {
    peak(series(result, name, None)?, result.timeline.step_seconds)
}

fn longest(panels: &[PanelOf<'_>]) -> usize {
    panels.iter().flat_map(|panel| &panel.lines).map(|line| line.series.mean.len()).max().unwrap_or(0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}
