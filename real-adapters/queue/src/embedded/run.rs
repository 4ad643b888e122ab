//! Delivers what waits: one loop that chooses, one task per delivery.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{EmbeddedQueue, Shared};
use crate::callback::{Attempt, Callbacks};
use crate::clock::span_ms;
use crate::deliver::{Verdict, invoke, judge};
use crate::schedule::{Next, Slots};
use crate::settings::RunOptions;
use crate::store::{Dead, State, StoreError};
use crate::{Invocation, Invoker, decode};

/// How often dead letters are looked through for old ones.
const SWEEP: Duration = Duration::from_secs(60);

/// What becomes of an invocation after an attempt.
#[derive(Clone, Debug)]
enum Outcome {
    Delivered,
    Retry(State),
    Dead(Dead),
}

struct Run {
    queue: EmbeddedQueue,
    invoker: Arc<dyn Invoker>,
    callbacks: Callbacks,
}

impl EmbeddedQueue {
    /// Delivers what waits and what comes, until `shutdown`; then waits for deliveries under way, up to
    /// [`RunOptions::drain`]. One call at a time.
    pub async fn run(&self, invoker: Arc<dyn Invoker>, options: RunOptions, shutdown: CancellationToken) {
        let callbacks = Callbacks::new(options.callbacks.clone(), self.shared.callbacks.clone());
        let run = Arc::new(Run { queue: self.clone(), invoker, callbacks });
        let mut deliveries = JoinSet::new();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            while deliveries.try_join_next().is_some() {}
            let now_ms = self.shared.clock.now_ms();
            let wait = match self.shared.next(now_ms, &options) {
                Next::Deliver(key) => {
                    deliveries.spawn(run.clone().deliver(key));
                    continue;
                }
                Next::At(ms) => Some(Duration::from_millis(ms - now_ms)),
                Next::Idle => None,
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
                _ = sweep.tick() => {
                    if let Err(error) = self.enforce_dead_bounds().await {
                        eprintln!("queue: old dead letters could not be removed: {error}");
                    }
                }
            }
        }
        let drained = async { while deliveries.join_next().await.is_some() {} };
        if tokio::time::timeout(options.drain, drained).await.is_err() {
            deliveries.shutdown().await;
            let now_ms = self.shared.clock.now_ms();
            self.shared.schedule().abandon(now_ms);
        }
    }
}

impl Shared {
    fn next(&self, now_ms: u64, options: &RunOptions) -> Next {
        self.schedule().next(now_ms, |function| {
            let settings = self.options.settings.of(function);
            Slots {
                queue: settings.queue.clone(),
                queue_bound: options.queue_bound(&settings.queue),
                function_bound: options.function_bound(&settings),
            }
        })
    }
}

impl Run {
    /// One attempt, from the mark on disk to what follows from the answer.
    async fn deliver(self: Arc<Self>, key: u64) {
        let shared = &self.queue.shared;
        let (state, bytes) = match self.begin(key).await {
            Ok(Some(begun)) => begun,
            Ok(None) => return,
            Err(error) => {
                eprintln!("queue: a delivery cannot be begun: {error}");
                self.later(key);
                return;
            }
        };
        let invocation = match bytes.ok_or_else(|| "it is missing".to_owned()).and_then(read) {
            Ok(invocation) => invocation,
            Err(reason) => {
                let reason = format!("the stored invocation cannot be read: {reason}");
                self.settle(key, Outcome::Dead(Dead { state, reason, died_ms: shared.clock.now_ms() })).await;
                return;
            }
        };
        let settings = shared.options.settings.of(&invocation.function);
        let attempt = Attempt {
            number: state.attempts.saturating_add(1),
            of: settings.retry.attempts,
            began: shared.clock.now(),
        };
        let answer = invoke(&*self.invoker, &invocation, attempt.number).await;
        let now = shared.clock.now();
        let verdict = judge(&settings.retry, attempt.number, &answer, now, fastrand::f64());
        let mut state =
            State { attempts: attempt.number, started: false, last_status: Some(answer.status.as_u16()), ..state };
        let outcome = match verdict {
            Verdict::Retry(wait) => {
                state.due_ms = shared.clock.now_ms().saturating_add(span_ms(wait));
                self.settle(key, Outcome::Retry(state)).await;
                return;
            }
            Verdict::Done => Outcome::Delivered,
            Verdict::Dead(reason) => Outcome::Dead(Dead { state, reason, died_ms: shared.clock.now_ms() }),
        };
        if invocation.callback.is_some() {
            // The function's slot is free as soon as there is a slot for the callback: answers in memory stay bounded.
            let _slot = self.callbacks.slot().await;
            shared.schedule().answered(key);
            shared.wake.notify_one();
            self.callbacks.post(&invocation, answer, attempt).await;
        }
        self.settle(key, outcome).await;
    }

    /// Marks the delivery on disk and fetches the invocation. `None` if it is gone.
    async fn begin(&self, key: u64) -> Result<Option<(State, Option<Bytes>)>, StoreError> {
        let shared = self.queue.shared.clone();
        let Some(state) = shared.schedule().state(key).cloned() else { return Ok(None) };
        let marked = State { started: true, ..state.clone() };
        let again = state.started;
        let room = shared.writer.room().await?;
        let bytes = room
            .submit(
                0,
                move |tables| {
                    let bytes = tables.invocation(key)?;
                    // Without one there is nothing to mark: a mark alone would come back at every start.
                    if bytes.is_some() {
                        tables.put_state(key, &marked)?;
                        tables.totals.redelivered += u64::from(again);
                    }
                    Ok(bytes)
                },
                {
                    let shared = shared.clone();
                    move |outcome| {
                        if outcome.is_ok() {
                            shared.schedule().started(key);
                        }
                    }
                },
            )
            .await?;
        Ok(Some((state, bytes.map(Bytes::from))))
    }

    /// Lets an invocation that could not be begun wait for a second.
    fn later(&self, key: u64) {
        let shared = &self.queue.shared;
        let mut schedule = shared.schedule();
        if let Some(mut state) = schedule.state(key).cloned() {
            state.due_ms = shared.clock.now_ms().saturating_add(1000);
            schedule.wait_again(key, state);
        }
        drop(schedule);
        shared.wake.notify_one();
    }

    /// Writes what became of an invocation. While the store refuses, it is tried again and again: to deliver a second
    /// time what has been answered would be worse.
    async fn settle(&self, key: u64, outcome: Outcome) {
        let mut wait = Duration::from_secs(1);
        while let Err(error) = self.write(key, outcome.clone()).await {
            eprintln!("queue: the end of a delivery cannot be written, trying again: {error}");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(30));
        }
        if matches!(outcome, Outcome::Dead(_))
            && let Err(error) = self.queue.enforce_dead_bounds().await
        {
            eprintln!("queue: surplus dead letters could not be removed: {error}");
        }
    }

    async fn write(&self, key: u64, outcome: Outcome) -> Result<(), StoreError> {
        let shared = self.queue.shared.clone();
        let room = self.queue.shared.writer.room().await?;
        let stored = outcome.clone();
        room.submit(
            0,
            move |tables| {
                match &stored {
                    Outcome::Delivered => tables.totals.delivered += u64::from(tables.remove(key)?),
                    Outcome::Retry(state) => {
                        tables.totals.retried += 1;
                        tables.put_state(key, state)?;
                    }
                    Outcome::Dead(dead) => tables.bury(key, dead)?,
                }
                Ok(())
            },
            move |written| {
                if written.is_err() {
                    return;
                }
                let mut schedule = shared.schedule();
                match outcome {
                    Outcome::Delivered => schedule.totals.delivered += u64::from(schedule.remove(key).is_some()),
                    Outcome::Retry(state) => {
                        schedule.totals.retried += 1;
                        schedule.wait_again(key, state);
                    }
                    Outcome::Dead(dead) => schedule.buried(key, dead),
                }
                drop(schedule);
                shared.wake.notify_one();
            },
        )
        .await
    }
}

fn read(bytes: Bytes) -> Result<Invocation, String> {
    decode(&bytes).map_err(|error| error.to_string())
}
