//! Synchronous invocations: from a client's request to a replica's answer.
//!
//! A request that could not be handed to a replica, because nobody listened there, goes to another one; once its first byte
//! may have been sent it is never sent again. Bodies pass through in both directions as they come.
//!
//! At the upstream timeout a client that has not got anything yet gets an empty 502. One that is in the middle of an answer
//! finds its connection closed: the original ends such a body properly, so that a truncated answer looks like a whole one.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use faas_lab_http::client::{SendError, Unsent};
use faas_lab_http::{Body, ClientError, forward};
use http::header::{self, Entry};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep, timeout, timeout_at};
use uuid::Uuid;

use crate::call::Call;
use crate::dispatcher::{Admission, Lease, Refused, Ticket};
use crate::function::Function;
use crate::gateway::Inner;
use crate::reply;

pub(crate) const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");
pub(crate) const START_TIME: HeaderName = HeaderName::from_static("x-start-time");
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
const REPLICA: HeaderName = HeaderName::from_static("x-replica");
const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");
const COLD_START: HeaderName = HeaderName::from_static("x-cold-start");
/// Replicas that a call is tried on when it cannot be handed over.
const MOST_TRIES: u32 = 10;
/// A replica whose accept queue is full is asked again after this time.
const FULL_QUEUE: Duration = Duration::from_millis(5);

/// When a call came, as headers say it.
pub(crate) struct Arrival {
    pub(crate) call_id: HeaderValue,
    /// The caller named the call itself.
    pub(crate) named: bool,
    pub(crate) start_time: HeaderValue,
}

impl Arrival {
    pub(crate) fn new(headers: &HeaderMap) -> Arrival {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let named = headers.get(CALL_ID).cloned();
        Arrival {
            named: named.is_some(),
            call_id: named.unwrap_or_else(|| {
                let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
                let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
                HeaderValue::from_str(text).expect("a UUID is made of hex digits and hyphens")
            }),
            start_time: HeaderValue::from(nanos),
        }
    }
}

impl Inner {
    /// Invokes a function; `path` is below it and encoded. Always an answer.
    ///
    /// The request is boxed because it passes through futures that would each have room for it.
    pub(crate) async fn invoke(
        &self,
        name: &str,
        path: &str,
        mut request: Box<Request<Body>>,
        peer: Option<SocketAddr>,
    ) -> Response<Body> {
        let Some(function) = self.functions.get(name) else { return unknown(name) };
        if let Some(refusal) = refuse_upgrade(request.headers()) {
            return refusal;
        }
        let arrival = Arrival::new(request.headers());
        let asked_type = request.headers().get(header::CONTENT_TYPE).cloned();
        if address(&mut request, path).is_err() {
            return reply::text(StatusCode::BAD_REQUEST, "400 Bad Request: this is no path");
        }
        dress(&mut request, &arrival, peer);
        let mut response = self.deliver(&function, request).await;
        self.label(&mut response, &arrival, asked_type);
        response
    }

    /// Gets a replica, hands the request over and waits for the answer's head.
    async fn deliver(&self, function: &Arc<Function>, mut request: Box<Request<Body>>) -> Response<Body> {
        let mut held = None;
        let mut call = None;
        let mut deadline = None;
        for _ in 0..MOST_TRIES {
            let lease = match function.admit() {
                Admission::Granted(lease) => lease,
                Admission::Refused(refused) => return refusal(function, refused, &mut call),
                Admission::Held(ticket) => match Box::pin(self.hold(function, ticket, &mut held)).await {
                    Ok(lease) => lease,
                    Err(refusal) => return refusal,
                },
                Admission::Waits { mut ticket, cold } => {
                    // It has reached the function's waiting room: from here on its time counts.
                    self.begin(function, &mut call, &mut deadline);
                    let since = Instant::now();
                    match before(deadline, ticket.replica()).await {
                        Some(Some(lease)) => {
                            if cold {
                                held = Some(held.unwrap_or_default() + since.elapsed());
                            }
                            lease
                        }
                        Some(None) => return refusal(function, Refused::Gone, &mut call),
                        None => return ended(call, reply_timeout()),
                    }
                }
            };
            self.begin(function, &mut call, &mut deadline);
            let Some(sent) = before(deadline, send(&lease, request)).await else {
                return ended(call, by(reply_timeout(), function, &lease, held));
            };
            match sent {
                Ok(mut response) => {
                    let headers = response.headers_mut();
                    forward::remove_hop_by_hop(headers);
                    // A function may not put itself between the UI and the gateway.
                    headers.remove(SERVICE_WORKER_ALLOWED);
                    let response = by(response, function, &lease, held);
                    if let Some(call) = &mut call {
                        call.answered(response.status().as_u16());
                    }
                    return response.map(|body| pass(body, deadline, (call, lease)));
                }
                Err(SendError { unsent: Some(Unsent { request: again }), .. }) => {
                    function.metrics.retried.inc();
                    lease.unreachable();
                    request = again;
                }
                Err(SendError { error, .. }) => {
                    return ended(call, by(cannot_reach(function, &error), function, &lease, held));
                }
            }
        }
        ended(call, no_endpoints(function))
    }

    /// Waits for a function that has no replica.
    async fn hold(
        &self,
        function: &Arc<Function>,
        mut ticket: Ticket,
        held: &mut Option<Duration>,
    ) -> Result<Lease, Response<Body>> {
        let since = Instant::now();
        let granted = timeout(self.options.hold, ticket.replica()).await;
        *held = Some(held.unwrap_or_default() + since.elapsed());
        match granted {
            Ok(Some(lease)) => Ok(lease),
            Ok(None) => Err(unknown(&function.label)),
            Err(_) => Err(no_endpoints(function)),
        }
    }

    fn begin(&self, function: &Arc<Function>, call: &mut Option<Call>, deadline: &mut Option<Instant>) {
        if call.is_none() {
            let begun = Call::begin(function);
            *deadline = self.upstream_timeout.map(|timeout| begun.began() + timeout);
            *call = Some(begun);
        }
    }

    /// What the client is told beside the answer.
    fn label(&self, response: &mut Response<Body>, arrival: &Arrival, asked_type: Option<HeaderValue>) {
        let has_body = !response.body().is_empty();
        let headers = response.headers_mut();
        if !arrival.named {
            headers.insert(CALL_ID, arrival.call_id.clone());
        }
        headers.insert(START_TIME, arrival.start_time.clone());
        headers.insert(SERVED_BY, self.served_by.clone());
        if has_body && let Entry::Vacant(vacant) = headers.entry(header::CONTENT_TYPE) {
            vacant.insert(asked_type.unwrap_or(HeaderValue::from_static("text/plain")));
        }
    }
}

/// Says which replica the call was given to, and how long it was held for one: of an answer, and of one that did not come.
fn by(mut response: Response<Body>, function: &Function, lease: &Lease, held: Option<Duration>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(REPLICA, lease.link().identity.clone());
    if let Some(held) = held {
        function.metrics.cold_start.observe(held.as_secs_f64());
        let seconds = HeaderValue::from_str(&format!("{:.6}", held.as_secs_f64()));
        headers.insert(COLD_START, seconds.expect("a number is made of digits"));
    }
    response
}

/// Points a request at the function's own path.
fn address(request: &mut Request<Body>, path: &str) -> Result<(), http::uri::InvalidUri> {
    let query = request.uri().query();
    let target = match (path, query) {
        ("" | "/", None) => PathAndQuery::from_static("/"),
        ("", Some(query)) => PathAndQuery::try_from(format!("/?{query}"))?,
        (path, None) => PathAndQuery::try_from(path)?,
        (path, Some(query)) => PathAndQuery::try_from(format!("{path}?{query}"))?,
    };
    *request.uri_mut() = Uri::from(target);
    Ok(())
}

/// Headers as a function gets them.
fn dress(request: &mut Request<Body>, arrival: &Arrival, peer: Option<SocketAddr>) {
    *request.version_mut() = Version::HTTP_11;
    let length_is_known = request.body().length().is_some();
    let headers = request.headers_mut();
    forward::remove_hop_by_hop(headers);
    // The gateway itself tells the client to go on, when the function reads.
    headers.remove(header::EXPECT);
    if !length_is_known {
        headers.remove(header::CONTENT_LENGTH);
    }
    if !headers.contains_key(header::HOST) {
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    }
    if !arrival.named {
        headers.insert(CALL_ID, arrival.call_id.clone());
    }
    headers.insert(START_TIME, arrival.start_time.clone());
    forward::add_forwarded(request, peer);
}

/// Sends over a kept or a new connection.
async fn send(lease: &Lease, mut request: Box<Request<Body>>) -> Result<Response<Body>, SendError> {
    loop {
        match lease.link().client.try_send(request).await {
            Err(SendError {
                unsent: Some(Unsent { request: again }),
                error: ClientError::Unreachable { source, .. },
            }) if source.kind() == std::io::ErrorKind::WouldBlock => {
                // It lives, but does not keep up with accepting; the upstream timeout ends this.
                tokio::time::sleep(FULL_QUEUE).await;
                request = again;
            }
            sent => return sent,
        }
    }
}

/// The future's result, unless the deadline comes first.
async fn before<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// Passes an answer's body on. What has come with the head already goes on at once, and its call is over.
fn pass(mut body: Body, deadline: Option<Instant>, guard: (Option<Call>, Lease)) -> Body {
    if body.is_empty() {
        return body;
    }
    let mut nobody = Context::from_waker(Waker::noop());
    let first = match Pin::new(&mut body).poll_frame(&mut nobody) {
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) if body.is_end_stream() => return Body::full(data),
            Ok(data) => Some(data),
            Err(_trailers) => None,
        },
        Poll::Ready(Some(Err(broken))) => {
            return Body::boxed(Passing {
                body: Body::boxed(Broken(Some(broken))),
                first: None,
                deadline: None,
                guard,
            });
        }
        Poll::Ready(None) => return Body::empty(),
        Poll::Pending => None,
    };
    let deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
    Body::boxed(Passing { body, first, deadline, guard })
}

/// A body on its way through, up to the upstream timeout.
struct Passing {
    body: Body,
    first: Option<Bytes>,
    deadline: Option<Pin<Box<Sleep>>>,
    #[expect(dead_code, reason = "kept for its drop, which ends the call")]
    guard: (Option<Call>, Lease),
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = faas_lab_http::body::BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending()
            && let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err("the function takes longer than the upstream timeout".into())));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.first, self.body.length()) {
            (Some(first), Some(rest)) => SizeHint::with_exact(first.len() as u64 + rest),
            (None, Some(rest)) => SizeHint::with_exact(rest),
            (_, None) => SizeHint::default(),
        }
    }
}

/// A body that broke off before its first byte.
struct Broken(Option<faas_lab_http::body::BodyError>);

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = faas_lab_http::body::BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

/// A WebSocket cannot be had. Other wishes to upgrade are ignored, as HTTP allows.
fn refuse_upgrade(headers: &HeaderMap) -> Option<Response<Body>> {
    let upgrade = headers.get(header::UPGRADE)?;
    upgrade.as_bytes().eq_ignore_ascii_case(b"websocket").then(|| {
        reply::internal(
            StatusCode::NOT_IMPLEMENTED,
            "this gateway passes no WebSockets on: use HTTP requests or event streams",
        )
    })
}

fn refusal(function: &Function, refused: Refused, call: &mut Option<Call>) -> Response<Body> {
    let response = match refused {
        Refused::Gone => unknown(&function.label),
        Refused::NoPlace => {
            reply::internal(StatusCode::TOO_MANY_REQUESTS, format!("All replicas of {} are busy.", function.name.name))
        }
        Refused::TooMany => no_endpoints(function),
    };
    ended(call.take(), response)
}

/// Counts a call as ended with the gateway's own answer. One that was refused at arrival never began.
fn ended(call: Option<Call>, response: Response<Body>) -> Response<Body> {
    if let Some(mut call) = call {
        call.answered(response.status().as_u16());
    }
    response
}

fn reply_timeout() -> Response<Body> {
    let mut response = reply::empty(StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(reply::INTERNAL, HeaderValue::from_static("gateway"));
    response
}

fn unknown(written: &str) -> Response<Body> {
    let name = faas_lab_provider::api::FunctionName::parse(written);
    let text = format!(
        "error finding function {name}: server returned non-200 status code (404) for function, {}, body: ",
        name.name
    );
    reply::internal(StatusCode::NOT_FOUND, text)
}

fn no_endpoints(function: &Function) -> Response<Body> {
    reply::internal(StatusCode::SERVICE_UNAVAILABLE, format!("No endpoints available for: {}.", function.name.name))
}

fn cannot_reach(function: &Function, error: &ClientError) -> Response<Body> {
    if let ClientError::Request { .. } = error {
        // The client's own body broke off, so nobody will read this.
        return reply::internal(StatusCode::BAD_REQUEST, "the request's body broke off");
    }
    eprintln!("{}: {error}", function.label);
    reply::internal(StatusCode::INTERNAL_SERVER_ERROR, format!("Can't reach service for: {}.", function.name.name))
}
