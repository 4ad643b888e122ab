//! SeetaFace: a cascade of boosted comparisons of brightness, then of small networks over gradients, run over an image
//! pyramid (S. Wu et al., "Funnel-structured cascade for multi-view face detection with alignment awareness",
//! Neurocomputing 221, 2017). Engine and model are those of the `rustface` crate.

use std::{cell::RefCell, sync::LazyLock};

use image::{GrayImage, RgbImage, imageops};
use rustface::{Detector, ImageData, Model};

use super::{DetectOptions, Face};
use crate::geometry::Area;

static MODEL_FILE: &[u8] = include_bytes!(env!("SEETA_MODEL"));

/// The side of the window that the cascade was trained on. The engine never looks for anything smaller.
const WINDOW: u32 = 40;

static MODEL: LazyLock<Model> =
    LazyLock::new(|| rustface::read_model(MODEL_FILE).expect("the model inside this program is whole"));

thread_local! {
    // The engine keeps its buffers, and is not `Send`.
    static ENGINE: RefCell<Box<dyn Detector>> = RefCell::new(rustface::create_detector_with_model(MODEL.clone()));
}

/// The SeetaFace detector. Costs nothing to make: the model is read on first use and then kept.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seeta;

impl Seeta {
    /// Reads the model, so that the first picture does not have to wait for it.
    pub fn warm_up() {
        LazyLock::force(&MODEL);
    }

    /// Finds faces, best first.
    pub fn detect(self, picture: &RgbImage, options: &DetectOptions) -> Vec<Face> {
        // The engine has one window and ignores its own setting of a smallest face: what it finds depends on how large
        // the picture is, so that is how the smallest face is set.
        let scale = f64::from(WINDOW) / f64::from(options.min_size);
        let gray = scaled(imageops::grayscale(picture), scale);
        // Scaling rounds, and a narrow picture rounds much: each axis has its own scale back.
        let back_x = f64::from(picture.width()) / f64::from(gray.width());
        let back_y = f64::from(picture.height()) / f64::from(gray.height());
        if gray.width() < WINDOW || gray.height() < WINDOW {
            return Vec::new();
        }
        let found = ENGINE.with_borrow_mut(|engine| {
            engine.set_score_thresh(options.threshold().max(f64::MIN_POSITIVE));
            engine.set_pyramid_scale_factor(options.pyramid_scale as f32);
            engine.detect(&ImageData::new(gray.as_raw(), gray.width(), gray.height()))
        });
        let mut faces: Vec<Face> = found
            .iter()
            .map(|face| {
                let (bbox, score) = (face.bbox(), face.score());
                let area = Area {
                    x: f64::from(bbox.x()) * back_x,
                    y: f64::from(bbox.y()) * back_y,
                    width: f64::from(bbox.width()) * back_x,
                    height: f64::from(bbox.height()) * back_y,
                };
                Face { area, score }
            })
            .collect();
        faces.sort_by(|left, right| right.score.total_cmp(&left.score));
        faces
    }
}

fn scaled(gray: GrayImage, scale: f64) -> GrayImage {
    if scale == 1.0 {
        return gray;
    }
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    imageops::resize(&gray, side(gray.width()), side(gray.height()), imageops::FilterType::Triangle)
}
