//! The vocabulary of faas-lab: what a scenario means, how a run's randomness is drawn, how policies decide, and what a
//! result holds. The simulator, the load tester and the real gateway all speak it; only the clock differs.
//!
//! No threads, no network, no clock in here.

pub mod arrivals;
pub mod distributions;
pub mod rng;
pub mod statistics;
pub mod theory;
pub mod time;
pub mod units;

pub mod metrics;
pub mod policies;
pub mod scenario;

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
