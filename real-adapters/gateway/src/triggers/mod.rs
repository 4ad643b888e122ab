//! Invokes functions when something happens: the clock strikes, or a NATS message comes.
//!
//! A function asks for it by annotations, as OpenFaaS's connectors know them: `topic: cron-function` with a `schedule`,
//! or `topic: a.b,c` with NATS subjects. Both watch what is deployed and need no restart.

mod cron;
mod nats;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use faas_lab_provider::Replicas;
use faas_lab_provider::api::FunctionName;
use faas_lab_queue::{Invocation, Invoker};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use cron::{Cron, Problem, Timetable, parse_schedule};
pub use nats::{Nats, NatsError, check_subject};

/// The topic of functions that the clock invokes.
pub const CRON_TOPIC: &str = "cron-function";

/// The annotation `topic`: names with commas between them.
fn topics(annotations: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    let text = annotations.get("topic").map_or("", String::as_str);
    text.split(',').map(str::trim).filter(|topic| !topic.is_empty())
}

/// What a trigger sends: a POST with the topic and the connector's name in headers.
fn invocation(function: &FunctionName, connector: &'static str, topic: &str, body: Bytes) -> Invocation {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-connector"), HeaderValue::from_static(connector));
    if let Ok(topic) = HeaderValue::from_str(topic) {
        headers.insert(HeaderName::from_static("x-topic"), topic);
    }
    Invocation {
        call_id: uuid::Uuid::new_v4().to_string(),
        function: function.to_string(),
        method: Method::POST,
        path: "/".to_owned(),
        query: String::new(),
        headers,
        body,
        callback: None,
        accepted_at: SystemTime::now(),
    }
}

/// Runs the cron connector, and the NATS connector if there is one, until `shutdown`.
pub async fn run(
    nats: Option<Nats>,
    functions: watch::Receiver<Arc<Replicas>>,
    invoker: Arc<dyn Invoker>,
    shutdown: CancellationToken,
) {
    let cron = Cron::new(SystemTime::now, |problem| eprintln!("cron: {problem}"));
    let cron = cron.run(functions.clone(), invoker.clone(), shutdown.clone());
    match nats {
        Some(nats) => _ = tokio::join!(cron, nats.run(functions, invoker, shutdown)),
        None => cron.await,
    }
}
