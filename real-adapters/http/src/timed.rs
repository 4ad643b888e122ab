//! A server's connection with Go's deadlines.
//!
//! - Reading: head and body of a request must have come within `read_timeout` of its first byte (of the connection's
//!   begin, for the first request). Between requests the idle timeout holds, during a call none.
//! - Writing: `write_timeout` runs from the end of the request's head. After it nothing is written any more; the handler is
//!   not told, and finds out only by its response going nowhere.
//!
//! A connection that the server closes while its client still sends is read on for a moment and what comes is thrown away:
//! closed at once, the kernel would reset it, and the reset overtakes the answer.
//!
//! Deadlines move with every request, timers are slow to move: one timer per connection is left where it is and looked at
//! again when it fires.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::endpoint::Stream;

const HEAD: u8 = 1;
const BODY: u8 = 2;
const CALL: u8 = 4;
/// No longer HTTP: nobody's deadlines hold.
const TUNNEL: u8 = 8;
const NEVER: u64 = u64::MAX;
/// For how long a client may go on sending what nobody cares for, as with Go's server.
pub(crate) const FAREWELL: Duration = Duration::from_millis(500);
/// Reads of what is thrown away before others have their turn.
const THROWN_AT_ONCE: usize = 32;

/// Where a connection is between requests, and its deadlines; shared by the connection, its service and the bodies.
#[derive(Debug)]
pub(crate) struct Pace {
    born: Instant,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    /// Which of [`HEAD`], [`BODY`], [`CALL`] are under way; none: idle. All accesses come from one connection's task, or
    /// are ordered by the channels of the bodies.
    state: AtomicU8,
    /// The last request's body has not been read to its end.
    body_left: AtomicBool,
    /// Nanoseconds after `born`.
    read_by: AtomicU64,
    write_by: AtomicU64,
    idle_by: AtomicU64,
    leftover: Mutex<Leftover>,
}

/// A request's body that its handler gave up before its end.
#[derive(Debug, Default)]
enum Leftover {
    /// Where it goes then is hyper's business.
    #[default]
    Unwanted,
    /// It is wanted until the request is answered.
    Wanted,
    Here(Incoming),
}

impl Pace {
    pub(crate) fn new(read: Option<Duration>, write: Option<Duration>, idle: Option<Duration>) -> Arc<Pace> {
        let pace = Pace {
            born: Instant::now(),
            read_timeout: read,
            write_timeout: write,
            idle_timeout: idle.or(read),
            state: AtomicU8::new(HEAD),
            body_left: AtomicBool::new(false),
            read_by: AtomicU64::new(NEVER),
            write_by: AtomicU64::new(NEVER),
            idle_by: AtomicU64::new(NEVER),
            leftover: Mutex::default(),
        };
        pace.read_by.store(pace.after(read), Relaxed);
        Arc::new(pace)
    }

    /// A head was read: the call begins. A client that waits to be told to send its body (`Expect`) has not sent one yet.
    pub(crate) fn call_begins(&self, with_body: bool, expects: bool) {
        *self.leftover() = if with_body && !expects { Leftover::Wanted } else { Leftover::Unwanted };
        self.state.store(if with_body { CALL | BODY } else { CALL }, Relaxed);
        self.body_left.store(with_body, Relaxed);
        self.write_by.store(self.after(self.write_timeout), Relaxed);
    }

    /// The request's body has come as a whole.
    pub(crate) fn body_came(&self) {
        self.body_left.store(false, Relaxed);
    }

    /// The request's body is given up before its end.
    pub(crate) fn leave(&self, body: Incoming) {
        let mut leftover = self.leftover();
        if matches!(*leftover, Leftover::Wanted) {
            *leftover = Leftover::Here(body);
        }
    }

    /// The request has its answer; what its handler left of the body, if it is done with it.
    pub(crate) fn answered(&self) -> Option<Incoming> {
        match std::mem::take(&mut *self.leftover()) {
            Leftover::Here(body) => Some(body),
            Leftover::Unwanted | Leftover::Wanted => None,
        }
    }

    fn leftover(&self) -> MutexGuard<'_, Leftover> {
        // Nothing in a critical section can panic half-way.
        self.leftover.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request's body was read to its end, or is left unread.
    pub(crate) fn body_read(&self) {
        if self.state.fetch_and(!BODY, Relaxed) & !BODY == 0 {
            self.idle_by.store(self.after(self.idle_timeout), Relaxed);
        }
    }

    /// The response was handed over for writing, or given up.
    pub(crate) fn call_ends(&self) {
        if self.state.fetch_and(!CALL, Relaxed) & !CALL == 0 {
            self.idle_by.store(self.after(self.idle_timeout), Relaxed);
        }
    }

    /// The connection stops to speak HTTP.
    pub(crate) fn tunnel_begins(&self) {
        self.state.fetch_or(TUNNEL, Relaxed);
        self.state.fetch_and(!BODY, Relaxed);
        self.write_by.store(NEVER, Relaxed);
    }

    fn after(&self, timeout: Option<Duration>) -> u64 {
        let Some(timeout) = timeout else { return NEVER };
        u64::try_from((self.born.elapsed() + timeout).as_nanos()).unwrap_or(NEVER)
    }

    fn instant(&self, nanos: u64) -> Option<Instant> {
        (nanos != NEVER).then(|| self.born + Duration::from_nanos(nanos))
    }

    fn bytes_came(&self) {
        if self.state.load(Relaxed) == 0 {
            self.state.store(HEAD, Relaxed);
            self.read_by.store(self.after(self.read_timeout), Relaxed);
            // The last call's deadline is none of this head's: it may have to be refused, and be told so.
            if let (Some(read), Some(write)) = (self.read_timeout, self.write_timeout) {
                self.write_by.store(self.after(Some(read.saturating_add(write))), Relaxed);
            }
        }
    }

    fn read_deadline(&self) -> Option<Instant> {
        let state = self.state.load(Relaxed);
        let nanos = match state {
            0 => &self.idle_by,
            _ if state & (HEAD | BODY) != 0 => &self.read_by,
            _ => return None,
        };
        self.instant(nanos.load(Relaxed))
    }

    fn write_deadline(&self) -> Option<Instant> {
        self.instant(self.write_by.load(Relaxed))
    }
}

/// A connection that fails with `TimedOut` after its deadlines.
pub(crate) struct Timed {
    stream: Stream,
    pace: Arc<Pace>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Runs while what still comes is thrown away.
    farewell: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    pub(crate) fn new(stream: Stream, pace: Arc<Pace>) -> Timed {
        Timed { stream, pace, timer: None, farewell: None }
    }

    /// Throws away what still comes, until the client closes too or has had its time. One that sends nothing more is not
    /// waited for.
    fn part(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut thrown = [0; 8192];
        for _ in 0..THROWN_AT_ONCE {
            let mut buf = ReadBuf::new(&mut thrown);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if self.farewell.is_none() && !self.pace.body_left.load(Relaxed) => {
                    return Poll::Ready(());
                }
                Poll::Pending => return self.farewell().poll(cx),
            }
            self.farewell();
        }
        cx.waker().wake_by_ref();
        self.farewell().poll(cx)
    }

    fn farewell(&mut self) -> Pin<&mut Sleep> {
        self.farewell.get_or_insert_with(|| Box::pin(tokio::time::sleep(FAREWELL))).as_mut()
    }

    /// Whether the deadline is past; if not, the task is woken at the latest when it is.
    fn past(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline else { return false };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }

    /// During a call no deadline holds for reading, but when it ends nobody may read again and so set the idle timeout:
    /// the timer stays wound to look now and then.
    fn keep_looking(&mut self, cx: &mut Context<'_>) {
        let Some(idle) = self.pace.idle_timeout else { return };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        while timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(Instant::now() + idle.max(Duration::from_millis(1)));
        }
    }

    fn finish<T>(
        &mut self,
        result: Poll<io::Result<T>>,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match result {
            Poll::Pending if self.past(deadline, cx) => Poll::Ready(Err(timed_out())),
            other => other,
        }
    }
}

/// In Go's words: clients see them as the body of a 500.
fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")
}

impl AsyncRead for Timed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Pending => {
                let deadline = this.pace.read_deadline();
                if deadline.is_none() {
                    this.keep_looking(cx);
                }
                this.finish(Poll::Pending, deadline, cx)
            }
            ready => {
                if buf.filled().len() > before {
                    this.pace.bytes_came();
                }
                ready
            }
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let deadline = this.pace.write_deadline();
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Poll::Ready(Err(timed_out()));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.finish(written, deadline, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.farewell.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        this.part(cx).map(Ok)
    }
}
