//! Who burns the CPU of which machine, and when the next task is done.

use faas_lab_model::time::{SimTime, Span};

use crate::call::{CallId, Stage};
use crate::event::Event;
use crate::replica::{NO_NODE, ReplicaId, State, Task};
use crate::world::World;

impl World<'_> {
    /// A replica begins a CPU task.
    pub(crate) fn begin_task(&mut self, replica: u32, task: Task, work_nanos: f64, class: usize) {
        let now = self.calendar.now();
        let node = self.replicas[replica as usize].node as usize;
        self.advance_node(node);
        self.tasks_born += 1;
        let sequence = self.tasks_born;
        let cpu = &mut self.replicas[replica as usize].cpu;
        if cpu.tasks == 0 {
            self.nodes[node].active.push(replica);
        }
        cpu.class = class;
        cpu.begin(now, task, work_nanos, sequence);
        self.share_cores(node);
    }

    /// A call's CPU task is killed. Returns the work that was left, in nanoseconds.
    pub(crate) fn abort_task(&mut self, replica: u32, id: CallId) -> f64 {
        let node = self.replicas[replica as usize].node as usize;
        self.advance_node(node);
        let cpu = &mut self.replicas[replica as usize].cpu;
        let left = cpu.left(Task::Call(id));
        if cpu.tasks == 0 {
            // All tasks of the replica were killed at once, and this is one of them.
            return left;
        }
        cpu.abort();
        if cpu.tasks == 0 {
            self.deactivate(node, replica);
        }
        self.share_cores(node);
        left
    }

    /// A replica's CPU tasks are all gone at once.
    pub(crate) fn clear_tasks(&mut self, replica: u32) {
        let node = self.replicas[replica as usize].node;
        if node != NO_NODE && self.replicas[replica as usize].cpu.tasks > 0 {
            self.advance_node(node as usize);
            self.replicas[replica as usize].cpu.tasks = 0;
            self.deactivate(node as usize, replica);
            self.share_cores(node as usize);
        }
    }

    fn deactivate(&mut self, node: usize, replica: u32) {
        let active = &mut self.nodes[node].active;
        if let Some(at) = active.iter().position(|index| *index == replica) {
            active.remove(at);
        }
    }

    pub(crate) fn advance_node(&mut self, node: usize) {
        self.nodes[node].advance(self.calendar.now(), &mut self.replicas);
    }

    /// Shares a machine's cores out again and makes sure that somebody looks when the next task ends.
    fn share_cores(&mut self, node: usize) {
        let now = self.calendar.now();
        self.nodes[node].share_out(&mut self.replicas, &self.habits);
        let meter = &mut self.recorder.nodes[node];
        meter.settle(now);
        meter.busy_cores = self.nodes[node].busy + self.nodes[node].reserved;
        self.watch_node(node);
    }

    fn watch_node(&mut self, node: usize) {
        let now = self.calendar.now();
        let mut next = f64::INFINITY;
        for i in 0..self.nodes[node].active.len() {
            let replica = self.nodes[node].active[i];
            if let Some((_, left)) = self.first_task(replica) {
                let cpu = &self.replicas[replica as usize].cpu;
                next = next.min(left / cpu.rate).min(cpu.next_ration(now));
            }
        }
        if next.is_finite() {
            // Rounded up, so that the task is done when somebody looks.
            let at = now + Span::from_nanos(next.max(0.0).ceil() as u64);
            if at < self.nodes[node].wake {
                self.nodes[node].wake = at;
                self.calendar.schedule_at(at, Event::NodeWakes(node as u32));
            }
        }
    }

    /// The first task of a replica that still exists; marks of those that were killed are dropped on the way.
    fn first_task(&mut self, replica: u32) -> Option<(Task, f64)> {
        loop {
            let host = &mut self.replicas[replica as usize];
            let (task, left) = host.cpu.first()?;
            let there = match task {
                Task::Boot => host.state == State::Booting,
                Task::Call(id) => {
                    self.calls.get(id).is_some_and(|call| call.stage == Stage::Working && call.replica == replica)
                }
            };
            if there {
                return Some((task, left));
            }
            host.cpu.take_first(false);
        }
    }

    pub(crate) fn node_wakes(&mut self, index: u32) {
        let node = index as usize;
        let now = self.calendar.now();
        if self.nodes[node].wake != now {
            return;
        }
        self.nodes[node].wake = SimTime::NEVER;
        self.advance_node(node);
        // A task is done when less than a nanosecond of it is left: nothing finer can be scheduled.
        let mut done: Vec<(ReplicaId, Task)> = Vec::new();
        for i in 0..self.nodes[node].active.len() {
            let replica = self.nodes[node].active[i];
            while let Some((task, left)) = self.first_task(replica) {
                if left >= 1.0 {
                    break;
                }
                self.replicas[replica as usize].cpu.take_first(true);
                done.push((self.id_of(replica), task));
                if let Task::Call(id) = task {
                    // Out of `Working`, so that nobody finds it there again.
                    self.calls[id].stage = Stage::Sleeping;
                }
            }
        }
        let replicas = &self.replicas;
        self.nodes[node].active.retain(|replica| replicas[*replica as usize].cpu.tasks > 0);
        self.share_cores(node);
        for (replica, task) in done {
            // The end of one may have been the end of another.
            match task {
                Task::Call(id) if self.calls.get(id).is_some_and(|call| call.stage == Stage::Sleeping) => {
                    self.cpu_work_over(id)
                }
                Task::Boot if self.there(replica).is_some_and(|host| host.state == State::Booting) => {
                    self.booted(replica.index)
                }
                _ => {}
            }
        }
    }
}
