//! Asking a watchdog whether its function listens.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

/// A watchdog that takes longer for one answer is asked again.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Returns once `/_/ready` of the watchdog that listens on `socket` says 200.
pub(crate) async fn wait_until_ready(socket: &Path) {
    let begin = Instant::now();
    while !matches!(timeout(ANSWER_LIMIT, ask(socket)).await, Ok(Some(StatusCode::OK))) {
        sleep(pause(begin.elapsed())).await;
    }
}

/// Between two questions: short while a small function boots, longer for one that takes its time.
fn pause(waited: Duration) -> Duration {
    match waited.as_millis() {
        0..200 => Duration::from_millis(2),
        200..1000 => Duration::from_millis(5),
        1000..10_000 => Duration::from_millis(25),
        _ => Duration::from_millis(100),
    }
}

/// `None` while nobody listens, or what answers is no HTTP.
async fn ask(socket: &Path) -> Option<StatusCode> {
    let stream = UnixStream::connect(socket).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get("/_/ready")
        .header(header::HOST, "localhost")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .expect("a fixed request is valid");
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // The connection has ended, which it does in one go with the answer's arrival.
        _ = connection => answer.await,
    };
    Some(answer.ok()?.status())
}
