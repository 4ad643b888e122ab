//! Overrides of any text, one per line, over the template: read or refused, and what is read can be read again from what
//! a result would carry. Run: `cargo +nightly fuzz run overrides`.
#![no_main]

use faas_lab_model::scenario::{BuiltIn, Scenario, template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let overrides: Vec<String> = text.lines().take(8).map(str::to_owned).collect();
    match Scenario::parse("fuzz.toml", template(), &overrides, &BuiltIn) {
        Ok(scenario) => {
            let again = Scenario::parse("fuzz.toml", &scenario.record.toml, &[], &BuiltIn);
            let again = again.unwrap_or_else(|errors| panic!("{overrides:?} made\n{}\n{errors}", scenario.record.toml));
            assert_eq!(again.functions, scenario.functions, "{overrides:?}");
            assert_eq!(again.nodes, scenario.nodes, "{overrides:?}");
        }
        Err(errors) => drop(errors.to_string()),
    }
});
