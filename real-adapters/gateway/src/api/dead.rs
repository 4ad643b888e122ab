//! Asynchronous invocations that were given up: listed, sent again, forgotten. Not part of OpenFaaS's API.

use faas_lab_http::Body;
use faas_lab_provider::api::FunctionName;
use faas_lab_queue::{DeadLetter, QueueError};
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::Refused;
use super::functions::rfc3339;
use crate::gateway::Inner;
use crate::reply;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    call_id: String,
    name: String,
    namespace: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<u16>,
    attempts: u32,
    accepted_at: String,
    died_at: String,
    bytes: u64,
}

impl From<DeadLetter> for Shown {
    fn from(letter: DeadLetter) -> Shown {
        let function = FunctionName::parse(&letter.function);
        Shown {
            call_id: letter.call_id,
            name: function.name,
            namespace: function.namespace,
            reason: letter.reason,
            last_status: letter.last_status.map(|status| status.as_u16()),
            attempts: letter.attempts,
            accepted_at: rfc3339(letter.accepted_at),
            died_at: rfc3339(letter.died_at),
            bytes: letter.bytes,
        }
    }
}

impl Inner {
    /// Oldest first.
    pub(super) async fn list_dead_letters(&self) -> Result<Response<Body>, Refused> {
        let Some(queue) = &self.queue else { return Err(reply::not_found()) };
        let letters = queue.dead_letters().await.map_err(failed)?;
        Ok(reply::json(&letters.into_iter().map(Shown::from).collect::<Vec<_>>()))
    }

    /// POST lets it wait again, with all its attempts; DELETE forgets it.
    pub(super) async fn change_dead_letter(&self, method: &Method, call_id: &str) -> Result<Response<Body>, Refused> {
        let Some(queue) = &self.queue else { return Err(reply::not_found()) };
        let changed = match *method {
            Method::POST => queue.requeue(call_id).await,
            _ => queue.purge(call_id).await,
        };
        match changed.map_err(failed)? {
            true => Ok(reply::empty(StatusCode::ACCEPTED)),
            false => Err(reply::text(StatusCode::NOT_FOUND, format!("no dead letter has the call id {call_id}"))),
        }
    }
}

fn failed(why: QueueError) -> Refused {
    let status = match why {
        QueueError::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
        QueueError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        QueueError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    reply::text(status, why.to_string())
}
