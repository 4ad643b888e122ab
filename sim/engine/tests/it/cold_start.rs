//! How a replica comes up: phase by phase, image by image, and where it finds room.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::policies::{Bounds, PerRequest, Scaling};
use faas_lab_model::scenario::*;
use faas_lab_model::units::Bytes;

use crate::play::*;
use crate::support::secs;

/// A replica for each request that finds none; 1 s of service.
fn per_request(arrivals: &[f64], max: u32) -> Scenario {
    let mut scenario = stage(arrivals, 1.0);
    let function = &mut scenario.functions[0];
    function.concurrency = Concurrency::Workers { count: 1, backlog: None };
    function.scaling = Scaling::PerRequest(PerRequest::default());
    function.replicas = Bounds { min: 0, max, initial: 0 };
    scenario
}

#[test]
fn the_phases_add_up() {
    let mut scenario = on_machines(per_request(&[0.0], 1), 1, 1);
    let cold = &mut scenario.functions[0].cold_start;
    cold.schedule = always(0.1);
    (cold.image, cold.image_present) = (Bytes(2_000_000), false);
    cold.sandbox = always(0.4);
    cold.create = always(0.3);
    cold.boot.law = always(1.25);
    cold.readiness_probe = Some(ReadinessProbe { initial_delay: secs(0.5), period: secs(1.0) });
    cold.endpoint = always(0.15);
    scenario.cluster.pull_overhead = secs(0.5);
    let played = play(&scenario);
    // 0.1 + (0.5 + 2 MB at 1 MB/s) + 0.4 + 0.3 = 3.3 s: the container starts. Booted at 4.55 s; probes at 3.8 s, 4.8 s.
    // Known everywhere at 4.95 s.
    for (name, secs) in [
        ("schedule", 0.1),
        ("pull", 2.5),
        ("sandbox", 0.4),
        ("create", 0.3),
        ("boot", 1.25),
        ("probe", 0.25),
        ("endpoint", 0.15),
    ] {
        assert_eq!(played.phase(name), Some((1, secs)), "{name}");
    }
    assert_eq!(played.story(), [(OK, 5950)]);
    assert!((played.record.functions[0].usage.init_secs - 4.95).abs() < 1e-9);
    assert!(played.requests[0].cold);
}

#[test]
fn a_probe_sees_the_process_at_its_next_turn() {
    let ready_after = |boot: f64, initial_delay: f64, period: f64| {
        let mut scenario = per_request(&[0.0], 1);
        let cold = &mut scenario.functions[0].cold_start;
        cold.boot.law = always(boot);
        cold.readiness_probe = Some(ReadinessProbe { initial_delay: secs(initial_delay), period: secs(period) });
        play(&scenario).ends()[0] - 1000
    };
    assert_eq!(ready_after(0.2, 2.0, 10.0), 2000);
    assert_eq!(ready_after(2.0, 2.0, 10.0), 2000);
    assert_eq!(ready_after(2.1, 2.0, 10.0), 12_000);
    assert_eq!(ready_after(2.1, 0.0, 1.0), 3000);
}

#[test]
fn a_machine_pulls_an_image_once_and_one_after_the_other() {
    let mut scenario = on_machines(per_request(&[0.0, 0.0, 0.5, 20.0], 9), 1, 8);
    let mut other = scenario.functions[0].clone();
    scenario.functions[0].cold_start.image = Bytes(3_000_000);
    scenario.functions[0].cold_start.image_present = false;
    other.name = "g".into();
    other.cold_start.image = Bytes(2_000_000);
    other.cold_start.image_present = false;
    scenario.functions.push(other);
    let mut second = scenario.workloads[0].clone();
    (second.name, second.function) = ("v".into(), 1);
    second.arrivals = Arrivals::Trace([1.0, 1.5].map(at).to_vec());
    scenario.workloads.push(second);
    let played = play(&scenario);
    let ends_of = |function: usize| -> Vec<u64> {
        let of_it = played.requests.iter().filter(|request| request.function == function);
        of_it.map(|request| millis(request.ended)).collect()
    };
    // `f` is here at 3 s for all three; `g` has to wait for that and is here at 5 s. Later starts find it.
    assert_eq!(ends_of(0), [4000, 4000, 4000, 21_000]);
    assert_eq!(ends_of(1), [6000, 6000]);
    assert_eq!(played.phase("pull"), Some((3, 3.0 + 3.0 + 2.5)));
}

#[test]
fn booting_slows_its_neighbours_down() {
    let mut scenario = on_machines(per_request(&[0.0, 5.5], 9), 1, 1);
    scenario.nodes[0].classes = vec![WorkClass { name: "boot".into(), slowdown: always(2.0), full_speedup: 1.0 }];
    let function = &mut scenario.functions[0];
    function.demand.law = always(4.0);
    function.cold_start.boot = Demand { class: Some("boot".into()), law: always(1.0) };
    // 2 s of work to boot, alone. At 5.5 s 3.5 s of 4 s are done; then a second boot takes half the core: ends at 6.5 s.
    // The second has 1.5 s left to boot, until 8 s, and 4 s to serve.
    assert_eq!(play(&scenario).ends(), [6500, 12_000]);
    // Without a class it is time, not work: the first takes 1 s + 4 s, alone until its end.
    scenario.functions[0].cold_start.boot.class = None;
    scenario.workloads[0].arrivals = Arrivals::Trace([0.0, 3.5].map(at).to_vec());
    assert_eq!(play(&scenario).ends(), [5500, 9000]);
}

#[test]
fn who_finds_no_room_waits_for_it() {
    let mut scenario = on_machines(per_request(&[0.0, 0.1, 0.2], 9), 1, 8);
    scenario.functions[0].cpu_request = 4.0;
    scenario.functions[0].keep_alive = faas_lab_model::policies::KeepAlivePolicy::Fixed(secs(0.5));
    let played = play(&scenario);
    // Two fit. The first is idle at 1 s and gone at 1.5 s; only then the third has room.
    assert_eq!(played.ends(), [1000, 1100, 2500]);
    assert_eq!(played.phase("schedule"), Some((3, 1.3)));
}

#[test]
fn a_call_bound_to_its_start_can_be_given_up() {
    let mut scenario = per_request(&[0.0, 3.0], 1);
    scenario.functions[0].cold_start.boot.law = always(2.0);
    scenario.gateway.upstream_timeout = Some(secs(1.5));
    let late = timed_out(faas_lab_model::metrics::Hop::GatewayUpstream, Some(502));
    assert_eq!(play(&scenario).story(), [(late, 1500), (OK, 4000)]);
}

#[test]
fn the_cold_law_is_for_the_call_that_started_its_replica() {
    let mut scenario = per_request(&[0.0, 5.0], 1);
    scenario.functions[0].cold_demand = Some(always(3.0));
    assert_eq!(play(&scenario).ends(), [3000, 6000]);
    // A retry on the same, now warm replica takes the warm law again.
    scenario.workloads[0].arrivals = Arrivals::Trace(vec![at(0.0)]);
    scenario.edge.client_timeout = Some(secs(2.5));
    scenario.workloads[0].retries = Some(Retries { attempts: 2, backoff: no_jitter(1.0, 1.0, 1.0), codes: Vec::new() });
    assert_eq!(play(&scenario).story(), [(OK, 4500)]);
}

#[test]
fn without_keep_alive_each_call_starts_its_own() {
    let mut scenario = per_request(&[0.0, 0.2, 2.0], 5);
    scenario.functions[0].keep_alive = faas_lab_model::policies::KeepAlivePolicy::Fixed(secs(0.0));
    let played = play(&scenario);
    assert_eq!(played.story(), [(OK, 1000), (OK, 1200), (OK, 3000)]);
    assert_eq!(played.metric(faas_lab_model::metrics::result::REPLICA_STARTS), 3.0);
    // A replica that is busy from the start is not swept away before.
    scenario.functions[0].initial = vec![InitialReplica { count: 1, state: InitialState::Busy }];
    let played = play(&scenario);
    assert!((played.series("replicas", 0.0, 1000.0) - 4.0 / 1000.0).abs() < 1e-9);
}

#[test]
fn the_first_that_waits_is_the_first_to_be_bound() {
    // One start at a time: the second waits in the room; when the first replica is up, another start is for it, and the
    // third, which comes later, waits behind it.
    let mut scenario = per_request(&[0.0, 0.1, 2.1], 5);
    let function = &mut scenario.functions[0];
    function.demand.law = Distribution::Constant(10.0);
    function.cold_start.boot.law = always(2.0);
    function.scaling = Scaling::PerRequest(PerRequest { starts_at_once: Some(1), ..PerRequest::default() });
    function.waiting_room = Some(WaitingRoom { capacity: None, discipline: Discipline::Fifo });
    assert_eq!(play(&scenario).ends(), [12_000, 14_000, 16_000]);
}

#[test]
fn a_needless_start_is_cancelled() {
    use faas_lab_model::policies::provisioning::Binding;
    // M/M/k with setup: the second request starts a replica, waits, and is served by the first one when that is free.
    let mut scenario = per_request(&[0.0, 2.5], 5);
    let function = &mut scenario.functions[0];
    function.cold_start.boot.law = always(2.0);
    let binding = Binding::Room { cancel_surplus: true };
    function.scaling = Scaling::PerRequest(PerRequest { binding, ..PerRequest::default() });
    function.waiting_room = Some(WaitingRoom { capacity: None, discipline: Discipline::Fifo });
    function.keep_alive = faas_lab_model::policies::KeepAlivePolicy::Fixed(secs(0.0));
    let played = play(&scenario);
    assert_eq!(played.ends(), [3000, 4000]);
    // Lives: 0 … 4 s, and 2.5 … 3 s.
    assert!((played.series("replicas", 0.0, 1000.0) - 4.5 / 1000.0).abs() < 1e-9);
}

#[test]
fn the_log_names_the_replica_that_had_the_call() {
    // The first replica is gone when its answer is on its way, and its place is taken by the second.
    let mut scenario = per_request(&[0.0, 1.05], 5);
    scenario.functions[0].keep_alive = faas_lab_model::policies::KeepAlivePolicy::Fixed(secs(0.0));
    scenario.edge.rtt = always(0.2);
    let replicas: Vec<_> = play(&scenario).requests.iter().map(|request| request.replica).collect();
    assert_eq!(replicas, [Some(0), Some(1)]);
}

#[test]
fn an_idle_function_loses_its_fleet_and_a_used_one_only_idle_replicas() {
    use faas_lab_model::metrics::result::COLD_STARTS;
    use faas_lab_model::policies::KeepAlivePolicy;
    use faas_lab_model::policies::dispatch::IdleRouting;
    // Two at once, then one every 8 s: the second replica is idle for 30 s and goes, the first one stays.
    let mut arrivals = vec![0.0, 0.0];
    arrivals.extend((1..=6).map(|i| 8.0 * f64::from(i)));
    // At 40 s both are needed: the second has been gone since 31 s. At 48 s and after one is enough; then 11 s of nothing
    // and the function's own clock of 10 s ends both.
    arrivals.extend([40.5, 60.5]);
    arrivals.sort_by(f64::total_cmp);
    let mut scenario = per_request(&arrivals, 9);
    let function = &mut scenario.functions[0];
    function.scaling =
        Scaling::PerRequest(PerRequest { routing: IdleRouting::MostRecentlyUsed, ..PerRequest::default() });
    function.keep_alive = KeepAlivePolicy::Fleet { replica: always(30.0), function: always(10.0) };
    assert_eq!(play(&scenario).metric(COLD_STARTS), 4.0);
    // A longer clock of the function keeps it for the last request.
    scenario.functions[0].keep_alive = KeepAlivePolicy::Fleet { replica: always(30.0), function: always(20.0) };
    assert_eq!(play(&scenario).metric(COLD_STARTS), 3.0);
    // A longer clock of the replica keeps the second.
    scenario.functions[0].keep_alive = KeepAlivePolicy::Fleet { replica: always(50.0), function: always(20.0) };
    assert_eq!(play(&scenario).metric(COLD_STARTS), 2.0);
}
