//! What is measured, and the file it ends in.

pub mod assemble;
mod cohort;
pub mod comparison;
pub mod cost;
pub mod gauge;
pub mod histogram;
pub mod ledger;
pub mod measurement;
mod read;
pub mod record;
pub mod recorder;
pub mod result;

pub use assemble::assemble;
pub use cohort::{PARTS, Part};
pub use gauge::Gauge;
pub use histogram::TimeHistogram;
pub use ledger::{Ledger, Met};
pub use read::ReadError;
pub use record::{Ending, FunctionRecord, Hop, NodeRecord, PhaseRecord, RunRecord, SeriesRecord, Usage};
pub use recorder::{Ended, NodeMeter, Phase, Recorder};
