//! A Unix stream that is watched only for what comes.
//!
//! Tokio watches a connection in both directions, and a Unix socket tells whoever watches for room each time its peer has
//! read something: its process runs for nothing, twice in each call. So here room is watched for only while there is none.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

thread_local! {
    /// What is read goes through here: to fill a buffer safely, all of it would have to be written, most of it for nothing.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 1 << 16].into());
}

/// A connection over a Unix domain socket.
#[derive(Debug)]
pub struct LocalStream {
    incoming: AsyncFd<UnixStream>,
    /// The same socket, while a write waits for room.
    room: Option<AsyncFd<UnixStream>>,
}

impl LocalStream {
    pub(crate) async fn connect(path: &Path) -> io::Result<LocalStream> {
        LocalStream::new(tokio::net::UnixStream::connect(path).await?)
    }

    pub(crate) fn new(stream: tokio::net::UnixStream) -> io::Result<LocalStream> {
        Ok(LocalStream { incoming: watch(stream.into_std()?, Interest::READABLE)?, room: None })
    }

    /// Writes, now or when there is room.
    fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&mut &UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(&mut self.incoming.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => {
                    self.room = None;
                    return Poll::Ready(written);
                }
            }
            let room = match &mut self.room {
                Some(room) => room,
                none => none.insert(watch(self.incoming.get_ref().try_clone()?, Interest::WRITABLE)?),
            };
            // Forgotten before it is tried again: room that comes in between is a new event.
            ready!(room.poll_write_ready(cx))?.clear_ready();
        }
    }
}

#[expect(
    deprecated,
    reason = "its replacement is unsafe for things whose descriptor changes, which a stream's does not"
)]
fn watch(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl AsyncRead for LocalStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let incoming = &self.get_mut().incoming;
        loop {
            let mut ready = ready!(incoming.poll_read_ready(cx))?;
            let read: io::Result<()> = SCRATCH.with_borrow_mut(|scratch| {
                let size = scratch.len().min(buf.remaining());
                let read = ready.get_inner().read(&mut scratch[..size])?;
                buf.put_slice(&scratch[..read]);
                // All that was there: what comes next is a new event. The end stays to be read.
                if read > 0 && read < size {
                    ready.clear_ready();
                }
                Ok(())
            });
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_written(cx, |stream| stream.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_written(cx, |stream| stream.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().incoming.get_ref().shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair() -> (LocalStream, LocalStream) {
        let (one, other) = tokio::net::UnixStream::pair().expect("sockets can be had");
        (LocalStream::new(one).expect("it can be watched"), LocalStream::new(other).expect("it can be watched"))
    }

    #[tokio::test]
    async fn a_megabyte_goes_through_a_socket_that_is_full_most_of_the_time() {
        let sent: Vec<u8> = (0..1u32 << 20).map(|at| (at % 251) as u8).collect();
        let (mut one, mut other) = pair();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            one.write_all(&sent).await.expect("it is read");
            one.shutdown().await.expect("it is open");
            one
        });
        let mut received = Vec::new();
        while other.read_buf(&mut received).await.expect("it is written") > 0 {
            tokio::task::yield_now().await;
        }
        assert!(received == expected);
        let one = writer.await.expect("no panic");
        assert!(one.room.is_none(), "nothing waits for room any more");
    }

    #[tokio::test]
    async fn a_write_waits_for_its_reader_and_a_read_for_its_writer() {
        let (mut one, mut other) = pair();
        let full = async {
            let mut total = 0;
            while let Ok(written) =
                tokio::time::timeout(std::time::Duration::from_millis(50), one.write(&[7; 65_536])).await
            {
                total += written.expect("it is open");
            }
            total
        };
        let mut left = full.await;
        assert!(one.room.is_some());
        let mut buffer = vec![0; 1 << 20];
        let wait = tokio::spawn(async move { one.write_all(&[8; 10]).await.map(|()| one) });
        while left > 0 {
            left -= other.read(&mut buffer).await.expect("it is open");
        }
        let one = wait.await.expect("no panic").expect("there is room again");
        let mut end = [0; 10];
        other.read_exact(&mut end).await.expect("it was written");
        assert_eq!(end, [8; 10]);
        drop(one);
        assert_eq!(other.read(&mut buffer).await.expect("its end"), 0);
        let gone = other.write(&[1]).await.expect_err("nobody reads");
        assert_eq!(gone.kind(), io::ErrorKind::BrokenPipe);
    }
}
