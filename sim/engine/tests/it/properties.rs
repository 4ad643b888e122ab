//! What holds whatever the scenario: random small ones, with everything that can be switched on.
//!
//! [`Recorder::close`](faas_lab_model::metrics::Recorder::close) checks conservation, Little's law and the capacity of
//! machines on every run, so a run that comes to its end has passed these. A scenario is made from throws of dice; a throw
//! of zero is always the plainest choice, so that a failing scenario shrinks to the parts that matter.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use faas_lab_model::distributions::Distribution;
use faas_lab_model::metrics::RunRecord;
use faas_lab_model::metrics::result::{self, OutcomeKind};
use faas_lab_model::policies::provisioning::Binding;
use faas_lab_model::policies::scaling::{CeAlert, Counting, Fixed, Hpa, Idler, Load, Pro};
use faas_lab_model::policies::{
    Bounds, DispatchPolicy, IdleRouting, KeepAlivePolicy, PerRequest, PlacementPolicy, Scaling,
};
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::*;
use faas_lab_model::time::{SimTime, Span};
use faas_lab_model::units::{ByteRate, Bytes, Rate};
use faas_lab_sim::{RunOptions, run};
use proptest::prelude::*;

use crate::oracles::one_core;
use crate::runs::metric;
use crate::support::{exponential, mmc, per_request, secs};

// ---- Random scenarios ----

/// Choices that were made beforehand; when they run out the rest is plain.
struct Dice<'a>(std::slice::Iter<'a, u8>);

impl Dice<'_> {
    /// One of `sides` outcomes, 0 the plainest.
    fn throw(&mut self, sides: u8) -> u8 {
        self.0.next().map_or(0, |throw| throw % sides)
    }

    /// True in one of `sides` cases.
    fn one_in(&mut self, sides: u8) -> bool {
        self.throw(sides) == sides - 1
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.throw(choices.len() as u8))].clone()
    }

    fn maybe(&mut self, secs_choices: &[f64]) -> Option<Span> {
        self.one_in(3).then(|| secs(self.pick(secs_choices)))
    }

    /// A law with about this mean.
    fn law(&mut self, mean: f64) -> Distribution {
        match self.throw(5) {
            0 => Distribution::Constant(mean),
            1 => exponential(mean),
            2 => Distribution::Gamma { mean, cv: 1.5 },
            3 => Distribution::Uniform { low: 0.0, high: 2.0 * mean },
            _ => Distribution::ZERO,
        }
    }

    fn rarely(&mut self, mean: f64) -> Distribution {
        if self.one_in(3) { self.law(mean) } else { Distribution::ZERO }
    }
}

/// The scenario that these throws make; one arrival stream is `pressure` times as dense as usual.
fn scenario(throws: &[u8], pressure: f64) -> Scenario {
    let dice = &mut Dice(throws.iter());
    let duration = dice.pick(&[20.0, 60.0, 130.0]);
    let mut scenario = mmc(1, 1.0, 1.0, duration);
    scenario.drain = secs(dice.pick(&[30.0, 0.0, 5.0]));
    let function = scenario.functions[0].clone();
    scenario.functions = (0..=dice.throw(2)).map(|index| random_function(dice, function.clone(), index)).collect();
    let functions = scenario.functions.len();
    scenario.workloads = (0..functions + usize::from(dice.one_in(3)))
        .map(|index| random_workload(dice, index, index % functions, pressure))
        .collect();
    if dice.throw(3) > 0 {
        scenario.nodes = (0..=dice.throw(2)).map(|index| random_nodes(dice, index)).collect();
    }
    random_edge_and_gateway(dice, &mut scenario);
    random_queue(dice, &mut scenario.queue);
    scenario.cluster = Cluster {
        placement: dice.pick(&[
            PlacementPolicy::Spread,
            PlacementPolicy::BinPack,
            PlacementPolicy::LeastAllocated,
            PlacementPolicy::ImageLocality,
        ]),
        node_detection: secs(dice.pick(&[4.0, 0.5])),
        eviction_delay: secs(dice.pick(&[5.0, 0.0, 1.0])),
        crash_backoff: secs(dice.pick(&[1.0, 0.0, 5.0])),
        crash_backoff_max: secs(20.0),
        termination_grace: secs(dice.pick(&[3.0, 0.0, 0.3])),
        registry: dice.one_in(2).then_some(ByteRate(5e6)),
        pull_overhead: secs(dice.pick(&[0.0, 0.5])),
    };
    scenario
}

fn random_function(dice: &mut Dice<'_>, plain: Function, index: u8) -> Function {
    let max = 1 + u32::from(dice.throw(5));
    let min = u32::from(dice.throw(3)).min(max);
    let initial = min + u32::from(dice.throw(3)).min(max - min);
    let scaling = random_scaling(dice);
    let per_request = matches!(scaling, Scaling::PerRequest(_));
    let mut spare = max - initial;
    let mut some_of = |wanted: u32| {
        let count = wanted.min(spare);
        spare -= count;
        count
    };
    let until = [None, Some(SimTime::ZERO + secs(2.0)), Some(SimTime::ZERO)];
    let initial_replicas = match per_request && dice.one_in(2) {
        true => vec![
            InitialReplica { count: some_of(1), state: InitialState::Busy },
            InitialReplica { count: some_of(2), state: InitialState::Idle { expires: dice.pick(&until) } },
        ],
        false => Vec::new(),
    };
    let mean_demand = dice.pick(&[0.2, 0.02, 1.0]);
    let work = Some("work".to_owned());
    Function {
        name: format!("f{index}"),
        memory_limit: dice.one_in(3).then_some(Bytes(160 << 20)),
        memory_per_call: Bytes(dice.pick(&[0, 10 << 20])),
        cpu_request: dice.pick(&[0.0, 0.5]),
        cpu_limit: dice.one_in(3).then_some(0.7),
        cpu_period: dice.one_in(2).then_some(Span::from_millis(100)),
        demand: Demand { class: dice.pick(&[None, work.clone()]), law: dice.law(mean_demand) },
        wait: dice.rarely(0.3),
        cold_demand: dice.one_in(3).then(|| dice.law(2.0 * mean_demand)),
        response: Bytes(dice.pick(&[0, 100_000])),
        stream: dice.one_in(4).then(|| StreamBody {
            items: dice.pick(&[3, 2000, 0]),
            period: secs(dice.pick(&[0.001, 0.3, 0.0])),
            item: dice.pick(&[StreamItem::Number, StreamItem::Bytes(700)]),
            buffering: dice.pick(&[Buffering::Flushed, Buffering::Go { header: 200 }]),
        }),
        error_rate: dice.pick(&[0.0, 0.2]),
        cancellable: dice.one_in(3),
        watchdog: Watchdog {
            mode: dice.pick(&[
                WatchdogMode::None,
                WatchdogMode::Classic,
                WatchdogMode::Http,
                WatchdogMode::Serializing,
                WatchdogMode::Streaming,
            ]),
            overhead: dice.rarely(0.01),
            read_timeout: dice.maybe(&[0.05, 1.0]),
            write_timeout: dice.maybe(&[0.5, 0.1, 3.0]),
            exec_timeout: dice.maybe(&[0.5, 0.1, 3.0]),
            max_inflight: dice.one_in(3).then(|| 1 + u32::from(dice.throw(4))),
        },
        concurrency: match dice.throw(3) {
            0 => Concurrency::Workers { count: 1, backlog: None },
            1 => Concurrency::Unlimited,
            _ => Concurrency::Workers { count: 2, backlog: dice.pick(&[None, Some(0), Some(2)]) },
        },
        contention: dice.pick(&[0.0, 0.0, 0.3, 2.0]),
        cold_start: ColdStart {
            schedule: dice.rarely(0.05),
            image: Bytes(dice.pick(&[0, 10 << 20])),
            image_present: dice.throw(2) == 0,
            sandbox: dice.rarely(0.2),
            create: dice.rarely(0.2),
            boot: Demand { class: dice.pick(&[None, work]), law: dice.rarely(1.0) },
            readiness_probe: dice.one_in(3).then(|| ReadinessProbe {
                initial_delay: secs(dice.pick(&[0.0, 0.7])),
                period: secs(dice.pick(&[1.0, 0.25])),
            }),
            endpoint: dice.rarely(0.3),
        },
        replicas: Bounds { min, max, initial },
        scaling,
        scale_to_zero: (!per_request && dice.one_in(3)).then(|| Idler {
            after: secs(dice.pick(&[5.0, 15.0])),
            reconcile: secs(dice.pick(&[2.0, 7.0])),
            counting: dice.pick(&[Counting::InFlight, Counting::Starts, Counting::Completions]),
        }),
        dispatch: dice.pick(&[
            DispatchPolicy::Random,
            DispatchPolicy::RoundRobin,
            DispatchPolicy::LeastOutstanding,
            DispatchPolicy::PowerOfTwo,
        ]),
        keep_alive: match dice.throw(4) {
            0 => KeepAlivePolicy::Forever,
            1 => KeepAlivePolicy::Fixed(Span::ZERO),
            2 => KeepAlivePolicy::Fixed(secs(2.0)),
            _ => KeepAlivePolicy::Survival(dice.law(3.0)),
        },
        lifetime: dice.one_in(3).then(|| dice.law(8.0)),
        waiting_room: (dice.throw(3) > 0).then(|| WaitingRoom {
            capacity: dice.pick(&[None, Some(3), Some(0)]),
            discipline: dice.pick(&[Discipline::Fifo, Discipline::Lifo]),
        }),
        crashes: dice.one_in(3).then(|| exponential(dice.pick(&[10.0, 2.0]))),
        initial: initial_replicas,
        ..plain
    }
}

fn random_scaling(dice: &mut Dice<'_>) -> Scaling {
    let pro = |dice: &mut Dice<'_>, load, target| {
        let down_window = secs(dice.pick(&[0.0, 20.0]));
        Scaling::Pro(Pro { target, down_window, ..Pro::new(load) })
    };
    match dice.throw(9) {
        0 => Scaling::Fixed(Fixed {}),
        1..=3 => Scaling::PerRequest(PerRequest {
            routing: dice.pick(&[
                IdleRouting::Newest,
                IdleRouting::MostRecentlyUsed,
                IdleRouting::LeastRecentlyUsed,
                IdleRouting::Random,
            ]),
            binding: dice.pick(&[
                Binding::Replica,
                Binding::Room { cancel_surplus: true },
                Binding::Room { cancel_surplus: false },
            ]),
            starts_at_once: dice.pick(&[None, Some(1), Some(2)]),
        }),
        4 => {
            let settings = if dice.one_in(2) { CeAlert::corrected() } else { CeAlert::default() };
            Scaling::CeAlert(CeAlert { threshold_per_second: 3.0, hold: secs(5.0), ..settings })
        }
        5 => pro(dice, Load::Rps, 2.0),
        6 => pro(dice, Load::Capacity, 1.0),
        7 => {
            let load = dice.pick(&[Load::Cpu, Load::Queue]);
            pro(dice, load, 3.0)
        }
        _ => Scaling::Hpa(Hpa { down_window: secs(20.0), ..Hpa::default() }),
    }
}

fn batches(size: u32, period: f64) -> Arrivals {
    Arrivals::Batches { sizes: vec![BatchSize { at: SimTime::ZERO, size }], period: secs(period) }
}

fn random_workload(dice: &mut Dice<'_>, index: usize, function: usize, pressure: f64) -> Workload {
    let rate = dice.pick(&[3.0, 0.2, 15.0]) * pressure;
    let state = |rate, secs| MmppState { rate: Rate(rate), mean_stay: Span::from_secs(secs) };
    let corner = |at, rate| ShapePoint { at: SimTime::ZERO + secs(at), rate: Rate(rate) };
    let arrivals = match dice.throw(8) {
        0 => Arrivals::Poisson(Rate(rate)),
        1 => Arrivals::Constant(Rate(rate)),
        2 => Arrivals::Renewal(Distribution::Gamma { mean: 1.0 / rate, cv: 2.0 }),
        3 => Arrivals::Mmpp(vec![state(0.0, 10), state(2.0 * rate, 5)]),
        4 => Arrivals::Shape(vec![corner(0.0, 0.0), corner(10.0, rate), corner(10.0, 0.0), corner(90.0, rate)]),
        5 => batches(4, 4.0 / rate),
        6 => Arrivals::Trace((0..20).map(|k| SimTime::ZERO + secs(f64::from(k / 2) * 2.0)).collect()),
        _ => Arrivals::Users(Users {
            count: 1 + u32::from(dice.throw(6)),
            think: exponential(dice.pick(&[1.0, 0.1]) / pressure),
            ramp_up: secs(dice.pick(&[0.0, 10.0])),
        }),
    };
    Workload {
        name: format!("w{index}"),
        function,
        arrivals,
        invocation: if dice.one_in(3) { Invocation::Async } else { Invocation::Sync },
        request: Bytes(dice.pick(&[0, 100_000])),
        body: None,
        retries: dice.one_in(3).then(|| Retries {
            attempts: 1 + u32::from(dice.throw(3)),
            backoff: random_backoff(dice),
            codes: vec![429, 502, 503],
        }),
    }
}

fn random_backoff(dice: &mut Dice<'_>) -> Backoff {
    Backoff {
        initial: secs(dice.pick(&[0.1, 1.0, 0.0])),
        max: secs(5.0),
        factor: dice.pick(&[2.0, 1.0]),
        jitter: dice.pick(&[Jitter::None, Jitter::Full, Jitter::Equal]),
    }
}

fn random_nodes(dice: &mut Dice<'_>, index: u8) -> NodeGroup {
    let count = 1 + u32::from(dice.throw(3));
    let cores = 1 + u32::from(dice.throw(4));
    let failures = match dice.throw(3) {
        0 | 1 => Vec::new(),
        _ => vec![
            NodeFailure { index: 0, at: SimTime::ZERO + secs(4.0), lasts: secs(dice.pick(&[3.0, 0.2, 20.0])) },
            NodeFailure { index: count - 1, at: SimTime::ZERO + secs(6.0), lasts: secs(dice.pick(&[8.0, 1.0])) },
        ],
    };
    NodeGroup {
        name: format!("n{index}"),
        count,
        cores,
        reserved_cores: dice.pick(&[0.0, 0.2]),
        memory: Bytes(dice.pick(&[4 << 30, 1 << 29])),
        reserved_memory: Bytes(dice.pick(&[0, 1 << 28])),
        pod_start: dice.rarely(0.2),
        classes: vec![WorkClass {
            name: "work".into(),
            slowdown: dice.pick(&[Distribution::Constant(1.0), Distribution::Uniform { low: 0.5, high: 2.0 }]),
            full_speedup: 1.0 + 0.8 * f64::from(cores - 1),
        }],
        link: ByteRate(1e7),
        disk_write: ByteRate(2e7),
        idle_watts: 2.0,
        watts_per_busy_core: 1.0,
        price: 0.0,
        failures,
        random_failures: dice
            .one_in(3)
            .then(|| RandomFailures { time_between: exponential(20.0), repair: exponential(4.0) }),
    }
}

fn random_edge_and_gateway(dice: &mut Dice<'_>, scenario: &mut Scenario) {
    scenario.edge = Edge {
        rtt: dice.rarely(0.01),
        bandwidth: dice.one_in(3).then_some(ByteRate(1e6)),
        client_timeout: dice.maybe(&[1.0, 0.1, 5.0]),
    };
    scenario.gateway = Gateway {
        replicas: 1 + u32::from(dice.throw(3)),
        workers: 1 + u32::from(dice.throw(2)),
        overhead: dice.rarely(0.005),
        read_timeout: dice.maybe(&[1.0, 0.05]),
        write_timeout: dice.maybe(&[1.0, 0.2, 4.0]),
        upstream_timeout: dice.maybe(&[1.0, 0.15, 4.0]),
        provider_timeout: dice.maybe(&[0.8, 2.0]),
        scale_from_zero: (dice.throw(2) > 0).then(|| ScaleFromZero {
            cache: secs(0.25),
            poll: secs(0.1),
            polls: dice.pick(&[1000, 3]),
        }),
    };
}

fn random_queue(dice: &mut Dice<'_>, queue: &mut AsyncQueue) {
    *queue = AsyncQueue {
        workers: 1 + u32::from(dice.throw(2)),
        max_inflight: 1 + u32::from(dice.throw(3)),
        ack_wait: secs(dice.pick(&[10.0, 0.5, 0.05])),
        extends_ack: dice.one_in(3),
        max_body: dice.one_in(4).then_some(Bytes(50_000)),
        commit: dice.rarely(0.01),
        attempts: 1 + u32::from(dice.throw(3)),
        retry_codes: vec![429, 500, 502, 503, 504],
        backoff: random_backoff(dice),
        retry_after: dice.maybe(&[0.5, 2.0]),
        callback: dice.one_in(3).then(|| dice.law(0.1)),
    };
}

// ---- What holds ----

/// The run's record, and the numbers of the requests that ended in it.
fn logged(scenario: &Scenario, seed: Seed, stop: Option<&AtomicBool>) -> (RunRecord, Vec<u64>) {
    let mut ended = Vec::new();
    let mut log = |request: &faas_lab_sim::RequestRecord| {
        assert!(request.arrived <= request.ended);
        ended.push(request.id);
    };
    let record = run(scenario, seed, RunOptions { stop, steps: 50, requests: Some(&mut log), ..RunOptions::default() });
    (record, ended)
}

/// Every request ends once, and the books of functions and of the whole agree.
fn assert_books(scenario: &Scenario, record: &RunRecord, ended: &[u64]) {
    let mut offered = 0.0;
    let mut unfinished = 0;
    for (settings, function) in scenario.functions.iter().zip(&record.functions) {
        let own = function.metrics[result::OFFERED];
        assert_eq!(function.outcomes.values().sum::<u64>() as f64, own, "the outcomes of {}", settings.name);
        let answered: u64 = function.responses.values().map(|times| times.count()).sum();
        let open: u64 =
            function.outcomes.iter().filter(|(e, _)| e.kind == OutcomeKind::Unfinished).map(|(_, n)| n).sum();
        assert_eq!((answered + open) as f64, own, "the response times of {}", settings.name);
        offered += own;
        unfinished += open;
    }
    assert_eq!(offered, metric(record, result::OFFERED));
    assert_eq!(ended.iter().collect::<BTreeSet<_>>().len(), ended.len(), "a request ends once");
    assert_eq!(ended.len() as u64 + unfinished, offered as u64, "what has not ended is unfinished");
    assert!(record.window.1 <= SimTime::ZERO + scenario.duration);
}

/// Replicas that start or serve are never more than allowed, nor are more wanted.
fn assert_bounds(scenario: &Scenario, record: &RunRecord) {
    let series = |name, function| {
        // A lone function's series are the system's.
        let function = (scenario.functions.len() > 1).then_some(function);
        let found = record.series.iter().find(|series| series.name == name && series.function == function);
        &found.expect("few functions have series of their own").values
    };
    for (index, function) in scenario.functions.iter().enumerate() {
        let max = f64::from(function.replicas.max) + 1e-9;
        for (starting, ready) in series("replicas starting", index).iter().zip(series("replicas ready", index)) {
            assert!(starting + ready <= max, "{starting} + {ready} replicas of {function:#?}");
        }
        for desired in series("replicas desired", index) {
            assert!(*desired <= max, "{desired} replicas wanted of {function:#?}");
        }
        for name in ["in flight", "waiting", "queue depth", "replicas busy", "replicas"] {
            assert!(series(name, index).iter().all(|value| *value >= 0.0), "{}: negative {name}", function.name);
        }
    }
}

fn assert_laws(scenario: &Scenario, seed: Seed) {
    let (record, ended) = logged(scenario, seed, None);
    assert!(!record.partial);
    assert_books(scenario, &record, &ended);
    assert_bounds(scenario, &record);
    let (again, ended_again) = logged(scenario, seed, None);
    assert_eq!(ended, ended_again, "the same seed gives the same order of ends");
    assert_eq!(format!("{record:?}"), format!("{again:?}"), "the same seed gives the same record");
}

fn throws() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..400)
}

/// So many cases, unless `PROPTEST_CASES` says otherwise.
fn cases(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn every_scenario_keeps_the_laws(throws in throws(), seed in 0..1000u64) {
        assert_laws(&scenario(&throws, 1.0), Seed(seed));
    }
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn a_run_that_is_stopped_early_is_partial_and_keeps_the_laws(throws in throws(), seed in 0..1000u64) {
        let scenario = scenario(&throws, 100.0);
        let stop = AtomicBool::new(true);
        let (record, ended) = logged(&scenario, Seed(seed), Some(&stop));
        assert_books(&scenario, &record, &ended);
        // Short runs end before anybody looks whether to stop.
        prop_assert!(record.partial || record.window.1 == SimTime::ZERO + scenario.duration);
    }
}

// ---- What they found ----

fn lost_at(at: f64, lasts: f64) -> NodeFailure {
    NodeFailure { index: 0, at: SimTime::ZERO + secs(at), lasts: secs(lasts) }
}

/// A machine's tasks were cleared before its calls were taken off it one by one, and its replicas were counted as no
/// longer ready both when the loss was seen and when they were given up.
#[test]
fn a_machine_is_lost_under_its_calls_and_replaced() {
    let mut scenario = mmc(1, 0.9, 1.0, 60.0);
    scenario.nodes = vec![NodeGroup { failures: vec![lost_at(10.0, 20.0)], ..one_core() }, one_core()];
    scenario.cluster.node_detection = secs(2.0);
    scenario.cluster.eviction_delay = secs(3.0);
    assert_laws(&scenario, Seed(1));
}

/// Replicas that waited for room were placed on the very machine that was going, while its own were being ended.
#[test]
fn nothing_is_placed_on_a_machine_that_is_being_lost() {
    let mut scenario = mmc(2, 0.2, 1.0, 60.0);
    scenario.nodes = vec![NodeGroup { failures: vec![lost_at(8.0, 20.0)], ..one_core() }];
    scenario.functions[0].cpu_request = 0.6;
    scenario.functions[0].crashes = Some(Distribution::Constant(5.0));
    scenario.functions[0].cold_start.boot.law = Distribution::Constant(30.0);
    scenario.cluster.crash_backoff = secs(10.0);
    assert_laws(&scenario, Seed(1));
}

/// So many calls that all come at one instant.
fn at_once(mut scenario: Scenario, calls: u32) -> Scenario {
    scenario.workloads[0].arrivals = batches(calls, 0.7 * scenario.duration.as_secs_f64());
    scenario
}

/// A replica that was placed, ready, idle and gone at once made room for the next, which was then placed twice.
#[test]
fn replicas_that_wait_for_room_are_placed_once() {
    let mut scenario = per_request(1.0, 0.1, 0.1, 0.0, 9, 45.0);
    scenario.workloads[0].arrivals = batches(4, 10.0);
    scenario.nodes = vec![one_core()];
    let function = &mut scenario.functions[0];
    function.cpu_request = 0.6;
    function.waiting_room = Some(WaitingRoom { capacity: None, discipline: Discipline::Fifo });
    let binding = Binding::Room { cancel_surplus: false };
    function.scaling = Scaling::PerRequest(PerRequest { binding, ..PerRequest::default() });
    let (record, _) = logged(&scenario, Seed(1), None);
    assert_eq!(metric(&record, result::SUCCESS_SHARE), 1.0, "no place was lost to a replica that is gone");
}

/// Each of many invocations that were refused at once was delivered from inside the answer to the one before, until the
/// stack was full.
#[test]
fn a_long_queue_is_refused_without_a_deep_stack() {
    let mut scenario = at_once(mmc(1, 1.0, 5.0, 10.0), 100_000);
    scenario.workloads[0].invocation = Invocation::Async;
    let function = &mut scenario.functions[0];
    function.waiting_room = None;
    function.crashes = Some(Distribution::Constant(8.0));
    assert_laws(&scenario, Seed(1));
}

/// Each of many calls that took no time was served from inside the end of the one before.
#[test]
fn many_calls_that_take_no_time_are_served_without_a_deep_stack() {
    let mut scenario = at_once(per_request(1.0, 1.0, 1.0, 1.0, 1, 10.0), 100_000);
    scenario.nodes = vec![one_core()];
    let function = &mut scenario.functions[0];
    function.demand.law = Distribution::ZERO;
    function.cold_demand = None;
    function.cold_start.boot.law = Distribution::Constant(2.0);
    function.waiting_room = Some(WaitingRoom { capacity: None, discipline: Discipline::Fifo });
    assert_laws(&scenario, Seed(1));
}
