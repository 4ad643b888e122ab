//! Rows of horizontal bars: the label above or left of each bar, its value at the bar's end.

use super::plot::{Area, Drawing, Hover, LINE, Layout, Stand, draw, width_of};
use super::scale::Scale;
use super::{Ink, fit};

/// One bar.
pub(crate) struct BarRow {
    pub label: String,
    pub from: f64,
    pub to: f64,
    /// Written at its end.
    pub value: String,
    pub ink: Ink,
}

/// Draws the rows over a linear axis from zero.
pub(crate) fn paint(layout: Layout, rows: &[BarRow], tick: impl Fn(f64) -> String) -> Drawing {
    let wide = layout == Layout::Wide;
    let widest = |text: fn(&BarRow) -> &str| rows.iter().map(|row| width_of(text(row))).fold(0.0, f64::max);
    let left = if wide { (widest(|row| &row.label) + 14.0).clamp(80.0, 340.0) } else { 10.0 };
    let right = layout.width() - widest(|row| &row.value).min(150.0) - 14.0;
    let (step, thickness) = if wide { (28.0, 16.0) } else { (40.0, 14.0) };
    let height = 6.0 + step * rows.len() as f64 + 30.0;
    let most = rows.iter().map(|row| row.to).fold(0.0, f64::max);
    let (scale, distance) = Scale::from_zero(most, if wide { 6 } else { 3 });
    // The axis ends where the bars do, not at the next tick: length is better spent on the bars.
    let scale = if most > 0.0 { Scale::Linear(0.0, most) } else { scale };
    draw(layout, height, |sheet| {
        let area = Area { left, top: 2.0, right, bottom: height - 28.0 };
        let panel = sheet.panel(area, scale, Scale::Linear(0.0, 1.0));
        let ticks: Vec<(f64, String)> = (0..)
            .map(|index| f64::from(index) * distance)
            .take_while(|at| *at <= most * 1.000_1)
            .map(|at| (at, tick(at)))
            .collect();
        panel.x_grid(&ticks);
        panel.x_axis(&ticks);
        for (index, row) in rows.iter().enumerate() {
            let top = area.top + step * index as f64 + if wide { (step - thickness) / 2.0 } else { LINE + 4.0 };
            let middle = top + thickness / 2.0;
            let (from, to) = (panel.at(row.from, 0.0).0, panel.at(row.to, 0.0).0);
            if wide {
                sheet.text(&fit(&row.label, left - 10.0), (left - 8.0, middle), Ink::Text, Stand::Left);
            } else {
                let room = layout.width() - left;
                sheet.text(&fit(&row.label, room), (left, top - LINE / 2.0 - 1.0), Ink::Text, Stand::Right);
            }
            let bar = Area { left: from, top, right: to.max(from + 1.0), bottom: top + thickness };
            sheet.bar(bar, row.ink, format!("{}: {}", row.label, row.value));
            sheet.text(&row.value, (bar.right + 6.0, middle), Ink::Muted, Stand::Right);
        }
        Hover::Shapes
    })
}
