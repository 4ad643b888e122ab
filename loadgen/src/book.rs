//! Where calls are entered when they have ended: a ledger for each thread, so that nobody waits for another, and their sum
//! in the end.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::SystemTime;

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Ledger, Met, Part, TimeHistogram};
use faas_lab_model::scenario::Scenario;
use faas_lab_model::time::{SimTime, Span};

use crate::answer::{Fault, Observed};

/// Requests later than this count as late.
pub const LATE: Span = Span::from_millis(1);

/// Steps of the series over time.
pub const STEPS: usize = 240;

/// Different errors that are told apart; what comes after is counted without its words.
const MOST_ERRORS: usize = 64;

/// A call with what became of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The call; with retries, the last attempt, but intended when the first was.
    pub observed: Observed,
    /// Index of the function.
    pub function: usize,
    /// How it ended.
    pub ending: Ending,
    /// Whether it waited for a replica to start.
    pub cold: bool,
    /// Attempts made.
    pub attempts: u32,
}

/// Something that wants every call: a table, a log.
pub trait Observer: Send {
    /// The schedule starts at this instant of the wall clock. Comes before all calls.
    fn begin(&mut self, at: SystemTime);

    /// A call has ended. Calls come in the order of their ends, roughly.
    fn see(&mut self, seen: &Seen);

    /// There are no more.
    fn end(&mut self);
}

/// What errors said: function, status, fault, words.
pub(crate) type ErrorKey = (usize, Option<u16>, Option<Fault>, Option<String>);

/// What one thread has seen.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) ledger: Ledger,
    pub(crate) sent: u64,
    pub(crate) late: u64,
    pub(crate) lateness: TimeHistogram,
    pub(crate) first_byte: TimeHistogram,
    pub(crate) connecting: TimeHistogram,
    /// Response times of successful requests of the cohort, from when they were meant to be sent.
    pub(crate) from_intended: TimeHistogram,
    /// The same requests' times from when they were sent.
    pub(crate) from_sending: TimeHistogram,
    pub(crate) errors: BTreeMap<ErrorKey, u64>,
    live: Live,
}

/// What happened since it was last asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    /// Calls that ended.
    pub(crate) ended: u64,
    /// Of those, failures.
    pub(crate) errors: u64,
    /// Response times of successful ones.
    pub(crate) responses: TimeHistogram,
}

impl Page {
    fn new(scenario: &Scenario, warm_up: Span) -> Page {
        let times = TimeHistogram::default;
        Page {
            ledger: Ledger::new(scenario.functions.len(), SimTime::ZERO + warm_up, scenario.duration, STEPS),
            sent: 0,
            late: 0,
            lateness: times(),
            first_byte: times(),
            connecting: times(),
            from_intended: times(),
            from_sending: times(),
            errors: BTreeMap::new(),
            live: Live::default(),
        }
    }

    fn enter(&mut self, seen: &Seen) {
        let Seen { observed, ending, .. } = seen;
        let answer = &observed.answer;
        let lateness = observed.sent.since(observed.intended);
        self.sent += 1;
        self.late += u64::from(lateness > LATE);
        let ok = ending.kind == OutcomeKind::Ok;
        if self.ledger.in_cohort(observed.intended) {
            self.lateness.record(lateness);
            if let Some(connecting) = observed.connecting {
                self.connecting.record(connecting);
            }
            if let Some(first_byte) = observed.first_byte {
                self.first_byte.record(first_byte.since(observed.intended));
            }
            if ok {
                self.from_intended.record(observed.ended.since(observed.intended));
                self.from_sending.record(observed.ended.since(observed.sent));
            }
        }
        self.ledger.enter(seen.function, &met(seen));
        self.live.ended += 1;
        if ok {
            self.live.responses.record(observed.ended.since(observed.intended));
        } else {
            self.live.errors += 1;
            let mut key: ErrorKey = (seen.function, answer.status, answer.fault, answer.reason.clone());
            if self.errors.len() >= MOST_ERRORS && !self.errors.contains_key(&key) {
                key.3 = None;
            }
            *self.errors.entry(key).or_default() += 1;
        }
    }

    fn merge(&mut self, other: &Page) {
        self.ledger.merge(&other.ledger);
        self.sent += other.sent;
        self.late += other.late;
        self.lateness.merge(&other.lateness);
        self.first_byte.merge(&other.first_byte);
        self.connecting.merge(&other.connecting);
        self.from_intended.merge(&other.from_intended);
        self.from_sending.merge(&other.from_sending);
        for (key, count) in &other.errors {
            *self.errors.entry(key.clone()).or_default() += count;
        }
    }
}

fn met(seen: &Seen) -> Met {
    let Observed { intended, ended, answer, .. } = &seen.observed;
    Met {
        born: *intended,
        ended: *ended,
        ending: seen.ending,
        cold: seen.cold,
        served: answer.status.is_some() && served(seen.ending.kind),
        retries: seen.attempts.saturating_sub(1),
        parts: parts(seen),
        inside: answer.signs.inside,
    }
}

/// Whether a replica has worked on a request that ended so, as far as its client can tell.
fn served(kind: OutcomeKind) -> bool {
    matches!(kind, OutcomeKind::Ok | OutcomeKind::Truncated | OutcomeKind::Failed)
}

/// Where the time went, as far as the platform tells: at the replica, held for a replica to start, and on the way.
fn parts(seen: &Seen) -> Option<[Span; faas_lab_model::metrics::PARTS]> {
    let Observed { intended, ended, answer, .. } = &seen.observed;
    let service = answer.signs.inside?;
    let held = answer.signs.held.unwrap_or_default();
    let mut parts = [Span::ZERO; faas_lab_model::metrics::PARTS];
    parts[Part::ColdStart as usize] = held;
    parts[Part::Service as usize] = service;
    parts[Part::Network as usize] = ended.since(*intended).saturating_sub(service).saturating_sub(held);
    Some(parts)
}

thread_local! {
    static OWN_PAGE: Cell<Option<usize>> = const { Cell::new(None) };
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The pages of all threads.
#[derive(Debug)]
pub(crate) struct Book {
    pages: Vec<Mutex<Page>>,
    /// Where each call goes beside, if anybody wants it.
    copies: Mutex<Option<Sender<Seen>>>,
    copied: bool,
}

impl Book {
    /// A book for about so many threads; more share pages.
    pub(crate) fn new(scenario: &Scenario, warm_up: Span, threads: usize, copies: Option<Sender<Seen>>) -> Book {
        let page = Page::new(scenario, warm_up);
        let copied = copies.is_some();
        let pages = (0..threads.max(1)).map(|_| Mutex::new(page.clone())).collect();
        Book { pages, copies: Mutex::new(copies), copied }
    }

    /// Enters a call that has ended.
    pub(crate) fn enter(&self, seen: Seen) {
        let own = OWN_PAGE.with(|own| {
            let index = own.get().unwrap_or_else(|| THREADS.fetch_add(1, Ordering::Relaxed));
            own.set(Some(index));
            index % self.pages.len()
        });
        lock(&self.pages[own]).enter(&seen);
        if self.copied {
            let copies = self.copies.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(copies) = copies.as_ref() {
                // Nobody listens any more only when the run is over.
                let _ = copies.send(seen);
            }
        }
    }

    /// No more calls are handed on.
    pub(crate) fn end_copies(&self) {
        *self.copies.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// An asynchronous invocation has ended this long after its 202.
    pub(crate) fn queue_delay(&self, function: usize, born: SimTime, delay: Span) {
        lock(&self.pages[0]).ledger.queue_delay(function, born, delay);
    }

    /// A request that was offered and never sent.
    pub(crate) fn unfinished(&self, function: usize, born: SimTime, now: SimTime) {
        let ending = Ending::new(OutcomeKind::Unfinished, None, None);
        let met = Met { born, ended: now, ending, cold: false, served: false, retries: 0, parts: None, inside: None };
        lock(&self.pages[0]).ledger.enter(function, &met);
    }

    /// What happened since this was last called.
    pub(crate) fn live(&self) -> Live {
        let mut sum = Live::default();
        for page in &self.pages {
            let live = std::mem::take(&mut lock(page).live);
            sum.ended += live.ended;
            sum.errors += live.errors;
            sum.responses.merge(&live.responses);
        }
        sum
    }

    /// All pages in one.
    pub(crate) fn total(&self) -> Page {
        let mut pages = self.pages.iter();
        let mut total = lock(pages.next().expect("at least one page")).clone();
        pages.for_each(|page| total.merge(&lock(page)));
        total
    }
}

fn lock(page: &Mutex<Page>) -> std::sync::MutexGuard<'_, Page> {
    page.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
