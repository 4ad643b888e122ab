//! From bytes to pixels, with limits: the format is known by its first bytes, sizes are checked before memory is taken,
//! and the way up that the camera noted is restored.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage, metadata::Orientation};

/// Why bytes are no picture for us.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Nothing was sent.
    #[error(
        "there is no picture in the request: send the bytes of a JPEG, PNG or WebP file, or {{\"url\": \"https://…\"}}"
    )]
    Empty,
    /// It is something else.
    #[error("this is no JPEG, PNG or WebP picture: it begins with {0}")]
    UnknownType(String),
    /// Larger than allowed.
    #[error("the picture has {width} × {height} pixels, more than the {limit} allowed")]
    TooManyPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Pixels at most.
        limit: u64,
    },
    /// Within that, but with more bytes for each pixel than colours need.
    #[error("the picture takes {bytes} bytes when decoded, more than {limit}: save it with 8 bits for each colour")]
    TooManyBytes {
        /// Bytes of its pixels.
        bytes: u64,
        /// Bytes at most: four for each pixel allowed.
        limit: u64,
    },
    /// It ends early.
    #[error("the JPEG ends before its end marker: it was cut off on its way here")]
    Truncated,
    /// It cannot be decoded.
    #[error("the picture cannot be decoded: {0}")]
    Broken(String),
}

/// What a decoder may take besides the pixels: for rows that it works on, and for metadata such as colour profiles, which
/// can be compressed to a thousandth.
const DECODER_BYTES: u64 = 16 << 20;

/// Decodes a picture of at most `max_pixels`.
pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<RgbImage, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => format,
        _ => return Err(PictureError::UnknownType(first_bytes(bytes))),
    };
    if format == ImageFormat::Jpeg && !has_end_marker(bytes) {
        return Err(PictureError::Truncated);
    }
    let broken = |error: image::ImageError| PictureError::Broken(error.to_string());
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(DECODER_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(PictureError::TooManyPixels { width, height, limit: max_pixels });
    }
    // Of 16 bits and transparency a pixel has eight bytes.
    let (bytes, limit) = (decoder.total_bytes(), max_pixels.saturating_mul(4));
    if bytes > limit {
        return Err(PictureError::TooManyBytes { bytes, limit });
    }
    // A picture whose metadata cannot be read is shown as it is.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// Whether there is an end marker after the start of a JPEG's pixels. Decoders fill up what is missing with grey and say
/// nothing; whoever sent half a picture wants to know. Thumbnails in the metadata have an end of their own, which lies
/// before.
fn has_end_marker(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4).and_then(|head| head.first_chunk()) {
        match marker {
            0xda => return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]),
            // A fill byte before a marker.
            0xff => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
}

fn first_bytes(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(12)];
    match std::str::from_utf8(start) {
        Ok(text) if text.chars().all(|c| !c.is_control()) => format!("`{text}`"),
        _ => start.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 9) as u8, (y * 9) as u8, 50]));
        picture.write_to(&mut bytes, format).expect("encoding into memory");
        bytes.into_inner()
    }

    #[test]
    fn the_three_formats_are_read() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let picture = decode(&encoded(20, 10, format), 200).expect("a valid picture");
            assert_eq!(picture.dimensions(), (20, 10));
        }
    }

    #[test]
    fn too_many_pixels_are_refused_before_they_are_decoded() {
        let error = decode(&encoded(20, 10, ImageFormat::Png), 199).expect_err("one pixel too many");
        assert!(matches!(error, PictureError::TooManyPixels { width: 20, height: 10, limit: 199 }));
    }

    #[test]
    fn deep_colours_count_twice() {
        let mut bytes = Cursor::new(Vec::new());
        let deep = image::ImageBuffer::<image::Rgba<u16>, _>::new(20, 10);
        DynamicImage::from(deep).write_to(&mut bytes, ImageFormat::Png).expect("encoding into memory");
        assert_eq!(decode(bytes.get_ref(), 400).expect("it fits").dimensions(), (20, 10));
        let error = decode(bytes.get_ref(), 399).expect_err("four bytes too many");
        assert!(matches!(error, PictureError::TooManyBytes { bytes: 1600, limit: 1596 }), "{error}");
    }

    #[test]
    fn a_cut_off_file_is_told_from_a_whole_one() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let whole = encoded(64, 64, format);
            // The last bytes of a PNG are a mark that nothing depends on.
            for end in [4, whole.len() / 2, whole.len() - 20] {
                assert!(decode(&whole[..end], 10_000).is_err(), "{end} of {} bytes of a {format:?}", whole.len());
            }
        }
    }

    #[test]
    fn something_else_is_named() {
        let error = decode(b"<html><body>", 100).expect_err("a page is no picture");
        assert_eq!(error.to_string(), "this is no JPEG, PNG or WebP picture: it begins with `<html><body>`");
        assert!(matches!(decode(b"", 100), Err(PictureError::Empty)));
        assert!(decode(&[0; 40], 100).expect_err("zeros").to_string().contains("00 00"));
    }

    /// A JPEG with an EXIF block that says "turned by 90 degrees" in front of its pixels.
    #[test]
    fn the_way_up_is_restored() {
        let plain = encoded(20, 10, ImageFormat::Jpeg);
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let mut turned = plain[..2].to_vec();
        turned.extend([0xff, 0xe1]);
        turned.extend((exif.len() as u16 + 2).to_be_bytes());
        turned.extend(exif);
        turned.extend(&plain[2..]);
        assert_eq!(decode(&turned, 1000).expect("a valid picture").dimensions(), (10, 20));
    }
}
