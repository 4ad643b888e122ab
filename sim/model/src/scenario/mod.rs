//! A scenario as meant: validated, with no strings or options left to interpret.
//!
//! How it is written, read and checked is in `file.rs` and its neighbours; nothing here parses.

mod backoff;
mod error;
mod file;
mod forms;
mod function;
mod library;
mod limits;
mod load;
mod nearest;
mod node;
mod overrides;
mod platform;
mod policies;
mod read;
mod trace;
mod tree;
mod validate;
mod warnings;
mod workload;

pub use error::{Place, Problem, ScenarioErrors, Source};
pub use library::{BuiltIn, Folder, Loader, Need, Recorded};
pub use load::{policies, price_lists, profiles, schema, template};

use crate::distributions::Distribution;
use crate::metrics::result::{Provenance, ScenarioRecord, Warning};
use crate::policies::scaling::Idler;
use crate::policies::{Bounds, DispatchPolicy, KeepAlivePolicy, PlacementPolicy, Scaling};
use crate::rng::Seed;
use crate::time::{SimTime, Span};
use crate::units::{ByteRate, Bytes, Rate};

/// Everything that can change a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Name, also of the output folder.
    pub name: String,
    /// The comment that opens the file, as one paragraph.
    pub about: String,
    /// Arrivals stop here.
    pub duration: Span,
    /// What is left out of statistics at the start.
    pub warm_up: WarmUp,
    /// How long after `duration` requests in flight are still followed. Default: the longest timeout, else `duration`.
    pub drain: Span,
    /// Seed of the first replication.
    pub seed: Seed,
    /// Independent replications.
    pub replications: u32,
    /// Machines; empty means that replicas never contend for anything.
    pub nodes: Vec<NodeGroup>,
    /// The client's side of the network.
    pub edge: Edge,
    /// The API gateway.
    pub gateway: Gateway,
    /// The queue of asynchronous invocations.
    pub queue: AsyncQueue,
    /// What the cluster does beside running functions.
    pub cluster: Cluster,
    /// Functions, in the order of the file.
    pub functions: Vec<Function>,
    /// Workloads, in the order of the file.
    pub workloads: Vec<Workload>,
    /// What the run should meet.
    pub objectives: Vec<Objective>,
    /// What things cost.
    pub prices: Prices,
    /// Named sets of overrides, for comparisons.
    pub variants: Vec<Variant>,
    /// The file with its profiles, as the result carries them.
    pub record: ScenarioRecord,
    /// Where each parameter comes from.
    pub provenance: Vec<Provenance>,
    /// Legal but surprising settings.
    pub warnings: Vec<Warning>,
}

/// A named set of overrides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Each `KEY=VALUE`, as [`Scenario::load`] takes them.
    pub overrides: Vec<String>,
}

/// What is left out of statistics at the start of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// This much.
    Given(Span),
    /// What MSER-5 finds.
    Auto,
}

/// Equal machines.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeGroup {
    /// Name; machines are called `name-1`, `name-2`, …
    pub name: String,
    /// How many.
    pub count: u32,
    /// Cores.
    pub cores: u32,
    /// Share of the node's cores that the system keeps for itself, in cores.
    pub reserved_cores: f64,
    /// Memory.
    pub memory: Bytes,
    /// Memory that the system keeps for itself.
    pub reserved_memory: Bytes,
    /// From placing a replica here to its container running, for functions that tell neither sandbox nor container.
    pub pod_start: Distribution,
    /// Work classes that this machine knows.
    pub classes: Vec<WorkClass>,
    /// Network link.
    pub link: ByteRate,
    /// Rate at which pulled images are unpacked.
    pub disk_write: ByteRate,
    /// Power drawn when idle, in watts.
    pub idle_watts: f64,
    /// Power that each busy core adds, in watts.
    pub watts_per_busy_core: f64,
    /// Price of one machine in the currency of [`Prices`].
    pub price: f64,
    /// Failures of machines of this group.
    pub failures: Vec<NodeFailure>,
    /// Mean time between random failures of one machine, and how long each lasts.
    pub random_failures: Option<RandomFailures>,
}

/// How fast a machine does one kind of work.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkClass {
    /// Name of the class: `cascade`, `integer`, …
    pub name: String,
    /// CPU time here over CPU time on the reference machine, > 0. A law where the factor is uncertain: drawn once per replication.
    pub slowdown: Distribution,
    /// Speed-up of as many threads as there are cores over one thread, in [1, cores].
    pub full_speedup: f64,
}

/// A machine that is lost at a set time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeFailure {
    /// Which machine of the group, from 0.
    pub index: u32,
    /// When it is lost.
    pub at: SimTime,
    /// How long it is away.
    pub lasts: Span,
}

/// Random failures of each machine.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomFailures {
    /// Law of the time from the start, or from the last repair, to the next failure.
    pub time_between: Distribution,
    /// Law of the time to repair.
    pub repair: Distribution,
}

/// The network between clients and gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Round-trip time.
    pub rtt: Distribution,
    /// Rate at which bodies cross, if that is limited.
    pub bandwidth: Option<ByteRate>,
    /// When clients give up; counts from sending.
    pub client_timeout: Option<Span>,
}

/// The API gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// How many of them; a call goes to any of them with equal probability.
    pub replicas: u32,
    /// Calls that one gateway can process at once (its share of cores).
    pub workers: u32,
    /// CPU time that a call costs the gateway, on the way in; auth and routing included.
    pub overhead: Distribution,
    /// Longest time to read a request; then the connection is closed.
    pub read_timeout: Option<Span>,
    /// Longest time from the request's head to the response; a later response is cut: the client sees a closed connection.
    pub write_timeout: Option<Span>,
    /// Longest time to wait for the function; then the client gets 502.
    pub upstream_timeout: Option<Span>,
    /// The provider's own client timeout, if it is shorter; then the client gets 502.
    pub provider_timeout: Option<Span>,
    /// Scale from zero: hold calls for a function that has no replica. `None`: such calls get 503.
    pub scale_from_zero: Option<ScaleFromZero>,
}

/// How a gateway holds calls for a function at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleFromZero {
    /// How long a replica count is believed (250 ms).
    pub cache: Span,
    /// Interval of asking again (100 ms).
    pub poll: Span,
    /// How often it asks before it forwards the call anyway (1000).
    pub polls: u32,
}

/// The queue of asynchronous invocations, and its workers.
#[derive(Clone, Debug, PartialEq)]
pub struct AsyncQueue {
    /// Queue workers.
    pub workers: u32,
    /// Invocations that one worker has in flight at once.
    pub max_inflight: u32,
    /// An invocation not acknowledged in this time is delivered again.
    pub ack_wait: Span,
    /// Whether workers extend `ack_wait` while a call runs (OpenFaaS Pro).
    pub extends_ack: bool,
    /// Largest body accepted.
    pub max_body: Option<Bytes>,
    /// Time to commit an invocation before 202 is sent.
    pub commit: Distribution,
    /// Attempts in all before an invocation is a dead letter; 1: no retries.
    pub attempts: u32,
    /// Status codes that are tried again.
    pub retry_codes: Vec<u16>,
    /// Delays between attempts.
    pub backoff: Backoff,
    /// What a `Retry-After` header on 429 and 503 says, if replicas send one; replaces the delay.
    pub retry_after: Option<Span>,
    /// Time that the callback takes; `None`: no callback.
    pub callback: Option<Distribution>,
}

/// Growing delays between attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Delay before the second attempt.
    pub initial: Span,
    /// Longest delay.
    pub max: Span,
    /// What each delay is multiplied by for the next, ≥ 1.
    pub factor: f64,
    /// How delays are spread.
    pub jitter: Jitter,
}

/// How delays between attempts are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    #[default]
    None,
    /// Uniform between zero and the delay.
    Full,
    /// Uniform between half the delay and the delay.
    Equal,
}

/// What the cluster does beside running functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Which node takes a new replica.
    pub placement: PlacementPolicy,
    /// A lost node's replicas stay in the endpoints for this long (40 s).
    pub node_detection: Span,
    /// After detection, its replicas are started elsewhere after this long (300 s).
    pub eviction_delay: Span,
    /// First delay before a crashed replica is started again (10 s); doubles each time.
    pub crash_backoff: Span,
    /// Longest such delay (300 s).
    pub crash_backoff_max: Span,
    /// A removed replica may finish its calls for this long; then they fail (30 s).
    pub termination_grace: Span,
    /// Rate at which the registry serves images to one node, if below the link's.
    pub registry: Option<ByteRate>,
    /// Fixed part of an image pull.
    pub pull_overhead: Span,
}

/// A function and how it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Name.
    pub name: String,
    /// Memory request of a replica.
    pub memory: Bytes,
    /// Memory at which a replica is killed, if limited.
    pub memory_limit: Option<Bytes>,
    /// Memory that each call in flight adds.
    pub memory_per_call: Bytes,
    /// CPU request of a replica, in cores.
    pub cpu_request: f64,
    /// CPU limit of a replica, in cores.
    pub cpu_limit: Option<f64>,
    /// The period over which the limit is rationed; `None` keeps to it at every instant.
    pub cpu_period: Option<Span>,
    /// CPU work of one call, drawn at birth.
    pub demand: Demand,
    /// Time of one call that is not CPU work: sleeps, other services. Comes after the CPU work.
    pub wait: Distribution,
    /// The law that replaces `demand` for the call that started its replica, where calls are bound to their cold start.
    pub cold_demand: Option<Distribution>,
    /// Size of the response body; ignored where `stream` is given.
    pub response: Bytes,
    /// A response that is written bit by bit after the CPU work.
    pub stream: Option<StreamBody>,
    /// Share of calls that the function itself answers with 500, in [0, 1].
    pub error_rate: f64,
    /// Whether the function stops when the caller of a call has gone; if not, it works to the end, for nobody.
    pub cancellable: bool,
    /// What stands in front of the function's process.
    pub watchdog: Watchdog,
    /// How many calls the function's process works on at once.
    pub concurrency: Concurrency,
    /// How much busy calls of one replica hinder each other, ≥ 0: with b of them each takes 1 + contention · (b − 1) times
    /// as long as alone. 0: not at all, 1: one at a time, more: passing the turn on costs CPU time too.
    pub contention: f64,
    /// How a replica comes up.
    pub cold_start: ColdStart,
    /// Bounds of the number of replicas.
    pub replicas: Bounds,
    /// How many replicas there should be.
    pub scaling: Scaling,
    /// Rest after inactivity.
    pub scale_to_zero: Option<Idler>,
    /// Which ready replica takes a call (where replicas are not started per request).
    pub dispatch: DispatchPolicy,
    /// How long an idle replica is kept (where replicas are started per request).
    pub keep_alive: KeepAlivePolicy,
    /// The longest life of a replica, drawn at its start; it ends when idle.
    pub lifetime: Option<Distribution>,
    /// Requests that find no free slot wait here, in front of all replicas. `None`: they are handed to a replica at once.
    pub waiting_room: Option<WaitingRoom>,
    /// Time between crashes of one replica.
    pub crashes: Option<Distribution>,
    /// Replicas that exist at the start.
    pub initial: Vec<InitialReplica>,
}

/// CPU work, in time on the reference machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// Index into [`NodeGroup::classes`] is by name: the class of the work. `None`: runs everywhere at speed 1.
    pub class: Option<String>,
    /// Its law.
    pub law: Distribution,
}

/// A response written item by item.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamBody {
    /// Number of items.
    pub items: u64,
    /// Time between items, the first one included.
    pub period: Span,
    /// What an item is.
    pub item: StreamItem,
    /// Buffering between the function and the wire.
    pub buffering: Buffering,
}

/// One item of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// The item's number, counted from 1, in decimal and a newline.
    Number,
    /// So many bytes.
    Bytes(u64),
}

/// When written bytes reach the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffering {
    /// At once.
    Flushed,
    /// As Go's net/http without flushing: chunks of 2048 bytes into a connection buffer of 4096, after `header` bytes.
    Go {
        /// Size of the response head.
        header: u64,
    },
}

/// What stands between the gateway and the function's process.
#[derive(Clone, Debug, PartialEq)]
pub struct Watchdog {
    /// How calls reach the function.
    pub mode: WatchdogMode,
    /// CPU time that a call costs before the function works on it (forking a process, say); of the demand's class.
    pub overhead: Distribution,
    /// Longest time to read a request.
    pub read_timeout: Option<Span>,
    /// Longest time to the end of the response; a later one is cut.
    pub write_timeout: Option<Span>,
    /// Longest time that the function may take.
    pub exec_timeout: Option<Span>,
    /// Calls in flight above which a call gets 429.
    pub max_inflight: Option<u32>,
}

/// The watchdog's modes; what each does at a timeout is in the engine's `worker.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchdogMode {
    /// No watchdog: calls reach the function directly.
    #[default]
    None,
    /// The classic watchdog: a process for each call, killed at the exec timeout with 408.
    Classic,
    /// of-watchdog, a long-lived HTTP server: 504 at the exec timeout while the function works on.
    Http,
    /// of-watchdog, a process for each call whose output is sent at the end: 500 at the exec timeout.
    Serializing,
    /// of-watchdog, a process for each call whose output is sent as it comes: a cut 200 at the exec timeout.
    Streaming,
}

/// How many calls the function's process works on at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// Any number; they share the CPU.
    #[default]
    Unlimited,
    /// So many workers, with a FIFO accept queue of so many places behind them (`None`: any number; a call beyond gets 429).
    Workers {
        /// Workers, ≥ 1.
        count: u32,
        /// Places in the accept queue.
        backlog: Option<u32>,
    },
}

/// The phases from wanting a replica to its first call.
#[derive(Clone, Debug, PartialEq)]
pub struct ColdStart {
    /// API write, admission and scheduling.
    pub schedule: Distribution,
    /// Image to pull if the node does not have it; zero: none.
    pub image: Bytes,
    /// Whether all nodes have the image at the start.
    pub image_present: bool,
    /// Network and pause container.
    pub sandbox: Distribution,
    /// Creating and starting the container.
    pub create: Distribution,
    /// The process' own start: CPU work if it has a class, else time.
    pub boot: Demand,
    /// When readiness is seen; `None`: at once.
    pub readiness_probe: Option<ReadinessProbe>,
    /// From ready to being in every endpoint list.
    pub endpoint: Distribution,
}

/// A readiness probe, on a grid that starts with the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadinessProbe {
    /// Before the first probe.
    pub initial_delay: Span,
    /// Between probes.
    pub period: Span,
}

/// A place for requests that find no free slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingRoom {
    /// Places; `None`: any number.
    pub capacity: Option<u32>,
    /// Who leaves first.
    pub discipline: Discipline,
}

/// Who leaves a waiting room first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discipline {
    /// First come, first served.
    #[default]
    Fifo,
    /// Last come, first served.
    Lifo,
}

/// Equal replicas that exist at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialReplica {
    /// How many.
    pub count: u32,
    /// What they are doing.
    pub state: InitialState,
}

/// What a replica is doing at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// Serving a call whose demand is drawn from the warm law at time zero.
    Busy,
    /// Idle; removed at this instant if it is not used before (`None`: as its keep-alive says).
    Idle {
        /// When it expires.
        expires: Option<SimTime>,
    },
}

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Name; default: the function's.
    pub name: String,
    /// Index of the function in [`Scenario::functions`].
    pub function: usize,
    /// When requests come.
    pub arrivals: Arrivals,
    /// Sync or async.
    pub invocation: Invocation,
    /// Size of the request body.
    pub request: Bytes,
    /// What a live call carries; `None`: random bytes of that size.
    pub body: Option<Body>,
    /// Client retries; `None`: a failed request is not tried again.
    pub retries: Option<Retries>,
}

/// What the calls of a workload carry when they are sent to a live gateway. In a simulation only sizes count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// This text. `{wait}`, `{demand}`, `{wait_ms}` and `{demand_ms}` in it stand for what the simulated request is born with.
    Text(String),
    /// A JPEG of so many pixels that the load tester draws, the same for every call.
    Picture {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
}

/// How a function is invoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Invocation {
    /// The client waits for the answer.
    #[default]
    Sync,
    /// The client gets 202; a queue worker makes the call.
    Async,
}

/// What a client does after a failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Retries {
    /// Attempts in all, ≥ 1.
    pub attempts: u32,
    /// Delays between them.
    pub backoff: Backoff,
    /// Status codes that are tried again; timeouts and closed connections always are.
    pub codes: Vec<u16>,
}

/// When requests come. Rates are per second of scenario time.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Equal gaps.
    Constant(Rate),
    /// A Poisson process.
    Poisson(Rate),
    /// Independent gaps of one law.
    Renewal(Distribution),
    /// A Poisson process whose rate jumps between states (Markov-modulated), starting in the first; states follow in a ring.
    Mmpp(Vec<MmppState>),
    /// A Poisson process around a piecewise linear rate.
    Shape(Vec<ShapePoint>),
    /// So many requests released together, again and again.
    Batches {
        /// Requests in a batch, from when on; the first from time zero, ascending.
        sizes: Vec<BatchSize>,
        /// Time between batches; the first comes after one of these.
        period: Span,
    },
    /// The same instants each day or hour, as a crontab says them.
    Cron(Cron),
    /// These instants, ascending.
    Trace(Vec<SimTime>),
    /// Users who wait for their answer and think before the next request.
    Users(Users),
}

/// A step of [`Arrivals::Batches`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSize {
    /// From when on; the batch at this instant is the first of its size.
    pub at: SimTime,
    /// Requests in a batch; none: no batches until the next step.
    pub size: u32,
}

/// A state of [`Arrivals::Mmpp`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MmppState {
    /// Rate while in it.
    pub rate: Rate,
    /// Mean time in it (exponential).
    pub mean_stay: Span,
}

/// A corner of [`Arrivals::Shape`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShapePoint {
    /// When; not before the last point. Two points at one instant make a step.
    pub at: SimTime,
    /// The rate there.
    pub rate: Rate,
}

/// A crontab line (minute, hour, weekday); the run starts at 00:00 on a Monday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// Minutes of the hour, one bit each.
    pub minutes: u64,
    /// Hours of the day, one bit each.
    pub hours: u32,
    /// Days of the week, one bit each, Sunday is bit 0.
    pub weekdays: u8,
}

/// A closed population.
#[derive(Clone, Debug, PartialEq)]
pub struct Users {
    /// How many.
    pub count: u32,
    /// Time between an answer and the next request.
    pub think: Distribution,
    /// Time over which users appear, evenly.
    pub ramp_up: Span,
}

/// Something the run should meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// As written: `p95 < 2s`.
    pub text: String,
    /// Key of the metric it is about: see `metrics::result`.
    pub metric: String,
    /// Upper bound in the metric's unit.
    pub at_most: f64,
}

/// What things cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// Currency code.
    pub currency: String,
    /// Price of one kilowatt-hour.
    pub per_kwh: f64,
    /// Time over which a machine's price is written off.
    pub amortisation: Span,
    /// Price list of a cloud, if one is to be charged: the name of a file in `scenarios/prices`.
    pub cloud: Option<CloudPrices>,
}

/// A pay-per-use price list.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudPrices {
    /// Name of the list.
    pub name: String,
    /// Date of the list, as its source gives it.
    pub dated: String,
    /// Price of one request.
    pub per_request: f64,
    /// Price tiers of a gigabyte-second: each up to so many (the last without end).
    pub per_gb_second: Vec<PriceTier>,
    /// Price of a vCPU-second, where that is charged apart.
    pub per_vcpu_second: f64,
    /// Smallest step of billed time.
    pub time_step: Span,
    /// Shortest billed time of one call.
    pub time_minimum: Span,
    /// Smallest step of billed memory.
    pub memory_step: Bytes,
    /// Requests free each month.
    pub free_requests: f64,
    /// Gigabyte-seconds free each month.
    pub free_gb_seconds: f64,
    /// Whether the time of a cold start is billed.
    pub bills_init: bool,
}

/// One tier of a price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PriceTier {
    /// Up to this quantity in a month; `None`: without end.
    pub up_to: Option<f64>,
    /// Price of one unit.
    pub price: f64,
}
