//! Looks at the platform while a run goes on: how many replicas there are, what waits and what runs.
//!
//! Of our gateway one look at `/system/live` says everything. Of other OpenFaaS gateways the API's list says how many
//! replicas are wanted and ready, and the metrics (on a port of their own) what is in flight and queued. What a platform
//! does not say is missing from the result, and [`Probe::notices`] says so once.

mod api;
mod course;
pub mod exposition;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use faas_lab_model::time::SimTime;
use reqwest::Client;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

pub(crate) use api::{Listed, Unheard, cause, fetch, functions, system_url};
pub use api::{read_list, read_live, read_metrics};
pub use course::Course;

use crate::target::System;

/// A look may take so long; the next one comes at its time anyway.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the gateway's metrics are, if nobody says: port 8082 of its host.
const METRICS_PORT: u16 = 8082;

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// The gateway.
    pub system: System,
    /// Where its metrics are, if not at port 8082 of its host.
    pub metrics: Option<Url>,
    /// The functions, by name.
    pub functions: Vec<String>,
    /// Time between looks.
    pub interval: Duration,
    /// Take any certificate.
    pub insecure: bool,
}

/// What was seen of one function at one look; what the platform does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Replicas that are wanted.
    pub desired: Option<u64>,
    /// Replicas that start.
    pub starting: Option<u64>,
    /// Replicas that take calls.
    pub ready: Option<u64>,
    /// Replicas in any state.
    pub live: Option<u64>,
    /// Calls at replicas, or waiting for one.
    pub in_flight: Option<u64>,
    /// Calls that wait for a replica or a free slot.
    pub waiting: Option<u64>,
    /// Asynchronous invocations that wait.
    pub queued: Option<u64>,
    /// Replicas by name, where they have names.
    pub names: BTreeSet<String>,
}

/// There is no client to look with.
#[derive(Debug, Error)]
#[error("cannot look at the gateway: {0}")]
pub struct ProbeError(#[from] reqwest::Error);

/// Looks at a gateway.
#[derive(Debug)]
pub struct Probe {
    client: Client,
    system: System,
    metrics: Url,
    metrics_named: bool,
    functions: Vec<String>,
    /// Whether it is worth asking; `None`: not known yet.
    has_live: Option<bool>,
    has_metrics: Option<bool>,
    notices: Vec<String>,
    looks: u64,
    failed: u64,
}

impl Probe {
    /// A probe of what `options` say.
    ///
    /// # Errors
    /// If the system has no use for a client.
    pub fn new(options: &ProbeOptions) -> Result<Probe, ProbeError> {
        // Someone else may have chosen a provider for the process already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .tls_danger_accept_invalid_certs(options.insecure)
            .build()?;
        let metrics = options.metrics.clone().unwrap_or_else(|| default_metrics(&options.system.gateway));
        Ok(Probe {
            client,
            system: options.system.clone(),
            metrics,
            metrics_named: options.metrics.is_some(),
            functions: options.functions.clone(),
            has_live: None,
            has_metrics: None,
            notices: Vec::new(),
            looks: 0,
            failed: 0,
        })
    }

    /// One look: what was seen of each function, in their order; `None` if the gateway did not say anything.
    pub async fn look(&mut self) -> Option<Vec<Sight>> {
        self.looks += 1;
        let seen = self.try_look().await;
        self.failed += u64::from(seen.is_none());
        seen
    }

    async fn try_look(&mut self) -> Option<Vec<Sight>> {
        if self.has_live != Some(false) {
            match api::live(&self.client, &self.system, &self.functions).await {
                Ok(seen) => {
                    self.has_live = Some(true);
                    return Some(seen);
                }
                // A gateway that has been seen to have it is busy, and will have it again.
                Err(_) if self.has_live == Some(true) => return None,
                Err(_) => {}
            }
        }
        let listed = api::list(&self.client, &self.system, &self.functions).await;
        if listed.is_ok() {
            self.has_live = Some(false);
        }
        let counted = self.count().await;
        match (listed, counted) {
            (Err(why), None) => {
                self.notice(format!("replicas are not known: {why}"));
                None
            }
            (Err(why), Some(counted)) => {
                self.notice(format!("replicas are known by the metrics only: {why}"));
                Some(counted)
            }
            (Ok(listed), counted) => {
                let counted = counted.unwrap_or_else(|| vec![Sight::default(); listed.len()]);
                Some(listed.into_iter().zip(counted).map(|(listed, counted)| listed.or(counted)).collect())
            }
        }
    }

    /// What the metrics say.
    async fn count(&mut self) -> Option<Vec<Sight>> {
        if self.has_metrics == Some(false) && !self.metrics_named {
            return None;
        }
        let namespace = self.system.namespace.as_deref();
        match api::metrics(&self.client, &self.metrics, &self.functions, namespace).await {
            Ok(seen) => {
                self.has_metrics = Some(true);
                Some(seen)
            }
            Err(why) => {
                self.has_metrics.get_or_insert(false);
                self.notice(format!(
                    "calls in flight and the queue's depth are not known: {why}; say where the metrics are with --metrics"
                ));
                None
            }
        }
    }

    /// Says a thing once.
    fn notice(&mut self, text: String) {
        let kind = |text: &str| text.split(':').next().map(str::to_owned);
        if !self.notices.iter().any(|known| kind(known) == kind(&text)) {
            self.notices.push(text);
        }
    }

    /// What could not be seen, each once.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = self.notices.clone();
        if self.failed > 0 && self.failed < self.looks {
            notices.push(format!("{} of {} looks at the gateway came back with nothing", self.failed, self.looks));
        }
        notices
    }
}

impl Sight {
    /// What this does not say, from another sight of the same function.
    fn or(self, other: Sight) -> Sight {
        Sight {
            desired: self.desired.or(other.desired),
            starting: self.starting.or(other.starting),
            ready: self.ready.or(other.ready),
            live: self.live.or(other.live),
            in_flight: self.in_flight.or(other.in_flight),
            waiting: self.waiting.or(other.waiting),
            queued: self.queued.or(other.queued),
            names: if self.names.is_empty() { other.names } else { self.names },
        }
    }
}

pub(crate) fn default_metrics(gateway: &Url) -> Url {
    let mut url = gateway.clone();
    // Only URLs without a host refuse these.
    let _ = url.set_scheme("http");
    let _ = url.set_port(Some(METRICS_PORT));
    url.set_path("/metrics");
    url
}

/// A probe that looks by itself until it is stopped.
#[derive(Debug)]
pub struct Watching {
    course: Arc<Mutex<Course>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Probe>,
}

impl Watching {
    /// Looks once and enters that at time zero, then again at each interval by the run's clock `now`.
    pub async fn start(
        mut probe: Probe,
        mut course: Course,
        interval: Duration,
        now: Arc<dyn Fn() -> SimTime + Send + Sync>,
    ) -> Watching {
        if let Some(seen) = probe.look().await {
            course.enter(SimTime::ZERO, &seen);
        }
        let course = Arc::new(Mutex::new(course));
        let (stop, mut stopped) = watch::channel(false);
        let shared = course.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(10)));
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => return probe,
                    _ = ticks.tick() => {}
                }
                let seen = tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => return probe,
                    seen = probe.look() => seen,
                };
                if let Some(seen) = seen {
                    lock(&shared).enter(now(), &seen);
                }
            }
        });
        Watching { course, stop, task }
    }

    /// What has been seen so far.
    pub fn course(&self) -> Arc<Mutex<Course>> {
        self.course.clone()
    }

    /// Ends it: what was seen, and what could not be.
    pub async fn stop(self) -> (Course, Vec<String>) {
        // Nobody listens any more if the task has died, and then there is nothing to stop.
        let _ = self.stop.send(true);
        let notices = self.task.await.map_or_else(|error| vec![error.to_string()], |probe| probe.notices());
        (lock(&self.course).clone(), notices)
    }
}

fn lock(course: &Mutex<Course>) -> std::sync::MutexGuard<'_, Course> {
    course.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_on_a_port_of_their_own() {
        let at = |gateway: &str| default_metrics(&Url::parse(gateway).expect("valid")).to_string();
        assert_eq!(at("http://127.0.0.1:8080"), "http://127.0.0.1:8082/metrics");
        assert_eq!(at("https://faas.example.com/base"), "http://faas.example.com:8082/metrics");
    }
}
