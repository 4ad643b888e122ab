//! One control group: its limits, what it used, and its end.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{Hierarchy, Version};
use crate::processes;

/// The kernel takes no quota below this in one period.
const SMALLEST_QUOTA: Duration = Duration::from_millis(1);
/// Nor a longer period.
const LONGEST_PERIOD: Duration = Duration::from_secs(1);

/// A share of CPU: so much CPU time in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) time: Duration,
    pub(crate) period: Duration,
}

impl Quota {
    /// `cores` in each `period`, which is made longer where the share would be below what the kernel takes.
    pub(crate) fn new(cores: f64, period: Duration) -> Quota {
        let cores = cores.clamp(0.001, 1e4);
        let longer = SMALLEST_QUOTA.div_f64(cores);
        let period = period.max(longer).min(LONGEST_PERIOD);
        Quota { time: period.mul_f64(cores).max(SMALLEST_QUOTA), period }
    }
}

/// The same group in all hierarchies.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    parts: Vec<(PathBuf, Hierarchy)>,
}

impl Group {
    pub(super) fn new(parts: Vec<(PathBuf, Hierarchy)>) -> Group {
        Group { parts }
    }

    /// The folders that a process joins, as the watchdog's `watchdog_cgroups` wants them.
    pub(crate) fn joined(&self) -> String {
        let folders: Vec<String> = self.parts.iter().map(|(folder, _)| folder.display().to_string()).collect();
        folders.join(":")
    }

    fn part(&self, controller: &str) -> Option<(&Path, Version)> {
        let (folder, hierarchy) = self.parts.iter().find(|(_, hierarchy)| hierarchy.has(controller))?;
        Some((folder, hierarchy.version))
    }

    /// Limits CPU; `Ok(false)` if the controller is not to be had.
    pub(crate) fn set_cpu(&self, quota: Quota) -> io::Result<bool> {
        let Some((folder, version)) = self.part("cpu") else { return Ok(false) };
        let (time, period) = (quota.time.as_micros(), quota.period.as_micros());
        match version {
            Version::V2 => fs::write(folder.join("cpu.max"), format!("{time} {period}"))?,
            Version::V1 => {
                if read_number(&folder.join("cpu.cfs_period_us")) != Some(period as f64) {
                    // Lifted first: the new period with the old quota could be more than the group above has.
                    fs::write(folder.join("cpu.cfs_quota_us"), "-1")?;
                    fs::write(folder.join("cpu.cfs_period_us"), period.to_string())?;
                }
                fs::write(folder.join("cpu.cfs_quota_us"), time.to_string())?;
            }
        }
        Ok(true)
    }

    /// Limits memory, swap included; `Ok(false)` if the controller is not to be had.
    pub(crate) fn set_memory(&self, bytes: u64) -> io::Result<bool> {
        let Some((folder, version)) = self.part("memory") else { return Ok(false) };
        let (limit, swap, of_swap) = match version {
            Version::V2 => ("memory.max", "memory.swap.max", 0),
            Version::V1 => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes),
        };
        fs::write(folder.join(limit), bytes.to_string())?;
        // A kernel without swap accounting lacks the file: then memory alone is limited.
        let _ = fs::write(folder.join(swap), of_swap.to_string());
        Ok(true)
    }

    /// CPU time of all processes that were ever in the group, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        self.parts.iter().find_map(|(folder, hierarchy)| match hierarchy.version {
            Version::V1 if hierarchy.has("cpuacct") => Some(read_number(&folder.join("cpuacct.usage"))? / 1e9),
            Version::V1 => None,
            Version::V2 => Some(read_field(&folder.join("cpu.stat"), "usage_usec")? / 1e6),
        })
    }

    /// Threads that run or would, if they had their share already; 0 without the CPU controller.
    pub(crate) fn runnable_threads(&self) -> u32 {
        let Some((folder, version)) = self.part("cpu") else { return 0 };
        let file = match version {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.threads",
        };
        let threads = fs::read_to_string(folder.join(file)).unwrap_or_default();
        threads.lines().filter(|thread| processes::is_runnable(thread)).count() as u32
    }

    /// Memory in use, without what the kernel could drop at once, as Kubernetes counts its working set.
    pub(crate) fn memory_bytes(&self) -> Option<f64> {
        let (folder, version) = self.part("memory")?;
        let (current, inactive) = match version {
            Version::V2 => ("memory.current", "inactive_file"),
            Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
        };
        let inactive = read_field(&folder.join("memory.stat"), inactive).unwrap_or(0.0);
        Some((read_number(&folder.join(current))? - inactive).max(0.0))
    }

    /// How many processes the kernel killed for want of memory.
    pub(crate) fn out_of_memory_kills(&self) -> Option<u64> {
        let (folder, version) = self.part("memory")?;
        let file = match version {
            Version::V2 => "memory.events",
            Version::V1 => "memory.oom_control",
        };
        Some(read_field(&folder.join(file), "oom_kill")? as u64)
    }

    /// Kills every process in the group and removes it. Waits for their end, at most a few seconds.
    pub(crate) fn clear(&self) -> usize {
        // The processes are the same in all hierarchies, unless one could not join: so all are looked at.
        self.parts.iter().map(|(folder, _)| clear(folder)).max().unwrap_or(0)
    }
}

/// Kills all processes in a group and below, and removes it. Returns how many there were.
pub(crate) fn clear(folder: &Path) -> usize {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut killed = 0;
    let mut pause = Duration::from_millis(1);
    loop {
        let alive = kill_below(folder);
        killed = killed.max(alive);
        if alive == 0 && remove_below(folder) || Instant::now() > deadline {
            return killed;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn kill_below(folder: &Path) -> usize {
    let pids: Vec<u32> = fs::read_to_string(folder.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    // Version 2, Linux 5.14: all at once, those that are being forked right now included. Else one by one below.
    if let Ok(mut kill) = fs::OpenOptions::new().write(true).open(folder.join("cgroup.kill")) {
        let _ = kill.write_all(b"1");
    }
    for &pid in &pids {
        processes::kill(pid);
    }
    pids.len() + folders_in(folder).iter().map(|below| kill_below(below)).sum::<usize>()
}

/// Whether the group is gone.
fn remove_below(folder: &Path) -> bool {
    for below in folders_in(folder) {
        remove_below(&below);
    }
    match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.flatten().filter(is_folder).map(|entry| entry.path()).collect()
}

fn read_number(file: &Path) -> Option<f64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The number after `name` in a file of lines `name number`.
fn read_field(file: &Path, name: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_keeps_its_share_whatever_the_kernel_takes() {
        let ten = Duration::from_millis(10);
        assert_eq!(Quota::new(1.0 / 4.0, ten), Quota { time: Duration::from_micros(2500), period: ten });
        // 1/32 of 10 ms is less than a millisecond: the period grows.
        let small = Quota::new(1.0 / 32.0, ten);
        assert_eq!(small, Quota { time: Duration::from_millis(1), period: Duration::from_millis(32) });
        assert_eq!(Quota::new(0.001, ten).period, Duration::from_secs(1));
        assert_eq!(Quota::new(0.0, ten), Quota::new(0.001, ten));
    }
}
