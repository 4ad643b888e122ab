//! Receives the callbacks of asynchronous invocations, and says what became of each.
//!
//! A call's name has the run, the workload and the number in it, so that a callback needs no look-up to be recognised, and
//! one that belongs to another run is told apart. Only invocations whose callback is still awaited take memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use faas_lab_model::metrics::TimeHistogram;
use faas_lab_model::time::{SimTime, Span};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use url::Url;

use crate::target::text;

/// Callbacks that can be awaited at once; of what goes beyond, losses cannot be told.
const MOST_AWAITED: usize = 1 << 20;

/// Bytes of a callback that are read; the rest is left unread, which its sender takes for a failure.
const MOST_BYTES: u64 = 1 << 30;

/// Where callbacks come in.
#[derive(Clone, Debug)]
pub struct CallbackOptions {
    /// Where to listen.
    pub bind: SocketAddr,
    /// The address that the gateway is told, if it is not the one that is listened on.
    pub advertised: Option<Url>,
}

/// Why there are no callbacks.
#[derive(Debug, Error)]
pub enum CallbackError {
    /// The port cannot be had.
    #[error("cannot listen on {0} for callbacks: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// Everything is listened on, but that is no address to send to.
    #[error("callbacks are taken at {0}, which is no address that a gateway can send to: say one with --callback-url")]
    Address(SocketAddr),
    /// The address cannot be a header.
    #[error("the callback URL {0} is not HTTP: write http://HOST:PORT")]
    Url(String),
}

/// A callback that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Index of the workload.
    pub workload: usize,
    /// Number of the call in it.
    pub number: u64,
    /// When the gateway had accepted the invocation, and from when its delay counts.
    pub accepted: SimTime,
    /// When the callback was here to its last byte.
    pub at: SimTime,
    /// The status that the function gave, if the callback says it.
    pub status: Option<u16>,
    /// How long the function took, if the callback says it.
    pub inside: Option<Span>,
    /// Bytes of its body.
    pub bytes: u64,
}

/// What became of all invocations.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Accepted with 202.
    pub accepted: u64,
    /// Of those, with a callback.
    pub returned: u64,
    /// Of those, still without one.
    pub lost: u64,
    /// Callbacks that had come before.
    pub duplicates: u64,
    /// Callbacks of invocations whose acceptance was not heard: their call had failed or was given up.
    pub unheard: u64,
    /// Callbacks of no call of this run.
    pub foreign: u64,
    /// Invocations beyond those that can be awaited at once.
    pub untracked: u64,
    /// Callbacks that say another status than 2xx.
    pub failures: u64,
    /// From acceptance to callback.
    pub delays: TimeHistogram,
    /// How long functions took, by their callbacks.
    pub inside: TimeHistogram,
}

/// Where callbacks come in.
#[derive(Debug)]
pub struct Callbacks {
    desk: Arc<Desk>,
    url: HeaderValue,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

type Clock = Arc<dyn Fn() -> SimTime + Send + Sync>;
type Sink = Box<dyn Fn(&Returned) + Send + Sync>;

struct Desk {
    run: String,
    now: Clock,
    sink: Sink,
    book: Mutex<Book>,
    emptied: Notify,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("run", &self.run).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Book {
    awaited: BTreeMap<(u32, u64), Awaited>,
    /// Of those, accepted.
    open: usize,
    tally: Tally,
}

#[derive(Debug)]
enum Awaited {
    /// Its 202 is not here yet.
    Sent,
    /// The callback was faster than the 202.
    Early(Returned),
    /// The gateway has it.
    Accepted(SimTime),
    /// The client knows nothing of it any more.
    Unheard,
}

impl Callbacks {
    /// Listens. `run` names this run and no other; `now` is its clock; `sink` is told of each callback, once.
    ///
    /// # Errors
    /// If the port cannot be had, or its address is none that a gateway could be told.
    pub async fn start(
        options: &CallbackOptions,
        run: &str,
        now: Clock,
        sink: impl Fn(&Returned) + Send + Sync + 'static,
    ) -> Result<Callbacks, CallbackError> {
        let failed = |error| CallbackError::Listen(options.bind, error);
        let listener = TcpListener::bind(options.bind).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let url = match &options.advertised {
            Some(url) if matches!(url.scheme(), "http" | "https") => url.to_string(),
            Some(url) => return Err(CallbackError::Url(url.to_string())),
            None if bound.ip().is_unspecified() => return Err(CallbackError::Address(bound)),
            None => format!("http://{bound}/"),
        };
        let header = HeaderValue::from_str(&url).map_err(|_| CallbackError::Url(url))?;
        let desk =
            Desk { run: run.to_owned(), now, sink: Box::new(sink), book: Mutex::default(), emptied: Notify::new() };
        let desk = Arc::new(desk);
        let (stop, mut stopped) = watch::channel(false);
        let app = Router::new().fallback(take).with_state(desk.clone());
        let task = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            // It ends by itself only if the listener fails, and then what is missing counts as lost.
            let _ = axum::serve(listener, app).with_graceful_shutdown(stopped).await;
        });
        Ok(Callbacks { desk, url: header, stop, task })
    }

    /// The address for `X-Callback-Url`.
    pub fn url(&self) -> &HeaderValue {
        &self.url
    }

    /// The name of a call, for `X-Call-Id`.
    pub fn call_id(&self, workload: usize, number: u64) -> String {
        format!("{}-{workload}-{number}", self.desk.run)
    }

    /// A call is about to be sent: its callback may come at any time from now on.
    pub fn sent(&self, workload: usize, number: u64) {
        let mut book = self.desk.lock();
        if book.awaited.len() >= MOST_AWAITED {
            book.tally.untracked += 1;
            return;
        }
        // A call that is tried again may have been accepted the first time.
        let awaited = book.awaited.entry((workload as u32, number)).or_insert(Awaited::Sent);
        if matches!(awaited, Awaited::Unheard) {
            *awaited = Awaited::Sent;
        }
    }

    /// The gateway has accepted it.
    pub fn accepted(&self, workload: usize, number: u64, at: SimTime) {
        let mut book = self.desk.lock();
        let Entry::Occupied(mut entry) = book.awaited.entry((workload as u32, number)) else { return };
        let before = std::mem::replace(entry.get_mut(), Awaited::Accepted(at));
        match before {
            Awaited::Early(early) => {
                entry.remove();
                book.tally.accepted += 1;
                let returned = Returned { accepted: at, at: early.at.max(at), ..early };
                self.desk.close(book, &returned);
            }
            Awaited::Accepted(_) => {}
            Awaited::Sent | Awaited::Unheard => {
                book.tally.accepted += 1;
                book.open += 1;
            }
        }
    }

    /// It failed, as far as its client knows.
    pub fn failed(&self, workload: usize, number: u64) {
        let mut book = self.desk.lock();
        let key = (workload as u32, number);
        match book.awaited.get_mut(&key) {
            Some(Awaited::Early(_)) => {
                book.awaited.remove(&key);
                book.tally.unheard += 1;
            }
            Some(Awaited::Accepted(_)) | None => {}
            Some(awaited) => *awaited = Awaited::Unheard,
        }
    }

    /// Accepted invocations whose callback is still awaited.
    pub fn awaited(&self) -> usize {
        self.desk.lock().open
    }

    /// Waits for the callbacks that are still to come, for at most `patience`; then closes, and what is missing is lost.
    pub async fn close(self, patience: Duration) -> Tally {
        let emptied = async {
            loop {
                let told = self.desk.emptied.notified();
                tokio::pin!(told);
                told.as_mut().enable();
                if self.desk.lock().open == 0 {
                    return;
                }
                told.await;
            }
        };
        let _ = tokio::time::timeout(patience, emptied).await;
        let _ = self.stop.send(true);
        // A sender that hangs on to its connection is not waited for.
        self.task.abort();
        let book = self.desk.lock();
        Tally { lost: book.open as u64, ..book.tally.clone() }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The callback of an accepted invocation is here.
    fn close(&self, mut book: MutexGuard<'_, Book>, returned: &Returned) {
        let tally = &mut book.tally;
        tally.returned += 1;
        tally.delays.record(returned.at.since(returned.accepted));
        if let Some(inside) = returned.inside {
            tally.inside.record(inside);
        }
        tally.failures += u64::from(returned.status.is_some_and(|status| !(200..300).contains(&status)));
        if book.open == 0 {
            self.emptied.notify_waiters();
        }
        drop(book);
        (self.sink)(returned);
    }

    /// A callback has come to its last byte.
    fn take(&self, headers: &HeaderMap, bytes: u64) {
        let at = (self.now)();
        let mut book = self.lock();
        let Some(key) = text(headers, "x-call-id").and_then(|id| self.own(&id)) else {
            book.tally.foreign += 1;
            return;
        };
        let returned = Returned {
            workload: key.0 as usize,
            number: key.1,
            accepted: at,
            at,
            status: text(headers, "x-function-status").and_then(|status| status.parse().ok()),
            inside: seconds(headers),
            bytes,
        };
        let complete = book.tally.untracked == 0;
        match book.awaited.get_mut(&key) {
            // What is not awaited has come before, unless there were too many to remember.
            None if !complete => {}
            None | Some(Awaited::Early(_)) => book.tally.duplicates += 1,
            Some(awaited @ Awaited::Sent) => *awaited = Awaited::Early(returned),
            Some(Awaited::Unheard) => {
                book.awaited.remove(&key);
                book.tally.unheard += 1;
            }
            Some(Awaited::Accepted(accepted)) => {
                let returned = Returned { accepted: *accepted, ..returned };
                book.awaited.remove(&key);
                book.open -= 1;
                self.close(book, &returned);
            }
        }
    }

    /// Workload and number, if the name is of this run.
    fn own(&self, id: &str) -> Option<(u32, u64)> {
        let (workload, number) = id.strip_prefix(&self.run)?.strip_prefix('-')?.split_once('-')?;
        Some((workload.parse().ok()?, number.parse().ok()?))
    }
}

fn seconds(headers: &HeaderMap) -> Option<Span> {
    let secs: f64 = text(headers, "x-duration-seconds")?.parse().ok()?;
    (secs.is_finite() && secs >= 0.0).then(|| Span::from_secs_f64(secs))
}

async fn take(State(desk): State<Arc<Desk>>, request: Request<Body>) -> StatusCode {
    let (head, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let mut bytes = 0;
    while let Some(chunk) = body.next().await {
        // What broke off is sent again, or it is lost.
        let Ok(chunk) = chunk else { return StatusCode::BAD_REQUEST };
        bytes += chunk.len() as u64;
        if bytes > MOST_BYTES {
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
    }
    desk.take(&head.headers, bytes);
    StatusCode::OK
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn desk() -> Desk {
        let now: Clock = Arc::new(|| SimTime::ZERO);
        Desk { run: "r1".into(), now, sink: Box::new(|_| {}), book: Mutex::default(), emptied: Notify::new() }
    }

    #[test]
    fn names_are_of_this_run_or_not() {
        let desk = desk();
        assert_eq!(desk.own("r1-3-17"), Some((3, 17)));
        for foreign in
            ["", "r1", "r1-", "r1-3", "r1-3-", "r1-a-1", "r12-3-4", "r1-3-4-5", "r1--1-2", "r1-99999999999-1"]
        {
            assert_eq!(desk.own(foreign), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn any_head_ends_in_an_answer(
            id in "(r1-)?[0-9a-f-]{0,12}", status in "[ -~]{0,6}", secs in "-?[0-9.eEinfNa]{0,12}"
        ) {
            let desk = desk();
            let mut headers = HeaderMap::new();
            for (name, value) in [("x-call-id", id), ("x-function-status", status), ("x-duration-seconds", secs)] {
                headers.insert(name, HeaderValue::from_str(&value).expect("printable"));
            }
            desk.take(&headers, 0);
            let tally = &desk.lock().tally;
            prop_assert_eq!(tally.foreign + tally.duplicates, 1);
        }
    }
}
