//! The queue in a file of this machine.
//!
//! Every change of an invocation's life is a durable commit: accepted, delivery begun, retry due, given up, gone. So a
//! crash at any moment loses nothing, and which deliveries were under way is known afterwards. Memory holds what
//! is needed to choose the next one; bodies stay on disk until they are delivered.

mod dead;
mod run;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use redb::{Database, DatabaseError};
use thiserror::Error;
use tokio::sync::Notify;

use crate::callback::CallbackCounts;
use crate::clock::{Clock, milliseconds};
use crate::metrics::QueueMetrics;
use crate::schedule::Schedule;
use crate::settings::Settings;
use crate::store::{self, State, StoreError};
use crate::writer::Writer;
use crate::{Invocation, Queue, QueueError, encode};

pub use dead::DeadLetter;

/// Bounds of an embedded queue.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// How functions are delivered.
    pub settings: Settings,
    /// The most invocations that wait or are under way; more are refused.
    pub max_waiting: u64,
    /// The most bytes of them.
    pub max_bytes: u64,
    /// The most dead invocations that are kept; the oldest go first.
    pub max_dead: u64,
    /// The most bytes of them.
    pub max_dead_bytes: u64,
    /// How long they are kept.
    pub max_dead_age: Duration,
    /// Memory for pages of the file.
    pub cache_bytes: usize,
}

impl Default for EmbeddedOptions {
    fn default() -> EmbeddedOptions {
        EmbeddedOptions {
            settings: Settings::default(),
            max_waiting: 100_000,
            max_bytes: 1 << 30,
            max_dead: 10_000,
            max_dead_bytes: 256 << 20,
            max_dead_age: Duration::from_secs(7 * 24 * 3600),
            cache_bytes: 16 << 20,
        }
    }
}

/// Why a queue's file could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0}: another process has this queue open; end it, or choose another state folder")]
    InUse(PathBuf),
    /// Its content makes no sense.
    #[error(
        "{path}: the queue's file is damaged ({reason}); restore it from a copy, or move it away to begin an empty queue"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refused.
    #[error("{path}: the queue's file cannot be opened: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

/// The durable queue in a file. Clones are the same queue.
#[derive(Clone)]
pub struct EmbeddedQueue {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Writer,
    schedule: Mutex<Schedule>,
    /// Something may be delivered that could not be before.
    wake: Notify,
    clock: Clock,
    options: EmbeddedOptions,
    callbacks: Arc<CallbackCounts>,
}

impl EmbeddedQueue {
    /// Opens the queue at `path`, or makes an empty one there. What waited in it waits again.
    pub async fn open(path: impl AsRef<Path>, options: EmbeddedOptions) -> Result<EmbeddedQueue, OpenError> {
        let path = path.as_ref().to_owned();
        let file = path.clone();
        let cache_bytes = options.cache_bytes;
        // A file that is damaged in ways its own checks do not see can make the store panic, in this task only.
        let opened = tokio::task::spawn_blocking(move || open_file(&file, cache_bytes)).await;
        let (database, recovered) = opened.unwrap_or_else(|_| {
            Err(OpenError::Damaged { path: path.clone(), reason: "its pages contradict each other".to_owned() })
        })?;
        let clock = Clock::start();
        let file = path.clone();
        let reopen = move || Ok(Database::builder().set_cache_size(cache_bytes).open(&file)?);
        let shared = Shared {
            writer: Writer::start(database, reopen),
            schedule: Mutex::new(Schedule::recovered(recovered, clock.now_ms())),
            wake: Notify::new(),
            clock,
            options,
            callbacks: Arc::default(),
        };
        Ok(EmbeddedQueue { shared: Arc::new(shared) })
    }

    /// Writes what was handed in so far and closes the file. Without it the file is closed some time after the last clone
    /// is gone; nothing is lost either way.
    pub async fn close(&self) {
        self.shared.writer.close().await;
    }
}

/// Opens or makes the file and reads what it holds.
fn open_file(path: &Path, cache_bytes: usize) -> Result<(Database, store::Recovered), OpenError> {
    let io = |reason: String| OpenError::Io { path: path.to_owned(), reason };
    let damaged = |reason: String| OpenError::Damaged { path: path.to_owned(), reason };
    match std::fs::metadata(path) {
        // The store would take an empty file for a new one. Ours never are: see `store::create`.
        Ok(file) if file.len() == 0 => return Err(damaged("it is empty".to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            store::create(path).map_err(|error| io(error.to_string()))?;
        }
        Err(error) => return Err(io(error.to_string())),
    }
    let database = Database::builder().set_cache_size(cache_bytes).open(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path.to_owned()),
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() != std::io::ErrorKind::UnexpectedEof && error.kind() != std::io::ErrorKind::InvalidData =>
        {
            io(error.to_string())
        }
        other => damaged(other.to_string()),
    })?;
    let recovered = store::recover(&database).map_err(|error| damaged(error.to_string()))?;
    Ok((database, recovered))
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> QueueError {
        QueueError::Store(error.0)
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn push(&self, invocation: Invocation) -> Result<(), QueueError> {
        let shared = self.shared.clone();
        let value = encode(&invocation);
        let bytes = value.len() as u64;
        // Room first: a caller that goes away before this has reserved nothing.
        let room = self.shared.writer.room().await?;
        let (most, most_bytes) = (shared.options.max_waiting, shared.options.max_bytes);
        if bytes > most_bytes {
            return Err(QueueError::TooLarge { bytes, bound: most_bytes });
        }
        let key = shared.schedule().reserve(bytes, most, most_bytes).map_err(QueueError::Full)?;
        let state = State {
            call_id: invocation.call_id,
            function: invocation.function,
            accepted_ms: milliseconds(invocation.accepted_at),
            due_ms: shared.clock.now_ms(),
            attempts: 0,
            started: false,
            bytes,
            last_status: None,
        };
        let stored = state.clone();
        room.submit(
            value.len(),
            move |tables| {
                tables.put_invocation(key, &value)?;
                tables.put_state(key, &stored)?;
                tables.totals.accepted += 1;
                Ok(())
            },
            move |outcome| {
                shared.schedule().pushed(key, bytes, outcome.is_ok().then_some(state));
                shared.wake.notify_one();
            },
        )
        .await?;
        Ok(())
    }

    async fn cancel(&self, call_id: &str) -> Result<bool, QueueError> {
        let room = self.shared.writer.room().await?;
        let Some(key) = self.shared.schedule().withdraw(call_id) else { return Ok(false) };
        let shared = self.shared.clone();
        room.submit(
            0,
            move |tables| {
                tables.totals.cancelled += u64::from(tables.remove(key)?);
                Ok(())
            },
            move |outcome| {
                let mut schedule = shared.schedule();
                if outcome.is_ok() {
                    schedule.remove(key);
                    schedule.totals.cancelled += 1;
                } else if let Some(state) = schedule.state(key).cloned() {
                    schedule.wait_again(key, state);
                }
                drop(schedule);
                shared.wake.notify_one();
            },
        )
        .await?;
        Ok(true)
    }

    fn depth(&self, function: &str) -> u64 {
        self.shared.schedule().depth(function)
    }

    fn metrics(&self) -> QueueMetrics {
        let schedule = self.shared.schedule();
        let totals = schedule.totals.clone();
        let now_ms = self.shared.clock.now_ms();
        let mut metrics = QueueMetrics {
            bytes: schedule.bytes(),
            oldest_age: schedule.oldest_ms().map(|ms| Duration::from_millis(now_ms.saturating_sub(ms))),
            accepted: totals.accepted,
            delivered: totals.delivered,
            cancelled: totals.cancelled,
            retried: totals.retried,
            redelivered: totals.redelivered,
            dead: schedule.dead().len() as u64,
            purged: totals.purged,
            callbacks_ok: self.shared.callbacks.ok.load(Ordering::Relaxed),
            callbacks_failed: self.shared.callbacks.failed.load(Ordering::Relaxed),
            ..QueueMetrics::default()
        };
        for (function, waiting, under_way) in schedule.by_function() {
            metrics.depth.insert(function.to_owned(), waiting);
            metrics.in_flight.insert(function.to_owned(), under_way);
        }
        metrics
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(self.list_dead())
    }

    async fn requeue(&self, call_id: &str) -> Result<bool, QueueError> {
        self.revive(call_id).await
    }

    async fn purge(&self, call_id: &str) -> Result<bool, QueueError> {
        self.forget(call_id).await
    }
}
