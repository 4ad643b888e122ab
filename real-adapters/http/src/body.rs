//! The one body type of requests and responses: nothing, known bytes, what comes from a peer, or what a task sends.
//!
//! A known length stays known, so that messages are passed on with the framing they came with; everything else is
//! streamed, frame by frame, with no more than a few frames in memory.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, LockResult, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::client::Lease;
use crate::server::Call;
use crate::timed::Pace;

/// Why a body broke off.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// A request's or a response's body.
#[derive(Default)]
pub struct Body {
    kind: Kind,
    /// Kept until the body is sent or given up: the server and the client follow a call's end by it.
    keep: Option<Keep>,
    /// The server's call that this body answers.
    call: Option<Call>,
    /// Read, but not asked for yet: bytes, or the error instead of so many.
    unread: Option<Result<Bytes, (BodyError, u64)>>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Incoming(Incoming),
    Channel {
        frames: mpsc::Receiver<Result<Bytes, BodyError>>,
        left: Option<u64>,
    },
    /// The lock is never waited for: it only lets `&Request<Body>` cross threads.
    Boxed(Mutex<Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError> + Send>>>),
}

/// What wants to know when a body is over.
enum Keep {
    /// A request being read by the server: from the end of its body on, the read timeout no longer runs.
    Reading(Reading),
    /// A response of a pooled connection: once read to its end the connection is free again.
    Lease(Lease),
    /// Anything else, dropped with the body; and what was kept before it.
    Guard(Box<dyn Send + Sync>, Option<Box<Keep>>),
}

/// A request's body that is being read, or was left unread.
struct Reading(Arc<Pace>);

impl Reading {
    /// It was read to its end.
    fn whole(self) {
        self.0.body_came();
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.body_read();
    }
}

impl Body {
    /// No bytes.
    pub fn empty() -> Body {
        Body::default()
    }

    /// Known bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Body {
        let bytes = bytes.into();
        if bytes.is_empty() { Body::empty() } else { Body::from_kind(Kind::Full(bytes)) }
    }

    /// Any other body.
    pub fn boxed<B>(body: B) -> Body
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Body::from_kind(Kind::Boxed(Mutex::new(Box::pin(Mapped(Box::pin(body))))))
    }

    /// A stream of unknown length; an error in it breaks the connection off.
    pub fn stream<S, E>(stream: S) -> Body
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BodyError> + 'static,
    {
        Body::boxed(Streamed(Box::pin(stream)))
    }

    /// A body that another task sends, at most `frames` pieces ahead of the reader; with `length` a Content-Length.
    pub fn channel(frames: usize, length: Option<u64>) -> (Sender, Body) {
        let (sender, receiver) = mpsc::channel(frames.max(1));
        (Sender { frames: sender }, Body::from_kind(Kind::Channel { frames: receiver, left: length }))
    }

    /// Drops `guard` when the body was sent or given up.
    pub fn guarded(mut self, guard: impl Send + Sync + 'static) -> Body {
        self.keep = Some(Keep::Guard(Box::new(guard), self.keep.take().map(Box::new)));
        self
    }

    /// Whether it is known to have no bytes (any more).
    pub fn is_empty(&self) -> bool {
        self.is_end_stream()
    }

    /// The length, if it is known: what remains of it once reading began.
    pub fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// The whole body in memory, at most `limit` bytes.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, CollectError> {
        if let Kind::Full(bytes) = &mut self.kind {
            let bytes = std::mem::take(bytes);
            return if bytes.len() > limit { Err(CollectError::TooLong { limit }) } else { Ok(bytes) };
        }
        if self.length().is_some_and(|length| length > limit as u64) {
            return Err(CollectError::TooLong { limit });
        }
        let mut first = Bytes::new();
        let mut all = Vec::new();
        while let Some(data) = self.data().await {
            let data = data.map_err(CollectError::Broken)?;
            if first.len() + all.len() + data.len() > limit {
                return Err(CollectError::TooLong { limit });
            }
            if first.is_empty() && all.is_empty() {
                first = data;
                continue;
            }
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
        Ok(if all.is_empty() { first } else { all.into() })
    }

    /// All of it, if it is there without waiting and in one piece; else it is left as it was.
    pub fn first_if_whole(&mut self) -> Option<Bytes> {
        let length = self.length()?;
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut *self).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if data.len() as u64 == length => return Some(data),
                Ok(data) => self.unread = Some(Ok(data)),
                Err(_trailers) => {}
            },
            // It broke off already: whoever reads it must learn that, or would take it for empty.
            Poll::Ready(Some(Err(error))) => self.unread = Some(Err((error, length))),
            Poll::Ready(None) | Poll::Pending => {}
        }
        None
    }

    /// The next bytes; `None` at the end. Trailers are left out.
    pub async fn data(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await?;
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => return Some(Ok(data)),
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// A request as the server reads it.
    pub(crate) fn reading(incoming: Incoming, pace: &Arc<Pace>) -> Body {
        if incoming.is_end_stream() {
            return Body::empty();
        }
        Body {
            kind: Kind::Incoming(incoming),
            keep: Some(Keep::Reading(Reading(pace.clone()))),
            call: None,
            unread: None,
        }
    }

    /// A response that has come as a whole.
    pub(crate) fn received(incoming: Incoming) -> Body {
        if incoming.is_end_stream() { Body::empty() } else { Body::from_kind(Kind::Incoming(incoming)) }
    }

    /// A response that occupies a pooled connection until it is read.
    pub(crate) fn leased(incoming: Incoming, lease: Lease) -> Body {
        if incoming.is_end_stream() {
            lease.give_back();
            return Body::empty();
        }
        Body { kind: Kind::Incoming(incoming), keep: Some(Keep::Lease(lease)), call: None, unread: None }
    }

    /// A response whose call is over when it is handed over.
    pub(crate) fn calling(mut self, call: Call) -> Body {
        self.call = Some(call);
        self
    }

    fn from_kind(kind: Kind) -> Body {
        Body { kind, keep: None, call: None, unread: None }
    }

    fn over(&mut self) {
        match self.keep.take() {
            Some(Keep::Reading(reading)) => reading.whole(),
            Some(Keep::Lease(lease)) => lease.give_back(),
            // A guard stays until the body is dropped, which is when the peer took it.
            Some(Keep::Guard(guard, inner)) => {
                let inner = inner.and_then(|inner| match *inner {
                    Keep::Lease(lease) => {
                        lease.give_back();
                        None
                    }
                    Keep::Reading(reading) => {
                        reading.whole();
                        None
                    }
                    other => Some(Box::new(other)),
                });
                self.keep = Some(Keep::Guard(guard, inner));
            }
            None => {}
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(Keep::Reading(reading)) = &self.keep
            && let Kind::Incoming(rest) = std::mem::take(&mut self.kind)
        {
            reading.0.leave(rest);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(unread) = this.unread.take() {
            return Poll::Ready(Some(unread.map(Frame::data).map_err(|(error, _)| error)));
        }
        let frame = match &mut this.kind {
            Kind::Empty => None,
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.kind = Kind::Empty;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Kind::Incoming(incoming) => {
                let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx)).map(|f| f.map_err(BodyError::from));
                if incoming.is_end_stream() {
                    this.over();
                }
                frame
            }
            Kind::Channel { frames, left } => match ready!(frames.poll_recv(cx)) {
                Some(Ok(data)) => {
                    if let Some(left) = left {
                        *left = left.saturating_sub(data.len() as u64);
                    }
                    Some(Ok(Frame::data(data)))
                }
                Some(Err(error)) => Some(Err(error)),
                // A promised length that does not come breaks the connection off: the peer must not take it for whole.
                None if left.is_some_and(|left| left > 0) => Some(Err(ends_early().into())),
                None => None,
            },
            Kind::Boxed(body) => ready!(unpoisoned(body.get_mut()).as_mut().poll_frame(cx)),
        };
        if !matches!(frame, Some(Ok(_))) {
            // Past its end or broken: there is nothing more to ask for.
            this.kind = Kind::Empty;
            if frame.is_none() {
                this.over();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        if self.unread.is_some() {
            return false;
        }
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(_) => false,
            Kind::Incoming(incoming) => incoming.is_end_stream(),
            Kind::Channel { left, .. } => *left == Some(0),
            Kind::Boxed(body) => unpoisoned(body.lock()).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let unread = match &self.unread {
            None => 0,
            Some(Ok(data)) => data.len() as u64,
            Some(Err((_, missing))) => *missing,
        };
        let rest = match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Incoming(incoming) => incoming.size_hint(),
            Kind::Channel { left, .. } => left.map_or_else(SizeHint::default, SizeHint::with_exact),
            Kind::Boxed(body) => unpoisoned(body.lock()).size_hint(),
        };
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(rest + unread),
            None => rest,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("length", &self.length()).finish_non_exhaustive()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body::full(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::full(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Body::full(text)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::full(bytes)
    }
}

impl From<Incoming> for Body {
    fn from(incoming: Incoming) -> Body {
        Body::from_kind(Kind::Incoming(incoming))
    }
}

/// The sending end of [`Body::channel`]. Dropping it ends the body properly.
#[derive(Debug)]
pub struct Sender {
    frames: mpsc::Sender<Result<Bytes, BodyError>>,
}

/// The reader of a body is gone.
#[derive(Debug, thiserror::Error)]
#[error("the reader of the body is gone")]
pub struct ReaderGone;

impl Sender {
    /// Sends bytes as soon as the reader has room for them.
    pub async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), ReaderGone> {
        self.frames.send(Ok(bytes.into())).await.map_err(|_| ReaderGone)
    }

    /// Breaks the body off: the peer sees a broken connection, not an end.
    pub async fn abort(self, error: impl Into<BodyError>) {
        // A reader that is gone needs no telling.
        let _ = self.frames.send(Err(error.into())).await;
    }

    /// Whether the reader is gone.
    pub fn is_closed(&self) -> bool {
        self.frames.is_closed()
    }

    /// Waits until the reader is gone.
    pub async fn closed(&self) {
        self.frames.closed().await;
    }
}

/// Why a body could not be read into memory.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// It is longer than allowed.
    #[error("the body is longer than {limit} bytes")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// It broke off; [`root_cause`] says why.
    #[error("{}", root_cause(&**.0))]
    Broken(BodyError),
}

/// The innermost reason of an error: hyper's own text only says that something failed.
pub fn root_cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

/// Whether an error was caused by a deadline of the server or the client.
pub fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    root_cause(error).downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut)
}

/// A body that panicked once may be asked again: it is its own affair what it says then.
fn unpoisoned<T>(lock: LockResult<T>) -> T {
    lock.unwrap_or_else(PoisonError::into_inner)
}

fn ends_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the body ended before its announced length")
}

/// A foreign body with its error boxed.
struct Mapped<B>(Pin<Box<B>>);

impl<B> HttpBody for Mapped<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.as_mut().poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// A stream as a body.
struct Streamed<S>(Pin<Box<S>>);

impl<S, E> HttpBody for Streamed<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.as_mut().poll_next(cx).map(|item| item.map(|item| item.map(Frame::data).map_err(Into::into)))
    }
}
