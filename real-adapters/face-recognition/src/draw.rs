//! Boxes and labels on a picture, readable on any: white text on a coloured plate, lines with a dark rim.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width};

use crate::geometry::{Area, Point};

/// Blue for a known face, dark orange for an unknown one (Okabe–Ito hues, dark enough for white text).
const KNOWN: Rgb<u8> = Rgb([0, 90, 150]);
const UNKNOWN: Rgb<u8> = Rgb([170, 70, 0]);
const WHITE: Rgb<u8> = Rgb([255, 255, 255]);
const RIM: Rgb<u8> = Rgb([0, 0, 0]);

/// What is written at a face.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// One line.
    pub text: String,
    /// Whether the face is somebody's that we know.
    pub known: bool,
}

/// Draws the box around a face and its label above it, or inside where there is no room above.
pub fn face(picture: &mut RgbImage, area: Area, label: &Label) {
    let colour = if label.known { KNOWN } else { UNKNOWN };
    let thickness = (picture.width().max(picture.height()) / 480).clamp(1, 6) as i32 + 1;
    let (left, top) = (pixel(area.x), pixel(area.y));
    let (right, bottom) = (pixel(area.x + area.width), pixel(area.y + area.height));
    for ring in -1..=thickness {
        let ink = if ring == -1 || ring == thickness { RIM } else { colour };
        fill(picture, left - ring, top - ring, right + ring, top - ring + 1, ink);
        fill(picture, left - ring, bottom + ring - 1, right + ring, bottom + ring, ink);
        fill(picture, left - ring, top - ring, left - ring + 1, bottom + ring, ink);
        fill(picture, right + ring - 1, top - ring, right + ring, bottom + ring, ink);
    }
    write(picture, left - thickness, top - thickness, &label.text, colour);
}

/// Draws landmarks as dots.
pub fn landmarks(picture: &mut RgbImage, points: &[Point]) {
    let radius = (picture.width().max(picture.height()) / 960).clamp(1, 3) as i32;
    for point in points {
        let (x, y) = (pixel(point.x), pixel(point.y));
        fill(picture, x - radius - 1, y - radius - 1, x + radius + 2, y + radius + 2, RIM);
        fill(picture, x - radius, y - radius, x + radius + 1, y + radius + 1, WHITE);
    }
}

/// The nearest pixel; what is far outside stays outside, near enough to calculate with.
fn pixel(at: f64) -> i32 {
    at.round().clamp(-1e8, 1e8) as i32
}

/// Fills from `left` and `top` up to, not including, `right` and `bottom`, as far as that lies in the picture.
fn fill(picture: &mut RgbImage, left: i32, top: i32, right: i32, bottom: i32, colour: Rgb<u8>) {
    let within = |value: i32, limit: u32| u32::try_from(value).unwrap_or(0).min(limit);
    for y in within(top, picture.height())..within(bottom, picture.height()) {
        for x in within(left, picture.width())..within(right, picture.width()) {
            picture.put_pixel(x, y, colour);
        }
    }
}

/// Writes on a plate whose lower left corner is at (x, y), moved so that as much as possible is in the picture.
fn write(picture: &mut RgbImage, x: i32, y: i32, text: &str, plate: Rgb<u8>) {
    let size = match picture.width().max(picture.height()) {
        0..800 => RasterHeight::Size16,
        800..1600 => RasterHeight::Size24,
        _ => RasterHeight::Size32,
    };
    let advance = get_raster_width(FontWeight::Bold, size) as i32;
    let (pad, height) = (advance / 2, size.val() as i32);
    let width = advance * text.chars().count() as i32 + 2 * pad;
    let x = x.min(picture.width() as i32 - width).max(0);
    let y = if y < height { y.max(0) + height + pad } else { y };
    fill(picture, x, y - height, x + width, y, plate);
    for (i, character) in text.chars().enumerate() {
        let glyph = glyph(character, size);
        for (row, line) in glyph.raster().iter().enumerate() {
            for (column, share) in line.iter().enumerate() {
                let (px, py) = (x + pad + advance * i as i32 + column as i32, y - height + row as i32);
                if let (Ok(px), Ok(py)) = (u32::try_from(px), u32::try_from(py))
                    && let Some(pixel) = picture.get_pixel_mut_checked(px, py)
                {
                    for (channel, ink) in pixel.0.iter_mut().zip(WHITE.0) {
                        let share = u16::from(*share);
                        *channel = ((u16::from(*channel) * (255 - share) + u16::from(ink) * share) / 255) as u8;
                    }
                }
            }
        }
    }
}

/// A letter of the font, or a question mark for one that it does not have.
fn glyph(character: char, size: RasterHeight) -> RasterizedChar {
    get_raster(character, FontWeight::Bold, size)
        .or_else(|| get_raster('?', FontWeight::Bold, size))
        .expect("the font has a question mark")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_that_reaches_beyond_the_picture_is_drawn_as_far_as_it_goes() {
        let mut picture = RgbImage::new(60, 40);
        let label = Label { text: "Ünknown → 97 %".to_owned(), known: false };
        face(&mut picture, Area { x: -1e9, y: -20.0, width: 2e9, height: 45.0 }, &label);
        face(&mut picture, Area { x: 50.0, y: 30.0, width: 500.0, height: 500.0 }, &label);
        landmarks(&mut picture, &[Point { x: -5.0, y: 1e12 }, Point { x: 59.0, y: 39.0 }]);
        assert!(picture.pixels().any(|pixel| *pixel == UNKNOWN));
        assert_eq!(*picture.get_pixel(59, 39), WHITE);
    }
}
