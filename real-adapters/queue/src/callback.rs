//! Posts a function's answer to the address that its caller gave.
//!
//! Redirects are not followed: the caller named this address and no other. The answer goes straight there, through no
//! proxy. A callback that was refused or not taken is tried a few times, then it is logged and counted, and that is all:
//! the invocation has been delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::retry::INTERNAL;
use crate::{Answer, Invocation};

/// How answers are posted back.
#[derive(Clone, Debug)]
pub struct CallbackOptions {
    /// Attempts in all, for what may pass: no connection, no answer, 408, 429 and 5xx. At least 1.
    pub attempts: u32,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// Wait after the first attempt; it doubles.
    pub wait: Duration,
    /// The most callbacks under way. While so many are, answered invocations keep their slots.
    pub max_inflight: u32,
    /// The largest answer that is posted. The receiver of a larger one gets status 502 and the reason, marked with
    /// `X-OpenFaaS-Internal: queue`. It bounds memory: at most `max_inflight` answers are held for callbacks.
    pub max_answer_bytes: u64,
}

impl Default for CallbackOptions {
    fn default() -> CallbackOptions {
        CallbackOptions {
            attempts: 3,
            timeout: Duration::from_secs(10),
            wait: Duration::from_secs(1),
            max_inflight: 64,
            max_answer_bytes: 16 << 20,
        }
    }
}

/// One delivery's place in the order of attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: u32,
    /// The most there can be.
    pub(crate) of: u32,
    /// When the answered delivery began.
    pub(crate) began: SystemTime,
}

/// Posts answers and counts what became of them.
#[derive(Debug)]
pub(crate) struct Callbacks {
    client: Result<reqwest::Client, String>,
    options: CallbackOptions,
    slots: Arc<Semaphore>,
    counts: Arc<CallbackCounts>,
}

/// Callbacks since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct CallbackCounts {
    pub(crate) ok: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl Callbacks {
    pub(crate) fn new(options: CallbackOptions, counts: Arc<CallbackCounts>) -> Callbacks {
        // Someone else may have chosen a provider for the process already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(options.timeout)
            .build()
            .map_err(|error| error.to_string());
        let slots = Arc::new(Semaphore::new(options.max_inflight.max(1) as usize));
        Callbacks { client, options, slots, counts }
    }

    /// A slot for one callback; waits while all are taken.
    pub(crate) async fn slot(&self) -> OwnedSemaphorePermit {
        self.slots.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Posts the answer, if the invocation asks for it. Returns when it was taken or given up.
    pub(crate) async fn post(&self, invocation: &Invocation, answer: Answer, attempt: Attempt) {
        let Some(url) = &invocation.callback else { return };
        let (headers, body) = self.message(invocation, answer, attempt);
        match self.deliver(url, &headers, &body).await {
            Ok(()) => _ = self.counts.ok.fetch_add(1, Ordering::Relaxed),
            Err(reason) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                eprintln!(
                    "queue: the answer of {} (call {}) could not be posted to {}: {reason}",
                    invocation.function,
                    invocation.call_id.escape_debug(),
                    without_password(url)
                );
            }
        }
    }

    async fn deliver(&self, url: &str, headers: &HeaderMap, body: &Bytes) -> Result<(), String> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let mut wait = self.options.wait;
        let mut attempt = 1;
        loop {
            let sent = client.post(url).headers(headers.clone()).body(body.clone()).send().await;
            let (reason, may_pass) = match sent {
                Ok(response) if response.status().is_success() => return Ok(()),
                Ok(response) => {
                    let status = response.status();
                    let may_pass = status.is_server_error()
                        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
                    let hint = if status.is_redirection() { ", and redirects are not followed" } else { "" };
                    (format!("it said {status}{hint}"), may_pass)
                }
                Err(error) => {
                    let may_pass = !error.is_builder();
                    (chain(&error.without_url()), may_pass)
                }
            };
            if !may_pass || attempt >= self.options.attempts {
                return Err(format!("{reason} (attempt {attempt} of {})", self.options.attempts.max(1)));
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2);
            attempt += 1;
        }
    }

    /// What is posted: the function's body and headers, and where they come from.
    fn message(&self, invocation: &Invocation, answer: Answer, attempt: Attempt) -> (HeaderMap, Bytes) {
        let bytes = answer.body.len() as u64;
        let (mut headers, status, body) = if bytes > self.options.max_answer_bytes {
            let text =
                format!("the answer has {bytes} bytes, and callbacks take {} at most\n", self.options.max_answer_bytes);
            let mut headers = HeaderMap::new();
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            headers.insert(INTERNAL, HeaderValue::from_static("queue"));
            (headers, StatusCode::BAD_GATEWAY, Bytes::from(text))
        } else {
            (answer.headers, answer.status, answer.body)
        };
        for name in [CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
            headers.remove(name);
        }
        headers.remove("keep-alive");
        headers.remove("proxy-connection");
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-call-id", &invocation.call_id);
        set("x-function-name", &invocation.function);
        set("x-function-status", status.as_str());
        set("x-duration-seconds", &format!("{:.6}", answer.took.as_secs_f64()));
        set("x-retry", &(attempt.number - 1).to_string());
        set("x-retry-max", &attempt.of.to_string());
        let began = attempt.began.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        set("x-start-time", &began.to_string());
        (headers, body)
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A URL as it may be logged: without user, password, query and control characters.
fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut url) => {
            let _ = url.set_password(None);
            let _ = url.set_username("");
            url.set_query(None);
            url.set_fragment(None);
            url.into()
        }
        Err(_) => "an address that is no URL".to_owned(),
    }
}
