//! A result of any bytes is read and shown, or refused. Run: `cargo +nightly fuzz run result`.
#![no_main]

use faas_lab_model::metrics::result::RunResult;
use faas_lab_reports::csv::timeline_csv;
use faas_lab_reports::{html, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    let Ok(result) = RunResult::read(json) else { return };
    let _ = html::render(&result).map_err(|error| error.to_string());
    let _ = text::summary(&result, &text::TextOptions::default());
    timeline_csv(&result, &mut Vec::new()).expect("memory takes all");
});
