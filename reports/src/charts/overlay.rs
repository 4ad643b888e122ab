//! Several results' response times by percentile on one pair of axes. All curves are in the drawing; those that are not
//! shown at first wait until a reader chooses them.

use super::percentiles::{LISTED, Limit, points};
use super::plot::{Area, Drawing, Hover, LINE, Layout, Stand, draw, spread};
use super::scale::{Scale, nines_ticks};
use super::{Ink, Look, Row, Table, both, fit};
use crate::format;
use crate::responses::Times;

/// One result's curve.
pub(crate) struct Curve<'a> {
    pub entry: usize,
    pub name: &'a str,
    pub look: Look,
    pub times: &'a Times,
    pub shown: bool,
}

/// The wide and the narrow drawing with the numbers behind them; `None` when nothing was answered.
pub(crate) fn of(curves: &[Curve<'_>], limits: &[Limit]) -> Option<(Drawing, Drawing, Table)> {
    let curves: Vec<&Curve<'_>> = curves.iter().filter(|curve| !curve.times.is_empty()).collect();
    if curves.is_empty() {
        return None;
    }
    let across = Scale::Nines(0.0, most_supported(curves.iter().map(|curve| curve.times)));
    let (wide, narrow) = both(|layout| paint(layout, across, &curves, limits));
    Some((wide, narrow, table(across, &curves)))
}

/// The highest share that any of the curves supports.
pub(crate) fn most_supported<'a>(times: impl Iterator<Item = &'a Times>) -> f64 {
    times.map(Times::supported).fold(0.5, f64::max)
}

fn table(across: Scale, curves: &[&Curve<'_>]) -> Table {
    let Scale::Nines(_, most) = across else { unreachable!("the axis of percentiles has nines") };
    let cell = |share: f64, times: &Times| match share <= times.supported() {
        true => format::time(times.quantile(share)),
        false => format::NONE.to_owned(),
    };
    let row = |share: &f64| {
        let mut cells = vec![format!("{} %", format::significant(share * 100.0, 7))];
        cells.extend(curves.iter().map(|curve| cell(*share, curve.times)));
        Row { at: Some(across.at(*share)), cells }
    };
    let mut head = vec!["percentile".to_owned()];
    head.extend(curves.iter().map(|curve| curve.name.to_owned()));
    let mut entries = vec![None];
    entries.extend(curves.iter().map(|curve| Some(curve.entry)));
    Table {
        caption: "Response time by percentile".to_owned(),
        head,
        entries,
        rows: LISTED.iter().filter(|share| **share <= most + 1e-12).map(row).collect(),
    }
}

fn paint(layout: Layout, across: Scale, curves: &[&Curve<'_>], limits: &[Limit]) -> Drawing {
    let height = layout.pick(420.0, 340.0);
    let right_margin = layout.pick(210.0, 112.0);
    let area = Area { left: 66.0, top: 26.0, right: layout.width() - right_margin, bottom: height - 44.0 };
    let end = |times: &Times| times.quantile(times.supported());
    draw(layout, height, |sheet| {
        let top = curves.iter().map(|curve| end(curve.times)).fold(0.0, f64::max);
        let shown: Vec<&Limit> = limits.iter().filter(|limit| limit.seconds <= 4.0 * top).collect();
        let ends = curves.iter().flat_map(|curve| [curve.times.quantile(0.01), end(curve.times)]);
        let y = Scale::log_around(ends.chain(shown.iter().map(|limit| limit.seconds * 1.1)));
        let panel = sheet.panel(area, across, y);
        let Scale::Nines(_, most) = across else { unreachable!("the axis of percentiles has nines") };
        let ticks = nines_ticks(most);
        panel.x_grid(&ticks);
        panel.y_axis(&y.log_ticks(7));
        panel.x_axis(&ticks);
        sheet.bold("response time", (4.0, 15.0), Stand::On);
        let axis_name =
            layout.pick("percentile: share of requests that were faster", "share of requests that were faster");
        sheet.text(axis_name, ((area.left + area.right) / 2.0, area.bottom + 24.0), Ink::Muted, Stand::Below);
        panel.limits(&shown.iter().map(|limit| (limit.seconds, limit.name.as_str())).collect::<Vec<_>>());

        let wanted = |curve: &Curve<'_>| panel.at(curve.times.supported(), end(curve.times)).1;
        let mut labelled: Vec<&&Curve<'_>> = curves.iter().filter(|curve| curve.shown).collect();
        labelled.sort_by(|a, b| wanted(a).total_cmp(&wanted(b)));
        let places = spread(&labelled.iter().map(|curve| wanted(curve)).collect::<Vec<_>>(), area.bottom + 4.0);
        for curve in curves {
            let place = labelled.iter().position(|labelled| labelled.entry == curve.entry);
            let label_y = place.map_or_else(|| wanted(curve), |place| places[place]).max(LINE / 2.0);
            sheet.group(&curve.look.classes(!curve.shown), Some(curve.entry), || {
                panel.line(points(curve.times, 120), curve.look.ink);
                sheet.group("end-label", None, || {
                    let piece = layout.pick(20.0, 12.0);
                    sheet.rule((area.right + 5.0, label_y), (area.right + 5.0 + piece, label_y), curve.look.ink);
                    let text = fit(curve.name, right_margin - piece - 14.0);
                    sheet.text(&text, (area.right + 10.0 + piece, label_y), curve.look.ink, Stand::Right);
                });
            });
        }
        Hover::Across(area.left / layout.width(), area.right / layout.width())
    })
}
