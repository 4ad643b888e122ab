//! What the platform knows: functions, the seats of their replicas, and the view of both that others watch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::SystemTime;

use faas_lab_http::Endpoint;
use tokio::sync::watch;

use super::pace::Paced;
use super::system_time;
use super::usage::Meter;
use crate::api::{FunctionDeployment, FunctionName};
use crate::cgroup::{Cgroups, Group};
use crate::image::Images;
use crate::launch::{Launch, Upstream};
use crate::logs::FunctionLogs;
use crate::spawner::Spawner;
use crate::store::{Store, StoredFunction};
use crate::{Bounds, Deployed, Options, ProviderError, Replica, ReplicaState, Replicas};

/// Everything that replicas and the provider's methods share.
#[derive(Debug)]
pub(super) struct Platform {
    pub(super) options: Options,
    pub(super) store: Store,
    pub(super) images: Images,
    pub(super) cgroups: Cgroups,
    /// Sockets and secrets' folders.
    pub(super) runtime: PathBuf,
    pub(super) spawner: Spawner,
    pub(super) state: Mutex<State>,
    /// What others see of the state; changed under its lock.
    pub(super) visible: watch::Sender<Arc<Replicas>>,
    /// Held during a durable change: what is on disk and what is in memory change in the same order.
    pub(super) changes: Arc<tokio::sync::Mutex<()>>,
    /// Replicas that have not ended.
    pub(super) alive: watch::Sender<usize>,
    /// For all replicas at once.
    pub(super) stop_all: watch::Sender<Option<Stop>>,
    pub(super) closing: AtomicBool,
    /// Everything has been removed: nothing may be made any more, nor removed, as another platform may be there.
    pub(super) swept: RwLock<bool>,
    /// What has been told already.
    pub(super) noticed: Mutex<BTreeSet<&'static str>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) functions: BTreeMap<FunctionName, Function>,
    /// Never used twice, for no function.
    pub(super) next_replica: u64,
    /// Those of removed functions included.
    pub(super) replicas: usize,
}

/// A deployed function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) deployment: Arc<FunctionDeployment>,
    pub(super) created_at: jiff::Timestamp,
    pub(super) generation: u64,
    /// How its replicas start, or why they cannot.
    pub(super) launch: Result<Arc<Launch>, String>,
    pub(super) seats: BTreeMap<u64, Seat>,
    pub(super) logs: Arc<FunctionLogs>,
    pub(super) meter: Meter,
}

/// A replica's place: kept through crashes, left for good when it is told to stop.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) replica: Replica,
    launch: Arc<Launch>,
    pub(super) running: Option<Running>,
    stop: watch::Sender<Option<Stop>>,
}

/// What of a replica runs at present.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) group: Option<Arc<Group>>,
}

/// How a replica ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// With the calls it has finished.
    Gracefully,
    /// Killed.
    AtOnce,
}

/// What a replica's task is given.
#[derive(Debug)]
pub(super) struct Seated {
    pub(super) function: FunctionName,
    pub(super) number: u64,
    pub(super) launch: Arc<Launch>,
    pub(super) logs: Arc<FunctionLogs>,
    pub(super) stop: watch::Receiver<Option<Stop>>,
}

impl Seat {
    /// A stronger order replaces a weaker one, never the other way.
    pub(super) fn stop(&self, how: Stop) {
        self.stop.send_if_modified(|order| {
            let stronger = *order < Some(how);
            *order = (*order).max(Some(how));
            stronger
        });
    }

    /// Returns when the replica's task has ended.
    pub(super) async fn ended(&self) {
        self.stop.closed().await;
    }
}

impl Function {
    pub(super) fn new(
        name: &FunctionName,
        stored: StoredFunction,
        launch: Result<Arc<Launch>, String>,
        bounds: &Bounds,
    ) -> Function {
        Function {
            deployment: Arc::new(stored.deployment),
            created_at: stored.created_at,
            generation: stored.generation,
            launch,
            seats: BTreeMap::new(),
            logs: FunctionLogs::new(name.clone(), bounds),
            meter: Meter::default(),
        }
    }

    pub(super) fn replace(&mut self, stored: StoredFunction, launch: Arc<Launch>) {
        self.deployment = Arc::new(stored.deployment);
        self.generation = stored.generation;
        self.launch = Ok(launch);
    }

    fn seen(&self) -> Deployed {
        Deployed {
            deployment: Arc::clone(&self.deployment),
            created_at: system_time(self.created_at),
            generation: self.generation,
            replicas: self.seats.values().map(|seat| seat.replica.clone()).collect(),
        }
    }
}

impl Platform {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds this lock")
    }

    /// Does something to the machine, unless this platform has come to its end. The end waits for it.
    pub(super) fn unless_swept<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let swept = self.swept.read().expect("no thread panics while it holds this lock");
        if *swept { None } else { Some(act()) }
    }

    /// Tells the operator, once for each `kind`.
    pub(super) fn notice_once(&self, kind: &'static str, text: &str) {
        if self.noticed.lock().expect("no thread panics while it holds this lock").insert(kind) {
            (self.options.on_notice)(text);
        }
    }

    /// How a deployment's replicas start.
    pub(super) fn launch(&self, deployment: &FunctionDeployment) -> Result<Launch, String> {
        let launch = Launch::new(&self.images.find(&deployment.image)?, deployment)?;
        if let Some(emulation) = &self.options.emulation {
            emulation.speed(&launch.work)?;
        }
        Ok(launch)
    }

    pub(super) fn add(&self, name: FunctionName, function: Function) {
        let mut state = self.state();
        self.visible.send_modify(|all| drop(Arc::make_mut(all).insert(name.clone(), function.seen())));
        state.functions.insert(name, function);
    }

    /// Changes a function, if it is there still, and shows the change.
    pub(super) fn change(&self, name: &FunctionName, change: impl FnOnce(&mut Function)) {
        let mut state = self.state();
        if let Some(function) = state.functions.get_mut(name) {
            change(function);
            self.visible.send_modify(|all| drop(Arc::make_mut(all).insert(name.clone(), function.seen())));
        }
    }

    /// Changes a replica, if it is there still, and shows the change.
    pub(super) fn change_replica(&self, seated: &Seated, change: impl FnOnce(&mut Seat)) {
        self.change(&seated.function, |function| {
            if let Some(seat) = function.seats.get_mut(&seated.number) {
                change(seat);
            }
        });
    }

    /// Takes a function out; its replicas are left to the caller.
    pub(super) fn take(&self, name: &FunctionName) -> Vec<Seat> {
        let mut state = self.state();
        let Some(function) = state.functions.remove(name) else { return Vec::new() };
        self.visible.send_modify(|all| drop(Arc::make_mut(all).remove(name)));
        function.logs.close();
        function.seats.into_values().collect()
    }

    /// Makes seats for `count` more replicas.
    pub(super) fn reserve(&self, name: &FunctionName, count: u32) -> Result<Vec<Seated>, ProviderError> {
        let mut state = self.state();
        if self.closing.load(Ordering::SeqCst) {
            return Err(ProviderError::Refused("the platform is shutting down".to_owned()));
        }
        let bounds = &self.options.bounds;
        let count = count as usize;
        let function = state.functions.get(name).ok_or_else(|| ProviderError::Unknown(name.name.clone()))?;
        let launch = function.launch.clone().map_err(ProviderError::Failed)?;
        if function.seats.len() + count > bounds.replicas_per_function {
            let (has, most) = (function.seats.len(), bounds.replicas_per_function);
            return Err(ProviderError::Refused(format!(
                "{name} has {has} replicas and {count} more are asked for: a function has at most {most} here"
            )));
        }
        if state.replicas + count > bounds.replicas {
            let (has, most) = (state.replicas, bounds.replicas);
            return Err(ProviderError::Refused(format!(
                "there are {has} replicas and {count} more are asked for {name}: at most {most} run here"
            )));
        }
        if let Upstream::Fixed(address) = &launch.upstream {
            self.check_fixed(&state, name, address, count)?;
        }

        let first = state.next_replica;
        state.next_replica += count as u64;
        state.replicas += count;
        self.alive.send_modify(|alive| *alive += count);
        let function = state.functions.get_mut(name).expect("it was there above, under the same lock");
        let mut seated = Vec::new();
        for number in first..first + count as u64 {
            let (stop, receiver) = watch::channel(None);
            let replica = Replica {
                number,
                generation: function.generation,
                endpoint: Endpoint::Unix(self.socket(number)),
                state: ReplicaState::Starting,
                requested_at: SystemTime::now(),
                ready_at: None,
                restarts: 0,
            };
            function.seats.insert(number, Seat { replica, launch: Arc::clone(&launch), running: None, stop });
            let (launch, logs) = (Arc::clone(&launch), Arc::clone(&function.logs));
            seated.push(Seated { function: name.clone(), number, launch, logs, stop: receiver });
        }
        let seen = function.seen();
        self.visible.send_modify(|all| drop(Arc::make_mut(all).insert(name.clone(), seen)));
        Ok(seated)
    }

    /// A function that always listens on the same address has room for one replica on the whole machine.
    fn check_fixed(
        &self,
        state: &State,
        name: &FunctionName,
        address: &str,
        count: usize,
    ) -> Result<(), ProviderError> {
        let there = state.functions.iter().find_map(|(owner, function)| {
            let seat =
                function.seats.values().find(|seat| seat.launch.upstream == Upstream::Fixed(address.to_owned()))?;
            Some(format!("{}-{}", owner.name, seat.replica.number))
        });
        let problem = match there {
            Some(owner) => format!("{owner} uses it"),
            None if count > 1 => format!("{count} replicas are asked for"),
            None => return Ok(()),
        };
        Err(ProviderError::Refused(format!(
            "{name} insists on {address}, so that there can be one replica only, and {problem}: let it listen on $PORT \
             or $UPSTREAM_SOCKET and leave upstream_url out"
        )))
    }

    /// On an emulated machine: replicas that do not say how many threads they keep busy.
    pub(super) fn paced(&self) -> Vec<Paced> {
        let Some(emulation) = &self.options.emulation else { return Vec::new() };
        let state = self.state();
        let seats = state.functions.values().flat_map(|function| &function.seats);
        let paced = seats.filter_map(|(&number, seat)| {
            let launch = &seat.launch;
            let group = seat.running.as_ref()?.group.clone().filter(|_| launch.threads.is_none())?;
            Some(Paced { number, group, speed: emulation.speed(&launch.work).ok()?, limit: launch.cpu_cores })
        });
        paced.collect()
    }

    /// Where a replica's watchdog listens.
    pub(super) fn socket(&self, number: u64) -> PathBuf {
        self.runtime.join(number.to_string()).join("watchdog.sock")
    }

    /// A replica's task has ended.
    pub(super) fn leave(&self, function: &FunctionName, number: u64) {
        self.change(function, |function| drop(function.seats.remove(&number)));
        self.state().replicas -= 1;
        self.alive.send_modify(|alive| *alive -= 1);
    }
}
