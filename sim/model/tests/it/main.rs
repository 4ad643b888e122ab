//! Tests of the model's public face.

mod scenario_errors;
mod scenario_files;
mod scenario_limits;
mod scenario_overrides;
