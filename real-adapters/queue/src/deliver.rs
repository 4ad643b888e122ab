//! One delivery: what both queues do with an invocation, and what follows from the answer.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::retry::{INTERNAL, RetryPolicy};
use crate::{Answer, Invocation, Invoker};

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The invocation is done, well or not.
    Done,
    /// It is tried again after so long.
    Retry(Duration),
    /// It would be tried again, but has had all its attempts.
    Dead(String),
}

/// Judges the answer to attempt number `attempt`; `draw` is uniform in [0, 1).
pub(crate) fn judge(policy: &RetryPolicy, attempt: u32, answer: &Answer, now: SystemTime, draw: f64) -> Verdict {
    if !policy.retries(answer) {
        Verdict::Done
    } else if attempt < policy.attempts {
        Verdict::Retry(policy.wait(attempt, answer, now, draw))
    } else {
        let times = if attempt == 1 { "one attempt".to_owned() } else { format!("{attempt} attempts") };
        let status = answer.status.as_u16();
        let who = if answer.headers.contains_key(INTERNAL) { "the platform" } else { "the function" };
        Verdict::Dead(format!("{times}, the last answered with {status} by {who}"))
    }
}

/// Invokes. A panic on the way is an internal error like any other: it must not take the queue with it.
pub(crate) async fn invoke(invoker: &dyn Invoker, invocation: &Invocation, attempt: u32) -> Answer {
    let began = tokio::time::Instant::now();
    match AssertUnwindSafe(invoker.invoke(invocation, attempt)).catch_unwind().await {
        Ok(answer) => answer,
        Err(_) => {
            let mut headers = HeaderMap::new();
            headers.insert(INTERNAL, HeaderValue::from_static("queue"));
            Answer {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                headers,
                body: Bytes::from_static(b"the gateway failed while it delivered this invocation\n"),
                took: began.elapsed(),
            }
        }
    }
}
