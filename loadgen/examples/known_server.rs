//! A server that knows what it did, to hold load testers against: `bench/known_server.py` drives it. It keeps a core awake,
//! so that it is never late itself, neither for a request nor for an answer.
//!
//! ```text
//! known_server PORT SERVICE_MICROSECONDS
//! GET /reset?rate=1000&stall_from=5&stall_seconds=2   forgets all; the stall counts from the first request after this
//! GET /report                                          what it has seen since, as JSON
//! anything else                                        "done", after the service time
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// As many requests are remembered one by one: enough for accuracy, little enough for runs of millions.
const STAMPS: usize = 2_000_000;

#[derive(Default)]
struct Seen {
    rate: f64,
    stall: Option<(Duration, Duration)>,
    count: u64,
    /// Came, answered.
    stamps: Vec<(Instant, Instant)>,
}

#[derive(Clone)]
struct Server {
    service: Duration,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|word| word.parse::<u64>().ok()).ok_or("PORT SERVICE_MICROSECONDS");
    let (port, service) = (u16::try_from(number()?)?, Duration::from_micros(number()?));
    let server = Server { service, seen: Arc::default() };
    let app =
        Router::new().route("/reset", get(reset)).route("/report", get(report)).fallback(answer).with_state(server);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        axum::serve(axum::serve::ListenerExt::tap_io(listener, |tcp| _ = tcp.set_nodelay(true)), app).await
    })?;
    Ok(())
}

async fn answer(State(server): State<Server>) -> &'static str {
    let came = Instant::now();
    let stalled = {
        let mut seen = server.seen();
        seen.count += 1;
        let first = seen.stamps.first().map_or(came, |stamp| stamp.0);
        if seen.stamps.is_empty() {
            // The first request is there before it is answered: stalls count from it.
            seen.stamps.push((came, came + server.service));
        }
        seen.stall.map(|(from, to)| (first + from, first + to)).filter(|(from, to)| came >= *from && came < *to)
    };
    if let Some((_, to)) = stalled {
        tokio::time::sleep_until(to.into()).await;
    }
    let done = Instant::now() + server.service;
    while Instant::now() < done {
        tokio::task::yield_now().await;
    }
    let mut seen = server.seen();
    if seen.count > 1 && seen.stamps.len() < STAMPS {
        seen.stamps.push((came, Instant::now()));
    }
    "done"
}

async fn reset(State(server): State<Server>, Query(query): Query<BTreeMap<String, f64>>) -> &'static str {
    let seconds = |key: &str| Duration::from_secs_f64(query.get(key).copied().unwrap_or_default().max(0.0));
    let (from, length) = (seconds("stall_from"), seconds("stall_seconds"));
    *server.seen() = Seen {
        rate: query.get("rate").copied().unwrap_or_default(),
        stall: (!length.is_zero()).then_some((from, from + length)),
        ..Seen::default()
    };
    "forgotten"
}

/// Service times, and how far requests came and answers went from a schedule of equal gaps: from the line of this rate on
/// which the earliest request lies. What is due first comes first.
async fn report(State(server): State<Server>) -> Json<Value> {
    let seen = server.seen();
    let mut stamps = seen.stamps.clone();
    stamps.sort();
    let mut service: Vec<f64> = stamps.iter().map(|(came, answered)| (*answered - *came).as_secs_f64()).collect();
    service.sort_by(f64::total_cmp);
    let first = stamps.first().map(|(came, _)| *came).filter(|_| seen.rate > 0.0);
    let late = |at: &dyn Fn(&(Instant, Instant)) -> Instant| -> Vec<f64> {
        let Some(first) = first else { return Vec::new() };
        let due = |k: usize| k as f64 / seen.rate;
        stamps.iter().enumerate().map(|(k, stamp)| (at(stamp) - first).as_secs_f64() - due(k)).collect()
    };
    let mut came = late(&|stamp| stamp.0);
    let mut answered = late(&|stamp| stamp.1);
    let earliest = came.iter().copied().fold(f64::INFINITY, f64::min);
    for late in [&mut came, &mut answered] {
        late.iter_mut().for_each(|late| *late -= earliest);
        late.sort_by(f64::total_cmp);
    }
    let at = |sorted: &[f64], q: f64| {
        let place = (q * sorted.len() as f64).ceil() as usize;
        sorted.get(place.clamp(1, sorted.len().max(1)) - 1).map(|seconds| seconds * 1e3)
    };
    let mean = |all: &[f64]| (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64 * 1e3);
    Json(json!({
        "count": seen.count,
        "service_p50_ms": at(&service, 0.5),
        "service_p99_ms": at(&service, 0.99),
        "schedule_error_p50_ms": at(&came, 0.5),
        "schedule_error_p99_ms": at(&came, 0.99),
        "answered_p50_ms": at(&answered, 0.5),
        "answered_p90_ms": at(&answered, 0.9),
        "answered_p99_ms": at(&answered, 0.99),
        "answered_mean_ms": mean(&answered),
    }))
}
