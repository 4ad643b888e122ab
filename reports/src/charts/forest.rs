//! How sure is a difference? Its interval beside zero, small enough for a cell of a table, and the axis above a column.

use faas_lab_model::metrics::result::Estimate;

use super::Ink;
use super::plot::{Area, Drawing, Hover, draw_sized};
use super::scale::Scale;

const WIDTH: f64 = 150.0;
const HEIGHT: f64 = 20.0;

/// The axis of all differences in one metric.
pub(crate) fn axis<'a>(differences: impl Iterator<Item = &'a Estimate>) -> (Scale, f64) {
    let reach = |estimate: &Estimate| estimate.mean.abs() + estimate.half_width.unwrap_or(0.0);
    Scale::around_zero(differences.map(reach).filter(|reach| reach.is_finite()).fold(0.0, f64::max))
}

/// The axis as the head of a column: zero, and one step to either side.
pub(crate) fn head((scale, step): (Scale, f64), words: impl Fn(f64) -> String) -> Drawing {
    draw_sized(WIDTH, 22.0, |sheet| {
        let panel =
            sheet.panel(Area { left: 6.0, top: 0.0, right: WIDTH - 6.0, bottom: 4.0 }, scale, Scale::Linear(0.0, 1.0));
        let name = |at: f64| if at > 0.0 { format!("+{}", words(at)) } else { words(at) };
        panel.x_axis(&[(-step, name(-step)), (0.0, "0".to_owned()), (step, name(step))]);
        Hover::Shapes
    })
}

/// One difference with its interval; filled if it is real.
pub(crate) fn cell((scale, _): (Scale, f64), estimate: &Estimate, real: bool, words: &str) -> Drawing {
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
