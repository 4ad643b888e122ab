//! How hard did the machines work? Their processors and their power over time.

use faas_lab_model::metrics::result::RunResult;

use super::over_time::{self, Frame, peak, series};
use super::{Chart, Ink, both};
use crate::format;

/// `None` when the result has neither.
pub(crate) fn of(result: &RunResult) -> Option<Chart> {
    let panels = over_time::panels(
        result,
        None,
        &[
            ("busy share of all cores", &[("node cpu", "cores", Ink::Blue)]),
            ("power of all nodes, W", &[("power", "power", Ink::Text)]),
        ],
    );
    if panels.is_empty() {
        return None;
    }
    let step_seconds = result.timeline.step_seconds;
    let frame = Frame { step_seconds, warm_up_seconds: result.window.warm_up_seconds, cold_starts: &[] };
    let top = |name: &str| series(result, name, None).and_then(|series| peak(series, step_seconds));
    let mut caption = Vec::new();
    if let Some((at, most)) = top("node cpu") {
        let judged = if most > 0.95 { "The processors are full" } else { "The processors are busiest" };
        caption.push(format!("{judged} around {}, at {} %.", format::time(at), format::significant(most * 100.0, 2)));
    }
    if let Some((at, most)) = top("power") {
        caption.push(format!("Power peaks at {} around {}.", format::quantity(most, "W"), format::time(at)));
    }
    let (wide, narrow) = both(|layout| over_time::paint(layout, &panels, &frame));
    Some(Chart {
        title: "How hard did the machines work?".to_owned(),
        caption: caption.join(" "),
        label: "Busy share of cores and power over time".to_owned(),
        wide,
        narrow,
        table: over_time::table(&panels, &frame),
    })
}
