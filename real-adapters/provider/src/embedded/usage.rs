//! CPU and memory in use: from control groups, or else from the process tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::platform::{Platform, Running};
use crate::ProviderError;
use crate::api::{FunctionName, Usage};
use crate::processes;

/// The present is at least so long.
const WINDOW_MIN: Duration = Duration::from_secs(1);
/// And at most so long: older figures say nothing about it.
const WINDOW_MAX: Duration = Duration::from_secs(15);
/// How long to look when nobody has looked lately.
const GLANCE: Duration = Duration::from_millis(200);

/// A function's consumption over time.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// CPU seconds of starts that have ended.
    ended: f64,
    /// Last seen CPU seconds of those that have not, by replica: counts if its end cannot be read.
    seen: BTreeMap<u64, f64>,
    /// Earlier total CPU seconds, to take the difference from.
    earlier: Option<(Instant, f64)>,
    latest: Option<(Instant, f64)>,
}

impl Meter {
    /// A replica's start has ended after burning so many CPU seconds.
    pub(super) fn end(&mut self, replica: u64, burnt: Option<f64>) {
        let seen = self.seen.remove(&replica);
        self.ended += burnt.or(seen).unwrap_or(0.0);
    }

    /// Takes new figures in; returns the total and, if there is something to compare with, cores in use.
    fn read(&mut self, now: Instant, figures: &BTreeMap<u64, f64>) -> (f64, Option<f64>) {
        self.seen.clone_from(figures);
        let total = self.ended + figures.values().sum::<f64>();
        let fresh = |point: &(Instant, f64)| now.duration_since(point.0) <= WINDOW_MAX;
        let base = self.earlier.filter(fresh);
        if self.latest.is_none_or(|(at, _)| now.duration_since(at) >= WINDOW_MIN) {
            self.earlier = self.latest.filter(fresh).or(Some((now, total)));
            self.latest = Some((now, total));
        }
        let cores = base.filter(|(at, _)| now > *at).map(|(at, before)| {
            let elapsed = now.duration_since(at).as_secs_f64();
            ((total - before) / elapsed).max(0.0)
        });
        (total, cores)
    }
}

pub(super) async fn of(platform: &Arc<Platform>, function: &FunctionName) -> Result<Usage, ProviderError> {
    if let Some(usage) = look(platform, function).await? {
        return Ok(usage);
    }
    sleep(GLANCE).await;
    Ok(look(platform, function).await?.unwrap_or_default())
}

/// `None` if there is nothing yet to compare with.
async fn look(platform: &Arc<Platform>, function: &FunctionName) -> Result<Option<Usage>, ProviderError> {
    let unknown = || ProviderError::Unknown(function.name.clone());
    let running: BTreeMap<u64, Running> = {
        let state = platform.state();
        let found = state.functions.get(function).ok_or_else(unknown)?;
        found.seats.iter().filter_map(|(&number, seat)| Some((number, seat.running.clone()?))).collect()
    };
    let idle = running.is_empty();
    let figures =
        spawn_blocking(move || running.into_iter().map(|(n, r)| (n, figures(&r))).collect::<BTreeMap<_, _>>());
    let figures = figures.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));

    let mut state = platform.state();
    let found = state.functions.get_mut(function).ok_or_else(unknown)?;
    // One that has ended meanwhile is among those that have ended.
    let alive = |number: &u64| found.seats.get(number).is_some_and(|seat| seat.running.is_some());
    let cpu: BTreeMap<u64, f64> = figures.iter().filter(|(n, _)| alive(n)).map(|(&n, f)| (n, f.0)).collect();
    // Not `sum`, which makes -0.0 of nothing.
    let memory = figures.values().fold(0.0, |sum, f| sum + f.1);
    let (total, cores) = found.meter.read(Instant::now(), &cpu);
    let cores = cores.or(idle.then_some(0.0));
    Ok(cores.map(|cores| Usage {
        cpu: cores * 1000.0,
        total_memory_bytes: memory,
        cpu_seconds_total: total,
        cpu_seconds: cpu,
    }))
}

/// CPU seconds and bytes of memory.
fn figures(running: &Running) -> (f64, f64) {
    let group = running.group.as_ref();
    match group.and_then(|group| Some((group.cpu_seconds()?, group.memory_bytes()?))) {
        Some(figures) => figures,
        None => {
            let (cpu, memory) = processes::usage_of_tree(running.pid);
            (group.and_then(|group| group.cpu_seconds()).unwrap_or(cpu), memory)
        }
    }
}
