//! The load tester: a scenario's arrivals against a live gateway, timed from the moment each was meant to be sent.
//!
//! The same scenario and seed give the same schedule as in the simulator, and what is seen becomes the same
//! [`RunResult`](faas_lab_model::metrics::result::RunResult).
//!
//! ```text
//! Plan ─▶ Schedule ─▶ pacer ─▶ gate ─▶ users (Goose's) ─▶ caller ─▶ book (a page per thread) ─▶ RunResult
//! ```

mod alarm;
pub mod answer;
mod attack;
pub mod births;
mod book;
mod call;
pub mod callbacks;
pub mod client;
mod clock;
pub mod exchange;
pub mod experiment;
mod fault;
mod gate;
pub mod interval_log;
mod limits;
mod machine;
mod measure;
pub mod merge;
mod pacer;
pub mod payload;
pub mod picture;
pub mod ping;
pub mod probe;
pub mod prometheus;
mod run;
pub mod schedule;
pub mod shard;
pub mod target;
mod users;
mod validity;
pub mod warmth;

pub use alarm::Waiting;
pub use attack::{AttackError, GooseOptions};
pub use book::{LATE, Observer, STEPS, Seen};
pub use clock::Clock;
pub use run::{Lately, Measured, Plan, Progress, RunError, Start, Watch, run, warm_up};
