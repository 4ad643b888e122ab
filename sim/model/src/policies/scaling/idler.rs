//! Scale to zero: a function that nobody calls is put to rest, whatever its scaling policy.

use crate::time::Span;

/// What counts as activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Completed calls, as the open faas-idler first did: a long call can be scaled away while it runs (faas-idler#34).
    Completions,
    /// Started calls, as it did later: still blind to calls that outlast the window.
    Starts,
    /// Started calls and calls in flight: the corrected rule.
    InFlight,
}

/// Settings of the idler.
#[derive(Clone, Debug, PartialEq)]
pub struct Idler {
    /// Inactivity after which a function rests (15 m).
    pub after: Span,
    /// How often it looks (1 m in the chart).
    pub reconcile: Span,
    /// What counts as activity.
    pub counting: Counting,
}

impl Default for Idler {
    fn default() -> Idler {
        Idler { after: Span::from_secs(900), reconcile: Span::from_secs(60), counting: Counting::InFlight }
    }
}
