//! From measurements to profiles, and proof that a prediction holds.
//!
//! ```text
//! logs ─▶ fit (laws of times) ─▶ platform (which replica, how long it lives) ─▶ calibration ─▶ write (a scenario)
//!                                                                                 └─▶ holdout: how far off
//! ```
//!
//! [`live`] designs an experiment on a live gateway and makes the same of it.
//!
//! [`published`] plays every case that others have published and that the project carries; [`k3s`] predicts a published
//! measurement of OpenFaaS from a part of its raw files; [`reference`](mod@reference) turns timings of reference programs
//! into a machine's profile. What they find are [`Section`]s of rows, each with a bound and a verdict.

pub mod calibration;
pub mod fit;
pub mod holdout;
pub mod k3s;
pub mod live;
pub mod logs;
pub mod platform;
pub mod published;
pub mod reference;
mod runs;
mod show;
mod verdict;
pub mod write;

pub use runs::{Players, median};
pub use show::{figure, html, json, markdown, text};
pub use verdict::{Bound, Row, Section, Verdict, missed};
