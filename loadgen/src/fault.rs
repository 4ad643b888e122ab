//! How an exchange broke, told from the client's error and its causes.

use std::error::Error;
use std::io;

use crate::answer::Fault;

impl Fault {
    /// What `error` means, which came before an answer's head (`false`) or after it (`true`).
    pub fn of(error: &reqwest::Error, after_head: bool) -> Fault {
        let broken = if after_head { Fault::Cut } else { Fault::Closed };
        if error.is_timeout() {
            return if error.is_connect() { Fault::ConnectTimeout } else { Fault::ClientTimeout };
        }
        if error.is_connect() {
            return connect(error);
        }
        for cause in causes(error) {
            if let Some(hyper) = cause.downcast_ref::<hyper::Error>() {
                if hyper.is_parse() {
                    return Fault::Garbage;
                }
                if hyper.is_incomplete_message() || hyper.is_closed() || hyper.is_canceled() {
                    return broken;
                }
            }
            if let Some(io) = cause.downcast_ref::<io::Error>() {
                match io.kind() {
                    io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::NotConnected
                    | io::ErrorKind::UnexpectedEof => return broken,
                    // What hyper says of a chunk that has no size.
                    io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => return Fault::Garbage,
                    _ => {}
                }
            }
        }
        // What is left of HTTP/2: a stream that was reset, a server that goes away.
        let text = causes(error).last().map(ToString::to_string).unwrap_or_default();
        if text.contains("stream") || text.contains("connection") || text.contains("GOAWAY") {
            return broken;
        }
        Fault::Other
    }
}

fn connect(error: &reqwest::Error) -> Fault {
    for cause in causes(error) {
        if cause.downcast_ref::<rustls::Error>().is_some() {
            return Fault::Tls;
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if is_tls(io) {
                return Fault::Tls;
            }
            if io.kind() == io::ErrorKind::TimedOut {
                return Fault::ConnectTimeout;
            }
        }
        // The resolver's error has no type of its own to be told by.
        if cause.to_string().starts_with("dns error") {
            return Fault::Name;
        }
    }
    // A server that hangs up within the handshake speaks no TLS, or not ours.
    let in_handshake = causes(error).any(|cause| cause.to_string().contains("tls handshake"));
    if in_handshake { Fault::Tls } else { Fault::Connect }
}

/// An error of input and output passes over what it wraps when it is asked for its source.
fn is_tls(error: &io::Error) -> bool {
    let Some(inner) = error.get_ref() else { return false };
    inner.is::<rustls::Error>() || inner.downcast_ref::<io::Error>().is_some_and(is_tls)
}

/// The error and what is below it.
fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next: Option<&'a (dyn Error + 'static)> = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}
