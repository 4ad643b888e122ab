//! OpenFaaS on k3s, predicted from a part of its raw files (korvoj/k8s-distributions-iot-edge, J. Supercomputing 2022).
//!
//! A folder holds `cold/F.csv`, `serial/F.csv` and `parallel-20/F.csv` by function, `cold/pod-startup.csv`, and
//! `hpa-4-48/cN.csv` with `replicas.csv`. From the cold, serial and pod-start files, and from one function's parallel
//! run, the others' parallel runs are predicted; from these and the first step of the load, the rest of it.

mod cold;
mod files;
mod kinds;
mod parallel;
mod stepped;

use std::path::Path;

use crate::runs::Players;
use crate::verdict::Section;

pub use files::DataError;

/// The function whose parallel run tells how much threads of one interpreter hinder each other.
pub const FITTED_TO: &str = "pyaes";

/// Predicts what the folder holds, and puts what was measured beside it.
///
/// # Errors
/// If a file is missing or cannot be read.
pub fn predict(folder: &Path, players: &Players<'_>) -> Result<Vec<Section>, DataError> {
    let contention = parallel::fit(folder, FITTED_TO)?;
    let mut sections = vec![cold::section(folder)?, parallel::section(folder, FITTED_TO, contention, players)?];
    if folder.join(stepped::FOLDER).is_dir() {
        sections.push(stepped::section(folder, contention, players)?);
    }
    Ok(sections)
}
