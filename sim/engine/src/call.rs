//! Calls: attempts of requests on their way, in a slab.

use std::ops::{Index, IndexMut};

use faas_lab_model::metrics::Ending;
use faas_lab_model::time::{SimTime, Span};

/// Names a call; finds nothing once that call is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId {
    index: u32,
    generation: u32,
}

/// Who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A client of an open workload.
    Client,
    /// A closed-loop user.
    User(u32),
    /// A queue worker, with this delivery of this message.
    Worker { message: u32, delivery: u32 },
    /// Nobody: a call that was there when the run began.
    Nobody,
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Between two attempts.
    BackOff,
    /// On its way to the gateway.
    Sending,
    /// Waiting for the gateway's CPU.
    GatewayQueue,
    /// On the gateway's CPU.
    GatewayBusy,
    /// Being committed to the queue.
    Committing,
    /// Held until the function has a replica.
    Held,
    /// In the waiting room.
    Waiting,
    /// On a replica that is starting.
    Bound,
    /// In a replica's accept queue.
    Backlog,
    /// CPU work.
    Working,
    /// Time that is not CPU work.
    Sleeping,
    /// Writing a stream.
    Streaming,
    /// Sent to a machine that is gone.
    Lost,
    /// No longer at work.
    Over,
}

/// One attempt of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Number of the request in order of birth.
    pub(crate) request: u64,
    /// Keys its draws: its place among the requests of its own workload, whatever other workloads do.
    pub(crate) entity: u64,
    pub(crate) workload: u32,
    pub(crate) function: u32,
    /// Attempts so far, this one included.
    pub(crate) attempt: u32,
    pub(crate) origin: Origin,
    /// When the request arrived.
    pub(crate) born: SimTime,
    /// When this attempt was sent.
    pub(crate) sent: SimTime,
    /// When the gateway had it.
    pub(crate) received: SimTime,
    /// When the gateway's CPU was done with it.
    pub(crate) admitted: SimTime,
    /// When the gateway handed it on.
    pub(crate) forwarded: SimTime,
    /// When a replica had it.
    pub(crate) accepted: SimTime,
    /// When its service started.
    pub(crate) started: SimTime,
    /// When its service ended.
    pub(crate) served: SimTime,
    /// CPU work on the reference machine.
    pub(crate) demand: Span,
    /// Time that is not CPU work.
    pub(crate) wait: Span,
    /// CPU time burnt, in nanoseconds.
    pub(crate) cpu: f64,
    /// CPU work on its machine, in nanoseconds.
    pub(crate) work: f64,
    /// Index of the replica that has it, or [`NO_REPLICA`].
    pub(crate) replica: u32,
    /// Number of that replica in order of creation: its index may belong to another by the time the answer arrives.
    pub(crate) serial: u32,
    pub(crate) stage: Stage,
    /// Waited for a replica to start.
    pub(crate) cold: bool,
    /// The client has its answer, or has given up.
    pub(crate) client_done: bool,
    /// The gateway has answered, or given up.
    pub(crate) gateway_done: bool,
    /// Counted by the watchdog as in flight.
    pub(crate) counted: bool,
    /// The answer on its way.
    pub(crate) ending: Ending,
    /// Body bytes of that answer.
    pub(crate) body_bytes: u64,
}

/// No replica has it.
pub(crate) const NO_REPLICA: u32 = u32::MAX;

impl Call {
    /// A request that is born now.
    pub(crate) fn new(request: u64, workload: u32, function: u32, origin: Origin, now: SimTime) -> Call {
        Call {
            request,
            entity: request,
            workload,
            function,
            attempt: 1,
            origin,
            born: now,
            sent: now,
            received: now,
            admitted: now,
            forwarded: now,
            accepted: now,
            started: SimTime::NEVER,
            served: SimTime::NEVER,
            demand: Span::ZERO,
            wait: Span::ZERO,
            cpu: 0.0,
            work: 0.0,
            replica: NO_REPLICA,
            serial: 0,
            stage: Stage::Sending,
            cold: false,
            client_done: false,
            gateway_done: false,
            counted: false,
            ending: Ending::OK,
            body_bytes: 0,
        }
    }

    /// The next attempt of the same request: its demand travels with it.
    pub(crate) fn next_attempt(&self) -> Call {
        Call {
            attempt: self.attempt + 1,
            entity: self.entity,
            demand: self.demand,
            wait: self.wait,
            cold: self.cold,
            stage: Stage::BackOff,
            ..Call::new(self.request, self.workload, self.function, self.origin, self.born)
        }
    }
}

/// All calls that are alive.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    alive: bool,
    call: Call,
}

impl Calls {
    #[inline]
    pub(crate) fn insert(&mut self, call: Call) -> CallId {
        match self.vacant.pop() {
            Some(index) => {
                let slot = &mut self.slots[index as usize];
                slot.call = call;
                slot.alive = true;
                CallId { index, generation: slot.generation }
            }
            None => {
                self.slots.push(Slot { generation: 0, alive: true, call });
                CallId { index: self.slots.len() as u32 - 1, generation: 0 }
            }
        }
    }

    /// The call, if it is still there.
    #[inline]
    pub(crate) fn get(&self, id: CallId) -> Option<&Call> {
        let slot = &self.slots[id.index as usize];
        (slot.generation == id.generation).then_some(&slot.call)
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: CallId) {
        let slot = &mut self.slots[id.index as usize];
        debug_assert_eq!(slot.generation, id.generation, "a call is removed once");
        slot.generation = slot.generation.wrapping_add(1);
        slot.alive = false;
        self.vacant.push(id.index);
    }

    /// The calls that a replica has, in order of their slots.
    pub(crate) fn on_replica(&self, replica: u32) -> Vec<CallId> {
        let slots = self.slots.iter().enumerate().filter(|(_, slot)| slot.alive && slot.call.replica == replica);
        slots.map(|(index, slot)| CallId { index: index as u32, generation: slot.generation }).collect()
    }

    /// How many are alive.
    pub(crate) fn alive(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// All calls that are alive.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.slots.iter().filter(|slot| slot.alive).map(|slot| &slot.call)
    }
}

impl Index<CallId> for Calls {
    type Output = Call;
    #[inline]
    fn index(&self, id: CallId) -> &Call {
        debug_assert_eq!(self.slots[id.index as usize].generation, id.generation);
        &self.slots[id.index as usize].call
    }
}

impl IndexMut<CallId> for Calls {
    #[inline]
    fn index_mut(&mut self, id: CallId) -> &mut Call {
        debug_assert_eq!(self.slots[id.index as usize].generation, id.generation);
        &mut self.slots[id.index as usize].call
    }
}
