//! What only a measured result has: what was driven and how, and whether its numbers can be trusted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::result::HistogramData;

/// How a live run was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// What was driven.
    pub target: MeasuredTarget,
    /// Whether arrivals came when the schedule said (`open`), or users waited for their answers (`closed`).
    pub mode: LoadMode,
    /// Wall clock at the start of the schedule, RFC 3339 in UTC.
    pub started_at: String,
    /// By how much the wall clock was set forward or back during the run, beyond what the monotonic clock says.
    pub clock_step_seconds: f64,
    /// Whether the numbers can be trusted.
    pub valid: bool,
    /// Why not.
    pub reasons: Vec<Invalidity>,
    /// Requests that the schedule, or the users, had to send; the warm-up included.
    pub offered: u64,
    /// Of those, how many were sent.
    pub sent: u64,
    /// Sent more than a millisecond after they were meant to be.
    pub late_starts: u64,
    /// Requests that found as many in flight as the client allows, and had to wait for one to end.
    pub cap_hits: u64,
    /// Most that the client allows in flight; with users, their number.
    pub cap: u64,
    /// Most in flight at once.
    pub in_flight_max: u64,
    /// Connections opened.
    pub connections: u64,
    /// What the client itself needed.
    pub client: ClientUse,
    /// From when a request was meant to be sent to when it was.
    pub lateness: Option<HistogramData>,
    /// From when a request was meant to be sent to the answer's first byte.
    pub first_byte: Option<HistogramData>,
    /// How long opening connections took.
    pub connecting: Option<HistogramData>,
    /// From sending to the last byte: what a tester says that does not count its own lateness.
    pub from_sending: Option<HistogramData>,
    /// How it was told which requests met a cold start: `platform` (it says so), `first-answer` (a replica's first),
    /// `replicas` (none was ready), `nothing` (then all count as warm).
    pub cold_told_by: String,
    /// What errors said of themselves, most frequent first.
    pub errors: Vec<ErrorReason>,
    /// What became of asynchronous invocations; absent if there were none.
    pub callbacks: Option<CallbackCounts>,
    /// Which part of a whole this is; absent from a whole.
    pub shard: Option<ShardOf>,
}

/// What became of asynchronous invocations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackCounts {
    /// Accepted with 202.
    pub accepted: u64,
    /// Of those, with a callback.
    pub returned: u64,
    /// Of those, without one at the end.
    pub lost: u64,
    /// Callbacks that had come before.
    pub duplicates: u64,
    /// Callbacks that say another status than 2xx.
    pub failures: u64,
    /// From acceptance to callback.
    pub delays: Option<HistogramData>,
}

/// A part of a run that is shared by several clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardOf {
    /// Which, from 0.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

/// What was driven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasuredTarget {
    /// Address, without credentials.
    pub url: String,
    /// Kind of platform: `openfaas`, `knative`, `lambda`, `http`.
    pub platform: String,
    /// HTTP version that was asked for: `1.1` or `2`.
    pub http: String,
    /// Whether connections were kept for the next request.
    pub keep_alive: bool,
}

/// What decides when a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoadMode {
    /// The schedule, whatever the answers do.
    Open,
    /// Users who wait for their answers.
    Closed,
    /// Some workloads the one, some the other.
    Mixed,
}

/// A reason not to trust a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invalidity {
    /// `late`, `unsent`, `client-cpu`, `clock-step`, …
    pub code: String,
    /// What was found, and what to do.
    pub text: String,
}

/// What the client needed of its machine, over the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientUse {
    /// CPU time of the client's process, without what it spent polling while there was nothing to do.
    pub cpu_seconds: f64,
    /// Its share of the cores it may use, from 0 to 1.
    pub cpu_share: f64,
    /// Cores it may use.
    pub cores: u32,
    /// Busy share of the whole machine's cores, where the system tells.
    pub machine_busy_share: Option<f64>,
    /// Share of the machine's time that its hypervisor gave to others, where the system tells.
    pub steal_share: Option<f64>,
    /// Largest resident memory of the client, where the system tells.
    pub memory_bytes_max: Option<u64>,
}

/// How many requests failed with the same words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorReason {
    /// Name of the function.
    pub function: String,
    /// HTTP status, if an answer came.
    pub status: Option<u16>,
    /// How the exchange broke, if it did: `connect`, `client-timeout`, `cut`, …
    pub fault: Option<String>,
    /// The beginning of the answer's body.
    pub reason: Option<String>,
    /// Requests.
    pub count: u64,
}
