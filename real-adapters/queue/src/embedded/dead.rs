//! Invocations that were given up: kept with the reason, until they are asked for, or too many, or too old.

use std::time::SystemTime;

use http::StatusCode;

use super::{EmbeddedQueue, Shared};
use crate::QueueError;
use crate::clock::{span_ms, time_of};
use crate::store::Dead;

/// An invocation that was given up.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Its X-Call-Id.
    pub call_id: String,
    /// `name.namespace`.
    pub function: String,
    /// Why it was given up.
    pub reason: String,
    /// The last status it was answered with, if it ever was.
    pub last_status: Option<StatusCode>,
    /// Attempts that were answered.
    pub attempts: u32,
    /// When it was accepted.
    pub accepted_at: SystemTime,
    /// When it was given up.
    pub died_at: SystemTime,
    /// Its size, headers included.
    pub bytes: u64,
}

impl DeadLetter {
    fn new(dead: &Dead) -> DeadLetter {
        DeadLetter {
            call_id: dead.state.call_id.clone(),
            function: dead.state.function.clone(),
            reason: dead.reason.clone(),
            last_status: dead.state.last_status.and_then(|code| StatusCode::from_u16(code).ok()),
            attempts: dead.state.attempts,
            accepted_at: time_of(dead.state.accepted_ms),
            died_at: time_of(dead.died_ms),
            bytes: dead.state.bytes,
        }
    }
}

impl EmbeddedQueue {
    pub(super) fn list_dead(&self) -> Vec<DeadLetter> {
        self.shared.schedule().dead().values().map(DeadLetter::new).collect()
    }

    /// Requeues the oldest dead invocation of this call id.
    pub(super) async fn revive(&self, call_id: &str) -> Result<bool, QueueError> {
        let room = self.shared.writer.room().await?;
        let Some((key, dead)) = self.shared.find_dead(call_id) else { return Ok(false) };
        let mut state = dead.state;
        state.attempts = 0;
        state.started = false;
        state.due_ms = self.shared.clock.now_ms();
        let (stored, shared) = (state.clone(), self.shared.clone());
        let revived = room
            .submit(
                0,
                move |tables| tables.revive(key, &stored),
                move |outcome| {
                    if outcome.is_ok() {
                        shared.schedule().revived(key, state);
                        shared.wake.notify_one();
                    }
                },
            )
            .await?;
        Ok(revived)
    }

    /// Forgets the oldest dead invocation of this call id.
    pub(super) async fn forget(&self, call_id: &str) -> Result<bool, QueueError> {
        let Some((key, _)) = self.shared.find_dead(call_id) else { return Ok(false) };
        Ok(self.purge_keys(vec![key]).await? > 0)
    }

    /// Forgets all dead invocations, and says how many there were.
    pub async fn purge_all(&self) -> Result<u64, QueueError> {
        let keys: Vec<u64> = self.shared.schedule().dead().keys().copied().collect();
        self.purge_keys(keys).await
    }

    /// Forgets those that are too many, too large together, or too old.
    pub(super) async fn enforce_dead_bounds(&self) -> Result<(), QueueError> {
        let options = &self.shared.options;
        let since_ms = self.shared.clock.now_ms().saturating_sub(span_ms(options.max_dead_age));
        let surplus = self.shared.schedule().surplus_dead(options.max_dead, options.max_dead_bytes, since_ms);
        self.purge_keys(surplus).await?;
        Ok(())
    }

    /// How many of them were still dead.
    async fn purge_keys(&self, keys: Vec<u64>) -> Result<u64, QueueError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let room = self.shared.writer.room().await?;
        let (shared, gone) = (self.shared.clone(), keys.clone());
        let purged = room
            .submit(
                0,
                move |tables| {
                    let mut purged = 0;
                    for key in keys {
                        purged += u64::from(tables.purge(key)?);
                    }
                    tables.totals.purged += purged;
                    Ok(purged)
                },
                move |outcome| {
                    if outcome.is_ok() {
                        let mut schedule = shared.schedule();
                        // One that was revived before this is not among the dead any more, and is not touched.
                        gone.into_iter().for_each(|key| schedule.purged(key));
                    }
                },
            )
            .await?;
        Ok(purged)
    }
}

impl Shared {
    fn find_dead(&self, call_id: &str) -> Option<(u64, Dead)> {
        let schedule = self.schedule();
        let found = schedule.dead().iter().find(|(_, dead)| dead.state.call_id == call_id);
        found.map(|(key, dead)| (*key, dead.clone()))
    }
}
