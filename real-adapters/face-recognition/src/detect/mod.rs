//! Finding faces: three detectors behind one choice.
//!
//! SeetaFace needs nothing but this program. The tiny detector and SSD are networks of the face-api package and are
//! loaded when first asked for.

mod seeta;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::geometry::Area;

pub use seeta::Seeta;

/// A face that a detector found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Where.
    pub area: Area,
    /// How sure the detector is. From 0 to 1 for the networks; SeetaFace adds up the votes of neighbouring windows, so
    /// its scores start at the threshold and know no limit.
    pub score: f64,
}

/// Which detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorKind {
    /// SeetaFace: a cascade for upright faces, seen from the front.
    #[default]
    Seeta,
    /// The tiny face detector of face-api.
    Tiny,
    /// SSD on MobileNet v1 of face-api.
    Ssd,
}

impl DetectorKind {
    /// The score from which a face counts, unless told otherwise.
    pub fn default_threshold(self) -> f64 {
        match self {
            Self::Seeta => 3.0,
            Self::Tiny | Self::Ssd => 0.5,
        }
    }
}

/// How a detector looks at a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectOptions {
    /// Which one.
    pub detector: DetectorKind,
    /// Smaller faces are not looked for: side of the square around a face, in pixels, at least 20.
    pub min_size: u32,
    /// Faces with a lower score are left out; `None` for what the detector takes by default.
    pub threshold: Option<f64>,
    /// SeetaFace only: each look at the picture is this much smaller than the last, 0.5 … 0.95.
    pub pyramid_scale: f64,
    /// The tiny detector only: side of its input in pixels, a multiple of 32.
    pub input_size: usize,
    /// At most so many faces, the best ones.
    pub max_faces: usize,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self {
            detector: DetectorKind::default(),
            min_size: 40,
            threshold: None,
            pyramid_scale: 0.8,
            input_size: 416,
            max_faces: 100,
        }
    }
}

impl DetectOptions {
    /// The threshold that counts.
    pub fn threshold(&self) -> f64 {
        self.threshold.unwrap_or_else(|| self.detector.default_threshold())
    }

    /// Leaves out what is too small or too much. `faces` are sorted, the best first.
    pub(crate) fn select(&self, picture: &RgbImage, mut faces: Vec<Face>) -> Vec<Face> {
        let smallest = f64::from(self.min_size);
        faces.retain(|face| face.area.width.max(face.area.height) >= smallest && face.area.clipped(picture).is_some());
        faces.truncate(self.max_faces);
        faces
    }
}

/// Sorts by score, best first, and drops whatever overlaps a better one by more than `overlap`.
pub(crate) fn keep_best(mut faces: Vec<Face>, overlap: f64) -> Vec<Face> {
    faces.sort_by(|left, right| right.score.total_cmp(&left.score));
    let mut kept: Vec<Face> = Vec::new();
    for face in faces {
        if kept.iter().all(|better| better.area.overlap(&face.area) <= overlap) {
            kept.push(face);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_overlapping_faces_the_best_stays() {
        let face = |x: f64, score: f64| Face { area: Area { x, y: 0.0, width: 10.0, height: 10.0 }, score };
        let kept = keep_best(vec![face(0.0, 0.6), face(1.0, 0.9), face(30.0, 0.7)], 0.4);
        assert_eq!(kept, [face(1.0, 0.9), face(30.0, 0.7)]);
    }
}
