//! How long the parts take, on one core: `cargo bench -p faas-lab-face`. The photo is the one that `rustface` ships, also
//! at 640 × 436 pixels. What needs the face-api models is left out where they are not installed.

use std::{hint::black_box, path::Path};

use divan::Bencher;
use faas_lab_face::{
    detect::{DetectOptions, DetectorKind, Seeta},
    function::Function,
    settings::{Options, Settings},
};
use image::{RgbImage, imageops};

fn main() {
    divan::main();
}

fn photo() -> RgbImage {
    let model = Path::new(env!("SEETA_MODEL"));
    let picture =
        model.parent().and_then(Path::parent).expect("the model lies in a folder of the crate").join("test.png");
    image::open(picture).expect("the crate ships a picture").into_rgb8()
}

fn small() -> RgbImage {
    imageops::resize(&photo(), 640, 436, imageops::FilterType::Triangle)
}

fn options(detector: DetectorKind) -> Options {
    let detect = DetectOptions { detector, ..DetectOptions::default() };
    Options { detect, descriptor: true, recognize: Some(false), ..Options::default() }
}

#[divan::bench(args = [20, 40, 80])]
fn seeta_640x436(bencher: Bencher, min_size: u32) {
    let picture = small();
    let options = DetectOptions { min_size, ..DetectOptions::default() };
    bencher.bench_local(|| Seeta.detect(black_box(&picture), &options));
}

/// The engine of the crate that ships the model, set to a smallest face of 20, which it takes for 40.
#[divan::bench]
fn seeta_640x436_by_rustface(bencher: Bencher) {
    let model = std::fs::read(env!("SEETA_MODEL")).expect("the crate ships a model");
    let model = rustface::read_model(model.as_slice()).expect("a whole model");
    let mut engine = rustface::create_detector_with_model(model);
    engine.set_min_face_size(20);
    engine.set_score_thresh(3.0);
    engine.set_pyramid_scale_factor(0.8);
    let gray = imageops::grayscale(&small());
    bencher.bench_local(|| engine.detect(&rustface::ImageData::new(gray.as_raw(), gray.width(), gray.height())));
}

/// With all landmarks and descriptors.
#[divan::bench(args = [DetectorKind::Seeta, DetectorKind::Tiny, DetectorKind::Ssd])]
fn recognition_640x436(bencher: Bencher, detector: DetectorKind) {
    let settings = Settings::from_variables(|name| std::env::var(name).ok()).expect("valid variables");
    let function = Function::new(settings);
    if let Err(refusal) = function.need_models("this bench") {
        eprintln!("{refusal}");
        return;
    }
    let (picture, options) = (small(), options(detector));
    bencher.bench_local(|| function.findings(black_box(&picture), &options).expect("the models are there"));
}
