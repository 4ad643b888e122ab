//! Order, bounds, retries, dead letters and restarts of the embedded queue, under paused time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use faas_lab_queue::{
    Backoff, EmbeddedOptions, EmbeddedQueue, FunctionSettings, Queue, QueueError, RetryPolicy, RunOptions, Settings,
};
use tokio_util::sync::CancellationToken;

use crate::support::{Function, answer, eventually, invocation, policy, with_policy};

const SECOND: Duration = Duration::from_secs(1);

/// Runs the queue until something holds.
async fn run_until(
    queue: &EmbeddedQueue,
    function: &Arc<Function>,
    options: RunOptions,
    what: &str,
    holds: impl FnMut() -> bool,
) {
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (queue, function, shutdown) = (queue.clone(), function.clone(), shutdown.clone());
        async move { queue.run(function, options, shutdown).await }
    });
    eventually(what, holds).await;
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_invocation_arrives_as_it_was_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let queue = EmbeddedQueue::open(folder.path().join("queue"), EmbeddedOptions::default()).await.unwrap();
    let mut sent = invocation("f.ns", "call-1");
    sent.method = http::Method::PUT;
    sent.path = "/a%2Fb".to_owned();
    sent.query = "x=1&y".to_owned();
    sent.headers.append("x-twice", "1".parse().unwrap());
    sent.headers.append("x-twice", http::HeaderValue::from_bytes(b"\xff2").unwrap());
    sent.callback = Some("http://127.0.0.1:1/".to_owned());
    let expected = format!("{sent:?}");
    queue.push(sent).await.unwrap();
    assert_eq!(queue.depth("f.ns"), 1);
    // Over a restart too.
    queue.close().await;
    let queue = EmbeddedQueue::open(folder.path().join("queue"), EmbeddedOptions::default()).await.unwrap();
    assert_eq!(queue.depth("f.ns"), 1);
    let function = Function::new(SECOND, move |got, attempt| {
        assert_eq!((format!("{got:?}"), attempt), (expected.clone(), 1));
        answer(200)
    });
    run_until(&queue, &function, RunOptions::default(), "the delivery", || queue.metrics().delivered == 1).await;
    assert_eq!((queue.depth("f.ns"), function.calls().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn waits_double_up_to_the_longest_and_the_last_answer_buries() {
    let folder = tempfile::tempdir().unwrap();
    let options = with_policy(policy(6, 10 * SECOND, 60 * SECOND));
    let queue = EmbeddedQueue::open(folder.path().join("queue"), options).await.unwrap();
    queue.push(invocation("f.ns", "call-1")).await.unwrap();
    let function = Function::new(Duration::ZERO, |_, _| answer(502));
    run_until(&queue, &function, RunOptions::default(), "its death", || queue.metrics().dead == 1).await;
    let calls = function.calls();
    let waits: Vec<f64> = calls.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect();
    for (wait, expected) in waits.iter().zip([10.0, 20.0, 40.0, 60.0, 60.0]) {
        assert!((expected..expected + 1.0).contains(wait), "{waits:?}");
    }
    assert_eq!(calls.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let metrics = queue.metrics();
    assert_eq!((metrics.retried, metrics.delivered, metrics.depth.len()), (5, 0, 0));
    let [dead] = &queue.dead_letters().await.unwrap()[..] else { panic!("one has died") };
    assert_eq!((dead.call_id.as_str(), dead.attempts, dead.last_status.unwrap().as_u16()), ("call-1", 6, 502));
    assert_eq!(dead.reason, "6 attempts, the last answered with 502 by the function");
}

#[tokio::test(start_paused = true)]
async fn attempts_and_due_times_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = with_policy(policy(10, 100 * SECOND, 100 * SECOND));
    let queue = EmbeddedQueue::open(folder.path().join("queue"), options.clone()).await.unwrap();
    queue.push(invocation("f.ns", "call-1")).await.unwrap();
    let function = Function::new(Duration::ZERO, |_, attempt| answer(if attempt < 3 { 429 } else { 200 }));
    run_until(&queue, &function, RunOptions::default(), "two attempts", || queue.metrics().retried == 2).await;
    queue.close().await;
    let reopened = tokio::time::Instant::now();
    let queue = EmbeddedQueue::open(folder.path().join("queue"), options).await.unwrap();
    run_until(&queue, &function, RunOptions::default(), "the third", || queue.metrics().delivered == 1).await;
    assert_eq!(function.calls()[2].attempt, 3);
    // The wall clock stands still while tokio's is paused and starts anew with each opening, so that the rest of the
    // wait can be longer than what was left, but never shorter.
    assert!(function.calls()[2].at - reopened >= 99 * SECOND);
    assert_eq!(queue.metrics().redelivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_comes_back_with_all_its_attempts_or_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let options = with_policy(policy(2, SECOND, SECOND));
    let queue = EmbeddedQueue::open(folder.path().join("queue"), options.clone()).await.unwrap();
    for call in ["a", "b", "c"] {
        queue.push(invocation("f.ns", call)).await.unwrap();
    }
    let function = Function::new(Duration::ZERO, |_, _| answer(500));
    run_until(&queue, &function, RunOptions::default(), "three deaths", || queue.metrics().dead == 3).await;
    queue.close().await;
    let queue = EmbeddedQueue::open(folder.path().join("queue"), options).await.unwrap();
    assert!(queue.requeue("b").await.unwrap());
    assert!(!queue.requeue("b").await.unwrap());
    assert!(queue.purge("a").await.unwrap());
    assert_eq!((queue.metrics().dead, queue.depth("f.ns")), (1, 1));
    let function = Function::new(Duration::ZERO, |_, attempt| answer(if attempt == 1 { 500 } else { 200 }));
    run_until(&queue, &function, RunOptions::default(), "b's delivery", || queue.metrics().delivered == 1).await;
    assert_eq!(function.calls().len(), 2);
    assert_eq!(queue.purge_all().await.unwrap(), 1);
    assert_eq!((queue.metrics().dead, queue.metrics().purged), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_bounded_by_count_and_age() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        EmbeddedOptions { max_dead: 2, max_dead_age: 3600 * SECOND, ..with_policy(policy(1, SECOND, SECOND)) };
    let queue = EmbeddedQueue::open(folder.path().join("queue"), options).await.unwrap();
    for call in ["a", "b", "c"] {
        queue.push(invocation("f.ns", call)).await.unwrap();
    }
    let function = Function::new(Duration::ZERO, |_, _| answer(500));
    let one = RunOptions { max_inflight: 1, ..RunOptions::default() };
    run_until(&queue, &function, one.clone(), "the first to go", || queue.metrics().purged == 1).await;
    let left: Vec<String> = queue.dead_letters().await.unwrap().into_iter().map(|dead| dead.call_id).collect();
    assert_eq!(left, ["b", "c"]);
    let function = Function::new(Duration::ZERO, |_, _| answer(200));
    run_until(&queue, &function, one, "the others to go", || queue.metrics().purged == 3).await;
}

#[tokio::test(start_paused = true)]
async fn functions_and_named_queues_have_their_own_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(|function| {
        let mut settings = FunctionSettings::default();
        match function {
            "slow.ns" => settings.queue = "slow".to_owned(),
            "one.ns" => settings.max_inflight = Some(1),
            _ => {}
        }
        Arc::new(settings)
    });
    let options = EmbeddedOptions { settings, ..EmbeddedOptions::default() };
    let queue = EmbeddedQueue::open(folder.path().join("queue"), options).await.unwrap();
    for n in 0..10 {
        for function in ["slow.ns", "one.ns", "other.ns"] {
            queue.push(invocation(function, &format!("{function}-{n}"))).await.unwrap();
        }
    }
    let function = Function::new(SECOND, |_, _| answer(200));
    let run = RunOptions {
        max_inflight: 4,
        queues: BTreeMap::from([("slow".to_owned(), 2)]),
        max_inflight_per_function: 3,
        ..RunOptions::default()
    };
    run_until(&queue, &function, run, "thirty deliveries", || queue.metrics().delivered == 30).await;
    assert_eq!(["slow.ns", "one.ns", "other.ns"].map(|name| function.peak(name)), [2, 1, 3]);
    // Oldest first.
    let order: Vec<_> = function.calls().into_iter().filter(|call| call.call_id.starts_with("one")).collect();
    assert!(order.windows(2).all(|pair| pair[0].call_id < pair[1].call_id));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_says_how_many_wait() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { max_waiting: 2, max_bytes: 400, ..EmbeddedOptions::default() };
    let queue = EmbeddedQueue::open(folder.path().join("queue"), options).await.unwrap();
    let mut large = invocation("f.ns", "large");
    large.body = vec![0; 500].into();
    assert!(matches!(queue.push(large).await, Err(QueueError::TooLarge { bound: 400, .. })));
    queue.push(invocation("f.ns", "a")).await.unwrap();
    queue.push(invocation("f.ns", "b")).await.unwrap();
    let error = queue.push(invocation("f.ns", "c")).await.unwrap_err();
    assert!(matches!(error, QueueError::Full(2)), "{error}");
    assert!(queue.cancel("a").await.unwrap());
    queue.push(invocation("f.ns", "c")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn only_what_waits_can_be_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let queue = EmbeddedQueue::open(folder.path().join("queue"), EmbeddedOptions::default()).await.unwrap();
    queue.push(invocation("f.ns", "a")).await.unwrap();
    queue.push(invocation("f.ns", "b")).await.unwrap();
    assert!(queue.cancel("b").await.unwrap());
    assert!(!queue.cancel("b").await.unwrap());
    let function = Function::new(SECOND, |_, _| answer(200));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (queue, function, shutdown) = (queue.clone(), function.clone(), shutdown.clone());
        async move { queue.run(function, RunOptions::default(), shutdown).await }
    });
    eventually("the delivery of a", || function.calls().len() == 1).await;
    assert!(!queue.cancel("a").await.unwrap());
    eventually("the end of a", || queue.metrics().delivered == 1).await;
    assert_eq!((queue.metrics().cancelled, function.calls().len()), (1, 1));
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_deliveries_and_gives_back_what_takes_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let queue = EmbeddedQueue::open(folder.path().join("queue"), EmbeddedOptions::default()).await.unwrap();
    queue.push(invocation("f.ns", "a")).await.unwrap();
    let slow = Function::new(100 * SECOND, |_, _| answer(200));
    let run = RunOptions { drain: 10 * SECOND, ..RunOptions::default() };
    run_until(&queue, &slow, run.clone(), "its start", || slow.calls().len() == 1).await;
    assert_eq!((queue.depth("f.ns"), queue.metrics().delivered), (1, 0));
    // 10 s are enough for this one.
    let quick = Function::new(5 * SECOND, |_, _| answer(200));
    run_until(&queue, &quick, run, "its start", || quick.calls().len() == 1).await;
    assert_eq!((queue.metrics().delivered, queue.metrics().redelivered), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_invoker_that_panics_is_an_internal_error() {
    let folder = tempfile::tempdir().unwrap();
    let queue = EmbeddedQueue::open(folder.path().join("queue"), with_policy(policy(2, SECOND, SECOND))).await.unwrap();
    queue.push(invocation("f.ns", "a")).await.unwrap();
    let function = Function::new(SECOND, |_, _| panic!("on purpose"));
    run_until(&queue, &function, RunOptions::default(), "its death", || queue.metrics().dead == 1).await;
    assert_eq!(function.calls().len(), 2);
    assert!(queue.dead_letters().await.unwrap()[0].reason.ends_with("500 by the platform"));
}

#[test]
fn jitter_stays_within_its_bounds_and_retry_after_within_its_own() {
    let now = std::time::SystemTime::UNIX_EPOCH + 1_000_000 * SECOND;
    let mut policy = RetryPolicy { backoff: Backoff::FullJitter, ..RetryPolicy::default() };
    let wait = |policy: &RetryPolicy, attempt, draw| policy.wait(attempt, &answer(502), now, draw).as_secs_f64();
    assert_eq!([0.0, 0.25, 1.0].map(|draw| wait(&policy, 2, draw)), [0.0, 5.0, 20.0]);
    policy.backoff = Backoff::EqualJitter;
    assert_eq!([0.0, 0.5, 1.0].map(|draw| wait(&policy, 2, draw)), [10.0, 15.0, 20.0]);
    policy.backoff = Backoff::Exponential;
    assert_eq!([1, 4, 5, u32::MAX].map(|attempt| wait(&policy, attempt, 0.5)), [10.0, 80.0, 120.0, 120.0]);

    let asks = |status, value: &str| {
        let mut answer = answer(status);
        answer.headers.insert("retry-after", value.parse().unwrap());
        policy.wait(1, &answer, now, 0.5).as_secs()
    };
    let date = |ahead: u64| httpdate::fmt_http_date(now + Duration::from_secs(ahead));
    assert_eq!(asks(429, "300"), 300);
    assert_eq!(asks(503, "3"), 10, "no sooner than min_wait");
    assert_eq!(asks(503, &date(77)), 77);
    assert_eq!(asks(503, "Thu, 01 Jan 1970 00:00:00 GMT"), 10, "a date that has passed");
    assert_eq!(asks(429, "18446744073709551615"), 86400, "no later than a day");
    assert_eq!([asks(429, "-1"), asks(429, "soon"), asks(502, "300")], [10, 10, 10]);
}

#[test]
fn annotations_set_the_policy_and_bad_ones_are_named() {
    let annotations = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let (settings, problems) = FunctionSettings::from_annotations(
        &annotations(&[
            ("com.openfaas.retry.attempts", "30"),
            ("com.openfaas.retry.codes", "429, 503"),
            ("com.openfaas.retry.min_wait", "5s"),
            ("com.openfaas.retry.max_wait", "1m30s"),
            ("com.faas-lab.retry.backoff", "equal"),
            ("com.openfaas.queue", "slow"),
            ("com.faas-lab.queue.max-inflight", "3"),
        ]),
        &FunctionSettings::default(),
    );
    assert_eq!(problems, [""; 0]);
    let retry = RetryPolicy {
        attempts: 30,
        codes: [429, 503].into(),
        min_wait: 5 * SECOND,
        max_wait: 90 * SECOND,
        backoff: Backoff::EqualJitter,
    };
    assert_eq!(settings, FunctionSettings { queue: "slow".to_owned(), max_inflight: Some(3), retry });

    let (settings, problems) = FunctionSettings::from_annotations(
        &annotations(&[
            ("com.openfaas.retry.attempts", "many"),
            ("com.openfaas.retry.codes", "429,"),
            ("com.openfaas.retry.min_wait", "5 s"),
            ("com.openfaas.retry.max_wait", "-1m"),
            ("com.openfaas.queue", "a.b"),
            ("com.faas-lab.queue.max-inflight", "0"),
        ]),
        &FunctionSettings::default(),
    );
    assert_eq!(settings, FunctionSettings::default());
    assert_eq!(problems.len(), 6, "{problems:?}");
    assert_eq!(problems[0], "com.openfaas.retry.attempts: `many` is ignored: write a whole number, such as 10");
}
