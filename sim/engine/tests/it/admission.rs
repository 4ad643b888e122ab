//! Who is let in: limits, full queues, rooms, functions at rest, several gateways.

use faas_lab_model::policies::scaling::Fixed;
use faas_lab_model::policies::{Bounds, Scaling};
use faas_lab_model::scenario::*;

use crate::play::*;
use crate::support::secs;

#[test]
fn a_watchdog_at_its_limit_refuses_at_once() {
    let mut scenario = stage(&[0.0, 0.1, 0.2, 1.0], 1.0);
    scenario.functions[0].watchdog.max_inflight = Some(2);
    // The third finds two; the fourth comes in the instant in which the first ends, but was scheduled later.
    assert_eq!(play(&scenario).story(), [(OK, 1000), (OK, 1100), (TOO_MANY, 200), (OK, 2000)]);
}

#[test]
fn a_full_accept_queue_refuses() {
    let scenario = with_workers(stage(&[0.0, 0.1, 0.2, 0.3], 1.0), 1, Some(2));
    assert_eq!(play(&scenario).story(), [(OK, 1000), (OK, 2000), (OK, 3000), (TOO_MANY, 300)]);
}

#[test]
fn a_full_waiting_room_refuses() {
    let mut scenario = replicas(with_workers(stage(&[0.0, 0.1, 0.2, 0.3, 0.4], 1.0), 1, None), 2);
    scenario.functions[0].waiting_room = Some(WaitingRoom { capacity: Some(2), discipline: Discipline::Fifo });
    let story = [(OK, 1000), (OK, 1100), (OK, 2000), (OK, 2100), (NO_PLACE, 400)];
    assert_eq!(play(&scenario).story(), story);
    scenario.functions[0].waiting_room = Some(WaitingRoom { capacity: Some(2), discipline: Discipline::Lifo });
    let story = [(OK, 1000), (OK, 1100), (OK, 2100), (OK, 2000), (NO_PLACE, 400)];
    assert_eq!(play(&scenario).story(), story);
}

#[test]
fn who_gives_up_makes_room() {
    let mut scenario = with_workers(stage(&[0.0, 0.1, 0.5, 0.7], 1.0), 1, None);
    scenario.functions[0].waiting_room = Some(WaitingRoom { capacity: Some(1), discipline: Discipline::Fifo });
    scenario.gateway.upstream_timeout = Some(secs(1.2));
    let late = timed_out(faas_lab_model::metrics::Hop::GatewayUpstream, Some(502));
    // The second takes the replica at 1 s and is given up at 1.3 s; the place was taken when the third came.
    assert_eq!(play(&scenario).story(), [(OK, 1000), (late, 1300), (NO_PLACE, 500), (NO_PLACE, 700)]);
    scenario.gateway.upstream_timeout = Some(secs(0.5));
    assert_eq!(play(&scenario).story(), [(late, 500), (late, 600), (NO_PLACE, 500), (late, 1200)]);
}

/// A function at rest, whose replica takes 310 ms to boot.
fn at_rest(arrivals: &[f64]) -> Scenario {
    let mut scenario = stage(arrivals, 0.05);
    let function = &mut scenario.functions[0];
    function.scaling = Scaling::Fixed(Fixed {});
    function.replicas = Bounds { min: 0, max: 1, initial: 0 };
    function.cold_start.boot.law = always(0.31);
    scenario
}

#[test]
fn without_replicas_a_call_gets_503() {
    assert_eq!(play(&at_rest(&[0.0])).story(), [(NOBODY_THERE, 0)]);
}

#[test]
fn a_burst_for_a_function_at_rest_is_held_and_all_served() {
    let mut scenario = at_rest(&[1.0, 1.02, 1.1, 1.31, 1.32]);
    scenario.gateway.scale_from_zero = Some(HOLD);
    let played = play(&scenario);
    // Ready at 1.31 s. Each goes on at its own next look: 1.4 s, 1.32 s, 1.4 s; those that come then wait for nothing.
    assert_eq!(played.story(), [(OK, 1450), (OK, 1370), (OK, 1450), (OK, 1360), (OK, 1370)]);
    let cold: Vec<bool> = played.requests.iter().map(|request| request.cold).collect();
    assert_eq!(cold, [true, true, true, false, false]);
}

#[test]
fn a_gateway_gives_up_and_forwards_to_nobody() {
    let mut scenario = at_rest(&[1.0]);
    scenario.gateway.scale_from_zero = Some(ScaleFromZero { polls: 2, ..HOLD });
    assert_eq!(play(&scenario).story(), [(NOBODY_THERE, 1200)]);
}

#[test]
fn a_held_call_that_its_client_gives_up_wakes_the_function_all_the_same() {
    let mut scenario = at_rest(&[1.0, 1.35]);
    scenario.gateway.scale_from_zero = Some(HOLD);
    scenario.edge.client_timeout = Some(secs(0.2));
    let gone = timed_out(faas_lab_model::metrics::Hop::Client, None);
    assert_eq!(play(&scenario).story(), [(gone, 1200), (OK, 1400)]);
}

#[test]
fn a_gateway_believes_a_replica_count_for_a_while() {
    use faas_lab_model::policies::scaling::{Counting, Idler};
    let mut scenario = at_rest(&[1.0, 9.9, 10.1, 10.2]);
    scenario.gateway.scale_from_zero = Some(HOLD);
    scenario.functions[0].replicas.initial = 1;
    scenario.functions[0].scale_to_zero =
        Some(Idler { after: secs(5.0), reconcile: secs(5.0), counting: Counting::Completions });
    let played = play(&scenario);
    // The look at 5 s sees the call of 1 s, so does that at 10 s see that of 9.9 s: nobody is put to rest.
    assert_eq!(played.ends(), [1050, 9950, 10_150, 10_250]);
    scenario.workloads[0].arrivals = Arrivals::Trace([1.0, 9.96, 10.1, 10.25].map(at).to_vec());
    // Counting completions, the look at 10 s misses the call that still runs and ends at 10.01 s.
    let played = play(&scenario);
    // Believed until 10.21 s: 503. Then the gateway asks, holds the call, and it goes on at its look after 10.56 s.
    assert_eq!(played.story(), [(OK, 1050), (OK, 10_010), (NOBODY_THERE, 10_100), (OK, 10_700)]);
}

#[test]
fn a_gateways_cpu_is_a_queue_of_its_own() {
    let mut scenario = stage(&[0.0; 12], 0.0);
    scenario.gateway.overhead = always(0.1);
    assert_eq!(play(&scenario).ends(), (1..=12).map(|n| n * 100).collect::<Vec<_>>());
    scenario.gateway.workers = 3;
    assert_eq!(play(&scenario).ends(), (0..12).map(|n| (n / 3 + 1) * 100).collect::<Vec<_>>());
}

#[test]
fn each_gateway_has_a_queue() {
    let mut scenario = stage(&[0.0; 12], 0.0);
    scenario.gateway.overhead = always(0.1);
    scenario.gateway.replicas = 3;
    let mut ends = play(&scenario).ends();
    ends.sort_unstable();
    // Each gateway works off its share, one each 100 ms: as many end at 200 ms as gateways have two, and so on.
    let ended = |at: u64| ends.iter().filter(|end| **end == at).count();
    let by_step: Vec<usize> = (1..=12).map(|step| ended(step * 100)).collect();
    assert_eq!(by_step.iter().sum::<usize>(), 12);
    assert!(by_step[0] <= 3 && by_step[0] >= 2 && by_step.is_sorted_by(|a, b| a >= b), "{by_step:?}");
}

#[test]
fn a_client_that_gives_up_in_the_gateways_queue_costs_it_nothing() {
    let mut scenario = stage(&[0.0, 0.0, 0.1], 0.0);
    scenario.gateway.overhead = always(0.3);
    scenario.edge.client_timeout = Some(secs(0.31));
    let gone = timed_out(faas_lab_model::metrics::Hop::Client, None);
    // The second is dropped from the CPU only when it is done: a busy gateway cannot be interrupted.
    assert_eq!(play(&scenario).story(), [(OK, 300), (gone, 310), (gone, 410)]);
    scenario.gateway.overhead = always(0.311);
    assert_eq!(play(&scenario).ends(), [310, 310, 410]);
}
