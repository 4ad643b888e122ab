//! Answers posted back over real sockets.

use std::sync::Arc;
use std::time::Duration;

use faas_lab_queue::{CallbackOptions, EmbeddedOptions, EmbeddedQueue, Queue, RunOptions};
use tokio_util::sync::CancellationToken;

use crate::support::{Function, Receiver, answer, eventually, invocation, policy, with_policy};

fn quick() -> RunOptions {
    let callbacks = CallbackOptions {
        wait: Duration::from_millis(10),
        timeout: Duration::from_secs(5),
        max_answer_bytes: 1000,
        ..CallbackOptions::default()
    };
    RunOptions { callbacks, ..RunOptions::default() }
}

/// Delivers everything that waits.
async fn drain(queue: &EmbeddedQueue, function: Arc<Function>) {
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (queue, shutdown) = (queue.clone(), shutdown.clone());
        async move { queue.run(function, quick(), shutdown).await }
    });
    eventually("an empty queue", || queue.metrics().oldest_age.is_none()).await;
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn the_receiver_gets_the_functions_answer_and_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| "202 Accepted").await;
    let queue = EmbeddedQueue::open(folder.path().join("queue"), EmbeddedOptions::default()).await.unwrap();
    let mut call = invocation("f.ns", "call-1");
    call.callback = Some(receiver.url.clone());
    queue.push(call).await.unwrap();
    let function = Function::new(Duration::ZERO, |_, _| {
        let mut answer = answer(201);
        answer.headers.insert("content-type", "image/jpeg".parse().unwrap());
        answer.headers.insert("transfer-encoding", "chunked".parse().unwrap());
        answer
    });
    drain(&queue, function).await;
    let [got] = &receiver.received()[..] else { panic!("one callback") };
    assert!(got.head.starts_with("POST /callback HTTP/1.1\r\n"), "{}", got.head);
    assert_eq!(got.body, b"done");
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("content-length", "4"),
        ("x-call-id", "call-1"),
        ("x-function-name", "f.ns"),
        ("x-function-status", "201"),
        ("x-duration-seconds", "1.500000"),
        ("x-retry", "0"),
        ("x-retry-max", "10"),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    assert!(got.header("x-start-time").unwrap().parse::<u64>().unwrap() > 1_600_000_000_000_000_000);
    assert_eq!(got.header("transfer-encoding"), None);
    assert_eq!((queue.metrics().callbacks_ok, queue.metrics().callbacks_failed), (1, 0));
}

#[tokio::test]
async fn a_failing_receiver_is_tried_again_and_a_failed_one_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let patient = Receiver::start(|n| if n < 2 { "503 Service Unavailable" } else { "200 OK" }).await;
    let refusing = Receiver::start(|_| "404 Not Found").await;
    let moved = Receiver::start(|_| "307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/").await;
    let queue = EmbeddedQueue::open(folder.path().join("queue"), EmbeddedOptions::default()).await.unwrap();
    let nowhere = "http://127.0.0.1:1/".to_owned();
    for (call_id, url) in [
        ("patient", patient.url.clone()),
        ("refusing", refusing.url.clone()),
        ("moved", moved.url.clone()),
        ("nowhere", nowhere),
        ("no url", "::".to_owned()),
    ] {
        let mut call = invocation("f.ns", call_id);
        call.callback = Some(url);
        queue.push(call).await.unwrap();
    }
    drain(&queue, Function::new(Duration::ZERO, |_, _| answer(200))).await;
    assert_eq!([&patient, &refusing, &moved].map(|receiver| receiver.received().len()), [3, 1, 1]);
    let metrics = queue.metrics();
    assert_eq!((metrics.delivered, metrics.callbacks_ok, metrics.callbacks_failed), (5, 1, 4));
}

#[tokio::test]
async fn the_last_of_all_attempts_is_posted_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| "200 OK").await;
    let short = Duration::from_millis(5);
    let queue = EmbeddedQueue::open(folder.path().join("queue"), with_policy(policy(3, short, short))).await.unwrap();
    let mut call = invocation("f.ns", "call-1");
    call.callback = Some(receiver.url.clone());
    queue.push(call).await.unwrap();
    drain(&queue, Function::new(Duration::ZERO, |_, _| answer(504))).await;
    let [got] = &receiver.received()[..] else { panic!("one callback") };
    let headers = ["x-function-status", "x-retry", "x-retry-max"].map(|name| got.header(name).unwrap());
    assert_eq!(headers, ["504", "2", "3"]);
    assert_eq!(queue.metrics().dead, 1);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_replaced_by_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| "200 OK").await;
    let queue = EmbeddedQueue::open(folder.path().join("queue"), EmbeddedOptions::default()).await.unwrap();
    let mut call = invocation("f.ns", "call-1");
    call.callback = Some(receiver.url.clone());
    queue.push(call).await.unwrap();
    let function = Function::new(Duration::ZERO, |_, _| {
        let mut answer = answer(200);
        answer.body = vec![0; 1001].into();
        answer
    });
    drain(&queue, function).await;
    let [got] = &receiver.received()[..] else { panic!("one callback") };
    assert_eq!(got.body, b"the answer has 1001 bytes, and callbacks take 1000 at most\n");
    assert_eq!((got.header("x-function-status"), got.header("x-openfaas-internal")), (Some("502"), Some("queue")));
}
