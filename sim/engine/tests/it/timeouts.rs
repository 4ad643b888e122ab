//! Each timeout at its own hop, with the effect it has there.

use faas_lab_model::metrics::Hop;
use faas_lab_model::metrics::result::WASTED_CPU_SHARE;
use faas_lab_model::scenario::*;
use faas_lab_model::units::{ByteRate, Bytes};

use crate::play::*;
use crate::support::secs;

fn watchdog(mode: WatchdogMode, exec: f64, arrivals: &[f64], service: f64) -> Scenario {
    let mut scenario = on_machines(stage(arrivals, service), 1, 1);
    scenario.functions[0].watchdog.mode = mode;
    scenario.functions[0].watchdog.exec_timeout = Some(secs(exec));
    scenario
}

#[test]
fn a_client_gives_up_while_its_work_goes_on() {
    // Alone on one core the second call would end at 6 s; the abandoned first one takes half of it until 5 s.
    let mut scenario = on_machines(stage(&[0.0, 1.5], 3.0), 1, 1);
    scenario.edge.client_timeout = Some(secs(4.0));
    let played = play(&scenario);
    // Each has 3 s of work: the first has done 1.5 s alone and is done at 4.5 s, half a second too late.
    assert_eq!(played.story(), [(timed_out(Hop::Client, None), 4000), (timed_out(Hop::Client, None), 5500)]);
    assert_eq!(played.metric(WASTED_CPU_SHARE), 1.0);
    scenario.edge.client_timeout = Some(secs(4.501));
    let played = play(&scenario);
    assert_eq!(played.story(), [(OK, 4500), (OK, 6000)]);
    assert_eq!(played.metric(WASTED_CPU_SHARE), 0.0);
}

#[test]
fn an_answer_on_its_way_is_too_late_for_a_client_that_has_given_up() {
    let mut scenario = stage(&[0.0], 1.0);
    scenario.edge.rtt = always(0.2);
    scenario.edge.client_timeout = Some(secs(1.15));
    let played = play(&scenario);
    assert_eq!(played.story(), [(timed_out(Hop::Client, None), 1150)]);
    assert_eq!(played.metric(WASTED_CPU_SHARE), 1.0);
}

#[test]
fn a_gateway_answers_502_at_its_upstream_deadline_while_the_function_works_on() {
    let mut scenario = with_workers(stage(&[0.0, 1.0], 5.0), 1, None);
    scenario.gateway.upstream_timeout = Some(secs(2.0));
    let late = timed_out(Hop::GatewayUpstream, Some(502));
    // The one worker is busy with both: the second call is still served, from 5 s on, for nobody.
    let played = play(&scenario);
    assert_eq!(played.story(), [(late, 2000), (late, 3000)]);
    assert_eq!(played.metric(WASTED_CPU_SHARE), 1.0);
    assert_eq!(played.record.functions[0].usage.calls, 2);
}

#[test]
fn the_shorter_of_gateway_and_provider_decides() {
    let mut scenario = stage(&[0.0], 5.0);
    scenario.gateway.upstream_timeout = Some(secs(4.0));
    scenario.gateway.provider_timeout = Some(secs(3.0));
    assert_eq!(play(&scenario).story(), [(timed_out(Hop::Provider, Some(502)), 3000)]);
    scenario.gateway.provider_timeout = Some(secs(4.5));
    assert_eq!(play(&scenario).story(), [(timed_out(Hop::GatewayUpstream, Some(502)), 4000)]);
}

#[test]
fn a_gateway_that_may_write_no_longer_closes_the_connection_at_the_end_of_the_call() {
    let mut scenario = stage(&[0.0], 5.0);
    scenario.gateway.write_timeout = Some(secs(2.0));
    let played = play(&scenario);
    assert_eq!(played.story(), [(timed_out(Hop::GatewayWrite, None), 5000)]);
    assert_eq!(played.metric(WASTED_CPU_SHARE), 1.0);
    // Its 502 cannot be written either.
    scenario.gateway.upstream_timeout = Some(secs(3.0));
    assert_eq!(play(&scenario).story(), [(timed_out(Hop::GatewayWrite, None), 3000)]);
}

#[test]
fn a_slow_upload_is_cut_by_whoever_reads_it() {
    let mut scenario = stage(&[0.0], 1.0);
    scenario.edge.bandwidth = Some(ByteRate(1000.0));
    scenario.workloads[0].request = Bytes(8000);
    assert_eq!(play(&scenario).story(), [(OK, 9000)]);
    scenario.functions[0].watchdog.read_timeout = Some(secs(5.0));
    assert_eq!(play(&scenario).story(), [(timed_out(Hop::WatchdogRead, Some(500)), 5000)]);
    scenario.gateway.read_timeout = Some(secs(3.0));
    assert_eq!(play(&scenario).story(), [(timed_out(Hop::GatewayRead, None), 3000)]);
}

#[test]
fn the_classic_watchdog_kills_and_says_408() {
    let scenario = watchdog(WatchdogMode::Classic, 2.0, &[0.0, 1.0], 1.6);
    // 1 s alone, then half the core: the first has 0.1 s left at its deadline. The second has 0.5 s done by then and is
    // alone from there on: it too has 0.1 s left at its own.
    let killed = timed_out(Hop::WatchdogExec, Some(408));
    assert_eq!(play(&scenario).story(), [(killed, 2000), (killed, 3000)]);
}

#[test]
fn a_kill_frees_the_core() {
    let scenario = watchdog(WatchdogMode::Serializing, 2.0, &[0.0, 1.0, 1.0], 1.2);
    // From 1 s on three share the core. 1 s + 0.6 s ends the first; the others have 0.2 s each at 1.6 s, 0.4 s at 2 s,
    // 1.2 s of work would be done at 3.6 s: they are killed at 3 s.
    let killed = timed_out(Hop::WatchdogExec, Some(500));
    let played = play(&scenario);
    assert_eq!(played.story(), [(OK, 1600), (killed, 3000), (killed, 3000)]);
    // 1.2 s useful; 0.2 + 0.7 s each for nothing.
    assert!((played.metric(WASTED_CPU_SHARE) - 1.8 / 3.0).abs() < 1e-6);
}

#[test]
fn an_http_watchdog_says_504_and_its_one_worker_stays_busy() {
    let scenario = with_workers(watchdog(WatchdogMode::Http, 2.0, &[0.0, 2.5], 4.0), 1, None);
    let late = timed_out(Hop::WatchdogExec, Some(504));
    // The worker is busy with the first until 4 s and with the second until 8 s, though nobody waits for either.
    let played = play(&scenario);
    assert_eq!(played.story(), [(late, 2000), (late, 4500)]);
    assert_eq!(played.record.functions[0].usage.busy_replica_secs, 8.0);
    assert_eq!(played.metric(WASTED_CPU_SHARE), 1.0);
}

/// Whoever has gone: the watchdog at its exec timeout, the gateway or the client.
#[test]
fn a_function_that_notices_stops_when_nobody_waits() {
    let mut scenario = with_workers(watchdog(WatchdogMode::Http, 2.0, &[0.0, 2.5], 4.0), 1, None);
    scenario.functions[0].cancellable = true;
    let gone = |scenario: &Scenario, hop, status| {
        let late = timed_out(hop, status);
        let played = play(scenario);
        assert_eq!(played.story(), [(late, 2000), (late, 4500)]);
        assert_eq!(played.record.functions[0].usage.busy_replica_secs, 4.0);
        assert_eq!(played.metric(WASTED_CPU_SHARE), 1.0);
    };
    gone(&scenario, Hop::WatchdogExec, Some(504));
    scenario.functions[0].watchdog.exec_timeout = None;
    scenario.edge.client_timeout = Some(secs(2.0));
    gone(&scenario, Hop::Client, None);
    // A process per call is told nothing: the second waits for it behind the one worker.
    scenario.functions[0].watchdog.mode = WatchdogMode::Classic;
    assert_eq!(play(&scenario).record.functions[0].usage.busy_replica_secs, 8.0);
}

#[test]
fn an_http_watchdog_no_longer_counts_what_it_has_given_up() {
    let mut scenario = watchdog(WatchdogMode::Http, 2.0, &[0.0, 1.0, 2.5], 1.9);
    scenario.functions[0].watchdog.max_inflight = Some(1);
    scenario.functions[0].wait = always(3.0);
    let late = timed_out(Hop::WatchdogExec, Some(504));
    assert_eq!(play(&scenario).story(), [(late, 2000), (TOO_MANY, 1000), (late, 4500)]);
}

#[test]
fn a_streaming_watchdog_cuts_a_200() {
    let scenario = watchdog(WatchdogMode::Streaming, 2.0, &[0.0], 4.0);
    assert_eq!(play(&scenario).story(), [(truncated(Hop::WatchdogExec), 2000)]);
}

#[test]
fn no_exec_timeout_runs_while_a_replica_still_starts() {
    let mut scenario = crate::support::per_request(1.0, 1.0, 1.0, 60.0, 1, 100.0);
    scenario.workloads[0].arrivals = Arrivals::Trace(vec![at(0.0)]);
    let function = &mut scenario.functions[0];
    (function.demand.law, function.cold_demand) = (always(1.0), None);
    function.cold_start.boot.law = always(5.0);
    function.watchdog.exec_timeout = Some(secs(3.0));
    assert_eq!(play(&scenario).story(), [(OK, 6000)]);
}

#[test]
fn a_watchdog_that_may_write_no_longer_makes_it_a_502_at_the_end() {
    for mode in [WatchdogMode::Classic, WatchdogMode::Http, WatchdogMode::Serializing, WatchdogMode::Streaming] {
        let mut scenario = watchdog(mode, 10.0, &[0.0], 4.0);
        scenario.functions[0].watchdog.write_timeout = Some(secs(2.0));
        let late = timed_out(Hop::WatchdogWrite, Some(502));
        let played = play(&scenario);
        assert_eq!(played.story(), [(late, 4000)], "{mode:?}");
        assert_eq!(played.metric(WASTED_CPU_SHARE), 1.0);
        // What it has to say about its exec timeout cannot be written either.
        scenario.functions[0].watchdog.exec_timeout = Some(secs(3.0));
        assert_eq!(play(&scenario).story(), [(late, 3000)], "{mode:?}");
    }
}

#[test]
fn at_one_instant_the_deadline_wins() {
    let on_time = |change: fn(&mut Scenario)| {
        let mut scenario = stage(&[0.0], 2.0);
        change(&mut scenario);
        play(&scenario).story()[0].0
    };
    // Timers were set before the answer was on its way …
    assert_eq!(on_time(|s| s.edge.client_timeout = Some(secs(2.0))), timed_out(Hop::Client, None));
    assert_eq!(on_time(|s| s.gateway.upstream_timeout = Some(secs(2.0))), timed_out(Hop::GatewayUpstream, Some(502)));
    assert_eq!(
        on_time(|s| s.functions[0].watchdog.exec_timeout = Some(secs(2.0))),
        timed_out(Hop::WatchdogExec, Some(504))
    );
    // … while a write deadline is looked at when something is written, and then has not passed.
    assert_eq!(on_time(|s| s.gateway.write_timeout = Some(secs(2.0))), OK);
    assert_eq!(on_time(|s| s.functions[0].watchdog.write_timeout = Some(secs(2.0))), OK);
    // The client's timer was set first of all.
    let both = |s: &mut Scenario| {
        s.edge.client_timeout = Some(secs(1.0));
        s.gateway.upstream_timeout = Some(secs(1.0));
        s.functions[0].watchdog.exec_timeout = Some(secs(1.0));
    };
    assert_eq!(on_time(both), timed_out(Hop::Client, None));
}

/// The course book's function on a Raspberry Pi 4: ten thousand numbers, one each 3.3 ms.
fn printr() -> Scenario {
    let mut scenario = stage(&[0.0], 0.0);
    let function = &mut scenario.functions[0];
    function.watchdog.mode = WatchdogMode::Streaming;
    function.stream = Some(StreamBody {
        items: 10_000,
        period: secs(0.0033),
        item: StreamItem::Number,
        buffering: Buffering::Go { header: 124 },
    });
    scenario
}

#[test]
fn printr_is_cut_where_the_pi_cut_it() {
    let mut scenario = printr();
    let watchdog = &mut scenario.functions[0].watchdog;
    (watchdog.write_timeout, watchdog.exec_timeout) = (Some(secs(10.0)), Some(secs(10.0)));
    let played = play(&scenario);
    assert_eq!(played.story(), [(truncated(Hop::WatchdogWrite), 10_000)]);
    assert_eq!(played.requests[0].body_bytes, 12_124);
    // Without the kill the broken connection is noticed at the next block: line 3499, at 11.5467 s.
    scenario.functions[0].watchdog.exec_timeout = None;
    let played = play(&scenario);
    assert_eq!(played.story(), [(truncated(Hop::WatchdogWrite), 11_547)]);
    assert_eq!(played.requests[0].body_bytes, 12_124);
}

#[test]
fn printr_is_complete_within_a_minute() {
    let mut scenario = printr();
    let watchdog = &mut scenario.functions[0].watchdog;
    (watchdog.write_timeout, watchdog.exec_timeout) = (Some(secs(60.0)), Some(secs(60.0)));
    let played = play(&scenario);
    assert_eq!(played.story(), [(OK, 33_000)]);
    assert_eq!(played.requests[0].body_bytes, 48_894);
}

#[test]
fn a_stream_killed_in_time_holds_nothing_back() {
    let mut scenario = printr();
    scenario.functions[0].watchdog.exec_timeout = Some(secs(0.33));
    let played = play(&scenario);
    assert_eq!(played.story(), [(truncated(Hop::WatchdogExec), 330)]);
    // 1 to 100, with their newlines: 9·2 + 90·3 + 4.
    assert_eq!(played.requests[0].body_bytes, 292);
}

#[test]
fn a_gateway_cuts_a_stream_at_its_next_block() {
    let mut scenario = printr();
    scenario.gateway.write_timeout = Some(secs(10.0));
    let played = play(&scenario);
    assert_eq!(played.story(), [(truncated(Hop::GatewayWrite), 11_547)]);
    assert_eq!(played.requests[0].body_bytes, 12_124);
    // A stream that begins after the deadline never reaches the client.
    scenario.functions[0].demand.law = always(11.0);
    assert_eq!(play(&scenario).story(), [(timed_out(Hop::GatewayWrite, None), 44_000)]);
}

#[test]
fn an_upstream_deadline_leaves_the_client_what_has_passed() {
    let mut scenario = printr();
    scenario.gateway.upstream_timeout = Some(secs(10.0));
    let played = play(&scenario);
    assert_eq!(played.story(), [(truncated(Hop::GatewayUpstream), 10_000)]);
    assert_eq!(played.requests[0].body_bytes, 12_124);
    // Before the first block has passed it is a plain 502.
    scenario.gateway.upstream_timeout = Some(secs(1.0));
    assert_eq!(play(&scenario).story(), [(timed_out(Hop::GatewayUpstream, Some(502)), 1000)]);
}
