//! The durable queue of asynchronous invocations, and the workers that deliver them.
//!
//! An invocation is on disk when [`Queue::push`] returns, and stays there until its function has answered and its
//! callback was tried. Delivery is at least once, always under the same call id.
//!
//! [`EmbeddedQueue`] keeps invocations in a file of this machine; [`JetStreamQueue`] leaves them to a NATS server. What
//! both share is here too: when an answer is tried again ([`RetryPolicy`]), and how it is posted back ([`CallbackOptions`]).

mod callback;
mod clock;
mod deliver;
mod embedded;
mod jetstream;
mod metrics;
mod retry;
mod schedule;
mod settings;
mod store;
mod stored;
mod writer;

pub use callback::CallbackOptions;
pub use embedded::{DeadLetter, EmbeddedOptions, EmbeddedQueue, OpenError};
pub use jetstream::{JetStreamError, JetStreamOptions, JetStreamQueue};
pub use metrics::QueueMetrics;
pub use retry::{Backoff, RetryPolicy, parse_duration};
pub use settings::{DEFAULT_QUEUE, FunctionSettings, RunOptions, Settings};
pub use stored::{DecodeError, decode, encode};

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use thiserror::Error;

/// An accepted asynchronous invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Its X-Call-Id.
    pub call_id: String,
    /// `name.namespace`.
    pub function: String,
    /// Method to invoke with.
    pub method: Method,
    /// Path below the function, with its leading slash.
    pub path: String,
    /// Query without the question mark; may be empty.
    pub query: String,
    /// Headers to invoke with.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Where to post the answer.
    pub callback: Option<String>,
    /// When it was accepted.
    pub accepted_at: SystemTime,
}

/// A function's answer to a delivery.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// How long the delivery took.
    pub took: Duration,
}

/// Delivers an invocation through the gateway's own synchronous path. `attempt` counts from 1.
#[async_trait]
pub trait Invoker: Send + Sync + 'static {
    /// Always an answer: what goes wrong on the way is a 5xx with the header `X-OpenFaaS-Internal`.
    async fn invoke(&self, invocation: &Invocation, attempt: u32) -> Answer;
}

/// What a queue does, wherever it keeps its messages.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Accepts an invocation; on return it is committed to disk.
    async fn push(&self, invocation: Invocation) -> Result<(), QueueError>;

    /// Takes an invocation back that has not been delivered yet; whether there was one.
    async fn cancel(&self, call_id: &str) -> Result<bool, QueueError>;

    /// Invocations of a function (`name.namespace`) that wait for a first delivery or a retry.
    fn depth(&self, function: &str) -> u64;

    /// What to show of the queue at present. A queue that measures nothing has nothing to show.
    fn metrics(&self) -> QueueMetrics {
        QueueMetrics::default()
    }

    /// The invocations that were given up, oldest first. A queue that keeps none has none.
    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(Vec::new())
    }

    /// Lets a dead invocation wait again, with all its attempts; whether there was one of this call id.
    async fn requeue(&self, _call_id: &str) -> Result<bool, QueueError> {
        Ok(false)
    }

    /// Forgets a dead invocation; whether there was one of this call id.
    async fn purge(&self, _call_id: &str) -> Result<bool, QueueError> {
        Ok(false)
    }
}

/// Why an invocation could not be accepted.
#[derive(Debug, Error)]
pub enum QueueError {
    /// More wait than the queue holds.
    #[error("the queue is full: {0} invocations wait")]
    Full(u64),
    /// It is larger than what the queue's server takes.
    #[error("the invocation has {bytes} bytes, and the queue takes {bound} at most")]
    TooLarge {
        /// Its size, headers included.
        bytes: u64,
        /// The bound.
        bound: u64,
    },
    /// The store failed.
    #[error("the queue cannot write: {0}")]
    Store(String),
}
