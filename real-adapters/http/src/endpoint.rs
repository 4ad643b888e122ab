//! Where something listens, how to listen there, and how to connect to it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::local::LocalStream;

/// An address to listen on or to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix domain socket.
    Unix(PathBuf),
}

/// A text that names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no endpoint: write `127.0.0.1:8080`, `http://127.0.0.1:8080` or `unix:/path/to.sock`")]
pub struct NoEndpoint(String);

impl Endpoint {
    /// Starts to listen. A socket file that nobody listens on any more is replaced; TCP port 0 picks a free one.
    pub async fn bind(&self) -> io::Result<Listener> {
        match self {
            Endpoint::Tcp(address) => Ok(Listener::Tcp(TcpListener::bind(address).await?)),
            Endpoint::Unix(path) => {
                remove_dead_socket(path).await;
                Ok(Listener::Unix(UnixListener::bind(path)?, OwnedSocket(path.clone())))
            }
        }
    }

    /// Connects; TCP without Nagle's delay.
    pub async fn connect(&self) -> io::Result<Stream> {
        match self {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Endpoint::Unix(path) => Ok(Stream::Unix(LocalStream::connect(path).await?)),
        }
    }
}

/// A process that was killed leaves its socket file behind, and nobody could listen there again.
async fn remove_dead_socket(path: &Path) {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && UnixStream::connect(path).await.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
        // If it cannot be removed, binding says so.
        let _ = std::fs::remove_file(path);
    }
}

impl fmt::Display for Endpoint {
    /// `127.0.0.1:8080`, or `unix:/run/hello-1.sock`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => address.fmt(f),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    /// Reads `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `http://127.0.0.1:8080/`, `unix:/a.sock`, `unix:///a.sock`.
    fn from_str(text: &str) -> Result<Endpoint, NoEndpoint> {
        let wrong = || NoEndpoint(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') && path.len() > 1 {
                true => Ok(Endpoint::Unix(PathBuf::from(path))),
                false => Err(wrong()),
            };
        }
        let (scheme, authority) = match text.strip_prefix("http://") {
            Some(rest) => (true, rest.strip_suffix('/').unwrap_or(rest)),
            None => (false, text),
        };
        if let Ok(address) = authority.parse() {
            return Ok(Endpoint::Tcp(address));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None if scheme => (authority, 80),
            None => return Err(wrong()),
        };
        match host {
            "localhost" => Ok(Endpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))),
            _ => Ok(Endpoint::Tcp(SocketAddr::new(host.parse().map_err(|_| wrong())?, port))),
        }
    }
}

/// A socket file of ours: it goes when we stop listening.
#[derive(Debug)]
pub struct OwnedSocket(PathBuf);

impl Drop for OwnedSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Something that connections come from.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix domain socket, and its file.
    Unix(UnixListener, OwnedSocket),
}

impl Listener {
    /// Where it listens: with the real port where port 0 was asked for.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Endpoint::Tcp),
            Listener::Unix(_, socket) => Ok(Endpoint::Unix(socket.0.clone())),
        }
    }

    /// The next connection; its peer's address if it has one.
    pub async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Some(peer)))
            }
            Listener::Unix(listener, _) => Ok((Stream::Unix(LocalStream::new(listener.accept().await?.0)?), None)),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix domain socket.
    Unix(LocalStream),
}

macro_rules! with_stream {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Stream::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        with_stream!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_way_to_write_an_endpoint() {
        let tcp = |port: u16| Endpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
        for (text, meant) in [
            ("127.0.0.1:8080", tcp(8080)),
            ("http://127.0.0.1:8080", tcp(8080)),
            ("http://127.0.0.1:8080/", tcp(8080)),
            ("http://localhost:3000", tcp(3000)),
            ("http://127.0.0.1", tcp(80)),
            ("unix:/run/a.sock", Endpoint::Unix("/run/a.sock".into())),
            ("unix:///run/a.sock", Endpoint::Unix("/run/a.sock".into())),
        ] {
            assert_eq!(text.parse(), Ok(meant), "{text}");
        }
        for endpoint in ["127.0.0.1:1", "[::1]:80", "unix:/a"] {
            assert_eq!(endpoint.parse::<Endpoint>().map(|e| e.to_string()).as_deref(), Ok(endpoint));
        }
        for wrong in
            ["", "8080", "127.0.0.1", "unix:", "unix:a", "unix://a", "https://127.0.0.1", "http://h/p", "a:99999"]
        {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }
}
