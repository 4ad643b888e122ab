//! The end of a replica: removed, killed, or crashed and started again.

use crate::event::Event;
use crate::replica::{NO_NODE, ReplicaId, State};
use crate::world::World;

impl World<'_> {
    /// A replica is removed: it finishes its calls, but gets no more.
    pub(crate) fn remove_replica(&mut self, replica: u32) {
        if self.replicas[replica as usize].state != State::Ready {
            return self.end_replica(replica);
        }
        self.leave_pool(replica);
        self.replicas[replica as usize].state = State::Draining;
        if self.replicas[replica as usize].hosted() == 0 {
            return self.end_replica(replica);
        }
        let id = self.id_of(replica);
        self.calendar.schedule_deadline(self.scenario.cluster.termination_grace, Event::GraceOver(id));
    }

    /// A replica can no longer be sent calls; of one that has left before nothing is left to do.
    pub(crate) fn leave_pool(&mut self, replica: u32) {
        let now = self.calendar.now();
        let host = &mut self.replicas[replica as usize];
        let function = host.function as usize;
        let Some(handle) = host.handle.take() else { return };
        self.functions[function].pool.remove(handle);
        // One that is still starting was never counted as ready, though calls may be bound to it.
        if matches!(host.state, State::Ready | State::Lost) {
            self.functions[function].ready -= 1;
            self.recorder.functions[function].ready.add(now, -1);
        }
    }

    pub(crate) fn grace_over(&mut self, id: ReplicaId) {
        if self.there(id).is_some_and(|replica| replica.state == State::Draining) {
            self.fail_calls(id.index);
            if self.there(id).is_some() {
                self.end_replica(id.index);
            }
        }
    }

    /// A replica is gone.
    pub(crate) fn end_replica(&mut self, replica: u32) {
        let now = self.calendar.now();
        let host = &self.replicas[replica as usize];
        let (function, node, state) = (host.function as usize, host.node, host.state);
        if state.is_starting() {
            self.functions[function].starting -= 1;
            self.recorder.functions[function].starting.add(now, -1);
        }
        self.leave_pool(replica);
        // No longer one that could be given up twice, whatever ends its calls now.
        self.replicas[replica as usize].state = State::Lost;
        self.fail_calls(replica);
        self.clear_tasks(replica);
        let host = &mut self.replicas[replica as usize];
        host.alive = false;
        self.functions[function].cpu_burnt += host.cpu.burnt;
        host.generation = host.generation.wrapping_add(1);
        let life = (now - host.created).as_nanos();
        let at = self.functions[function].replicas.iter().rposition(|index| *index == replica);
        self.functions[function].replicas.remove(at.expect("a function knows its replicas"));
        self.vacant_replicas.push(replica);
        let meter = &mut self.recorder.functions[function];
        meter.live.add(now, -1);
        meter.totals().lives.0 += 1;
        meter.totals().lives.1 += u128::from(life);
        if node != NO_NODE {
            let size = self.functions[function].size;
            self.nodes[node as usize].dismiss(function, size);
            self.place_pending();
        }
    }

    /// A machine has run out of memory: this replica is given up there, and another may start elsewhere.
    pub(crate) fn evict(&mut self, replica: u32) {
        let function = self.replicas[replica as usize].function;
        let name = &self.scenario.functions[function as usize].name;
        let text = format!("Replicas of {name} were evicted: their machine had no memory left for their calls.");
        self.finding("evicted-for-memory", text);
        self.end_replica(replica);
        self.refill(function);
    }

    pub(crate) fn crash(&mut self, id: ReplicaId) {
        if self.there(id).is_some_and(|replica| replica.state == State::Ready) {
            self.fail_replica(id.index);
        }
    }

    /// A ready replica's process dies, and with it its calls. It is started again after a growing delay.
    pub(crate) fn fail_replica(&mut self, replica: u32) {
        if self.replicas[replica as usize].state != State::Ready {
            return;
        }
        self.leave_pool(replica);
        let now = self.calendar.now();
        let host = &mut self.replicas[replica as usize];
        host.state = State::CrashBackOff;
        let doublings = host.restarts.min(16);
        host.restarts += 1;
        let function = host.function as usize;
        self.functions[function].starting += 1;
        self.recorder.functions[function].starting.add(now, 1);
        self.fail_calls(replica);
        self.clear_tasks(replica);
        let cluster = &self.scenario.cluster;
        let delay = (cluster.crash_backoff * (1 << doublings)).min(cluster.crash_backoff_max);
        let id = self.id_of(replica);
        self.calendar.schedule_in(delay, Event::PhaseOver(id));
    }
}
