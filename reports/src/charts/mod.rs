//! Charts: one file per question. Each says in words what it shows, and keeps its numbers in a table.

mod bars;
mod canvas;
pub(crate) mod cdf;
pub(crate) mod cold_phases;
pub(crate) mod nodes;
pub(crate) mod outcomes;
mod over_time;
pub(crate) mod parts;
pub(crate) mod percentiles;
mod plot;
mod scale;
pub(crate) mod timeline;

pub(crate) use canvas::Ink;
pub(crate) use plot::{Drawing, Hover};

use plot::{Layout, width_of};

/// A chart, ready for the page.
pub(crate) struct Chart {
    /// The question it answers.
    pub title: String,
    /// What to see, from the data.
    pub caption: String,
    /// What it is, for those who do not see it.
    pub label: String,
    pub wide: Drawing,
    pub narrow: Drawing,
    pub table: Table,
}

/// The numbers behind a chart.
pub(crate) struct Table {
    pub caption: String,
    /// Column heads; the first column names the rows.
    pub head: Vec<String>,
    pub rows: Vec<Row>,
}

/// A row of numbers as text.
pub(crate) struct Row {
    /// Where it lies along the chart, from 0 to 1, if it has a place there.
    pub at: Option<f64>,
    pub cells: Vec<String>,
}

/// Draws both layouts.
fn both(paint: impl Fn(Layout) -> Drawing) -> (Drawing, Drawing) {
    (paint(Layout::Wide), paint(Layout::Narrow))
}

/// Shortens `text` until it fits `width` pixels.
fn fit(text: &str, width: f64) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut short: String = text.to_owned();
    while short.pop().is_some() && width_of(&short) + width_of("…") > width {}
    format!("{}…", short.trim_end())
}
