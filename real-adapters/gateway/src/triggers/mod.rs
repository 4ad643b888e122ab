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

pub(crate) use cron::check as check_schedule;
pub use cron::{Cron, Problem, Timetable, parse_schedule};
pub use nats::{Nats, NatsError, check_subject};

/// The topic of functions that the clock invokes.
pub const CRON_TOPIC: &str = "cron-function";

/// The annotations of every function.
pub type Annotations = BTreeMap<FunctionName, BTreeMap<String, String>>;

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

/// The annotations of what is deployed.
fn annotations(functions: &Replicas) -> Annotations {
    functions.iter().map(|(name, deployed)| (name.clone(), deployed.deployment.annotations.clone())).collect()
}

/// Runs the cron connector, and the NATS connector if there is one, until `shutdown`; then waits for calls under way.
/// `functions` is what `Provider::watch` returns.
pub async fn run(
    nats: Option<Nats>,
    mut functions: watch::Receiver<Arc<Replicas>>,
    invoker: Arc<dyn Invoker>,
    shutdown: CancellationToken,
) {
    let (sender, annotated) = watch::channel(Arc::new(annotations(&functions.borrow_and_update())));
    // Replicas come and go all the time, annotations do not.
    let follow = async {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = functions.changed() => if changed.is_err() { return },
            }
            let now = annotations(&functions.borrow_and_update());
            sender.send_if_modified(|known| {
                let changed = **known != now;
                if changed {
                    *known = Arc::new(now);
                }
                changed
            });
        }
    };
    let cron = Cron::new(SystemTime::now, |problem| eprintln!("cron: {problem}"));
    let cron = cron.run(annotated.clone(), invoker.clone(), shutdown.clone());
    let nats = async {
        if let Some(nats) = nats {
            nats.run(annotated, invoker, shutdown.clone()).await;
        }
    };
    tokio::join!(follow, cron, nats);
}

#[cfg(test)]
mod tests;
