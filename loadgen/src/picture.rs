//! A picture to post where no photo is at hand: three faces in plain strokes before a noisy wall, which detectors find. How long
//! a detector takes depends on the number of pixels and on how much of them looks like a face, so neither is left out.

use faas_lab_model::rng::{Seed, Uniforms as _};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageResult, Rgb, RgbImage};

/// As cameras have it.
const QUALITY: u8 = 85;

/// A JPEG of so many pixels.
///
/// # Errors
/// The encoder's.
pub fn jpeg(width: u32, height: u32) -> ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&drawn(width, height))?;
    Ok(bytes)
}

/// Grey values of a place in a face, whose centre is the origin and whose half height is one; `None` beside it.
fn face(x: f32, y: f32) -> Option<f32> {
    let within = |cx: f32, cy: f32, rx: f32, ry: f32| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 1.0;
    // Light comes from above, and sides turn away from it.
    let skin = 205.0 - 70.0 * x * x - 25.0 * y;
    let side = x.abs();
    let dark = [
        (within(0.0, 0.47, 0.3, 0.065), 85.0),                                  // mouth
        ((0.04..0.14).contains(&side) && (0.17..0.23).contains(&y), 90.0),      // nostrils
        ((side - 0.31).powi(2) + (y + 0.12).powi(2) < 0.055_f32.powi(2), 30.0), // pupils
        (((side - 0.31) / 0.15).powi(2) + ((y + 0.12) / 0.07).powi(2) < 1.0, 150.0),
        ((0.14..0.5).contains(&side) && (y + 0.3 - 0.1 * (side - 0.3)).abs() < 0.045, 60.0), // brows
        (((side - 0.31) / 0.23).powi(2) + ((y + 0.14) / 0.15).powi(2) < 1.0, skin - 45.0),   // eye sockets
        ((0.05..0.12).contains(&side) && (-0.1..0.2).contains(&y), skin - 20.0),             // nose
    ];
    if within(0.0, 0.05, 0.72, 0.95) && y > -0.62 + 0.25 * x * x {
        return Some(dark.into_iter().find(|(here, _)| *here).map_or(skin, |(_, grey)| grey));
    }
    within(0.0, -0.12, 0.82, 1.0).then_some(if y < 0.4 { 45.0 } else { 130.0 })
}

fn drawn(width: u32, height: u32) -> RgbImage {
    let mut noise = Seed(0).stream("picture");
    // Faces in a row, as in a group photo, of different sizes.
    let sizes = [0.3, 0.22, 0.26];
    let (across, down) = (width as f32, height as f32);
    let unit = down.min(across * 0.6);
    let at = |x: u32, y: u32| {
        let (x, y) = (x as f32, y as f32);
        let drawn = sizes.iter().enumerate().find_map(|(index, size)| {
            let centre = across * (2 * index + 1) as f32 / (2 * sizes.len()) as f32;
            face((x - centre) / (size * unit), (y - down * 0.5) / (size * unit))
        });
        drawn.map_or((90.0 + 80.0 * y / down, false), |grey| (grey, true))
    };
    RgbImage::from_fn(width, height, |x, y| {
        let (grey, warm) = at(x, y);
        let grey = grey + (noise.bits() % 17) as f32 - 8.0;
        let tint = if warm { [1.0, 0.85, 0.75] } else { [0.9, 0.95, 1.0] };
        Rgb(tint.map(|share| (grey * share).clamp(0.0, 255.0) as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_jpeg_of_that_size_and_always_the_same() {
        let bytes = jpeg(320, 200).expect("drawn");
        let read = image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg).expect("a JPEG");
        assert_eq!((read.width(), read.height()), (320, 200));
        assert_eq!(bytes, jpeg(320, 200).expect("drawn"));
        let small = jpeg(16, 16).expect("drawn");
        assert!(small.len() < bytes.len());
    }
}
