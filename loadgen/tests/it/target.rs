//! Servers that know what they did, and plans to drive them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use faas_lab_loadgen::client::ClientOptions;
use faas_lab_loadgen::payload::PayloadOptions;
use faas_lab_loadgen::shard::Shard;
use faas_lab_loadgen::target::{Kind, Target, TargetOptions};
use faas_lab_loadgen::{GooseOptions, Measured, Observer, Plan, Seen, Start, Waiting, Watch, run};
use faas_lab_model::scenario::{BuiltIn, Scenario};

/// When a request was there, and when its answer was ready.
pub(crate) type Stamp = (Instant, Instant);

/// A server in a thread of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Between these instants it answers nothing.
    pub(crate) stall: Arc<OnceLock<Stamp>>,
    stamps: Arc<Mutex<Vec<Stamp>>>,
}

impl Server {
    /// Answers each request after `service`.
    pub(crate) fn start(service: Duration) -> Server {
        let stall: Arc<OnceLock<Stamp>> = Arc::default();
        let stamps: Arc<Mutex<Vec<Stamp>>> = Arc::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (log, stalled) = (stamps.clone(), stall.clone());
        let answer = move || {
            let (log, stalled) = (log.clone(), stalled.clone());
            async move {
                let began = Instant::now();
                if let Some((from, to)) = stalled.get().copied()
                    && began >= from
                    && began < to
                {
                    tokio::time::sleep_until(to.into()).await;
                }
                if !service.is_zero() {
                    tokio::time::sleep(service).await;
                }
                log.lock().expect("no panics").push((began, Instant::now()));
                "done"
            }
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let app = Router::new().fallback(answer);
                axum::serve(listener, app).await.expect("it serves");
            });
        });
        Server { address, stall, stamps }
    }

    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        let mut stamps = self.stamps.lock().expect("no panics").clone();
        stamps.sort();
        stamps
    }
}

/// Drives one function `f` at `address` with a workload that is written so.
pub(crate) fn plan(address: SocketAddr, duration: &str, workload: &str) -> Plan {
    let text = format!(
        "duration = \"{duration}\"\nwarmup = \"0s\"\nseed = 5\n[edge]\nclient_timeout = \"20s\"\n[function.f]\ndemand = \"1ms\"\n\
         [[workload]]\nfunction = \"f\"\n{workload}\n"
    );
    let scenario = Scenario::parse("test.toml", &text, &[], &BuiltIn).expect("a scenario");
    let options = TargetOptions { gateway: format!("http://{address}"), kind: Kind::Http, ..TargetOptions::default() };
    let target = Target::new(&options, &|_| None).expect("a target");
    Plan {
        scenario,
        command: "faas-lab loadtest test.toml".into(),
        platform: target.platform,
        address: target.address,
        payload: PayloadOptions::default(),
        client: ClientOptions::default(),
        in_flight: None,
        waiting: Waiting::default(),
        goose: GooseOptions::default(),
        start: Start::Ready,
        shard: Shard::WHOLE,
        probe: None,
        callbacks: None,
    }
}

pub(crate) fn play(plan: &Plan) -> Measured {
    run(plan, Watch::default()).expect("it runs")
}

/// Keeps every call.
#[derive(Clone, Default)]
pub(crate) struct Keeper {
    pub(crate) calls: Arc<Mutex<Vec<Seen>>>,
    pub(crate) started: Arc<Mutex<Option<Instant>>>,
}

impl Observer for Keeper {
    fn begin(&mut self, at: std::time::SystemTime) {
        let ahead = at.duration_since(std::time::SystemTime::now()).unwrap_or_default();
        *self.started.lock().expect("no panics") = Some(Instant::now() + ahead);
    }

    fn see(&mut self, seen: &Seen) {
        self.calls.lock().expect("no panics").push(seen.clone());
    }

    fn end(&mut self) {}
}

pub(crate) fn play_and_keep(plan: &Plan) -> (Measured, Vec<Seen>) {
    let keeper = Keeper::default();
    let watch = Watch { observers: vec![Box::new(keeper.clone())], ..Watch::default() };
    let measured = run(plan, watch).expect("it runs");
    let mut calls = std::mem::take(&mut *keeper.calls.lock().expect("no panics"));
    calls.sort_by_key(|seen| (seen.observed.intended, seen.observed.number));
    (measured, calls)
}
