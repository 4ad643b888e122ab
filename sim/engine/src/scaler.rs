//! Scaling: asks the policies on their own timers and does what they wish.

use faas_lab_model::policies::{ReplicaUse, Snapshot};

use crate::event::Event;
use crate::replica::{Replica, State};
use crate::world::World;

impl World<'_> {
    pub(crate) fn ask_scaler(&mut self, function: u32) {
        let seen = self.snapshot(function);
        let Some(scaler) = &mut self.functions[function as usize].scaler else { return };
        let verdict = scaler.decide(&seen);
        self.calendar.schedule_at(verdict.ask_again, Event::Scaler(function));
        // Whether a function at rest may be woken is the policy's own business: the alert rule's resolution does.
        if let Some(replicas) = verdict.replicas {
            self.set_desired(function, replicas);
        }
    }

    pub(crate) fn ask_idler(&mut self, function: u32) {
        let seen = self.snapshot(function);
        let Some(idler) = &mut self.functions[function as usize].idler else { return };
        let verdict = idler.decide(&seen);
        self.calendar.schedule_at(verdict.ask_again, Event::Idler(function));
        if let Some(replicas) = verdict.replicas {
            self.set_desired(function, replicas);
        }
    }

    fn snapshot(&mut self, function: u32) -> Snapshot {
        // CPU time is added up as tasks come and go; now those that still run count too.
        for node in 0..self.nodes.len() {
            self.advance_node(node);
        }
        let state = &self.functions[function as usize];
        let replicas = state.replicas.iter().map(|index| &self.replicas[*index as usize]);
        let cpu_burnt = state.cpu_burnt + replicas.clone().map(|replica| replica.cpu.burnt).sum::<f64>();
        Snapshot {
            at: self.calendar.now(),
            desired: state.desired,
            ready: state.ready,
            in_flight: state.in_flight,
            started_total: state.started_total,
            completed_total: state.completed_total,
            ok_total: state.ok_total,
            cpu_seconds_total: cpu_burnt * 1e-9,
            queue_depth: state.queue_depth,
            replicas: replicas.filter_map(in_use).collect(),
        }
    }

    /// So many replicas are wanted from now on: starts what is missing, removes what is too much.
    pub(crate) fn set_desired(&mut self, function: u32, replicas: u32) {
        let now = self.calendar.now();
        self.functions[function as usize].desired = replicas;
        self.recorder.functions[function as usize].desired.set(now, i64::from(replicas));
        self.reconcile(function);
    }

    pub(crate) fn reconcile(&mut self, function: u32) {
        let state = &self.functions[function as usize];
        let draining = |index: &&u32| matches!(self.replicas[**index as usize].state, State::Draining);
        let there = (state.replicas.len() - state.replicas.iter().filter(draining).count()) as u32;
        for _ in there..state.desired {
            self.start_replica(function);
        }
        for _ in self.functions[function as usize].desired..there {
            // Those that do not serve yet go first, then the newest: the order in which Kubernetes chooses.
            let state = &self.functions[function as usize];
            let counted = |index: &&u32| !matches!(self.replicas[**index as usize].state, State::Draining);
            let newest_first = || state.replicas.iter().rev().filter(counted);
            let is_starting = |index: &&u32| self.replicas[**index as usize].state.is_starting();
            let starting = if state.starting > 0 { newest_first().find(is_starting) } else { None };
            let Some(victim) = starting.or_else(|| newest_first().next()).copied() else { return };
            self.remove_replica(victim);
        }
    }
}

/// What a running replica uses; of one that nobody counts on any more, or whose machine is lost, nothing is told.
fn in_use(replica: &Replica) -> Option<ReplicaUse> {
    let ready_since = match replica.state {
        State::Booting | State::Settling => None,
        State::Ready => Some(replica.phase_start),
        _ => return None,
    };
    Some(ReplicaUse { replica: replica.entity, ready_since, cpu_seconds: replica.cpu.burnt * 1e-9 })
}
