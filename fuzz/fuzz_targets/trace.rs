//! A trace of any bytes is read, ascending, or refused. Run: `cargo +nightly fuzz run trace`.
#![no_main]

use faas_lab_model::scenario::{Arrivals, Need, Scenario};
use libfuzzer_sys::fuzz_target;

const SCENARIO: &str =
    "duration = \"1m\"\nfunction.f.demand = \"1s\"\nworkload = [{ function = \"f\", arrivals.trace = \"t.csv\" }]\n";

fuzz_target!(|text: &str| {
    let loader = |_: Need<'_>| Ok(Some(text.to_owned()));
    match Scenario::parse("fuzz.toml", SCENARIO, &[], &loader) {
        Ok(scenario) => {
            let Arrivals::Trace(instants) = &scenario.workloads[0].arrivals else { panic!("a trace was written") };
            assert!(instants.is_sorted());
        }
        Err(errors) => drop(errors.to_string()),
    }
});
