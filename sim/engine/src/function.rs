//! The state of one function: its replicas, its waiting room, its policies at work.

use std::collections::VecDeque;

use faas_lab_model::policies::{
    Dispatcher, KeepAlivePolicy, PerRequest, Pool, ReplicaSize, Scaler, ScalerSetup, Scaling,
};
use faas_lab_model::rng::{Key, Seed};
use faas_lab_model::scenario::{Concurrency, Discipline, Function};
use faas_lab_model::time::SimTime;

use crate::call::CallId;
use crate::node::class_index;

/// One function at work.
pub(crate) struct FunctionState {
    /// Replicas that calls can be sent to.
    pub(crate) pool: Pool,
    pub(crate) dispatcher: Dispatcher,
    /// Set where replicas are started per request.
    pub(crate) provisioner: Option<PerRequest>,
    pub(crate) keep_alive: KeepAlivePolicy,
    /// Until when the function may stay idle as a whole, counted from when it last became so.
    pub(crate) idle_until: SimTime,
    /// How often it has become idle as a whole; keys its keep-alive draws.
    pub(crate) idle_spells: u32,
    pub(crate) scaler: Option<Box<dyn Scaler + Send>>,
    pub(crate) idler: Option<Box<dyn Scaler + Send>>,
    /// Calls that one replica works on at once.
    pub(crate) slots: Option<u32>,
    /// Places in a replica's accept queue.
    pub(crate) backlog: Option<u32>,
    pub(crate) room: WaitingRoom,
    /// Calls that the gateways hold until there is a replica.
    pub(crate) held: Vec<CallId>,
    /// Numbers its replicas, for their draws.
    pub(crate) family: Key,
    pub(crate) births: u64,
    /// Replicas in order of creation.
    pub(crate) replicas: Vec<u32>,
    pub(crate) desired: u32,
    pub(crate) starting: u32,
    pub(crate) ready: u32,
    pub(crate) size: ReplicaSize,
    /// Work classes of calls and of the start.
    pub(crate) class: usize,
    pub(crate) boot_class: usize,
    /// Counters as the gateway publishes them.
    pub(crate) started_total: u64,
    pub(crate) completed_total: u64,
    pub(crate) ok_total: u64,
    pub(crate) in_flight: u32,
    pub(crate) queue_depth: u64,
    /// CPU time of its replicas that are gone, in core-nanoseconds.
    pub(crate) cpu_burnt: f64,
}

impl FunctionState {
    /// Whether no replica has anything to do, and none is starting.
    pub(crate) fn is_idle(&self) -> bool {
        self.starting == 0 && self.pool.busy() == 0 && self.ready as usize == self.replicas.len()
    }

    /// Whether only replicas with a free slot are candidates, because calls wait in front of the replicas.
    pub(crate) fn slots_matter(&self) -> bool {
        self.slots.is_some() && (self.provisioner.is_some() || self.room.exists())
    }

    pub(crate) fn new(function: &Function, classes: &[String], seed: Seed) -> FunctionState {
        let provisioner = match &function.scaling {
            Scaling::PerRequest(per_request) => Some(per_request.clone()),
            _ => None,
        };
        let (slots, backlog) = match function.concurrency {
            Concurrency::Workers { count, backlog } => (Some(count), backlog),
            // A replica that is started for a request serves one at a time unless told otherwise.
            Concurrency::Unlimited => (provisioner.as_ref().map(|_| 1), None),
        };
        let slots_matter = provisioner.is_some() || function.waiting_room.is_some();
        let setup = ScalerSetup {
            bounds: function.replicas,
            cpu_request: function.cpu_request,
            key: seed.key(&format!("scaler/{}", function.name)),
        };
        FunctionState {
            pool: Pool::new(slots.filter(|_| slots_matter), provisioner.as_ref().map(|p| p.routing)),
            dispatcher: function.dispatch.dispatcher(),
            keep_alive: function.keep_alive.clone(),
            idle_until: SimTime::NEVER,
            idle_spells: 0,
            scaler: function.scaling.scaler(setup),
            idler: function.scale_to_zero.as_ref().map(|idler| idler.scaler()),
            provisioner,
            slots,
            backlog,
            room: WaitingRoom::new(function),
            held: Vec::new(),
            family: Seed(0).key(&function.name),
            births: 0,
            replicas: Vec::new(),
            desired: 0,
            starting: 0,
            ready: 0,
            size: ReplicaSize { memory: function.memory, cpu: function.cpu_request },
            class: class_index(classes, function.demand.class.as_ref()),
            boot_class: class_index(classes, function.cold_start.boot.class.as_ref()),
            started_total: 0,
            completed_total: 0,
            ok_total: 0,
            in_flight: 0,
            queue_depth: 0,
            cpu_burnt: 0.0,
        }
    }
}

/// Requests that wait for a free slot, in front of all replicas.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    /// Places; `None`: there is no room at all.
    capacity: Option<u32>,
    discipline: Discipline,
    /// May hold calls that have left; they find nothing.
    calls: VecDeque<CallId>,
    waiting: u32,
}

impl WaitingRoom {
    fn new(function: &Function) -> WaitingRoom {
        WaitingRoom {
            capacity: function.waiting_room.map(|room| room.capacity.unwrap_or(u32::MAX)),
            discipline: function.waiting_room.map(|room| room.discipline).unwrap_or_default(),
            calls: VecDeque::new(),
            waiting: 0,
        }
    }

    /// Whether the function has one.
    pub(crate) fn exists(&self) -> bool {
        self.capacity.is_some()
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Places left.
    pub(crate) fn places(&self) -> u32 {
        self.capacity.map_or(0, |capacity| capacity - self.waiting.min(capacity))
    }

    pub(crate) fn enter(&mut self, call: CallId) {
        self.waiting += 1;
        self.calls.push_back(call);
    }

    /// A call has left without being called up.
    pub(crate) fn leave(&mut self) {
        self.waiting -= 1;
        if self.waiting == 0 {
            self.calls.clear();
        }
    }

    /// The next call; `is_there` tells calls that wait from those that have left.
    pub(crate) fn call_up(&mut self, is_there: impl Fn(CallId) -> bool) -> Option<CallId> {
        while self.waiting > 0 {
            let call = match self.discipline {
                Discipline::Fifo => self.calls.pop_front(),
                Discipline::Lifo => self.calls.pop_back(),
            }?;
            if is_there(call) {
                self.waiting -= 1;
                return Some(call);
            }
        }
        None
    }
}

/// A gateway: a station for its CPU, and what it believes about functions.
#[derive(Debug)]
pub(crate) struct GatewayState {
    pub(crate) busy: u32,
    pub(crate) queue: VecDeque<CallId>,
    /// For each function: when its replica count was asked for, and whether there was a replica.
    pub(crate) seen: Vec<Option<(SimTime, bool)>>,
}

impl GatewayState {
    pub(crate) fn new(functions: usize) -> GatewayState {
        GatewayState { busy: 0, queue: VecDeque::new(), seen: vec![None; functions] }
    }
}
