//! What every function does at the moment, in one answer: for the UI, which asks each second. Not part of OpenFaaS's API.

use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use faas_lab_http::Body;
use faas_lab_provider::{Replica, ReplicaState};
use http::Response;
use serde::Serialize;

use crate::function::Function;
use crate::gateway::Inner;
use crate::reply;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveFunction<'a> {
    name: &'a str,
    namespace: &'a str,
    image: &'a str,
    /// Replicas that are wanted, and the policy's bounds of that.
    desired: u32,
    min: u32,
    max: u32,
    /// Calls at a replica or waiting for one, not counting those that are held.
    in_flight: i64,
    /// Calls that are held for a cold start or wait for a free slot.
    waiting: usize,
    /// Asynchronous invocations that wait for delivery.
    queued: u64,
    invocations: u64,
    replicas: Vec<LiveReplica<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveReplica<'a> {
    /// As in X-Replica: `hello-3`.
    instance: String,
    state: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    restarts: u32,
    /// From its request until it was ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    cold_start_seconds: Option<f64>,
    /// Since its request.
    age_seconds: f64,
}

impl Inner {
    pub(super) fn live(&self) -> Response<Body> {
        let functions = self.functions.list();
        let shown = self.provider.watch().borrow().clone();
        let now = SystemTime::now();
        let live: Vec<LiveFunction<'_>> = functions
            .iter()
            .map(|(function, deployment, _)| {
                let replicas = shown.get(&function.name).map_or(&[][..], |deployed| &deployed.replicas);
                LiveFunction {
                    image: &deployment.image,
                    queued: self.queue.as_ref().map_or(0, |queue| queue.depth(&function.label)),
                    replicas: replicas.iter().map(|replica| live_replica(function, replica, now)).collect(),
                    ..live_function(function)
                }
            })
            .collect();
        reply::json(&live)
    }
}

fn live_function(function: &Function) -> LiveFunction<'_> {
    let state = function.lock();
    LiveFunction {
        name: &function.name.name,
        namespace: &function.name.namespace,
        image: "",
        desired: state.desired,
        min: state.settings.bounds.min,
        max: state.settings.bounds.max,
        in_flight: function.counters.in_flight.load(Relaxed),
        waiting: state.waiting.len() + state.bound.len(),
        queued: 0,
        invocations: function.metrics.invocations(),
        replicas: Vec::new(),
    }
}

fn live_replica<'a>(function: &Function, replica: &'a Replica, now: SystemTime) -> LiveReplica<'a> {
    let seconds = |from: SystemTime, to: SystemTime| to.duration_since(from).unwrap_or_default().as_secs_f64();
    let (state, reason) = match &replica.state {
        ReplicaState::Starting => ("starting", ""),
        ReplicaState::Ready => ("ready", ""),
        ReplicaState::Retiring => ("retiring", ""),
        ReplicaState::Crashed { reason } => ("crashed", reason.as_str()),
    };
    LiveReplica {
        instance: format!("{}-{}", function.name.name, replica.number),
        state,
        reason,
        restarts: replica.restarts,
        cold_start_seconds: replica.ready_at.map(|ready| seconds(replica.requested_at, ready)),
        age_seconds: seconds(replica.requested_at, now),
    }
}
