//! The file of `faas-cli login`, of any text, and the other forms of a login. What it says of a password is never shown.
#![no_main]

use faas_lab_loadgen::target::{Address, Credentials, Kind, Target, TargetOptions, credentials_in};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match credentials_in(text, "http://127.0.0.1:8080") {
        Ok(Some(credentials)) => assert!(!credentials.header().is_empty()),
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let line = text.lines().next().unwrap_or_default();
    if let Some(credentials) = Credentials::parse(line) {
        assert!(credentials.header().is_sensitive());
    }
    if let Ok(mut address) = Address::parse(line) {
        let _ = address.take_credentials();
        let _ = (address.of("hello"), address.shown().to_owned());
    }
    for kind in [Kind::OpenFaas, Kind::Knative, Kind::Lambda, Kind::Http] {
        let options = TargetOptions { gateway: line.to_owned(), kind, ..TargetOptions::default() };
        if let Err(error) = Target::new(&options, &|_| None) {
            assert!(!error.to_string().is_empty());
        }
    }
});
