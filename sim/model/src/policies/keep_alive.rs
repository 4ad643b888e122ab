//! How long an idle replica is kept, where replicas are started per request.

use super::Listing;
use crate::distributions::Distribution;
use crate::rng::Draws;
use crate::time::Span;

/// Decides when a replica becomes idle.
pub trait KeepAlive {
    /// How long it may stay idle; [`Span::MAX`] means for ever.
    fn keep_for(&mut self, draws: &mut Draws) -> Span;

    /// When the last replica of a function has become idle: after how long without a request all of them go.
    fn keep_function_for(&mut self, _draws: &mut Draws) -> Span {
        Span::MAX
    }
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
    /// Two clocks: a replica's own, and one of the function that ends all of its replicas when nothing is asked of any.
    Fleet {
        /// How long a replica may be idle while others are used, drawn each time it becomes idle.
        replica: Distribution,
        /// How long the function as a whole may be idle, drawn each time its last replica becomes idle.
        function: Distribution,
    },
}

impl KeepAlive for KeepAlivePolicy {
    fn keep_for(&mut self, draws: &mut Draws) -> Span {
        match self {
            KeepAlivePolicy::Forever => Span::MAX,
            KeepAlivePolicy::Fixed(span) => *span,
            KeepAlivePolicy::Survival(law) | KeepAlivePolicy::Fleet { replica: law, .. } => law.sample(draws),
        }
    }

    fn keep_function_for(&mut self, draws: &mut Draws) -> Span {
        match self {
            KeepAlivePolicy::Fleet { function, .. } => function.sample(draws),
            _ => Span::MAX,
        }
    }
}

impl KeepAlivePolicy {
    /// How the policies are listed; `none` is a fixed time of zero.
    pub const LISTINGS: [Listing; 5] = [
        listing("forever", "replicas are never removed for being idle"),
        listing("none", "a replica goes as soon as it is idle, as in queues with setup times"),
        listing("fixed", "a replica goes after a fixed idle time, as AWS Lambda's is usually modelled"),
        listing("survival", "idle times drawn from a law, such as one fitted to a platform's request logs"),
        listing(
            "fleet",
            "a replica goes after its own idle time, all go when the function is idle: AWS Lambda as measured",
        ),
    ];
}

const fn listing(name: &'static str, about: &'static str) -> Listing {
    Listing { name, key: "function.NAME.keep_alive", about }
}
