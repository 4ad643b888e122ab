//! Which replica serves a request.

mod pool;

pub use pool::{Handle, Pool};

use crate::rng::Draws;
use pool::index_below;

/// Decides when a request needs one of the ready replicas, busy or not.
pub trait Dispatch {
    /// The chosen member; `None` when the pool is empty.
    fn choose(&mut self, pool: &Pool, draws: &mut Draws) -> Option<Handle>;
}

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

/// A dispatch policy at work.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    policy: DispatchPolicy,
    /// Whose turn it is (round robin).
    turn: usize,
}

impl DispatchPolicy {
    /// The policy, ready to choose.
    pub fn dispatcher(self) -> Dispatcher {
        Dispatcher { policy: self, turn: 0 }
    }
}

impl Dispatch for Dispatcher {
    fn choose(&mut self, pool: &Pool, draws: &mut Draws) -> Option<Handle> {
        match pool.len() {
            0 => return None,
            1 => return Some(pool.member(0)),
            _ => {}
        }
        Some(match self.policy {
            DispatchPolicy::Random => pool.member(index_below(pool.len(), draws)),
            DispatchPolicy::RoundRobin => {
                let turn = self.turn % pool.len();
                self.turn = turn + 1;
                pool.member(turn)
            }
            DispatchPolicy::LeastOutstanding => {
                let least = pool.members().map(|member| pool.in_flight(member)).min()?;
                let ties = || pool.members().filter(|member| pool.in_flight(*member) == least);
                ties().nth(index_below(ties().count(), draws))?
            }
            DispatchPolicy::PowerOfTwo => {
                let first = index_below(pool.len(), draws);
                let other = index_below(pool.len() - 1, draws);
                let second = if other >= first { other + 1 } else { other };
                let (first, second) = (pool.member(first), pool.member(second));
                if pool.in_flight(second) < pool.in_flight(first) { second } else { first }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    /// Choices of 4000 requests on replicas with these calls in flight.
    fn shares(policy: DispatchPolicy, in_flight: &[u32]) -> Vec<f64> {
        let mut pool = Pool::new(None, None);
        for (replica, calls) in in_flight.iter().enumerate() {
            let handle = pool.insert(replica as u32);
            (0..*calls).for_each(|_| pool.begin(handle));
        }
        let mut dispatcher = policy.dispatcher();
        let key = Seed(9).key("dispatch");
        let mut chosen = vec![0.0; in_flight.len()];
        for request in 0..4000 {
            let handle = dispatcher.choose(&pool, &mut key.draws(request, 0)).expect("there are replicas");
            chosen[pool.replica(handle) as usize] += 1.0 / 4000.0;
        }
        chosen
    }

    fn near(found: &[f64], expected: &[f64]) -> bool {
        // Four standard deviations of a share of 4000.
        found.iter().zip(expected).all(|(f, e)| (f - e).abs() <= 4.0 * (e * (1.0 - e) / 4000.0).sqrt() + 1e-9)
    }

    #[test]
    fn random_ignores_the_load() {
        assert!(near(&shares(DispatchPolicy::Random, &[5, 0, 0, 9]), &[0.25; 4]));
    }

    #[test]
    fn round_robin_takes_each_in_turn() {
        assert!(near(&shares(DispatchPolicy::RoundRobin, &[5, 0, 0, 9]), &[0.25; 4]));
    }

    #[test]
    fn least_outstanding_takes_the_least_loaded_and_breaks_ties_by_lot() {
        assert!(near(&shares(DispatchPolicy::LeastOutstanding, &[5, 1, 1, 9]), &[0.0, 0.5, 0.5, 0.0]));
    }

    /// With all loads different, the k-th least loaded of n wins against those above it: 2(n−k)/(n(n−1)).
    #[test]
    fn power_of_two_takes_the_less_loaded_of_a_random_pair() {
        let found = shares(DispatchPolicy::PowerOfTwo, &[3, 0, 2, 1]);
        assert!(near(&found, &[0.0, 3.0 / 6.0, 1.0 / 6.0, 2.0 / 6.0]), "{found:?}");
    }

    #[test]
    fn an_empty_pool_offers_nothing() {
        let pool = Pool::new(None, None);
        for policy in [DispatchPolicy::Random, DispatchPolicy::LeastOutstanding, DispatchPolicy::PowerOfTwo] {
            assert_eq!(policy.dispatcher().choose(&pool, &mut Seed(1).key("k").draws(0, 0)), None);
        }
    }
}
