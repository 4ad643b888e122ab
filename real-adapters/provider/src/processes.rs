//! Processes of this machine: starting watchdogs, finding and ending what belongs to a platform, what they use.
//!
//! Each process of a platform carries the platform's id in its environment. After a crash they are found by it, which
//! a number in a file could not do: numbers are used again, and a process cannot change the environment it began with.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};

/// The variable with the platform's id.
pub(crate) const PLATFORM_VARIABLE: &str = "FAAS_LAB_PLATFORM";
/// The variable with the replica's number.
pub(crate) const REPLICA_VARIABLE: &str = "FAAS_LAB_REPLICA";

/// Asks a process to end. One that is gone already is no error.
pub(crate) fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Ends a process.
pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = as_pid(pid) {
        // Fails only if the process has ended, or is another user's: then it is none of ours.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn as_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Kills every process that carries all of these variables, and waits for their end, at most a few seconds.
/// Returns how many there were.
pub(crate) fn kill_marked(variables: &[(&str, &str)]) -> usize {
    let marks: Vec<Vec<u8>> = variables.iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect();
    let marked = |pid: u32| {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
        marks.iter().all(|mark| environment.split(|&byte| byte == 0).any(|variable| variable == mark))
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    let own = std::process::id();
    let mut killed = 0;
    loop {
        let mut alive = 0;
        for pid in all().into_iter().filter(|&pid| pid != own && marked(pid)) {
            alive += 1;
            // The handle stays with this process even if it ends and its number is used again; hence the second look.
            let handle = as_pid(pid).and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
            if let Some(handle) = handle
                && marked(pid)
            {
                let _ = rustix::process::pidfd_send_signal(&handle, Signal::KILL);
            }
        }
        killed = killed.max(alive);
        if alive == 0 || Instant::now() > deadline {
            return killed;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// CPU time in seconds and memory in bytes of a process and all below it, those that they waited for included.
pub(crate) fn usage_of_tree(root: u32) -> (f64, f64) {
    let mut below: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut figures: BTreeMap<u32, Figures> = BTreeMap::new();
    for pid in all() {
        if let Ok(found) = Figures::read(pid) {
            below.entry(found.parent).or_default().push(pid);
            figures.insert(pid, found);
        }
    }
    let (mut cpu, mut memory) = (0.0, 0.0);
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        let Some(found) = figures.remove(&pid) else { continue };
        cpu += found.cpu_seconds;
        memory += found.memory_bytes;
        open.extend(below.get(&pid).into_iter().flatten());
    }
    (cpu, memory)
}

/// Whether a thread runs or waits for nothing but the CPU.
pub(crate) fn is_runnable(thread: &str) -> bool {
    let text = fs::read_to_string(format!("/proc/{thread}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
}

struct Figures {
    parent: u32,
    cpu_seconds: f64,
    memory_bytes: f64,
}

impl Figures {
    /// From `/proc/PID/stat`, see proc(5): fields 4, 14 to 17 and 24, counted after the name in parentheses.
    fn read(pid: u32) -> io::Result<Figures> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<f64> = after_name.split_whitespace().skip(1).map(|f| f.parse().unwrap_or(0.0)).collect();
        let field = |number: usize| fields.get(number - 4).copied().unwrap_or(0.0);
        let ticks = field(14) + field(15) + field(16) + field(17);
        Ok(Figures {
            parent: field(4) as u32,
            cpu_seconds: ticks / rustix::param::clock_ticks_per_second() as f64,
            memory_bytes: field(24) * rustix::param::page_size() as f64,
        })
    }
}

fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
