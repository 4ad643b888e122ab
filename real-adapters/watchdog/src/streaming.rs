//! Mode streaming: a process per call, whose output is the response as it comes.

use std::sync::Arc;

use bytes::Bytes;
use faas_lab_http::{Body, body::Sender};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use tokio::sync::oneshot;

use crate::buffer::{GoBuffer, head_bytes};
use crate::call::Record;
use crate::cgi;
use crate::config::Config;
use crate::log::log;
use crate::metrics::plain;
use crate::process::{Ending, Input, Sink, Stderr, run};

/// Answers a call. The response's head goes out with the first output, or when there is none.
pub(crate) async fn call(config: Arc<Config>, request: Parts, body: Body, mut record: Box<Record>) -> Response<Body> {
    let Some(environment) = cgi::environment(&config, &request) else {
        record.set_status(StatusCode::BAD_REQUEST);
        return plain(StatusCode::BAD_REQUEST, "the path contains a zero byte\n");
    };
    let (sender, output) = Body::channel(1, None);
    let mut response = Response::new(output);
    response.headers_mut().insert(CONTENT_TYPE, content_type(&config));
    let buffer = config.go_buffering.then(|| GoBuffer::new(head_bytes(response.headers())));
    let (begins, begun) = oneshot::channel();
    let mut sink = Output { sender, begins: Some(begins), buffer, sending: false, record };
    // The process goes on when its caller has gone, until it writes: so it has a task of its own.
    tokio::spawn(async move {
        let ending = run(&config, &environment, Input::Stream(body), Stderr::Logged, &mut sink).await;
        if ending != Ending::Success {
            log(ending.to_string());
        }
        if ending == Ending::TimedOut {
            // Too late for the client, who has a 200: this is for the log.
            sink.record.set_status(StatusCode::INTERNAL_SERVER_ERROR);
        }
        sink.finish().await;
    });
    let _ = begun.await;
    response
}

/// The response's content type in the fork modes.
pub(crate) fn content_type(config: &Config) -> HeaderValue {
    let set = config.content_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    set.unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

struct Output {
    sender: Sender,
    begins: Option<oneshot::Sender<()>>,
    buffer: Option<GoBuffer>,
    /// Bytes are being sent. If they still are when the process has ended, they were given up.
    sending: bool,
    record: Box<Record>,
}

impl Output {
    async fn send(&mut self, bytes: Bytes) -> bool {
        self.begin();
        self.sending = true;
        let sent = self.sender.send(bytes).await.is_ok();
        self.sending = false;
        sent
    }

    fn begin(&mut self) {
        if let Some(begins) = self.begins.take() {
            // A caller that has gone is noticed when the output is sent.
            let _ = begins.send(());
        }
    }

    async fn finish(mut self) {
        // After bytes that were given up nothing may follow: a stream may be cut, but has no holes.
        if let Some(buffer) = self.buffer.take()
            && !self.sending
        {
            let rest = buffer.finish();
            if !rest.is_empty() {
                self.send(rest).await;
            }
        }
        self.begin();
    }
}

impl Sink for Output {
    async fn take(&mut self, bytes: &[u8]) -> bool {
        self.record.add_bytes(bytes.len());
        let due = match &mut self.buffer {
            Some(buffer) => buffer.push(bytes),
            None => Some(Bytes::copy_from_slice(bytes)),
        };
        match due {
            Some(due) => self.send(due).await,
            None => !self.sender.is_closed(),
        }
    }
}
