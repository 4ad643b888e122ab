//! Raw data of others: predicted where FAAS_LAB_DATA says where it is, and made up where the arithmetic is at stake.

use std::fs;
use std::path::{Path, PathBuf};

use faas_lab_calibration::Verdict;
use faas_lab_calibration::k3s::{FITTED_TO, predict};

use crate::{outside, players};

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn hey(times: &[f64]) -> String {
    let rows: String = times.iter().map(|secs| format!("{secs},200,0.5\n")).collect();
    format!("response-time,status-code,offset\n{rows}")
}

/// Times of twenty calls that four workers with this contention finish in waves.
fn waves(alone: f64, contention: f64) -> Vec<f64> {
    (1..=5).flat_map(|wave| [alone * (1.0 + 3.0 * contention) * f64::from(wave); 4]).collect()
}

fn made_up() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "cold/pod-startup.csv", "app,delay\nfloat-operation,5\nfloat-operation,7\nother,90\n");
    for (function, alone) in [(FITTED_TO, 1.0), ("float-operation", 3.0), ("json-dumps-loads", 2.0)] {
        write(folder.path(), &format!("serial/{function}.csv"), &hey(&[alone; 10]));
        write(folder.path(), &format!("parallel-20/{function}.csv"), &hey(&waves(alone, 2.0)));
    }
    write(folder.path(), "cold/float-operation.csv", &hey(&[9.0; 4]));
    folder
}

/// A folder made by the law itself is predicted to the digit; what is not single-threaded is shown without a bound.
#[test]
fn what_the_law_made_the_law_predicts() {
    let folder = made_up();
    let sections = predict(folder.path(), &players()).expect("a complete folder");
    assert_eq!(outside(&sections), "");
    let [cold, parallel] = &sections[..] else { panic!("there is no stepped load here") };
    assert_eq!(cold.rows.iter().map(|row| (row.published, row.simulated)).collect::<Vec<_>>(), [(9.0, 9.0)]);
    let of = |case: &str| parallel.rows.iter().filter(|row| row.case == case).collect::<Vec<_>>();
    for row in of("float-operation") {
        assert!((row.difference().expect("a difference")).abs() < 1e-3, "{row:?}");
        assert_eq!(row.verdict(), Verdict::Within);
    }
    assert!(of("json-dumps-loads").iter().all(|row| row.verdict() == Verdict::Shown));
    assert!(of(&format!("{FITTED_TO} (fitted)")).iter().all(|row| row.verdict() == Verdict::Shown));
}

#[test]
fn an_incomplete_folder_is_named() {
    let folder = made_up();
    fs::remove_file(folder.path().join(format!("serial/{FITTED_TO}.csv"))).expect("a file");
    let error = predict(folder.path(), &players()).expect_err("the function of the fit is missing");
    assert!(error.to_string().contains(&format!("{FITTED_TO}.csv")), "{error}");
}

/// The real files, where they are at hand: bytecode and the percentiles under stepped load within 20 %.
#[test]
fn the_measured_waves_and_percentiles_are_predicted() {
    let folder = std::env::var_os("FAAS_LAB_DATA").map(|data| PathBuf::from(data).join("openfaas-k3s-2022"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        println!("skipped: FAAS_LAB_DATA names no folder with openfaas-k3s-2022");
        return;
    };
    let sections = predict(&folder, &players()).expect("a complete folder");
    assert_eq!(outside(&sections), "");
}
