//! Dead letters in a stream of their own; reason and status travel as headers.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use http::StatusCode;

use super::Shared;
use crate::embedded::DeadLetter;
use crate::{QueueError, decode};

const REASON: &str = "Faas-Lab-Reason";
const STATUS: &str = "Faas-Lab-Status";
const ATTEMPTS: &str = "Faas-Lab-Attempts";

impl Shared {
    /// Keeps an invocation that is given up. `id` keeps a second try from leaving two.
    pub(super) async fn bury(
        &self,
        function: &str,
        payload: Bytes,
        reason: &str,
        status: Option<StatusCode>,
        attempts: u32,
        id: &str,
    ) -> Result<(), QueueError> {
        let status = status.map_or(String::new(), |status| status.as_u16().to_string());
        let message = PublishMessage::build()
            .payload(payload)
            .header(REASON, reason)
            .header(STATUS, status)
            .header(ATTEMPTS, attempts.to_string());
        self.publish(message, self.subjects.dead(function), id).await?;
        self.state().dead += 1;
        Ok(())
    }

    /// Place, description and content of every dead letter.
    pub(super) async fn list_dead(&self) -> Result<Vec<(u64, DeadLetter, Bytes)>, QueueError> {
        let all = self.subjects.all_dead();
        let mut letters = Vec::new();
        let mut next = 1;
        loop {
            let found = self.dead.raw_message_builder().next_by_subject(all.clone()).sequence(next).send().await;
            match found {
                Ok(message) => {
                    next = message.sequence + 1;
                    letters.push((message.sequence, describe(&message), message.payload));
                }
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(letters),
                Err(error) => return Err(QueueError::Store(error.to_string())),
            }
        }
    }

    /// Lets the oldest dead invocation of this call id wait again.
    pub(super) async fn revive(&self, call_id: &str) -> Result<bool, QueueError> {
        let Some((place, letter, payload)) = self.find_dead(call_id).await? else { return Ok(false) };
        let settings = self.options.settings.of(&letter.function);
        let subject = self.subjects.invocation(&settings.queue, &letter.function);
        let message = PublishMessage::build().payload(payload);
        self.publish(message, subject, &format!("dead-{place}")).await?;
        *self.state().messages.entry(letter.function).or_default() += 1;
        self.delete_dead(place).await?;
        self.wake.notify_one();
        Ok(true)
    }

    /// Forgets the oldest dead invocation of this call id.
    pub(super) async fn forget(&self, call_id: &str) -> Result<bool, QueueError> {
        let Some((place, _, _)) = self.find_dead(call_id).await? else { return Ok(false) };
        self.delete_dead(place).await?;
        self.counts.purged.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    async fn find_dead(&self, call_id: &str) -> Result<Option<(u64, DeadLetter, Bytes)>, QueueError> {
        Ok(self.list_dead().await?.into_iter().find(|(_, letter, _)| letter.call_id == call_id))
    }

    async fn delete_dead(&self, place: u64) -> Result<(), QueueError> {
        self.dead.delete_message(place).await.map_err(|error| QueueError::Store(error.to_string()))?;
        let mut state = self.state();
        state.dead = state.dead.saturating_sub(1);
        Ok(())
    }
}

fn describe(message: &StreamMessage) -> DeadLetter {
    let header = |name: &str| message.headers.get(name).map(|value| value.as_str().to_owned());
    let died_at = SystemTime::from(message.time);
    // What cannot be read is dead for that reason, and still has its place and its subject.
    let invocation = decode(&message.payload).ok();
    DeadLetter {
        call_id: invocation.as_ref().map_or(String::new(), |invocation| invocation.call_id.clone()),
        function: invocation.as_ref().map_or_else(|| message.subject.to_string(), |call| call.function.clone()),
        reason: header(REASON).unwrap_or_default(),
        last_status: header(STATUS)
            .and_then(|code| code.parse::<u16>().ok())
            .and_then(|code| StatusCode::from_u16(code).ok()),
        attempts: header(ATTEMPTS).and_then(|attempts| attempts.parse().ok()).unwrap_or(0),
        accepted_at: invocation.map_or(died_at, |invocation| invocation.accepted_at),
        died_at,
        bytes: message.payload.len() as u64,
    }
}
