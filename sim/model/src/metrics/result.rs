//! The result of a run, simulated or measured: one schema for both, so that "simulated beside measured" is a
//! comparison of two files.
//!
//! Same scenario, seed and build give the same bytes: maps are ordered, wall times stay out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measurement::Measurement;
pub use crate::statistics::Estimate;

/// Version of the schema of `result.json`; goes up when a reader would have to change.
pub const SCHEMA_VERSION: u32 = 1;

/// Which way a metric gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither: it describes.
    Neither,
}

/// A metric that each replication yields: its key in [`Replication::metrics`], unit and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// Key in the result.
    pub key: &'static str,
    /// Unit: `s`, `1/s`, `share`, `replicas`, `count`, `J`, `cores`.
    pub unit: &'static str,
    /// Which way it gets better.
    pub better: Better,
    /// What it is.
    pub about: &'static str,
}

macro_rules! metrics {
    ($($name:ident = $key:literal, $unit:literal, $better:ident, $about:literal;)*) => {
        $(#[doc = $about] pub const $name: &str = $key;)*
        /// Every metric that a run can yield, in the order reports show them.
        pub const METRICS: &[MetricInfo] = &[$(MetricInfo { key: $key, unit: $unit, better: Better::$better, about: $about }),*];
    };
}

metrics! {
    OFFERED = "offered", "count", Neither, "Requests that arrived in the measured window.";
    SUCCESS_SHARE = "success_share", "share", Higher, "Requests answered in full with a 2xx status, of those offered.";
    ERROR_RATE = "error_rate", "share", Lower, "Requests that did not get a full 2xx answer, of those offered.";
    GOODPUT = "goodput", "1/s", Higher, "Requests answered in full with a 2xx status, per second of the measured window.";
    RESPONSE_MEAN = "response_mean", "s", Lower, "Mean response time of successful requests, retries included.";
    RESPONSE_P50 = "response_p50", "s", Lower, "Median response time of successful requests.";
    RESPONSE_P90 = "response_p90", "s", Lower, "90th percentile of the response time of successful requests.";
    RESPONSE_P95 = "response_p95", "s", Lower, "95th percentile of the response time of successful requests.";
    RESPONSE_P99 = "response_p99", "s", Lower, "99th percentile of the response time of successful requests.";
    RESPONSE_P999 = "response_p999", "s", Lower, "99.9th percentile of the response time of successful requests.";
    RESPONSE_MAX = "response_max", "s", Lower, "Longest response time of a successful request.";
    WAITING_MEAN = "waiting_mean", "s", Lower, "Mean time from arrival at the platform to the start of service, of served requests.";
    WAITED_SHARE = "waited_share", "share", Lower, "Requests whose service did not start at once, of those served.";
    SERVICE_MEAN = "service_mean", "s", Lower, "Mean service time of served requests.";
    REFUSED_SHARE = "refused_share", "share", Lower, "Requests refused at once (429), of those offered.";
    TIMED_OUT_SHARE = "timed_out_share", "share", Lower, "Requests given up at a timeout of any hop, of those offered.";
    TRUNCATED_SHARE = "truncated_share", "share", Lower, "Requests with a response cut short, of those offered.";
    RETRIES_PER_REQUEST = "retries_per_request", "count", Lower, "Attempts beyond the first, per request offered.";
    COLD_STARTS = "cold_starts", "count", Lower, "Requests that waited for a replica to start.";
    COLD_SHARE = "cold_share", "share", Lower, "Requests that waited for a replica to start, of those served.";
    REPLICA_STARTS = "replica_starts", "count", Neither, "Replicas that began to start.";
    REPLICAS_MEAN = "replicas_mean", "replicas", Lower, "Time average of replicas in any state.";
    REPLICAS_READY_MEAN = "replicas_ready_mean", "replicas", Neither, "Time average of ready replicas.";
    REPLICAS_BUSY_MEAN = "replicas_busy_mean", "replicas", Neither, "Time average of replicas with at least one call.";
    REPLICA_LIFESPAN_MEAN = "replica_lifespan_mean", "s", Neither, "Mean life of replicas that ended.";
    IN_SYSTEM_MEAN = "in_system_mean", "count", Lower, "Time average of requests in flight.";
    QUEUE_MEAN = "queue_mean", "count", Lower, "Time average of requests in waiting rooms.";
    WASTED_CPU_SHARE = "wasted_cpu_share", "share", Lower, "CPU time of calls whose client never got a full answer from them, of all CPU time.";
    CPU_UTILIZATION = "cpu_utilization", "share", Neither, "Busy share of the nodes' cores.";
    ENERGY = "energy", "J", Lower, "Energy of all nodes in the measured window.";
    COST = "cost", "currency", Lower, "Cost of the measured window.";
    COST_PER_MILLION = "cost_per_million", "currency", Lower, "Cost per million successful requests.";
    QUEUE_DELAY_MEAN = "queue_delay_mean", "s", Lower, "Mean time from 202 to the end of an asynchronous invocation.";
    DUPLICATES = "duplicates", "count", Lower, "Asynchronous invocations delivered again while an earlier delivery still ran.";
    DEAD_LETTERS = "dead_letters", "count", Lower, "Asynchronous invocations given up after their last attempt.";
}

/// What is known of the metric `key`.
pub fn metric(key: &str) -> Option<&'static MetricInfo> {
    METRICS.iter().find(|metric| metric.key == key)
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub schema_version: u32,
    /// Simulated or measured.
    pub source: Source,
    /// What wrote it.
    pub tool: Tool,
    /// Name of the scenario.
    pub name: String,
    /// What the scenario shows, from the comment that opens its file.
    pub about: String,
    /// The command that makes it again.
    pub command: String,
    /// Whether the run was ended before its time; the rest then covers what was done.
    pub partial: bool,
    /// Seed of the first replication.
    pub seed: u64,
    /// What the statistics cover.
    pub window: Window,
    /// The scenario, complete.
    pub scenario: ScenarioRecord,
    /// Each replication's metrics, so that runs can be paired.
    pub replications: Vec<Replication>,
    /// Mean over replications of each metric, with its interval.
    pub summary: BTreeMap<String, Estimate>,
    /// Function by function, in the order of the scenario.
    pub functions: Vec<FunctionResult>,
    /// Averages over each step of time.
    pub timeline: Timeline,
    /// Machine by machine.
    pub nodes: Vec<NodeResult>,
    /// The timeouts in force, as marks for charts.
    pub timeouts: Vec<TimeoutMark>,
    /// What the window cost.
    pub cost: CostResult,
    /// Whether the objectives were met.
    pub objectives: Vec<ObjectiveResult>,
    /// Simulation beside theory, where the scenario matches a known queue.
    pub checks: Vec<TheoryCheck>,
    /// Where each parameter comes from.
    pub provenance: Vec<Provenance>,
    /// Legal but surprising settings and findings.
    pub warnings: Vec<Warning>,
    /// How it was measured; absent from a simulated result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<Box<Measurement>>,
}

/// Where a result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Simulated time.
    Simulated,
    /// A live system.
    Measured,
}

/// What wrote a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// What the statistics cover, in seconds of scenario time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Left out at the start.
    pub warm_up_seconds: f64,
    /// How the warm-up was chosen: `given`, or what MSER-5 found.
    pub warm_up_rule: String,
    /// End of arrivals.
    pub duration_seconds: f64,
    /// How long requests in flight were followed after that, at the most.
    pub drain_seconds: f64,
}

/// The scenario file and all it needs, after overrides: enough to run it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioRecord {
    /// Path as given.
    pub path: String,
    /// Text of the file, with overrides applied.
    pub toml: String,
    /// Overrides as given on the command line.
    pub overrides: Vec<String>,
    /// Text of each profile and price list used, by name.
    pub profiles: BTreeMap<String, String>,
    /// Digest of each trace file used, by path.
    pub traces: BTreeMap<String, String>,
}

/// One replication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replication {
    /// From 0.
    pub index: u32,
    /// Its seed.
    pub seed: u64,
    /// Metrics over all functions, by the keys of [`METRICS`]; what has no value is absent.
    pub metrics: BTreeMap<String, f64>,
    /// Metrics of each function, by its name.
    pub functions: BTreeMap<String, BTreeMap<String, f64>>,
}

/// One function's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionResult {
    /// Name.
    pub name: String,
    /// Mean over replications of each metric, with its interval.
    pub summary: BTreeMap<String, Estimate>,
    /// How requests ended, most frequent first; counts are over all replications.
    pub outcomes: Vec<OutcomeCount>,
    /// Response times over all replications, by kind of request.
    pub responses: Vec<ResponseHistogram>,
    /// Where the time of successful requests went, in the order a request meets the parts.
    pub parts: Vec<PartResult>,
    /// Phases of cold starts, in their order.
    pub cold_phases: Vec<PhaseResult>,
}

/// How many requests ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeCount {
    /// What the client saw.
    pub outcome: OutcomeKind,
    /// Which hop decided it, where that matters: `client`, `gateway upstream`, `watchdog exec`, …
    pub hop: Option<String>,
    /// HTTP status that the client saw, if any.
    pub status: Option<u16>,
    /// Requests.
    pub count: u64,
}

/// What a client saw of a request in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// A full answer with a 2xx status.
    Ok,
    /// A 2xx status whose body was cut short.
    Truncated,
    /// A timeout at a hop: the client gave up, got 408, 502 or 504 for it, or its connection was closed.
    TimedOut,
    /// Refused at once for want of capacity (429).
    Refused,
    /// No replica to serve it (503).
    Unavailable,
    /// The function or its replica failed (500, 502).
    Failed,
    /// Still in flight when the run ended.
    Unfinished,
}

impl OutcomeKind {
    /// The name that files use.
    pub const fn name(self) -> &'static str {
        match self {
            OutcomeKind::Ok => "ok",
            OutcomeKind::Truncated => "truncated",
            OutcomeKind::TimedOut => "timed-out",
            OutcomeKind::Refused => "refused",
            OutcomeKind::Unavailable => "unavailable",
            OutcomeKind::Failed => "failed",
            OutcomeKind::Unfinished => "unfinished",
        }
    }
}

/// Response times of one kind of request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseHistogram {
    /// Whether these requests waited for a replica to start.
    pub cold: bool,
    /// How they ended.
    pub outcome: OutcomeKind,
    /// Their times.
    pub histogram: HistogramData,
}

/// A histogram of times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistogramData {
    /// Values in it.
    pub count: u64,
    /// Exact mean in seconds.
    pub mean_seconds: f64,
    /// Smallest value in seconds.
    pub min_seconds: f64,
    /// Largest value in seconds.
    pub max_seconds: f64,
    /// HdrHistogram V2 (not deflated), base64; recorded in microseconds with three significant digits.
    pub hdr_v2_base64: String,
}

/// Time spent in one part of the path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartResult {
    /// `network`, `gateway`, `cold start`, `waiting`, `service`, `retries`, `queue`.
    pub part: String,
    /// Mean over successful requests, in seconds (zero where a request did not meet the part).
    pub mean_seconds: f64,
    /// Its share of the mean response time.
    pub share: f64,
}

/// One phase of cold starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseResult {
    /// `schedule`, `pull`, `sandbox`, `create`, `boot`, `probe`, `endpoint`.
    pub phase: String,
    /// Starts it was seen in.
    pub count: u64,
    /// Mean in seconds.
    pub mean_seconds: f64,
    /// Longest in seconds.
    pub max_seconds: f64,
}

/// Averages over each step of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// Length of a step in seconds; step k covers [k·step, (k+1)·step).
    pub step_seconds: f64,
    /// The series.
    pub series: Vec<Series>,
    /// When requests met a cold start in the first replication, in seconds, at most the first 5000.
    pub cold_starts: Vec<f64>,
}

/// One quantity over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// `arrivals`, `successes`, `errors` (1/s); `in flight`, `waiting`, `queue depth` (count); `replicas desired`, `replicas starting`,
    /// `replicas ready`, `replicas busy`; `node cpu` (share); `power` (W).
    pub name: String,
    /// Unit.
    pub unit: String,
    /// The function it is about; absent for the whole system.
    pub function: Option<String>,
    /// Mean over replications, step by step.
    pub mean: Vec<f64>,
    /// Smallest value of any replication, step by step.
    pub low: Vec<f64>,
    /// Largest value of any replication, step by step.
    pub high: Vec<f64>,
}

/// One machine's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeResult {
    /// Name.
    pub name: String,
    /// Cores.
    pub cores: u32,
    /// Busy share of its cores.
    pub utilization: Estimate,
    /// Mean power in watts.
    pub watts: Estimate,
    /// Energy in joules.
    pub energy_joules: Estimate,
}

/// A timeout in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeoutMark {
    /// `client`, `gateway upstream`, `watchdog exec`, …
    pub hop: String,
    /// The function it is about; absent if it is for all.
    pub function: Option<String>,
    /// Its length in seconds.
    pub seconds: f64,
}

/// What the measured window cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostResult {
    /// Currency code; empty when nothing has a price.
    pub currency: String,
    /// The items.
    pub items: Vec<CostItem>,
    /// Their sum.
    pub total: Option<Estimate>,
}

/// One item of the cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostItem {
    /// `electricity`, `hardware`, `requests`, `compute`, …
    pub name: String,
    /// How it was computed, in words and numbers.
    pub basis: String,
    /// Amount.
    pub amount: Estimate,
}

/// Whether an objective was met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveResult {
    /// As written: `p95 < 2s`.
    pub text: String,
    /// Key of the metric.
    pub metric: String,
    /// Upper bound in the metric's unit.
    pub at_most: f64,
    /// What was found; absent if nothing was.
    pub found: Option<Estimate>,
    /// Whether the mean is within the bound.
    pub met: bool,
    /// Whether the whole interval is on that side of the bound.
    pub certain: bool,
}

/// Simulation beside theory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TheoryCheck {
    /// The queue: `M/M/c`, …
    pub model: String,
    /// The quantity: `mean wait`, …
    pub quantity: String,
    /// Unit.
    pub unit: String,
    /// What theory says.
    pub theory: f64,
    /// What the simulation says.
    pub simulated: Estimate,
    /// (simulated − theory) / standard error.
    pub z: f64,
    /// Source of the formula.
    pub source: String,
}

/// Where a parameter comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Its key in the scenario or profile.
    pub parameter: String,
    /// Its value as written.
    pub value: String,
    /// How it is known.
    pub basis: Basis,
    /// Source in words; empty for a choice.
    pub source: String,
}

/// How a value is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Published by the named source.
    Published,
    /// Measured by the user or by this project.
    Measured,
    /// Computed from published or measured values.
    Derived,
    /// Taken over from another machine or system.
    Transferred,
    /// Without a source.
    Assumed,
    /// A setting, not a fact.
    Choice,
}

/// Legal but surprising.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// Short name of the kind of warning, such as `timeout-chain`.
    pub code: String,
    /// What was found and what to do.
    pub text: String,
}
