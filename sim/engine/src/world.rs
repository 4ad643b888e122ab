//! The system: who talks to whom. [`World::handle`] alone routes; read it and you have read the system.
//!
//! ```text
//! edge.rs ─▶ gateway.rs ─▶ (queue.rs) ─▶ dispatcher.rs ─▶ worker.rs ─▶ cpu.rs, streaming.rs
//!
//! scaler.rs: how many replicas there should be     cold_start.rs, idle.rs, removal.rs, machines.rs: they come and go
//! ```

use std::collections::BTreeSet;

use faas_lab_model::arrivals::{ArrivalSchedule, Drawn};
use faas_lab_model::metrics::result::Warning;
use faas_lab_model::metrics::{Hop, NodeMeter, Recorder, RunRecord};
use faas_lab_model::rng::{Key, Seed};
use faas_lab_model::scenario::{Function, Scenario};
use faas_lab_model::time::{SimTime, Span};

use crate::calendar::Calendar;
use crate::call::{Calls, Origin};
use crate::event::Event;
use crate::function::{FunctionState, GatewayState};
use crate::gateway::upstream_limit;
use crate::node::{Habits, Node};
use crate::queue::Queue;
use crate::replica::Replica;
use crate::{RequestRecord, RunOptions};

/// Events between two looks at the outside: whether to stop, and how far we are.
const LOOK_AROUND: u32 = 1 << 15;

/// Calls and queued invocations that are kept in memory, about one gigabyte. A run that has more ends, as a partial one.
pub const MOST_IN_FLIGHT: usize = 5_000_000;

/// Everything that is.
pub(crate) struct World<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) calendar: Calendar,
    pub(crate) calls: Calls,
    pub(crate) recorder: Recorder,
    pub(crate) sources: Vec<Source>,
    pub(crate) gateways: Vec<GatewayState>,
    pub(crate) queue: Queue,
    pub(crate) functions: Vec<FunctionState>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vacant_replicas: Vec<u32>,
    pub(crate) nodes: Vec<Node>,
    /// CPU limits of replicas, by function.
    pub(crate) habits: Vec<Habits>,
    /// How long a function may take, and who gives up on it then.
    pub(crate) upstream_limit: Option<(Span, Hop)>,
    pub(crate) keys: Keys,
    pub(crate) requests_born: u64,
    pub(crate) replicas_born: u64,
    pub(crate) tasks_born: u64,
    /// Requests that have arrived and not ended.
    pub(crate) in_system: u64,
    pub(crate) arrivals_over: bool,
    pub(crate) over: bool,
    /// Replicas that wait for a machine are being placed, and whether room has become free meanwhile.
    pub(crate) placing: bool,
    pub(crate) place_again: bool,
    /// What was found on the way: code and text of warnings.
    findings: BTreeSet<(&'static str, String)>,
    pub(crate) log: Option<&'a mut dyn FnMut(&RequestRecord)>,
}

/// Where the requests of one workload come from.
pub(crate) struct Source {
    pub(crate) schedule: ArrivalSchedule,
    pub(crate) demand: Drawn,
    pub(crate) wait: Drawn,
    /// Numbers its requests, for their draws.
    pub(crate) family: Key,
    pub(crate) births: u64,
    /// Time to send a request's body.
    pub(crate) upload: Span,
    /// That time, or the shortest one in which a body must have been read.
    pub(crate) until_read: Span,
}

/// The counter-based draws, by purpose.
pub(crate) struct Keys {
    pub(crate) rtt: Key,
    pub(crate) gateway: Key,
    pub(crate) overhead: Key,
    pub(crate) routing: Key,
    pub(crate) dispatch: Key,
    pub(crate) watchdog: Key,
    pub(crate) cold_demand: Key,
    pub(crate) errors: Key,
    pub(crate) back_off: Key,
    pub(crate) think: Key,
    pub(crate) commit: Key,
    pub(crate) callback: Key,
    pub(crate) cold_start: Key,
    pub(crate) keep_alive: Key,
    pub(crate) function_keep_alive: Key,
    pub(crate) lifetime: Key,
    pub(crate) cpu_period: Key,
    pub(crate) crashes: Key,
    pub(crate) initial: Key,
}

impl Keys {
    fn new(seed: Seed) -> Keys {
        Keys {
            rtt: seed.key("edge/rtt"),
            gateway: seed.key("gateway/which"),
            overhead: seed.key("gateway/overhead"),
            routing: seed.key("dispatcher/idle"),
            dispatch: seed.key("dispatcher/ready"),
            watchdog: seed.key("worker/watchdog"),
            cold_demand: seed.key("worker/cold demand"),
            errors: seed.key("worker/errors"),
            back_off: seed.key("edge/back-off"),
            think: seed.key("edge/think"),
            commit: seed.key("queue/commit"),
            callback: seed.key("queue/callback"),
            cold_start: seed.key("replica/cold start"),
            keep_alive: seed.key("replica/keep-alive"),
            function_keep_alive: seed.key("function/keep-alive"),
            lifetime: seed.key("replica/lifetime"),
            cpu_period: seed.key("replica/cpu period"),
            crashes: seed.key("replica/crashes"),
            initial: seed.key("replica/initial"),
        }
    }
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: &'a Scenario, seed: Seed, options: &mut RunOptions<'a>) -> World<'a> {
        let classes = work_classes(scenario);
        let nodes = Node::all(scenario, &classes, seed);
        let meters = nodes.iter().map(|node| {
            let group = &scenario.nodes[node.group];
            NodeMeter::new(node.name.clone(), node.cores, node.reserved, group.idle_watts, group.watts_per_busy_core)
        });
        let steps = if options.steps == 0 { 240 } else { options.steps };
        let recorder = Recorder::new(
            scenario.functions.len(),
            meters.collect(),
            SimTime::ZERO + options.warm_up,
            scenario.duration,
            steps,
        );
        World {
            scenario,
            calendar: Calendar::default(),
            calls: Calls::default(),
            recorder,
            sources: scenario.workloads.iter().map(|workload| Source::new(scenario, workload, seed)).collect(),
            gateways: (0..scenario.gateway.replicas.max(1))
                .map(|_| GatewayState::new(scenario.functions.len()))
                .collect(),
            queue: Queue::new(&scenario.queue),
            functions: scenario.functions.iter().map(|function| FunctionState::new(function, &classes, seed)).collect(),
            replicas: Vec::new(),
            vacant_replicas: Vec::new(),
            nodes,
            habits: scenario.functions.iter().map(habits).collect(),
            upstream_limit: upstream_limit(&scenario.gateway),
            keys: Keys::new(seed),
            requests_born: 0,
            replicas_born: 0,
            tasks_born: 0,
            in_system: 0,
            arrivals_over: false,
            over: false,
            placing: false,
            place_again: false,
            findings: BTreeSet::new(),
            log: options.requests.take(),
        }
    }

    /// Plays the scenario to its end, or until it is told to stop.
    pub(crate) fn run(mut self, seed: Seed, options: &RunOptions<'_>) -> RunRecord {
        self.set_the_stage(seed, options.warm_up);
        let mut partial = false;
        let mut until_look = LOOK_AROUND;
        while !self.over {
            let Some(event) = self.calendar.pop() else { break };
            self.handle(event);
            until_look -= 1;
            if until_look == 0 {
                until_look = LOOK_AROUND;
                let stopped = options.stop.is_some_and(|stop| stop.load(std::sync::atomic::Ordering::Relaxed));
                if stopped || self.calls.alive() + self.queue.kept() > MOST_IN_FLIGHT {
                    partial = true;
                    break;
                }
                if let Some(progress) = options.progress {
                    progress(self.calendar.now());
                }
            }
        }
        let now = self.calendar.now();
        let sync = self.calls.iter().filter(|call| !call.client_done && !matches!(call.origin, Origin::Worker { .. }));
        let unfinished = sync.map(|call| (call.function as usize, call.born)).chain(self.queue.unfinished());
        let mut record = self.recorder.close(now, seed, partial, unfinished);
        record.warnings.extend(self.findings.into_iter().map(|(code, text)| Warning { code: code.to_owned(), text }));
        record
    }

    /// Something that the user should know of; said once, however often it happens.
    pub(crate) fn finding(&mut self, code: &'static str, text: String) {
        self.findings.insert((code, text));
    }

    fn set_the_stage(&mut self, seed: Seed, warm_up: Span) {
        self.calendar.schedule_at(SimTime::ZERO + warm_up, Event::WarmUpOver);
        self.calendar.schedule_at(SimTime::ZERO + self.scenario.duration, Event::ArrivalsOver);
        self.calendar.schedule_in(self.recorder.step(), Event::StepOver);
        self.schedule_node_failures(seed);
        for function in 0..self.functions.len() as u32 {
            self.start_initial_replicas(function);
            if self.functions[function as usize].scaler.is_some() {
                self.calendar.schedule_at(SimTime::ZERO, Event::Scaler(function));
            }
            if self.functions[function as usize].idler.is_some() {
                self.calendar.schedule_at(SimTime::ZERO, Event::Idler(function));
            }
        }
        for workload in 0..self.sources.len() as u32 {
            self.open_source(workload);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival(workload) => self.arrival(workload),
            Event::UserSends { workload, user } => self.user_sends(workload, user),
            Event::Resend(call) => self.resend(call),
            Event::ClientTimeout(call) => self.client_times_out(call),
            Event::AtClient(call) => self.at_client(call),

            Event::AtGateway(call) => self.at_gateway(call),
            Event::GatewayDone(call) => self.gateway_done(call),
            Event::HoldOver(call) | Event::HoldGivesUp(call) => self.hold_over(call),
            Event::UpstreamTimeout(call) => self.upstream_times_out(call),
            Event::GatewayWriteTimeout(call) => self.gateway_write_times_out(call),

            Event::ExecTimeout(call) => self.exec_times_out(call),
            Event::Served(call) => self.phase_of_service_over(call),
            Event::NodeWakes(node) => self.node_wakes(node),

            Event::MemoryPressure(node) => self.relieve(node),

            Event::PhaseOver(replica) => self.start_phase_over(replica),
            Event::IdleOver(replica) => self.idle_over(replica),
            Event::FunctionIdleOver(function) => self.function_idle_over(function),
            Event::GraceOver(replica) => self.grace_over(replica),
            Event::Crash(replica) => self.crash(replica),

            Event::Scaler(function) => self.ask_scaler(function),
            Event::Idler(function) => self.ask_idler(function),

            Event::NodeFails(node) => self.node_fails(node),
            Event::NodeReturns(node) => self.node_returns(node),
            Event::NodeLossSeen { node, loss } => self.node_loss_seen(node, loss),
            Event::NodeEvicts { node, loss } => self.node_evicts(node, loss),

            Event::Committed(call) => self.committed(call),
            Event::AckWaitOver { message, delivery } => self.ack_wait_over(message, delivery),
            Event::Requeue(message) => self.requeue(message),
            Event::CallbackMade(message) => self.callback_made(message),

            Event::StepOver => {
                // The last step ends with the arrivals.
                if !self.arrivals_over {
                    self.recorder.end_step(self.calendar.now());
                    self.calendar.schedule_in(self.recorder.step(), Event::StepOver);
                }
            }
            Event::WarmUpOver => self.recorder.start_window(self.calendar.now()),
            Event::ArrivalsOver => {
                self.arrivals_over = true;
                self.recorder.end_step(self.calendar.now());
                self.recorder.end_window(self.calendar.now());
                self.calendar.schedule_in(self.scenario.drain, Event::DrainOver);
                self.over = self.in_system == 0;
            }
            Event::DrainOver => self.over = true,
        }
    }
}

fn habits(function: &Function) -> Habits {
    // A limit without a period is a rate.
    let even_limit = function.cpu_limit.filter(|_| function.cpu_period.is_none());
    Habits { even_limit, contention: function.contention }
}

/// The names of all classes that any machine knows, each once, in order.
fn work_classes(scenario: &Scenario) -> Vec<String> {
    let mut names: Vec<String> =
        scenario.nodes.iter().flat_map(|group| group.classes.iter().map(|class| class.name.clone())).collect();
    names.sort();
    names.dedup();
    names
}
