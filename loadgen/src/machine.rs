//! What the client needs of its machine: CPU time, and what others took of it.

use std::time::{Duration, Instant};

use faas_lab_model::metrics::measurement::ClientUse;

/// Counters at one instant.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    at: Instant,
    cpu_secs: f64,
    machine: Option<Ticks>,
}

/// Jiffies of the whole machine, as `/proc/stat` counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    steal: u64,
    all: u64,
}

impl Usage {
    /// The counters now.
    pub(crate) fn now() -> Usage {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Usage {
            at: Instant::now(),
            cpu_secs: time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9,
            machine: std::fs::read_to_string("/proc/stat").ok().and_then(|text| ticks(&text)),
        }
    }

    /// What was needed since an earlier instant by a client that works on so many cores, without the CPU time that was spent
    /// `polling` for nothing.
    pub(crate) fn since(&self, earlier: &Usage, polling: Duration, cores: usize) -> ClientUse {
        let cpu_seconds = (self.cpu_secs - earlier.cpu_secs - polling.as_secs_f64()).max(0.0);
        let wall = self.at.saturating_duration_since(earlier.at).as_secs_f64();
        let machine = self.machine.zip(earlier.machine);
        let share = |of: fn(Ticks) -> u64| {
            let (now, then) = machine?;
            let all = now.all.checked_sub(then.all).filter(|all| *all > 0)?;
            Some(of(now).saturating_sub(of(then)) as f64 / all as f64)
        };
        ClientUse {
            cpu_seconds,
            cpu_share: if wall > 0.0 { (cpu_seconds / (wall * cores as f64)).min(1.0) } else { 0.0 },
            cores: cores as u32,
            machine_busy_share: share(|ticks| ticks.busy),
            steal_share: share(|ticks| ticks.steal),
            memory_bytes_max: std::fs::read_to_string("/proc/self/status").ok().and_then(|text| peak(&text)),
        }
    }
}

/// The first line: user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user time already.
fn ticks(text: &str) -> Option<Ticks> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().take(8).map(|field| field.parse().ok()).collect::<Option<_>>()?;
    let &[user, nice, system, idle, iowait, irq, softirq, steal] = fields.as_slice() else { return None };
    let busy = user + nice + system + irq + softirq;
    Some(Ticks { busy, steal, all: busy + idle + iowait + steal })
}

fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let text = "cpu  10 1 5 80 4 0 1 3 2 0\ncpu0 1 2 3 4 5 6 7 8\n";
        assert_eq!(ticks(text), Some(Ticks { busy: 17, steal: 3, all: 104 }));
        assert_eq!(ticks("cpu  1 2\n"), None);
        assert_eq!(peak("Name:\tx\nVmHWM:\t    2048 kB\n"), Some(2 << 20));
    }

    #[test]
    fn work_costs_time() {
        let before = Usage::now();
        let mut sum = 0u64;
        while Usage::now().cpu_secs - before.cpu_secs < 0.02 {
            sum = std::hint::black_box((0..10_000u64).fold(sum, u64::wrapping_add));
        }
        let now = Usage::now();
        let used = now.since(&before, Duration::ZERO, 1);
        assert!(used.cpu_seconds >= 0.02 && used.cpu_share > 0.0 && used.cpu_share <= 1.0, "{used:?}");
        let shared = now.since(&before, Duration::from_millis(10), 100);
        assert!((used.cpu_seconds - shared.cpu_seconds - 0.01).abs() < 1e-9, "{shared:?}");
        assert!(shared.cpu_share < used.cpu_share && shared.cores == 100, "{shared:?}");
    }
}
