//! The durable queue of asynchronous invocations: in a file, or left to a NATS server.

use std::sync::Arc;
use std::time::Duration;

use faas_lab_gateway::triggers::Nats;
use faas_lab_provider::Replicas;
use faas_lab_provider::api::FunctionName;
use faas_lab_queue::{
    EmbeddedOptions, EmbeddedQueue, FunctionSettings, Invoker, JetStreamOptions, JetStreamQueue, Queue, RunOptions,
    Settings,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::state::State;
use crate::failure::Failure;

/// How long deliveries under way may go on when the platform is to end; those cut come again at the next start.
const DRAIN: Duration = Duration::from_secs(10);

/// Either kind.
#[derive(Clone)]
pub(crate) enum DurableQueue {
    File(EmbeddedQueue),
    Nats(JetStreamQueue),
}

/// The queue, and the NATS messages that invoke functions, if there is a server.
pub(crate) async fn open(
    nats: Option<&str>,
    state: &State,
    functions: watch::Receiver<Arc<Replicas>>,
) -> Result<(DurableQueue, Option<Nats>), Failure> {
    let settings = settings(functions);
    let Some(url) = nats else {
        let options = EmbeddedOptions { settings, ..EmbeddedOptions::default() };
        let queue = EmbeddedQueue::open(state.queue(), options).await;
        return queue.map(|queue| (DurableQueue::File(queue), None)).map_err(|error| Failure::new(error.to_string()));
    };
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("--nats {url}: {error}"));
    let options = JetStreamOptions { settings, ..JetStreamOptions::default() };
    let queue = JetStreamQueue::connect(url, options).await.map_err(|error| failed(&error))?;
    let messages = Nats::connect(url).await.map_err(|error| failed(&error))?;
    Ok((DurableQueue::Nats(queue), Some(messages)))
}

/// What a function's annotations say, as they are at the moment.
fn settings(functions: watch::Receiver<Arc<Replicas>>) -> Settings {
    let defaults = Arc::new(FunctionSettings::default());
    Settings::new(move |name| {
        let functions = functions.borrow();
        match functions.get(&FunctionName::parse(name)) {
            Some(deployed) if !deployed.deployment.annotations.is_empty() => {
                Arc::new(FunctionSettings::from_annotations(&deployed.deployment.annotations, &defaults).0)
            }
            _ => defaults.clone(),
        }
    })
}

impl DurableQueue {
    /// As the gateway wants it.
    pub(crate) fn for_gateway(&self) -> Arc<dyn Queue> {
        match self {
            DurableQueue::File(queue) => Arc::new(queue.clone()),
            DurableQueue::Nats(queue) => Arc::new(queue.clone()),
        }
    }

    /// Delivers until `ending`, and then what is under way.
    pub(crate) async fn run(self, invoker: Arc<dyn Invoker>, ending: CancellationToken) {
        let options = RunOptions { drain: DRAIN, ..RunOptions::default() };
        match self {
            DurableQueue::File(queue) => queue.run(invoker, options, ending).await,
            DurableQueue::Nats(queue) => queue.run(invoker, options, ending).await,
        }
    }

    /// Closes the file.
    pub(crate) async fn close(&self) {
        if let DurableQueue::File(queue) = self {
            queue.close().await;
        }
    }
}
