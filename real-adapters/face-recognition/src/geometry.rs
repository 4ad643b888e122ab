//! Points and rectangles, in pixels from the upper left corner of the picture.

use image::RgbImage;
use serde::Serialize;

/// A place in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// A rectangle, which may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Area {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// To the right edge.
    pub width: f64,
    /// To the lower edge.
    pub height: f64,
}

/// A rectangle of whole pixels inside a picture, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Frame {
    /// The whole picture.
    pub(crate) fn of(picture: &RgbImage) -> Self {
        Self { x: 0, y: 0, width: picture.width(), height: picture.height() }
    }
}

impl Area {
    /// The share of two rectangles in what they cover together, from 0 to 1.
    pub fn overlap(&self, other: &Self) -> f64 {
        let shared =
            |a: f64, a_length: f64, b: f64, b_length: f64| ((a + a_length).min(b + b_length) - a.max(b)).max(0.0);
        let both =
            shared(self.x, self.width, other.x, other.width) * shared(self.y, self.height, other.y, other.height);
        let all = self.width * self.height + other.width * other.height - both;
        if all > 0.0 { both / all } else { 0.0 }
    }

    /// The part inside the picture: corner and sides rounded down, as the face-api package does. `None` if empty.
    pub(crate) fn clipped(&self, picture: &RgbImage) -> Option<Frame> {
        if ![self.x, self.y, self.width, self.height].iter().all(|number| number.is_finite()) {
            return None;
        }
        let (x, y) = (self.x.max(0.0), self.y.max(0.0));
        let inside = |start: f64, end: f64, limit: u32| (end - start).min(f64::from(limit) - start).floor();
        let width = inside(x, self.x + self.width, picture.width());
        let height = inside(y, self.y + self.height, picture.height());
        (width >= 1.0 && height >= 1.0).then_some(Frame {
            x: x as u32,
            y: y as u32,
            width: width as u32,
            height: height as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(x: f64, y: f64, width: f64, height: f64) -> Area {
        Area { x, y, width, height }
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        assert_eq!(area(0.0, 0.0, 2.0, 2.0).overlap(&area(1.0, 0.0, 2.0, 2.0)), 2.0 / 6.0);
        assert_eq!(area(0.0, 0.0, 2.0, 2.0).overlap(&area(5.0, 0.0, 2.0, 2.0)), 0.0);
        assert_eq!(area(0.0, 0.0, 0.0, 0.0).overlap(&area(0.0, 0.0, 0.0, 0.0)), 0.0);
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let picture = RgbImage::new(10, 8);
        let clipped = area(-2.5, 3.2, 9.9, 20.0).clipped(&picture);
        assert_eq!(clipped, Some(Frame { x: 0, y: 3, width: 7, height: 4 }));
        assert_eq!(area(10.0, 0.0, 5.0, 5.0).clipped(&picture), None);
        assert_eq!(area(f64::NAN, 0.0, f64::NAN, 5.0).clipped(&picture), None);
        assert_eq!(area(f64::INFINITY, 0.0, 5.0, 5.0).clipped(&picture), None);
    }
}
