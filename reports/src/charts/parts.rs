//! Where did the time go? The mean response time taken apart, each part starting where the one before ends.

use faas_lab_model::metrics::result::PartResult;

use super::bars::{self, BarRow};
use super::{Chart, Ink, Row, Table, both};
use crate::format;

/// `None` when there is no time to divide.
pub(crate) fn of_function(parts: &[PartResult]) -> Option<Chart> {
    let total: f64 = parts.iter().map(|part| part.mean_seconds).sum();
    if !(total > 0.0 && total.is_finite()) {
        return None;
    }
    let mut start = 0.0;
    let mut rows = Vec::new();
    for part in parts.iter().filter(|part| part.mean_seconds > 0.0) {
        let value = format!("{} · {}", format::time(part.mean_seconds), format::share(part.share));
        let to = start + part.mean_seconds;
        rows.push(BarRow { label: part.part.clone(), from: start, to, value, ink: ink_of(&part.part) });
        start = to;
    }
    let (wide, narrow) = both(|layout| bars::paint(layout, &rows, format::time));
    let row = |part: &PartResult| Row {
        at: None,
        cells: vec![part.part.clone(), format::time(part.mean_seconds), format::share(part.share)],
    };
    Some(Chart {
        title: "Where did the time go?".to_owned(),
        caption: caption(parts, total),
        label: "Mean response time of answered requests by part, in the order that a request meets them".to_owned(),
        wide,
        narrow,
        table: Table {
            caption: "Mean time of answered requests by part".to_owned(),
            entries: Vec::new(),
            head: ["part", "mean", "share"].map(str::to_owned).to_vec(),
            rows: parts.iter().map(row).collect(),
        },
    })
}

fn caption(parts: &[PartResult], total: f64) -> String {
    let mut by_size: Vec<&PartResult> = parts.iter().collect();
    by_size.sort_by(|a, b| b.mean_seconds.total_cmp(&a.mean_seconds));
    let named = |part: &PartResult| {
        format!("{} ({}, {})", part.part, format::time(part.mean_seconds), format::share(part.share))
    };
    let mut text = format!("Of a mean response time of {}, most goes to {}", format::time(total), named(by_size[0]));
    if by_size[0].share < 0.5 {
        text = text.replace("most goes to", "the largest part is");
    }
    if let Some(second) = by_size.get(1).filter(|part| part.share >= 0.02) {
        text += &format!(", then {}", named(second));
    }
    text + ". Means over all answered requests; a part that a request did not meet counts as zero."
}

fn ink_of(part: &str) -> Ink {
    match part {
        "network" => Ink::Sky,
        "cold start" => Ink::Purple,
        "waiting" => Ink::Orange,
        "service" => Ink::Blue,
        "retries" => Ink::Vermilion,
        "queue" => Ink::Green,
        _ => Ink::Limit,
    }
}
