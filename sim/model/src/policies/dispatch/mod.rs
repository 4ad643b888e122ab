//! Which replica serves a request.

/// Decides when a request needs one of the ready replicas, busy or not.
pub trait Dispatch {}

/// The dispatch policies that a scenario can name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DispatchPolicy {
    /// Any ready replica with equal probability, as kube-proxy does in iptables mode.
    #[default]
    Random,
    /// Each in turn.
    RoundRobin,
    /// The one with fewest calls in flight; ties by lot.
    LeastOutstanding,
    /// The less loaded of two picked by lot.
    PowerOfTwo,
}

/// Which idle replica is used first, where replicas are started per request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdleRouting {
    /// The one created last (SimFaaS's rule).
    #[default]
    Newest,
    /// The one used last: a stack.
    MostRecentlyUsed,
    /// The one idle for longest: a queue.
    LeastRecentlyUsed,
    /// Any of them.
    Random,
}
