//! How many replicas a function should have, decided on a timer from counters such as a scrape would see.

mod ce_alert;
mod fixed;
mod hpa;
mod idler;
mod pro;

pub use ce_alert::CeAlert;
pub use fixed::Fixed;
pub use hpa::Hpa;
pub use idler::{Counting, Idler};
pub use pro::{Load, Pro};

use super::PerRequest;
use crate::time::SimTime;

/// What the control plane can read of one function at one instant. Totals only ever grow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// When it was read.
    pub at: SimTime,
    /// Replicas that are wanted at present.
    pub desired: u32,
    /// Replicas that can take calls.
    pub ready: u32,
    /// Calls that the gateway has handed on and not yet seen the end of.
    pub in_flight: u32,
    /// Calls that the gateway has begun to serve, ever.
    pub started_total: u64,
    /// Calls that have ended with any status, ever.
    pub completed_total: u64,
    /// Calls that have ended with status 200, ever.
    pub ok_total: u64,
    /// CPU time the function's replicas have burnt, ever, in core-seconds.
    pub cpu_seconds_total: f64,
    /// Asynchronous invocations that wait for this function.
    pub queue_depth: u64,
}

/// A scaler's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The replicas it wants, within its bounds; `None` leaves them as they are.
    pub replicas: Option<u32>,
    /// When it wants to be asked next; later than the snapshot.
    pub ask_again: SimTime,
}

/// Decides on a timer. It keeps its own windows over the snapshots it was shown.
pub trait Scaler {
    /// Answers to what is `seen` now. The first question comes at time zero.
    fn decide(&mut self, seen: &Snapshot) -> Verdict;
}

/// Between how many replicas a scaler may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Fewest replicas; 0 lets a function rest.
    pub min: u32,
    /// Most replicas, ≥ min and ≥ 1.
    pub max: u32,
    /// Replicas at the start of the run, within the bounds.
    pub initial: u32,
}

/// What a scaler needs to know of its function beside its own settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScalerSetup {
    /// The bounds of its wishes.
    pub bounds: Bounds,
    /// CPU that one replica requests, in cores; what utilization is measured against.
    pub cpu_request: f64,
}

/// The scaling policies that a scenario can name, with their settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// The initial number of replicas, always.
    Fixed(Fixed),
    /// The alert rule of the OpenFaaS Community Edition.
    CeAlert(CeAlert),
    /// The OpenFaaS Pro rule on requests per second, calls in flight, CPU or queue depth.
    Pro(Pro),
    /// Kubernetes HorizontalPodAutoscaler on CPU.
    Hpa(Hpa),
    /// A replica for each request that finds none idle; decided at arrivals, not by a [`Scaler`].
    PerRequest(PerRequest),
}
