//! What the Goose users do: take arrivals as they fall due (open loop), or call, think and call again (closed loop).

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::rng::{Key, Seed};
use faas_lab_model::scenario::{Arrivals, Scenario, Users};
use faas_lab_model::time::{SimTime, Span};
use goose::goose::GooseUser;
use tokio::sync::{Notify, Semaphore};

use crate::attack;
use crate::book::{Book, Seen};
use crate::call::{Caller, given_up};
use crate::clock::Clock;
use crate::gate::Gate;
use crate::probe::Course;
use crate::schedule::Arrival;
use crate::shard::Shard;
use crate::warmth::{Told, Warmth};

/// What a user of a closed workload who does not think waits after a failure: one that comes at once, such as a refused
/// connection, would else be asked for again as fast as the machine can.
const AFTER_FAILURE: Duration = Duration::from_millis(1);

/// Everything that users share.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) scenario: Scenario,
    pub(crate) caller: Caller,
    pub(crate) gate: Gate,
    pub(crate) book: Book,
    clock: OnceLock<Clock>,
    started: Semaphore,
    /// Users who take arrivals; the others belong to closed workloads, in their order.
    pool: usize,
    shard: Shard,
    closed: Vec<Closed>,
    slots: Vec<Notify>,
    ready: AtomicUsize,
    left: AtomicUsize,
    over: AtomicBool,
    thinking: AtomicU64,
    /// Whether Goose's own tables are seen by anybody.
    shown: bool,
    think: Key,
    back_off: Key,
    families: Vec<Key>,
    /// Function by function.
    warmth: Vec<Mutex<Warmth>>,
    /// What the probe has seen, if one looks.
    course: OnceLock<Arc<Mutex<Course>>>,
}

/// A workload of users.
#[derive(Debug)]
struct Closed {
    workload: usize,
    users: Users,
    /// How many of them are here: all, or a shard's.
    count: usize,
    begun: AtomicU64,
}

impl Crowd {
    pub(crate) fn new(
        scenario: Scenario,
        seed: Seed,
        shard: Shard,
        caller: Caller,
        book: Book,
        pool: usize,
        shown: bool,
    ) -> Crowd {
        let closed: Vec<Closed> = scenario
            .workloads
            .iter()
            .enumerate()
            .filter_map(|(workload, written)| match &written.arrivals {
                Arrivals::Users(users) => Some(Closed {
                    workload,
                    count: shard.users(users.count) as usize,
                    users: users.clone(),
                    begun: AtomicU64::new(0),
                }),
                _ => None,
            })
            .collect();
        let all = pool + closed.iter().map(|closed| closed.count).sum::<usize>();
        Crowd {
            caller,
            gate: Gate::new(pool),
            book,
            clock: OnceLock::new(),
            started: Semaphore::new(0),
            pool,
            shard,
            closed,
            slots: (0..all).map(|_| Notify::new()).collect(),
            ready: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            thinking: AtomicU64::new(0),
            shown,
            // The names of the simulator's draws, so that the same request waits and thinks for the same time.
            think: seed.key("edge/think"),
            back_off: seed.key("edge/back-off"),
            families: scenario.workloads.iter().map(|workload| Seed(0).key(&workload.name)).collect(),
            warmth: scenario.functions.iter().map(|_| Mutex::default()).collect(),
            course: OnceLock::new(),
            scenario,
        }
    }

    /// What the probe sees tells which calls are cold, where nothing better does. To be told before the start.
    pub(crate) fn watch(&self, course: Arc<Mutex<Course>>) {
        let seen = lock(&course);
        for (function, warmth) in self.warmth.iter().enumerate() {
            let ready = seen.ready(function).and_then(|ready| usize::try_from(ready).ok());
            *lock(warmth) = Warmth::new(ready);
        }
        drop(seen);
        let _ = self.course.set(course);
    }

    /// The best way in which it could be told whether calls were cold.
    pub(crate) fn told(&self) -> Told {
        self.warmth.iter().filter_map(|warmth| lock(warmth).told()).min().unwrap_or(Told::Not)
    }

    /// Replicas of all functions that were ready at the probe's last look.
    pub(crate) fn replicas(&self) -> Option<u64> {
        self.course.get().and_then(|course| lock(course).all_ready())
    }

    /// The clock, once the start is known.
    pub(crate) fn clock(&self) -> Option<Clock> {
        self.clock.get().copied()
    }

    /// Users in all.
    pub(crate) fn users(&self) -> usize {
        self.slots.len()
    }

    /// Users of closed workloads.
    pub(crate) fn closed_users(&self) -> usize {
        self.users() - self.pool
    }

    /// Whether there is no closed workload, no open one, or some of each.
    pub(crate) fn pool(&self) -> usize {
        self.pool
    }

    /// Time over which users of closed workloads appear; the longest of several.
    pub(crate) fn ramp_up(&self) -> Span {
        self.closed.iter().map(|closed| closed.users.ramp_up).max().unwrap_or_default()
    }

    /// Users who wait for the start.
    pub(crate) fn ready(&self) -> usize {
        self.ready.load(Ordering::Acquire)
    }

    /// Users who are done.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::Acquire)
    }

    /// Calls under way.
    pub(crate) fn in_flight(&self) -> u64 {
        self.gate.busy()
    }

    /// The schedule starts by this clock.
    pub(crate) fn start(&self, clock: Clock) {
        if self.clock.set(clock).is_ok() {
            self.started.close();
        }
    }

    /// Nobody begins another call.
    pub(crate) fn stop(&self) {
        self.over.store(true, Ordering::Release);
        self.gate.close();
        self.started.close();
    }

    /// Calls under way are given up.
    pub(crate) fn give_up(&self) {
        self.slots.iter().for_each(Notify::notify_one);
    }

    /// One turn of a Goose user.
    pub(crate) async fn turn(&self, user: &mut GooseUser) {
        let index = user.weighted_users_index.min(self.users() - 1);
        self.arrive().await;
        let Some(clock) = self.clock.get().copied() else { return self.leave(user) };
        match index.checked_sub(self.pool) {
            None => self.take_arrivals(index, user, &clock).await,
            Some(place) => self.call_and_think(index, place, user, &clock).await,
        }
    }

    async fn arrive(&self) {
        self.ready.fetch_add(1, Ordering::AcqRel);
        // Closed when the start is known: until then nobody gets through.
        let _ = self.started.acquire().await;
    }

    fn leave(&self, user: &mut GooseUser) {
        attack::leave(user);
        self.left.fetch_add(1, Ordering::AcqRel);
    }

    async fn take_arrivals(&self, index: usize, user: &mut GooseUser, clock: &Clock) {
        while let Some(arrival) = self.gate.next(index).await {
            let seen = self.attempts(index, arrival, clock).await;
            self.gate.done();
            self.enter(user, seen).await;
        }
        self.leave(user);
    }

    async fn call_and_think(&self, index: usize, place: usize, user: &mut GooseUser, clock: &Clock) {
        let end = SimTime::ZERO + self.scenario.duration;
        let (closed, number) = self.closed_at(place);
        let share = f64::from(number) / f64::from(closed.users.count);
        let due = SimTime::ZERO + Span::from_secs_f64(closed.users.ramp_up.as_secs_f64() * share);
        self.pause(index, clock, due).await;
        while !self.over.load(Ordering::Acquire) {
            // A user's request is born when the user asks.
            let now = clock.now();
            if now >= end {
                break;
            }
            let begun = closed.begun.fetch_add(1, Ordering::Relaxed);
            // Numbers of other shards' calls lie between.
            let number = begun * u64::from(self.shard.count()) + u64::from(self.shard.index());
            let arrival = Arrival { workload: closed.workload, number, at: now };
            self.gate.begin();
            let seen = self.attempts(index, arrival, clock).await;
            self.gate.done();
            let failed = seen.ending.kind != OutcomeKind::Ok;
            self.enter(user, seen).await;
            let entity = self.families[closed.workload].entity(number);
            let think = closed.users.think.sample(&mut self.think.draws(entity, 0));
            if !think.is_zero() {
                self.thinking.fetch_add(1, Ordering::Relaxed);
                self.pause(index, clock, clock.now() + think).await;
                self.thinking.fetch_sub(1, Ordering::Relaxed);
            } else if failed {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
        self.leave(user);
    }

    /// The closed workload of a place behind the pool, and the user's number in it.
    fn closed_at(&self, mut place: usize) -> (&Closed, u32) {
        for closed in &self.closed {
            let count = closed.count;
            if place < count {
                return (closed, self.shard.user(place as u32));
            }
            place -= count;
        }
        unreachable!("as many places as users")
    }

    /// Until `at`, or until everything is given up.
    async fn pause(&self, index: usize, clock: &Clock, at: SimTime) {
        let at = at.min(SimTime::ZERO + self.scenario.duration);
        // Before the start the clock says zero, and nobody may begin.
        if clock.instant(at) > std::time::Instant::now() {
            tokio::select! {
                () = tokio::time::sleep_until(clock.instant(at).into()) => {}
                () = self.slots[index].notified() => {}
            }
        }
    }

    /// The call, again and again as the workload's clients do.
    async fn attempts(&self, index: usize, arrival: Arrival, clock: &Clock) -> Seen {
        let workload = &self.scenario.workloads[arrival.workload];
        let abandoned = self.slots[index].notified();
        tokio::pin!(abandoned);
        let mut attempts = 0;
        let mut first_sent = None;
        loop {
            attempts += 1;
            let sent = clock.now();
            first_sent.get_or_insert(sent);
            let observed = tokio::select! {
                biased;
                observed = self.caller.call(arrival, clock) => Some(observed),
                () = &mut abandoned => None,
            };
            let Some(mut observed) = observed else {
                let sent = first_sent.unwrap_or(sent);
                return self.unfinished(arrival, sent, clock.now(), attempts);
            };
            observed.sent = first_sent.unwrap_or(observed.sent);
            let ending = self.caller.ending(arrival.workload, &observed.answer);
            let again = workload.retries.as_ref().filter(|retries| {
                let retryable = ending.status.is_none_or(|status| retries.codes.contains(&status));
                attempts < retries.attempts && retryable && ending.kind != OutcomeKind::Ok
            });
            let Some(retries) = again else {
                let function = workload.function;
                let was_resting = |at| self.course.get().and_then(|course| lock(course).was_resting(function, at));
                let signs = &observed.answer.signs;
                let cold = lock(&self.warmth[function]).is_cold(signs, observed.sent, was_resting);
                return Seen { function, ending, cold, attempts, observed };
            };
            let entity = self.families[arrival.workload].entity(arrival.number);
            let delay = retries.backoff.delay(attempts, &mut self.back_off.draws(entity, attempts));
            tokio::select! {
                () = tokio::time::sleep(Duration::from_nanos(delay.as_nanos())) => {}
                () = &mut abandoned => return self.unfinished(arrival, sent, clock.now(), attempts),
            }
        }
    }

    fn unfinished(&self, arrival: Arrival, sent: SimTime, now: SimTime, attempts: u32) -> Seen {
        let observed = given_up(arrival, sent, now);
        let ending = Ending::new(OutcomeKind::Unfinished, None, None);
        let function = self.scenario.workloads[arrival.workload].function;
        Seen { observed, function, ending, cold: false, attempts }
    }

    /// Into the book; and into Goose's tables if anybody looks at them.
    async fn enter(&self, user: &mut GooseUser, seen: Seen) {
        if self.shown {
            let name = &self.scenario.functions[seen.function].name;
            let took = Duration::from_nanos(seen.observed.ended.since(seen.observed.intended).as_nanos());
            let ok = seen.ending.kind == OutcomeKind::Ok;
            let error = (!ok).then(|| words(seen.ending));
            let method = self.caller.method(seen.observed.workload);
            let status = seen.observed.answer.status;
            // It fails only if Goose is gone, and then its tables are, too.
            let _ = user.record_custom_request_duration(method, name, took, ok, status, error.as_deref()).await;
        }
        self.book.enter(seen);
    }

    /// Requests that were due and that nobody has taken: offered, never sent.
    pub(crate) fn enter_rest(&self, now: SimTime) -> u64 {
        let rest = self.gate.take_rest();
        for arrival in &rest {
            let function = self.scenario.workloads[arrival.workload].function;
            self.book.unfinished(function, arrival.at, now);
        }
        rest.len() as u64
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn words(ending: Ending) -> String {
    match ending.hop {
        Some(hop) => format!("{} ({})", ending.kind.name(), Hop::name(hop)),
        None => ending.kind.name().to_owned(),
    }
}
