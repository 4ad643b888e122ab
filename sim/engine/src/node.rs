//! Machines: cores that are shared, memory that is given out, images that are pulled one after the other.

use faas_lab_model::policies::{NodeView, ReplicaSize};
use faas_lab_model::rng::{Seed, Uniforms};
use faas_lab_model::scenario::{NodeGroup, Scenario};
use faas_lab_model::time::{SimTime, Span};
use faas_lab_model::units::Bytes;

use crate::replica::Replica;

/// One machine.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Index of its group in the scenario.
    pub(crate) group: usize,
    pub(crate) cores: f64,
    /// Cores that replicas can have.
    pub(crate) usable: f64,
    pub(crate) reserved: f64,
    memory: Bytes,
    /// Memory that no replica has requested.
    memory_free: u64,
    /// Memory in use: what replicas have requested, and what their calls add.
    memory_used: u128,
    cpu_free: f64,
    replicas: u32,
    replicas_of: Vec<u32>,
    /// When each function's image is there; never: not asked for yet.
    images: Vec<SimTime>,
    /// When the last pull that was asked for ends: images are pulled one after the other, as kubelets do by default.
    pulls_end: SimTime,
    pub(crate) up: bool,
    /// Whether the control plane thinks that it is up.
    pub(crate) seen_up: bool,
    /// How often it was lost.
    pub(crate) losses: u32,
    /// CPU time here over CPU time on the reference machine, by class.
    slowdown: Vec<f64>,
    /// Speed-up of all cores over one, by class.
    full_speedup: Vec<f64>,
    /// Replicas with CPU tasks.
    pub(crate) active: Vec<u32>,
    /// Cores at work for replicas.
    pub(crate) busy: f64,
    pub(crate) last: SimTime,
    /// The pending look at its tasks, or never. It may come too early, never too late.
    pub(crate) wake: SimTime,
}

/// How the calls of one replica of a function use the CPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Most cores that a replica may have at any instant.
    pub(crate) even_limit: Option<f64>,
    /// How much they hinder each other: see [`Function::contention`](faas_lab_model::scenario::Function::contention).
    pub(crate) contention: f64,
}

impl Habits {
    /// How many times longer each of so many tasks takes than alone, cores in plenty: Gunther's law of contention
    /// (Guerrilla Capacity Planning, 2007), whose factor may exceed 1 here.
    fn stretch(&self, tasks: u32) -> f64 {
        1.0 + self.contention * (f64::from(tasks) - 1.0)
    }

    /// Cores that so many tasks keep busy: those that make progress, and at least one, which whoever holds the lock has,
    /// or whoever passes it on.
    fn cores(&self, tasks: u32) -> f64 {
        let tasks_ahead = f64::from(tasks) / self.stretch(tasks);
        if tasks > 0 { tasks_ahead.max(1.0) } else { 0.0 }
    }

    /// Progress of each of so many tasks on so many cores: work per time.
    fn progress(&self, cores: f64, tasks: u32) -> f64 {
        if self.contention == 0.0 {
            return cores / f64::from(tasks);
        }
        cores / self.cores(tasks) / self.stretch(tasks)
    }
}

/// Work of no class runs at speed 1 on every machine, without loss when many run.
pub(crate) const NO_CLASS: usize = 0;

/// The names of all work classes of a scenario; index + 1 is the class.
pub(crate) fn class_index(classes: &[String], name: Option<&String>) -> usize {
    name.and_then(|name| classes.iter().position(|class| class == name)).map_or(NO_CLASS, |index| index + 1)
}

impl Node {
    pub(crate) fn all(scenario: &Scenario, classes: &[String], seed: Seed) -> Vec<Node> {
        let mut nodes = Vec::new();
        for (index, group) in scenario.nodes.iter().enumerate() {
            for number in 1..=group.count {
                nodes.push(Node::new(scenario, group, index, number, classes, seed));
            }
        }
        nodes
    }

    fn new(scenario: &Scenario, group: &NodeGroup, index: usize, number: u32, classes: &[String], seed: Seed) -> Node {
        let cores = f64::from(group.cores);
        let usable = (cores - group.reserved_cores).max(0.0);
        // An uncertain factor is a property of the kind of machine: one draw for all machines of a group.
        let slowdown = classes.iter().map(|name| {
            let class = group.classes.iter().find(|class| class.name == *name);
            class.map_or(1.0, |class| {
                class.slowdown.sample_secs(&mut seed.stream(&format!("node/{}/{name}", group.name)))
            })
        });
        let speedup = classes.iter().map(|name| {
            group.classes.iter().find(|class| class.name == *name).map_or(cores, |class| class.full_speedup)
        });
        let present = |image_present: bool| if image_present { SimTime::ZERO } else { SimTime::NEVER };
        let memory = Bytes(group.memory.0.saturating_sub(group.reserved_memory.0));
        Node {
            name: if group.count == 1 { group.name.clone() } else { format!("{}-{number}", group.name) },
            group: index,
            cores,
            usable,
            reserved: group.reserved_cores.min(cores),
            memory,
            memory_free: memory.0,
            memory_used: 0,
            cpu_free: usable,
            replicas: 0,
            replicas_of: vec![0; scenario.functions.len()],
            images: scenario.functions.iter().map(|f| present(f.cold_start.image_present)).collect(),
            pulls_end: SimTime::ZERO,
            up: true,
            seen_up: true,
            losses: 0,
            slowdown: std::iter::once(1.0).chain(slowdown).collect(),
            full_speedup: std::iter::once(cores).chain(speedup).collect(),
            active: Vec::new(),
            busy: 0.0,
            last: SimTime::ZERO,
            wake: SimTime::NEVER,
        }
    }

    /// CPU time here over CPU time on the reference machine.
    pub(crate) fn slowdown(&self, class: usize) -> f64 {
        self.slowdown[class]
    }

    /// What a scheduler knows of it.
    pub(crate) fn view(&self, function: usize) -> NodeView {
        NodeView {
            schedulable: self.seen_up && self.up,
            memory: self.memory,
            memory_free: Bytes(self.memory_free),
            cpu: self.usable,
            cpu_free: self.cpu_free,
            replicas: self.replicas,
            replicas_of_function: self.replicas_of[function],
            has_image: self.images[function] != SimTime::NEVER,
        }
    }

    /// A replica of `function` gets its memory and CPU here.
    pub(crate) fn admit(&mut self, function: usize, size: ReplicaSize) {
        self.memory_free -= size.memory.0;
        self.memory_used += u128::from(size.memory.0);
        self.cpu_free -= size.cpu;
        self.replicas += 1;
        self.replicas_of[function] += 1;
    }

    /// A replica of `function` gives them back.
    pub(crate) fn dismiss(&mut self, function: usize, size: ReplicaSize) {
        self.memory_free += size.memory.0;
        self.memory_used -= u128::from(size.memory.0);
        self.cpu_free += size.cpu;
        self.replicas -= 1;
        self.replicas_of[function] -= 1;
    }

    /// A call comes to a replica here, and brings its memory.
    pub(crate) fn call_comes(&mut self, memory: Bytes) {
        self.memory_used += u128::from(memory.0);
    }

    /// A call leaves, and its memory with it.
    pub(crate) fn call_goes(&mut self, memory: Bytes) {
        self.memory_used -= u128::from(memory.0);
    }

    /// Whether more memory is in use than there is.
    pub(crate) fn under_pressure(&self) -> bool {
        self.memory_used > u128::from(self.memory.0)
    }

    /// When the image of `function` is here, pulling it if need be, which takes `length` once earlier pulls are done.
    pub(crate) fn image_at(&mut self, now: SimTime, function: usize, length: Span) -> SimTime {
        if self.images[function] == SimTime::NEVER {
            self.pulls_end = self.pulls_end.max(now) + length;
            self.images[function] = self.pulls_end;
        }
        self.images[function].max(now)
    }

    /// The image of `function` has been here from the start: a replica runs from it.
    pub(crate) fn has_image(&mut self, function: usize) {
        self.images[function] = SimTime::ZERO;
    }

    /// Brings the tasks' progress up to `now`.
    pub(crate) fn advance(&mut self, now: SimTime, replicas: &mut [Replica]) {
        let nanos = now.since(self.last).as_nanos() as f64;
        self.last = now;
        if nanos > 0.0 {
            for &index in &self.active {
                replicas[index as usize].cpu.advance(now, nanos);
            }
        }
    }

    /// Shares the cores out again, after a task began or ended.
    ///
    /// Replicas get equal shares, but none more than it can use or its limit allows (water filling). Then the memory
    /// system slows all of them down by the multi-core efficiency of the work, weighted by its cores.
    pub(crate) fn share_out(&mut self, replicas: &mut [Replica], habits: &[Habits]) {
        let limit = |replica: &Replica| {
            if replica.cpu.is_throttled() {
                return 0.0;
            }
            let habits = &habits[replica.function as usize];
            let threads = habits.cores(replica.cpu.tasks);
            habits.even_limit.map_or(threads, |limit| threads.min(limit))
        };
        let (mut wanted, mut least, mut most) = (0.0, f64::INFINITY, 0.0f64);
        for &index in &self.active {
            let cores = limit(&replicas[index as usize]);
            wanted += cores;
            least = least.min(cores);
            most = most.max(cores);
        }
        if wanted <= self.usable {
            for &index in &self.active {
                let replica = &mut replicas[index as usize];
                replica.cpu.cores = limit(replica);
            }
            self.busy = wanted;
        } else if least == most {
            // All want the same: nothing to compare.
            let fair = self.usable / self.active.len() as f64;
            for &index in &self.active {
                replicas[index as usize].cpu.cores = fair;
            }
            self.busy = self.usable;
        } else {
            // From the most modest replica up: each takes what it wants, or an equal share of what is left.
            let mut order: Vec<u32> = self.active.clone();
            order
                .sort_by(|a, b| limit(&replicas[*a as usize]).total_cmp(&limit(&replicas[*b as usize])).then(a.cmp(b)));
            let mut left = self.usable;
            for (done, &index) in order.iter().enumerate() {
                let replica = &mut replicas[index as usize];
                let fair = left / (order.len() - done) as f64;
                replica.cpu.cores = limit(replica).min(fair);
                left -= replica.cpu.cores;
            }
            self.busy = self.usable;
        }
        let efficiency = self.efficiency(replicas);
        for &index in &self.active {
            let replica = &mut replicas[index as usize];
            let cpu = &mut replica.cpu;
            cpu.rate = habits[replica.function as usize].progress(cpu.cores, cpu.tasks) * efficiency;
        }
    }

    /// Progress of each busy core as a share of a lone core's, in (0, 1].
    fn efficiency(&self, replicas: &[Replica]) -> f64 {
        if self.busy <= 1.0 || self.cores <= 1.0 {
            return 1.0;
        }
        let speedup: f64 = self
            .active
            .iter()
            .map(|index| &replicas[*index as usize].cpu)
            .map(|cpu| self.full_speedup[cpu.class] * cpu.cores / self.busy)
            .sum();
        // Between one busy core and all of them the speed-up is taken as linear.
        (1.0 + (speedup - 1.0) * (self.busy - 1.0) / (self.cores - 1.0)) / self.busy
    }

    /// Forgets all tasks and the images that are being pulled: the machine is lost.
    pub(crate) fn lose(&mut self, now: SimTime) {
        self.up = false;
        for image in &mut self.images {
            if *image > now {
                *image = SimTime::NEVER;
            }
        }
        self.pulls_end = SimTime::ZERO;
        self.losses += 1;
        self.active.clear();
        self.busy = 0.0;
        self.wake = SimTime::NEVER;
    }
}

/// A uniform draw in (0, 1) that belongs to one machine of a group.
pub(crate) fn machine_draws(seed: Seed, name: &str) -> impl Uniforms + use<> {
    seed.stream(&format!("node/{name}/failures"))
}
