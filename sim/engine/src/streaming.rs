//! Calls that are answered item by item: begun, cut by a deadline, or written to the end. The bytes are in `stream.rs`.

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::time::SimTime;

use crate::call::{CallId, Stage};
use crate::event::Event;
use crate::stream;
use crate::world::World;

impl World<'_> {
    pub(crate) fn stream_begins(&mut self, id: CallId) {
        let now = self.calendar.now();
        let call = &mut self.calls[id];
        call.stage = Stage::Streaming;
        // From here on `work` is done; `wait` holds when the stream began, as a span since the start of the run.
        call.wait = now.since(SimTime::ZERO);
        let settings = &self.scenario.functions[call.function as usize];
        let Some(body) = &settings.stream else { return };
        let end = now + stream::length(body);
        // A write deadline breaks the connection; that is noticed when the next block is to be sent.
        let noticed = match settings.watchdog.write_timeout {
            Some(limit) if call.accepted + limit < end => {
                let until_deadline = (call.accepted + limit).since(now);
                now + stream::next_send(body, until_deadline)
            }
            _ => end,
        };
        let received = call.received;
        self.calendar.schedule_at(noticed.min(end), Event::Served(id));
        if let Some(limit) = self.scenario.gateway.write_timeout
            && received + limit < end
            && received + limit >= now
        {
            let noticed = now + stream::next_send(body, (received + limit).since(now));
            self.calendar.schedule_at(noticed, Event::GatewayWriteTimeout(id));
        }
    }

    /// Body bytes of a stream that have reached the client's side by now.
    pub(crate) fn streamed(&self, id: CallId) -> u64 {
        let call = &self.calls[id];
        let settings = &self.scenario.functions[call.function as usize];
        let Some(body) = &settings.stream else { return 0 };
        let began = SimTime::ZERO + call.wait;
        let now = self.calendar.now();
        let watchdog = settings.watchdog.write_timeout.map_or(SimTime::NEVER, |limit| call.accepted + limit);
        let gateway = self.scenario.gateway.write_timeout.map_or(SimTime::NEVER, |limit| call.received + limit);
        let until = now.min(watchdog).min(gateway);
        stream::on_wire(body, until.since(began))
    }

    /// A stream has come to its end, or to a broken connection.
    pub(crate) fn stream_over(&mut self, id: CallId) {
        let call = &self.calls[id];
        let settings = &self.scenario.functions[call.function as usize];
        let Some(body) = &settings.stream else { return };
        let now = self.calendar.now();
        if settings.watchdog.write_timeout.is_some_and(|limit| now > call.accepted + limit) {
            return self.stream_cut(id);
        }
        let size = stream::size(body);
        let counted = call.counted;
        self.end_service(id);
        if counted {
            self.gateway_replies(id, Ending::OK, size);
        } else {
            self.release(id);
        }
    }

    /// A stream is cut by the watchdog: by its write deadline, or by killing the process.
    ///
    /// After the write deadline only whole blocks have gone out. A process that is killed before it leaves a well-formed
    /// response with all that it had written.
    pub(crate) fn stream_cut(&mut self, id: CallId) {
        let call = &self.calls[id];
        let settings = &self.scenario.functions[call.function as usize];
        let Some(body) = &settings.stream else { return };
        let now = self.calendar.now();
        let began = SimTime::ZERO + call.wait;
        let deadline = settings.watchdog.write_timeout.map_or(SimTime::NEVER, |limit| call.accepted + limit);
        let (bytes, hop) = if now >= deadline {
            (stream::on_wire(body, deadline.since(began)), Hop::WatchdogWrite)
        } else {
            (stream::written(body, now.since(began)), Hop::WatchdogExec)
        };
        let counted = call.counted;
        self.stop_service(id);
        if counted {
            self.gateway_replies(id, Ending::new(OutcomeKind::Truncated, Some(hop), Some(200)), bytes);
        } else {
            self.release(id);
        }
    }
}
