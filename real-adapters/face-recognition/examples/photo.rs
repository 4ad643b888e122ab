//! Finds and describes the faces of a photo with each detector, and prints faces and CPU times as JSON: the Rust side of
//! `scripts/compare.mjs`. Usage: `photo MODELS PHOTO RAW_PIXELS_OUT ROUNDS`.

use std::{env, fs, process::ExitCode, time::Duration};

use faas_lab_face::{
    detect::{DetectOptions, DetectorKind},
    function::Function,
    picture,
    settings::{Options, Settings},
};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [models, photo, raw, rounds] = arguments.as_slice() else {
        eprintln!("usage: photo MODELS PHOTO RAW_PIXELS_OUT ROUNDS");
        return ExitCode::from(2);
    };
    let rounds: usize = rounds.parse().expect("a number of rounds");
    let models = models.clone();
    let settings = Settings::from_variables(|name| (name == "FACE_MODELS").then(|| models.clone())).expect("valid");
    let function = Function::new(settings);
    let bytes = fs::read(photo).expect("a photo that can be read");

    let mut picture = None;
    let decode = median((0..rounds).map(|_| {
        let start = cpu_time();
        picture = Some(picture::decode(&bytes, u64::MAX).expect("a photo"));
        cpu_time() - start
    }));
    let picture = picture.expect("one round at least");
    fs::write(raw, picture.as_raw()).expect("a file that can be written");

    let mut detectors = serde_json::Map::new();
    for (name, detector) in [("seeta", DetectorKind::Seeta), ("tiny", DetectorKind::Tiny), ("ssd", DetectorKind::Ssd)] {
        let options = Options {
            detect: DetectOptions {
                detector,
                min_size: 20.max(DetectOptions::default().min_size),
                ..DetectOptions::default()
            },
            landmarks: true,
            descriptor: true,
            recognize: Some(false),
            ..Options::default()
        };
        let mut findings = function.findings(&picture, &options).expect("models that can be run");
        let cpu = median((0..rounds).map(|_| {
            let start = cpu_time();
            findings = function.findings(&picture, &options).expect("models that can be run");
            cpu_time() - start
        }));
        let faces: Vec<Value> = findings
            .iter()
            .map(|finding| {
                let landmarks = finding.landmarks.as_ref().map(|found| &found.points);
                json!({"box": finding.face.area, "score": finding.face.score, "landmarks": landmarks, "descriptor": finding.descriptor})
            })
            .collect();
        detectors.insert(name.to_owned(), json!({"faces": faces, "cpu": cpu}));
    }
    let (width, height) = picture.dimensions();
    println!("{}", json!({"width": width, "height": height, "decode": decode, "detectors": detectors}));
    ExitCode::SUCCESS
}

fn median(values: impl Iterator<Item = Duration>) -> f64 {
    let mut values: Vec<Duration> = values.collect();
    values.sort();
    values[values.len() / 2].as_secs_f64() * 1e3
}

/// CPU time of this process: other programs' load does not count.
fn cpu_time() -> Duration {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(usage.tv_sec as u64, usage.tv_nsec as u32)
}
