//! The queue kept by a NATS server with JetStream.
//!
//! ```text
//! stream  PREFIX        subjects PREFIX.invoke.QUEUE.FUNCTION   work queue: gone when acknowledged
//! stream  PREFIX-dead   subjects PREFIX.dead.FUNCTION           the oldest go first
//! ```
//! Each pair of queue and function has a durable pull consumer of its own, so that a function whose invocations pile up or
//! wait for a retry does not stand before others.
//!
//! What differs from the embedded queue: an invocation must fit into a NATS message (1 MiB unless the server is told
//! otherwise); a confirmed push survives the server's `kill -9`, but the server syncs its disk every two minutes only,
//! so a power cut can take it; the server counts deliveries, so that one cut off by a crash uses up an attempt; counts
//! of metrics begin with the process.
//!
//! A killed server forgets some of what it was told last: messages that were acknowledged are back (nats-server 2.9).
//! This process remembers what it is done with and acknowledges such a message again without a call. Messages that are
//! back in the stream but that the consumer takes for done would lie there for ever; a function whose messages nobody
//! delivers gets a new consumer, and what comes twice by that is counted.

mod dead;
mod subject;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, Stream};
use async_nats::jetstream::{self, Context};
use async_trait::async_trait;
use futures_util::TryStreamExt;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::callback::CallbackCounts;
use crate::clock::Clock;
use crate::embedded::DeadLetter;
use crate::settings::Settings;
use crate::{Invocation, Queue, QueueError, QueueMetrics, encode};
use subject::Subjects;

/// Calls that can be taken back: as many of the last pushes are remembered with their place in the stream.
const REMEMBERED: usize = 100_000;

/// How a NATS server is used.
#[derive(Clone, Debug)]
pub struct JetStreamOptions {
    /// How functions are delivered.
    pub settings: Settings,
    /// Name of the stream, and first part of its subjects; letters, digits, `-` and `_`.
    pub prefix: String,
    /// How long a push may take, an outage of the server included, before it is refused.
    pub push_timeout: Duration,
    /// A delivery that is not heard of for so long comes again; one that takes longer is prolonged meanwhile.
    pub ack_wait: Duration,
    /// The most invocations that wait or are under way; more are refused. Set when the stream is made, like those below.
    pub max_waiting: u64,
    /// The most bytes of them.
    pub max_bytes: u64,
    /// The most dead invocations that are kept.
    pub max_dead: u64,
    /// The most bytes of them.
    pub max_dead_bytes: u64,
    /// How long they are kept.
    pub max_dead_age: Duration,
}

impl Default for JetStreamOptions {
    fn default() -> JetStreamOptions {
        JetStreamOptions {
            settings: Settings::default(),
            prefix: "faas-lab".to_owned(),
            push_timeout: Duration::from_secs(10),
            ack_wait: Duration::from_secs(30),
            max_waiting: 100_000,
            max_bytes: 1 << 30,
            max_dead: 10_000,
            max_dead_bytes: 256 << 20,
            max_dead_age: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// Why a NATS server cannot be used.
#[derive(Debug, Error)]
pub enum JetStreamError {
    /// The name cannot be a part of subjects.
    #[error("`{0}` cannot name a stream: write letters, digits, `-` or `_`")]
    Prefix(String),
    /// It does not answer.
    #[error("the NATS server does not answer: {0}; is it running, and is the URL like nats://127.0.0.1:4222?")]
    Connect(String),
    /// It has no JetStream, or not for us.
    #[error("the NATS server refuses a stream: {0}; start it with -js and a storage folder (-sd DIR)")]
    Stream(String),
}

/// The durable queue kept by a NATS server. Clones are the same queue.
#[derive(Clone)]
pub struct JetStreamQueue {
    shared: Arc<Shared>,
}

struct Shared {
    context: Context,
    invocations: Stream,
    dead: Stream,
    subjects: Subjects,
    options: JetStreamOptions,
    clock: Clock,
    /// Pairs of queue and function that may have no consumer yet, or new counts.
    wake: Notify,
    state: Mutex<Gauges>,
    counts: Counts,
    callbacks: Arc<CallbackCounts>,
}

#[derive(Default)]
struct Gauges {
    /// Messages in the stream by function, as last asked for, with what was pushed and acknowledged since.
    messages: BTreeMap<String, u64>,
    /// Deliveries under way by function.
    in_flight: BTreeMap<String, u64>,
    bytes: u64,
    dead: u64,
    oldest_ms: Option<u64>,
    /// Place in the stream by call id, for those pushed last.
    pushed: BTreeMap<String, u64>,
    pushed_order: VecDeque<String>,
    /// Places of deliveries under way.
    under_way: BTreeMap<u64, work::UnderWay>,
    /// Places that are being cancelled: a message of theirs that is on its way from the server is not delivered.
    cancelling: BTreeSet<u64>,
    /// Attempts of those that wait for a retry which this process asked for, by place.
    retrying: BTreeMap<u64, u32>,
    /// What this process is done with.
    done: work::Done,
    /// Polls in a row in which a function had messages and none was under way, and the first of them.
    quiet: BTreeMap<(String, String), (u32, u64)>,
    /// Messages of a function up to this place may have been delivered before, though the server does not know.
    suspect: BTreeMap<String, u64>,
}

/// Since the start of the process.
#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    delivered: AtomicU64,
    cancelled: AtomicU64,
    retried: AtomicU64,
    redelivered: AtomicU64,
    purged: AtomicU64,
}

impl JetStreamQueue {
    /// Connects to a server, such as `nats://127.0.0.1:4222`, and makes the streams if they are not there.
    pub async fn connect(url: &str, options: JetStreamOptions) -> Result<JetStreamQueue, JetStreamError> {
        let subjects = Subjects::new(&options.prefix).ok_or_else(|| JetStreamError::Prefix(options.prefix.clone()))?;
        let client = async_nats::ConnectOptions::new()
            .name("faas-lab queue")
            .connection_timeout(Duration::from_secs(5))
            .max_reconnects(None)
            .reconnect_delay_callback(|attempts| Duration::from_millis(50 * attempts.min(20) as u64))
            .connect(url)
            .await
            .map_err(|error| JetStreamError::Connect(error.to_string()))?;
        let mut context = jetstream::new(client);
        context.set_timeout(Duration::from_secs(2));
        let stream = |error: jetstream::context::CreateStreamError| JetStreamError::Stream(error.to_string());
        let bound = |most: u64| i64::try_from(most).unwrap_or(i64::MAX);
        let invocations = context
            .get_or_create_stream(Config {
                name: options.prefix.clone(),
                subjects: vec![subjects.all_invocations()],
                retention: RetentionPolicy::WorkQueue,
                discard: DiscardPolicy::New,
                max_messages: bound(options.max_waiting),
                max_bytes: bound(options.max_bytes),
                duplicate_window: Duration::from_secs(120).max(2 * options.push_timeout),
                ..Config::default()
            })
            .await
            .map_err(stream)?;
        let dead = context
            .get_or_create_stream(Config {
                name: format!("{}-dead", options.prefix),
                subjects: vec![subjects.all_dead()],
                discard: DiscardPolicy::Old,
                max_messages: bound(options.max_dead),
                max_bytes: bound(options.max_dead_bytes),
                max_age: options.max_dead_age,
                ..Config::default()
            })
            .await
            .map_err(stream)?;
        let shared = Shared {
            context,
            invocations,
            dead,
            subjects,
            options,
            clock: Clock::start(),
            wake: Notify::new(),
            state: Mutex::default(),
            counts: Counts::default(),
            callbacks: Arc::default(),
        };
        shared.refresh().await.map_err(|error| JetStreamError::Stream(error.to_string()))?;
        Ok(JetStreamQueue { shared: Arc::new(shared) })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Gauges> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server what waits; the pairs of queue and function with messages.
    async fn refresh(&self) -> Result<Vec<(String, String)>, async_nats::Error> {
        let all = self.subjects.all_invocations();
        let mut listed: BTreeMap<String, usize> = BTreeMap::new();
        let mut subjects = self.invocations.info_with_subjects(all).await?;
        while let Some((subject, count)) = subjects.try_next().await? {
            listed.insert(subject, count);
        }
        let info = self.invocations.get_info().await?;
        let dead = self.dead.get_info().await?.state.messages;
        let mut messages: BTreeMap<String, u64> = BTreeMap::new();
        let mut pairs = Vec::new();
        for (subject, count) in listed {
            let Some((queue, function)) = self.subjects.parse_invocation(&subject) else { continue };
            *messages.entry(function.clone()).or_default() += count as u64;
            pairs.push((queue, function));
        }
        let first = info.state.first_timestamp.unix_timestamp_nanos() / 1_000_000;
        let mut state = self.state();
        state.messages = messages;
        state.bytes = info.state.bytes;
        state.dead = dead;
        state.oldest_ms = (info.state.messages > 0).then(|| u64::try_from(first).unwrap_or(0));
        Ok(pairs)
    }

    /// Publishes until the server confirms, over outages too, up to the push timeout. The message carries an id, so that
    /// the server drops what it has got already. Returns the place in its stream.
    async fn publish(&self, message: PublishMessage, subject: String, id: &str) -> Result<u64, QueueError> {
        let message = message.message_id(id);
        let deadline = Instant::now() + self.options.push_timeout;
        let mut last = "it is not connected".to_owned();
        loop {
            // While the client is not connected it would hold messages back and send them after we have said no.
            if self.context.client().connection_state() == State::Connected {
                let attempt = async { self.context.send_publish(subject.clone(), message.clone()).await?.await };
                match tokio::time::timeout_at(deadline, attempt).await {
                    Ok(Ok(ack)) => return Ok(ack.sequence),
                    Ok(Err(error)) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                        return Err(QueueError::Store(error.to_string()));
                    }
                    Ok(Err(error)) => {
                        last = error.to_string();
                        if last.contains("maximum messages exceeded") || last.contains("maximum bytes exceeded") {
                            let waiting = self.state().messages.values().sum();
                            return Err(QueueError::Full(waiting));
                        }
                    }
                    Err(_) => {}
                }
            }
            if Instant::now() + Duration::from_millis(50) >= deadline {
                let seconds = self.options.push_timeout.as_secs_f64();
                return Err(QueueError::Store(format!("NATS has not confirmed within {seconds} s: {last}")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A place that is being cancelled.
struct Cancelling<'q> {
    shared: &'q Shared,
    place: u64,
}

impl Drop for Cancelling<'_> {
    fn drop(&mut self) {
        self.shared.state().cancelling.remove(&self.place);
    }
}

#[async_trait]
impl Queue for JetStreamQueue {
    async fn push(&self, invocation: Invocation) -> Result<(), QueueError> {
        let shared = &self.shared;
        let payload = encode(&invocation);
        let bound = shared.context.client().max_payload() as u64;
        // The message's own headers count too, and are far below 512 bytes.
        let bytes = payload.len() as u64 + 512;
        if bytes > bound {
            return Err(QueueError::TooLarge { bytes, bound });
        }
        let settings = shared.options.settings.of(&invocation.function);
        let subject = shared.subjects.invocation(&settings.queue, &invocation.function);
        let id = format!("{:032x}", fastrand::u128(..));
        let place = shared.publish(PublishMessage::build().payload(payload), subject, &id).await?;
        shared.counts.accepted.fetch_add(1, Ordering::Relaxed);
        let mut state = shared.state();
        *state.messages.entry(invocation.function).or_default() += 1;
        if state.pushed.insert(invocation.call_id.clone(), place).is_none() {
            state.pushed_order.push_back(invocation.call_id);
        }
        if state.pushed_order.len() > REMEMBERED
            && let Some(oldest) = state.pushed_order.pop_front()
        {
            state.pushed.remove(&oldest);
        }
        drop(state);
        shared.wake.notify_one();
        Ok(())
    }

    /// Knows the last 100 000 invocations that this process has pushed; others are not found.
    async fn cancel(&self, call_id: &str) -> Result<bool, QueueError> {
        let place = {
            let mut state = self.shared.state();
            match state.pushed.get(call_id).copied() {
                Some(place) if !state.under_way.contains_key(&place) && state.cancelling.insert(place) => place,
                _ => return Ok(false),
            }
        };
        // Whatever becomes of the caller: a message that is not deleted comes again from the server.
        let _cancelling = Cancelling { shared: &self.shared, place };
        // One that has been delivered meanwhile is not there any more, which is an error of the server's.
        let deleted = match self.shared.invocations.delete_message(place).await {
            Ok(deleted) => deleted,
            Err(error) => match error.kind() {
                jetstream::stream::DeleteMessageErrorKind::JetStream(_) => false,
                _ => return Err(QueueError::Store(error.to_string())),
            },
        };
        self.shared.state().pushed.remove(call_id);
        self.shared.counts.cancelled.fetch_add(u64::from(deleted), Ordering::Relaxed);
        self.shared.wake.notify_one();
        Ok(deleted)
    }

    /// As the server last said, which is at most about a second ago.
    fn depth(&self, function: &str) -> u64 {
        let state = self.shared.state();
        let messages = state.messages.get(function).copied().unwrap_or(0);
        messages.saturating_sub(state.in_flight.get(function).copied().unwrap_or(0))
    }

    fn metrics(&self) -> QueueMetrics {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.shared.counts;
        let state = self.shared.state();
        let depth = state.messages.iter().map(|(function, messages)| {
            let in_flight = state.in_flight.get(function).copied().unwrap_or(0);
            (function.clone(), messages.saturating_sub(in_flight))
        });
        let now_ms = self.shared.clock.now_ms();
        QueueMetrics {
            depth: depth.collect(),
            in_flight: state.in_flight.clone(),
            bytes: state.bytes,
            oldest_age: state.oldest_ms.map(|ms| Duration::from_millis(now_ms.saturating_sub(ms))),
            accepted: read(&counts.accepted),
            delivered: read(&counts.delivered),
            cancelled: read(&counts.cancelled),
            retried: read(&counts.retried),
            redelivered: read(&counts.redelivered),
            dead: state.dead,
            purged: read(&counts.purged),
            callbacks_ok: read(&self.shared.callbacks.ok),
            callbacks_failed: read(&self.shared.callbacks.failed),
        }
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(self.shared.list_dead().await?.into_iter().map(|(_, letter, _)| letter).collect())
    }

    async fn requeue(&self, call_id: &str) -> Result<bool, QueueError> {
        self.shared.revive(call_id).await
    }

    async fn purge(&self, call_id: &str) -> Result<bool, QueueError> {
        self.shared.forget(call_id).await
    }
}
