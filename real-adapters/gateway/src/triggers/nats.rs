//! Functions with `topic: a.b,c` are invoked with the messages of these NATS subjects, wildcards included.
//!
//! A request message is answered with the function's answer, its status in the header `X-Function-Status`. These are plain
//! NATS messages, delivered at most once: what must not be lost goes through the asynchronous queue. Gateways of one
//! server share the messages among them (a queue group per subject).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use faas_lab_provider::api::FunctionName;
use faas_lab_queue::Invoker;
use futures_util::StreamExt;
use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Annotations, CRON_TOPIC, invocation, topics};

/// The most messages of one subject with their functions; more wait in the client.
const MAX_INFLIGHT: usize = 64;
/// Messages that wait in the client; NATS drops those beyond.
const BACKLOG: usize = 4096;

/// Why a NATS server cannot be used.
#[derive(Debug, Error)]
#[error("the NATS server does not answer: {0}; is it running, and is the URL like nats://127.0.0.1:4222?")]
pub struct NatsError(String);

/// A connection to a NATS server whose messages invoke functions.
pub struct Nats {
    client: Client,
}

/// Whether messages can be subscribed to by this subject, and what is wrong with it.
pub fn check_subject(subject: &str) -> Result<(), &'static str> {
    let parts: Vec<&str> = subject.split('.').collect();
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Err("it contains a space or a control character")
    } else if subject.len() > 255 {
        Err("it is longer than 255 bytes")
    } else if parts.iter().any(|part| part.is_empty()) {
        Err("a part between its dots is empty")
    } else if parts.iter().any(|part| part.len() > 1 && part.contains(['*', '>'])) {
        Err("`*` and `>` stand for whole parts between dots")
    } else if parts[..parts.len() - 1].contains(&">") {
        Err("`>` can be the last part only")
    } else {
        Ok(())
    }
}

/// The functions of each subject.
type Wanted = BTreeMap<String, BTreeSet<FunctionName>>;

/// What is to be subscribed to, and what cannot be.
fn subscriptions(functions: &Annotations) -> (Wanted, Vec<(FunctionName, String)>) {
    let mut wanted = Wanted::new();
    let mut problems = Vec::new();
    for (name, annotations) in functions {
        for topic in topics(annotations).filter(|topic| *topic != CRON_TOPIC) {
            match check_subject(topic) {
                Ok(()) => _ = wanted.entry(topic.to_owned()).or_default().insert(name.clone()),
                Err(reason) => {
                    problems.push((name.clone(), format!("`{}` is no subject: {reason}", topic.escape_debug())));
                }
            }
        }
    }
    (wanted, problems)
}

struct Subscription {
    functions: watch::Sender<BTreeSet<FunctionName>>,
    end: CancellationToken,
}

impl Nats {
    /// Connects to a server, such as `nats://127.0.0.1:4222`. A connection that is lost later is made again.
    pub async fn connect(url: &str) -> Result<Nats, NatsError> {
        let client = async_nats::ConnectOptions::new()
            .name("faas-lab triggers")
            .connection_timeout(Duration::from_secs(5))
            .subscription_capacity(BACKLOG)
            .max_reconnects(None)
            .reconnect_delay_callback(|attempts| Duration::from_millis(50 * attempts.min(20) as u64))
            .connect(url)
            .await
            .map_err(|error| NatsError(error.to_string()))?;
        Ok(Nats { client })
    }

    /// Invokes until `shutdown`; then waits for calls under way.
    pub async fn run(
        self,
        mut functions: watch::Receiver<Arc<Annotations>>,
        invoker: Arc<dyn Invoker>,
        shutdown: CancellationToken,
    ) {
        let mut subscribed: BTreeMap<String, Subscription> = BTreeMap::new();
        let mut reported: Vec<(FunctionName, String)> = Vec::new();
        let tasks = TaskTracker::new();
        loop {
            let (wanted, problems) = subscriptions(&functions.borrow_and_update().clone());
            for (function, reason) in problems.iter().filter(|problem| !reported.contains(problem)) {
                eprintln!("nats: {function}: {reason}");
            }
            reported = problems;
            subscribed.retain(|subject, subscription| {
                let keep = wanted.contains_key(subject);
                if !keep {
                    subscription.end.cancel();
                }
                keep
            });
            let mut failed = false;
            for (subject, functions) in wanted {
                if let Some(subscription) = subscribed.get(&subject) {
                    subscription.functions.send_replace(functions);
                    continue;
                }
                // One group name for all would make the server choose between subjects that match one message.
                let group = format!("faas-lab.{subject}");
                match self.client.queue_subscribe(subject.clone(), group).await {
                    Ok(messages) => {
                        let (functions, receiver) = watch::channel(functions);
                        let end = shutdown.child_token();
                        let client = self.client.clone();
                        let invoker = invoker.clone();
                        tasks.spawn(serve(client, subject.clone(), messages, receiver, invoker, end.clone()));
                        subscribed.insert(subject, Subscription { functions, end });
                    }
                    Err(error) => {
                        eprintln!("nats: {subject} cannot be subscribed to, trying again: {error}");
                        failed = true;
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                changed = functions.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(Duration::from_secs(1)), if failed => {}
            }
        }
        subscribed.values().for_each(|subscription| subscription.end.cancel());
        tasks.close();
        tasks.wait().await;
    }
}

/// Invokes the functions of one subject with its messages.
async fn serve(
    client: Client,
    subject: String,
    mut messages: Subscriber,
    functions: watch::Receiver<BTreeSet<FunctionName>>,
    invoker: Arc<dyn Invoker>,
    end: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(MAX_INFLIGHT));
    let calls = TaskTracker::new();
    loop {
        let message = tokio::select! {
            () = end.cancelled() => break,
            message = messages.next() => message,
        };
        let Some(message) = message else { break };
        let functions = functions.borrow().clone();
        for function in functions {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let (client, invoker, message) = (client.clone(), invoker.clone(), message.clone());
            calls.spawn(async move {
                call(&client, &*invoker, &function, message).await;
                drop(slot);
            });
        }
    }
    if let Err(error) = messages.unsubscribe().await {
        eprintln!("nats: {subject} cannot be unsubscribed: {error}");
    }
    calls.close();
    calls.wait().await;
}

/// Invokes a function with a message, and answers if the message asks for it.
async fn call(client: &Client, invoker: &dyn Invoker, function: &FunctionName, message: Message) {
    let call = invocation(function, "nats-connector", &message.subject, message.payload);
    let answer = invoker.invoke(&call, 1).await;
    let Some(reply) = message.reply else { return };
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("X-Function-Name", function.to_string());
    headers.insert("X-Function-Status", answer.status.as_str());
    headers.insert("X-Call-Id", call.call_id);
    if let Some(kind) = answer.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) {
        headers.insert("Content-Type", kind);
    }
    let sent = client.publish_with_headers(reply.clone(), headers.clone(), answer.body).await;
    if let Err(error) = sent {
        // An answer that is larger than a message: whoever asked shall know rather than wait.
        headers.insert("X-Function-Status", "502");
        let text = Bytes::from(format!("the answer cannot be sent as a message: {error}\n"));
        let _ = client.publish_with_headers(reply, headers, text).await;
    }
}
