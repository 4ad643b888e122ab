//! A record of what the policies saw and said, so that the simulator's copy of them can be asked the same.
//!
//! Lines of JSON: one when a function's policies begin, with what they are made of, then one for each question.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{LineWriter, Write};
use std::path::Path;
use std::sync::Mutex;

use faas_lab_model::policies::{ReplicaUse, Snapshot, Verdict};
use faas_lab_model::time::SimTime;
use faas_lab_provider::api::{FunctionDeployment, Resources};
use serde::{Deserialize, Serialize};

/// Which of a function's two policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The one that follows the load.
    Scaler,
    /// The one that puts it to rest.
    Idler,
}

/// A line of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A function's policies begin afresh.
    Began {
        /// `name.namespace`.
        function: String,
        /// The policy of functions whose labels name none.
        default_policy: String,
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// What it requests.
        requests: Option<Resources>,
    },
    /// A policy was asked.
    Decided {
        /// `name.namespace`.
        function: String,
        /// Which one.
        policy: Policy,
        /// What it saw.
        seen: Seen,
        /// The replicas it wants.
        replicas: Option<u32>,
        /// When it wants to be asked again, in nanoseconds since its beginning.
        ask_again_nanos: u64,
    },
}

/// A [`Snapshot`] in whole numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When, in nanoseconds since the policy's beginning.
    pub at_nanos: u64,
    /// Replicas that were wanted.
    pub desired: u32,
    /// Replicas that could take calls.
    pub ready: u32,
    /// Calls in flight.
    pub in_flight: u32,
    /// Calls begun.
    pub started_total: u64,
    /// Calls ended.
    pub completed_total: u64,
    /// Calls ended with status 200.
    pub ok_total: u64,
    /// CPU time of the function's replicas.
    pub cpu_nanos_total: u64,
    /// Asynchronous invocations that waited.
    pub queue_depth: u64,
    /// What each running replica used, where that was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<SeenReplica>,
}

/// A [`ReplicaUse`] in whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenReplica {
    /// Its number.
    pub replica: u64,
    /// Since when it could take calls, in nanoseconds since the policy's beginning.
    pub ready_since_nanos: Option<u64>,
    /// Its process's CPU time.
    pub cpu_nanos: u64,
}

impl From<&Snapshot> for Seen {
    fn from(seen: &Snapshot) -> Seen {
        Seen {
            at_nanos: seen.at.as_nanos(),
            desired: seen.desired,
            ready: seen.ready,
            in_flight: seen.in_flight,
            started_total: seen.started_total,
            completed_total: seen.completed_total,
            ok_total: seen.ok_total,
            cpu_nanos_total: (seen.cpu_seconds_total * 1e9).round() as u64,
            queue_depth: seen.queue_depth,
            replicas: seen.replicas.iter().map(SeenReplica::from).collect(),
        }
    }
}

impl From<&ReplicaUse> for SeenReplica {
    fn from(seen: &ReplicaUse) -> SeenReplica {
        SeenReplica {
            replica: seen.replica,
            ready_since_nanos: seen.ready_since.map(SimTime::as_nanos),
            cpu_nanos: (seen.cpu_seconds * 1e9).round() as u64,
        }
    }
}

impl From<&SeenReplica> for ReplicaUse {
    fn from(seen: &SeenReplica) -> ReplicaUse {
        ReplicaUse {
            replica: seen.replica,
            ready_since: seen.ready_since_nanos.map(SimTime::from_nanos),
            cpu_seconds: seen.cpu_nanos as f64 / 1e9,
        }
    }
}

impl From<&Seen> for Snapshot {
    fn from(seen: &Seen) -> Snapshot {
        Snapshot {
            at: SimTime::from_nanos(seen.at_nanos),
            desired: seen.desired,
            ready: seen.ready,
            in_flight: seen.in_flight,
            started_total: seen.started_total,
            completed_total: seen.completed_total,
            ok_total: seen.ok_total,
            cpu_seconds_total: seen.cpu_nanos_total as f64 / 1e9,
            queue_depth: seen.queue_depth,
            replicas: seen.replicas.iter().map(ReplicaUse::from).collect(),
        }
    }
}

/// Where decisions are written.
pub(crate) struct Decisions {
    file: Mutex<LineWriter<File>>,
}

impl Decisions {
    pub(crate) fn create(path: &Path) -> std::io::Result<Decisions> {
        Ok(Decisions { file: Mutex::new(LineWriter::new(File::create(path)?)) })
    }

    pub(crate) fn begin(&self, function: &str, default_policy: &str, deployment: &FunctionDeployment) {
        self.write(&Entry::Began {
            function: function.to_owned(),
            default_policy: default_policy.to_owned(),
            labels: deployment.labels.clone(),
            requests: deployment.requests.clone().or_else(|| deployment.limits.clone()),
        });
    }

    pub(crate) fn record(&self, function: &str, policy: Policy, seen: &Snapshot, verdict: Verdict) {
        self.write(&Entry::Decided {
            function: function.to_owned(),
            policy,
            seen: seen.into(),
            replicas: verdict.replicas,
            ask_again_nanos: verdict.ask_again.as_nanos(),
        });
    }

    /// A record that cannot be written is lost; scaling goes on.
    fn write(&self, entry: &Entry) {
        let mut file = self.file.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Ok(mut line) = serde_json::to_vec(entry) {
            line.push(b'\n');
            let _ = file.write_all(&line);
        }
    }
}
