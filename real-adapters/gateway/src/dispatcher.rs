//! The dispatcher: which replica a call goes to, or where it waits for one.
//!
//! Calls for a function without replicas are held until there is one (OpenFaaS's scale from zero). They are woken by the
//! provider's news, not by polls, so that a burst is served the moment its replica is ready; the original asks each 100 ms.

use std::sync::Arc;

use faas_lab_model::policies::dispatch::Handle;
use faas_lab_model::policies::provisioning::Binding;
use faas_lab_model::policies::{Dispatch, Provision, Provisioner, Supply};
use faas_lab_model::rng::Seed;
use tokio::sync::oneshot;

use crate::function::{Function, State};
use crate::link::Link;

/// What becomes of a call.
pub(crate) enum Admission {
    /// It goes to this replica now.
    Granted(Lease),
    /// It is held until the function has a replica. It is not counted as begun.
    Held(Ticket),
    /// It waits for a free slot, or because of it a replica is started, which makes it cold.
    Waits {
        /// Where.
        ticket: Ticket,
        /// Whether it caused a start.
        cold: bool,
    },
    /// It is refused.
    Refused(Refused),
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The function has been removed.
    Gone,
    /// The waiting room is full.
    NoPlace,
    /// More calls are held than the gateway keeps.
    TooMany,
}

/// A place on a replica; given back when dropped.
pub(crate) struct Lease {
    function: Arc<Function>,
    link: Arc<Link>,
    number: u32,
    tenure: u64,
}

/// A call that waits.
pub(crate) struct Waiter {
    answer: oneshot::Sender<Lease>,
}

/// Where a call waits; giving it up leaves the place to others.
pub(crate) struct Ticket {
    function: Arc<Function>,
    arrival: u64,
    answer: oneshot::Receiver<Lease>,
}

impl Function {
    /// A call arrives.
    #[inline]
    pub(crate) fn admit(self: &Arc<Self>) -> Admission {
        let mut state = self.lock();
        let state = &mut *state;
        state.calls += 1;
        if state.gone {
            return Admission::Refused(Refused::Gone);
        }
        if state.provisioner.is_some() {
            return self.provision(state);
        }
        if state.pool.is_empty() {
            return self.hold(state);
        }
        let mut draws = Seed(1).key("dispatch").draws(state.calls, 0);
        if state.settings.waiting_room.is_some() {
            match state.pool.choose_free(&mut draws) {
                Some(handle) => Admission::Granted(state.begin(self, handle)),
                None if places(state) > 0 => Admission::Waits { ticket: self.wait(state, false), cold: false },
                None => Admission::Refused(Refused::NoPlace),
            }
        } else {
            let handle = state.dispatcher.choose(&state.pool, &mut draws).expect("the pool is not empty");
            Admission::Granted(state.begin(self, handle))
        }
    }

    fn hold(self: &Arc<Self>, state: &mut State) -> Admission {
        if state.waiting.len() >= self.limits.waiting {
            return Admission::Refused(Refused::TooMany);
        }
        if state.desired == 0 {
            self.want(state, state.settings.bounds.min.max(1));
        }
        Admission::Held(self.wait(state, false))
    }

    /// Scale per request: reuse, start, wait or refuse.
    fn provision(self: &Arc<Self>, state: &mut State) -> Admission {
        let supply = self.supply(state);
        let provisioner = state.provisioner.as_mut().expect("only called where replicas are started per request");
        match provisioner.provision(&supply) {
            Provision::Reuse => {
                let mut draws = Seed(1).key("routing").draws(state.calls, 0);
                let handle = state.pool.choose_free(&mut draws).expect("the supply has a free slot");
                Admission::Granted(state.begin(self, handle))
            }
            Provision::Start => {
                let bound = provisioner.binding == Binding::Replica;
                self.want(state, state.desired + 1);
                Admission::Waits { ticket: self.wait(state, bound), cold: true }
            }
            Provision::Wait => Admission::Waits { ticket: self.wait(state, false), cold: false },
            Provision::Reject => Admission::Refused(Refused::NoPlace),
        }
    }

    /// Where replicas are started per request, one is started for each that is wanted, so wanted and live are the same.
    fn supply(&self, state: &State) -> Supply {
        Supply {
            free_slots: u32::try_from(state.pool.free_slots()).unwrap_or(u32::MAX),
            starting: state.desired.saturating_sub(state.pool.len() as u32),
            live: state.desired,
            max: state.settings.bounds.max,
            waiting: state.waiting.len() as u32,
            places: places(state),
        }
    }

    fn want(&self, state: &mut State, replicas: u32) {
        state.desired = replicas.min(self.limits.replicas);
        self.metrics.service_count.set(i64::from(state.desired));
        self.changed.notify_one();
    }

    fn wait(self: &Arc<Self>, state: &mut State, bound: bool) -> Ticket {
        let (sender, answer) = oneshot::channel();
        let arrival = state.calls;
        let queue = if bound { &mut state.bound } else { &mut state.waiting };
        queue.insert(arrival, Waiter { answer: sender });
        Ticket { function: self.clone(), arrival, answer }
    }

    /// Slots or replicas have become free: calls that wait take them.
    pub(crate) fn call_up(self: &Arc<Self>, state: &mut State, granted: &mut Vec<(Waiter, Lease)>) {
        while !state.waiting.is_empty() {
            let mut draws = Seed(1).key("dispatch").draws(state.calls, 1 + granted.len() as u32);
            let in_front = state.provisioner.is_some() || state.settings.waiting_room.is_some();
            let handle = match in_front {
                true if state.pool.free_slots() == 0 => None,
                true => state.pool.choose_free(&mut draws),
                false => state.dispatcher.choose(&state.pool, &mut draws),
            };
            let Some(handle) = handle else { return };
            let last_first = state.settings.last_come_first_served();
            let next = if last_first { state.waiting.pop_last() } else { state.waiting.pop_first() };
            let Some((_, waiter)) = next.filter(|(_, waiter)| !waiter.is_gone()) else { continue };
            granted.push((waiter, state.begin(self, handle)));
        }
    }

    /// Calls still wait: another start, where the policy says so.
    pub(crate) fn start_for_waiting(self: &Arc<Self>, state: &mut State) {
        while let Some(provisioner) = &state.provisioner {
            if state.waiting.is_empty() || !provisioner.start_for_waiting(&self.supply(state)) {
                return;
            }
            if provisioner.binding == Binding::Replica
                && let Some((arrival, waiter)) = state.waiting.pop_first()
            {
                state.bound.insert(arrival, waiter);
            }
            let wanted = state.desired + 1;
            self.want(state, wanted);
        }
    }

    /// Starts that no waiting call needs any more are cancelled, where the policy says so.
    fn cancel_surplus(&self, state: &mut State) {
        let Some(provisioner) = &state.provisioner else { return };
        let supply = self.supply(state);
        let surplus = provisioner.surplus(supply.starting, supply.waiting);
        if surplus > 0 {
            self.want(state, state.desired.saturating_sub(surplus).max(state.settings.bounds.min));
        }
    }

    /// A call has ended on a replica.
    #[inline]
    fn release(self: &Arc<Self>, number: u32, tenure: u64) {
        let mut state = self.lock();
        // The replica may have left the pool since, or come back to it.
        let Some(handle) = state.members.get(&number).filter(|it| it.tenure == tenure).and_then(|it| it.handle) else {
            return;
        };
        state.pool.end(handle);
        if !state.settings.slots_matter() {
            return;
        }
        let mut granted = Vec::new();
        self.call_up(&mut state, &mut granted);
        if state.provisioner.is_some() {
            self.cancel_surplus(&mut state);
            if state.pool.in_flight(handle) == 0 {
                self.idle(&mut state, number);
            }
        }
        drop(state);
        granted.into_iter().for_each(Waiter::grant);
    }

    fn give_up(&self, arrival: u64) {
        let mut state = self.lock();
        let waiter = state.waiting.remove(&arrival).or_else(|| state.bound.remove(&arrival));
        if waiter.is_some() {
            self.cancel_surplus(&mut state);
        }
        drop(state);
        // A place that was granted in the meantime goes back with it, which takes the lock again.
        drop(waiter);
    }
}

impl State {
    /// A call begins on a member of the pool.
    #[inline]
    pub(crate) fn begin(&mut self, function: &Arc<Function>, handle: Handle) -> Lease {
        self.pool.begin(handle);
        let number = self.pool.replica(handle);
        let member = &self.members[&number];
        Lease { function: function.clone(), link: member.link.clone(), number, tenure: member.tenure }
    }
}

/// Places left in the waiting room.
fn places(state: &State) -> u32 {
    let capacity = state.settings.waiting_room.map_or(0, |room| room.capacity.unwrap_or(u32::MAX));
    capacity.saturating_sub(state.waiting.len() as u32)
}

impl Lease {
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn tenure(&self) -> u64 {
        self.tenure
    }

    /// The replica could not be reached: it gets no calls for a while.
    pub(crate) fn unreachable(self) {
        self.function.unreachable(&self);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.function.release(self.number, self.tenure);
    }
}

impl Waiter {
    /// Hands a replica to a call that waits. Must not be called with the function locked: one that has left gives it back.
    pub(crate) fn grant((waiter, lease): (Waiter, Lease)) {
        let _ = waiter.answer.send(lease);
    }

    /// Whether its call has left.
    pub(crate) fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }
}

impl Ticket {
    /// Waits for a replica; `None` when the function is removed meanwhile.
    pub(crate) async fn replica(&mut self) -> Option<Lease> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.answer.close();
        self.function.give_up(self.arrival);
    }
}
