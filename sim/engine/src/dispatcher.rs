//! The dispatcher: which replica a call goes to, or where it waits for one.

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::policies::provisioning::Binding;
use faas_lab_model::policies::{Dispatch, Provision, Provisioner, Supply};

use crate::call::{CallId, Stage};
use crate::world::World;

const NO_REPLICA_TO_SERVE: Ending = Ending::new(OutcomeKind::Unavailable, Some(Hop::Admission), Some(503));
const NO_PLACE: Ending = Ending::new(OutcomeKind::Refused, Some(Hop::Admission), Some(429));

impl World<'_> {
    #[inline]
    pub(crate) fn route(&mut self, id: CallId) {
        let function = self.calls[id].function;
        if self.functions[function as usize].provisioner.is_some() {
            return self.provision(id, function);
        }
        let mut draws = self.keys.dispatch.draws(self.calls[id].entity, self.calls[id].attempt);
        let state = &mut self.functions[function as usize];
        if state.room.exists() {
            match state.pool.choose_free(&mut draws) {
                Some(handle) => {
                    let replica = state.pool.replica(handle);
                    self.deliver(id, replica);
                }
                None if state.room.places() > 0 => self.wait(id),
                None => self.refuse(id, NO_PLACE),
            }
        } else {
            match state.dispatcher.choose(&state.pool, &mut draws) {
                Some(handle) => {
                    let replica = state.pool.replica(handle);
                    self.deliver(id, replica);
                }
                None => self.refuse(id, NO_REPLICA_TO_SERVE),
            }
        }
    }

    /// Scale per request: reuse, start, wait or refuse.
    #[inline]
    fn provision(&mut self, id: CallId, function: u32) {
        let supply = self.supply(function);
        let state = &mut self.functions[function as usize];
        let provisioner = state.provisioner.as_mut().expect("only called where replicas are started per request");
        match provisioner.provision(&supply) {
            Provision::Reuse => {
                let call = &self.calls[id];
                let mut draws = self.keys.routing.draws(call.entity, call.attempt);
                let handle = state.pool.choose_free(&mut draws).expect("the supply has a free slot");
                let replica = state.pool.replica(handle);
                self.deliver(id, replica);
            }
            Provision::Start => {
                let binding = provisioner.binding;
                self.calls[id].cold = true;
                let replica = self.plan_replica(function);
                // The call takes its place first: a start may take no time at all.
                match binding {
                    Binding::Replica => self.deliver(id, replica),
                    Binding::Room { .. } => self.wait(id),
                }
                self.begin_start(replica);
            }
            Provision::Wait => self.wait(id),
            Provision::Reject => self.refuse(id, NO_PLACE),
        }
    }

    pub(crate) fn supply(&self, function: u32) -> Supply {
        let state = &self.functions[function as usize];
        Supply {
            free_slots: u32::try_from(state.pool.free_slots()).unwrap_or(u32::MAX),
            starting: state.starting,
            live: state.replicas.len() as u32,
            max: self.scenario.functions[function as usize].replicas.max,
            waiting: state.room.waiting(),
            places: state.room.places(),
        }
    }

    fn wait(&mut self, id: CallId) {
        let call = &mut self.calls[id];
        call.stage = Stage::Waiting;
        let function = call.function as usize;
        self.functions[function].room.enter(id);
        self.recorder.functions[function].waiting.add(self.calendar.now(), 1);
    }

    /// Slots have become free: calls in the waiting room take them.
    #[inline]
    pub(crate) fn call_up(&mut self, function: u32) {
        while self.functions[function as usize].room.waiting() > 0 {
            let calls = &self.calls;
            let state = &mut self.functions[function as usize];
            if state.pool.free_slots() == 0 {
                break;
            }
            let waits = |id| calls.get(id).is_some_and(|call| call.stage == Stage::Waiting);
            let Some(id) = state.room.call_up(waits) else { break };
            let call = &self.calls[id];
            let mut draws = self.keys.dispatch.draws(call.entity, call.attempt);
            let handle = state.pool.choose_free(&mut draws).expect("there is a free slot");
            let replica = state.pool.replica(handle);
            self.recorder.functions[function as usize].waiting.add(self.calendar.now(), -1);
            self.deliver(id, replica);
        }
    }

    /// Refuses a call that has been forwarded.
    pub(crate) fn refuse(&mut self, id: CallId, ending: Ending) {
        self.calls[id].stage = Stage::Over;
        self.gateway_replies(id, ending, 0);
    }
}
