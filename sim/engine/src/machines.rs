//! Machines are lost and come back, and with them their replicas.

use faas_lab_model::rng::Seed;
use faas_lab_model::time::{SimTime, Span};

use crate::event::Event;
use crate::node::machine_draws;
use crate::replica::{ReplicaId, State};
use crate::world::World;

impl World<'_> {
    pub(crate) fn schedule_node_failures(&mut self, seed: Seed) {
        let mut first = 0;
        for index in 0..self.nodes.len() {
            let group = &self.scenario.nodes[self.nodes[index].group];
            if self.nodes[first].group != self.nodes[index].group {
                first = index;
            }
            let mut failures: Vec<(SimTime, Span)> = group
                .failures
                .iter()
                .filter(|failure| failure.index as usize == index - first)
                .map(|failure| (failure.at, failure.lasts))
                .collect();
            if let Some(random) = &group.random_failures {
                let mut draws = machine_draws(seed, &self.nodes[index].name);
                let mut at = SimTime::ZERO;
                while at < SimTime::ZERO + self.scenario.duration {
                    at += random.time_between.sample(&mut draws).max(Span::from_nanos(1));
                    let lasts = random.repair.sample(&mut draws);
                    failures.push((at, lasts));
                    at += lasts;
                }
            }
            for (at, lasts) in failures {
                self.calendar.schedule_at(at, Event::NodeFails(index as u32));
                self.calendar.schedule_at(at + lasts, Event::NodeReturns(index as u32));
            }
        }
    }

    pub(crate) fn replicas_on(&self, node: u32) -> Vec<ReplicaId> {
        let on_it = |index: &u32| {
            let replica = &self.replicas[*index as usize];
            replica.alive && replica.node == node
        };
        (0..self.replicas.len() as u32).filter(on_it).map(|index| self.id_of(index)).collect()
    }

    /// The replicas on a machine, one after the other; what happens to one can be the end of another.
    fn for_each_on(&mut self, node: u32, mut act: impl FnMut(&mut Self, u32)) {
        for id in self.replicas_on(node) {
            if self.there(id).is_some() {
                act(self, id.index);
            }
        }
    }

    /// A machine is lost. Nobody knows yet: its replicas stay in the endpoint lists, and calls to them go nowhere.
    pub(crate) fn node_fails(&mut self, index: u32) {
        let node = index as usize;
        if !self.nodes[node].up {
            return;
        }
        let now = self.calendar.now();
        // From here on nothing can be placed here, whatever room the end of its replicas makes.
        self.nodes[node].up = false;
        self.for_each_on(index, |world, replica| match world.replicas[replica as usize].state {
            State::Ready => {
                world.replicas[replica as usize].state = State::Lost;
                for id in world.calls.on_replica(replica) {
                    world.strand(id);
                }
            }
            // What was starting or draining there never will be, or has been.
            _ => world.end_replica(replica),
        });
        self.nodes[node].lose(now);
        let meter = &mut self.recorder.nodes[node];
        meter.settle(now);
        meter.up = false;
        meter.busy_cores = 0.0;
        let loss = self.nodes[node].losses;
        let detection = self.scenario.cluster.node_detection;
        self.calendar.schedule_in(detection, Event::NodeLossSeen { node: index, loss });
        let eviction = detection + self.scenario.cluster.eviction_delay;
        self.calendar.schedule_in(eviction, Event::NodeEvicts { node: index, loss });
        for function in 0..self.functions.len() as u32 {
            self.refill(function);
        }
    }

    /// A function may have lost replicas that were starting: others are started in their place.
    pub(crate) fn refill(&mut self, function: u32) {
        if self.functions[function as usize].provisioner.is_none() {
            self.reconcile(function);
        } else {
            let at_least = self.scenario.functions[function as usize].replicas.min as usize;
            while self.functions[function as usize].replicas.len() < at_least {
                self.start_replica(function);
            }
            self.start_for_waiting(function);
        }
    }

    pub(crate) fn node_loss_seen(&mut self, index: u32, loss: u32) {
        if self.nodes[index as usize].up || self.nodes[index as usize].losses != loss {
            return;
        }
        self.nodes[index as usize].seen_up = false;
        self.for_each_on(index, |world, replica| {
            world.leave_pool(replica);
            world.fail_calls(replica);
        });
    }

    pub(crate) fn node_evicts(&mut self, index: u32, loss: u32) {
        if self.nodes[index as usize].up || self.nodes[index as usize].losses != loss {
            return;
        }
        self.for_each_on(index, |world, replica| {
            let function = world.replicas[replica as usize].function;
            world.end_replica(replica);
            world.refill(function);
        });
    }

    /// A machine comes back. Its replicas' processes are started again.
    pub(crate) fn node_returns(&mut self, index: u32) {
        let now = self.calendar.now();
        let node = &mut self.nodes[index as usize];
        if node.up {
            return;
        }
        node.up = true;
        node.seen_up = true;
        node.last = now;
        let reserved = node.reserved;
        let meter = &mut self.recorder.nodes[index as usize];
        meter.settle(now);
        meter.up = true;
        meter.busy_cores = reserved;
        self.for_each_on(index, |world, replica| {
            // What was placed here by a start just now is none of those that were lost.
            if world.replicas[replica as usize].state != State::Lost {
                return;
            }
            world.leave_pool(replica);
            world.fail_calls(replica);
            let host = &mut world.replicas[replica as usize];
            host.restarts += 1;
            host.phase_start = now;
            let function = host.function as usize;
            world.functions[function].starting += 1;
            world.recorder.functions[function].starting.add(now, 1);
            world.prepare(replica);
        });
        self.place_pending();
    }
}
