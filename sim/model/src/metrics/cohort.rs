//! Requests that belong together, such as those that arrived in the measured window: how they ended and how long they took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TimeHistogram;
use super::record::Ending;
use super::result::{self, OutcomeKind};
use crate::time::Span;

const OUTCOMES: usize = 7;

/// The parts of a response time, in the order a request meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Earlier attempts and the delays between them.
    Retries,
    /// The way from the client to the gateway and back.
    Network,
    /// The gateway's CPU, and waiting for it.
    Gateway,
    /// In the queue of asynchronous invocations.
    Queue,
    /// Waiting for a replica to start.
    ColdStart,
    /// Waiting for a free slot.
    Waiting,
    /// Being served.
    Service,
}

/// How many parts there are.
pub const PARTS: usize = 7;

const NAMES: [&str; PARTS] = ["retries", "network", "gateway", "queue", "cold start", "waiting", "service"];

/// Statistics of a cohort of requests, updated as they end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Cohort {
    pub(super) offered: u64,
    pub(super) ended: u64,
    outcomes: Vec<(Ending, u64)>,
    responses: [[Option<Box<TimeHistogram>>; OUTCOMES]; 2],
    cold: u64,
    served: u64,
    /// Of those served, how many have the times below.
    timed: u64,
    waited: u64,
    waiting_nanos: u128,
    service_nanos: u128,
    parts_nanos: [u128; PARTS],
    retries: u64,
    queue_delay: (u64, u128),
}

impl Cohort {
    /// Whether every request has ended in exactly one way.
    pub(super) fn is_sound(&self) -> bool {
        let endings: u128 = self.outcomes.iter().map(|(_, count)| u128::from(*count)).sum();
        self.offered == self.ended && u128::from(self.offered) == endings && self.cold <= self.served
    }

    /// A request has ended this long after its arrival.
    #[inline]
    pub(super) fn end(&mut self, response: Span, ending: Ending, cold: bool) {
        self.ended += 1;
        self.count(ending);
        self.responses[usize::from(cold)][ending.kind as usize].get_or_insert_default().record(response);
    }

    /// A replica has worked on it.
    #[inline]
    pub(super) fn serve(&mut self, cold: bool) {
        self.served += 1;
        self.cold += u64::from(cold);
    }

    /// It is known how long it waited for that, and how long that took.
    #[inline]
    pub(super) fn time(&mut self, waiting: Span, service: Span) {
        self.timed += 1;
        self.waited += u64::from(!waiting.is_zero());
        self.waiting_nanos += u128::from(waiting.as_nanos());
        self.service_nanos += u128::from(service.as_nanos());
    }

    /// Where the time of a successful request went.
    #[inline]
    pub(super) fn divide(&mut self, parts: &[Span; PARTS]) {
        for (sum, part) in self.parts_nanos.iter_mut().zip(parts) {
            *sum += u128::from(part.as_nanos());
        }
    }

    /// A request is tried again.
    pub(super) fn retry(&mut self) {
        self.retries += 1;
    }

    /// An asynchronous invocation has ended this long after its 202.
    pub(super) fn queue_delay(&mut self, delay: Span) {
        self.queue_delay.0 += 1;
        self.queue_delay.1 += u128::from(delay.as_nanos());
    }

    /// A request has ended in this way; without a time.
    #[inline]
    pub(super) fn count(&mut self, ending: Ending) {
        match self.outcomes.iter_mut().find(|(known, _)| *known == ending) {
            Some((_, count)) => *count += 1,
            None => self.outcomes.push((ending, 1)),
        }
    }

    /// Adds what another cohort has seen.
    pub(super) fn merge(&mut self, other: &Cohort) {
        self.offered += other.offered;
        self.ended += other.ended;
        for (ending, count) in &other.outcomes {
            match self.outcomes.iter_mut().find(|(known, _)| known == ending) {
                Some((_, sum)) => *sum += count,
                None => self.outcomes.push((*ending, *count)),
            }
        }
        for (mine, theirs) in self.responses.iter_mut().flatten().zip(other.responses.iter().flatten()) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().merge(theirs);
            }
        }
        self.cold += other.cold;
        self.served += other.served;
        self.timed += other.timed;
        self.waited += other.waited;
        self.waiting_nanos += other.waiting_nanos;
        self.service_nanos += other.service_nanos;
        for (mine, theirs) in self.parts_nanos.iter_mut().zip(other.parts_nanos) {
            *mine += theirs;
        }
        self.retries += other.retries;
        self.queue_delay.0 += other.queue_delay.0;
        self.queue_delay.1 += other.queue_delay.1;
    }

    fn of_kind(&self, kind: OutcomeKind) -> u64 {
        self.outcomes.iter().filter(|(ending, _)| ending.kind == kind).map(|(_, count)| count).sum()
    }

    /// The metrics that requests yield, over a window of so many seconds.
    pub(super) fn metrics(&self, window_secs: f64, metrics: &mut BTreeMap<&'static str, f64>) {
        let mut put = |key, value: f64| {
            if value.is_finite() {
                metrics.insert(key, value);
            }
        };
        let offered = self.offered as f64;
        put(result::OFFERED, offered);
        let ok = self.of_kind(OutcomeKind::Ok);
        if self.offered > 0 {
            put(result::SUCCESS_SHARE, ok as f64 / offered);
            put(result::ERROR_RATE, (self.offered - ok) as f64 / offered);
            put(result::REFUSED_SHARE, self.of_kind(OutcomeKind::Refused) as f64 / offered);
            put(result::TIMED_OUT_SHARE, self.of_kind(OutcomeKind::TimedOut) as f64 / offered);
            put(result::TRUNCATED_SHARE, self.of_kind(OutcomeKind::Truncated) as f64 / offered);
            put(result::RETRIES_PER_REQUEST, self.retries as f64 / offered);
        }
        put(result::GOODPUT, ok as f64 / window_secs);
        put(result::COLD_STARTS, self.cold as f64);
        if self.served > 0 {
            let served = self.served as f64;
            put(result::COLD_SHARE, self.cold as f64 / served);
        }
        if self.timed > 0 {
            let timed = self.timed as f64;
            put(result::WAITED_SHARE, self.waited as f64 / timed);
            put(result::WAITING_MEAN, self.waiting_nanos as f64 * 1e-9 / timed);
            put(result::SERVICE_MEAN, self.service_nanos as f64 * 1e-9 / timed);
        }
        if self.queue_delay.0 > 0 {
            put(result::QUEUE_DELAY_MEAN, self.queue_delay.1 as f64 * 1e-9 / self.queue_delay.0 as f64);
        }
        let mut ok_times = TimeHistogram::default();
        for by_outcome in &self.responses {
            if let Some(times) = &by_outcome[OutcomeKind::Ok as usize] {
                ok_times.merge(times);
            }
        }
        let quantiles = [
            (result::RESPONSE_P50, 0.5),
            (result::RESPONSE_P90, 0.9),
            (result::RESPONSE_P95, 0.95),
            (result::RESPONSE_P99, 0.99),
            (result::RESPONSE_P999, 0.999),
        ];
        for (key, q) in quantiles {
            if let Some(value) = ok_times.quantile(q) {
                put(key, value);
            }
        }
        if let (Some(mean), Some(max)) = (ok_times.mean(), ok_times.max()) {
            put(result::RESPONSE_MEAN, mean);
            put(result::RESPONSE_MAX, max.as_secs_f64());
        }
    }

    /// How many have ended in each way.
    pub(super) fn outcomes(&self) -> BTreeMap<Ending, u64> {
        self.outcomes.iter().copied().collect()
    }

    /// Their response times, which are taken out.
    pub(super) fn take_responses(&mut self) -> BTreeMap<(bool, OutcomeKind), TimeHistogram> {
        const KINDS: [OutcomeKind; OUTCOMES] = [
            OutcomeKind::Ok,
            OutcomeKind::Truncated,
            OutcomeKind::TimedOut,
            OutcomeKind::Refused,
            OutcomeKind::Unavailable,
            OutcomeKind::Failed,
            OutcomeKind::Unfinished,
        ];
        let mut responses = BTreeMap::new();
        for (cold, by_outcome) in [false, true].into_iter().zip(&mut self.responses) {
            for (kind, times) in KINDS.into_iter().zip(by_outcome) {
                if let Some(times) = times.take() {
                    responses.insert((cold, kind), *times);
                }
            }
        }
        responses
    }

    /// Total seconds that successful requests spent in each part.
    pub(super) fn parts(&self) -> Vec<(&'static str, f64)> {
        NAMES.into_iter().zip(self.parts_nanos.map(|nanos| nanos as f64 * 1e-9)).collect()
    }
}
