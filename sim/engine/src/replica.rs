//! Replicas: running copies of a function, and the CPU that each has.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use faas_lab_model::policies::dispatch::Handle;
use faas_lab_model::time::SimTime;

use crate::call::CallId;
use crate::ration::Ration;

/// Names a replica; finds nothing once that replica is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplicaId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The machine of a replica that has none.
pub(crate) const NO_NODE: u32 = u32::MAX;

/// Where a replica is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// API write, admission, scheduling.
    Scheduling,
    /// No machine has room.
    Pending,
    /// Image, sandbox, container.
    Preparing,
    /// The process starts.
    Booting,
    /// Started, and not yet seen everywhere as ready.
    Settling,
    /// Takes calls.
    Ready,
    /// Removed; finishes its calls.
    Draining,
    /// Crashed; waits to be started again.
    CrashBackOff,
    /// On a machine that is gone.
    Lost,
}

impl State {
    /// Whether it is on its way to its first or next call.
    pub(crate) fn is_starting(self) -> bool {
        matches!(
            self,
            State::Scheduling
                | State::Pending
                | State::Preparing
                | State::Booting
                | State::Settling
                | State::CrashBackOff
        )
    }
}

/// One running copy of a function.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) generation: u32,
    pub(crate) alive: bool,
    pub(crate) function: u32,
    /// Number in order of creation over the whole run.
    pub(crate) serial: u64,
    /// Keys its draws: its place among the replicas of its own function, whatever other functions do.
    pub(crate) entity: u64,
    pub(crate) node: u32,
    pub(crate) state: State,
    /// Its membership in the pool, while it can be sent calls.
    pub(crate) handle: Option<Handle>,
    pub(crate) created: SimTime,
    /// When its container was started; the readiness probe's grid starts there.
    pub(crate) container_start: SimTime,
    /// When the present phase began.
    pub(crate) phase_start: SimTime,
    pub(crate) restarts: u32,
    /// Calls that the watchdog counts as in flight.
    pub(crate) in_flight: u32,
    /// Calls that are being worked on.
    pub(crate) running: u32,
    /// Calls that wait for a worker, or for the replica to be ready.
    pub(crate) backlog: VecDeque<CallId>,
    /// While idle: until when it is kept.
    pub(crate) keep_until: SimTime,
    /// The pending look at `keep_until`, or never. It may come too early, never too late.
    pub(crate) wake: SimTime,
    /// How often it has become idle; keys its keep-alive draws.
    pub(crate) idle_spells: u32,
    /// It ends when idle after this.
    pub(crate) lifetime_end: SimTime,
    pub(crate) cpu: CpuShare,
}

impl Replica {
    /// Calls that it has, being worked on or not.
    pub(crate) fn hosted(&self) -> u32 {
        self.running + self.backlog.len() as u32
    }
}

/// What a replica works on with the CPU: its tasks share it equally.
///
/// Each task ends when the replica's virtual time, which runs at `rate`, reaches its mark; so that a change of the rate
/// costs nothing per task.
#[derive(Debug, Default)]
pub(crate) struct CpuShare {
    marks: BinaryHeap<Reverse<Mark>>,
    /// Tasks at work; marks of tasks that were killed stay in the heap until they come to its top.
    pub(crate) tasks: u32,
    virtual_nanos: f64,
    /// Progress of each task: nanoseconds of work per nanosecond.
    pub(crate) rate: f64,
    /// Cores that this replica has at present.
    pub(crate) cores: f64,
    /// CPU time that it has burnt, in core-nanoseconds.
    pub(crate) burnt: f64,
    /// Index of the work class of its tasks.
    pub(crate) class: usize,
    /// What is left of its CPU limit.
    pub(crate) ration: Option<Ration>,
}

/// Who burns the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Call(CallId),
    Boot,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: f64,
    sequence: u64,
    task: Task,
}

impl CpuShare {
    /// Nothing to do yet, and no more than `ration` once there is, if limited.
    pub(crate) fn within(ration: Option<Ration>) -> CpuShare {
        CpuShare { ration, ..CpuShare::default() }
    }

    /// Time passes, so many nanoseconds until `now`.
    pub(crate) fn advance(&mut self, now: SimTime, nanos: f64) {
        self.virtual_nanos += self.rate * nanos;
        self.burnt += self.cores * nanos;
        if let Some(ration) = &mut self.ration {
            ration.advance(now, self.cores, nanos);
        }
    }

    /// A task with so much work begins.
    pub(crate) fn begin(&mut self, now: SimTime, task: Task, work_nanos: f64, sequence: u64) {
        if self.tasks == 0 {
            if let Some(ration) = &mut self.ration {
                // Nothing was used while nobody was at work.
                ration.advance(now, 0.0, 0.0);
            }
            // Nobody is at work: the clock can start again, which keeps it small and exact.
            self.marks.clear();
            self.virtual_nanos = 0.0;
        }
        self.tasks += 1;
        self.marks.push(Reverse(Mark { at: self.virtual_nanos + work_nanos, sequence, task }));
    }

    /// A task ends before its work is done. Its mark stays: whoever looks at it must know that the task is gone.
    pub(crate) fn abort(&mut self) {
        self.tasks -= 1;
    }

    /// Whether its limit lets it do nothing at present.
    pub(crate) fn is_throttled(&self) -> bool {
        self.ration.as_ref().is_some_and(Ration::is_spent)
    }

    /// In how many nanoseconds its limit wants to be looked at, as things are.
    pub(crate) fn next_ration(&self, now: SimTime) -> f64 {
        self.ration.as_ref().map_or(f64::INFINITY, |ration| ration.next_change(now, self.cores))
    }

    /// The task whose mark comes first, and the work that is left to it.
    pub(crate) fn first(&self) -> Option<(Task, f64)> {
        self.marks.peek().map(|Reverse(mark)| (mark.task, mark.at - self.virtual_nanos))
    }

    /// The work that is left to a task, in nanoseconds; zero if it has none.
    pub(crate) fn left(&self, task: Task) -> f64 {
        let mark = self.marks.iter().find(|Reverse(mark)| mark.task == task);
        mark.map_or(0.0, |Reverse(mark)| (mark.at - self.virtual_nanos).max(0.0))
    }

    /// Takes the first mark away; `ended` if its task has ended just now.
    pub(crate) fn take_first(&mut self, ended: bool) {
        self.marks.pop();
        self.tasks -= u32::from(ended);
    }
}

impl Ord for Mark {
    fn cmp(&self, other: &Mark) -> Ordering {
        self.at.total_cmp(&other.at).then(self.sequence.cmp(&other.sequence))
    }
}

impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Mark) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Mark {
    fn eq(&self, other: &Mark) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Mark {}
