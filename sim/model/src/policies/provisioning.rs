//! Scale per request: what to do with an arrival, decided at once.
//!
//! One rule covers the per-request platforms and the textbook queues with setup times, which differ in their settings:
//!
//! | model | binding | starts at once | max | waiting room |
//! |---|---|---|---|---|
//! | AWS Lambda, SimFaaS | replica | any | limit | none: an arrival beyond the limit is refused |
//! | M/M/k with setup | room, surplus cancelled | any | k | unbounded |
//! | M/M/∞ with setup | room, surplus cancelled | any | unbounded | unbounded |
//! | M/M/k with staggered setup | room, surplus cancelled | 1 | k | unbounded |
//!
//! In the queues with setup a replica goes as soon as it is idle (keep-alive zero), so live = busy + starting. Their number
//! of setups is `min(waiting, k − busy)`, or `min(1, …)` of that when staggered (Gandhi, Harchol-Balter, Adan 2010), and
//! three questions keep it so: [`Provisioner::provision`] at an arrival, [`PerRequest::surplus`] when a waiting request
//! has left for a replica that became free, and [`PerRequest::start_for_waiting`] when a start has ended or a replica has
//! gone. Each request is taken to need a replica of its own: replicas that serve several at once get more starts than they
//! need, as on the platforms that scale per request.

use super::Listing;
use super::dispatch::IdleRouting;

/// What there is for an arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// Free slots on replicas that can be used (on starting ones too, if calls may be bound to them).
    pub free_slots: u32,
    /// Replicas that are starting.
    pub starting: u32,
    /// Replicas that exist in any state.
    pub live: u32,
    /// Most replicas allowed.
    pub max: u32,
    /// Requests in the waiting room, this one not counted.
    pub waiting: u32,
    /// Places left in the waiting room.
    pub places: u32,
}

/// What to do with an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provision {
    /// Serve it on a replica that is there.
    Reuse,
    /// Start a replica, and bind it to that or let it wait, as the settings say.
    Start,
    /// Let it wait for what is there or on its way.
    Wait,
    /// Refuse it.
    Reject,
}

/// Decides at an arrival.
pub trait Provisioner {
    /// Answers for one arrival.
    fn provision(&mut self, supply: &Supply) -> Provision;
}

/// Where a request waits that has caused a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// On the replica it started (AWS Lambda, SimFaaS).
    Replica,
    /// In the function's waiting room, for whichever replica is free first; starts that are no longer needed are
    /// cancelled if `cancel_surplus`.
    Room {
        /// Whether a start is cancelled when fewer requests wait than replicas start.
        cancel_surplus: bool,
    },
}

/// Settings of scale per request.
#[derive(Clone, Debug, PartialEq)]
pub struct PerRequest {
    /// Which idle replica is used first.
    pub routing: IdleRouting,
    /// Where a request waits for its cold start.
    pub binding: Binding,
    /// How many replicas may be starting at once; `None`: any number.
    pub starts_at_once: Option<u32>,
}

impl Default for PerRequest {
    /// SimFaaS's rule.
    fn default() -> PerRequest {
        PerRequest { routing: IdleRouting::Newest, binding: Binding::Replica, starts_at_once: None }
    }
}

impl PerRequest {
    /// How it is listed.
    pub const LISTING: Listing = Listing {
        name: "per-request",
        key: "function.NAME.scaling",
        about: "a replica for each request that finds none free: AWS Lambda, SimFaaS, and queues with setup times",
    };

    /// How many starts to cancel when `starting` replicas start for `waiting` requests.
    pub fn surplus(&self, starting: u32, waiting: u32) -> u32 {
        match self.binding {
            Binding::Room { cancel_surplus: true } => starting.saturating_sub(waiting),
            Binding::Room { cancel_surplus: false } | Binding::Replica => 0,
        }
    }

    /// Whether a replica should be started for a request in the waiting room, now that a start has ended or a replica has
    /// gone. Ask again after each start that follows, until it says no.
    ///
    /// `supply.waiting` counts all of the room. A start under [`Binding::Replica`] is for the first in it.
    pub fn start_for_waiting(&self, supply: &Supply) -> bool {
        let unserved = match self.binding {
            // Each replica that is starting has a request of its own, which does not wait in the room.
            Binding::Replica => supply.waiting,
            Binding::Room { .. } => supply.waiting.saturating_sub(supply.starting),
        };
        unserved > 0 && supply.free_slots == 0 && self.may_start(supply)
    }

    fn may_start(&self, supply: &Supply) -> bool {
        supply.live < supply.max && self.starts_at_once.is_none_or(|limit| supply.starting < limit)
    }
}

impl Provisioner for PerRequest {
    fn provision(&mut self, supply: &Supply) -> Provision {
        let may_start = self.may_start(supply);
        match self.binding {
            _ if supply.free_slots > 0 => Provision::Reuse,
            Binding::Replica if may_start => Provision::Start,
            // The room is where it would wait for its start, so without a place no start would help it.
            _ if supply.places == 0 => Provision::Reject,
            Binding::Room { .. } if may_start && supply.starting <= supply.waiting => Provision::Start,
            _ => Provision::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNBOUNDED: u32 = u32::MAX;

    fn room(cancel_surplus: bool, starts_at_once: Option<u32>) -> PerRequest {
        PerRequest { binding: Binding::Room { cancel_surplus }, starts_at_once, ..PerRequest::default() }
    }

    #[test]
    fn simfaas_reuses_then_starts_then_refuses() {
        let mut policy = PerRequest::default();
        let supply = Supply { live: 2, max: 3, ..Supply::default() };
        assert_eq!(policy.provision(&Supply { free_slots: 1, ..supply }), Provision::Reuse);
        assert_eq!(policy.provision(&supply), Provision::Start);
        assert_eq!(policy.provision(&Supply { live: 3, ..supply }), Provision::Reject);
        assert_eq!(policy.provision(&Supply { live: 3, places: 1, ..supply }), Provision::Wait);
    }

    #[test]
    fn bound_starts_are_limited_too() {
        let mut policy = PerRequest { starts_at_once: Some(1), ..PerRequest::default() };
        let supply = Supply { live: 2, starting: 1, max: 9, places: 5, ..Supply::default() };
        assert_eq!(policy.provision(&supply), Provision::Wait);
        assert!(!policy.start_for_waiting(&Supply { waiting: 1, ..supply }));
        // The start has ended with its own request; the one in the room is next.
        assert!(policy.start_for_waiting(&Supply { waiting: 1, starting: 0, ..supply }));
    }

    #[test]
    fn a_room_without_places_refuses_even_if_a_replica_could_start() {
        let supply = Supply { max: 3, ..Supply::default() };
        assert_eq!(room(true, None).provision(&supply), Provision::Reject);
    }

    #[test]
    fn a_start_that_nobody_waits_for_serves_the_next_arrival() {
        let supply = Supply { live: 3, starting: 2, waiting: 1, max: 9, places: 5, ..Supply::default() };
        assert_eq!(room(false, None).provision(&supply), Provision::Wait);
        assert_eq!((room(false, None).surplus(2, 1), room(true, None).surplus(2, 1)), (0, 1));
    }

    /// A queue with setup, reduced to its counts.
    #[derive(Debug, Default)]
    struct Queue {
        busy: u32,
        starting: u32,
        waiting: u32,
    }

    impl Queue {
        fn supply(&self, max: u32) -> Supply {
            let live = self.busy + self.starting;
            Supply { free_slots: 0, starting: self.starting, live, max, waiting: self.waiting, places: UNBOUNDED }
        }

        fn arrival(&mut self, policy: &mut PerRequest, max: u32) {
            match policy.provision(&self.supply(max)) {
                Provision::Start => self.starting += 1,
                Provision::Wait => {}
                other => panic!("{other:?} in a queue without idle replicas and with an unbounded room"),
            }
            self.waiting += 1;
        }

        /// A replica ends a call and takes a waiting one, or goes.
        fn completion(&mut self, policy: &PerRequest, max: u32) {
            if self.waiting > 0 {
                self.waiting -= 1;
                self.starting -= policy.surplus(self.starting, self.waiting);
            } else if self.busy > 0 {
                self.busy -= 1;
            }
            self.start_more(policy, max);
        }

        /// A start ends and takes a waiting call.
        fn ready(&mut self, policy: &PerRequest, max: u32) {
            if self.starting > 0 {
                self.starting -= 1;
                self.busy += 1;
                self.waiting -= 1;
            }
            self.start_more(policy, max);
        }

        fn start_more(&mut self, policy: &PerRequest, max: u32) {
            while policy.start_for_waiting(&self.supply(max)) {
                self.starting += 1;
            }
        }
    }

    proptest! {
        #[test]
        fn queues_with_setup_have_the_setups_of_their_definition(
            max in prop_oneof![1..12u32, Just(UNBOUNDED)],
            staggered: bool,
            events in prop::collection::vec(0..3u8, 1..300),
        ) {
            let limit = staggered.then_some(1);
            let mut policy = room(true, limit);
            let mut queue = Queue::default();
            for event in events {
                match event {
                    0 => queue.arrival(&mut policy, max),
                    1 if queue.busy > 0 => queue.completion(&policy, max),
                    _ => queue.ready(&policy, max),
                }
                let setups = queue.waiting.min(max - queue.busy).min(limit.unwrap_or(UNBOUNDED));
                prop_assert_eq!(queue.starting, setups, "{:?}", queue);
            }
        }

        #[test]
        fn it_never_exceeds_a_limit(
            free_slots in 0..3u32, starting in 0..5u32, busy in 0..5u32, max in 1..8u32,
            waiting in 0..5u32, places in 0..3u32, bound: bool, limit in prop::option::of(1..3u32),
        ) {
            let live = starting + busy;
            let supply = Supply { free_slots, starting, live, max, waiting, places };
            let binding = if bound { Binding::Replica } else { Binding::Room { cancel_surplus: true } };
            let mut policy = PerRequest { binding, starts_at_once: limit, ..PerRequest::default() };
            let answer = policy.provision(&supply);
            prop_assert_eq!(answer == Provision::Reuse, free_slots > 0);
            if answer == Provision::Start || policy.start_for_waiting(&supply) {
                prop_assert!(live < max && limit.is_none_or(|limit| starting < limit));
            }
            if answer == Provision::Wait || (answer == Provision::Start && !bound) {
                prop_assert!(places > 0);
            }
        }
    }
}
