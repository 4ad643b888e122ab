//! How long an idle replica is kept, where replicas are started per request.

use super::Listing;
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

impl KeepAlivePolicy {
    /// How the policies are listed; `none` is a fixed time of zero.
    pub const LISTINGS: [Listing; 4] = [
        listing("forever", "replicas are never removed for being idle"),
        listing("none", "a replica goes as soon as it is idle, as in queues with setup times"),
        listing("fixed", "a replica goes after a fixed idle time, as AWS Lambda's is usually modelled"),
        listing("survival", "idle times drawn from a law, such as one fitted to a platform's request logs"),
    ];
}

const fn listing(name: &'static str, about: &'static str) -> Listing {
    Listing { name, key: "function.NAME.keep_alive", about }
}
