//! Charts: one file per question. Each says in words what it shows, and keeps its numbers in a table.

mod bars;
mod canvas;
pub(crate) mod cdf;
pub(crate) mod cold_phases;
pub(crate) mod forest;
pub(crate) mod nodes;
pub(crate) mod outcomes;
mod over_time;
pub(crate) mod overlay;
pub(crate) mod panels;
pub(crate) mod parts;
pub(crate) mod percentiles;
mod plot;
mod scale;
pub(crate) mod scatter;
pub(crate) mod timeline;

pub(crate) use canvas::Ink;
pub(crate) use over_time::peak_of;
pub(crate) use plot::{Drawing, Hover, draw_sized};

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
    /// The entry of a comparison that each column is about; empty where there are none.
    pub entries: Vec<Option<usize>>,
    pub rows: Vec<Row>,
}

/// A row of numbers as text.
pub(crate) struct Row {
    /// Where it lies along the chart, from 0 to 1, if it has a place there.
    pub at: Option<f64>,
    pub cells: Vec<String>,
}

/// A colour and a dash pattern: the same for an entry of a comparison on the whole page, the colour the same for a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub ink: Ink,
    /// Which of the [`DASHES`] patterns of the style sheet; 0 is a whole line.
    pub dash: usize,
}

/// Dash patterns of the style sheet.
pub(crate) const DASHES: usize = 6;

impl Look {
    /// Classes of a group in which lines look like this; those `off` wait to be chosen.
    pub(crate) fn classes(self, off: bool) -> String {
        format!("e d{}{}", self.dash, if off { " off" } else { "" })
    }
}

/// Draws both layouts.
pub(crate) fn both(paint: impl Fn(Layout) -> Drawing) -> (Drawing, Drawing) {
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
