//! From observed times to a law: candidates, the likelihood that chooses among them, and how far to trust the choice.
//!
//! ```text
//! Sample (exact, longer than, between) ─▶ candidates by maximum likelihood ─▶ AICc chooses ─▶ KS and AD judge
//!                                                                                  └─▶ bootstrap: intervals
//! ```
//!
//! [`fit`] does all of it. A [`Fitted`] has the law as the scenarios' own [`Distribution`], the interval of every
//! parameter and of the quantiles that decide a simulation, and the doubts a reader should have.
//!
//! [`Distribution`]: faas_lab_model::distributions::Distribution

mod choice;
mod doubt;
mod estimate;
mod family;
mod goodness;
mod likelihood;
mod resample;
mod sample;
mod simplex;
mod survival;

pub use choice::{Candidate, FitError, FitOptions, Fitted, fit};
pub use doubt::Doubt;
pub use estimate::{Estimate, Method};
pub use family::{Family, Shape};
pub use goodness::{Goodness, anderson_darling, kolmogorov_smirnov};
pub use likelihood::{Maximum, log_likelihood, maximise};
pub use sample::{Observation, Sample, SampleError};
pub use simplex::{Minimum, minimise};
pub use survival::{KaplanMeier, SurvivalStep};
