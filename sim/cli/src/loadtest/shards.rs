//! Flags that share a run between processes and machines.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use faas_lab_loadgen::shard::{self, Shard};

use crate::failure::Failure;
use crate::sweep;

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

fn instant(text: &str) -> Result<SystemTime, String> {
    shard::instant(text).map_err(|error| error.to_string())
}

/// The folder of one part below that of the run.
pub(crate) fn part_folder(run: &Path, part: Shard) -> PathBuf {
    run.join(format!("shard-{}-of-{}", part.index(), part.count()))
}
