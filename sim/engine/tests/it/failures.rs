//! Machines are lost and come back, processes crash: what clients see, and when things are whole again.

use faas_lab_model::metrics::Hop;
use faas_lab_model::policies::DispatchPolicy;
use faas_lab_model::scenario::*;
use faas_lab_model::units::Bytes;

use crate::play::*;
use crate::support::secs;

/// Two machines with one replica each, calls of 1 s to each in turn; the first machine is lost from 10 s on.
fn loss(arrivals: &[f64], lasts: f64) -> Scenario {
    let mut scenario = on_machines(replicas(stage(arrivals, 1.0), 2), 2, 4);
    scenario.functions[0].dispatch = DispatchPolicy::RoundRobin;
    scenario.functions[0].cpu_request = 3.0;
    scenario.functions[0].cold_start.create = always(2.0);
    scenario.nodes[0].failures = vec![NodeFailure { index: 0, at: at(10.0), lasts: secs(lasts) }];
    scenario.gateway.upstream_timeout = Some(secs(20.0));
    scenario
}

#[test]
fn calls_to_a_lost_machine_hang_until_somebody_notices() {
    let late = timed_out(Hop::GatewayUpstream, Some(502));
    // Calls in turn: lost in mid-service, served, sent to the dead replica, served. Detection at 50 s fails what still
    // hangs (the call of 35 s); from there on only the second replica is asked.
    let scenario = loss(&[9.5, 9.6, 15.0, 16.0, 35.0, 36.0, 60.0, 60.1], 5000.0);
    let played = play(&scenario);
    assert_eq!(
        played.story(),
        [
            (late, 29_500),
            (OK, 10_600),
            (late, 35_000),
            (OK, 17_000),
            (REPLICA_GONE, 50_000),
            (OK, 37_000),
            (OK, 61_000),
            (OK, 61_100),
        ]
    );
    // The CPU time of the first, 0.5 s, was for nothing.
    assert!((played.metric("wasted_cpu_share") - 0.5 / 5.5).abs() < 1e-9);
}

#[test]
fn lost_replicas_are_made_again_after_eviction() {
    // No room on the second machine for both: after eviction at 350 s the new replica is pending until 600 s.
    let mut scenario = loss(&[700.0, 700.0], 590.0);
    let played = play(&scenario);
    assert_eq!(played.ends(), [701_000, 701_000]);
    // One of two ready from 50 s until 602 s.
    assert!((played.series("replicas ready", 0.0, 1000.0) - (2.0 - 0.552)).abs() < 1e-9);
    // With room it is ready two seconds after eviction.
    scenario.functions[0].cpu_request = 1.0;
    let played = play(&scenario);
    assert!((played.series("replicas ready", 0.0, 1000.0) - (2.0 - 0.302)).abs() < 1e-9);
}

#[test]
fn a_machine_that_is_back_soon_starts_its_replicas_again() {
    // Back at 30 s, before anybody noticed: calls that hung fail then; ready again after 2 s.
    let scenario = loss(&[15.0, 16.0, 31.0, 31.5, 40.0, 40.0], 20.0);
    let played = play(&scenario);
    assert_eq!(
        played.story(),
        [(REPLICA_GONE, 30_000), (OK, 17_000), (OK, 32_000), (OK, 32_500), (OK, 41_000), (OK, 41_000)]
    );
    assert!((played.series("replicas ready", 0.0, 1000.0) - (2.0 - 0.002)).abs() < 1e-9);
    // Back at 100 s, after detection and before eviction.
    let played = play(&loss(&[200.0, 200.0], 90.0));
    assert_eq!(played.ends(), [201_000, 201_000]);
    assert!((played.series("replicas ready", 0.0, 1000.0) - (2.0 - 0.052)).abs() < 1e-9);
}

#[test]
fn a_dead_replica_does_not_look_idle() {
    // Least outstanding: what hangs counts as outstanding.
    let mut scenario = loss(&[9.0, 9.0, 12.0, 12.1, 12.2, 12.3, 12.4], 5000.0);
    scenario.functions[0].dispatch = DispatchPolicy::LeastOutstanding;
    scenario.gateway.upstream_timeout = None;
    let played = play(&scenario);
    // The lost machine's replica has one call that hangs, and then gets every other of those that come.
    let hang = played.requests.iter().filter(|request| request.ending == REPLICA_GONE).count();
    assert_eq!(hang, 1 + 2);
}

#[test]
fn a_dead_replica_takes_no_more_of_a_waiting_room_than_it_has_slots() {
    let mut scenario = loss(&[12.0, 12.0, 12.0, 12.0, 12.0], 5000.0);
    scenario.functions[0].concurrency = Concurrency::Workers { count: 1, backlog: None };
    scenario.functions[0].waiting_room = Some(WaitingRoom { capacity: None, discipline: Discipline::Fifo });
    let played = play(&scenario);
    let late = timed_out(Hop::GatewayUpstream, Some(502));
    let mut ends = played.story();
    ends.sort_by_key(|(_, end)| *end);
    assert_eq!(ends, [(OK, 13_000), (OK, 14_000), (OK, 15_000), (OK, 16_000), (late, 32_000)]);
}

#[test]
fn what_waits_for_room_does_not_go_to_the_machine_that_is_being_lost() {
    // One machine with room for one replica, which is still starting when the machine is lost; another waits for room.
    let mut scenario = on_machines(replicas(stage(&[100.0], 1.0), 2), 1, 4);
    let function = &mut scenario.functions[0];
    function.replicas.initial = 0;
    function.cpu_request = 3.0;
    function.cold_start.create = always(20.0);
    function.scaling = faas_lab_model::policies::Scaling::Pro(faas_lab_model::policies::scaling::Pro::new(
        faas_lab_model::policies::scaling::Load::Rps,
    ));
    function.replicas.max = 3;
    scenario.gateway.scale_from_zero = Some(HOLD);
    scenario.workloads[0].arrivals = Arrivals::Trace(vec![at(1.0)]);
    scenario.nodes[0].failures = vec![NodeFailure { index: 0, at: at(10.0), lasts: secs(30.0) }];
    // Wanted at 1 s; lost at 10 s; placed again at 40 s, ready at 60 s.
    assert_eq!(play(&scenario).story(), [(OK, 61_000)]);
}

#[test]
fn a_loss_in_mid_pull_means_pulling_again() {
    let mut scenario = on_machines(replicas(stage(&[1.0], 1.0), 1), 1, 4);
    let function = &mut scenario.functions[0];
    function.replicas.initial = 0;
    function.cold_start.image = Bytes(20_000_000);
    function.cold_start.image_present = false;
    scenario.gateway.scale_from_zero = Some(HOLD);
    scenario.nodes[0].failures = vec![NodeFailure { index: 0, at: at(11.0), lasts: secs(19.0) }];
    // 20 s of pulling, begun at 1 s and again at 30 s.
    assert_eq!(play(&scenario).story(), [(OK, 51_000)]);
}

#[test]
fn a_crash_takes_its_calls_along() {
    let mut scenario = with_workers(stage(&[9.5, 9.6, 15.0, 25.0], 1.0), 1, None);
    scenario.functions[0].crashes = Some(always(10.0));
    scenario.functions[0].cold_start.create = always(1.0);
    // Served and waiting alike. Down for 10 s, and 1 s to start.
    assert_eq!(
        play(&scenario).story(),
        [(REPLICA_GONE, 10_000), (REPLICA_GONE, 10_000), (NOBODY_THERE, 15_000), (OK, 26_000)]
    );
}

#[test]
fn a_crash_after_the_first_block_leaves_a_cut_stream() {
    let mut scenario = stage(&[0.0], 0.0);
    scenario.functions[0].stream =
        Some(StreamBody { items: 100, period: secs(1.0), item: StreamItem::Bytes(100), buffering: Buffering::Flushed });
    scenario.functions[0].crashes = Some(always(10.5));
    let played = play(&scenario);
    assert_eq!(played.story(), [(truncated(Hop::Replica), 10_500)]);
    assert_eq!(played.requests[0].body_bytes, 1000);
}
