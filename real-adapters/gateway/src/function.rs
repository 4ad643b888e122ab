//! One function at work: its replicas, its policies, the calls that wait for it, and its counters.
//!
//! All of it sits behind one lock that is held for a choice, never across a wait. What the provider must do is left to
//! the reconciler in `removal.rs`, which is woken after each change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use faas_lab_model::policies::dispatch::Handle;
use faas_lab_model::policies::{Dispatcher, PerRequest, Pool, ReplicaUse, Snapshot};
use faas_lab_model::time::{SimTime, Span};
use faas_lab_provider::api::FunctionName;
use faas_lab_provider::{Deployed, Replica, ReplicaState};
use http::HeaderValue;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dispatcher::{Lease, Waiter};
use crate::labels::Settings;
use crate::link::Link;
use crate::metrics::FunctionMetrics;
use crate::options::Limits;

/// A replica that could not be reached is left alone for this long, unless the provider has news of it.
const UNREACHABLE_FOR: Duration = Duration::from_millis(200);

/// One function.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: FunctionName,
    /// `name.namespace`.
    pub(crate) label: String,
    pub(crate) metrics: FunctionMetrics,
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    /// Wakes the reconciler.
    pub(crate) changed: Notify,
    state: Mutex<State>,
}

/// Counters as the policies read them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) in_flight: AtomicI64,
    pub(crate) started: AtomicU64,
    pub(crate) completed: AtomicU64,
    pub(crate) ok: AtomicU64,
}

/// What the lock protects.
pub(crate) struct State {
    pub(crate) settings: Arc<Settings>,
    /// Counts deployments; replicas of older ones are replaced.
    pub(crate) generation: u64,
    /// Replicas that calls can be sent to.
    pub(crate) pool: Pool,
    pub(crate) dispatcher: Dispatcher,
    /// Set where replicas are started per request.
    pub(crate) provisioner: Option<PerRequest>,
    /// Every replica that the provider has shown and that has not ended.
    pub(crate) members: BTreeMap<u32, Member>,
    /// Calls that are held, or that wait for a free slot, by number of arrival.
    pub(crate) waiting: BTreeMap<u64, Waiter>,
    /// Calls that wait for the replica which was started for them.
    pub(crate) bound: BTreeMap<u64, Waiter>,
    pub(crate) desired: u32,
    /// Replicas that were requested and have not appeared.
    pub(crate) pending: u32,
    pub(crate) pending_since: Instant,
    /// Replicas that the provider has not been told to retire yet.
    pub(crate) to_retire: Vec<u64>,
    /// Calls so far: keys of the dispatcher's draws.
    pub(crate) calls: u64,
    pub(crate) tenures: u64,
    /// The function has been removed.
    pub(crate) gone: bool,
}

/// A replica as the gateway sees it.
pub(crate) struct Member {
    pub(crate) number: u64,
    pub(crate) link: Arc<Link>,
    pub(crate) generation: u64,
    pub(crate) phase: Phase,
    /// When the phase began, as far as the gateway knows.
    pub(crate) since: Instant,
    /// Its place in the pool, while it has one.
    pub(crate) handle: Option<Handle>,
    /// Counts its stays in the pool, so that a call which outlives one is not taken for one of the next.
    pub(crate) tenure: u64,
    /// It could not be reached lately.
    pub(crate) unreachable: bool,
    /// Scale per request: how long it is kept, and when somebody looks.
    pub(crate) keep_until: Instant,
    pub(crate) look_at: Option<Instant>,
    pub(crate) idle_spells: u32,
}

/// What a replica is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Starting, or waiting to be started again after a crash.
    Starting,
    /// Takes calls.
    Ready,
    /// Gets no more calls.
    Leaving,
}

impl Function {
    pub(crate) fn new(
        name: FunctionName,
        settings: Settings,
        generation: u64,
        metrics: FunctionMetrics,
        limits: Limits,
    ) -> Function {
        let settings = Arc::new(settings);
        let function = Function {
            label: name.to_string(),
            name,
            limits,
            counters: Counters::default(),
            changed: Notify::new(),
            state: Mutex::new(State {
                generation,
                pool: empty_pool(&settings),
                dispatcher: settings.dispatch.dispatcher(),
                provisioner: settings.per_request().cloned(),
                members: BTreeMap::new(),
                waiting: BTreeMap::new(),
                bound: BTreeMap::new(),
                desired: settings.bounds.initial,
                pending: 0,
                pending_since: Instant::now(),
                to_retire: Vec::new(),
                calls: 0,
                tenures: 0,
                gone: false,
                settings,
            }),
            metrics,
        };
        let state = function.lock();
        function.metrics.service_count.set(i64::from(state.desired));
        function.metrics.service_min.set(i64::from(state.settings.bounds.min));
        drop(state);
        function
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while a function is locked")
    }

    /// Takes over new settings after an update.
    pub(crate) fn set_settings(&self, settings: Settings) {
        let mut state = self.lock();
        if *state.settings == settings {
            return;
        }
        let settings = Arc::new(settings);
        let mut pool = empty_pool(&settings);
        let in_order: Vec<u32> = state.pool.members().map(|handle| state.pool.replica(handle)).collect();
        for number in in_order {
            // Calls under way count no more: those that began under the old settings end without a place to give back.
            let tenure = state.next_tenure();
            let handle = pool.insert(number);
            if let Some(member) = state.members.get_mut(&number) {
                (member.handle, member.tenure) = (Some(handle), tenure);
            }
        }
        state.pool = pool;
        state.dispatcher = settings.dispatch.dispatcher();
        state.provisioner = settings.per_request().cloned();
        state.settings = settings;
        let bounds = state.settings.bounds;
        if state.desired != 0 {
            state.desired = state.desired.clamp(bounds.min.max(1), bounds.max);
        }
        self.metrics.service_min.set(i64::from(bounds.min));
        self.metrics.service_count.set(i64::from(state.desired));
        drop(state);
        self.changed.notify_one();
    }

    /// So many replicas are wanted from now on. While calls wait, there is at least one.
    pub(crate) fn set_desired(&self, replicas: u32) {
        let mut state = self.lock();
        let somebody_waits = !state.waiting.is_empty() || !state.bound.is_empty();
        let least = if somebody_waits { state.settings.bounds.min.max(1) } else { 0 };
        state.desired = replicas.max(least).min(self.limits.replicas);
        self.metrics.service_count.set(i64::from(state.desired));
        drop(state);
        self.changed.notify_one();
    }

    /// Takes over what the provider says of the function's replicas.
    pub(crate) fn observe(self: &Arc<Self>, deployed: &Deployed, generation: u64) {
        let mut granted = Vec::new();
        let mut state = self.lock();
        state.generation = generation;
        let there = |number: u32| deployed.replicas.iter().any(|replica| replica.number as u32 == number);
        let ended: Vec<u32> = state.members.keys().copied().filter(|number| !there(*number)).collect();
        for number in ended {
            state.leave_pool(number);
            state.members.remove(&number);
        }
        for replica in &deployed.replicas {
            self.observe_replica(&mut state, replica, &mut granted);
        }
        self.call_up(&mut state, &mut granted);
        self.start_for_waiting(&mut state);
        self.metrics.ready_count.set(state.pool.len() as i64);
        drop(state);
        granted.into_iter().for_each(Waiter::grant);
        self.changed.notify_one();
    }

    fn observe_replica(self: &Arc<Self>, state: &mut State, replica: &Replica, granted: &mut Vec<(Waiter, Lease)>) {
        // A function that starts four thousand million replicas in one life of the gateway is not foreseen.
        let number = replica.number as u32;
        let phase = match replica.state {
            ReplicaState::Starting | ReplicaState::Crashed { .. } => Phase::Starting,
            ReplicaState::Ready => Phase::Ready,
            ReplicaState::Retiring => Phase::Leaving,
        };
        if !state.members.contains_key(&number) {
            state.pending = state.pending.saturating_sub(1);
            state.members.insert(
                number,
                Member {
                    number: replica.number,
                    link: Arc::new(Link::new(identity(&self.name.name, replica.number), &replica.endpoint)),
                    generation: replica.generation,
                    phase: Phase::Starting,
                    since: Instant::now(),
                    handle: None,
                    tenure: 0,
                    unreachable: false,
                    keep_until: Instant::now(),
                    look_at: None,
                    idle_spells: 0,
                },
            );
        }
        let member = state.members.get_mut(&number).expect("it was put there just now");
        if member.phase == Phase::Leaving {
            // The provider may not have heard yet that it is to go.
            return;
        }
        if member.phase != phase {
            member.unreachable = false;
            (member.phase, member.since) = (phase, Instant::now());
        }
        if *member.link.endpoint() != replica.endpoint {
            member.link = Arc::new(Link::new(identity(&self.name.name, replica.number), &replica.endpoint));
        }
        match phase {
            Phase::Ready if member.handle.is_none() && !member.unreachable => self.enter_pool(state, number, granted),
            Phase::Ready => {}
            Phase::Starting | Phase::Leaving => state.leave_pool(number),
        }
    }

    /// A replica takes calls from now on. The call that it was started for comes first.
    fn enter_pool(self: &Arc<Self>, state: &mut State, number: u32, granted: &mut Vec<(Waiter, Lease)>) {
        let tenure = state.next_tenure();
        let handle = state.pool.insert(number);
        let member = state.members.get_mut(&number).expect("only members enter the pool");
        (member.handle, member.tenure) = (Some(handle), tenure);
        while let Some((_, waiter)) = state.bound.pop_first() {
            if !waiter.is_gone() {
                let lease = state.begin(self, handle);
                granted.push((waiter, lease));
                return;
            }
        }
        self.call_up(state, granted);
        if state.provisioner.is_some() && state.pool.in_flight(handle) == 0 {
            self.idle(state, number);
        }
    }

    /// A replica could not be reached before anything was sent: others are tried, and this one again in a while.
    pub(crate) fn unreachable(self: &Arc<Self>, lease: &Lease) {
        let mut state = self.lock();
        let number = lease.number();
        match state.members.get_mut(&number) {
            Some(member) if member.tenure == lease.tenure() && member.handle.is_some() => member.unreachable = true,
            _ => return,
        }
        state.leave_pool(number);
        self.metrics.ready_count.set(state.pool.len() as i64);
        drop(state);
        let function = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(UNREACHABLE_FOR).await;
            let mut granted = Vec::new();
            let mut state = function.lock();
            if let Some(member) = state.members.get_mut(&number)
                && std::mem::take(&mut member.unreachable)
                && member.phase == Phase::Ready
                && member.handle.is_none()
            {
                function.enter_pool(&mut state, number, &mut granted);
                function.metrics.ready_count.set(state.pool.len() as i64);
            }
            drop(state);
            granted.into_iter().for_each(Waiter::grant);
        });
    }

    /// The function is removed: nobody waits for it any more.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.gone = true;
        let waiting = (std::mem::take(&mut state.waiting), std::mem::take(&mut state.bound));
        drop(state);
        drop(waiting);
    }

    /// What a scrape would see. CPU time is not known here.
    pub(crate) fn snapshot(&self, at: SimTime, queue_depth: u64) -> Snapshot {
        let state = self.lock();
        Snapshot {
            at,
            desired: state.desired,
            ready: state.pool.len() as u32,
            in_flight: u32::try_from(self.counters.in_flight.load(Ordering::Relaxed)).unwrap_or(0),
            started_total: self.counters.started.load(Ordering::Relaxed),
            completed_total: self.counters.completed.load(Ordering::Relaxed),
            ok_total: self.counters.ok.load(Ordering::Relaxed),
            cpu_seconds_total: 0.0,
            queue_depth,
            replicas: Vec::new(),
        }
    }

    /// What each running replica uses that is to stay, on a clock that began at `origin`.
    pub(crate) fn in_use(&self, cpu_seconds: &BTreeMap<u64, f64>, origin: Instant) -> Vec<ReplicaUse> {
        let state = self.lock();
        let staying = state.members.values().filter(|member| member.phase != Phase::Leaving);
        let in_use = staying.filter_map(|member| {
            let since = SimTime::ZERO + Span::from(member.since.saturating_duration_since(origin));
            Some(ReplicaUse {
                replica: member.number,
                ready_since: (member.phase == Phase::Ready).then_some(since),
                cpu_seconds: whole_nanos(*cpu_seconds.get(&member.number)?),
            })
        });
        in_use.collect()
    }
}

impl State {
    /// A replica gets no more calls; those it has go on.
    pub(crate) fn leave_pool(&mut self, number: u32) {
        let handle = self.members.get_mut(&number).and_then(|member| member.handle.take());
        if let Some(handle) = handle {
            self.pool.remove(handle);
        }
    }

    fn next_tenure(&mut self) -> u64 {
        self.tenures += 1;
        self.tenures
    }
}

/// So that what is recorded is what was seen.
pub(crate) fn whole_nanos(seconds: f64) -> f64 {
    (seconds * 1e9).round() / 1e9
}

fn empty_pool(settings: &Settings) -> Pool {
    let slots = settings.slots.filter(|_| settings.slots_matter());
    Pool::new(slots, settings.per_request().map(|per_request| per_request.routing))
}

/// How a replica is called in X-Replica and in logs: `hello-3`.
fn identity(name: &str, number: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("{name}-{number}")).unwrap_or_else(|_| HeaderValue::from(number))
}
