//! Scale per request: replicas that are kept for a while.

use std::sync::Arc;
use std::time::Duration;

use faas_lab_model::policies::KeepAlive;
use faas_lab_model::rng::Seed;
use faas_lab_model::time::Span;
use tokio::time::Instant;

use crate::function::{Function, Phase, State};

impl Function {
    /// A replica has no calls: it is kept for a while. A pending look at it that comes earlier is used again.
    pub(crate) fn idle(self: &Arc<Self>, state: &mut State, number: u32) {
        let mut keep_alive = state.settings.keep_alive.clone();
        let Some(member) = state.members.get_mut(&number) else { return };
        member.idle_spells += 1;
        let keep = keep_alive.keep_for(&mut Seed(1).key("keep-alive").draws(u64::from(number), member.idle_spells));
        if keep == Span::MAX {
            return;
        }
        let now = Instant::now();
        // A clock that counts years overflows no timer.
        let until = now + Duration::from(keep).min(Duration::from_secs(10 * 365 * 86_400));
        member.keep_until = until;
        if member.look_at.is_some_and(|look_at| look_at <= until) {
            return;
        }
        member.look_at = Some(until);
        let function = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut look_at = until;
            loop {
                tokio::time::sleep_until(look_at).await;
                let Some(function) = function.upgrade() else { return };
                match function.idle_over(number, look_at) {
                    Some(later) => look_at = later,
                    None => return,
                }
            }
        });
    }

    /// Looks at a replica; when to look again, if that is to be.
    fn idle_over(self: &Arc<Self>, number: u32, look_at: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let state = &mut *state;
        let above_minimum = state.desired > state.settings.bounds.min;
        let member = state.members.get_mut(&number)?;
        if member.look_at != Some(look_at) {
            return None;
        }
        member.look_at = None;
        let handle = member.handle.filter(|_| member.phase == Phase::Ready)?;
        if state.pool.in_flight(handle) > 0 || state.provisioner.is_none() {
            return None;
        }
        if member.keep_until > Instant::now() {
            member.look_at = Some(member.keep_until);
            return member.look_at;
        }
        if above_minimum {
            state.desired -= 1;
            self.metrics.service_count.set(i64::from(state.desired));
            state.send_away(number);
            self.metrics.ready_count.set(state.pool.len() as i64);
            // A place below the maximum is free: calls may be waiting for it.
            self.start_for_waiting(state);
            self.changed.notify_one();
        }
        None
    }
}
