//! What all charts share: the sheet they are drawn on, panels with axes, and labels at the ends of lines.

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Drawable, PathElement, PointCollection, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, TextStyle};
use plotters_backend::BackendCoord;

use super::canvas::{Bar, Canvas, Ink, Markup, Rug, UNIT, escape, text_width};
use super::scale::Scale;

/// Size of letters in pixels, as in the style sheet.
pub(crate) const LETTERS: f64 = 13.0;
/// Distance of lines of text in pixels.
pub(crate) const LINE: f64 = 16.0;

/// Each chart is drawn twice, and the style sheet shows the one that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// For pages and paper.
    Wide,
    /// For phones.
    Narrow,
}

impl Layout {
    /// Width of the sheet in pixels.
    pub(crate) fn width(self) -> f64 {
        match self {
            Layout::Wide => 960.0,
            Layout::Narrow => 390.0,
        }
    }

    /// One of two values.
    pub(crate) fn pick<T>(self, wide: T, narrow: T) -> T {
        match self {
            Layout::Wide => wide,
            Layout::Narrow => narrow,
        }
    }
}

/// A part of the sheet, in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// Where the values behind a chart lie on it, for the values on hover.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hover {
    /// Each shape has its own words.
    Shapes,
    /// Rows of the table lie side by side; from and to are shares of the width.
    Across(f64, f64),
    /// Rows of the table lie above each other; from and to are shares of the height, where rows count from below.
    Up(f64, f64),
}

/// A drawing: its SVG source.
pub(crate) struct Drawing {
    pub width: f64,
    pub height: f64,
    pub body: String,
    pub hover: Hover,
}

/// What a chart is drawn on.
pub(crate) struct Sheet<'a> {
    root: DrawingArea<Canvas<'a>, Shift>,
}

/// Draws on a new sheet.
pub(crate) fn draw(layout: Layout, height: f64, paint: impl FnOnce(&Sheet<'_>) -> Hover) -> Drawing {
    draw_sized(layout.width(), height, paint)
}

/// Draws on a new sheet of any width.
pub(crate) fn draw_sized(width: f64, height: f64, paint: impl FnOnce(&Sheet<'_>) -> Hover) -> Drawing {
    let mut body = String::new();
    let hover = paint(&Sheet { root: Canvas::new(&mut body, width as i32, height as i32).into_drawing_area() });
    Drawing { width, height, body, hover }
}

/// How a text stands at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Right of it, at its height.
    Right,
    /// Left of it, at its height.
    Left,
    /// Centred below it.
    Below,
    /// Right of it, its foot on the point.
    On,
}

impl<'a> Sheet<'a> {
    /// Writes `text` at a point in pixels.
    pub(crate) fn text(&self, text: &str, at: (f64, f64), ink: Ink, stand: Stand) {
        self.styled(text, at, ink, stand, FontStyle::Normal);
    }

    /// Writes `text` in bold.
    pub(crate) fn bold(&self, text: &str, at: (f64, f64), stand: Stand) {
        self.styled(text, at, Ink::Text, stand, FontStyle::Bold);
    }

    fn styled(&self, text: &str, at: (f64, f64), ink: Ink, stand: Stand, weight: FontStyle) {
        let (h, v) = match stand {
            Stand::Right => (HPos::Left, VPos::Center),
            Stand::Left => (HPos::Right, VPos::Center),
            Stand::Below => (HPos::Center, VPos::Top),
            Stand::On => (HPos::Left, VPos::Bottom),
        };
        let font = FontDesc::new(FontFamily::SansSerif, LETTERS * f64::from(UNIT), weight);
        let style =
            TextStyle { font, color: plotters::style::Color::to_backend_color(&ink.rgb()), pos: Pos::new(h, v) };
        self.put(&Text::new(text.to_owned(), units(at), style));
    }

    /// A bar with its own words on hover.
    pub(crate) fn bar(&self, area: Area, ink: Ink, title: String) {
        let corners = [units((area.left, area.top)), units((area.right, area.bottom))];
        self.put(&Bar { corners, ink, title });
    }

    /// What `paint` draws, as a group with these classes, that belongs to an entry of a comparison.
    pub(crate) fn group(&self, classes: &str, entry: Option<usize>, paint: impl FnOnce()) {
        let entry = entry.map_or(String::new(), |entry| format!(" data-e=\"{entry}\""));
        self.put(&Markup(format!("<g class=\"{classes}\"{entry}>")));
        paint();
        self.put(&Markup("</g>".to_owned()));
    }

    /// A round mark with its own words on hover.
    pub(crate) fn mark(&self, (x, y): (f64, f64), radius: f64, classes: &str, title: &str) {
        let mut words = String::new();
        escape(&mut words, title);
        self.put(&Markup(format!(
            "<circle class=\"{classes}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"><title>{words}</title></circle>"
        )));
    }

    /// A straight line.
    pub(crate) fn rule(&self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        self.put(&PathElement::new([units(from), units(to)], ink.line()));
    }

    /// A filled box without words.
    pub(crate) fn fill(&self, area: Area, ink: Ink) {
        let corners = [units((area.left, area.top)), units((area.right, area.bottom))];
        self.put(&Rectangle::new(corners, ink.area()));
    }

    /// A panel with its own axes.
    pub(crate) fn panel(&self, area: Area, x: Scale, y: Scale) -> Panel<'_, 'a> {
        let (left, top) = units((area.left, area.top));
        let (right, bottom) = units((area.right, area.bottom));
        let coordinates = Cartesian2d::new(x, y, (left..right, bottom..top));
        Panel { sheet: self, area, plot: self.root.clone().apply_coord_spec(coordinates) }
    }

    fn put<E>(&self, element: &E)
    where
        for<'b> &'b E: PointCollection<'b, BackendCoord>,
        E: Drawable<Canvas<'a>>,
    {
        self.root.draw(element).expect("a drawing in memory does not fail");
    }
}

/// A line's label: what it says, where the line ends (in pixels from the top), and its ink.
pub(crate) struct EndLabel {
    pub text: String,
    pub y: f64,
    pub ink: Ink,
}

/// A part of a sheet with two axes.
pub(crate) struct Panel<'s, 'a> {
    sheet: &'s Sheet<'a>,
    pub area: Area,
    plot: DrawingArea<Canvas<'a>, Cartesian2d<Scale, Scale>>,
}

impl<'a> Panel<'_, 'a> {
    /// Pixel position of a value.
    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = self.plot.map_coordinate(&(x, y));
        (f64::from(x) / f64::from(UNIT), f64::from(y) / f64::from(UNIT))
    }

    /// A line through points in the axes' values.
    pub(crate) fn line(&self, points: Vec<(f64, f64)>, ink: Ink) {
        self.put(&PathElement::new(points, ink.line()));
    }

    /// The area between two lines over the same places.
    pub(crate) fn band(&self, low: &[(f64, f64)], high: &[(f64, f64)], ink: Ink) {
        let points: Vec<(f64, f64)> = low.iter().chain(high.iter().rev()).copied().collect();
        if points.len() > 2 {
            self.put(&Polygon::new(points, ink.band()));
        }
    }

    /// Horizontal grid lines with their labels on the left, the lowest one being the axis.
    pub(crate) fn y_axis(&self, ticks: &[(f64, String)]) {
        for (value, text) in ticks {
            let (_, y) = self.at(0.0, *value);
            self.sheet.rule((self.area.left, y), (self.area.right, y), Ink::Grid);
            self.sheet.text(text, (self.area.left - 7.0, y), Ink::Muted, Stand::Left);
        }
    }

    /// Marks below the panel with their labels.
    pub(crate) fn x_axis(&self, ticks: &[(f64, String)]) {
        let bottom = self.area.bottom;
        self.sheet.rule((self.area.left, bottom), (self.area.right, bottom), Ink::Axis);
        let mut free_from = f64::NEG_INFINITY;
        for (value, text) in ticks {
            let (x, _) = self.at(*value, 0.0);
            self.sheet.rule((x, bottom), (x, bottom + 4.0), Ink::Axis);
            let half = text_width(text) * LETTERS / 2.0;
            if x - half > free_from {
                self.sheet.text(text, (x, bottom + 6.0), Ink::Muted, Stand::Below);
                free_from = x + half + 6.0;
            }
        }
    }

    /// Thin vertical lines.
    pub(crate) fn x_grid(&self, ticks: &[(f64, String)]) {
        for (value, _) in ticks {
            let (x, _) = self.at(*value, 0.0);
            self.sheet.rule((x, self.area.top), (x, self.area.bottom), Ink::Grid);
        }
    }

    /// Shades the panel up to a value of the horizontal axis.
    pub(crate) fn shade_until(&self, x: f64) {
        let (right, _) = self.at(x, 0.0);
        if right > self.area.left + 0.5 {
            self.sheet.fill(Area { right, ..self.area }, Ink::Shade);
        }
    }

    /// Dashed lines across, each with its name above it at the left. Where lines are too close for that, the names stand above the
    /// highest of them. `limits` are in ascending order.
    pub(crate) fn limits(&self, limits: &[(f64, &str)]) {
        let height = |value: f64| self.at(0.0, value).1;
        for close in limits.chunk_by(|a, b| height(a.0) - height(b.0) < LINE + 2.0) {
            for (value, _) in close {
                let at = height(*value);
                self.sheet.rule((self.area.left, at), (self.area.right, at), Ink::Limit);
            }
            let names: Vec<&str> = close.iter().map(|(_, name)| *name).collect();
            let top = close.last().map_or(0.0, |(value, _)| height(*value));
            let room = self.area.right - self.area.left - 12.0;
            let mut text = names.join("; ");
            if width_of(&text) > room {
                // On a phone the times must do; the names are in the text.
                let times: Vec<String> = close.iter().map(|(value, _)| crate::format::time(*value)).collect();
                text = super::fit(
                    &format!("timeout{}: {}", if close.len() > 1 { "s" } else { "" }, times.join(", ")),
                    room,
                );
            }
            self.sheet.text(&text, (self.area.left + 6.0, top - 2.0), Ink::Limit, Stand::On);
        }
    }

    /// Short strokes at the panel's foot.
    pub(crate) fn rug(&self, xs: &[f64], ink: Ink) {
        let height = 8.0;
        let tops = xs.iter().map(|x| units((self.at(*x, 0.0).0, self.area.bottom - height))).collect();
        self.sheet.put(&Rug { tops, height: (height * f64::from(UNIT)) as i32, ink });
    }

    /// Writes labels right of the panel, each as near to its line's end as the others allow.
    pub(crate) fn end_labels(&self, mut labels: Vec<EndLabel>) {
        labels.sort_by(|a, b| a.y.total_cmp(&b.y));
        let spread = spread(&labels.iter().map(|label| label.y).collect::<Vec<_>>(), self.area.bottom + 4.0);
        for (label, y) in labels.iter().zip(spread) {
            self.sheet.text(&label.text, (self.area.right + 7.0, y), label.ink, Stand::Right);
        }
    }

    fn put<E>(&self, element: &E)
    where
        for<'b> &'b E: PointCollection<'b, (f64, f64)>,
        E: Drawable<Canvas<'a>>,
    {
        self.plot.draw(element).expect("a drawing in memory does not fail");
    }
}

/// Moves sorted heights apart until each has a line of its own, none below `lowest` if there is room.
pub(crate) fn spread(wanted: &[f64], lowest: f64) -> Vec<f64> {
    let mut heights: Vec<f64> = wanted.to_vec();
    for index in 1..heights.len() {
        heights[index] = heights[index].max(heights[index - 1] + LINE);
    }
    // Neighbours that pushed each other share the way: move each such group up by half of its push.
    let mut start = 0;
    while start < heights.len() {
        let mut end = start + 1;
        while end < heights.len() && heights[end] - heights[end - 1] < LINE + 0.01 {
            end += 1;
        }
        let push = (start..end).map(|index| heights[index] - wanted[index]).sum::<f64>() / (end - start) as f64;
        let room = if start == 0 { f64::INFINITY } else { (heights[start] - heights[start - 1] - LINE).max(0.0) };
        let push = push.min(room).max(heights[end - 1] - lowest);
        heights[start..end].iter_mut().for_each(|height| *height -= push);
        start = end;
    }
    for index in (1..heights.len()).rev() {
        heights[index - 1] = heights[index - 1].min(heights[index] - LINE);
    }
    heights
}

fn units((x, y): (f64, f64)) -> BackendCoord {
    let unit = f64::from(UNIT);
    ((x * unit).round() as i32, (y * unit).round() as i32)
}

/// Width of a text in pixels.
pub(crate) fn width_of(text: &str) -> f64 {
    text_width(text) * LETTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_never_share_a_line() {
        for wanted in [vec![10.0, 10.0, 10.0, 11.0], vec![0.0, 100.0, 100.0, 101.0], vec![50.0], vec![]] {
            let heights = spread(&wanted, 100.0);
            assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= LINE - 1e-9), "{heights:?}");
            assert!(heights.last().is_none_or(|last| *last <= 100.0 + 1e-9), "{heights:?}");
        }
    }
}
