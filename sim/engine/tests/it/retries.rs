//! What is tried again: by clients, and by the workers of the queue.

use faas_lab_model::metrics::result::{DEAD_LETTERS, DUPLICATES, OutcomeKind, QUEUE_DELAY_MEAN, RETRIES_PER_REQUEST};
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::*;
use faas_lab_model::units::{ByteRate, Bytes};

use crate::play::*;
use crate::support::{exponential, secs};

fn retries(attempts: u32, backoff: Backoff, codes: &[u16]) -> Option<Retries> {
    Some(Retries { attempts, backoff, codes: codes.to_vec() })
}

#[test]
fn clients_back_off_longer_each_time() {
    let mut scenario = replicas(stage(&[0.0], 1.0), 1);
    scenario.functions[0].replicas.initial = 0;
    scenario.workloads[0].retries = retries(5, no_jitter(1.0, 2.0, 3.0), &[503]);
    let played = play(&scenario);
    // 1 s, 2 s, 3 s (not 4 s), 3 s; refused at once each time.
    assert_eq!(played.story(), [(NOBODY_THERE, 9000)]);
    assert_eq!(played.requests[0].attempts, 5);
    assert_eq!(played.metric(RETRIES_PER_REQUEST), 4.0);
    scenario.workloads[0].retries = retries(5, no_jitter(1.0, 2.0, 3.0), &[429]);
    assert_eq!(play(&scenario).story(), [(NOBODY_THERE, 0)]);
}

#[test]
fn jitter_spreads_and_demand_stays() {
    // One worker and no queue: all but the first are refused, and come back until they find it free.
    let mut scenario = with_workers(stage(&[0.0; 8], 0.0), 1, Some(0));
    scenario.functions[0].demand.law = exponential(0.1);
    scenario.workloads[0].retries =
        retries(100, Backoff { jitter: Jitter::Full, ..no_jitter(10.0, 1.0, 10.0) }, &[429]);
    let played = play(&scenario);
    assert!(played.requests.iter().all(|request| request.ending == OK));
    let mut ends = played.ends();
    ends.dedup();
    assert_eq!(ends.len(), 8, "no two came back at one instant");
    let mut alone = stage(&[0.0; 8], 0.0);
    alone.functions[0].demand.law = exponential(0.1);
    let demands = |played: &Played| played.requests.iter().map(|request| request.service).collect::<Vec<_>>();
    assert_eq!(demands(&played), demands(&play(&alone)));
    // Equal jitter waits for half the delay at least.
    scenario.workloads[0].retries =
        retries(100, Backoff { jitter: Jitter::Equal, ..no_jitter(10.0, 1.0, 10.0) }, &[429]);
    let again = play(&scenario).requests.iter().filter(|request| request.attempts > 1).map(|r| r.ended).min();
    assert!(again > Some(at(5.0)));
}

#[test]
fn impatient_clients_make_a_retry_storm() {
    // One worker, one call a second of 0.9 s each: stable. A stall of ten calls at once makes every later call wait for
    // more than its client's 3 s; each comes back three times, and the worker only does work that nobody waits for.
    let arrivals: Vec<f64> = std::iter::repeat_n(0.5, 10).chain((1..200).map(f64::from)).collect();
    let mut scenario = with_workers(stage(&arrivals, 0.9), 1, None);
    scenario.edge.client_timeout = Some(secs(3.0));
    let calm = play(&scenario).metric("success_share");
    scenario.workloads[0].retries = retries(4, no_jitter(0.1, 1.0, 0.1), &[]);
    let storm = play(&scenario);
    assert!(storm.metric("success_share") < 0.1, "{} instead of {calm}", storm.metric("success_share"));
    assert!(storm.metric("wasted_cpu_share") > 0.9);
    assert!(storm.requests.iter().all(|request| request.ending == OK || request.attempts == 4));
}

/// Asynchronous calls of 1 s.
fn queued(arrivals: &[f64]) -> Scenario {
    let mut scenario = stage(arrivals, 1.0);
    scenario.workloads[0].invocation = Invocation::Async;
    scenario
}

#[test]
fn the_queue_is_first_in_first_out_with_a_limit() {
    let mut scenario = queued(&[0.0, 0.0, 0.0, 0.0, 0.0]);
    let played = play(&scenario);
    assert_eq!(played.ends(), [1000, 2000, 3000, 4000, 5000]);
    assert!((played.metric(QUEUE_DELAY_MEAN) - 3.0).abs() < 1e-9);
    (scenario.queue.workers, scenario.queue.max_inflight) = (1, 2);
    assert_eq!(play(&scenario).ends(), [1000, 1000, 2000, 2000, 3000]);
    (scenario.queue.workers, scenario.queue.max_inflight) = (2, 2);
    assert_eq!(play(&scenario).ends(), [1000, 1000, 1000, 1000, 2000]);
}

#[test]
fn commit_and_callback_take_their_time() {
    let mut scenario = queued(&[0.0, 0.0]);
    scenario.queue.commit = always(0.2);
    scenario.queue.callback = Some(always(0.5));
    // The worker is free again when its callback is made.
    assert_eq!(play(&scenario).ends(), [1700, 3200]);
}

#[test]
fn a_body_too_large_for_the_queue_gets_500() {
    let mut scenario = queued(&[0.0]);
    scenario.workloads[0].request = Bytes(256_001);
    scenario.queue.max_body = Some(Bytes(256_000));
    let too_large = Ending::new(OutcomeKind::Failed, Some(Hop::Queue), Some(500));
    assert_eq!(play(&scenario).story(), [(too_large, 0)]);
    scenario.workloads[0].request = Bytes(256_000);
    assert_eq!(play(&scenario).story(), [(OK, 1000)]);
}

#[test]
fn a_watchdog_does_not_see_how_slowly_a_queued_body_came() {
    let mut scenario = queued(&[0.0]);
    scenario.edge.bandwidth = Some(ByteRate(1000.0));
    scenario.workloads[0].request = Bytes(3000);
    scenario.functions[0].watchdog.read_timeout = Some(secs(1.0));
    assert_eq!(play(&scenario).story(), [(OK, 4000)]);
}

#[test]
fn a_late_acknowledgement_makes_a_duplicate() {
    let mut scenario = queued(&[0.0]);
    scenario.functions[0].demand.law = always(5.0);
    scenario.queue.workers = 3;
    scenario.queue.ack_wait = secs(2.0);
    let played = play(&scenario);
    // Delivered at 0 s, 2 s and 4 s; the first answer counts, at 5 s. Two answers more are for nothing.
    assert_eq!(played.story(), [(OK, 5000)]);
    assert_eq!(played.metric(DUPLICATES), 2.0);
    scenario.workloads[0].arrivals = Arrivals::Trace([0.0, 5.5].map(at).to_vec());
    scenario.queue.workers = 2;
    // The one duplicate runs until 7 s, the redelivery that waited for a worker at 5 s is dropped.
    assert_eq!(play(&scenario).ends(), [5000, 10_500]);
    scenario.queue.extends_ack = true;
    assert_eq!(play(&scenario).metric(DUPLICATES), 0.0);
}

#[test]
fn the_queue_tries_again_by_code_and_gives_up() {
    let mut scenario = queued(&[0.0]);
    scenario.functions[0].error_rate = 1.0;
    scenario.queue.attempts = 4;
    scenario.queue.backoff = no_jitter(10.0, 2.0, 30.0);
    scenario.queue.retry_codes = vec![429, 500];
    let failed = Ending::new(OutcomeKind::Failed, Some(Hop::Replica), Some(500));
    let played = play(&scenario);
    // 1 s each, with 10 s, 20 s and 30 s between.
    assert_eq!(played.story(), [(failed, 64_000)]);
    assert_eq!((played.metric(DEAD_LETTERS), played.requests[0].attempts), (1.0, 4));
    scenario.queue.retry_codes = vec![429];
    let played = play(&scenario);
    assert_eq!(played.story(), [(failed, 1000)]);
    assert_eq!(played.metric(DEAD_LETTERS), 0.0);
}

#[test]
fn retry_after_replaces_the_delay_but_not_below_the_first() {
    let mut scenario = queued(&[0.0, 0.5]);
    scenario.functions[0].watchdog.max_inflight = Some(1);
    scenario.queue.workers = 2;
    scenario.queue.attempts = 10;
    scenario.queue.retry_codes = vec![429];
    scenario.queue.backoff = no_jitter(2.0, 10.0, 100.0);
    scenario.queue.retry_after = Some(secs(3.0));
    assert_eq!(play(&scenario).ends(), [1000, 4500]);
    scenario.queue.retry_after = Some(secs(1.0));
    assert_eq!(play(&scenario).ends(), [1000, 3500]);
}

#[test]
fn a_worker_is_free_while_its_message_waits_for_another_try() {
    let mut scenario = queued(&[0.0, 0.1]);
    scenario.functions[0].watchdog.exec_timeout = Some(secs(2.0));
    scenario.functions[0].watchdog.mode = WatchdogMode::Classic;
    scenario.functions[0].demand.law = always(3.0);
    scenario.queue.attempts = 2;
    scenario.queue.retry_codes = vec![408];
    scenario.queue.backoff = no_jitter(10.0, 2.0, 30.0);
    let killed = timed_out(Hop::WatchdogExec, Some(408));
    // First tries until 2 s and 4 s, second ones from 12 s and 14 s on.
    assert_eq!(play(&scenario).story(), [(killed, 14_000), (killed, 16_000)]);
}

#[test]
fn a_long_queue_before_a_function_that_is_not_there_ends_at_once() {
    let mut scenario = queued(&vec![0.0; 50_000]);
    scenario.functions[0].replicas.initial = 0;
    scenario.queue.commit = always(1.0);
    scenario.queue.callback = Some(always(0.0));
    let played = play_with(&scenario, Seed(3));
    assert!(played.requests.iter().all(|request| request.ending == NOBODY_THERE && request.ended == at(1.0)));
}

#[test]
fn a_message_that_comes_back_is_still_the_same_message() {
    // The duplicate of 1 s is refused and is to come back at 11 s; the first delivery ends well at 1.5 s. The message's
    // place in the queue must not be given to the next one before 11 s.
    let mut scenario = queued(&[0.0, 3.0]);
    scenario.queue.workers = 2;
    scenario.queue.ack_wait = secs(1.0);
    scenario.queue.attempts = 3;
    scenario.queue.retry_codes = vec![429];
    scenario.queue.backoff = no_jitter(10.0, 2.0, 30.0);
    scenario.functions[0].demand.law = always(1.5);
    scenario.functions[0].watchdog.max_inflight = Some(1);
    let played = play(&scenario);
    assert_eq!(played.story(), [(OK, 1500), (OK, 4500)]);
    assert_eq!(played.record.functions[0].usage.calls, 2);
    // Nor is a duplicate's last failure the end of a message whose first delivery still runs.
    scenario.queue.attempts = 2;
    assert_eq!(play(&scenario).story(), [(OK, 1500), (OK, 4500)]);
}
