//! Scale per request: starts that are needed no longer, replicas that are kept for a while.

use faas_lab_model::policies::provisioning::Binding;
use faas_lab_model::policies::{KeepAlive, KeepAlivePolicy};
use faas_lab_model::time::SimTime;

use crate::event::Event;
use crate::replica::{ReplicaId, State};
use crate::world::World;

impl World<'_> {
    /// Starts that no waiting request needs any more are cancelled, where the policy says so.
    pub(crate) fn cancel_surplus(&mut self, function: u32) {
        loop {
            let state = &self.functions[function as usize];
            let Some(provisioner) = &state.provisioner else { return };
            if provisioner.surplus(state.starting, state.room.waiting()) == 0 {
                return;
            }
            let starting = |index: &&u32| self.replicas[**index as usize].state.is_starting();
            let Some(newest) = state.replicas.iter().rev().find(starting).copied() else { return };
            self.end_replica(newest);
        }
    }

    /// Requests still wait: another start, where the policy says so.
    pub(crate) fn start_for_waiting(&mut self, function: u32) {
        loop {
            if self.functions[function as usize].room.waiting() == 0 {
                return;
            }
            let supply = self.supply(function);
            let Some(provisioner) = &self.functions[function as usize].provisioner else { return };
            if !provisioner.start_for_waiting(&supply) {
                return;
            }
            let bound = provisioner.binding == Binding::Replica;
            let replica = self.plan_replica(function);
            if bound {
                // The first that waits is bound to it, before a later arrival can be.
                self.call_up(function);
            }
            self.begin_start(replica);
        }
    }

    /// A replica has no calls: it is kept for a while, if replicas are started per request.
    #[inline]
    pub(crate) fn replica_idle(&mut self, replica: u32) {
        let host = &mut self.replicas[replica as usize];
        let function = host.function;
        let state = &mut self.functions[function as usize];
        if state.provisioner.is_none() {
            return;
        }
        let now = self.calendar.now();
        host.idle_spells += 1;
        let keep = match state.keep_alive {
            // Nothing to draw: this is taken for every request.
            KeepAlivePolicy::Fixed(span) => span,
            _ => state.keep_alive.keep_for(&mut self.keys.keep_alive.draws(host.entity, host.idle_spells)),
        };
        let keep = now + keep;
        let until = keep.min(host.lifetime_end.max(now));
        self.keep_until(replica, until);
        self.function_idle(function);
    }

    /// A replica of this function has become idle: if all are now, the function's own clock starts.
    #[inline]
    fn function_idle(&mut self, function: u32) {
        let now = self.calendar.now();
        let state = &mut self.functions[function as usize];
        if !matches!(state.keep_alive, KeepAlivePolicy::Fleet { .. }) || !state.is_idle() {
            return;
        }
        state.idle_spells += 1;
        // The family itself is nobody's place in it: no replica's draws are keyed by it at this purpose.
        let mut draws = self.keys.function_keep_alive.draws(state.family.entity(0), state.idle_spells);
        state.idle_until = now + state.keep_alive.keep_function_for(&mut draws);
        self.calendar.schedule_at(state.idle_until, Event::FunctionIdleOver(function));
    }

    /// The function's own clock may have run out: it has if nothing was asked of it since.
    pub(crate) fn function_idle_over(&mut self, function: u32) {
        let state = &self.functions[function as usize];
        if state.idle_until != self.calendar.now() || !state.is_idle() {
            return;
        }
        let at_least = self.scenario.functions[function as usize].replicas.min as usize;
        // The newest stay, if some must.
        for replica in state.replicas.iter().rev().skip(at_least).copied().collect::<Vec<_>>() {
            self.end_replica(replica);
        }
    }

    /// An idle replica is kept until this instant. A pending look at it that comes earlier is used again.
    #[inline]
    pub(crate) fn keep_until(&mut self, replica: u32, until: SimTime) {
        let id = self.id_of(replica);
        let host = &mut self.replicas[replica as usize];
        host.keep_until = until;
        if until <= self.calendar.now() {
            return self.idle_over(id);
        }
        if until < host.wake {
            host.wake = until;
            self.calendar.schedule_at(until, Event::IdleOver(id));
        }
    }

    pub(crate) fn idle_over(&mut self, id: ReplicaId) {
        let now = self.calendar.now();
        let Some(host) = self.there(id) else { return };
        if host.wake < now {
            return;
        }
        let (idle, keep_until, function) =
            (host.hosted() == 0 && host.state == State::Ready, host.keep_until, host.function);
        if host.wake == now {
            self.replicas[id.index as usize].wake = SimTime::NEVER;
        }
        if !idle {
            return;
        }
        if keep_until > now {
            return self.keep_until(id.index, keep_until);
        }
        let at_least = self.scenario.functions[function as usize].replicas.min;
        if self.functions[function as usize].replicas.len() as u32 > at_least {
            self.end_replica(id.index);
            // A place below the maximum is free: requests may be waiting for it.
            self.start_for_waiting(function);
        }
    }
}
