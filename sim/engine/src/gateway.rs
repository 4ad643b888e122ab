//! The gateways: a station for their CPU, scale from zero, and the timeouts they keep.
//!
//! * read timeout: a body that takes longer to come is cut off; the client sees a closed connection.
//! * write timeout: an answer later than this is not written; the client sees a closed connection *at the end* of the call
//!   (a stream is cut when the next block is to be written).
//! * upstream timeout: the client gets 502 at the deadline; the function works on.

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::rng::Uniforms;
use faas_lab_model::scenario::{Gateway, Invocation, ScaleFromZero};
use faas_lab_model::time::Span;

use crate::call::{CallId, Origin, Stage};
use crate::event::Event;
use crate::world::World;

/// The shorter of the gateway's and its provider's patience with a function, and whose it is.
pub(crate) fn upstream_limit(gateway: &Gateway) -> Option<(Span, Hop)> {
    let upstream = gateway.upstream_timeout.map(|limit| (limit, Hop::GatewayUpstream));
    let provider = gateway.provider_timeout.map(|limit| (limit, Hop::Provider));
    [upstream, provider].into_iter().flatten().min()
}

impl World<'_> {
    #[inline]
    pub(crate) fn at_gateway(&mut self, id: CallId) {
        if self.calls.get(id).is_none() {
            return;
        }
        let now = self.calendar.now();
        let scenario = self.scenario;
        let call = &mut self.calls[id];
        call.received = now;
        call.admitted = now;
        call.forwarded = now;
        let upload = self.sources[call.workload as usize].upload;
        if scenario.gateway.read_timeout.is_some_and(|limit| upload > limit) {
            return self.refuse_at_gateway(id, Ending::new(OutcomeKind::TimedOut, Some(Hop::GatewayRead), None));
        }
        if scenario.gateway.overhead.is_zero() {
            return self.admitted(id);
        }
        let gateway = self.gateway_of(id);
        let state = &mut self.gateways[gateway];
        if state.busy < scenario.gateway.workers {
            state.busy += 1;
            self.gateway_works(id);
        } else {
            state.queue.push_back(id);
            self.calls[id].stage = Stage::GatewayQueue;
        }
    }

    /// Which gateway has the call: any of them with equal probability.
    fn gateway_of(&self, id: CallId) -> usize {
        if self.gateways.len() == 1 {
            return 0;
        }
        let call = &self.calls[id];
        let bits = self.keys.gateway.draws(call.entity, call.attempt).bits();
        ((u128::from(bits) * self.gateways.len() as u128) >> 64) as usize
    }

    fn gateway_works(&mut self, id: CallId) {
        let call = &mut self.calls[id];
        call.stage = Stage::GatewayBusy;
        let mut draws = self.keys.overhead.draws(call.entity, call.attempt);
        let overhead = self.scenario.gateway.overhead.sample(&mut draws);
        self.calendar.schedule_in(overhead, Event::GatewayDone(id));
    }

    pub(crate) fn gateway_done(&mut self, id: CallId) {
        // The call itself stays until its event: a busy gateway cannot be interrupted.
        let gateway = self.gateway_of(id);
        let mut next = None;
        while let Some(waiting) = self.gateways[gateway].queue.pop_front() {
            if self.calls.get(waiting).is_some() {
                next = Some(waiting);
                break;
            }
        }
        match next {
            Some(next) => self.gateway_works(next),
            None => self.gateways[gateway].busy -= 1,
        }
        if self.calls[id].gateway_done {
            self.calls[id].stage = Stage::Over;
            return self.release(id);
        }
        self.admitted(id);
    }

    #[inline]
    fn admitted(&mut self, id: CallId) {
        let now = self.calendar.now();
        let call = &mut self.calls[id];
        call.admitted = now;
        call.forwarded = now;
        let workload = &self.scenario.workloads[call.workload as usize];
        if workload.invocation == Invocation::Async && matches!(call.origin, Origin::Client | Origin::User(_)) {
            return self.enqueue(id);
        }
        if self.functions[call.function as usize].provisioner.is_none()
            && let Some(hold) = self.scenario.gateway.scale_from_zero
            && !self.sees_a_replica(id, hold)
        {
            return self.hold(id, hold);
        }
        self.forward(id);
    }

    /// Whether the call's gateway believes that the function has a replica; it asks again when its answer is too old.
    fn sees_a_replica(&mut self, id: CallId, hold: ScaleFromZero) -> bool {
        let now = self.calendar.now();
        let function = self.calls[id].function as usize;
        let gateway = self.gateway_of(id);
        let seen = &mut self.gateways[gateway].seen[function];
        match seen {
            Some((at, true)) if now.since(*at) < hold.cache => true,
            _ => {
                let there = !self.functions[function].pool.is_empty();
                *seen = Some((now, there));
                there
            }
        }
    }

    fn hold(&mut self, id: CallId, hold: ScaleFromZero) {
        let call = &mut self.calls[id];
        call.stage = Stage::Held;
        call.cold = true;
        let function = call.function;
        self.functions[function as usize].held.push(id);
        self.calendar.schedule_deadline(hold.poll * u64::from(hold.polls), Event::HoldGivesUp(id));
        if self.functions[function as usize].desired == 0 {
            let wanted = self.scenario.functions[function as usize].replicas.min.max(1);
            self.set_desired(function, wanted);
        }
    }

    /// The function has its first replica: each held call goes on at its next poll.
    pub(crate) fn release_held(&mut self, function: u32) {
        let Some(hold) = self.scenario.gateway.scale_from_zero else { return };
        let now = self.calendar.now();
        for id in std::mem::take(&mut self.functions[function as usize].held) {
            if let Some(call) = self.calls.get(id)
                && call.stage == Stage::Held
            {
                self.calendar.schedule_at(now.next_on_grid(call.admitted, hold.poll), Event::HoldOver(id));
            }
        }
    }

    pub(crate) fn hold_over(&mut self, id: CallId) {
        if self.calls.get(id).is_some_and(|call| call.stage == Stage::Held) {
            self.forward(id);
        }
    }

    #[inline]
    fn forward(&mut self, id: CallId) {
        let now = self.calendar.now();
        let call = &mut self.calls[id];
        call.forwarded = now;
        let state = &mut self.functions[call.function as usize];
        state.started_total += 1;
        state.in_flight += 1;
        if let Some((limit, _)) = self.upstream_limit {
            self.calendar.schedule_deadline(limit, Event::UpstreamTimeout(id));
        }
        self.route(id);
    }

    pub(crate) fn upstream_times_out(&mut self, id: CallId) {
        let Some((_, hop)) = self.upstream_limit else { return };
        let ending = Ending::new(OutcomeKind::TimedOut, Some(hop), Some(502));
        self.cut(id, ending);
    }

    /// The gateway has a block of a stream to write, and its write deadline has passed.
    pub(crate) fn gateway_write_times_out(&mut self, id: CallId) {
        self.cut(id, Ending::new(OutcomeKind::TimedOut, Some(Hop::GatewayWrite), None));
    }

    /// The gateway ends a call that its function still works on. What of a stream has passed already makes it a cut 200.
    fn cut(&mut self, id: CallId, ending: Ending) {
        let Some(call) = self.calls.get(id) else { return };
        if call.gateway_done {
            return;
        }
        let streaming = call.stage == Stage::Streaming;
        let so_far = if streaming { self.streamed(id) } else { 0 };
        let ending = match so_far {
            0 => ending,
            _ => Ending::new(OutcomeKind::Truncated, ending.hop, Some(200)),
        };
        self.abandon(id);
        self.gateway_replies(id, ending, so_far);
    }

    /// The gateway itself refuses a call before it is forwarded.
    pub(crate) fn refuse_at_gateway(&mut self, id: CallId, ending: Ending) {
        let call = &mut self.calls[id];
        call.stage = Stage::Over;
        call.gateway_done = true;
        self.answer(id, ending, 0);
    }

    /// The function side has answered (or the gateway has given up on it): the gateway passes the answer on.
    #[inline]
    pub(crate) fn gateway_replies(&mut self, id: CallId, ending: Ending, body_bytes: u64) {
        if self.calls[id].gateway_done {
            return self.release(id);
        }
        self.close_at_gateway(id, ending.status);
        let waited = self.calendar.now() - self.calls[id].received;
        match self.scenario.gateway.write_timeout {
            Some(limit) if waited > limit => self.answer_too_late(id, ending, body_bytes),
            _ => {
                if ending.kind != OutcomeKind::Ok {
                    self.waste(id);
                }
                self.answer(id, ending, body_bytes);
            }
        }
    }

    /// The write deadline has passed: the client gets what of a stream had reached it by then, or nothing.
    fn answer_too_late(&mut self, id: CallId, ending: Ending, body_bytes: u64) {
        let function = &self.scenario.functions[self.calls[id].function as usize];
        let had_begun =
            ending.kind == OutcomeKind::Truncated || (ending.kind == OutcomeKind::Ok && function.stream.is_some());
        let passed = if had_begun { body_bytes.min(self.streamed(id)) } else { 0 };
        let hop = if ending.kind == OutcomeKind::Truncated { ending.hop } else { Some(Hop::GatewayWrite) };
        let ending = match passed {
            0 => Ending::new(OutcomeKind::TimedOut, Some(Hop::GatewayWrite), None),
            _ => Ending::new(OutcomeKind::Truncated, hop, Some(200)),
        };
        self.waste(id);
        self.answer(id, ending, passed);
    }

    /// The gateway has nothing more to do with the call; its counters move.
    #[inline]
    pub(crate) fn close_at_gateway(&mut self, id: CallId, status: Option<u16>) {
        let call = &mut self.calls[id];
        call.gateway_done = true;
        if !matches!(
            call.stage,
            Stage::BackOff
                | Stage::Sending
                | Stage::GatewayQueue
                | Stage::GatewayBusy
                | Stage::Committing
                | Stage::Held
        ) {
            let state = &mut self.functions[call.function as usize];
            state.in_flight -= 1;
            state.completed_total += 1;
            state.ok_total += u64::from(status == Some(200));
        }
    }

    /// Nobody waits for the call any more. What has not begun is dropped; what is being worked on goes on.
    pub(crate) fn abandon(&mut self, id: CallId) {
        let call = &mut self.calls[id];
        match call.stage {
            Stage::Waiting => {
                let function = call.function;
                call.stage = Stage::Over;
                self.functions[function as usize].room.leave();
                let now = self.calendar.now();
                self.recorder.functions[function as usize].waiting.add(now, -1);
                self.cancel_surplus(function);
            }
            Stage::BackOff | Stage::Sending | Stage::GatewayQueue | Stage::Committing | Stage::Held => {
                call.stage = Stage::Over
            }
            Stage::Lost => self.leave_lost(id),
            Stage::Bound => self.leave_backlog(id),
            // The gateway's CPU notices when it is done.
            Stage::GatewayBusy | Stage::Over => {}
            // Behind an HTTP watchdog the call is no longer counted as in flight, and the function may stop.
            Stage::Backlog | Stage::Working | Stage::Sleeping => self.connection_lost(id),
            // The function's output has nowhere to go: its next write ends it.
            Stage::Streaming => self.stop_service(id),
        }
    }
}
