//! What can be set: by environment variables for the function, by query parameters for one request.

use std::{path::PathBuf, time::Duration};

use url::form_urlencoded;

use crate::{
    detect::{DetectOptions, DetectorKind},
    fetch::FetchLimits,
    models,
    refusal::Refusal,
};

/// How the function behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What a request gets that says nothing else.
    pub options: Options,
    /// What may be fetched by URL. Its `max_bytes` hold for uploads too.
    pub fetch: FetchLimits,
    /// Pixels of a picture at most.
    pub max_pixels: u64,
    /// The folder of the face-api models.
    pub models: PathBuf,
    /// The folder of enrolled people.
    pub people: PathBuf,
    /// How long one picture may be worked on.
    pub work_timeout: Duration,
    /// Pictures worked on at a time; more wait.
    pub workers: usize,
}

/// What one request wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How faces are found.
    pub detect: DetectOptions,
    /// Whether landmarks are part of the answer.
    pub landmarks: bool,
    /// Whether descriptors are part of the answer.
    pub descriptor: bool,
    /// Whether faces are given names: `None` for where that is possible and anybody is enrolled.
    pub recognize: Option<bool>,
    /// Descriptors nearer than this are of one person.
    pub match_distance: f64,
    /// Quality of a JPEG answer, 1 … 100.
    pub quality: u8,
    /// The answer's form, if the request's Accept header does not count.
    pub output: Option<Output>,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Faces as JSON.
    Json,
    /// The annotated picture as JPEG.
    Jpeg,
    /// The annotated picture as PNG.
    Png,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            detect: DetectOptions::default(),
            landmarks: false,
            descriptor: false,
            recognize: None,
            match_distance: 0.6,
            quality: 85,
            output: None,
        }
    }
}

impl Settings {
    /// Reads the settings from variables such as those of the environment. Unset and empty ones keep the defaults.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Refusal> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut options = Options::default();
        for (name, key) in [
            ("DETECTOR", "detector"),
            ("MIN_FACE_SIZE", "min_size"),
            ("SCORE_THRESHOLD", "threshold"),
            ("PYRAMID_SCALE", "scale"),
            ("INPUT_SIZE", "input_size"),
            ("MAX_FACES", "max_faces"),
            ("MATCH_DISTANCE", "match_distance"),
            ("JPEG_QUALITY", "quality"),
            ("OUTPUT", "output"),
        ] {
            if let Some(value) = variable(name) {
                options.set(name, key, &value)?;
            }
        }
        let number = |name: &str, default: u64, least: u64, most: u64| match variable(name) {
            Some(value) => within(name, &value, least, most),
            None => Ok(default),
        };
        let allow_private = match variable("ALLOW_PRIVATE_URLS") {
            Some(value) => flag("ALLOW_PRIVATE_URLS", &value)?,
            None => false,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        Ok(Self {
            options,
            fetch: FetchLimits {
                allow_private,
                max_bytes: number("MAX_BYTES", 20 << 20, 1, 1 << 30)? as usize,
                timeout: Duration::from_secs(number("FETCH_TIMEOUT_SECONDS", 20, 1, 600)?),
                max_redirects: number("MAX_REDIRECTS", 5, 0, 20)? as usize,
            },
            max_pixels: number("MAX_PIXELS", 40_000_000, 1, 1_000_000_000)?,
            models: variable("FACE_MODELS").map_or_else(models::default_folder, PathBuf::from),
            people: variable("FACE_PEOPLE").map_or_else(|| PathBuf::from("people"), PathBuf::from),
            work_timeout: Duration::from_secs(number("WORK_TIMEOUT_SECONDS", 60, 1, 600)?),
            workers: number("WORKERS", cores, 1, 256)? as usize,
        })
    }
}

impl Options {
    /// These options, changed by what a query says.
    pub fn with_query(&self, query: &str) -> Result<Self, Refusal> {
        let mut options = self.clone();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            options.set(&key, &key, &value)?;
        }
        Ok(options)
    }

    /// Sets what `key` says; `name` is what the one who wrote it calls it.
    fn set(&mut self, name: &str, key: &str, value: &str) -> Result<(), Refusal> {
        let detect = &mut self.detect;
        match key {
            "detector" => {
                detect.detector = match value {
                    "seeta" => DetectorKind::Seeta,
                    "tiny" => DetectorKind::Tiny,
                    "ssd" => DetectorKind::Ssd,
                    _ => return Err(unknown(name, value, "seeta, tiny or ssd")),
                }
            }
            "min_size" => detect.min_size = within(name, value, 20, 10_000)?,
            "threshold" => detect.threshold = Some(within(name, value, 0.01, 1000.0)?),
            "scale" => detect.pyramid_scale = within(name, value, 0.5, 0.95)?,
            "input_size" => {
                let size = within(name, value, 128, 608)?;
                if size % 32 != 0 {
                    return Err(unknown(name, value, "a multiple of 32 from 128 to 608"));
                }
                detect.input_size = size;
            }
            "max_faces" => detect.max_faces = within(name, value, 1, 1000)?,
            "landmarks" => self.landmarks = flag(name, value)?,
            "descriptor" | "descriptors" => self.descriptor = flag(name, value)?,
            "recognize" | "recognise" => self.recognize = Some(flag(name, value)?),
            "match_distance" => self.match_distance = within(name, value, 0.01, 2.0)?,
            "quality" => self.quality = within(name, value, 1, 100)?,
            "output" => {
                self.output = Some(match value {
                    "json" => Output::Json,
                    "jpeg" | "jpg" | "image" => Output::Jpeg,
                    "png" => Output::Png,
                    _ => return Err(unknown(name, value, "json, jpeg or png")),
                })
            }
            _ => {
                let known = "detector, min_size, threshold, scale, input_size, max_faces, landmarks, descriptor, \
                             recognize, match_distance, quality or output";
                return Err(Refusal::bad_request(format!("there is no parameter `{name}`: write {known}")));
            }
        }
        Ok(())
    }
}

fn unknown(name: &str, value: &str, wanted: &str) -> Refusal {
    Refusal::bad_request(format!("{name} is `{value}`: write {wanted}"))
}

fn flag(name: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "true" | "1" | "yes" | "on" | "" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(unknown(name, value, "true or false")),
    }
}

fn within<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    name: &str,
    value: &str,
    least: T,
    most: T,
) -> Result<T, Refusal> {
    match value.trim().parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(unknown(name, value, &format!("a number from {least} to {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_changes_what_the_environment_set() {
        let settings = Settings::from_variables(|name| match name {
            "DETECTOR" => Some("tiny".to_owned()),
            "MIN_FACE_SIZE" => Some("60".to_owned()),
            "MAX_BYTES" => Some(String::new()),
            _ => None,
        })
        .expect("valid variables");
        assert_eq!(settings.fetch.max_bytes, 20 << 20);
        let options = settings.options.with_query("detector=ssd&threshold=0.7&landmarks=true").expect("valid");
        assert_eq!(options.detect.detector, DetectorKind::Ssd);
        assert_eq!((options.detect.min_size, options.detect.threshold()), (60, 0.7));
        assert!(options.landmarks);
    }

    #[test]
    fn wrong_values_are_answered_with_what_to_write() {
        let of = |query: &str| Options::default().with_query(query).expect_err("a wrong value").reason;
        assert_eq!(of("min_size=5"), "min_size is `5`: write a number from 20 to 10000");
        assert_eq!(of("detector=dlib"), "detector is `dlib`: write seeta, tiny or ssd");
        assert_eq!(of("threshold=NaN"), "threshold is `NaN`: write a number from 0.01 to 1000");
        assert!(of("thresold=1").starts_with("there is no parameter `thresold`: write detector"));
        let error = Settings::from_variables(|name| (name == "MAX_PIXELS").then(|| "many".to_owned()));
        assert_eq!(error.expect_err("no number").reason, "MAX_PIXELS is `many`: write a number from 1 to 1000000000");
    }
}
