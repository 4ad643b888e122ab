//! How a picture becomes the input of a network: padded with black to a square, scaled, its mean taken off.
//!
//! Scaling is TensorFlow's bilinear one without half-pixel centres: output pixel i looks at i · scale, between the two
//! pixels around, and never beyond. It is what the networks were trained and are compared with.

use image::RgbImage;

use crate::geometry::Frame;

/// How bytes become numbers: (x − mean) · factor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normalization {
    /// Taken off red, green and blue, in 0 … 255.
    pub(crate) mean: [f32; 3],
    /// Then multiplied.
    pub(crate) factor: f32,
}

/// Where the black goes that makes a picture square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// All of it below or to the right.
    After,
    /// Half of it on each side; the odd row or column after.
    Around,
}

/// The part `frame` of `picture` as three planes of `size` × `size`.
pub(crate) fn square_planes(
    picture: &RgbImage,
    frame: Frame,
    size: usize,
    padding: Padding,
    normalization: Normalization,
) -> Vec<f32> {
    let side = frame.width.max(frame.height) as usize;
    let before = |length: u32| match padding {
        Padding::After => 0,
        Padding::Around => (side - length as usize) / 2,
    };
    let columns = taps(side, size, frame.width as usize, before(frame.width));
    let rows = taps(side, size, frame.height as usize, before(frame.height));

    let stride = picture.width() as usize * 3;
    let bytes = picture.as_raw();
    let start = frame.y as usize * stride + frame.x as usize * 3;
    let area = size * size;
    let mut planes = vec![0.0; 3 * area];
    let (red, rest) = planes.split_at_mut(area);
    let (green, blue) = rest.split_at_mut(area);
    let line = |row: Option<usize>| row.map(|row| &bytes[start + row * stride..][..frame.width as usize * 3]);
    for (y, row) in rows.iter().enumerate() {
        let (upper, lower) = (line(row.first), line(row.second));
        for (x, column) in columns.iter().enumerate() {
            let pixel = |line: Option<&[u8]>, at: Option<usize>| match (line, at) {
                (Some(line), Some(at)) => {
                    [f32::from(line[at * 3]), f32::from(line[at * 3 + 1]), f32::from(line[at * 3 + 2])]
                }
                _ => [0.0; 3],
            };
            let corners = [
                pixel(upper, column.first),
                pixel(upper, column.second),
                pixel(lower, column.first),
                pixel(lower, column.second),
            ];
            let channel = |c: usize| {
                let top = corners[0][c] + (corners[1][c] - corners[0][c]) * column.share;
                let bottom = corners[2][c] + (corners[3][c] - corners[2][c]) * column.share;
                (top + (bottom - top) * row.share - normalization.mean[c]) * normalization.factor
            };
            let at = y * size + x;
            (red[at], green[at], blue[at]) = (channel(0), channel(1), channel(2));
        }
    }
    planes
}

/// The two pixels that one output pixel is made of, `None` for black, and the share of the second.
struct Tap {
    first: Option<usize>,
    second: Option<usize>,
    share: f32,
}

/// `side` pixels, of which `inside` after the first `before` belong to the picture, become `size`.
fn taps(side: usize, size: usize, inside: usize, before: usize) -> Vec<Tap> {
    let scale = side as f32 / size as f32;
    let own = |at: usize| at.checked_sub(before).filter(|at| *at < inside);
    let tap = |i: usize| {
        let place = i as f32 * scale;
        let first = (place as usize).min(side - 1);
        let second = (first + 1).min(side - 1);
        Tap { first: own(first), second: own(second), share: place - first as f32 }
    };
    (0..size).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Normalization = Normalization { mean: [0.0; 3], factor: 1.0 };

    #[test]
    fn a_wide_picture_is_padded_below_or_on_both_sides() {
        let picture = RgbImage::from_fn(3, 2, |x, y| image::Rgb([10 * (x + 1) as u8, y as u8 + 1, 7]));
        let frame = Frame::of(&picture);
        let after = square_planes(&picture, frame, 3, Padding::After, PLAIN);
        assert_eq!(after[..9], [10.0, 20.0, 30.0, 10.0, 20.0, 30.0, 0.0, 0.0, 0.0]);
        assert_eq!(after[18..], [7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 0.0, 0.0, 0.0]);
        let thin = square_planes(&picture, Frame { x: 0, y: 0, width: 3, height: 1 }, 3, Padding::Around, PLAIN);
        assert_eq!(thin[..9], [0.0, 0.0, 0.0, 10.0, 20.0, 30.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn scaling_looks_from_the_upper_left_corner() {
        let picture = RgbImage::from_fn(2, 2, |x, _| image::Rgb([(x * 100) as u8; 3]));
        let planes = square_planes(&picture, Frame::of(&picture), 4, Padding::After, PLAIN);
        assert_eq!(planes[..4], [0.0, 50.0, 100.0, 100.0]);
    }
}
