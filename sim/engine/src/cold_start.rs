//! Replicas come: cold starts, phase by phase.

use faas_lab_model::metrics::Phase;
use faas_lab_model::policies::Placement;
use faas_lab_model::policies::provisioning::Binding;
use faas_lab_model::rng::Uniforms as _;
use faas_lab_model::scenario::InitialState;
use faas_lab_model::time::{SimTime, Span};

use crate::call::{Call, Origin, Stage};
use crate::event::Event;
use crate::ration::Ration;
use crate::replica::{CpuShare, NO_NODE, Replica, ReplicaId, State, Task};
use crate::world::World;

impl World<'_> {
    fn new_replica(&mut self, function: u32, state: State) -> u32 {
        let now = self.calendar.now();
        let serial = self.replicas_born;
        let of_function = &mut self.functions[function as usize];
        let entity = of_function.family.entity(of_function.births);
        of_function.births += 1;
        self.replicas_born += 1;
        let settings = &self.scenario.functions[function as usize];
        let lifetime_end = match &settings.lifetime {
            Some(law) => now + law.sample(&mut self.keys.lifetime.draws(entity, 0)),
            None => SimTime::NEVER,
        };
        // Periods of different replicas do not begin together.
        let ration = settings.cpu_limit.zip(settings.cpu_period).map(|(limit, period)| {
            let rest = period.as_secs_f64() * self.keys.cpu_period.draws(entity, 0).uniform();
            Ration::new(limit, period, now + Span::from_secs_f64(rest))
        });
        let mut replica = Replica {
            generation: 0,
            alive: true,
            function,
            serial,
            entity,
            node: NO_NODE,
            state,
            handle: None,
            created: now,
            container_start: now,
            phase_start: now,
            restarts: 0,
            in_flight: 0,
            running: 0,
            backlog: std::collections::VecDeque::new(),
            keep_until: SimTime::NEVER,
            wake: SimTime::NEVER,
            idle_spells: 0,
            lifetime_end,
            cpu: CpuShare::within(ration),
        };
        let index = match self.vacant_replicas.pop() {
            Some(index) => {
                replica.generation = self.replicas[index as usize].generation;
                self.replicas[index as usize] = replica;
                index
            }
            None => {
                self.replicas.push(replica);
                self.replicas.len() as u32 - 1
            }
        };
        let state = &mut self.functions[function as usize];
        state.replicas.push(index);
        // Calls that are bound to the replica they start, and others after them, can be sent to it at once.
        if state.provisioner.as_ref().is_some_and(|provisioner| provisioner.binding == Binding::Replica) {
            self.replicas[index as usize].handle = Some(state.pool.insert(index));
        }
        self.recorder.functions[function as usize].live.add(now, 1);
        index
    }

    pub(crate) fn id_of(&self, replica: u32) -> ReplicaId {
        ReplicaId { index: replica, generation: self.replicas[replica as usize].generation }
    }

    /// The replica, if it still exists.
    pub(crate) fn there(&self, id: ReplicaId) -> Option<&Replica> {
        let replica = &self.replicas[id.index as usize];
        (replica.alive && replica.generation == id.generation).then_some(replica)
    }

    /// The replicas that exist when the run begins.
    pub(crate) fn start_initial_replicas(&mut self, function: u32) {
        let settings = &self.scenario.functions[function as usize];
        self.functions[function as usize].desired = settings.replicas.initial;
        self.recorder.functions[function as usize].desired.set(SimTime::ZERO, i64::from(settings.replicas.initial));
        // The list says what replicas do, the bounds how many there are; those the list leaves out are idle.
        let listed: u32 = settings.initial.iter().map(|initial| initial.count).sum();
        for _ in listed..settings.replicas.initial {
            if let Some(replica) = self.ready_replica(function) {
                self.replica_idle(replica);
            }
        }
        let mut number = 0;
        for initial in &settings.initial {
            for _ in 0..initial.count {
                let Some(replica) = self.ready_replica(function) else { return };
                match initial.state {
                    InitialState::Busy => {
                        let mut call = Call::new(u64::MAX - number, 0, function, Origin::Nobody, SimTime::ZERO);
                        let mut draws = self.keys.initial.draws(number, function);
                        call.demand = settings.demand.law.sample(&mut draws);
                        call.wait = settings.wait.sample(&mut draws);
                        (call.client_done, call.gateway_done, call.stage) = (true, true, Stage::Bound);
                        number += 1;
                        let id = self.calls.insert(call);
                        self.deliver(id, replica);
                    }
                    InitialState::Idle { expires: Some(at) } => self.keep_until(replica, at),
                    InitialState::Idle { expires: None } => self.replica_idle(replica),
                }
            }
        }
    }

    /// A replica that is ready from the start; `None` if no machine has room for it: then it waits for one.
    fn ready_replica(&mut self, function: u32) -> Option<u32> {
        let replica = self.new_replica(function, State::Settling);
        self.recorder.functions[function as usize].starting.add(SimTime::ZERO, 1);
        self.functions[function as usize].starting += 1;
        if !self.place(replica) {
            return None;
        }
        let node = self.replicas[replica as usize].node;
        if node != NO_NODE {
            self.nodes[node as usize].has_image(function as usize);
        }
        self.becomes_ready(replica);
        Some(replica)
    }

    /// Another replica begins to start.
    pub(crate) fn start_replica(&mut self, function: u32) {
        let replica = self.plan_replica(function);
        self.begin_start(replica);
    }

    /// Another replica is wanted; calls can be bound to it before it begins to start.
    pub(crate) fn plan_replica(&mut self, function: u32) -> u32 {
        let now = self.calendar.now();
        let replica = self.new_replica(function, State::Scheduling);
        self.functions[function as usize].starting += 1;
        let meter = &mut self.recorder.functions[function as usize];
        meter.starting.add(now, 1);
        meter.totals().starts += 1;
        replica
    }

    /// The first phase of a start, and every other that takes no time.
    pub(crate) fn begin_start(&mut self, replica: u32) {
        let function = self.replicas[replica as usize].function;
        let law = &self.scenario.functions[function as usize].cold_start.schedule;
        let delay = law.sample(&mut self.cold_draws(replica, Phase::Schedule));
        self.next_phase(replica, delay);
    }

    fn cold_draws(&self, replica: u32, phase: Phase) -> faas_lab_model::rng::Draws {
        let host = &self.replicas[replica as usize];
        self.keys.cold_start.draws(host.entity.wrapping_mul(8) + phase as u64, host.restarts)
    }

    /// The present phase of a start ends after `delay`.
    fn next_phase(&mut self, replica: u32, delay: Span) {
        let id = self.id_of(replica);
        if delay.is_zero() {
            self.start_phase_over(id);
        } else {
            self.calendar.schedule_in(delay, Event::PhaseOver(id));
        }
    }

    pub(crate) fn start_phase_over(&mut self, id: ReplicaId) {
        let Some(replica) = self.there(id) else { return };
        match replica.state {
            State::Scheduling => {
                if self.place(id.index) {
                    self.prepare(id.index);
                }
            }
            State::Preparing => self.boot(id.index),
            State::Booting => self.booted(id.index),
            State::Settling => {
                self.becomes_ready(id.index);
                if self.there(id).is_some_and(|host| host.hosted() == 0 && host.state == State::Ready) {
                    self.replica_idle(id.index);
                }
            }
            State::CrashBackOff => {
                self.replicas[id.index as usize].phase_start = self.calendar.now();
                self.prepare(id.index);
            }
            State::Pending | State::Ready | State::Draining | State::Lost => {}
        }
    }

    /// Finds a machine; if none has room the replica waits for one.
    fn place(&mut self, replica: u32) -> bool {
        if self.nodes.is_empty() {
            return true;
        }
        let function = self.replicas[replica as usize].function as usize;
        let size = self.functions[function].size;
        let views: Vec<_> = self.nodes.iter().map(|node| node.view(function)).collect();
        let mut placement = self.scenario.cluster.placement;
        match placement.place(&views, size) {
            Some(node) => {
                self.nodes[node].admit(function, size);
                let host = &mut self.replicas[replica as usize];
                host.node = node as u32;
                // Calls may be bound to it already.
                let memory = self.scenario.functions[function].memory_per_call;
                (0..host.hosted()).for_each(|_| self.nodes[node].call_comes(memory));
                true
            }
            None => {
                self.replicas[replica as usize].state = State::Pending;
                false
            }
        }
    }

    /// A machine has room again: replicas that wait for one get it, the oldest first.
    pub(crate) fn place_pending(&mut self) {
        if self.nodes.is_empty() {
            return;
        }
        // A replica that is placed may be gone again at once and leave its place to others.
        self.place_again = true;
        if std::mem::replace(&mut self.placing, true) {
            return;
        }
        while std::mem::take(&mut self.place_again) {
            self.place_all_pending();
        }
        self.placing = false;
    }

    fn place_all_pending(&mut self) {
        let mut pending: Vec<u32> = (0..self.replicas.len() as u32)
            .filter(|index| {
                let replica = &self.replicas[*index as usize];
                replica.alive && replica.state == State::Pending
            })
            .collect();
        pending.sort_by_key(|index| self.replicas[*index as usize].serial);
        // Replicas of one function are equal: where one finds no place, those after it find none either.
        let mut without_place = vec![false; self.functions.len()];
        // A start that takes no time can be the end of another.
        let pending: Vec<ReplicaId> = pending.into_iter().map(|replica| self.id_of(replica)).collect();
        for id in pending {
            let Some(replica) = self.there(id).filter(|replica| replica.state == State::Pending) else { continue };
            let function = replica.function as usize;
            if without_place[function] {
                continue;
            }
            if self.place(id.index) {
                self.prepare(id.index);
            } else {
                without_place[function] = true;
            }
        }
    }

    /// Image, sandbox, container: one wait, three phases.
    pub(crate) fn prepare(&mut self, replica: u32) {
        let now = self.calendar.now();
        let host = &self.replicas[replica as usize];
        let (function, node, restart) = (host.function as usize, host.node, host.restarts > 0);
        let settings = &self.scenario.functions[function].cold_start;
        if !restart {
            self.recorder.functions[function].phase(Phase::Schedule, now - host.phase_start);
        }
        let mut image_at = now;
        if node != NO_NODE && settings.image.0 > 0 {
            let length = self.pull_length(function, node);
            image_at = self.nodes[node as usize].image_at(now, function, length);
            if image_at > now {
                self.recorder.functions[function].phase(Phase::Pull, image_at - now);
            }
        }
        // A container that is started again keeps its sandbox.
        let sandbox = match restart {
            true => Span::ZERO,
            false => settings.sandbox.sample(&mut self.cold_draws(replica, Phase::Sandbox)),
        };
        let create = match node != NO_NODE && settings.sandbox.is_zero() && settings.create.is_zero() {
            // The function tells nothing of its start: the machine may.
            true => &self.scenario.nodes[self.nodes[node as usize].group].pod_start,
            false => &settings.create,
        };
        let create = create.sample(&mut self.cold_draws(replica, Phase::Create));
        let meter = &mut self.recorder.functions[function];
        if !sandbox.is_zero() {
            meter.phase(Phase::Sandbox, sandbox);
        }
        if !create.is_zero() {
            meter.phase(Phase::Create, create);
        }
        self.replicas[replica as usize].state = State::Preparing;
        self.next_phase(replica, (image_at - now) + sandbox + create);
    }

    fn pull_length(&self, function: usize, node: u32) -> Span {
        let group = &self.scenario.nodes[self.nodes[node as usize].group];
        let registry = self.scenario.cluster.registry.map_or(f64::INFINITY, |rate| rate.0);
        // Layers are unpacked while they come: the slower of link and disk decides.
        let rate = group.link.0.min(group.disk_write.0).min(registry);
        let bytes = self.scenario.functions[function].cold_start.image.0 as f64;
        self.scenario.cluster.pull_overhead + Span::from_secs_f64(bytes / rate)
    }

    fn boot(&mut self, replica: u32) {
        let now = self.calendar.now();
        let draws = &mut self.cold_draws(replica, Phase::Boot);
        let host = &mut self.replicas[replica as usize];
        host.state = State::Booting;
        host.container_start = now;
        host.phase_start = now;
        let function = host.function as usize;
        let node = host.node;
        let boot = &self.scenario.functions[function].cold_start.boot;
        let length = boot.law.sample(draws);
        if node == NO_NODE || boot.class.is_none() || length.is_zero() {
            return self.next_phase(replica, length);
        }
        let class = self.functions[function].boot_class;
        let work = length.as_nanos() as f64 * self.nodes[node as usize].slowdown(class);
        self.begin_task(replica, Task::Boot, work, class);
    }

    /// The process is up; the next probe sees it, and then the endpoint lists have to learn of it.
    pub(crate) fn booted(&mut self, replica: u32) {
        let now = self.calendar.now();
        let host = &mut self.replicas[replica as usize];
        host.state = State::Settling;
        let (function, booting, container_start) =
            (host.function as usize, now - host.phase_start, host.container_start);
        let settings = &self.scenario.functions[function].cold_start;
        let seen = settings
            .readiness_probe
            .map_or(now, |probe| now.next_on_grid(container_start + probe.initial_delay, probe.period));
        let endpoint = settings.endpoint.sample(&mut self.cold_draws(replica, Phase::Endpoint));
        let meter = &mut self.recorder.functions[function];
        for (phase, length) in [(Phase::Boot, booting), (Phase::Probe, seen - now), (Phase::Endpoint, endpoint)] {
            if !length.is_zero() {
                meter.phase(phase, length);
            }
        }
        self.next_phase(replica, (seen - now) + endpoint);
    }

    fn becomes_ready(&mut self, replica: u32) {
        let now = self.calendar.now();
        let host = &mut self.replicas[replica as usize];
        host.state = State::Ready;
        host.phase_start = now;
        let (function, entity, restarts) = (host.function, host.entity, host.restarts);
        let since_created = now - host.created;
        let state = &mut self.functions[function as usize];
        if host.handle.is_none() {
            host.handle = Some(state.pool.insert(replica));
        }
        state.starting -= 1;
        state.ready += 1;
        let meter = &mut self.recorder.functions[function as usize];
        meter.starting.add(now, -1);
        meter.ready.add(now, 1);
        if restarts == 0 {
            meter.totals().init += u128::from(since_created.as_nanos());
        }
        if let Some(law) = &self.scenario.functions[function as usize].crashes {
            let delay = law.sample(&mut self.keys.crashes.draws(entity, restarts));
            let id = self.id_of(replica);
            self.calendar.schedule_in(delay, Event::Crash(id));
        }
        self.accept_bound(replica);
        self.serve_backlog(replica);
        self.call_up(function);
        self.cancel_surplus(function);
        self.start_for_waiting(function);
        self.release_held(function);
    }
}
