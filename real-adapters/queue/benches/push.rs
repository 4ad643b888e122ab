//! Pushes per second and their latency with 1 and 64 callers, deliveries per second, and the time to open a queue with
//! 10 000 waiting invocations after a crash. What comes out is mostly the disk's time for a sync.
//!
//! Run: `cargo bench -p faas-lab-queue`, with a folder as argument to measure another disk than that of the temporary one:
//! `cargo bench -p faas-lab-queue -- /mnt/sd`.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says where")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use faas_lab_queue::{Answer, EmbeddedOptions, EmbeddedQueue, Invocation, Invoker, Queue, RunOptions};
use http::{HeaderMap, Method, StatusCode};
use tokio_util::sync::CancellationToken;

struct Immediately;

#[async_trait]
impl Invoker for Immediately {
    async fn invoke(&self, _: &Invocation, _: u32) -> Answer {
        Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: "".into(), took: Duration::ZERO }
    }
}

fn invocation(n: usize) -> Invocation {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    Invocation {
        call_id: format!("{n:036}"),
        function: "hello.openfaas-fn".to_owned(),
        method: Method::POST,
        path: "/".to_owned(),
        query: String::new(),
        headers,
        body: vec![b'x'; 1024].into(),
        callback: None,
        accepted_at: SystemTime::now(),
    }
}

async fn open(path: &Path) -> EmbeddedQueue {
    EmbeddedQueue::open(path, EmbeddedOptions::default()).await.unwrap()
}

/// Pushes from so many callers for a while; each latency in microseconds.
async fn push(queue: &EmbeddedQueue, callers: usize, span: Duration) -> Vec<u128> {
    let end = Instant::now() + span;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let queue = queue.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let began = Instant::now();
                queue.push(invocation(caller * 1_000_000 + latencies.len())).await.unwrap();
                latencies.push(began.elapsed().as_micros());
            }
            latencies
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

async fn drain(queue: &EmbeddedQueue) -> Duration {
    let (began, shutdown) = (Instant::now(), CancellationToken::new());
    let running = tokio::spawn({
        let (queue, shutdown) = (queue.clone(), shutdown.clone());
        async move { queue.run(Arc::new(Immediately), RunOptions::default(), shutdown).await }
    });
    while queue.metrics().oldest_age.is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    shutdown.cancel();
    running.await.unwrap();
    took
}

#[tokio::main]
async fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = match folder {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    }
    .unwrap();

    let probe = folder.path().join("probe");
    let mut syncs = Vec::new();
    for _ in 0..50 {
        std::fs::write(&probe, [0; 4096]).unwrap();
        let file = std::fs::File::open(&probe).unwrap();
        let began = Instant::now();
        file.sync_data().unwrap();
        syncs.push(began.elapsed().as_micros());
    }
    syncs.sort_unstable();
    println!("disk: a 4 KiB write is synced in {} µs (median of 50)", syncs[25]);

    for callers in [1, 64] {
        let path = folder.path().join(format!("push-{callers}"));
        let queue = open(&path).await;
        let span = Duration::from_secs(5);
        let mut latencies = push(&queue, callers, span).await;
        latencies.sort_unstable();
        let quantile = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
        let rate = latencies.len() as f64 / span.as_secs_f64();
        println!("push, {callers} callers, 1 KiB: {rate:.0}/s, p50 {} µs, p99 {} µs", quantile(0.5), quantile(0.99));
        let count = latencies.len();
        let took = drain(&queue).await;
        println!("delivery of {count}, 64 at once: {:.0}/s", count as f64 / took.as_secs_f64());
        queue.close().await;
    }

    let path = folder.path().join("recovery");
    let queue = open(&path).await;
    let mut pushing = tokio::task::JoinSet::new();
    for n in 0..10_000 {
        let queue = queue.clone();
        pushing.spawn(async move { queue.push(invocation(n)).await.unwrap() });
    }
    pushing.join_all().await;
    // As after kill -9: nobody has closed this copy of the file.
    let crashed = folder.path().join("crashed");
    std::fs::copy(&path, &crashed).unwrap();
    for (how, path) in [("after a crash", &crashed), ("after a clean end", &path)] {
        queue.close().await;
        let began = Instant::now();
        let opened = open(path).await;
        println!(
            "open with {} waiting, {how}: {:.0} ms",
            opened.depth("hello.openfaas-fn"),
            began.elapsed().as_secs_f64() * 1e3
        );
        opened.close().await;
    }
}
