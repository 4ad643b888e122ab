//! How sure is a difference? Its interval beside zero, small enough for a cell of a table, and the axis above a column.

use faas_lab_model::metrics::result::Estimate;

use super::Ink;
use super::plot::{Area, Drawing, Hover, Stand, draw_sized, width_of};
use super::scale::Scale;

const WIDTH: f64 = 150.0;
const HEIGHT: f64 = 20.0;

/// A scale around zero, and the step of its ticks.
pub(crate) type Axis = (Scale, f64);

/// The axis of all differences in one metric.
pub(crate) fn axis<'a>(differences: impl Iterator<Item = &'a Estimate>) -> Axis {
    let reach = |estimate: &Estimate| estimate.mean.abs() + estimate.half_width.unwrap_or(0.0);
    Scale::around_zero(differences.map(reach).filter(|reach| reach.is_finite()).fold(0.0, f64::max))
}

/// The axis as the head of a column: zero, and one step to either side.
pub(crate) fn head((scale, step): Axis, words: impl Fn(f64) -> String) -> Drawing {
    draw_sized(WIDTH, 22.0, |sheet| {
        let panel =
            sheet.panel(Area { left: 6.0, top: 0.0, right: WIDTH - 6.0, bottom: 4.0 }, scale, Scale::Linear(0.0, 1.0));
        panel.x_axis(&[(-step, String::new()), (0.0, String::new()), (step, String::new())]);
        for (at, name) in [(-step, words(-step)), (0.0, "0".to_owned()), (step, format!("+{}", words(step)))] {
            // Within the cell, so that neighbouring columns do not run into each other.
            let half = width_of(&name) / 2.0;
            let x = panel.at(at, 0.0).0.clamp(half.min(WIDTH / 2.0), (WIDTH - half).max(WIDTH / 2.0));
            sheet.text(&name, (x, 10.0), Ink::Muted, Stand::Below);
        }
        Hover::Shapes
    })
}

/// One difference with its interval; filled if it is real.
pub(crate) fn cell((scale, _): Axis, estimate: &Estimate, real: bool, words: &str) -> Drawing {
    draw_sized(WIDTH, HEIGHT, |sheet| {
        let area = Area { left: 6.0, top: 0.0, right: WIDTH - 6.0, bottom: HEIGHT };
        let panel = sheet.panel(area, scale, Scale::Linear(0.0, 1.0));
        let x = |value: f64| panel.at(value, 0.5).0;
        let middle = HEIGHT / 2.0;
        sheet.rule((x(0.0), 0.0), (x(0.0), HEIGHT), Ink::Axis);
        let ink = if real { Ink::Text } else { Ink::Muted };
        if let Some(half) = estimate.half_width.filter(|half| half.is_finite()) {
            sheet.group("d0", None, || {
                sheet.rule((x(estimate.mean - half), middle), (x(estimate.mean + half), middle), ink);
            });
        }
        sheet.mark((x(estimate.mean), middle), 4.0, if real { "f ink" } else { "o mute" }, words);
        Hover::Shapes
    })
}
