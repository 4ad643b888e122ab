//! A stack file of any text becomes deployments or is refused. Run: `cargo +nightly fuzz run stack`.
#![no_main]

use faas_lab_functions::stack::{environment_file, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let variable = |name: &str| (name.len() % 2 == 0).then(|| name.to_lowercase());
    match parse(text, &variable) {
        Ok(functions) => {
            assert!(!functions.is_empty());
            assert!(functions.iter().all(|function| !function.deployment.service.is_empty()));
            assert!(functions.iter().all(|function| !function.deployment.image.is_empty()));
        }
        Err(error) => drop(error.to_string()),
    }
    drop(environment_file(text).map_err(|error| error.to_string()));
});
