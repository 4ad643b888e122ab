//! What is measured, and the file it ends in.

pub mod assemble;
pub mod cost;
pub mod histogram;
pub mod record;
pub mod result;

pub use assemble::assemble;
pub use histogram::TimeHistogram;
pub use record::{Ending, FunctionRecord, Hop, NodeRecord, PhaseRecord, RunRecord, SeriesRecord, Usage};
