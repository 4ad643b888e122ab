//! What is measured, and the file it ends in.

pub mod assemble;
pub mod comparison;
pub mod cost;
pub mod gauge;
pub mod histogram;
mod read;
pub mod record;
pub mod recorder;
pub mod result;

pub use assemble::assemble;
pub use gauge::Gauge;
pub use histogram::TimeHistogram;
pub use read::ReadError;
pub use record::{Ending, FunctionRecord, Hop, NodeRecord, PhaseRecord, RunRecord, SeriesRecord, Usage};
pub use recorder::{Ended, NodeMeter, Part, Phase, Recorder};
