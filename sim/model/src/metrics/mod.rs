//! What is measured, and the file it ends in.

pub mod histogram;
pub mod record;
pub mod result;

pub use histogram::TimeHistogram;
pub use record::{Ending, FunctionRecord, Hop, NodeRecord, PhaseRecord, RunRecord, SeriesRecord, Usage};
