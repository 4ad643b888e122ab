//! What is done with a picture: faces are found, described, given names, drawn.

use std::{io::Cursor, sync::Arc, time::Instant};

use http::StatusCode;
use image::{ExtendedColorType, ImageEncoder, RgbImage, codecs};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    detect::{DetectorKind, Face, Seeta},
    draw::{self, Label},
    fetch::Fetcher,
    geometry::{Area, Point},
    models::Models,
    nets::{Descriptor, Landmarks},
    people::{Everybody, Match, People},
    picture,
    refusal::Refusal,
    room::Room,
    settings::{Options, Output, Settings},
};

/// The function: settings, models, people. Shared by all requests.
pub struct Function {
    /// How it was set up.
    pub settings: Settings,
    /// The networks.
    pub models: Models,
    /// Who is known.
    pub people: People,
    /// How pictures named by URL are had.
    pub fetcher: Fetcher,
    /// Where the bytes of pictures wait.
    pub room: Room,
    /// As many pictures as are worked on at a time.
    workers: Arc<Semaphore>,
}

/// A face and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Where it is.
    pub face: Face,
    /// Its landmarks, where descriptor or landmarks were wanted.
    pub landmarks: Option<Landmarks>,
    /// Its descriptor, where that or a name was wanted.
    pub descriptor: Option<Descriptor>,
    /// The nearest person, near enough or not, where a name was wanted.
    pub nearest: Option<Match>,
}

/// How long the parts took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spent {
    /// From bytes to pixels, in milliseconds.
    pub decode: f64,
    /// From pixels to faces.
    pub detect: f64,
    /// From faces to landmarks, descriptors and names.
    pub recognize: f64,
}

/// A picture and its faces.
pub struct Analysis {
    /// The picture, the right way up.
    pub picture: RgbImage,
    /// Its faces, best first.
    pub findings: Vec<Finding>,
    /// How long it took.
    pub spent: Spent,
}

impl Function {
    /// The function as `settings` want it. Models are loaded later.
    pub fn new(settings: Settings) -> Self {
        let models = Models::new(&settings.models);
        let people = People::new(&settings.people);
        let fetcher = Fetcher::new(settings.fetch);
        let room = Room::new(settings.fetch.max_bytes);
        let workers = Arc::new(Semaphore::new(settings.workers));
        Self { settings, models, people, fetcher, room, workers }
    }

    /// Waits until a worker is free.
    pub(crate) async fn worker(&self) -> OwnedSemaphorePermit {
        self.workers.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Loads what most requests need, so that the first does not have to wait.
    pub fn warm_up(&self) -> Result<(), Refusal> {
        Seeta::warm_up();
        if self.models.are_installed() {
            self.models.landmarker()?;
            self.models.describer()?;
        }
        Ok(())
    }

    /// Decodes a picture and finds what `options` ask for.
    pub fn analyse(&self, bytes: &[u8], options: &Options) -> Result<Analysis, Refusal> {
        let start = Instant::now();
        let picture = picture::decode(bytes, self.settings.max_pixels)?;
        let decoded = Instant::now();
        let faces = self.detect(&picture, options, start)?;
        let detected = Instant::now();
        let findings = self.recognize_all(&picture, faces, options, start)?;
        let spent = Spent {
            decode: milliseconds(start, decoded),
            detect: milliseconds(decoded, detected),
            recognize: milliseconds(detected, Instant::now()),
        };
        Ok(Analysis { picture, findings, spent })
    }

    /// Finds what `options` ask for in a picture.
    pub fn findings(&self, picture: &RgbImage, options: &Options) -> Result<Vec<Finding>, Refusal> {
        let start = Instant::now();
        let faces = self.detect(picture, options, start)?;
        self.recognize_all(picture, faces, options, start)
    }

    fn recognize_all(
        &self,
        picture: &RgbImage,
        faces: Vec<Face>,
        options: &Options,
        start: Instant,
    ) -> Result<Vec<Finding>, Refusal> {
        let wanted = options.recognize.unwrap_or_else(|| self.models.are_installed());
        let people = if wanted { Some(self.people.everybody()?) } else { None };
        // Unless told to look, it does so where there is somebody to find.
        let people = people.filter(|people| options.recognize.is_some() || !people.is_empty());
        let recognize = |face| match start.elapsed() < self.settings.work_timeout {
            true => self.recognize(picture, face, options, people.as_deref()),
            false => Err(self.too_slow()),
        };
        faces.into_iter().map(recognize).collect()
    }

    fn detect(&self, picture: &RgbImage, options: &Options, start: Instant) -> Result<Vec<Face>, Refusal> {
        self.can(options)?;
        let detect = &options.detect;
        let faces = match detect.detector {
            DetectorKind::Seeta => {
                self.has_room_for(picture, detect.min_size)?;
                let is_time = || start.elapsed() < self.settings.work_timeout;
                Seeta.detect_while(picture, detect, is_time).ok_or_else(|| self.too_slow())?
            }
            DetectorKind::Tiny => self.models.tiny(detect.input_size)?.detect(picture, detect.threshold())?,
            DetectorKind::Ssd => self.models.ssd()?.detect(picture, detect.threshold())?,
        };
        Ok(detect.select(picture, faces))
    }

    /// SeetaFace doubles a picture to find faces half as large: the limit of pixels holds for what it looks at.
    fn has_room_for(&self, picture: &RgbImage, min_size: u32) -> Result<(), Refusal> {
        let pixels = |size: u32| Seeta::pixels(picture, size);
        let limit = self.settings.max_pixels as f64;
        if pixels(min_size) <= limit {
            return Ok(());
        }
        let enough = (min_size..).find(|size| pixels(*size) <= limit).unwrap_or(u32::MAX);
        let reason = format!(
            "min_size={min_size} makes SeetaFace look at {:.0} pixels, more than the {limit} allowed (MAX_PIXELS): write \
             min_size={enough} or more for this picture",
            pixels(min_size)
        );
        Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason))
    }

    fn too_slow(&self) -> Refusal {
        let reason = format!(
            "this picture is not done within {:?} (WORK_TIMEOUT_SECONDS): send a smaller one, or set min_size or max_faces",
            self.settings.work_timeout
        );
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
    }

    fn recognize(
        &self,
        picture: &RgbImage,
        face: Face,
        options: &Options,
        people: Option<&Everybody>,
    ) -> Result<Finding, Refusal> {
        let mut finding = Finding { face, landmarks: None, descriptor: None, nearest: None };
        let describe = people.is_some() || options.descriptor;
        if !describe && !options.landmarks {
            return Ok(finding);
        }
        finding.landmarks = self.models.landmarker()?.find(picture, face.area)?;
        if let Some(landmarks) = finding.landmarks.as_ref().filter(|_| describe) {
            finding.descriptor = self.models.describer()?.describe(picture, landmarks.aligned())?;
        }
        if let (Some(people), Some(descriptor)) = (people, &finding.descriptor) {
            finding.nearest = people.nearest(descriptor);
        }
        Ok(finding)
    }

    /// Whether what `options` ask for can be done here: 501 where it takes models that are not installed.
    pub(crate) fn can(&self, options: &Options) -> Result<(), Refusal> {
        match options.detect.detector {
            DetectorKind::Seeta => {}
            DetectorKind::Tiny => self.need_models("the tiny detector")?,
            DetectorKind::Ssd => self.need_models("the SSD detector")?,
        }
        if options.landmarks || options.descriptor || options.recognize == Some(true) {
            self.need_models("recognition")?;
        }
        Ok(())
    }

    /// 501 with what to do about it, where the models are not installed.
    pub fn need_models(&self, what: &str) -> Result<(), Refusal> {
        if self.models.are_installed() {
            return Ok(());
        }
        let reason = format!(
            "{what} needs the face-api models, which are not in {}: run `faas-lab-face fetch-models` where npm is, or name \
             their folder in FACE_MODELS",
            self.models.folder().display()
        );
        Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, reason))
    }
}

impl Analysis {
    /// The picture with boxes, names and scores, encoded.
    pub fn drawn(self, options: &Options, output: Output) -> Result<Vec<u8>, Refusal> {
        let Self { mut picture, findings, .. } = self;
        for finding in findings.iter().rev() {
            if let Some(landmarks) = finding.landmarks.as_ref().filter(|_| options.landmarks) {
                draw::landmarks(&mut picture, &landmarks.points);
            }
            draw::face(&mut picture, finding.face.area, &finding.label(options));
        }
        let mut bytes = Cursor::new(Vec::new());
        let (width, height) = picture.dimensions();
        let encoded = match output {
            Output::Png => codecs::png::PngEncoder::new(&mut bytes).write_image(
                picture.as_raw(),
                width,
                height,
                ExtendedColorType::Rgb8,
            ),
            _ => codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, options.quality).encode(
                picture.as_raw(),
                width,
                height,
                ExtendedColorType::Rgb8,
            ),
        };
        encoded.map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("encoding: {error}")))?;
        Ok(bytes.into_inner())
    }

    /// What is sent as JSON.
    pub fn report(&self, options: &Options) -> Report {
        let face = |finding: &Finding| FaceReport {
            area: finding.face.area,
            score: finding.face.score,
            known: finding.known(options).cloned(),
            nearest: finding.nearest.clone(),
            landmarks: finding.landmarks.as_ref().filter(|_| options.landmarks).map(|found| found.points.clone()),
            descriptor: finding.descriptor.clone().filter(|_| options.descriptor),
        };
        Report {
            width: self.picture.width(),
            height: self.picture.height(),
            detector: options.detect.detector,
            faces: self.findings.iter().map(face).collect(),
            milliseconds: self.spent,
        }
    }
}

impl Finding {
    /// The nearest person, if near enough.
    pub fn known(&self, options: &Options) -> Option<&Match> {
        self.nearest.as_ref().filter(|nearest| nearest.distance < options.match_distance)
    }

    fn label(&self, options: &Options) -> Label {
        let score = match options.detect.detector {
            DetectorKind::Seeta => format!("{:.1}", self.face.score),
            DetectorKind::Tiny | DetectorKind::Ssd => format!("{:.0} %", self.face.score * 100.0),
        };
        match (self.known(options), &self.nearest) {
            (Some(known), _) => Label { text: format!("{} {score} ({:.2})", known.name, known.distance), known: true },
            (None, Some(_)) => Label { text: format!("unknown {score}"), known: false },
            (None, None) => Label { text: score, known: false },
        }
    }
}

/// The faces of a picture, as sent.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Columns of the picture, the right way up.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What found the faces.
    pub detector: DetectorKind,
    /// The faces, best first.
    pub faces: Vec<FaceReport>,
    /// How long it took.
    pub milliseconds: Spent,
}

/// A face, as sent.
#[derive(Debug, Serialize)]
pub struct FaceReport {
    /// The box, in pixels; it may reach beyond the picture.
    #[serde(rename = "box")]
    pub area: Area,
    /// How sure the detector is.
    pub score: f64,
    /// Who it is; `null` for somebody unknown or if names were not asked for.
    #[serde(rename = "match")]
    pub known: Option<Match>,
    /// The nearest person, near enough or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Match>,
    /// 68 points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<Vec<Point>>,
    /// 128 numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    ((to - from).as_secs_f64() * 1e5).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_picture_that_takes_too_long_is_given_up() {
        let mut settings = Settings::from_variables(|_| None).expect("the defaults are valid");
        settings.work_timeout = Duration::ZERO;
        let refused = Function::new(settings).findings(&RgbImage::new(50, 50), &Options::default());
        let refused = refused.expect_err("there is no time at all");
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.reason.contains("WORK_TIMEOUT_SECONDS"), "{refused}");
    }
}
