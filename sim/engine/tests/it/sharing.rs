//! How a machine's cores are shared, by hand.

use faas_lab_model::metrics::result::CPU_UTILIZATION;
use faas_lab_model::policies::{Bounds, DispatchPolicy};
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::*;
use faas_lab_model::units::Bytes;

use crate::play::*;
use crate::support::{per_request, secs};

fn class(name: &str, slowdown: f64, full_speedup: f64) -> WorkClass {
    WorkClass { name: name.into(), slowdown: always(slowdown), full_speedup }
}

#[test]
fn two_calls_on_one_core_take_twice_as_long() {
    let scenario = on_machines(stage(&[0.0, 0.0], 1.0), 1, 1);
    assert_eq!(play(&scenario).ends(), [2000, 2000]);
    // One after the other: 0.5 s alone, 1 s shared, 0.5 s alone.
    let scenario = on_machines(stage(&[0.0, 0.5], 1.0), 1, 1);
    assert_eq!(play(&scenario).ends(), [1500, 2000]);
}

#[test]
fn a_call_uses_one_core_at_most() {
    let scenario = on_machines(stage(&[0.0, 0.0, 0.0], 1.0), 1, 2);
    assert_eq!(play(&scenario).ends(), [1500; 3]);
    let scenario = on_machines(stage(&[0.0], 1.0), 1, 4);
    assert_eq!(play(&scenario).ends(), [1000]);
}

#[test]
fn a_limit_holds_a_replica_back() {
    let mut scenario = on_machines(stage(&[0.0, 0.0], 1.0), 1, 4);
    scenario.functions[0].cpu_limit = Some(0.5);
    let played = play(&scenario);
    assert_eq!(played.ends(), [4000, 4000]);
    // Half a core for 4 s, of four cores for 1000 s.
    assert!((played.metric(CPU_UTILIZATION) - 2.0 / 4000.0).abs() < 1e-9);
}

/// Work of so many seconds at 0, by as many calls as there are numbers, on a replica that is limited as Kubernetes does it.
fn limited(work: f64, calls: usize, limit: f64) -> Scenario {
    let mut scenario = on_machines(stage(&vec![0.0; calls], work), 1, 4);
    scenario.functions[0].cpu_limit = Some(limit);
    scenario.functions[0].cpu_period = Some(secs(0.1));
    scenario
}

#[test]
fn a_call_within_its_period_s_ration_is_not_held_back() {
    assert_eq!(play(&limited(0.05, 1, 0.5)).ends(), [50]);
    assert_eq!(play(&limited(0.02, 2, 0.5)).ends(), [20, 20]);
    // Four cores for 25 ms are a period's ration of one core.
    assert_eq!(play(&limited(0.025, 4, 1.0)).ends(), [25; 4]);
}

#[test]
fn a_longer_call_stands_still_until_its_period_ends() {
    let mut ends: Vec<u64> = (0..200).map(|seed| play_with(&limited(0.07, 1, 0.5), Seed(seed)).ends()[0]).collect();
    ends.sort_unstable();
    // A period that ends between 20 and 50 ms after the start gives enough; 50 ms of work, the rest of the period and 20 ms
    // make up to 120 ms. With a steady rate it would be 140.
    assert!(ends.iter().all(|end| (70..=120).contains(end)), "{ends:?}");
    let at_once = ends.iter().filter(|end| **end == 70).count();
    assert!((30..90).contains(&at_once), "three in ten: {at_once} of 200");
    assert!(ends.iter().any(|end| *end > 115) && ends.iter().any(|end| (75..110).contains(end)), "{ends:?}");
}

#[test]
fn in_the_long_run_rations_are_the_limit() {
    for (calls, limit) in [(1, 0.5), (3, 0.5), (3, 1.7), (4, 2.5)] {
        let ends = play(&limited(5.0, calls, limit)).ends();
        let steady = 5000.0 * calls as f64 / limit;
        // The first period's ration comes at once, and what is left at the end is used at full speed.
        assert!(
            ends.iter().all(|end| (steady - 200.0..=steady + 1.0).contains(&(*end as f64))),
            "{ends:?}, not {steady}"
        );
    }
}

#[test]
fn cores_are_shared_between_replicas_not_between_calls() {
    // Round robin puts three of four calls … two on each replica; with five, three and two.
    let mut scenario = on_machines(replicas(stage(&[0.0, 0.0, 0.0], 1.0), 2), 1, 1);
    scenario.functions[0].dispatch = faas_lab_model::policies::DispatchPolicy::RoundRobin;
    // The first replica has the first and third call at a quarter of a core each, the second has half a core for the
    // second call, which ends at 2 s. Then the others have half a core each and half their work to do.
    assert_eq!(play(&scenario).ends(), [3000, 2000, 3000]);
}

#[test]
fn what_a_modest_replica_leaves_goes_to_the_others() {
    // One core; `f` is limited to 0.2 cores, `g` gets the other 0.8.
    let mut scenario = on_machines(stage(&[0.0], 1.0), 1, 1);
    let mut other = scenario.functions[0].clone();
    other.name = "g".into();
    scenario.functions[0].cpu_limit = Some(0.2);
    scenario.functions.push(other);
    let mut second = scenario.workloads[0].clone();
    (second.name, second.function) = ("v".into(), 1);
    scenario.workloads.push(second);
    let played = play(&scenario);
    assert_eq!((played.requests[0].function, played.requests[1].function), (0, 1));
    assert_eq!(played.ends(), [5000, 1250]);
}

#[test]
fn four_busy_cores_are_worth_less_than_four() {
    let mut scenario = on_machines(stage(&[0.0; 4], 1.0), 1, 4);
    scenario.nodes[0].classes = vec![class("cascade", 3.0, 2.5)];
    scenario.functions[0].demand.class = Some("cascade".into());
    // Each has 3 s of work and goes at 2.5 / 4 of a lone core's speed.
    assert_eq!(play(&scenario).ends(), [4800; 4]);
    // Two busy cores: 1 + 1.5·(1/3) = 1.5 cores' worth, three quarters each.
    scenario.workloads[0].arrivals = Arrivals::Trace([0.0; 2].map(at).to_vec());
    assert_eq!(play(&scenario).ends(), [4000; 2]);
    scenario.workloads[0].arrivals = Arrivals::Trace(vec![at(0.0)]);
    assert_eq!(play(&scenario).ends(), [3000]);
}

/// With b calls at work each takes 1 + contention · (b − 1) times as long: Gunther's law, by hand.
#[test]
fn calls_of_one_replica_hinder_each_other() {
    // A little: 1 + 0.1 · 3 times as long, on cores in plenty.
    let hindered = |contention: f64, calls: usize, cores: u32| {
        let mut scenario = on_machines(stage(&vec![0.0; calls], 1.0), 1, cores);
        scenario.functions[0].contention = contention;
        play(&scenario)
    };
    assert_eq!(hindered(0.1, 4, 4).ends(), [1300; 4]);
    // As behind a lock: one at a time, in turns, on one of four cores.
    let locked = hindered(1.0, 4, 4);
    assert_eq!(locked.ends(), [4000; 4]);
    assert!((locked.metric(CPU_UTILIZATION) - 4.0 / 4000.0).abs() < 1e-9);
    // A lock that costs more than the work done under it: one core is busy for all of 1 + 2 · 3 seconds.
    let thrashing = hindered(2.0, 4, 4);
    assert_eq!(thrashing.ends(), [7000; 4]);
    assert!((thrashing.metric(CPU_UTILIZATION) - 7.0 / 4000.0).abs() < 1e-9);
    // A call alone is not hindered.
    assert_eq!(hindered(2.0, 1, 4).ends(), [1000]);
}

/// Four workers and a queue behind them: twenty calls at once come out in waves of four.
#[test]
fn a_pool_with_contention_answers_in_waves() {
    let mut scenario = on_machines(with_workers(stage(&[0.0; 20], 1.0), 4, None), 1, 4);
    scenario.functions[0].contention = 2.0;
    let waves: Vec<u64> = (1..=5).flat_map(|wave| [7000 * wave; 4]).collect();
    assert_eq!(play(&scenario).ends(), waves);
}

/// Where cores are short as well, the lock's core is shared like any other.
#[test]
fn contention_and_short_cores_add_up() {
    // Two replicas behind a lock each want one core; there is one for both.
    let mut scenario = on_machines(replicas(stage(&[0.0; 4], 1.0), 2), 1, 1);
    scenario.functions[0].dispatch = DispatchPolicy::RoundRobin;
    scenario.functions[0].contention = 1.0;
    assert_eq!(play(&scenario).ends(), [4000; 4]);
}

#[test]
fn mixed_work_loses_in_proportion() {
    // Two cores, one with each class: speed-up (1 + 2) / 2 = 1.5, so that each goes at three quarters.
    let mut scenario = on_machines(stage(&[0.0], 1.5), 1, 2);
    scenario.nodes[0].classes = vec![class("memory", 1.0, 1.0), class("integer", 1.0, 2.0)];
    let mut other = scenario.functions[0].clone();
    other.name = "g".into();
    scenario.functions[0].demand.class = Some("memory".into());
    other.demand = Demand { class: Some("integer".into()), law: always(3.0) };
    scenario.functions.push(other);
    let mut second = scenario.workloads[0].clone();
    (second.name, second.function) = ("v".into(), 1);
    scenario.workloads.push(second);
    // `f` is done at 2 s; `g` has 1.5 s left and is alone.
    assert_eq!(play(&scenario).ends(), [2000, 3500]);
}

#[test]
fn the_system_keeps_its_share() {
    let mut scenario = on_machines(stage(&[0.0], 1.0), 1, 1);
    scenario.nodes[0].reserved_cores = 0.2;
    let played = play(&scenario);
    assert_eq!(played.ends(), [1250]);
    assert!((played.metric(CPU_UTILIZATION) - (0.2 * 1000.0 + 1.0) / 1000.0).abs() < 1e-9);
}

#[test]
fn waiting_is_not_work() {
    let mut scenario = on_machines(stage(&[0.0, 0.0], 1.0), 1, 1);
    scenario.functions[0].wait = always(2.0);
    assert_eq!(play(&scenario).ends(), [4000, 4000]);
    // Nothing but waiting: any number at once.
    scenario.functions[0].demand.law = always(0.0);
    assert_eq!(play(&scenario).ends(), [2000, 2000]);
}

#[test]
fn too_many_calls_take_a_replica_past_its_memory() {
    let mut scenario = on_machines(stage(&[0.0, 0.1, 0.2, 5.0, 11.0], 1.0), 1, 4);
    let function = &mut scenario.functions[0];
    function.memory = Bytes(100 << 20);
    function.memory_per_call = Bytes(50 << 20);
    function.memory_limit = Some(Bytes(200 << 20));
    function.cold_start.create = always(0.5);
    // The third call needs 250 MiB: all three are lost. Back after 10 s of back-off and half a second.
    let story = [(REPLICA_GONE, 200), (REPLICA_GONE, 200), (REPLICA_GONE, 200), (NOBODY_THERE, 5000), (OK, 12_000)];
    let played = play(&scenario);
    assert_eq!(played.story(), story);
    assert_eq!(played.phase("create"), Some((1, 0.5)));
    assert!((played.series("replicas ready", 0.0, 1000.0) - (1000.0 - 10.5) / 1000.0).abs() < 1e-9);
}

/// Two machines of 300 MiB, a replica of 100 MiB on each, calls of 60 MiB. The fourth call on one machine needs 340 MiB:
/// its replica is evicted and another starts, while the other machine's replica works on.
#[test]
fn a_machine_out_of_memory_evicts_what_has_grown_most() {
    let mut scenario = on_machines(stage(&[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 5.0], 1.0), 2, 16);
    scenario.nodes[0].memory = Bytes(300 << 20);
    let function = &mut scenario.functions[0];
    function.memory = Bytes(100 << 20);
    function.memory_per_call = Bytes(60 << 20);
    function.replicas = Bounds { min: 2, max: 2, initial: 2 };
    function.dispatch = DispatchPolicy::RoundRobin;
    function.cold_start.create = always(2.0);
    let played = play(&scenario);
    // Calls 1, 3, 5 and 7 go to the first replica; with the seventh it is gone, and they with it.
    let gone = (REPLICA_GONE, 600);
    let story = [gone, (OK, 1100), gone, (OK, 1300), gone, (OK, 1500), gone, (OK, 6000)];
    assert_eq!(played.story(), story);
    assert_eq!(played.phase("create"), Some((1, 2.0)));
    assert_eq!(played.record.warnings.iter().map(|w| w.code.as_str()).collect::<Vec<_>>(), ["evicted-for-memory"]);
}

/// A call that is bound to a replica before that has a machine brings its memory along: a second one then fills the machine.
#[test]
fn a_call_bound_before_placement_counts_on_the_machine_too() {
    let mut scenario = on_machines(per_request(0.0, 1.0, 1.0, 600.0, 1, 100.0), 1, 4);
    scenario.workloads[0].arrivals = Arrivals::Trace(vec![at(0.0), at(0.1)]);
    scenario.nodes[0].memory = Bytes(200 << 20);
    let function = &mut scenario.functions[0];
    (function.demand.law, function.cold_demand) = (always(1.0), None);
    function.concurrency = Concurrency::Workers { count: 2, backlog: None };
    function.memory = Bytes(100 << 20);
    function.memory_per_call = Bytes(40 << 20);
    function.cold_start.schedule = always(0.5);
    assert_eq!(play(&scenario).story(), [(OK, 1500), (OK, 1500)]);
    // One call more than fits, while the first two are at work.
    scenario.functions[0].concurrency = Concurrency::Workers { count: 3, backlog: None };
    scenario.workloads[0].arrivals = Arrivals::Trace(vec![at(0.0), at(0.1), at(0.7)]);
    assert_eq!(play(&scenario).story(), [(REPLICA_GONE, 700), (REPLICA_GONE, 700), (REPLICA_GONE, 700)]);
}

#[test]
fn the_next_crash_takes_twice_as_long() {
    let mut scenario = stage(&[], 1.0);
    scenario.workloads[0].arrivals = Arrivals::Trace(vec![at(999.0)]);
    scenario.functions[0].crashes = Some(always(50.0));
    scenario.cluster.crash_backoff_max = secs(40.0);
    let played = play(&scenario);
    // Up for 50 s and down for 10 s, again and 20 s, then 40 s each time: nine such rounds end at 940 s.
    let up = 50.0 + 50.0 + 9.0 * 50.0 + 50.0;
    assert!((played.series("replicas ready", 0.0, 1000.0) - up / 1000.0).abs() < 1e-9);
}
