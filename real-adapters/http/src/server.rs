//! Serves HTTP/1.1 on a listener: limits, Go's timeouts, and a graceful end.

use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::Either;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, Semaphore};

use crate::body::Body;
use crate::endpoint::{Listener, Stream};
use crate::timed::{FAREWELL, Pace, Timed};

/// What a server allows its clients. See `timed.rs` for what the timeouts mean exactly; `None` is no timeout.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request's head; more are answered 431.
    pub head_bytes: usize,
    /// Number of a request's headers; more are answered 431. Above 100 every request costs an allocation.
    pub headers: usize,
    /// From a request's first byte to the end of its body.
    pub read_timeout: Option<Duration>,
    /// From the end of a request's head to the last byte of its response.
    pub write_timeout: Option<Duration>,
    /// Between requests; if `None` the read timeout.
    pub idle_timeout: Option<Duration>,
    /// Connections at a time; more wait in the kernel.
    pub connections: usize,
    /// How long calls under way may go on after the end was asked for.
    pub drain: Option<Duration>,
}

/// So much of a body is read for nothing, as with Go's server.
const SKIPPED: u64 = 256 << 10;

/// The number of headers that hyper has room for without being told.
const HYPERS_OWN: usize = 100;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes: 1 << 20,
            headers: HYPERS_OWN,
            read_timeout: None,
            write_timeout: None,
            idle_timeout: None,
            connections: 16_384,
            drain: None,
        }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Every call was answered.
    All,
    /// So many connections were cut when the time to drain was over.
    Cut(usize),
}

/// Answers requests until `shutdown` is ready, then finishes those under way within `limits.drain`.
///
/// The handler gets each request with its peer's address (`None` on a Unix socket). It is dropped when its client goes
/// away. Each connection is a task of its own.
pub async fn serve<H, R>(listener: Listener, limits: Limits, handler: H, shutdown: impl Future<Output = ()>) -> Drained
where
    H: Fn(Request<Body>, Option<SocketAddr>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let ending = Arc::new(Ending::default());
    let room = Arc::new(Semaphore::new(limits.connections));
    let builder = builder(&limits);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, peer, permit) = accepted;
        let pace = Pace::new(limits.read_timeout, limits.write_timeout, limits.idle_timeout);
        let connection = Connection { open: OpenConnection::new(&ending), pace, builder: builder.clone() };
        let handler = handler.clone();
        tokio::spawn(async move {
            connection.run(stream, peer, handler).await;
            drop(permit);
        });
    }
    drop(listener);
    ending.begin();
    let all_closed = ending.all_closed();
    match limits.drain {
        None => all_closed.await,
        Some(limit) => {
            let _ = tokio::time::timeout(limit, all_closed).await;
        }
    }
    match ending.open.load(SeqCst) {
        0 => Drained::All,
        open => {
            ending.cut.store(true, SeqCst);
            ending.begun.notify_waiters();
            Drained::Cut(open)
        }
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper wants room for the head in one buffer, which also bounds how much of a response waits in memory.
    builder.max_buf_size(limits.head_bytes.max(8192)).max_header_size(limits.head_bytes);
    if limits.headers != HYPERS_OWN {
        builder.max_headers(limits.headers);
    }
    builder
}

/// Waits for room and for a connection. Running out of files is no reason to end: it waits a little.
async fn accept(
    listener: &Listener,
    room: &Arc<Semaphore>,
) -> (Stream, Option<SocketAddr>, tokio::sync::OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

struct Connection {
    open: OpenConnection,
    pace: Arc<Pace>,
    builder: http1::Builder,
}

impl Connection {
    async fn run<H, R>(self, stream: Stream, peer: Option<SocketAddr>, handler: H)
    where
        H: Fn(Request<Body>, Option<SocketAddr>) -> R + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let pace = self.pace.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            pace.call_begins(!request.body().is_end_stream(), request.headers().contains_key(EXPECT));
            let call = Call(pace.clone());
            let pace = pace.clone();
            // Not a block that waits: it would have room for the handler's future twice.
            handler(request.map(|body| Body::reading(body, &pace)), peer).then(move |response| {
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    pace.tunnel_begins();
                }
                let response = response.map(|body| body.calling(call));
                match pace.answered() {
                    None => Either::Left(ready(Ok::<_, Infallible>(response))),
                    Some(rest) => Either::Right(Box::pin(after(rest, pace, response).map(Ok))),
                }
            })
        });
        let io = TokioIo::new(Timed::new(stream, self.pace));
        let mut connection = pin!(self.builder.serve_connection(io, service).with_upgrades());
        let ending = &self.open.0;
        let mut told = false;
        loop {
            let mut begun = pin!(ending.begun.notified());
            let mut listening = false;
            let done = poll_fn(|cx| {
                if !listening {
                    // Once is enough: the waker of a task stays the same.
                    listening = true;
                    if begun.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(false);
                    }
                }
                if ending.cut.load(SeqCst) || (!told && ending.asked.load(SeqCst)) {
                    return Poll::Ready(false);
                }
                // What a client does wrong is its own problem: it was answered as far as it can be.
                connection.as_mut().poll(cx).map(|_| true)
            })
            .await;
            if done || ending.cut.load(SeqCst) {
                return;
            }
            told = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// The answer to a request whose handler did not care for the rest of its body. If that is short it is read first, as Go's
/// server does: then the client is done sending, and the connection can take its next request. Else the answer says that
/// the connection will be closed: a client that still sends into the kernel's buffer would else take it for free.
async fn after(rest: Incoming, pace: Arc<Pace>, mut response: Response<Body>) -> Response<Body> {
    if tokio::time::timeout(FAREWELL, skip(rest)).await.is_ok_and(|all| all) {
        pace.body_came();
    } else {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads a body to its end, for nothing; false if it is too long for that, or breaks off.
async fn skip(mut body: Incoming) -> bool {
    let mut left = SKIPPED;
    while body.size_hint().lower() <= left {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => match left.checked_sub(frame.data_ref().map_or(0, Bytes::len) as u64) {
                Some(rest) => left = rest,
                None => return false,
            },
            Some(Err(_)) => return false,
            None => return true,
        }
    }
    false
}

/// A call under way: from its head to the moment its response is handed over.
pub(crate) struct Call(Arc<Pace>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.call_ends();
    }
}

/// The server's end, as its connections see it.
#[derive(Default)]
struct Ending {
    asked: AtomicBool,
    cut: AtomicBool,
    begun: Notify,
    open: AtomicUsize,
    closed: Notify,
}

impl Ending {
    fn begin(&self) {
        self.asked.store(true, SeqCst);
        self.begun.notify_waiters();
    }

    async fn all_closed(&self) {
        loop {
            let mut closed: Pin<&mut _> = pin!(self.closed.notified());
            closed.as_mut().enable();
            if self.open.load(SeqCst) == 0 {
                return;
            }
            closed.await;
        }
    }
}

struct OpenConnection(Arc<Ending>);

impl OpenConnection {
    fn new(ending: &Arc<Ending>) -> OpenConnection {
        ending.open.fetch_add(1, SeqCst);
        OpenConnection(ending.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, SeqCst) == 1 {
            self.0.closed.notify_waiters();
        }
    }
}
