//! What does speed cost? A point for each result, and a line through those that no other beats in both.

use faas_lab_model::metrics::result::Estimate;

use super::plot::{Area, Drawing, Hover, LINE, Layout, Stand, draw, width_of};
use super::scale::Scale;
use super::{Ink, Look, both, fit};
use crate::format;

/// One result.
pub(crate) struct Point<'a> {
    pub entry: usize,
    pub name: &'a str,
    pub look: Look,
    pub across: Estimate,
    pub up: Estimate,
    /// No other is better in both.
    pub best: bool,
    /// Named before others where names are crowded.
    pub chief: bool,
    /// In words, on hover.
    pub words: String,
}

/// The wide and the narrow drawing.
pub(crate) fn of(points: &[Point<'_>], across_name: &str) -> (Drawing, Drawing) {
    both(|layout| paint(layout, points, across_name))
}

fn ends(estimate: &Estimate) -> [f64; 2] {
    let half = estimate.half_width.filter(|half| half.is_finite()).unwrap_or(0.0);
    [estimate.mean - half, estimate.mean + half]
}

fn paint(layout: Layout, points: &[Point<'_>], across_name: &str) -> Drawing {
    let height = layout.pick(400.0, 360.0);
    let area = Area { left: 66.0, top: 26.0, right: layout.width() - layout.pick(30.0, 18.0), bottom: height - 48.0 };
    draw(layout, height, |sheet| {
        let (x, step) = Scale::around(points.iter().flat_map(|point| ends(&point.across)), layout.pick(7, 3));
        let y = Scale::log_around(points.iter().flat_map(|point| ends(&point.up)));
        let panel = sheet.panel(area, x, y);
        let ticks = x.linear_ticks(step, |value| format::at_step(value, step));
        panel.x_grid(&ticks);
        panel.y_axis(&y.log_ticks(6));
        panel.x_axis(&ticks);
        sheet.bold("p99 response time", (4.0, 15.0), Stand::On);
        sheet.text(across_name, ((area.left + area.right) / 2.0, area.bottom + 26.0), Ink::Muted, Stand::Below);
        let mut best: Vec<&Point<'_>> = points.iter().filter(|point| point.best).collect();
        best.sort_by(|a, b| a.across.mean.total_cmp(&b.across.mean));
        if best.len() > 1 {
            // In steps: between two of them nothing is known to be possible.
            let mut line = vec![(best[0].across.mean, best[0].up.mean)];
            for pair in best.windows(2) {
                line.extend([(pair[1].across.mean, pair[0].up.mean), (pair[1].across.mean, pair[1].up.mean)]);
            }
            sheet.group("front", None, || panel.line(line, Ink::Axis));
        }
        for point in points {
            let [left, right] = ends(&point.across);
            let [low, high] = ends(&point.up);
            let at = panel.at(point.across.mean, point.up.mean);
            sheet.group("e dot", Some(point.entry), || {
                sheet.rule(panel.at(left, point.up.mean), panel.at(right, point.up.mean), point.look.ink);
                sheet.rule(
                    panel.at(point.across.mean, low.max(1e-9)),
                    panel.at(point.across.mean, high),
                    point.look.ink,
                );
                let filled = if point.best { "f" } else { "o" };
                sheet.mark(
                    at,
                    if point.best { 6.0 } else { 5.0 },
                    &format!("{filled} {}", point.look.ink.class()),
                    &point.words,
                );
            });
        }
        let places: Vec<(f64, f64)> = points.iter().map(|point| panel.at(point.across.mean, point.up.mean)).collect();
        let bars: Vec<[f64; 4]> = points
            .iter()
            .zip(&places)
            .flat_map(|(point, (x, y))| {
                let ([left, right], [low, high]) = (ends(&point.across), ends(&point.up));
                let (from, to) = (panel.at(left, point.up.mean).0, panel.at(right, point.up.mean).0);
                let (bottom, top) = (panel.at(point.across.mean, low.max(1e-9)).1, panel.at(point.across.mean, high).1);
                [[from, *y, to, *y], [*x, top, *x, bottom]]
            })
            .collect();
        for (point, at, stand, text) in names(points, &places, &bars, area) {
            sheet.group("e", Some(points[point].entry), || sheet.text(&text, at, points[point].look.ink, stand));
        }
        Hover::Shapes
    })
}

/// Names beside their points, where no point and no other name is in the way and as few intervals as can be; the chief
/// ones first.
fn names(
    points: &[Point<'_>],
    places: &[(f64, f64)],
    bars: &[[f64; 4]],
    area: Area,
) -> Vec<(usize, (f64, f64), Stand, String)> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|index| (!points[*index].chief, !points[*index].best));
    let mut taken: Vec<[f64; 4]> = places.iter().map(|(x, y)| [x - 7.0, y - 7.0, x + 7.0, y + 7.0]).collect();
    let mut named = Vec::new();
    for index in order {
        let (x, y) = places[index];
        let text = fit(points[index].name, 200.0);
        let (width, half) = (width_of(&text), LINE / 2.0);
        let candidates = [
            ((x + 8.0, y - 13.0), Stand::Right, [x + 8.0, y - 13.0 - half, x + 8.0 + width, y - 13.0 + half]),
            ((x + 8.0, y + 13.0), Stand::Right, [x + 8.0, y + 13.0 - half, x + 8.0 + width, y + 13.0 + half]),
            ((x - 8.0, y - 13.0), Stand::Left, [x - 8.0 - width, y - 13.0 - half, x - 8.0, y - 13.0 + half]),
            ((x - 8.0, y + 13.0), Stand::Left, [x - 8.0 - width, y + 13.0 - half, x - 8.0, y + 13.0 + half]),
            ((x + 11.0, y), Stand::Right, [x + 9.0, y - half, x + 11.0 + width, y + half]),
            ((x - 11.0, y), Stand::Left, [x - 11.0 - width, y - half, x - 9.0, y + half]),
        ];
        let apart = |a: &[f64; 4], b: &[f64; 4]| a[0] > b[2] || b[0] > a[2] || a[1] > b[3] || b[1] > a[3];
        let crossed = |bounds: &[f64; 4]| bars.iter().filter(|bar| !apart(bounds, bar)).count();
        let free = |bounds: &[f64; 4]| {
            let inside = bounds[0] >= area.left
                && bounds[2] <= area.right + 20.0
                && bounds[1] >= area.top - 12.0
                && bounds[3] <= area.bottom;
            let clear = |(other, taken): (usize, &[f64; 4])| other == index || apart(bounds, taken);
            inside && taken.iter().enumerate().all(clear)
        };
        let best = candidates.into_iter().filter(|(_, _, bounds)| free(bounds)).min_by_key(|(.., b)| crossed(b));
        if let Some((at, stand, bounds)) = best {
            taken.push(bounds);
            named.push((index, at, stand, text));
        }
    }
    named
}

/// A time and a cost in words.
pub(crate) fn words(name: &str, across: &str, up: &Estimate) -> String {
    format!("{name}: {across}, p99 {}", format::estimate(up, "s"))
}
