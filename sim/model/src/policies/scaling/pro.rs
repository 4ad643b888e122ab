//! The OpenFaaS Pro rule: enough replicas that each carries its target load.

use crate::time::Span;

/// What the load is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Completed calls per second over 30 s.
    Rps,
    /// Most calls in flight seen in 45 s, sampled each 5 s.
    Capacity,
    /// Milli-CPU over the last two samples of a minute.
    Cpu,
    /// Asynchronous invocations waiting.
    Queue,
}

/// Settings of the rule `ceil(ready · load per replica / (target · proportion))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pro {
    /// The measure.
    pub load: Load,
    /// Load that one replica should carry, in the measure's unit (50).
    pub target: f64,
    /// Share of the target at which to scale, in (0, 1] (0.90).
    pub proportion: f64,
    /// Within this window only scale down to its highest wish; zero: at once (0, at most 300 s).
    pub down_window: Span,
    /// How often it decides (5 s, *assumed*: the documentation names no interval).
    pub period: Span,
}

impl Pro {
    /// The documented defaults for a measure.
    pub fn new(load: Load) -> Pro {
        Pro { load, target: 50.0, proportion: 0.90, down_window: Span::ZERO, period: Span::from_secs(5) }
    }
}
