//! What can be named: the policies as `faas-lab policies` prints them.

use super::scaling::{CeAlert, Fixed, Hpa, Idler, Pro};
use super::{KeepAlivePolicy, PerRequest, PlacementPolicy};

/// A policy as `faas-lab policies` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The name a scenario uses.
    pub name: &'static str,
    /// The scenario key it is a value of, such as `function.NAME.scaling`.
    pub key: &'static str,
    /// One line on what it does and where its rule comes from.
    pub about: &'static str,
}

/// Which ready replica serves a request.
const DISPATCH: [Listing; 4] = [
    dispatch("random", "any ready replica with equal probability, as kube-proxy in iptables mode"),
    dispatch("round-robin", "each ready replica in turn, as kube-proxy in IPVS mode"),
    dispatch("least-outstanding", "the ready replica with fewest calls in flight; ties by lot"),
    dispatch("power-of-two", "the less loaded of two ready replicas picked by lot (Mitzenmacher 2001)"),
];

/// Which idle replica is used first, where replicas are started per request.
const IDLE_ROUTING: [Listing; 4] = [
    idle_routing("newest", "the idle replica created last (SimFaaS)"),
    idle_routing("most-recently-used", "the idle replica used last: a stack, which lets the others expire"),
    idle_routing("least-recently-used", "the replica idle for longest: a queue, which keeps all of them warm"),
    idle_routing("random", "any idle replica with equal probability"),
];

/// All policies, in the order of the decisions they take.
pub fn listings() -> Vec<Listing> {
    let mut listings = vec![Fixed::LISTING, CeAlert::LISTING, CeAlert::LISTING_CORRECTED];
    listings.extend(Pro::LISTINGS);
    listings.extend([Hpa::LISTING, PerRequest::LISTING, Idler::LISTING]);
    listings.extend(KeepAlivePolicy::LISTINGS);
    listings.extend(DISPATCH);
    listings.extend(IDLE_ROUTING);
    listings.extend(PlacementPolicy::LISTINGS);
    listings
}

const fn dispatch(name: &'static str, about: &'static str) -> Listing {
    Listing { name, key: "function.NAME.dispatch", about }
}

const fn idle_routing(name: &'static str, about: &'static str) -> Listing {
    Listing { name, key: "function.NAME.scaling.per-request.routing", about }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_means_one_thing_under_its_key() {
        let listings = listings();
        let names: BTreeSet<_> = listings.iter().map(|listing| (listing.key, listing.name)).collect();
        assert_eq!(names.len(), listings.len());
    }

    #[test]
    fn names_are_kebab_case_and_explanations_fit_a_line() {
        for Listing { name, about, .. } in listings() {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
            assert!(about.len() <= 120 && !about.ends_with('.'), "{name}: {about}");
        }
    }
}
