//! How long an idle replica is kept, where replicas are started per request.

use crate::distributions::Distribution;
use crate::rng::Draws;
use crate::time::Span;

/// Decides when a replica becomes idle.
pub trait KeepAlive {
    /// How long it may stay idle; [`Span::MAX`] means for ever.
    fn keep_for(&mut self, draws: &mut Draws) -> Span;
}

/// The keep-alive policies that a scenario can name.
#[derive(Clone, Debug, PartialEq)]
pub enum KeepAlivePolicy {
    /// Replicas are never removed for being idle.
    Forever,
    /// A fixed time; zero removes a replica as soon as it is idle.
    Fixed(Span),
    /// A time drawn afresh from a law each time a replica becomes idle.
    Survival(Distribution),
}

impl KeepAlive for KeepAlivePolicy {
    fn keep_for(&mut self, draws: &mut Draws) -> Span {
        match self {
            KeepAlivePolicy::Forever => Span::MAX,
            KeepAlivePolicy::Fixed(span) => *span,
            KeepAlivePolicy::Survival(law) => law.sample(draws),
        }
    }
}
