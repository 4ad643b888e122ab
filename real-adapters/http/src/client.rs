//! A client of one endpoint that keeps its connections.
//!
//! Connections are used most recently used first, so that those too many fall idle and are closed. There is no timeout
//! here: the caller drops the future.
//!
//! A connection is driven by the task that waits for its answer, so that a call needs no switch to another task and back,
//! and wakes nobody once that answer is here: who reads a body wakes its connection, which would be the reader itself.
//! Only what goes on after the answer's head, a long body or a tunnel, gets a task of its own. An answer that comes while
//! the request is still being sent is taken (`hearing.rs`).

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryFutureExt;
use futures_util::task::AtomicWaker;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::task::unconstrained;
use tokio::time::Instant;

use crate::body::{Body, BodyError, root_cause};
use crate::endpoint::Endpoint;
use crate::hearing::Hearing;

/// Sends requests to one endpoint. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    pool: Arc<Pool>,
}

/// How a client treats its connections.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// How long a connection may be unused: choose less than the server's own idle timeout.
    pub idle_timeout: Duration,
    /// How many unused connections are kept.
    pub idle_connections: usize,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions { idle_timeout: Duration::from_secs(2), idle_connections: 1024 }
    }
}

/// Why there is no response.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("{endpoint} refuses connections: {source}")]
    Refused {
        /// Who.
        endpoint: Endpoint,
        /// The system's word.
        source: io::Error,
    },
    /// It cannot be connected to for another reason.
    #[error("cannot connect to {endpoint}: {source}")]
    Unreachable {
        /// Who.
        endpoint: Endpoint,
        /// The system's word.
        source: io::Error,
    },
    /// The connection ended before a response came. The request may have been carried out.
    #[error("{endpoint} closed the connection before it answered: {}", root_cause(.source))]
    Closed {
        /// Who.
        endpoint: Endpoint,
        /// What hyper saw.
        source: hyper::Error,
    },
    /// What came is not HTTP.
    #[error("{endpoint} gave a malformed response: {}", root_cause(.source))]
    Malformed {
        /// Who.
        endpoint: Endpoint,
        /// What hyper saw.
        source: hyper::Error,
    },
    /// The request's own body broke off, or the request cannot be written down.
    #[error("the request could not be sent: {}", root_cause(.source))]
    Request {
        /// What hyper saw.
        source: hyper::Error,
    },
}

/// Why there is no response, and the request if no byte of it was sent.
#[derive(Debug)]
pub struct SendError {
    /// Why.
    pub error: ClientError,
    /// The request, if it can be sent elsewhere.
    pub unsent: Option<Unsent>,
}

/// A request of which no byte was sent.
#[derive(Debug)]
pub struct Unsent {
    /// The request as it was.
    pub request: Box<Request<Body>>,
}

impl From<ClientError> for SendError {
    fn from(error: ClientError) -> SendError {
        SendError { error, unsent: None }
    }
}

struct Pool {
    endpoint: Endpoint,
    options: ClientOptions,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Least recently used first.
    stack: Vec<(Connection, Instant)>,
    /// A task closes those that are idle for too long.
    swept: bool,
}

impl Client {
    /// Connects when there is something to send.
    pub fn new(endpoint: Endpoint, options: ClientOptions) -> Client {
        Client { pool: Arc::new(Pool { endpoint, options, idle: Mutex::default() }) }
    }

    /// Where it sends to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.pool.endpoint
    }

    /// How many connections are open and unused.
    pub fn idle_connections(&self) -> usize {
        let mut idle = self.pool.idle();
        idle.stack.retain_mut(|(connection, _)| connection.is_open());
        idle.stack.len()
    }

    /// Closes the connections that are not in use, such as when the endpoint is gone.
    pub fn forget_idle(&self) {
        self.pool.idle().stack.clear();
    }

    /// Sends a request and waits for the response's head; the body comes as it is read.
    ///
    /// The request's target is written as it is (`forward::origin_form` makes it right), and it must carry its `Host`. On a
    /// connection that turns out to be closed, a request that was not sent goes over the next one; so does one that was sent
    /// in vain if it has no body and a method that may be repeated.
    pub fn send(
        &self,
        request: impl Into<Box<Request<Body>>>,
    ) -> impl Future<Output = Result<Response<Body>, ClientError>> + Send {
        self.try_send(request.into()).map_err(|failed| failed.error)
    }

    /// As [`Client::send`], but a request that nobody was there to take comes back, to be sent elsewhere.
    ///
    /// Boxed, because the futures of calls that wait are most of a busy process's memory, and would hold the request several
    /// times.
    pub async fn try_send(&self, mut request: Box<Request<Body>>) -> Result<Response<Body>, SendError> {
        while let Some(mut connection) = self.pool.take() {
            let again = repeatable(&request);
            match connection.send(request).await {
                Ok(response) => return Ok(self.pool.answered(response, connection)),
                Err(mut failed) => match (failed.take_message(), again) {
                    (Some(unsent), _) => request = whole(unsent),
                    (None, Some(again)) if failed.error().is_incomplete_message() => request = again,
                    (None, _) => return Err(self.explain(failed.into_error()).into()),
                },
            }
        }
        // The rarer way, boxed for the same reason.
        Box::pin(self.send_anew(request)).await
    }

    /// Sends over a new connection.
    async fn send_anew(&self, request: Box<Request<Body>>) -> Result<Response<Body>, SendError> {
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(error) => return Err(SendError { error, unsent: Some(Unsent { request }) }),
        };
        match connection.send(request).await {
            Ok(response) => Ok(self.pool.answered(response, connection)),
            Err(mut failed) => {
                let unsent = failed.take_message().map(|request| Unsent { request: whole(request) });
                Err(SendError { error: self.explain(failed.into_error()), unsent })
            }
        }
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let endpoint = || self.pool.endpoint.clone();
        let stream = self.pool.endpoint.connect().await.map_err(|source| match source.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                ClientError::Refused { endpoint: endpoint(), source }
            }
            _ => ClientError::Unreachable { endpoint: endpoint(), source },
        })?;
        let (sender, connection) = http1::Builder::new()
            .handshake(TokioIo::new(Hearing::new(stream)))
            .await
            .map_err(|source| ClientError::Closed { endpoint: endpoint(), source })?;
        Ok(Connection { sender, driver: Some(Driver::new(connection.with_upgrades())) })
    }

    fn explain(&self, source: hyper::Error) -> ClientError {
        let endpoint = self.pool.endpoint.clone();
        if source.is_user() {
            ClientError::Request { source }
        } else if source.is_parse() {
            ClientError::Malformed { endpoint, source }
        } else {
            ClientError::Closed { endpoint, source }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.pool.endpoint).finish()
    }
}

/// A copy of a request that may be sent twice.
fn repeatable(request: &Request<Body>) -> Option<Box<Request<Body>>> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe || !request.body().is_empty() {
        return None;
    }
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(Box::new(copy))
}

/// What was not sent, as it was.
fn whole(unsent: Request<Outgoing>) -> Box<Request<Body>> {
    Box::new(unsent.map(|body| body.0.map_or_else(Body::empty, |body| *body)))
}

/// A request's body on its way to a connection's queue, which has room for dozens of requests and keeps it.
struct Outgoing(Option<Box<Body>>);

impl Outgoing {
    fn new(body: Body) -> Outgoing {
        Outgoing((!body.is_empty()).then(|| Box::new(body)))
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.get_mut().0 {
            Some(body) => Pin::new(&mut **body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint())
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing in a critical section can panic half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection used last, of those that can take a request right now.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle();
        let mut at = idle.stack.len();
        while at > 0 {
            at -= 1;
            let (connection, _) = &mut idle.stack[at];
            if !connection.is_open() {
                idle.stack.remove(at);
            } else if connection.sender.is_ready() {
                return Some(idle.stack.remove(at).0);
            }
            // Else it still writes the last request's body, or its task has not come round: the next one.
        }
        None
    }

    /// The head of an answer has come. What has come as a whole with it leaves the connection free; else it is driven on
    /// by a task, and free when the body was read.
    fn answered(self: &Arc<Pool>, mut response: Response<Incoming>, mut connection: Connection) -> Response<Body> {
        // Chunks beat a length (RFC 9112 §6.3): handed on, the length would cut the body, and it would look whole.
        if response.headers().contains_key(TRANSFER_ENCODING) {
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        if connection.driver.is_some() && connection.sender.is_ready() {
            self.put(connection);
            return response.map(Body::received);
        }
        if let Some(driver) = connection.driver.take() {
            // It ends with its sender, or when the peer closes; whoever reads the body is told by that.
            tokio::spawn(driver.future);
        }
        response.map(|body| Body::leased(body, Lease { pool: self.clone(), sender: connection.sender }))
    }

    fn put(self: &Arc<Pool>, connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.idle();
        if idle.stack.len() >= self.options.idle_connections {
            return;
        }
        idle.stack.push((connection, Instant::now()));
        if !idle.swept {
            idle.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.options.idle_timeout));
        }
    }
}

/// A connection and who drives it.
struct Connection {
    sender: SendRequest<Outgoing>,
    /// Driven by whoever sends; `None` once it has a task of its own, or has ended.
    driver: Option<Driver>,
}

impl Connection {
    /// Sends a request and waits for the head of its answer.
    async fn send(
        &mut self,
        request: Box<Request<Body>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        let mut answer = pin!(unconstrained(self.sender.try_send_request(request.map(Outgoing::new))));
        let driver = &mut self.driver;
        let alone = driver.is_none();
        let answered = poll_fn(|cx| {
            if alone {
                return answer.as_mut().poll(cx);
            }
            if driver.as_mut().is_some_and(|driver| driver.drive_for(cx.waker())) {
                // Dropped, it says to whoever waits how it ended.
                *driver = None;
            }
            // Only the driver brings an answer, so that nobody needs to be woken for it. What does not wake must not be
            // put off for tokio's budget either, hence `unconstrained`.
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await;
        if let Some(driver) = &self.driver {
            driver.waiting.0.take();
        }
        answered
    }

    /// Whether the peer has not closed it, as far as is known.
    fn is_open(&mut self) -> bool {
        if self.driver.as_mut().is_some_and(Driver::drive) {
            self.driver = None;
        }
        !self.sender.is_closed()
    }
}

/// What moves a connection on, in the task of whoever waits for it.
struct Driver {
    future: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
    waiting: Arc<Waiting>,
    waker: Waker,
}

/// Who waits for a connection's answer.
struct Waiting(AtomicWaker);

impl Wake for Waiting {
    fn wake(self: Arc<Waiting>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Waiting>) {
        self.0.wake();
    }
}

impl Driver {
    fn new(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Driver {
        let waiting = Arc::new(Waiting(AtomicWaker::new()));
        Driver { future: Box::pin(connection), waker: Waker::from(waiting.clone()), waiting }
    }

    /// Moves it on, and again when `waker` was woken; whether it has ended.
    fn drive_for(&mut self, waker: &Waker) -> bool {
        self.waiting.0.register(waker);
        self.drive()
    }

    /// Moves it on as far as it goes now; whether it has ended.
    fn drive(&mut self) -> bool {
        self.future.as_mut().poll(&mut Context::from_waker(&self.waker)).is_ready()
    }
}

/// Closes connections that are idle for too long, until there are none.
async fn sweep(pool: Weak<Pool>, timeout: Duration) {
    let mut next = Instant::now() + timeout;
    loop {
        tokio::time::sleep_until(next).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle();
        let now = Instant::now();
        let expired = idle.stack.iter().take_while(|(_, since)| *since + timeout <= now).count();
        idle.stack.drain(..expired);
        match idle.stack.first() {
            Some((_, since)) => next = *since + timeout,
            None => {
                idle.swept = false;
                return;
            }
        }
    }
}

/// A connection in use, driven by its own task. Dropped before the response was read to its end, the connection closes.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    sender: SendRequest<Outgoing>,
}

impl Lease {
    pub(crate) fn give_back(self) {
        self.pool.put(Connection { sender: self.sender, driver: None });
    }
}
