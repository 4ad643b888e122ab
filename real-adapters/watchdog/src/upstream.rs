//! Mode http: one process that speaks HTTP, which calls are passed on to.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use faas_lab_http::forward::{INTERNAL, SECONDS, origin_form, remove_hop_by_hop};
use faas_lab_http::go::parse_duration;
use faas_lab_http::{Body, Client, ClientError, ClientOptions, Endpoint};
use http::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::buffer::{GoBuffer, head_bytes};
use crate::call::Record;
use crate::config::{Config, Upstream};
use crate::log::log;
use crate::serializing::seconds_since;

/// What is known of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listening {
    /// It has been started.
    NotYet,
    /// It accepts connections, or did.
    Yes,
    /// Its process is gone.
    NoMore,
}

/// The function as the watchdog's calls see it.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    client: Client,
    base: Arc<str>,
    /// For callers that name none.
    host: HeaderValue,
    exec_timeout: Option<Duration>,
    go_buffering: bool,
    listening: watch::Receiver<Listening>,
}

impl Function {
    pub(crate) fn new(config: &Config, upstream: &Upstream, listening: watch::Receiver<Listening>) -> Function {
        // Functions close idle connections after 5 s (Node) or less: better first.
        let options = ClientOptions { idle_timeout: Duration::from_millis(500), ..ClientOptions::default() };
        Function {
            client: Client::new(upstream.endpoint.clone(), options),
            base: upstream.base.as_str().into(),
            host: match &upstream.endpoint {
                Endpoint::Tcp(address) => HeaderValue::from_str(&address.to_string()).expect("digits and dots"),
                Endpoint::Unix(_) => HeaderValue::from_static("localhost"),
            },
            exec_timeout: config.exec_timeout,
            go_buffering: config.go_buffering,
            listening,
        }
    }

    pub(crate) fn listening(&self) -> Listening {
        *self.listening.borrow()
    }

    /// Answers a call.
    pub(crate) async fn call(&self, mut request: Box<Request<Body>>, mut record: Box<Record>) -> Response<Body> {
        let flowing = flows(request.headers());
        // No other protocol: in HTTP/2 a client could speak to the function past everything that stands before it.
        let tunnel = is_web_socket(request.headers()).then(|| hyper::upgrade::on(&mut *request));
        let limit = if flowing { None } else { self.limit(request.headers()) };
        let deadline = limit.map(|limit| Instant::from_std(record.began()) + limit);
        self.address(&mut request, tunnel.is_some());
        let answer = async {
            // Boxed, as what is waited for but once.
            if self.listening() == Listening::NotYet {
                Box::pin(self.listens()).await;
            }
            self.client.send(request).await
        };
        let answer = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, answer).await,
            None => Ok(answer.await),
        };
        let mut response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return refuse(explain(&error), record),
            Err(_) => {
                let limit = limit.unwrap_or_default();
                log(format!("the function took longer than {}", faas_lab_http::go::format_duration(limit)));
                return refuse(StatusCode::GATEWAY_TIMEOUT, record);
            }
        };
        record.set_status(response.status());
        *response.version_mut() = Version::HTTP_11;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return switch(tunnel, response, record);
        }
        remove_hop_by_hop(response.headers_mut());
        if !flowing {
            response.headers_mut().insert(SECONDS, seconds_since(record.began()));
        }
        self.relay(response, deadline, record, flowing).await
    }

    /// The function's own limit, or a shorter one that the caller asks for.
    fn limit(&self, headers: &HeaderMap) -> Option<Duration> {
        // A bare number is seconds in the environment only; here, as in Go, it says nothing.
        let is_duration = |text: &&str| !text.ends_with(|c: char| c.is_ascii_digit());
        let asked = headers.get("x-timeout").and_then(|value| value.to_str().ok());
        let asked = asked.filter(is_duration).and_then(parse_duration);
        match (self.exec_timeout, asked) {
            (Some(own), Some(asked)) => Some(own.min(asked)),
            (own, _) => own,
        }
    }

    fn address(&self, request: &mut Request<Body>, upgrades: bool) {
        if !self.base.is_empty() || !request.uri().path().starts_with('/') || request.uri().authority().is_some() {
            let uri: Result<Uri, _> = format!("{}{}", self.base, origin_form(request.uri())).parse();
            *request.uri_mut() = uri.unwrap_or_default();
        }
        let upgrade = if upgrades { request.headers_mut().remove(UPGRADE) } else { None };
        remove_hop_by_hop(request.headers_mut());
        // Answered by our own server when the body is read.
        request.headers_mut().remove(EXPECT);
        if let Some(upgrade) = upgrade {
            request.headers_mut().insert(UPGRADE, upgrade);
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        if !request.headers().contains_key(HOST) {
            // HTTP/1.0 has none, and functions refuse HTTP/1.1 without.
            request.headers_mut().insert(HOST, self.host.clone());
        }
        *request.version_mut() = Version::HTTP_11;
    }

    /// Waits until the function listens, or never will.
    async fn listens(&self) {
        // An error means that its watcher is gone, with the process: then the call finds that nobody answers.
        let _ = self.listening.clone().wait_for(|&now| now != Listening::NotYet).await;
    }

    async fn relay(
        &self,
        response: Response<Body>,
        deadline: Option<Instant>,
        mut record: Box<Record>,
        flowing: bool,
    ) -> Response<Body> {
        let (head, mut body) = response.into_parts();
        if body.is_empty() {
            // The answer to HEAD names a length without sending it.
            let named = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
            record.set_bytes(named.unwrap_or(0));
            return Response::from_parts(head, body.guarded(record));
        }
        if let Some(length) = body.length() {
            record.set_bytes(length);
            // A short body mostly came with its head.
            if let Some(whole) = at_once(&mut body, length) {
                return Response::from_parts(head, Body::full(whole).guarded(record));
            }
        }
        let buffer = (self.go_buffering && !flowing && body.length().is_none())
            .then(|| GoBuffer::new(head_bytes(&head.headers)));
        let relayed = Relayed { known: body.length().is_some(), body, timer: deadline.map(Timer::At), buffer, record };
        if relayed.buffer.is_none() {
            return Response::from_parts(head, Body::boxed(relayed));
        }
        // Go's server does not send a head before its buffer is full, either.
        let mut relayed = Body::boxed(relayed);
        Box::pin(async {
            let first = relayed.data().await;
            Response::from_parts(head, Body::boxed(Begun { first, rest: relayed }))
        })
        .await
    }
}

/// Whether the caller wants a stream of events or a tunnel: these have no time limit.
fn flows(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    accept.starts_with(b"text/event-stream") || accept.starts_with(b"application/x-ndjson") || is_web_socket(headers)
}

fn is_web_socket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn explain(error: &ClientError) -> StatusCode {
    log(format!("Upstream HTTP request error: {error}"));
    StatusCode::INTERNAL_SERVER_ERROR
}

fn refuse(status: StatusCode, mut record: Box<Record>) -> Response<Body> {
    record.set_status(status);
    let mut response = Response::new(Body::empty().guarded(record));
    *response.status_mut() = status;
    response.headers_mut().insert(INTERNAL, HeaderValue::from_static("of-watchdog"));
    response
}

/// Connects both sides of a connection that stops to speak HTTP.
fn switch(
    client: Option<hyper::upgrade::OnUpgrade>,
    mut response: Response<Body>,
    record: Box<Record>,
) -> Response<Body> {
    let function = hyper::upgrade::on(&mut response);
    let Some(client) = client else { return refuse(StatusCode::INTERNAL_SERVER_ERROR, record) };
    tokio::spawn(async move {
        if let (Ok(client), Ok(function)) = tokio::join!(client, function) {
            // One side's end, of whatever kind, is the tunnel's.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(function)).await;
        }
        drop(record);
    });
    response.map(|_| Body::empty())
}

/// The whole body if it is there already.
fn at_once(body: &mut Body, length: u64) -> Option<Bytes> {
    if length > 16_384 {
        return None;
    }
    body.first_if_whole()
}

enum Timer {
    At(Instant),
    Running(Pin<Box<Sleep>>),
}

impl Timer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Timer::At(deadline) = self {
            *self = Timer::Running(Box::pin(tokio::time::sleep_until(*deadline)));
        }
        match self {
            Timer::Running(sleep) => sleep.as_mut().poll(cx),
            Timer::At(_) => Poll::Pending,
        }
    }
}

/// The function's body on its way, up to the call's deadline.
///
/// Cut there, a body of unknown length ends properly and one of known length breaks off, as with Go's server.
struct Relayed {
    body: Body,
    known: bool,
    timer: Option<Timer>,
    buffer: Option<GoBuffer>,
    record: Box<Record>,
}

impl HttpBody for Relayed {
    type Data = Bytes;
    type Error = faas_lab_http::body::BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        loop {
            let frame = match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let Some(timer) = &mut this.timer else { return Poll::Pending };
                    ready!(timer.poll(cx));
                    this.body = Body::empty();
                    if this.known {
                        let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "the function took too long");
                        return Poll::Ready(Some(Err(late.into())));
                    }
                    None
                }
            };
            let data = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    // What is held back would come after them, when it is too late: it goes without.
                    Err(_trailers) if this.buffer.is_some() => continue,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let rest = this.buffer.take().map(GoBuffer::finish).filter(|rest| !rest.is_empty());
                    return Poll::Ready(rest.map(|rest| Ok(Frame::data(rest))));
                }
            };
            if !this.known {
                this.record.add_bytes(data.len());
            }
            let due = match &mut this.buffer {
                Some(buffer) => buffer.push(&data),
                None => Some(data),
            };
            if let Some(due) = due {
                return Poll::Ready(Some(Ok(Frame::data(due))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.buffer.is_none() && self.body.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.buffer.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}

/// A body whose first bytes have been waited for.
struct Begun {
    first: Option<Result<Bytes, faas_lab_http::body::BodyError>>,
    rest: Body,
}

impl HttpBody for Begun {
    type Data = Bytes;
    type Error = faas_lab_http::body::BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match this.first.take() {
            Some(first) => Poll::Ready(Some(first.map(Frame::data))),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }
}

/// A request as the probe of `ready_path` makes it.
pub(crate) fn probe(path: &str) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.headers_mut().insert(http::header::HOST, HeaderValue::from_static("localhost"));
    request
}
