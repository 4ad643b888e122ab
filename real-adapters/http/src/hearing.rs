//! A client's connection that still hears an answer when it can say no more.
//!
//! A server may answer and close before it has read a request to its end, such as to refuse a large upload. Writing then
//! fails while the answer waits to be read, and it is the answer that matters: what cannot be written is dropped, until
//! the peer's end has been read. So an error of writing alone is never the reason why there is no answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::endpoint::Stream;

/// See above.
pub(crate) struct Hearing {
    stream: Stream,
    /// Nobody takes what is written any more.
    unheard: bool,
    /// The peer's end was read.
    ended: bool,
}

impl Hearing {
    pub(crate) fn new(stream: Stream) -> Hearing {
        Hearing { stream, unheard: false, ended: false }
    }

    /// What was written, or dropped.
    fn written(&mut self, length: usize, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(error)) if !self.ended && is_peers_end(&error) => {
                self.unheard = true;
                Poll::Ready(Ok(length))
            }
            other => other,
        }
    }
}

fn is_peers_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl AsyncRead for Hearing {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if read.is_ready() && buf.filled().len() == before && buf.remaining() > 0 {
            this.ended = true;
        }
        read
    }
}

impl AsyncWrite for Hearing {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if this.unheard && !this.ended {
            return Poll::Ready(Ok(length));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.written(length, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
