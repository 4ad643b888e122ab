//! A scenario of any bytes, and an override in its first line, are read or refused, and refusals can be printed.
//! Run: `cargo +nightly fuzz run scenario`, with the files of `scenarios/` as a corpus.
#![no_main]

use faas_lab_model::scenario::{BuiltIn, Scenario};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (first, rest) = text.split_once('\n').unwrap_or(("", text));
    let overrides: Vec<String> = first.strip_prefix("#set ").map(str::to_owned).into_iter().collect();
    if let Err(errors) = Scenario::parse("fuzz.toml", rest, &overrides, &BuiltIn) {
        assert!(!errors.problems.is_empty());
        let _ = errors.to_string();
    }
});
