//! From measurements to profiles: laws fitted to observed times, and what they predict of data held back.
//!
//! ```text
//! logs ─▶ fit (laws of times) ─▶ platform (which replica, how long it lives) ─▶ calibration ─▶ write (a scenario)
//!                                                                                 └─▶ holdout: how far off
//! ```

pub mod calibration;
pub mod fit;
pub mod holdout;
pub mod logs;
pub mod platform;
pub mod write;
