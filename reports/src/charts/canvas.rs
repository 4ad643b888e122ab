//! The drawing backend: plotters' instructions become SVG elements with classes, so that the page's theme colours them.
//!
//! Backend coordinates are tenths of a pixel, since plotters counts in whole numbers. Colours are names: each [`Ink`]
//! has one RGB value on its way through plotters and leaves as a CSS class.

use std::fmt::Write;

use plotters::element::{Drawable, PointCollection};
use plotters::prelude::{DrawingBackend, RGBColor};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind};

/// Backend units in one pixel.
pub(crate) const UNIT: i32 = 10;

/// How far a simplified line may stray, in backend units.
const STRAY: f64 = 1.5;

/// A colour by its role or by its name among the Okabe–Ito colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Words that are read first.
    Text,
    /// Tick labels, units, quiet series.
    Muted,
    /// Grid lines.
    Grid,
    /// Axes and their marks.
    Axis,
    /// The warm-up.
    Shade,
    /// Timeouts and other limits.
    Limit,
    Blue,
    Vermilion,
    Green,
    Orange,
    Sky,
    Purple,
}

impl Ink {
    const ALL: [(Ink, (u8, u8, u8), &str); 12] = [
        (Ink::Text, (34, 34, 34), "ink"),
        (Ink::Muted, (96, 96, 96), "mute"),
        (Ink::Grid, (221, 221, 221), "grid"),
        (Ink::Axis, (119, 119, 119), "axis"),
        (Ink::Shade, (238, 238, 238), "shade"),
        (Ink::Limit, (85, 85, 85), "limit"),
        (Ink::Blue, (0x00, 0x72, 0xb2), "blue"),
        (Ink::Vermilion, (0xd5, 0x5e, 0x00), "verm"),
        (Ink::Green, (0x00, 0x9e, 0x73), "green"),
        (Ink::Orange, (0xe6, 0x9f, 0x00), "oran"),
        (Ink::Sky, (0x56, 0xb4, 0xe9), "sky"),
        (Ink::Purple, (0xcc, 0x79, 0xa7), "purp"),
    ];

    /// Inks of series without a role of their own, in the order they are given out.
    pub(crate) const SERIES: [Ink; 6] = [Ink::Blue, Ink::Vermilion, Ink::Green, Ink::Purple, Ink::Orange, Ink::Sky];

    /// Its class in the page.
    pub(crate) fn class(self) -> &'static str {
        Ink::ALL[self as usize].2
    }

    /// A line of this ink.
    pub(crate) fn line(self) -> ShapeStyle {
        Color::stroke_width(&self.rgb(), 1)
    }

    /// An area of this ink.
    pub(crate) fn area(self) -> ShapeStyle {
        self.rgb().filled()
    }

    /// An area that lets what is below shine through.
    pub(crate) fn band(self) -> ShapeStyle {
        self.rgb().mix(0.2).filled()
    }

    /// On its way through plotters.
    pub(crate) fn rgb(self) -> RGBColor {
        let (red, green, blue) = Ink::ALL[self as usize].1;
        RGBColor(red, green, blue)
    }

    fn class_of(color: BackendColor) -> &'static str {
        let found = Ink::ALL.iter().find(|(_, rgb, _)| *rgb == color.rgb);
        found.expect("charts draw in inks only").2
    }
}

/// Where a chart's elements are written.
pub(crate) struct Canvas<'a> {
    out: &'a mut String,
    size: (u32, u32),
}

impl<'a> Canvas<'a> {
    /// A canvas of `width` by `height` pixels that appends to `out`.
    pub(crate) fn new(out: &'a mut String, width: i32, height: i32) -> Canvas<'a> {
        Canvas { out, size: ((width * UNIT) as u32, (height * UNIT) as u32) }
    }

    fn path(&mut self, classes: &str, ink: &str, points: &[BackendCoord], close: bool) {
        let _ = write!(self.out, "<path class=\"{classes} {ink}\" d=\"");
        write_points(self.out, points);
        self.out.push_str(if close { "z\"/>" } else { "\"/>" });
    }
}

type Drawn = Result<(), DrawingErrorKind<std::fmt::Error>>;

impl DrawingBackend for Canvas<'_> {
    type ErrorType = std::fmt::Error;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect(at, (at.0 + UNIT, at.1 + UNIT), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.path("l", Ink::class_of(style.color()), &[from, to], false);
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        let corners = [from, (to.0, from.1), to, (from.0, to.1)];
        self.path(if fill { "f" } else { "l" }, Ink::class_of(style.color()), &corners, true);
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let points: Vec<BackendCoord> = path.into_iter().collect();
        if points.len() > 1 {
            self.path("l", Ink::class_of(style.color()), &simplified(&points), false);
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        let (classes, ink) = (if fill { "f" } else { "l" }, Ink::class_of(style.color()));
        let (x, y, r) = (Tenths(center.0), Tenths(center.1), Tenths(radius as i32));
        let _ = write!(self.out, "<circle class=\"{classes} {ink}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>");
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Drawn {
        let color = style.color();
        let points: Vec<BackendCoord> = points.into_iter().collect();
        let classes = if color.alpha < 1.0 { "b" } else { "f" };
        self.path(classes, Ink::class_of(color), &simplified(&points), true);
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        let size = style.size();
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Center => " mid",
            HPos::Right => " end",
        };
        let drop = match style.anchor().v_pos {
            VPos::Top => 0.95,
            VPos::Center => 0.35,
            VPos::Bottom => -0.2,
        };
        let weight = if matches!(style.style(), plotters_backend::FontStyle::Bold) { " bold" } else { "" };
        let (x, y) = (Tenths(at.0), Tenths(at.1 + (drop * size) as i32));
        let ink = Ink::class_of(style.color());
        let _ = write!(self.out, "<text class=\"{ink}{anchor}{weight}\" x=\"{x}\" y=\"{y}\">");
        escape(self.out, text);
        self.out.push_str("</text>");
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<std::fmt::Error>> {
        Ok(((text_width(text) * style.size()) as u32, style.size() as u32))
    }
}

/// Width of `text` in ems of a usual sans-serif font, a little on the wide side. There is no font engine, and no need.
pub(crate) fn text_width(text: &str) -> f64 {
    let width = |letter: char| match letter {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '!' | '\'' | '\u{202f}' => 0.3,
        ' ' | 'f' | 't' | 'r' | '(' | ')' | '/' | '-' => 0.39,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
        'A'..='Z' => 0.7,
        '\u{2e80}'.. => 1.0,
        _ => 0.62,
    };
    text.chars().map(width).sum()
}

/// A filled box with its own words on hover.
pub(crate) struct Bar {
    /// Two opposite corners in backend units.
    pub corners: [BackendCoord; 2],
    pub ink: Ink,
    pub title: String,
}

impl<'a> PointCollection<'a, BackendCoord> for &'a Bar {
    type Point = &'a BackendCoord;
    type IntoIter = std::slice::Iter<'a, BackendCoord>;
    fn point_iter(self) -> Self::IntoIter {
        self.corners.iter()
    }
}

impl Drawable<Canvas<'_>> for Bar {
    fn draw<I: Iterator<Item = BackendCoord>>(&self, mut at: I, canvas: &mut Canvas<'_>, _: (u32, u32)) -> Drawn {
        let (Some(from), Some(to)) = (at.next(), at.next()) else { return Ok(()) };
        canvas.out.push_str("<g class=\"bar\"><title>");
        escape(canvas.out, &self.title);
        canvas.out.push_str("</title>");
        canvas.draw_rect(from, to, &self.ink.area(), true)?;
        canvas.out.push_str("</g>");
        Ok(())
    }
}

/// Markup between other elements: the start or the end of a group, a shape with its own words.
pub(crate) struct Markup(pub String);

impl PointCollection<'_, BackendCoord> for &Markup {
    type Point = BackendCoord;
    type IntoIter = std::iter::Empty<BackendCoord>;
    fn point_iter(self) -> Self::IntoIter {
        std::iter::empty()
    }
}

impl Drawable<Canvas<'_>> for Markup {
    fn draw<I: Iterator<Item = BackendCoord>>(&self, _: I, canvas: &mut Canvas<'_>, _: (u32, u32)) -> Drawn {
        canvas.out.push_str(&self.0);
        Ok(())
    }
}

/// Short strokes side by side, one for each event; those on the same pixel are one.
pub(crate) struct Rug {
    /// Upper ends in backend units.
    pub tops: Vec<BackendCoord>,
    pub height: i32,
    pub ink: Ink,
}

impl<'a> PointCollection<'a, BackendCoord> for &'a Rug {
    type Point = &'a BackendCoord;
    type IntoIter = std::slice::Iter<'a, BackendCoord>;
    fn point_iter(self) -> Self::IntoIter {
        self.tops.iter()
    }
}

impl Drawable<Canvas<'_>> for Rug {
    fn draw<I: Iterator<Item = BackendCoord>>(&self, at: I, canvas: &mut Canvas<'_>, _: (u32, u32)) -> Drawn {
        let mut tops: Vec<BackendCoord> = at.map(|(x, y)| (x / UNIT * UNIT + UNIT / 2, y)).collect();
        tops.sort_unstable();
        tops.dedup();
        let _ = write!(canvas.out, "<path class=\"l rug {}\" d=\"", self.ink.class());
        for (x, y) in tops {
            let _ = write!(canvas.out, "M{} {}v{}", Tenths(x), Tenths(y), Tenths(self.height));
        }
        canvas.out.push_str("\"/>");
        Ok(())
    }
}

/// A length in backend units, printed in pixels.
struct Tenths(i32);

impl std::fmt::Display for Tenths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, rest) = (self.0 / UNIT, (self.0 % UNIT).abs());
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        if whole == 0 { write!(f, "{sign}.{rest}") } else { write!(f, "{sign}{}.{rest}", whole.abs()) }
    }
}

/// Writes the first point as it is and every other one relative to the one before, which is shorter.
fn write_points(out: &mut String, points: &[BackendCoord]) {
    let Some((&first, rest)) = points.split_first() else { return };
    let _ = write!(out, "M{} {}", Tenths(first.0), Tenths(first.1));
    let mut last = first;
    for &(x, y) in rest {
        let (dx, dy) = (x - last.0, y - last.1);
        let _ = match (dx, dy) {
            (0, 0) => Ok(()),
            (0, _) => write!(out, "v{}", Tenths(dy)),
            (_, 0) => write!(out, "h{}", Tenths(dx)),
            (_, ..0) => write!(out, "l{}{}", Tenths(dx), Tenths(dy)),
            _ => write!(out, "l{} {}", Tenths(dx), Tenths(dy)),
        };
        last = (x, y);
    }
}

/// Ramer–Douglas–Peucker: leaves out the points that no eye would miss.
fn simplified(points: &[BackendCoord]) -> Vec<BackendCoord> {
    let Some(last) = points.len().checked_sub(1) else { return Vec::new() };
    let mut kept = vec![false; points.len()];
    (kept[0], kept[last]) = (true, true);
    let mut spans = vec![(0, last)];
    while let Some((from, to)) = spans.pop() {
        let farthest = (from + 1..to)
            .map(|index| (distance(points[index], points[from], points[to]), index))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((far, index)) = farthest
            && far > STRAY
        {
            kept[index] = true;
            spans.extend([(from, index), (index, to)]);
        }
    }
    points.iter().zip(kept).filter_map(|(point, kept)| kept.then_some(*point)).collect()
}

/// From a point to a segment.
fn distance(point: BackendCoord, from: BackendCoord, to: BackendCoord) -> f64 {
    let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let (px, py) = (f64::from(point.0 - from.0), f64::from(point.1 - from.1));
    let squared = dx * dx + dy * dy;
    let along = if squared == 0.0 { 0.0 } else { ((px * dx + py * dy) / squared).clamp(0.0, 1.0) };
    (px - along * dx).hypot(py - along * dy)
}

pub(crate) fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inks_keep_their_places_in_the_table() {
        for (index, (ink, ..)) in Ink::ALL.iter().enumerate() {
            assert_eq!(*ink as usize, index);
        }
    }

    #[test]
    fn lengths_print_as_short_pixels() {
        for (tenths, text) in [(0, "0"), (7, ".7"), (-7, "-.7"), (120, "12"), (-123, "-12.3")] {
            assert_eq!(Tenths(tenths).to_string(), text);
        }
    }

    #[test]
    fn a_line_keeps_its_corners_and_loses_the_rest() {
        let points: Vec<BackendCoord> = (0..100).map(|x| (x * 10, if x < 50 { 0 } else { 400 })).collect();
        assert_eq!(simplified(&points), [(0, 0), (490, 0), (500, 400), (990, 400)]);
        assert_eq!(simplified(&[]), []);
        assert_eq!(simplified(&[(3, 4)]), [(3, 4)]);
    }

    #[test]
    fn text_is_escaped() {
        let mut out = String::new();
        escape(&mut out, "<script>\"&\"");
        assert_eq!(out, "&lt;script&gt;&quot;&amp;&quot;");
    }
}
