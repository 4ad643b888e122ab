//! What takes so long about a cold start? Its phases, each starting where the one before ends.

use faas_lab_model::metrics::result::PhaseResult;

use super::bars::{self, BarRow};
use super::{Chart, Ink, Row, Table, both};
use crate::format;

/// `None` when nothing started.
pub(crate) fn of_function(phases: &[PhaseResult]) -> Option<Chart> {
    let seen: Vec<&PhaseResult> = phases.iter().filter(|phase| phase.count > 0 && phase.mean_seconds >= 0.0).collect();
    let longest = seen.iter().max_by(|a, b| a.mean_seconds.total_cmp(&b.mean_seconds))?;
    let mut start = 0.0;
    let mut rows = Vec::new();
    for phase in &seen {
        let to = start + phase.mean_seconds;
        rows.push(BarRow {
            label: phase.phase.clone(),
            from: start,
            to,
            value: format::time(phase.mean_seconds),
            ink: Ink::Purple,
        });
        start = to;
    }
    let starts = seen.iter().map(|phase| phase.count).max().unwrap_or(0);
    let mean = seen.iter().map(|phase| phase.mean_seconds * phase.count as f64).sum::<f64>() / starts as f64;
    let mut caption = format!(
        "A start takes {} on average. The longest phase is {} with {}, {} at the most.",
        format::time(mean),
        longest.phase,
        format::time(longest.mean_seconds),
        format::time(longest.max_seconds),
    );
    for phase in seen.iter().filter(|phase| phase.count < starts) {
        let share = format::share(phase.count as f64 / starts as f64);
        caption += &format!(" Only {share} of the starts met {}; its bar is the mean of those.", phase.phase);
    }
    let (wide, narrow) = both(|layout| bars::paint(layout, &rows, format::time));
    let row = |phase: &PhaseResult| Row {
        at: None,
        cells: vec![
            phase.phase.clone(),
            format::count(phase.count),
            format::time(phase.mean_seconds),
            format::time(phase.max_seconds),
        ],
    };
    Some(Chart {
        title: "What takes so long about a start?".to_owned(),
        caption,
        label: "Phases of a replica's start in their order".to_owned(),
        wide,
        narrow,
        table: Table {
            caption: "Phases of starts, all runs together".to_owned(),
            entries: Vec::new(),
            head: ["phase", "starts", "mean", "longest"].map(str::to_owned).to_vec(),
            rows: phases.iter().map(row).collect(),
        },
    })
}
