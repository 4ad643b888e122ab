//! Tests of the model's public face.

mod scenario_errors;
mod scenario_files;
mod scenario_overrides;
