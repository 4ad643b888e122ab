//! `bw`: makes a colour photo a black-and-white one.
//!
//! JPEG, PNG or WebP in, greyscale JPEG out, upright whatever way the camera was held. Callers show the key that the
//! secret `bw-api-key` holds.

use std::io::{self, Cursor};
use std::path::PathBuf;

use http::{HeaderMap, StatusCode, header};
use image::codecs::jpeg::JpegEncoder;
use image::{
    DynamicImage, GrayImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits, Luma, Pixel as _,
};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use crate::call::Answer;
use crate::secret;
use crate::settings::{Lookup, SettingError, number};

/// The secret that holds the key.
pub(crate) const SECRET: &str = "bw-api-key";

/// Bytes that a pixel needs at most while it is decoded: four channels of four bytes, in two copies.
const BYTES_PER_PIXEL: u64 = 32;

#[derive(Clone, Debug)]
pub(crate) struct Bw {
    secrets: PathBuf,
    pub(crate) max_bytes: usize,
    max_pixels: u64,
    quality: u8,
}

/// Why a picture was refused.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("the API key is missing: send it as the header X-Api-Key, or as Authorization: Bearer KEY")]
    NoKey,
    #[error("the API key is wrong")]
    WrongKey,
    #[error("this function has no API key: create the secret {SECRET} and deploy the function with it ({0})")]
    NoSecret(io::Error),
    #[error("there is no picture: send the bytes of a JPEG, PNG or WebP file as the body")]
    Empty,
    #[error("{0} bytes are more than the {1} that are allowed")]
    TooManyBytes(usize, usize),
    #[error("{0} × {1} pixels are more than the {2} that are allowed")]
    TooManyPixels(u32, u32, u64),
    #[error("this is not a JPEG, PNG or WebP picture")]
    NotAPicture,
    #[error("the picture is broken: {0}")]
    Broken(ImageError),
    #[error("the picture cannot be written: {0}")]
    Unwritten(ImageError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::NoKey | Refusal::WrongKey => StatusCode::UNAUTHORIZED,
            Refusal::Empty => StatusCode::BAD_REQUEST,
            Refusal::TooManyBytes(..) | Refusal::TooManyPixels(..) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::NotAPicture => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::Broken(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::NoSecret(_) | Refusal::Unwritten(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        let answer = Answer::refuse(refusal.status(), refusal.to_string());
        match refusal.status() {
            StatusCode::UNAUTHORIZED => {
                answer.header(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"))
            }
            _ => answer,
        }
    }
}

impl Bw {
    /// From `MAX_BYTES` (default 20 MB), `MAX_PIXELS` (default 40 million) and `QUALITY` (of the JPEG, default 85).
    pub(crate) fn from_settings(lookup: Lookup<'_>) -> Result<Bw, SettingError> {
        Ok(Bw {
            secrets: secret::folder(lookup),
            max_bytes: number(lookup, "MAX_BYTES", 1..=1 << 30)?.unwrap_or(20_000_000),
            max_pixels: number(lookup, "MAX_PIXELS", 1..=1_000_000_000)?.unwrap_or(40_000_000),
            quality: number(lookup, "QUALITY", 1..=100)?.unwrap_or(85),
        })
    }

    /// Whether the headers show the key. It is compared in constant time.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let bearer = || headers.get(header::AUTHORIZATION)?.as_bytes().strip_prefix(b"Bearer ");
        let shown = headers.get("x-api-key").map(|value| value.as_bytes()).or_else(bearer);
        self.admit_key(shown)
    }

    /// Whether `shown` is the key.
    pub(crate) fn admit_key(&self, shown: Option<&[u8]>) -> Result<(), Refusal> {
        let key = secret::read(&self.secrets, SECRET).map_err(Refusal::NoSecret)?;
        if key.is_empty() {
            return Err(Refusal::NoSecret(io::Error::new(io::ErrorKind::InvalidData, "it is empty")));
        }
        match shown {
            None => Err(Refusal::NoKey),
            Some(shown) if bool::from(shown.trim_ascii().ct_eq(&key)) => Ok(()),
            Some(_) => Err(Refusal::WrongKey),
        }
    }

    /// The picture as a greyscale JPEG. Blocks while it works.
    pub(crate) fn convert(&self, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        if bytes.is_empty() {
            return Err(Refusal::Empty);
        }
        if bytes.len() > self.max_bytes {
            return Err(Refusal::TooManyBytes(bytes.len(), self.max_bytes));
        }
        let grey = grey(self.decode(bytes)?);
        let mut out = Vec::new();
        JpegEncoder::new_with_quality(&mut out, self.quality).encode_image(&grey).map_err(Refusal::Unwritten)?;
        Ok(out)
    }

    /// Decodes, and turns the picture as its EXIF data say. Sizes are checked before there is memory for pixels.
    fn decode(&self, bytes: &[u8]) -> Result<DynamicImage, Refusal> {
        let format = match image::guess_format(bytes) {
            Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => format,
            _ => return Err(Refusal::NotAPicture),
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::default();
        limits.max_alloc = Some(self.max_pixels.saturating_mul(BYTES_PER_PIXEL));
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(Refusal::Broken)?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(Refusal::TooManyPixels(width, height, self.max_pixels));
        }
        // A picture whose EXIF data make no sense is as upright as we can know.
        let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(Refusal::Broken)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    }
}

/// What is transparent becomes white, as on paper.
fn grey(picture: DynamicImage) -> GrayImage {
    if !picture.color().has_alpha() {
        return picture.into_luma8();
    }
    let picture = picture.into_luma_alpha8();
    let paper = |pixel: &image::LumaA<u8>| {
        let mut under = image::LumaA([u8::MAX, u8::MAX]);
        under.blend(pixel);
        Luma([under.0[0]])
    };
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| paper(picture.get_pixel(x, y)))
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn bw(settings: &'static [(&'static str, &'static str)]) -> Bw {
        let lookup =
            |asked: &str| settings.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
        Bw::from_settings(&lookup).unwrap()
    }

    /// Left half red, right half white, 64 × 32.
    fn photo() -> RgbImage {
        RgbImage::from_fn(64, 32, |x, _| if x < 32 { Rgb([200, 0, 0]) } else { Rgb([255; 3]) })
    }

    fn encode(format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        photo().write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    fn decode(bytes: &[u8]) -> DynamicImage {
        image::load_from_memory_with_format(bytes, ImageFormat::Jpeg).unwrap()
    }

    #[test]
    fn pictures_of_all_three_kinds_become_grey() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let out = decode(&bw(&[]).convert(&encode(format)).unwrap());
            assert_eq!(out.color(), image::ColorType::L8, "{format:?}");
            let grey = out.into_luma8();
            assert_eq!(grey.dimensions(), (64, 32));
            // Red weighs 0.2126 in Rec. 709.
            assert!(grey.get_pixel(8, 8).0[0].abs_diff(43) < 6, "{:?}", grey.get_pixel(8, 8));
            assert!(grey.get_pixel(56, 8).0[0] > 250);
        }
    }

    /// Orientation 6: the camera was held upright, the right side of the stored picture is the bottom.
    #[test]
    fn a_photo_comes_out_upright() {
        let mut exif = b"II*\0\x08\0\0\0\x01\0".to_vec();
        exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
        let mut out = Vec::new();
        let mut encoder = JpegEncoder::new(&mut out);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.write_image(&photo(), 64, 32, ExtendedColorType::Rgb8).unwrap();
        let grey = decode(&bw(&[]).convert(&out).unwrap()).into_luma8();
        assert_eq!(grey.dimensions(), (32, 64));
        assert!(grey.get_pixel(8, 8).0[0] < 60 && grey.get_pixel(8, 56).0[0] > 250);
    }

    #[test]
    fn what_is_transparent_becomes_white() {
        let picture = RgbaImage::from_pixel(8, 8, Rgba([0, 0, 0, 0]));
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, ImageFormat::Png).unwrap();
        assert!(decode(&bw(&[]).convert(&out.into_inner()).unwrap()).into_luma8().get_pixel(4, 4).0[0] > 250);
    }

    #[test]
    fn what_is_no_picture_is_refused_with_its_reason() {
        let status = |bytes: &[u8]| bw(&[]).convert(bytes).unwrap_err().status().as_u16();
        assert_eq!(status(b""), 400);
        assert_eq!(status(b"GIF89a\x01\0\x01\0"), 415);
        assert_eq!(status(b"<svg/>"), 415);
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let whole = encode(format);
            assert_eq!(status(&whole[..12]), 422, "{format:?}");
        }
        let png = encode(ImageFormat::Png);
        assert_eq!(status(&png[..png.len() / 2]), 422);
    }

    /// A file of some hundred bytes that says it is 65535 × 65535.
    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let mut png = encode(ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        let refusal = bw(&[]).convert(&png).unwrap_err();
        assert_eq!(refusal.status(), StatusCode::PAYLOAD_TOO_LARGE, "{refusal}");
        assert!(matches!(
            bw(&[("MAX_PIXELS", "2047")]).convert(&encode(ImageFormat::WebP)),
            Err(Refusal::TooManyPixels(64, 32, 2047))
        ));
        assert!(matches!(
            bw(&[("MAX_BYTES", "10")]).convert(&encode(ImageFormat::Jpeg)),
            Err(Refusal::TooManyBytes(..))
        ));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
        })
    }

    #[test]
    fn only_the_key_opens() {
        let folder = tempfile::tempdir().unwrap();
        let mut bw = bw(&[]);
        bw.secrets = folder.path().to_owned();
        assert!(matches!(bw.admit_key(Some(b"k")), Err(Refusal::NoSecret(_))));
        std::fs::write(folder.path().join(SECRET), "\n").unwrap();
        assert!(matches!(bw.admit_key(Some(b"")), Err(Refusal::NoSecret(_))));
        std::fs::write(folder.path().join(SECRET), "open sesame\n").unwrap();
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(header::HeaderName::from_static(name), header::HeaderValue::from_static(value))])
        };
        assert!(bw.admit(&headers("x-api-key", "open sesame")).is_ok());
        assert!(bw.admit(&headers("authorization", "Bearer open sesame")).is_ok());
        assert!(matches!(bw.admit(&headers("x-api-key", "open")), Err(Refusal::WrongKey)));
        assert!(matches!(bw.admit(&headers("authorization", "Basic YTpi")), Err(Refusal::NoKey)));
        assert!(matches!(bw.admit(&HeaderMap::new()), Err(Refusal::NoKey)));
    }
}
