//! Many runs: replications until they are enough, the end of the warm-up, theory beside simulation, and the points of
//! experiments that compare settings.
//!
//! Parallelism lives here and only here: across runs, never inside one. Results do not depend on the number of threads.

mod check;
pub mod comparison;
mod contest;
mod crew;
pub mod gate;
pub mod grid;
pub mod metrics;
pub mod optimize;
mod replicate;
pub mod select;
pub mod significance;
mod simulate;
pub mod sweep;
mod uncertain;
mod warmup;

pub use check::{KnownQueue, Likeness, Prediction, check, recognise, too_far};
pub use contest::{Contest, contest, shared_warm_ups};
pub use crew::Crew;
pub use replicate::{Ended, Plan, Precision, Progress, Replicated, RequestSink, replicate};
pub use simulate::{Simulated, Simulation, simulate};
pub use warmup::{Truncated, find_warm_up};
