//! The queue of asynchronous invocations, and its workers.
//!
//! Delivery is at least once: an invocation that is not acknowledged within `ack_wait` is delivered again, even while its
//! first delivery still runs, unless the workers extend their acknowledgement.

use std::collections::VecDeque;

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop, Part};
use faas_lab_model::scenario::AsyncQueue;
use faas_lab_model::time::{SimTime, Span};

use crate::call::{Call, CallId, Origin, Stage};
use crate::event::Event;
use crate::world::World;

/// The queue: what waits, what is being delivered.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: VecDeque<u32>,
    free_workers: u32,
    messages: Vec<Message>,
    vacant: Vec<u32>,
    deliveries: u32,
    /// Workers are being given work: whoever frees one meanwhile leaves it to that loop.
    delivering: bool,
}

#[derive(Debug)]
struct Message {
    alive: bool,
    /// The call as it was accepted; each delivery is made from it.
    call: Call,
    accepted: SimTime,
    attempts: u32,
    /// The delivery that an acknowledgement is awaited of; 0: none.
    awaited: u32,
    /// Deliveries whose call still runs.
    running: u32,
    /// Pending returns to the queue after a failed delivery.
    returns: u32,
    /// Its result is known; what still runs are duplicates.
    done: bool,
    /// The result, on its way to the callback.
    result: Option<(Call, Ending)>,
}

impl Queue {
    pub(crate) fn new(settings: &AsyncQueue) -> Queue {
        Queue {
            waiting: VecDeque::new(),
            free_workers: settings.workers.saturating_mul(settings.max_inflight),
            messages: Vec::new(),
            vacant: Vec::new(),
            deliveries: 0,
            delivering: false,
        }
    }

    /// Invocations that are kept.
    pub(crate) fn kept(&self) -> usize {
        self.messages.len() - self.vacant.len()
    }

    /// Function and birth of each invocation without a result.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (usize, SimTime)> {
        let open = self.messages.iter().filter(|message| message.alive && (!message.done || message.result.is_some()));
        open.map(|message| (message.call.function as usize, message.call.born))
    }
}

impl World<'_> {
    /// The gateway takes an asynchronous invocation.
    pub(crate) fn enqueue(&mut self, id: CallId) {
        let call = &mut self.calls[id];
        let body = self.scenario.workloads[call.workload as usize].request;
        if self.scenario.queue.max_body.is_some_and(|limit| body > limit) {
            let too_large = Ending::new(OutcomeKind::Failed, Some(Hop::Queue), Some(500));
            return self.refuse_at_gateway(id, too_large);
        }
        call.stage = Stage::Committing;
        let commit = self.scenario.queue.commit.sample(&mut self.keys.commit.draws(call.entity, 0));
        if commit.is_zero() {
            self.committed(id);
        } else {
            self.calendar.schedule_in(commit, Event::Committed(id));
        }
    }

    /// The invocation is safe: the client gets its 202.
    pub(crate) fn committed(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        if call.gateway_done {
            return;
        }
        let now = self.calendar.now();
        let call = *call;
        self.calls.remove(id);
        let message = Message {
            alive: true,
            call,
            accepted: now,
            attempts: 0,
            awaited: 0,
            running: 0,
            returns: 0,
            done: false,
            result: None,
        };
        let index = match self.queue.vacant.pop() {
            Some(index) => {
                self.queue.messages[index as usize] = message;
                index
            }
            None => {
                self.queue.messages.push(message);
                self.queue.messages.len() as u32 - 1
            }
        };
        if let Origin::User(user) = call.origin {
            self.user_thinks(user, &call);
        }
        self.push_message(index, false);
        self.deliver_messages();
    }

    fn push_message(&mut self, index: u32, first: bool) {
        if first {
            self.queue.waiting.push_front(index);
        } else {
            self.queue.waiting.push_back(index);
        }
        self.change_depth(index, 1);
    }

    fn change_depth(&mut self, index: u32, change: i64) {
        let now = self.calendar.now();
        let function = self.queue.messages[index as usize].call.function as usize;
        self.recorder.functions[function].queued.add(now, change);
        let depth = &mut self.functions[function].queue_depth;
        *depth = depth.saturating_add_signed(change);
    }

    /// Free workers take what waits.
    fn deliver_messages(&mut self) {
        if std::mem::replace(&mut self.queue.delivering, true) {
            return;
        }
        while self.queue.free_workers > 0 {
            let Some(index) = self.queue.waiting.pop_front() else { break };
            self.change_depth(index, -1);
            let queue = &mut self.queue;
            let message = &mut queue.messages[index as usize];
            if message.done {
                // It was to be delivered again, and its first delivery has ended meanwhile.
                self.forget_if_over(index);
                continue;
            }
            queue.free_workers -= 1;
            queue.deliveries = queue.deliveries.wrapping_add(1).max(1);
            let delivery = queue.deliveries;
            message.attempts += 1;
            message.awaited = delivery;
            message.running += 1;
            let origin = Origin::Worker { message: index, delivery };
            let (first, attempt) = (message.call, message.attempts);
            let call = Call {
                attempt,
                entity: first.entity,
                sent: self.calendar.now(),
                demand: first.demand,
                wait: first.wait,
                ..Call::new(first.request, first.workload, first.function, origin, first.born)
            };
            if !self.scenario.queue.extends_ack {
                let event = Event::AckWaitOver { message: index, delivery };
                self.calendar.schedule_deadline(self.scenario.queue.ack_wait, event);
            }
            let id = self.calls.insert(call);
            self.at_gateway(id);
        }
        self.queue.delivering = false;
    }

    pub(crate) fn ack_wait_over(&mut self, index: u32, delivery: u32) {
        let message = &mut self.queue.messages[index as usize];
        if !message.alive || message.done || message.awaited != delivery {
            return;
        }
        message.awaited = 0;
        let function = message.call.function as usize;
        self.recorder.functions[function].totals().duplicates += 1;
        self.push_message(index, true);
        self.deliver_messages();
    }

    /// A worker has the answer to a delivery.
    pub(crate) fn worker_has_answer(&mut self, index: u32, delivery: u32, id: CallId) {
        let call = self.calls[id];
        let ending = call.ending;
        let settings = &self.scenario.queue;
        let message = &mut self.queue.messages[index as usize];
        message.running -= 1;
        if message.awaited == delivery {
            message.awaited = 0;
        }
        if message.done {
            // A duplicate: its work had been done before.
            if ending.kind == OutcomeKind::Ok {
                self.waste(id);
            }
            self.queue.free_workers += 1;
            self.forget_if_over(index);
            return self.deliver_messages();
        }
        let retryable = ending.status.is_none_or(|status| settings.retry_codes.contains(&status));
        if ending.kind != OutcomeKind::Ok && retryable && message.attempts < settings.attempts {
            let mut draws = self.keys.back_off.draws(call.entity, message.attempts);
            let back_off = settings.backoff.delay(message.attempts, &mut draws);
            let delay = match (settings.retry_after, ending.status) {
                (Some(after), Some(429 | 503)) => after.max(settings.backoff.initial),
                _ => back_off,
            };
            message.returns += 1;
            let (function, born) = (call.function as usize, call.born);
            let in_cohort = self.recorder.in_cohort(born);
            self.recorder.functions[function].retry(in_cohort);
            self.calendar.schedule_in(delay, Event::Requeue(index));
            self.queue.free_workers += 1;
            return self.deliver_messages();
        }
        if ending.kind != OutcomeKind::Ok && (message.running > 0 || message.returns > 0) {
            // Another delivery may yet end well.
            self.queue.free_workers += 1;
            return self.deliver_messages();
        }
        if ending.kind != OutcomeKind::Ok && retryable && settings.attempts > 1 {
            self.recorder.functions[call.function as usize].totals().dead_letters += 1;
        }
        message.done = true;
        message.result = Some((call, ending));
        let callback = match &settings.callback {
            Some(law) => law.sample(&mut self.keys.callback.draws(call.entity, 0)),
            None => Span::ZERO,
        };
        if callback.is_zero() {
            self.callback_made(index);
        } else {
            self.calendar.schedule_in(callback, Event::CallbackMade(index));
        }
    }

    pub(crate) fn requeue(&mut self, index: u32) {
        let message = &mut self.queue.messages[index as usize];
        message.returns -= 1;
        if message.done {
            return self.forget_if_over(index);
        }
        self.push_message(index, false);
        self.deliver_messages();
    }

    /// The result is where it belongs: the invocation has ended, and its worker is free.
    pub(crate) fn callback_made(&mut self, index: u32) {
        let message = &mut self.queue.messages[index as usize];
        let Some((call, ending)) = message.result.take() else { return };
        let accepted = message.accepted;
        let delay = self.calendar.now() - accepted;
        let in_cohort = self.recorder.in_cohort(call.born);
        self.recorder.functions[call.function as usize].queue_delay(delay, in_cohort);
        self.record_end(&call, ending, call.sent.since(accepted), Part::Queue);
        self.queue.free_workers += 1;
        self.forget_if_over(index);
        self.deliver_messages();
    }

    /// Frees an invocation's place when nothing refers to it any more.
    fn forget_if_over(&mut self, index: u32) {
        let message = &mut self.queue.messages[index as usize];
        let at_rest = message.running == 0 && message.returns == 0;
        let is_over = message.alive && message.done && message.result.is_none() && at_rest;
        if is_over && !self.queue.waiting.contains(&index) {
            self.queue.messages[index as usize].alive = false;
            self.queue.vacant.push(index);
        }
    }
}
