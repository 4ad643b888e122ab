//! Scale per request: what to do with an arrival, decided at once.

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
