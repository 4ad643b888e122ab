//! What a queue shows of itself.

use std::collections::BTreeMap;
use std::time::Duration;

/// A queue at one moment. `accepted = delivered + cancelled + purged + dead + Σ depth + Σ in_flight` at any moment; the
/// embedded queue keeps these counts across restarts, so that the law holds over a queue's whole life.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueMetrics {
    /// Invocations that wait for a first delivery or a retry, by function (`name.namespace`).
    pub depth: BTreeMap<String, u64>,
    /// Invocations under way, by function: with the function, or their callback is being tried.
    pub in_flight: BTreeMap<String, u64>,
    /// Bytes of all invocations that wait or are under way.
    pub bytes: u64,
    /// Age of the oldest invocation that waits or is under way.
    pub oldest_age: Option<Duration>,
    /// Invocations ever accepted.
    pub accepted: u64,
    /// Invocations whose function answered, and whose callback was tried.
    pub delivered: u64,
    /// Invocations taken back before their delivery.
    pub cancelled: u64,
    /// Answers that led to another attempt.
    pub retried: u64,
    /// Deliveries that were under way when the process ended and came again: at most so many ran twice.
    pub redelivered: u64,
    /// Dead invocations kept at present.
    pub dead: u64,
    /// Dead invocations forgotten, by request or by the bounds.
    pub purged: u64,
    /// Callbacks answered with 2xx; since the start of the process.
    pub callbacks_ok: u64,
    /// Callbacks given up; since the start of the process.
    pub callbacks_failed: u64,
}
