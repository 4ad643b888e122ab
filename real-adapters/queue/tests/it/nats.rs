//! The queue kept by a real NATS server, and what becomes of it when that server is killed.
//!
//! Where `nats-server` is not installed these tests say so and pass.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use faas_lab_queue::{FunctionSettings, JetStreamOptions, JetStreamQueue, Queue, QueueError, RunOptions, Settings};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Function, Receiver, answer, eventually, invocation, policy};

/// A NATS server with JetStream that can be killed and started again.
struct Server {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Server {
    /// `None`, and a word about it, where there is no such program.
    async fn start() -> Option<Server> {
        if Command::new("nats-server").arg("-v").stdout(Stdio::null()).status().is_err() {
            println!("skipped: nats-server is not installed");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Server { port, folder: tempfile::tempdir().unwrap(), process: None };
        server.up().await;
        Some(server)
    }

    async fn up(&mut self) {
        let log = PathBuf::from(self.folder.path()).join("log");
        self.process = Some(
            Command::new("nats-server")
                .args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string(), "-sd"])
                .arg(self.folder.path().join("store"))
                .arg("-l")
                .arg(log)
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let port = self.port;
        eventually("the NATS server", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    }

    /// `kill -9`.
    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    async fn queue(&self, options: JetStreamOptions) -> JetStreamQueue {
        JetStreamQueue::connect(&self.url(), options).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn run(queue: &JetStreamQueue, function: &Arc<Function>, options: RunOptions) -> Running {
    let shutdown = CancellationToken::new();
    let task = tokio::spawn({
        let (queue, function, shutdown) = (queue.clone(), function.clone(), shutdown.clone());
        async move { queue.run(function, options, shutdown).await }
    });
    Running { shutdown, task }
}

impl Running {
    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

/// Retries that come at once, nearly.
fn hasty(attempts: u32) -> JetStreamOptions {
    let short = Duration::from_millis(20);
    let retry = policy(attempts, short, short);
    let settings = Settings::same(FunctionSettings { retry, ..FunctionSettings::default() });
    JetStreamOptions { settings, ..JetStreamOptions::default() }
}

#[tokio::test]
async fn invocations_come_as_pushed_are_retried_and_buried_and_come_back() {
    let Some(server) = Server::start().await else { return };
    let receiver = Receiver::start(|_| "200 OK").await;
    let queue = server.queue(hasty(3)).await;
    let mut good = invocation("good.ns", "good-1");
    good.query = "a=b".to_owned();
    good.callback = Some(receiver.url.clone());
    let expected = format!("{good:?}");
    queue.push(good).await.unwrap();
    queue.push(invocation("bad.ns", "bad-1")).await.unwrap();
    assert_eq!((queue.depth("good.ns"), queue.depth("bad.ns"), queue.depth("other.ns")), (1, 1, 0));

    let function = Function::new(Duration::ZERO, move |call, attempt| {
        if call.function == "good.ns" {
            assert_eq!(format!("{call:?}"), expected);
        }
        answer(if call.function == "good.ns" && attempt == 2 { 200 } else { 500 })
    });
    let running = run(&queue, &function, RunOptions::default());
    eventually("one delivery and one death", || {
        let metrics = queue.metrics();
        (metrics.delivered, metrics.dead) == (1, 1)
    })
    .await;
    let metrics = queue.metrics();
    assert_eq!((metrics.accepted, metrics.retried, metrics.redelivered), (2, 3, 0));
    assert_eq!(receiver.received()[0].header("x-retry"), Some("1"));
    let [dead] = &queue.dead_letters().await.unwrap()[..] else { panic!("one has died") };
    assert_eq!((dead.call_id.as_str(), dead.function.as_str(), dead.attempts), ("bad-1", "bad.ns", 3));
    assert_eq!(dead.last_status.unwrap().as_u16(), 500);
    assert_eq!(dead.reason, "3 attempts, the last answered with 500 by the function");

    assert!(queue.requeue("bad-1").await.unwrap());
    eventually("three more attempts", || function.calls().len() == 8).await;
    eventually("its second death", || queue.metrics().dead == 1).await;
    assert!(queue.purge("bad-1").await.unwrap());
    assert!(!queue.purge("bad-1").await.unwrap());
    running.stop().await;
}

#[tokio::test]
async fn long_deliveries_are_prolonged_and_what_was_cut_off_comes_again() {
    let Some(server) = Server::start().await else { return };
    let options = JetStreamOptions { ack_wait: Duration::from_secs(1), ..JetStreamOptions::default() };
    let queue = server.queue(options.clone()).await;
    queue.push(invocation("f.ns", "a")).await.unwrap();
    let slow = Function::new(Duration::from_secs(3), |_, _| answer(200));
    let running = run(&queue, &slow, RunOptions::default());
    eventually("the delivery", || queue.metrics().delivered == 1).await;
    assert_eq!((slow.calls().len(), queue.metrics().redelivered), (1, 0));
    running.stop().await;

    // Cut off by a shutdown that does not wait, it comes again to the next process, and is counted.
    queue.push(invocation("f.ns", "b")).await.unwrap();
    let running = run(&queue, &slow, RunOptions { drain: Duration::ZERO, ..RunOptions::default() });
    eventually("its start", || slow.calls().len() == 2).await;
    running.stop().await;
    let queue = server.queue(options).await;
    let quick = Function::new(Duration::ZERO, |_, _| answer(200));
    let running = run(&queue, &quick, RunOptions::default());
    eventually("the second delivery", || queue.metrics().delivered == 1).await;
    assert_eq!(quick.calls()[0].call_id, "b");
    assert_eq!((quick.calls()[0].attempt, queue.metrics().redelivered), (2, 1));
    running.stop().await;
}

#[tokio::test]
async fn bounds_are_kept_and_what_waits_can_be_taken_back() {
    let Some(server) = Server::start().await else { return };
    let queue = server.queue(JetStreamOptions { max_waiting: 2, ..JetStreamOptions::default() }).await;
    let mut large = invocation("f.ns", "large");
    large.body = vec![0; 2 << 20].into();
    assert!(matches!(queue.push(large).await, Err(QueueError::TooLarge { bound: 1_048_576, .. })));
    queue.push(invocation("f.ns", "a")).await.unwrap();
    queue.push(invocation("f.ns", "b")).await.unwrap();
    let error = queue.push(invocation("f.ns", "c")).await.unwrap_err();
    assert!(matches!(error, QueueError::Full(2)), "{error}");
    assert!(queue.cancel("a").await.unwrap());
    assert!(!queue.cancel("a").await.unwrap());
    let function = Function::new(Duration::ZERO, |_, _| answer(200));
    let running = run(&queue, &function, RunOptions::default());
    eventually("the delivery of b", || queue.metrics().delivered == 1).await;
    assert!(!queue.cancel("b").await.unwrap());
    assert_eq!(function.calls().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_clear_error() {
    let Err(error) = JetStreamQueue::connect("nats://127.0.0.1:1", JetStreamOptions::default()).await else {
        panic!("nothing listens there")
    };
    assert!(error.to_string().contains("is it running"), "{error}");
    let Some(mut server) = Server::start().await else { return };
    let options = JetStreamOptions { push_timeout: Duration::from_millis(500), ..JetStreamOptions::default() };
    let queue = server.queue(options).await;
    server.kill();
    let began = Instant::now();
    let error = queue.push(invocation("f.ns", "a")).await.unwrap_err();
    assert!(error.to_string().contains("NATS has not confirmed within 0.5 s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_the_server_in_mid_load_loses_nothing() {
    let Some(mut server) = Server::start().await else { return };
    let options =
        JetStreamOptions { push_timeout: Duration::from_secs(60), ack_wait: Duration::from_secs(5), ..hasty(10) };
    let queue = server.queue(options).await;
    let function = Function::new(Duration::from_millis(5), |_, _| answer(200));
    let running = run(&queue, &function, RunOptions { max_inflight: 8, ..RunOptions::default() });
    let mut pushing = tokio::task::JoinSet::new();
    for task in 0..16 {
        let queue = queue.clone();
        pushing.spawn(async move {
            let mut accepted = Vec::new();
            for n in 0..60 {
                let call_id = format!("call-{task}-{n}");
                queue.push(invocation("f.ns", &call_id)).await.unwrap();
                accepted.push(call_id);
            }
            accepted
        });
    }
    for share in [100, 400, 700] {
        eventually("some deliveries", || queue.metrics().delivered >= share).await;
        server.kill();
        server.up().await;
    }
    let accepted: Vec<String> = pushing.join_all().await.into_iter().flatten().collect();
    assert_eq!(accepted.len(), 960);
    eventually("all deliveries", || queue.metrics().delivered >= 960 && queue.depth("f.ns") == 0).await;
    running.stop().await;
    let mut runs: BTreeMap<String, u64> = BTreeMap::new();
    for call in function.calls() {
        *runs.entry(call.call_id).or_default() += 1;
    }
    let lost: Vec<&String> = accepted.iter().filter(|call| !runs.contains_key(*call)).collect();
    assert!(lost.is_empty(), "accepted and never delivered: {lost:?}");
    let twice: u64 = runs.values().map(|runs| runs - 1).sum();
    let metrics = queue.metrics();
    assert!(twice <= metrics.redelivered, "{twice} came twice, and {} were counted", metrics.redelivered);
}
