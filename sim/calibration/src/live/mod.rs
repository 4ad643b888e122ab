//! The designed experiment on a live gateway: what is asked of it, and what is seen.
//!
//! Nothing here sends anything: the load tester runs the [`Design`] and hands back [`Measurements`]. Each part isolates one
//! hop, because a response time alone cannot be taken apart:
//!
//! | part | what it is for |
//! |---|---|
//! | connections | opening one takes a round trip: the network |
//! | pings | the gateway's own health page over a kept connection: network and gateway |
//! | warm calls, one at a time, after pauses | the way through watchdog and function, without waiting |
//! | steps of concurrency | whether calls share cores, and how many |
//! | starts from zero | cold starts |
//! | payloads | the rate at which bodies cross |

mod fit;
mod holdout;
mod scenario;

use std::time::Duration;

pub use fit::{Fits, Sharing, fit_live};
pub use holdout::{HeldOut, held_out};
pub use scenario::Written;

/// How much of each part is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Connections that are opened.
    pub connections: u32,
    /// Pings over a kept connection.
    pub pings: u32,
    /// Warm calls, one at a time: at the most.
    pub warm: u32,
    /// Calls in flight in each step, ascending.
    pub steps: Vec<u32>,
    /// Starts from zero.
    pub cold: u32,
    /// Sizes of bodies in bytes.
    pub payloads: Vec<u64>,
    /// Calls with each of them.
    pub per_payload: u32,
    /// Time that all of it may take, for each function.
    pub budget: Duration,
}

impl Default for Design {
    fn default() -> Design {
        Design {
            connections: 50,
            pings: 300,
            warm: 500,
            steps: vec![1, 2, 4, 8],
            cold: 20,
            payloads: vec![0, 16_384, 262_144, 1_048_576],
            per_payload: 20,
            budget: Duration::from_secs(120),
        }
    }
}

/// The parts of an experiment, in their order, with their shares of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Opening connections.
    Connections,
    /// The gateway's health page.
    Pings,
    /// Warm calls, one at a time.
    Warm,
    /// Several calls in flight.
    Steps,
    /// Starts from zero.
    Cold,
    /// Bodies of several sizes.
    Payloads,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 6] = [Part::Connections, Part::Pings, Part::Warm, Part::Steps, Part::Cold, Part::Payloads];

    /// Share of the budget.
    pub const fn share(self) -> f64 {
        match self {
            Part::Connections => 0.03,
            Part::Pings => 0.07,
            Part::Warm => 0.25,
            Part::Steps => 0.25,
            Part::Cold => 0.30,
            Part::Payloads => 0.10,
        }
    }

    /// As progress shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Connections => "opening connections",
            Part::Pings => "pinging the gateway",
            Part::Warm => "single warm calls",
            Part::Steps => "several calls at once",
            Part::Cold => "starts from zero",
            Part::Payloads => "bodies of several sizes",
        }
    }
}

/// One call, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// From sending to the last byte.
    pub total: f64,
    /// What the watchdog says that the function took (`X-Duration-Seconds`).
    pub inside: Option<f64>,
    /// How long the gateway held it for a replica.
    pub held: Option<f64>,
}

/// Calls with so many in flight.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Calls in flight.
    pub concurrency: u32,
    /// Ready replicas before and after, where the platform says so.
    pub replicas: Option<(u32, u32)>,
    /// How long the step took, in seconds.
    pub seconds: f64,
    /// The calls that succeeded.
    pub calls: Vec<Call>,
    /// Calls that did not.
    pub failures: u64,
}

/// What was seen of one function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// The function.
    pub function: String,
    /// Times to open a connection, in seconds.
    pub connections: Vec<f64>,
    /// Times of pings, in seconds.
    pub pings: Vec<f64>,
    /// Warm calls, one at a time, in their order.
    pub warm: Vec<Call>,
    /// Steps of concurrency.
    pub steps: Vec<Step>,
    /// Starts from zero.
    pub cold: Vec<Call>,
    /// Times of calls by the size of their body.
    pub payloads: Vec<(u64, Vec<f64>)>,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
    /// Settings that the platform tells of the function: environment and labels that matter, by name.
    pub settings: Vec<(String, String)>,
}
