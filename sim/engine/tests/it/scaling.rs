//! Scaling policies at work on replicas that take time to start and calls that take time to end.

use faas_lab_model::policies::scaling::{CeAlert, Counting, Hpa, Idler, Load, Pro};
use faas_lab_model::policies::{Bounds, PerRequest, Scaling};
use faas_lab_model::scenario::*;

use crate::play::*;
use crate::support::secs;

/// 1200 s, so that a step of the series lasts 5 s.
fn long(mut scenario: Scenario, scaling: Scaling, max: u32) -> Scenario {
    scenario.duration = secs(1200.0);
    scenario.functions[0].scaling = scaling;
    scenario.functions[0].replicas = Bounds { min: 1, max, initial: 1 };
    scenario
}

/// Asserts the number of wanted replicas between these instants, in seconds.
fn assert_desired(played: &Played, spans: &[(f64, f64, f64)]) {
    for (from, to, replicas) in spans {
        let seen = played.series("replicas desired", *from, *to);
        assert!((seen - replicas).abs() < 1e-9, "{seen} replicas wanted from {from} to {to} s, expected {replicas}");
    }
}

/// Ten calls a second until `end`.
fn ten_a_second(end: f64) -> Vec<f64> {
    (0..(end * 10.0) as u32).map(|n| 0.05 + f64::from(n) * 0.1).collect()
}

#[test]
fn the_alert_rule_climbs_to_the_maximum_and_drops_to_the_minimum() {
    let scenario = long(stage(&ten_a_second(300.0), 0.01), Scaling::CeAlert(CeAlert::default()), 5);
    // Above 5/s at 15 s, fires at 30 s, told at 35 s and then every 40 s. One replica would do all along. The rule sees
    // the end at 315 s, just before a look of the group.
    let spans = [
        (0.0, 35.0, 1.0),
        (35.0, 75.0, 2.0),
        (75.0, 115.0, 3.0),
        (115.0, 155.0, 4.0),
        (155.0, 315.0, 5.0),
        (315.0, 1200.0, 1.0),
    ];
    assert_desired(&play(&scenario), &spans);
}

#[test]
fn a_resolved_alert_wakes_a_function_at_rest() {
    let mut scenario = long(stage(&ten_a_second(92.0), 0.01), Scaling::CeAlert(CeAlert::default()), 5);
    scenario.functions[0].replicas.min = 0;
    scenario.functions[0].cold_start.create = always(2.5);
    scenario.functions[0].scale_to_zero =
        Some(Idler { after: secs(5.0), reconcile: secs(1.0), counting: Counting::Completions });
    let played = play(&scenario);
    // Last seen active at 92 s, at rest from 97 s. Woken at 105 s, ready at 107.5 s, at rest again at 108 s.
    assert_desired(&played, &[(75.0, 95.0, 3.0), (95.0, 100.0, 3.0 * 0.4), (100.0, 105.0, 0.0), (105.0, 110.0, 0.6)]);
    assert_desired(&played, &[(110.0, 1200.0, 0.0)]);
}

/// Capacity with two calls per replica; replicas take 2 s to start.
fn capacity(arrivals: &[f64], service: f64) -> Scenario {
    let pro = Pro { target: 2.0, proportion: 1.0, ..Pro::new(Load::Capacity) };
    let mut scenario = long(stage(arrivals, service), Scaling::Pro(pro), 10);
    scenario.functions[0].cold_start.create = always(2.0);
    scenario
}

#[test]
fn capacity_follows_the_calls_in_flight() {
    let played = play(&capacity(&[1.0; 6], 20.0));
    // Seen at 5 s; the last sample with six, of 20 s, leaves the window of 45 s at 65 s.
    assert_desired(&played, &[(0.0, 5.0, 1.0), (5.0, 65.0, 3.0), (65.0, 1200.0, 1.0)]);
    assert!((played.series("replicas ready", 5.0, 65.0) - (2.0 + 58.0 * 3.0) / 60.0).abs() < 1e-9);
    assert!((played.series("replicas starting", 5.0, 65.0) - 2.0 * 2.0 / 60.0).abs() < 1e-9);
    assert_eq!(played.phase("create"), Some((2, 4.0)));
}

#[test]
fn those_that_start_go_first_and_then_the_newest() {
    let mut scenario = capacity(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 70.0], 20.0);
    assert_eq!(play(&scenario).requests[6].replica, Some(0), "the oldest stays");
    // 100 s to start: at 65 s two are on their way and go; the calls on the one that is ready are not disturbed.
    scenario.functions[0].cold_start.create = always(100.0);
    let played = play(&scenario);
    assert!(played.requests.iter().all(|request| request.ending == OK && request.replica == Some(0)));
    assert!((played.series("replicas starting", 5.0, 65.0) - 2.0).abs() < 1e-9);
    assert!((played.series("replicas", 65.0, 1200.0) - 1.0).abs() < 1e-9);
}

#[test]
fn a_removed_replica_ends_what_it_has_and_takes_nothing_new() {
    use faas_lab_model::policies::DispatchPolicy;
    let mut scenario = capacity(&[1.0; 6], 20.0);
    scenario.functions[0].dispatch = DispatchPolicy::RoundRobin;
    scenario.functions[0].concurrency = Concurrency::Workers { count: 1, backlog: None };
    // One worker each. Six calls at 1 s make it three replicas; at 10 s and 11 s the two new ones get two calls each.
    scenario.workloads[0].arrivals =
        Arrivals::Trace([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 10.0, 10.0, 10.0, 11.0, 11.0, 11.0].map(at).to_vec());
    scenario.cluster.termination_grace = secs(1000.0);
    let played = play(&scenario);
    assert!(played.requests.iter().all(|request| request.ending == OK));
    let on = |serial: u64| -> Vec<u64> {
        let of_it = played.requests.iter().filter(|request| request.replica == Some(serial));
        of_it.map(|request| millis(request.ended)).collect()
    };
    // Whatever the policy does meanwhile, a removed replica works off its accept queue, one after the other.
    assert_eq!(on(1), [30_000, 50_000]);
    assert_eq!(on(2), [30_000, 50_000]);
}

#[test]
fn the_grace_of_a_removed_replica_covers_its_accept_queue() {
    // Put to rest at 30 s with one call at work since 10 s and one waiting: 25 s each, so 35 s and 60 s, the grace's end.
    let mut scenario = long(stage(&[10.0, 10.0], 25.0), Scaling::Fixed(Default::default()), 1);
    scenario.functions[0].replicas.min = 0;
    scenario.functions[0].concurrency = Concurrency::Workers { count: 1, backlog: None };
    scenario.functions[0].scale_to_zero =
        Some(Idler { after: secs(30.0), reconcile: secs(10.0), counting: Counting::Completions });
    scenario.cluster.termination_grace = secs(31.0);
    assert_eq!(play(&scenario).story(), [(OK, 35_000), (OK, 60_000)]);
    scenario.cluster.termination_grace = secs(29.0);
    assert_eq!(play(&scenario).story(), [(OK, 35_000), (REPLICA_GONE, 59_000)]);
}

#[test]
fn an_idler_that_counts_completions_ends_a_long_call() {
    let mut scenario = long(stage(&[10.0], 100.0), Scaling::Fixed(Default::default()), 1);
    scenario.functions[0].replicas.min = 0;
    let mut counting = |counting| {
        scenario.functions[0].scale_to_zero = Some(Idler { after: secs(30.0), reconcile: secs(10.0), counting });
        let played = play(&scenario);
        (played.story(), played.series("replicas desired", 0.0, 1200.0) * 1200.0)
    };
    // At rest at 30 s; the replica may go on for 30 s more.
    let (story, desired) = counting(Counting::Completions);
    assert_eq!(story, [(REPLICA_GONE, 60_000)]);
    assert!((desired - 30.0).abs() < 1e-6);
    // The start is seen at 10 s: at rest at 40 s.
    let (story, desired) = counting(Counting::Starts);
    assert_eq!(story, [(REPLICA_GONE, 70_000)]);
    assert!((desired - 40.0).abs() < 1e-6);
    // Its end is seen at 110 s: at rest at 140 s.
    let (story, desired) = counting(Counting::InFlight);
    assert_eq!(story, [(OK, 110_000)]);
    assert!((desired - 140.0).abs() < 1e-6);
}

#[test]
fn a_function_rests_and_is_woken() {
    let mut scenario = long(stage(&[1.0, 200.0, 201.0], 0.5), Scaling::Fixed(Default::default()), 1);
    let function = &mut scenario.functions[0];
    function.replicas.min = 0;
    function.cold_start.create = always(0.7);
    function.scale_to_zero = Some(Idler { after: secs(60.0), reconcile: secs(10.0), counting: Counting::InFlight });
    scenario.gateway.scale_from_zero = Some(HOLD);
    let played = play(&scenario);
    assert_eq!(played.story(), [(OK, 1500), (OK, 201_200), (OK, 201_500)]);
    // Activity is seen at 10 s and at 210 s.
    assert_desired(&played, &[(0.0, 70.0, 1.0), (70.0, 200.0, 0.0), (200.0, 270.0, 1.0), (270.0, 1200.0, 0.0)]);
}

#[test]
fn the_hpa_divides_the_cpu_up() {
    // One call keeps one core busy until 200 s; half a core is requested, four fifths of that wanted.
    let mut scenario = on_machines(long(stage(&[0.0], 200.0), Scaling::Hpa(Hpa::default()), 10), 1, 16);
    scenario.functions[0].cpu_request = 0.5;
    let played = play(&scenario);
    // 200 % / 80 % · 1 → 3 at 15 s. The last wish for three, of 195 s, leaves the down window at 495 s.
    assert_desired(&played, &[(0.0, 15.0, 1.0), (15.0, 495.0, 3.0), (495.0, 1200.0, 1.0)]);
}

/// A replica for each request that finds none.
fn per_request(arrivals: &[f64]) -> Scenario {
    let mut scenario = with_workers(stage(arrivals, 1.0), 1, None);
    let function = &mut scenario.functions[0];
    function.scaling = Scaling::PerRequest(PerRequest::default());
    function.replicas = Bounds { min: 0, max: 9, initial: 0 };
    scenario
}

fn replicas_of(played: &Played) -> Vec<u64> {
    played.requests.iter().map(|request| request.replica.expect("each was served")).collect()
}

#[test]
fn an_idle_replica_is_kept_for_a_while() {
    use faas_lab_model::policies::KeepAlivePolicy;
    let mut scenario = per_request(&[0.0, 5.9, 6.0, 12.1, 12.5, 30.0]);
    scenario.functions[0].keep_alive = KeepAlivePolicy::Fixed(secs(5.0));
    // Idle from 1 s, used at 5.9 s; a second one at 6 s, idle from 7 s and gone at 12 s. The first one, idle from 6.9 s,
    // was gone at 11.9 s.
    let played = play(&scenario);
    assert_eq!(replicas_of(&played), [0, 0, 1, 2, 3, 4]);
    scenario.functions[0].replicas.min = 1;
    let played = play(&scenario);
    // One is kept.
    assert_eq!(replicas_of(&played).iter().max(), Some(&2));
}

#[test]
fn a_replica_past_its_life_ends_when_idle() {
    let mut scenario = per_request(&[0.0, 5.0, 9.5, 12.0, 25.0]);
    scenario.functions[0].lifetime = Some(always(10.0));
    // Busy at 10 s, gone at 10.5 s; the second one lives from 12 s and goes, idle, at 22 s.
    let played = play(&scenario);
    assert_eq!(replicas_of(&played), [0, 0, 0, 1, 2]);
    assert!((played.metric("replica_lifespan_mean") - (10.5 + 10.0 + 10.0) / 3.0).abs() < 1e-9);
}
