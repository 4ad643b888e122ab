//! Asking a watchdog whether its function listens.

use std::time::Duration;

use faas_lab_http::{Body, Client, ClientOptions, Endpoint};
use http::{Request, StatusCode, header};
use tokio::time::{Instant, sleep, timeout};

/// A watchdog that takes longer for one answer is asked again.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Returns once `/_/ready` of the watchdog says 200.
pub(crate) async fn wait_until_ready(watchdog: Endpoint) {
    let begin = Instant::now();
    let client = Client::new(watchdog, ClientOptions::default());
    while timeout(ANSWER_LIMIT, is_ready(&client)).await != Ok(true) {
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

/// `false` while nobody listens, too.
async fn is_ready(client: &Client) -> bool {
    let request = Request::get("/_/ready").header(header::HOST, "localhost").body(Body::empty());
    let answer = client.send(request.expect("a fixed request is valid")).await;
    answer.is_ok_and(|response| response.status() == StatusCode::OK)
}
