//! Fetches messages from the server and delivers them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Message};
use bytes::Bytes;
use futures_util::StreamExt;
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{JetStreamQueue, Shared, subject};
use crate::callback::{Attempt, Callbacks};
use crate::deliver::{Verdict, invoke, judge};
use crate::settings::RunOptions;
use crate::{Invoker, decode};

/// How often the server is asked what waits.
const POLL: Duration = Duration::from_secs(1);
/// The most messages fetched at once.
const FETCH: u32 = 64;

/// Polls after which it is looked why nobody delivers a function's messages.
const QUIET: u32 = 3;

/// How the server is to be answered about a message: as its newest copy says. Over an outage of the server, a message
/// whose delivery still goes on can come a second time; the delivery then answers for both.
pub(super) type UnderWay = Arc<Mutex<Arc<Acker>>>;

/// Messages that this process has brought to an end, by place and time of publication: places alone could be given
/// anew by a server that has lost some. The last 100 000 are remembered.
#[derive(Default)]
pub(super) struct Done {
    known: BTreeSet<(u64, i128)>,
    order: VecDeque<(u64, i128)>,
}

impl Done {
    fn insert(&mut self, id: (u64, i128)) {
        if self.known.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > super::REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

struct Run {
    queue: JetStreamQueue,
    invoker: Arc<dyn Invoker>,
    callbacks: Callbacks,
    options: RunOptions,
    /// Slots of named queues.
    queues: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    /// No more messages are taken.
    shutdown: CancellationToken,
    /// What is under way is left to come again.
    abort: CancellationToken,
    deliveries: TaskTracker,
}

impl JetStreamQueue {
    /// Delivers what waits and what comes, until `shutdown`; then waits for deliveries under way, up to
    /// [`RunOptions::drain`].
    pub async fn run(&self, invoker: Arc<dyn Invoker>, options: RunOptions, shutdown: CancellationToken) {
        let run = Arc::new(Run {
            queue: self.clone(),
            invoker,
            callbacks: Callbacks::new(options.callbacks.clone(), self.shared.callbacks.clone()),
            options,
            queues: Mutex::default(),
            shutdown: shutdown.clone(),
            abort: CancellationToken::new(),
            deliveries: TaskTracker::new(),
        });
        let mut consumers = JoinSet::new();
        let mut known: BTreeSet<(String, String)> = BTreeSet::new();
        while !shutdown.is_cancelled() {
            if let Ok(pairs) = self.shared.refresh().await {
                for pair in pairs {
                    self.shared.revive_consumer(&pair).await;
                    if known.insert(pair.clone()) {
                        consumers.spawn(run.clone().consume(pair.0, pair.1));
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.shared.wake.notified() => {
                    // Pushes come in swarms; one question answers for all of the next moment.
                    let _ = tokio::time::timeout(Duration::from_millis(50), shutdown.cancelled()).await;
                }
                () = tokio::time::sleep(POLL) => {}
            }
        }
        run.deliveries.close();
        if tokio::time::timeout(run.options.drain, run.deliveries.wait()).await.is_err() {
            run.abort.cancel();
            run.deliveries.wait().await;
        }
        consumers.shutdown().await;
    }
}

impl Run {
    /// Takes messages of one queue and function as slots become free.
    async fn consume(self: Arc<Self>, queue: String, function: String) {
        let bound = self.options.function_bound(&self.queue.shared.options.settings.of(&function));
        let slots = Arc::new(Semaphore::new(bound as usize));
        let mut wait = Duration::from_millis(50);
        while !self.shutdown.is_cancelled() {
            let taken = async {
                let consumer = self.consumer(&queue, &function).await?;
                loop {
                    self.take(&consumer, &queue, &function, &slots).await?;
                }
            };
            let error: async_nats::Error = tokio::select! {
                () = self.shutdown.cancelled() => return,
                ended = taken => match ended {
                    Ok(never) => never,
                    Err(error) => error,
                },
            };
            if wait > POLL {
                eprintln!("queue: invocations of {function} cannot be fetched from NATS, trying again: {error}");
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(2 * POLL);
        }
    }

    async fn consumer(&self, queue: &str, function: &str) -> Result<PullConsumer, async_nats::Error> {
        let shared = &self.queue.shared;
        let name = subject::consumer(queue, function);
        let config = pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: shared.subjects.invocation(queue, function),
            ack_policy: AckPolicy::Explicit,
            ack_wait: shared.options.ack_wait,
            // How often is ours to decide, and messages that wait for a retry must not stop the others.
            max_deliver: -1,
            max_ack_pending: -1,
            ..pull::Config::default()
        };
        Ok(shared.invocations.get_or_create_consumer(&name, config).await?)
    }

    /// Takes what is there, as far as there are slots; waits for one message if there is none.
    async fn take(
        self: &Arc<Self>,
        consumer: &PullConsumer,
        queue: &str,
        function: &str,
        slots: &Arc<Semaphore>,
    ) -> Result<(), async_nats::Error> {
        let first = slots.clone().acquire_owned().await?;
        let mut permits = vec![first];
        while permits.len() < FETCH as usize
            && let Ok(permit) = slots.clone().try_acquire_owned()
        {
            permits.push(permit);
        }
        let mut batch = consumer.fetch().max_messages(permits.len()).messages().await?;
        let mut any = false;
        // The client waits for the server's word for ever, and a killed server says none.
        while let Some(message) = tokio::time::timeout(2 * POLL, batch.next()).await? {
            any = true;
            self.start(message?, queue, function, permits.pop());
        }
        if !any {
            permits.truncate(1);
            let mut batch = consumer.batch().max_messages(1).expires(5 * POLL).messages().await?;
            while let Some(message) = tokio::time::timeout(10 * POLL, batch.next()).await? {
                self.start(message?, queue, function, permits.pop());
            }
        }
        Ok(())
    }

    /// Begins the delivery of a message, unless it is under way already.
    fn start(self: &Arc<Self>, message: Message, queue: &str, function: &str, slot: Option<OwnedSemaphorePermit>) {
        let shared = &self.queue.shared;
        let Ok(info) = message.info() else { return };
        let (place, delivered) = (info.stream_sequence, info.delivered);
        let published = info.published.unix_timestamp_nanos();
        let (message, acker) = message.split();
        let acker = Arc::new(acker);
        let under_way = {
            let mut state = shared.state();
            if state.done.known.contains(&(place, published)) {
                drop(state);
                self.deliveries.spawn(async move { acker.ack_with(AckKind::Ack).await });
                return;
            }
            if state.cancelling.contains(&place) {
                // Not acknowledged: should it not be deleted after all, it comes again.
                return;
            }
            if let Some(known) = state.under_way.get(&place) {
                *known.lock().unwrap_or_else(PoisonError::into_inner) = acker;
                return;
            }
            let under_way: UnderWay = Arc::new(Mutex::new(acker));
            state.under_way.insert(place, under_way.clone());
            *state.in_flight.entry(function.to_owned()).or_default() += 1;
            under_way
        };
        let (run, queue, function) = (self.clone(), queue.to_owned(), function.to_owned());
        self.deliveries.spawn(async move {
            let delivery = Delivery { place, published, delivered, payload: message.payload, under_way };
            let ended = tokio::select! {
                ended = run.deliver(&queue, &function, slot, &delivery) => ended,
                never = run.prolong(&delivery) => never,
                () = run.abort.cancelled() => false,
            };
            let mut state = run.queue.shared.state();
            state.under_way.remove(&place);
            if let Some(in_flight) = state.in_flight.get_mut(&function) {
                *in_flight -= 1;
                if *in_flight == 0 {
                    state.in_flight.remove(&function);
                }
            }
            if ended && let Some(messages) = state.messages.get_mut(&function) {
                *messages = messages.saturating_sub(1);
            }
        });
    }

    /// One attempt. Whether the invocation has left the queue.
    async fn deliver(
        &self,
        queue: &str,
        function: &str,
        slot: Option<OwnedSemaphorePermit>,
        delivery: &Delivery,
    ) -> bool {
        let shared = &self.queue.shared;
        let queue_slot = self.queue_slots(queue).acquire_owned().await.ok();
        let invocation = match decode(&delivery.payload) {
            Ok(invocation) => invocation,
            Err(error) => {
                let reason = format!("the stored invocation cannot be read: {error}");
                self.bury(function, delivery, &reason, None, 0).await;
                return self.finish(delivery).await;
            }
        };
        let settings = shared.options.settings.of(function);
        let number = shared.attempt(function, delivery);
        let attempt = Attempt { number, of: settings.retry.attempts, began: shared.clock.now() };
        let answer = invoke(&*self.invoker, &invocation, number).await;
        let status = answer.status;
        let verdict = judge(&settings.retry, number, &answer, shared.clock.now(), fastrand::f64());
        if let Verdict::Retry(wait) = verdict {
            shared.counts.retried.fetch_add(1, Ordering::Relaxed);
            shared.state().retrying.insert(delivery.place, number);
            self.acknowledge(delivery, AckKind::Nak(Some(wait))).await;
            return false;
        }
        if invocation.callback.is_some() {
            let _callback = self.callbacks.slot().await;
            drop((slot, queue_slot));
            self.callbacks.post(&invocation, answer, attempt).await;
        }
        match verdict {
            Verdict::Dead(reason) => self.bury(function, delivery, &reason, Some(status), number).await,
            _ => _ = shared.counts.delivered.fetch_add(1, Ordering::Relaxed),
        }
        self.finish(delivery).await
    }

    /// The message is done with, whatever the server remembers.
    async fn finish(&self, delivery: &Delivery) -> bool {
        self.queue.shared.state().done.insert((delivery.place, delivery.published));
        self.acknowledge(delivery, AckKind::Ack).await
    }

    fn queue_slots(&self, queue: &str) -> Arc<Semaphore> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = self.options.queue_bound(queue) as usize;
        queues.entry(queue.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(bound))).clone()
    }

    /// Tells the server now and then that the delivery goes on.
    async fn prolong(&self, delivery: &Delivery) -> bool {
        loop {
            tokio::time::sleep(self.queue.shared.options.ack_wait / 3).await;
            let acker = delivery.acker();
            let _ = acker.ack_with(AckKind::Progress).await;
        }
    }

    /// Answers the server until it confirms: what has been delivered must not come again because of an outage.
    async fn acknowledge(&self, delivery: &Delivery, kind: AckKind) -> bool {
        let mut wait = Duration::from_millis(100);
        loop {
            let acker = delivery.acker();
            if acker.double_ack_with(kind).await.is_ok() {
                return true;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }

    async fn bury(&self, function: &str, delivery: &Delivery, reason: &str, status: Option<StatusCode>, attempts: u32) {
        // Places can be given anew by a server that has lost some.
        let id = format!("buried-{}-{}", delivery.place, delivery.published);
        let shared = &self.queue.shared;
        while let Err(error) = shared.bury(function, delivery.payload.clone(), reason, status, attempts, &id).await {
            eprintln!("queue: a dead invocation of {function} cannot be written, trying again: {error}");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A message under way.
struct Delivery {
    place: u64,
    /// Nanoseconds since 1970.
    published: i128,
    /// How often the server has delivered it.
    delivered: i64,
    payload: Bytes,
    under_way: UnderWay,
}

impl Delivery {
    fn acker(&self) -> Arc<Acker> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    /// Which attempt this delivery is. One that nobody asked for is counted: the call before it was cut off, or its
    /// acknowledgement forgotten.
    fn attempt(&self, function: &str, delivery: &Delivery) -> u32 {
        let mut state = self.state();
        let asked_for = state.retrying.remove(&delivery.place);
        let suspect = state.suspect.get(function).is_some_and(|last| delivery.place <= *last);
        let delivered = u32::try_from(delivery.delivered).unwrap_or(u32::MAX).max(1);
        if asked_for.is_none() && (delivered > 1 || suspect) {
            self.counts.redelivered.fetch_add(1, Ordering::Relaxed);
        }
        delivered.max(asked_for.unwrap_or(0).saturating_add(1))
    }

    /// Deletes the consumer of a queue and a function if it takes for done what is still there; a new one is made by
    /// the next fetch, and delivers all of it.
    async fn revive_consumer(&self, pair: &(String, String)) {
        let (queue, function) = pair;
        {
            let mut state = self.state();
            if state.in_flight.contains_key(function) {
                state.quiet.remove(pair);
                return;
            }
            let (polls, _) = state.quiet.entry(pair.clone()).or_default();
            *polls += 1;
            if *polls < QUIET {
                return;
            }
        }
        let name = subject::consumer(queue, function);
        let Ok(info) = self.invocations.consumer_info(&name).await else { return };
        if info.num_pending > 0 || info.num_ack_pending > 0 {
            return;
        }
        let subject = self.subjects.invocation(queue, function);
        let first = self.invocations.get_first_raw_message_by_subject(subject, 1).await;
        let Ok(first) = first.map(|message| message.sequence) else { return };
        let Ok(stream) = self.invocations.get_info().await else { return };
        {
            // It could be on its way out just now. The second time that the same one lies there it is not.
            let mut state = self.state();
            let Some((_, seen)) = state.quiet.get_mut(pair) else { return };
            if *seen != first {
                *seen = first;
                return;
            }
        }
        eprintln!("queue: NATS holds invocations of {function} that it takes for delivered; they come again");
        {
            let mut state = self.state();
            state.quiet.remove(pair);
            state.suspect.insert(function.clone(), stream.state.last_sequence);
        }
        if let Err(error) = self.invocations.delete_consumer(&name).await {
            eprintln!("queue: the consumer of {function} cannot be made anew: {error}");
        }
    }
}
