//! A profile or price list of any bytes is read or refused. Run: `cargo +nightly fuzz run profile`.
#![no_main]

use faas_lab_model::scenario::{Need, Scenario};
use libfuzzer_sys::fuzz_target;

const SCENARIO: &str = "duration = \"1m\"\nnode = [{ profile = \"any\" }]\nprices.cloud = \"list\"\nfunction.f.demand = \"1s\"\nworkload = [{ function = \"f\", arrivals.poisson = \"1/s\" }]\n";

fuzz_target!(|text: &str| {
    let loader = |_: Need<'_>| Ok(Some(text.to_owned()));
    let _ = Scenario::parse("fuzz.toml", SCENARIO, &[], &loader).map_err(|errors| errors.to_string());
});
