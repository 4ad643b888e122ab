//! The edge: requests are born, sent, given up, tried again and, in the end, answered.

use faas_lab_model::arrivals::{ArrivalSchedule, Drawn};
use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ended, Ending, Hop, Part};
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::{Arrivals, Invocation, Scenario, Workload};
use faas_lab_model::time::{SimTime, Span};
use faas_lab_model::units::{ByteRate, Bytes};

use crate::RequestRecord;
use crate::call::{Call, CallId, NO_REPLICA, Origin, Stage};
use crate::event::Event;
use crate::world::{Source, World};

impl Source {
    pub(crate) fn new(scenario: &Scenario, workload: &Workload, seed: Seed) -> Source {
        let function = &scenario.functions[workload.function];
        let drawn = |law: &faas_lab_model::distributions::Distribution, what: &str| {
            Drawn::new(law.clone(), seed, &format!("workload/{}/{what}", workload.name))
        };
        let upload = transfer(workload.request, scenario.edge.bandwidth);
        // The watchdog reads along, unless the call is for the queue.
        let limits = match workload.invocation {
            Invocation::Sync => [scenario.gateway.read_timeout, function.watchdog.read_timeout],
            Invocation::Async => [scenario.gateway.read_timeout, None],
        };
        Source {
            schedule: ArrivalSchedule::new(&workload.arrivals, &workload.name, seed, scenario.duration),
            demand: drawn(&function.demand.law, "demand"),
            wait: drawn(&function.wait, "wait"),
            family: Seed(0).key(&workload.name),
            births: 0,
            upload,
            until_read: limits.into_iter().flatten().fold(upload, Span::min),
        }
    }
}

/// Time that so many bytes take.
pub(crate) fn transfer(bytes: Bytes, rate: Option<ByteRate>) -> Span {
    rate.map_or(Span::ZERO, |rate| Span::from_secs_f64(bytes.0 as f64 / rate.0))
}

/// The pause of a user who does not think and had an answer in no time at all, as refusals are without a network: else
/// that user would ask again for ever in one instant.
const AT_ONCE: Span = Span::from_millis(1);

impl World<'_> {
    /// The first arrival of a workload, or its users.
    pub(crate) fn open_source(&mut self, workload: u32) {
        if let Arrivals::Users(users) = &self.scenario.workloads[workload as usize].arrivals {
            for user in 0..users.count {
                let share = f64::from(user) / f64::from(users.count);
                let at = SimTime::ZERO + Span::from_secs_f64(users.ramp_up.as_secs_f64() * share);
                self.calendar.schedule_at(at, Event::UserSends { workload, user });
            }
        } else {
            self.schedule_next_arrival(workload);
        }
    }

    #[inline]
    fn schedule_next_arrival(&mut self, workload: u32) {
        if let Some(at) = self.sources[workload as usize].schedule.next() {
            self.calendar.schedule_arrival(at, workload);
        }
    }

    pub(crate) fn arrival(&mut self, workload: u32) {
        self.schedule_next_arrival(workload);
        self.birth(workload, Origin::Client);
    }

    pub(crate) fn user_sends(&mut self, workload: u32, user: u32) {
        if !self.arrivals_over {
            self.birth(workload, Origin::User(user));
        }
    }

    #[inline]
    fn birth(&mut self, workload: u32, origin: Origin) {
        let now = self.calendar.now();
        let function = self.scenario.workloads[workload as usize].function;
        let source = &mut self.sources[workload as usize];
        let mut call = Call::new(self.requests_born, workload, function as u32, origin, now);
        call.entity = source.family.entity(source.births);
        source.births += 1;
        call.demand = source.demand.draw();
        call.wait = source.wait.draw();
        self.requests_born += 1;
        self.in_system += 1;
        self.recorder.arrive(now, function);
        let id = self.calls.insert(call);
        self.send(id);
    }

    pub(crate) fn resend(&mut self, id: CallId) {
        let Some(_) = self.calls.get(id) else { return };
        let call = &mut self.calls[id];
        call.sent = self.calendar.now();
        call.stage = Stage::Sending;
        self.send(id);
    }

    #[inline]
    fn send(&mut self, id: CallId) {
        if let Some(timeout) = self.scenario.edge.client_timeout {
            self.calendar.schedule_deadline(timeout, Event::ClientTimeout(id));
        }
        let delay = self.rtt(id) / 2 + self.sources[self.calls[id].workload as usize].until_read;
        if delay.is_zero() {
            self.at_gateway(id);
        } else {
            self.calendar.schedule_in(delay, Event::AtGateway(id));
        }
    }

    /// The round-trip time of one attempt: drawn once, used for both ways.
    #[inline]
    fn rtt(&self, id: CallId) -> Span {
        let law = &self.scenario.edge.rtt;
        match law.constant() {
            Some(rtt) => rtt,
            None => {
                let call = &self.calls[id];
                law.sample(&mut self.keys.rtt.draws(call.entity, call.attempt))
            }
        }
    }

    /// An answer leaves the gateway for its client.
    #[inline]
    pub(crate) fn answer(&mut self, id: CallId, ending: Ending, body_bytes: u64) {
        let call = &mut self.calls[id];
        call.ending = ending;
        call.body_bytes = body_bytes;
        if let Origin::Worker { message, delivery } = call.origin {
            call.client_done = true;
            self.worker_has_answer(message, delivery, id);
            return self.release(id);
        }
        if call.client_done {
            return self.release(id);
        }
        let delay = self.rtt(id) / 2 + transfer(Bytes(body_bytes), self.scenario.edge.bandwidth);
        if delay.is_zero() {
            self.at_client(id);
        } else {
            self.calendar.schedule_in(delay, Event::AtClient(id));
        }
    }

    pub(crate) fn at_client(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        if !call.client_done {
            let ending = call.ending;
            self.calls[id].client_done = true;
            self.finish(id, ending);
        }
        self.release(id);
    }

    pub(crate) fn client_times_out(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        if call.client_done {
            return;
        }
        let began = call.stage == Stage::Streaming;
        let so_far = if began { self.streamed(id) } else { 0 };
        let lost = call.stage == Stage::Lost;
        let answered = call.gateway_done && call.ending.kind == OutcomeKind::Ok;
        let call = &mut self.calls[id];
        call.client_done = true;
        call.body_bytes = so_far;
        self.finish(id, Ending::new(OutcomeKind::TimedOut, Some(Hop::Client), None));
        if !self.calls[id].gateway_done {
            self.close_at_gateway(id, None);
            self.abandon(id);
        }
        if lost || answered {
            self.waste(id);
        }
        self.release(id);
    }

    /// The client has its answer or has given up: another attempt, or the end of the request.
    #[inline]
    fn finish(&mut self, id: CallId, ending: Ending) {
        if ending.kind != OutcomeKind::Ok && self.try_again(id, ending) {
            return;
        }
        let call = self.calls[id];
        self.record_end(&call, ending, call.sent.since(call.born), Part::Retries);
        if let Origin::User(user) = call.origin {
            self.user_thinks(user, &call);
        }
    }

    /// A user has an answer to `call`, and thinks about it.
    pub(crate) fn user_thinks(&mut self, user: u32, call: &Call) {
        let workload = call.workload;
        let Arrivals::Users(users) = &self.scenario.workloads[workload as usize].arrivals else { return };
        let think = users.think.sample(&mut self.keys.think.draws(call.entity, 0));
        let no_time = think.is_zero() && self.calendar.now() == call.born;
        let pause = if no_time { AT_ONCE } else { think };
        self.calendar.schedule_in(pause, Event::UserSends { workload, user });
    }

    fn try_again(&mut self, id: CallId, ending: Ending) -> bool {
        let call = &self.calls[id];
        let Some(retries) = &self.scenario.workloads[call.workload as usize].retries else { return false };
        let retryable = ending.status.is_none_or(|status| retries.codes.contains(&status));
        if call.attempt >= retries.attempts || !retryable {
            return false;
        }
        let delay = retries.backoff.delay(call.attempt, &mut self.keys.back_off.draws(call.entity, call.attempt));
        let (function, born, next) = (call.function as usize, call.born, call.next_attempt());
        let in_cohort = self.recorder.in_cohort(born);
        self.recorder.functions[function].retry(in_cohort);
        let next = self.calls.insert(next);
        self.calendar.schedule_in(delay, Event::Resend(next));
        true
    }

    /// Counts a request that has ended with `call` as its last attempt; `before` was spent before that attempt in `part`.
    #[inline]
    pub(crate) fn record_end(&mut self, call: &Call, ending: Ending, before: Span, part: Part) {
        let now = self.calendar.now();
        let served = call.started != SimTime::NEVER;
        let mut ended = Ended {
            born: call.born,
            ending,
            cold: call.cold,
            served,
            waiting: Span::ZERO,
            service: Span::ZERO,
            parts: [Span::ZERO; 7],
        };
        if served {
            ended.waiting = call.started - call.received;
            ended.service = call.served.min(now) - call.started;
            let (hold, queueing) = (call.forwarded - call.admitted, call.started - call.forwarded);
            let parts = &mut ended.parts;
            parts[part as usize] = before;
            parts[Part::Gateway as usize] = call.admitted - call.received;
            parts[Part::ColdStart as usize] = if call.cold { hold + queueing } else { hold };
            parts[Part::Waiting as usize] = if call.cold { Span::ZERO } else { queueing };
            parts[Part::Service as usize] = ended.service;
            // What is left was spent on the way, or after the service.
            let known = parts.iter().fold(Span::ZERO, |sum, part| sum + *part);
            parts[Part::Network as usize] = (now - call.born).saturating_sub(known);
        }
        self.recorder.end(now, call.function as usize, &ended);
        self.in_system -= 1;
        if self.arrivals_over && self.in_system == 0 {
            self.over = true;
        }
        if let Some(log) = &mut self.log {
            log(&RequestRecord {
                id: call.request,
                workload: call.workload as usize,
                function: call.function as usize,
                arrived: call.born,
                ended: now,
                ending,
                attempts: call.attempt,
                cold: call.cold,
                waiting: ended.waiting,
                service: ended.service,
                replica: (call.replica != NO_REPLICA).then_some(u64::from(call.serial)),
                body_bytes: call.body_bytes,
            });
        }
    }

    /// Forgets a call that nobody waits for and nobody works on.
    #[inline]
    pub(crate) fn release(&mut self, id: CallId) {
        if let Some(call) = self.calls.get(id)
            && call.client_done
            && call.gateway_done
            && call.stage == Stage::Over
        {
            self.calls.remove(id);
        }
    }
}
