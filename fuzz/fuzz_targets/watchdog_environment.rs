//! A watchdog's environment of any text is taken or refused, and a span that is read is printed so that it reads the same.
//! Run: `cargo +nightly fuzz run watchdog_environment`.
#![no_main]

use faas_lab_http::go::{format_duration, parse_duration};
use faas_lab_watchdog::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(span) = parse_duration(text) {
        assert_eq!(parse_duration(&format_duration(span)), Some(span));
    }
    // Lines of name=value, as a shell would print them.
    let variables = text.lines().filter_map(|line| line.split_once('='));
    match Config::from_variables(variables.map(|(name, value)| (name.into(), value.into()))) {
        Ok(config) => assert!(config.write_timeout > std::time::Duration::ZERO),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
