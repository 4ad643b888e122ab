//! A legal scenario, made by edits at the edges of the format, plays to its end; its result can be written, read again
//! and rendered. Run: `cargo +nightly fuzz run run`.
#![no_main]

#[path = "../../sim/engine/tests/it/edges.rs"]
mod edges;

use std::sync::LazyLock;

use faas_lab_model::metrics::assemble;
use faas_lab_model::metrics::result::{RunResult, Window};
use libfuzzer_sys::fuzz_target;

use edges::{Choices, edited, format, played};

static FORMAT: LazyLock<serde_json::Value> = LazyLock::new(format);

fuzz_target!(|bytes: &[u8]| {
    let (overrides, scenario) = edited(&FORMAT, &mut Choices::new(bytes));
    let Some(scenario) = scenario else { return };
    if std::env::var_os("FAAS_LAB_SHOW").is_some() {
        eprintln!("{overrides:#?}");
    }
    let record = played(&scenario);
    let window = Window {
        warm_up_seconds: 0.0,
        warm_up_rule: "given".to_owned(),
        duration_seconds: record.window.1.as_secs_f64(),
        drain_seconds: scenario.drain.as_secs_f64(),
    };
    let result = assemble(&scenario, "fuzz".to_owned(), vec![record], window, Vec::new());
    let json = serde_json::to_string(&result).expect("a result has string keys");
    let again = RunResult::read(&json).expect("what was written can be read");
    // Numbers may differ in their last digit; what is shown must not depend on it.
    assert_eq!(again.functions.len(), result.functions.len());
    faas_lab_reports::html::render(&again).expect("our own histograms can be read");
});
