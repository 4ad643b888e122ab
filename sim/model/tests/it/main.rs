//! Tests of the model's public face.

mod scenario_files;
