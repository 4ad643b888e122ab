//! What the embedded provider is told when it is opened.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::emulation::Emulation;
use crate::image::ImageManifest;

/// How the embedded provider works.
#[derive(Clone)]
pub struct Options {
    /// Where deployments and secrets are kept. One process at a time may use it.
    pub state: PathBuf,
    /// How a watchdog is started.
    pub watchdog: WatchdogCommand,
    /// The built-in images by name.
    pub images: BTreeMap<String, ImageManifest>,
    /// The folder below which relative image names are looked up.
    pub functions_folder: Option<PathBuf>,
    /// The machine to be as slow as; `None` for this one.
    pub emulation: Option<Emulation>,
    /// Whether replicas get control groups.
    pub cgroups: CgroupUse,
    /// The most there may be.
    pub bounds: Bounds,
    /// When a crashed replica starts again.
    pub back_off: BackOff,
    /// Told, once each, what an operator should know: that limits cannot be had, or that a crash was cleaned up.
    pub on_notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Options {
    /// Defaults for all but the state folder and the watchdog; notices go to the standard error stream.
    pub fn new(state: impl Into<PathBuf>, watchdog: WatchdogCommand) -> Options {
        Options {
            state: state.into(),
            watchdog,
            images: BTreeMap::new(),
            functions_folder: None,
            emulation: None,
            cgroups: CgroupUse::WherePossible,
            bounds: Bounds::default(),
            back_off: BackOff::default(),
            on_notice: Arc::new(|notice| eprintln!("{notice}")),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("state", &self.state).field("watchdog", &self.watchdog).finish_non_exhaustive()
    }
}

/// How a watchdog is started: `faas-lab up` gives its own executable and a hidden subcommand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchdogCommand {
    /// Executable.
    pub program: PathBuf,
    /// Its leading arguments.
    pub arguments: Vec<OsString>,
}

impl WatchdogCommand {
    /// A program without arguments.
    pub fn new(program: impl Into<PathBuf>) -> WatchdogCommand {
        WatchdogCommand { program: program.into(), arguments: Vec::new() }
    }

    /// With one more argument.
    pub fn argument(mut self, argument: impl Into<OsString>) -> WatchdogCommand {
        self.arguments.push(argument.into());
        self
    }
}

/// Whether replicas get control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupUse {
    /// Where the system allows it; a notice says what it does not allow.
    WherePossible,
    /// Never: limits are taken and reported, without effect.
    Never,
}

/// The most there may be on this platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Deployed functions.
    pub functions: usize,
    /// Replicas of one function, whatever they do.
    pub replicas_per_function: usize,
    /// Replicas of all functions.
    pub replicas: usize,
    /// Secrets, in all namespaces.
    pub secrets: usize,
    /// Size of one secret in bytes; Kubernetes allows 1 MiB.
    pub secret_bytes: usize,
    /// Log text that is kept per replica, in bytes.
    pub log_bytes: usize,
    /// A log line's length in bytes, past which it is cut.
    pub log_line_bytes: usize,
    /// How many ended replicas of a function still have their log.
    pub ended_logs: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            functions: 1000,
            replicas_per_function: 200,
            replicas: 1000,
            secrets: 1000,
            secret_bytes: 1 << 20,
            log_bytes: 256 << 10,
            log_line_bytes: 16 << 10,
            ended_logs: 8,
        }
    }
}

/// When a crashed replica starts again: after `first`, doubling with each crash up to `most`, and from `first` again
/// once it has been ready for `reset_after`.
///
/// Kubernetes takes 10 s, 5 min and 10 min, which spares a cluster's control plane; one machine can be quicker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// After the first crash.
    pub first: Duration,
    /// Never longer than this.
    pub most: Duration,
    /// Health for so long makes good for all crashes before.
    pub reset_after: Duration,
}

impl Default for BackOff {
    fn default() -> BackOff {
        BackOff {
            first: Duration::from_millis(100),
            most: Duration::from_secs(30),
            reset_after: Duration::from_secs(60),
        }
    }
}

impl BackOff {
    /// How long to wait after the crash number `crashes` (from 1) in a row.
    pub(crate) fn delay(&self, crashes: u32) -> Duration {
        let doublings = crashes.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_up_to_its_most() {
        let delays: Vec<u128> = (1..=10).map(|n| BackOff::default().delay(n).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]);
        assert_eq!(BackOff::default().delay(u32::MAX), Duration::from_secs(30));
    }
}
