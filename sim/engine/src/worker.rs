//! The workers: a watchdog in front of a function's process, on a machine whose cores are shared.
//!
//! What a client sees at the watchdog's timeouts, by mode:
//!
//! | | classic | http | serializing | streaming |
//! |---|---|---|---|---|
//! | exec timeout | killed, 408 | 504, the function works on unless it is `cancellable` | killed, 500 | killed, a cut 200 |
//! | write timeout | connection closed at the end of the call: 502 from the gateway | same | same | cut at the last block sent |
//! | max_inflight | 429 at once | same | same | same |

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::rng::Uniforms;
use faas_lab_model::scenario::WatchdogMode;
use faas_lab_model::time::Span;

use crate::call::{CallId, Origin, Stage};
use crate::event::Event;
use crate::replica::{NO_NODE, State, Task};
use crate::world::World;

const TOO_MANY: Ending = Ending::new(OutcomeKind::Refused, Some(Hop::Replica), Some(429));
/// The watchdog's connection breaks without an answer, which the gateway reports as 502.
const WRITTEN_TOO_LATE: Ending = Ending::new(OutcomeKind::TimedOut, Some(Hop::WatchdogWrite), Some(502));
const REPLICA_GONE: Ending = Ending::new(OutcomeKind::Failed, Some(Hop::Replica), Some(502));

impl World<'_> {
    /// A replica gets a call.
    #[inline]
    pub(crate) fn deliver(&mut self, id: CallId, replica: u32) {
        let now = self.calendar.now();
        let call = &mut self.calls[id];
        call.replica = replica;
        call.accepted = now;
        let function = call.function as usize;
        let settings = &self.scenario.functions[function];
        let host = &mut self.replicas[replica as usize];
        call.serial = host.serial as u32;
        if host.state == State::Lost {
            return self.lose(id);
        }
        if settings.watchdog.max_inflight.is_some_and(|limit| host.in_flight >= limit) {
            return self.refuse(id, TOO_MANY);
        }
        // A queue worker has the whole body at hand.
        let upload = match call.origin {
            Origin::Worker { .. } => Span::ZERO,
            _ => self.sources[call.workload as usize].upload,
        };
        if settings.watchdog.read_timeout.is_some_and(|limit| upload > limit) {
            return self.refuse(id, Ending::new(OutcomeKind::TimedOut, Some(Hop::WatchdogRead), Some(500)));
        }
        let state = &self.functions[function];
        let full = state.slots.is_some_and(|slots| host.running >= slots);
        let ready = host.state == State::Ready;
        if full && ready && state.backlog.is_some_and(|places| host.backlog.len() as u32 >= places) {
            return self.refuse(id, TOO_MANY);
        }
        if host.hosted() == 0 {
            self.recorder.functions[function].busy.add(now, 1);
        }
        host.in_flight += 1;
        call.counted = true;
        if let Some(handle) = host.handle {
            self.functions[function].pool.begin(handle);
        }
        if host.node != NO_NODE {
            self.nodes[host.node as usize].call_comes(settings.memory_per_call);
        }
        if !ready {
            // Its watchdog's clocks start when it is up: see `accept_bound`.
            call.stage = Stage::Bound;
            call.cold = true;
            return host.backlog.push_back(id);
        }
        if let Some(limit) = settings.watchdog.exec_timeout {
            self.calendar.schedule_deadline(limit, Event::ExecTimeout(id));
        }
        if full {
            call.stage = Stage::Backlog;
            host.backlog.push_back(id);
        } else {
            self.start_service(id, replica);
        }
        self.check_memory(replica);
    }

    /// A replica is ready: its watchdog accepts the calls that are bound to it.
    pub(crate) fn accept_bound(&mut self, replica: u32) {
        let now = self.calendar.now();
        let host = &self.replicas[replica as usize];
        let exec_timeout = self.scenario.functions[host.function as usize].watchdog.exec_timeout;
        for &id in &host.backlog {
            self.calls[id].accepted = now;
            if let Some(limit) = exec_timeout {
                self.calendar.schedule_deadline(limit, Event::ExecTimeout(id));
            }
        }
    }

    /// Whether a replica's calls take it past its memory limit, or its machine past its memory: then it is killed, or a
    /// replica has to go.
    fn check_memory(&mut self, replica: u32) {
        let host = &self.replicas[replica as usize];
        let node = host.node;
        let settings = &self.scenario.functions[host.function as usize];
        if let Some(limit) = settings.memory_limit
            && settings.memory.0.saturating_add(settings.memory_per_call.0.saturating_mul(u64::from(host.hosted())))
                > limit.0
        {
            let name = &settings.name;
            let text = format!("Replicas of {name} were killed: their calls took them past their memory limit.");
            self.finding("killed-for-memory", text);
            self.fail_replica(replica);
        }
        if node != NO_NODE && self.nodes[node as usize].under_pressure() {
            // An event of its own: what starts in the place of what goes may bring the next pressure.
            self.calendar.schedule_in(Span::ZERO, Event::MemoryPressure(node));
        }
    }

    /// The replicas whose calls take most memory go, until the machine has enough.
    pub(crate) fn relieve(&mut self, node: u32) {
        while self.nodes[node as usize].under_pressure() {
            let Some(victim) = self.most_grown(node) else { return };
            self.evict(victim);
        }
    }

    /// The replica on a machine whose calls take most memory, the newest of several.
    fn most_grown(&self, node: u32) -> Option<u32> {
        let grown = |index: u32| {
            let host = &self.replicas[index as usize];
            let per_call = self.scenario.functions[host.function as usize].memory_per_call.0;
            (u128::from(per_call) * u128::from(host.hosted()), host.serial)
        };
        let there = self.replicas_on(node).into_iter().map(|id| id.index);
        there.filter(|index| grown(*index).0 > 0).max_by_key(|index| grown(*index))
    }

    #[inline]
    fn start_service(&mut self, id: CallId, replica: u32) {
        let host = &mut self.replicas[replica as usize];
        host.running += 1;
        let node = host.node;
        let call = &mut self.calls[id];
        call.started = self.calendar.now();
        let settings = &self.scenario.functions[call.function as usize];
        let class = self.functions[call.function as usize].class;
        let work = match &settings.cold_demand {
            // The first of the calls that are bound to a start is the one that caused it.
            Some(law) if call.stage == Stage::Bound && call.cold && host.running == 1 => {
                law.sample(&mut self.keys.cold_demand.draws(call.entity, call.attempt))
            }
            _ => call.demand,
        };
        let overhead = match settings.watchdog.overhead.is_zero() {
            true => Span::ZERO,
            false => settings.watchdog.overhead.sample(&mut self.keys.watchdog.draws(call.entity, call.attempt)),
        };
        let work = work + overhead;
        if node == NO_NODE {
            call.work = work.as_nanos() as f64;
            call.stage = Stage::Working;
            if settings.stream.is_none() {
                // Without contention the end is known already.
                call.stage = Stage::Sleeping;
                let wait = call.wait;
                return self.calendar.schedule_in(work + wait, Event::Served(id));
            }
            return self.calendar.schedule_in(work, Event::Served(id));
        }
        call.work = work.as_nanos() as f64 * self.nodes[node as usize].slowdown(class);
        if work.is_zero() {
            if settings.stream.is_some() {
                return self.stream_begins(id);
            }
            // Never ends on the spot, so that no chain of such calls is as deep as it is long.
            call.stage = Stage::Sleeping;
            let wait = call.wait;
            return self.calendar.schedule_in(wait, Event::Served(id));
        }
        call.stage = Stage::Working;
        let work = call.work;
        self.begin_task(replica, Task::Call(id), work, class);
    }

    /// The event that a call's service was waiting for.
    #[inline]
    pub(crate) fn phase_of_service_over(&mut self, id: CallId) {
        match self.calls.get(id).map(|call| call.stage) {
            Some(Stage::Working) => self.cpu_work_over(id),
            Some(Stage::Sleeping) => self.served(id),
            Some(Stage::Streaming) => self.stream_over(id),
            _ => {}
        }
    }

    /// CPU work comes first; then sleeps, or a stream.
    pub(crate) fn cpu_work_over(&mut self, id: CallId) {
        let call = &mut self.calls[id];
        if self.scenario.functions[call.function as usize].stream.is_some() {
            return self.stream_begins(id);
        }
        if call.wait.is_zero() {
            return self.served(id);
        }
        call.stage = Stage::Sleeping;
        let wait = call.wait;
        self.calendar.schedule_in(wait, Event::Served(id));
    }

    /// The function has done its work: its watchdog answers.
    #[inline]
    fn served(&mut self, id: CallId) {
        let now = self.calendar.now();
        let call = &self.calls[id];
        let settings = &self.scenario.functions[call.function as usize];
        let failed = settings.error_rate > 0.0
            && self.keys.errors.draws(call.entity, call.attempt).uniform() < settings.error_rate;
        let late = settings.watchdog.write_timeout.is_some_and(|limit| now - call.accepted > limit);
        let ending = match (late, failed) {
            (true, _) => WRITTEN_TOO_LATE,
            (false, true) => Ending::new(OutcomeKind::Failed, Some(Hop::Replica), Some(500)),
            (false, false) => Ending::OK,
        };
        let bytes = if late { 0 } else { settings.response.0 };
        // A call whose watchdog has answered already (504) is over for everyone but the CPU.
        let answers = call.counted;
        self.end_service(id);
        if answers {
            self.gateway_replies(id, ending, bytes);
        } else {
            self.release(id);
        }
    }

    pub(crate) fn exec_times_out(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        let at_work =
            matches!(call.stage, Stage::Bound | Stage::Backlog | Stage::Working | Stage::Sleeping | Stage::Streaming);
        if !at_work || !call.counted {
            return;
        }
        let limit = self.scenario.functions[call.function as usize].watchdog.write_timeout;
        let late = limit.is_some_and(|limit| self.calendar.now() - call.accepted > limit);
        // What the watchdog says after its write deadline does not reach the gateway.
        let timed_out = |status| match late {
            true => WRITTEN_TOO_LATE,
            false => Ending::new(OutcomeKind::TimedOut, Some(Hop::WatchdogExec), Some(status)),
        };
        let streaming = call.stage == Stage::Streaming;
        match self.scenario.functions[call.function as usize].watchdog.mode {
            _ if streaming => self.stream_cut(id),
            WatchdogMode::Http | WatchdogMode::None => {
                self.connection_lost(id);
                self.gateway_replies(id, timed_out(504), 0);
            }
            WatchdogMode::Classic => {
                self.stop_service(id);
                self.gateway_replies(id, timed_out(408), 0);
            }
            WatchdogMode::Serializing => {
                self.stop_service(id);
                self.gateway_replies(id, timed_out(500), 0);
            }
            // Killed before it wrote anything: an empty 200.
            WatchdogMode::Streaming => {
                self.stop_service(id);
                let empty = Ending::new(OutcomeKind::Truncated, Some(Hop::WatchdogExec), Some(200));
                self.gateway_replies(id, if late { WRITTEN_TOO_LATE } else { empty }, 0);
            }
        }
    }

    /// The proxied connection of a call is gone; the work is not, unless the function stops then. Only an HTTP watchdog
    /// stops counting it: the others count processes, and tell them nothing.
    pub(crate) fn connection_lost(&mut self, id: CallId) {
        let call = &self.calls[id];
        let function = &self.scenario.functions[call.function as usize];
        if !call.counted || !matches!(function.watchdog.mode, WatchdogMode::Http | WatchdogMode::None) {
            return;
        }
        match function.cancellable {
            true => self.stop_service(id),
            false => self.uncount(id),
        }
    }

    /// The watchdog no longer counts the call as in flight, and an even dispatcher no longer sees it there.
    #[inline]
    fn uncount(&mut self, id: CallId) {
        let call = &mut self.calls[id];
        if !std::mem::take(&mut call.counted) {
            return;
        }
        let host = &mut self.replicas[call.replica as usize];
        host.in_flight -= 1;
        let state = &mut self.functions[call.function as usize];
        if let Some(handle) = host.handle
            && !state.slots_matter()
        {
            state.pool.end(handle);
        }
    }

    /// The work on a call ends before it is done: killed, or its output has nowhere to go.
    pub(crate) fn stop_service(&mut self, id: CallId) {
        match self.calls[id].stage {
            Stage::Bound | Stage::Backlog => self.leave_backlog(id),
            Stage::Working => {
                let (replica, work) = (self.calls[id].replica, self.calls[id].work);
                if self.replicas[replica as usize].node != NO_NODE {
                    let left = self.abort_task(replica, id);
                    // What was not done is no longer work.
                    self.calls[id].work = (work - left).max(0.0);
                }
                self.end_service(id);
            }
            _ => self.end_service(id),
        }
    }

    /// A call leaves the queue of its replica before its service has begun.
    pub(crate) fn leave_backlog(&mut self, id: CallId) {
        let replica = self.calls[id].replica;
        self.replicas[replica as usize].backlog.retain(|waiting| *waiting != id);
        self.leave_replica(id);
    }

    /// The service of a call ends, done or not: its slot is free.
    #[inline]
    pub(crate) fn end_service(&mut self, id: CallId) {
        let now = self.calendar.now();
        let call = &mut self.calls[id];
        call.served = now;
        // Who waits now may yet not get the answer: see `waste`.
        let on_time = !call.gateway_done || call.origin == Origin::Nobody;
        let (replica, function) = (call.replica, call.function as usize);
        let length = (now - call.started).as_nanos();
        call.cpu = match self.replicas[replica as usize].node {
            NO_NODE => call.work.min(length as f64),
            _ => call.work,
        };
        let cpu = call.cpu;
        let totals = self.recorder.functions[function].totals();
        totals.cpu += cpu;
        totals.wasted_cpu += if on_time { 0.0 } else { cpu };
        totals.calls.0 += 1;
        totals.calls.1 += u128::from(length.div_ceil(1_000_000) * 1_000_000);
        self.replicas[replica as usize].running -= 1;
        self.leave_replica(id);
    }

    /// The answer of a call whose service has ended does not reach its client in full: its work was for nothing.
    pub(crate) fn waste(&mut self, id: CallId) {
        let call = &self.calls[id];
        if call.stage == Stage::Over {
            self.recorder.functions[call.function as usize].totals().wasted_cpu += call.cpu;
        }
    }

    /// A call is no longer on its replica: what waits for the slot takes it, or the replica may be idle.
    #[inline]
    fn leave_replica(&mut self, id: CallId) {
        let call = &mut self.calls[id];
        call.stage = Stage::Over;
        let (replica, function) = (call.replica, call.function);
        self.uncount(id);
        let now = self.calendar.now();
        let host = &mut self.replicas[replica as usize];
        let state = &mut self.functions[function as usize];
        if let Some(handle) = host.handle
            && state.slots_matter()
        {
            state.pool.end(handle);
        }
        if host.node != NO_NODE {
            let memory = self.scenario.functions[function as usize].memory_per_call;
            self.nodes[host.node as usize].call_goes(memory);
        }
        let (hosted, host_state) = (host.hosted(), host.state);
        if hosted == 0 {
            self.recorder.functions[function as usize].busy.add(now, -1);
        }
        if host_state == State::Draining {
            return match hosted {
                0 => self.end_replica(replica),
                _ => self.serve_backlog(replica),
            };
        }
        if host_state != State::Ready {
            return;
        }
        self.serve_backlog(replica);
        self.call_up(function);
        // A request that found its place here needs its start no more.
        self.cancel_surplus(function);
        if self.replicas[replica as usize].hosted() == 0 {
            self.replica_idle(replica);
        }
    }

    /// Calls that wait on a replica take its free workers.
    #[inline]
    pub(crate) fn serve_backlog(&mut self, replica: u32) {
        loop {
            let host = &mut self.replicas[replica as usize];
            let slots = self.functions[host.function as usize].slots;
            if slots.is_some_and(|slots| host.running >= slots) {
                return;
            }
            let Some(next) = host.backlog.pop_front() else { return };
            self.start_service(next, replica);
        }
    }

    /// All calls of a replica fail: it has crashed, or was killed.
    pub(crate) fn fail_calls(&mut self, replica: u32) {
        for id in self.calls.on_replica(replica) {
            match self.calls[id].stage {
                Stage::Bound | Stage::Backlog | Stage::Working | Stage::Sleeping | Stage::Streaming => {
                    let began = self.calls[id].stage == Stage::Streaming && self.streamed(id) > 0;
                    let bytes = if began { self.streamed(id) } else { 0 };
                    let counted = self.calls[id].counted;
                    self.stop_service(id);
                    if counted {
                        let cut = Ending::new(OutcomeKind::Truncated, Some(Hop::Replica), Some(200));
                        self.gateway_replies(id, if began { cut } else { REPLICA_GONE }, bytes);
                    } else {
                        self.release(id);
                    }
                }
                Stage::Lost => self.refuse(id, REPLICA_GONE),
                _ => {}
            }
        }
    }

    /// The machine under a call is gone: no work, no answer, until somebody notices.
    pub(crate) fn strand(&mut self, id: CallId) {
        let call = &self.calls[id];
        if !matches!(call.stage, Stage::Bound | Stage::Backlog | Stage::Working | Stage::Sleeping | Stage::Streaming) {
            return;
        }
        let gateway_done = call.gateway_done;
        self.stop_service(id);
        if gateway_done {
            self.release(id);
        } else {
            self.lose(id);
        }
    }

    /// A call's packets go nowhere until the endpoints are corrected. Whoever sent it sees a call in flight meanwhile: it
    /// keeps its slot, and an even dispatcher does not take the dead replica for an idle one.
    pub(crate) fn lose(&mut self, id: CallId) {
        let call = &mut self.calls[id];
        call.stage = Stage::Lost;
        let host = &self.replicas[call.replica as usize];
        if let Some(handle) = host.handle {
            self.functions[call.function as usize].pool.begin(handle);
        }
    }

    /// Nobody waits any longer for a call to a machine that is gone.
    pub(crate) fn leave_lost(&mut self, id: CallId) {
        let call = &mut self.calls[id];
        call.stage = Stage::Over;
        let function = call.function;
        if let Some(handle) = self.replicas[call.replica as usize].handle {
            self.functions[function as usize].pool.end(handle);
            self.call_up(function);
        }
    }
}
