//! The request logs of AWS Lambda from 2020 (pacslab/serverless-performance-modeling), if FAAS_LAB_DATA names the folder
//! that holds `aws-lambda-2020`.

use std::path::PathBuf;

use faas_lab_calibration::calibration::{LearnOptions, learn};
use faas_lab_calibration::holdout::{ColdStarts, hold_out, mean_error};
use faas_lab_calibration::logs::{self, Log};
use faas_lab_model::policies::dispatch::IdleRouting;
use faas_lab_model::rng::Seed;

fn measured() -> Option<Vec<Log>> {
    let Some(folder) = std::env::var_os("FAAS_LAB_DATA").map(|folder| PathBuf::from(folder).join("aws-lambda-2020"))
    else {
        eprintln!("skipped: FAAS_LAB_DATA does not name a folder with aws-lambda-2020 in it");
        return None;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "csv"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        logs::read(&name, &std::fs::read_to_string(path).expect("a log")).unwrap_or_else(|error| panic!("{error}"))
    };
    Some(files.iter().map(read).collect())
}

/// Lambda uses the replica used last. A lone replica goes after ten and a half idle minutes; no replica gets much older than
/// two hours.
#[test]
fn the_law_is_in_the_logs() {
    let Some(logs) = measured() else { return };
    let logs: Vec<&Log> = logs.iter().collect();
    let learnt = learn(&logs, LearnOptions { resamples: 0, seed: Seed(1) }).unwrap();
    let platform = learnt.platform.unwrap();
    assert_eq!(platform.routing.rule, IdleRouting::MostRecentlyUsed);
    assert!(platform.routing.scores[0].agreement > 0.99, "{:?}", platform.routing);
    let risks = platform.risks.unwrap().risks;
    let (low, high) = risks.function_idle.unwrap();
    assert!((600.0..650.0).contains(&low) && (600.0..660.0).contains(&high), "{risks:?}");
    let (_, oldest) = risks.lifetime.unwrap();
    assert!((7000.0..7800.0).contains(&oldest), "{risks:?}");
}

/// Fitted to one half, cold starts of the other are predicted within 12 % on average, both ways and file by file.
#[test]
fn cold_starts_of_files_held_back_are_predicted() {
    let Some(logs) = measured() else { return };
    let held = hold_out(&logs, true, Seed(1)).unwrap();
    let mean = |cold: &[&ColdStarts]| mean_error(cold.iter().map(|cold| cold.error())).unwrap();
    for (split, cold) in held.iter().flat_map(|held| held.cold_starts.iter().map(|cold| (&held.split, cold))) {
        // For `--nocapture`.
        println!("{split}: {cold:?}");
    }
    for half in &held[..2] {
        let error = mean(&half.cold_starts.iter().collect::<Vec<_>>());
        assert!(error < 0.12, "{half:#?}");
    }
    let alone: Vec<&ColdStarts> = held[2..].iter().flat_map(|held| &held.cold_starts).collect();
    assert!(mean(&alone) < 0.12, "{alone:#?}");
    let usual = mean_error(alone.iter().map(|cold| cold.usual_error())).unwrap();
    assert!(usual > 1.5 * mean(&alone), "the usual rule: {usual}");
}
