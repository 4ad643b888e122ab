//! The networks of the face-api package, run in Rust: two detectors, the 68 landmarks, the descriptor of 128 numbers.
//!
//! Architectures, preprocessing and the arithmetic of boxes follow `@vladmandic/face-api` 1.7.15 (MIT), so that results
//! agree with it. Batches, training and that package's other networks (age, expression) are left out.

mod depthwise;
mod descriptor;
mod graph;
mod input;
mod landmarks;
mod ssd;
mod tiny;
mod weights;

use std::{io, path::PathBuf};

pub use descriptor::{DESCRIPTOR_LENGTH, Describer, Descriptor, distance};
pub(crate) use graph::{Border, Finish, Graph, Network, Planes, Wire, fully_connected};
pub use landmarks::{LANDMARKS, Landmarker, Landmarks};
pub(crate) use ssd::Ssd;
pub(crate) use tiny::Tiny;
pub(crate) use weights::{Weight, Weights};

/// Why a network could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file is not there or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what the package ships.
    #[error("the model {network} is damaged: {what}")]
    Damaged {
        /// Which network.
        network: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The inference engine refused.
    #[error("the inference engine: {0}")]
    Engine(tract_core::internal::TractError),
}

impl From<tract_core::internal::TractError> for ModelError {
    fn from(error: tract_core::internal::TractError) -> Self {
        Self::Engine(error)
    }
}
