//! Groups of flags: what calls carry, what is looked at beside them, where callbacks come in, how a run is shared.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use faas_lab_http::go::parse_duration;
use faas_lab_loadgen::Start;
use faas_lab_loadgen::payload::{BodySource, PayloadOptions};
use faas_lab_loadgen::shard::{self, Shard};

use crate::failure::Failure;
use crate::sweep;

/// What calls carry.
#[derive(Args, Clone, Debug)]
pub(crate) struct CallArguments {
    /// HTTP method [default: POST; with --platform http and no body, GET]
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,

    /// Body of every call; {wait}, {demand}, {wait_ms}, {demand_ms} stand for what the simulated request is born with
    /// [default: random bytes of the workload's request size]
    #[arg(long, value_name = "TEXT", conflicts_with = "data_binary")]
    pub(crate) data: Option<String>,

    /// Body from a file as it is, or from a folder whose files take turns; a text without @
    #[arg(long, value_name = "@FILE|@DIR|TEXT")]
    pub(crate) data_binary: Option<String>,

    /// Header of every call; may be repeated
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,

    /// Path and query below the function, such as /a?b=c
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,

    /// Speak HTTP/2, without asking first
    #[arg(long)]
    pub(crate) http2: bool,

    /// Open a connection for every call
    #[arg(long)]
    pub(crate) no_keep_alive: bool,

    /// Longest time to open a connection
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = span)]
    pub(crate) connect_timeout: Duration,
}

impl CallArguments {
    /// What they say of calls.
    pub(crate) fn payload(&self) -> PayloadOptions {
        let body = match (&self.data, &self.data_binary) {
            (Some(text), _) => BodySource::data(text),
            (None, Some(text)) => BodySource::data_binary(text),
            (None, None) => BodySource::Workload,
        };
        PayloadOptions { method: self.method.clone(), headers: self.header.clone(), path: self.path.clone(), body }
    }
}

/// What is looked at while the run goes on.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProbeArguments {
    /// Time between looks at replicas and queues; 0 for none
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = span)]
    pub(crate) probe: Duration,

    /// Where the gateway's metrics are [default: port 8082 of its host]
    #[arg(long, value_name = "URL")]
    pub(crate) metrics: Option<url::Url>,
}

/// Where callbacks of asynchronous invocations come in.
#[derive(Args, Clone, Debug)]
pub(crate) struct CallbackArguments {
    /// Where to listen for callbacks
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) callback_listen: SocketAddr,

    /// The address that the gateway is told, if it is not the one that is listened on
    #[arg(long, value_name = "URL")]
    pub(crate) callback_url: Option<url::Url>,
}

/// How a run is shared between processes and machines.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShardArguments {
    /// Send only part i of N (i from 0): every N-th arrival; into DIR/shard-i-of-N
    #[arg(long, value_name = "i/N", value_parser = sweep::Shard::parse)]
    pub(crate) shard: Option<sweep::Shard>,

    /// Start at this instant, such as 2026-01-31T12:00:00Z, so that all parts start together
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(crate) start_at: Option<SystemTime>,

    /// Share the run between so many processes on this machine, and join what they measure
    #[arg(long, value_name = "N", conflicts_with_all = ["shard", "emit"], value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) processes: Option<u32>,

    /// Print a job file that shares the run between machines, and send nothing
    #[arg(long, value_name = "SCHEDULER", conflicts_with = "shard")]
    pub(crate) emit: Option<LoadScheduler>,

    /// Pods of that job
    #[arg(long, value_name = "N", requires = "emit", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) shards: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoadScheduler {
    /// An Indexed Job, for kubectl
    Kubernetes,
}

impl ShardArguments {
    /// Which part is this process': as asked for, or as a scheduler says through the environment.
    pub(crate) fn part(&self) -> Result<Shard, Failure> {
        let found = sweep::Shard::find(self.shard, |name| std::env::var(name).ok())?;
        let part = u32::try_from(found.index).ok().zip(u32::try_from(found.count).ok());
        part.and_then(|(index, count)| Shard::new(index, count))
            .ok_or_else(|| Failure::new(format!("there is no part {found}")).help("write i/N with i from 0 to N - 1"))
    }
}

impl ShardArguments {
    /// When the schedule starts.
    pub(crate) fn start(&self) -> Result<Start, Failure> {
        let Some(at) = self.start_at else { return Ok(Start::Ready) };
        shard::until(at, SystemTime::now()).map_err(|error| Failure::new(error.to_string()))?;
        Ok(Start::At(at))
    }
}

/// Go's duration, or seconds.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a span such as 500ms, 30s or 1m30s, or seconds".to_owned())
}

fn instant(text: &str) -> Result<SystemTime, String> {
    shard::instant(text).map_err(|error| error.to_string())
}

/// The folder of one part below that of the run.
pub(crate) fn part_folder(run: &std::path::Path, part: Shard) -> PathBuf {
    run.join(format!("shard-{}-of-{}", part.index(), part.count()))
}
