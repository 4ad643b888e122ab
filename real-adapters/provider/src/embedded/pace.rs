//! On an emulated machine: a share of CPU for each thread that is busy, as a core of that machine would be.
//!
//! A quota belongs to a group, not to a thread. So the runnable threads of each replica are counted every two periods,
//! and its quota follows. A second thread thus shares the first one's core for up to 20 ms; work shorter than that is
//! slower than it should be while it is not alone. A function that says how many threads it keeps busy is left alone.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::platform::Platform;
use crate::Speed;
use crate::cgroup::{Group, Quota};

/// A replica whose quota follows its threads.
#[derive(Debug)]
pub(super) struct Paced {
    pub(super) number: u64,
    pub(super) group: Arc<Group>,
    pub(super) speed: Speed,
    /// In emulated cores.
    pub(super) limit: Option<f64>,
}

/// What was seen of it last.
#[derive(Debug)]
struct Seen {
    group: Arc<Group>,
    cpu_seconds: Option<f64>,
    threads: u32,
}

/// Starts the thread that sees to it; it ends with the platform.
pub(super) fn start(platform: &Arc<Platform>, period: Duration) -> std::io::Result<()> {
    let platform = Arc::downgrade(platform);
    thread::Builder::new().name("pace".to_owned()).spawn(move || keep(&platform, period))?;
    Ok(())
}

fn keep(platform: &Weak<Platform>, period: Duration) {
    let mut seen: BTreeMap<u64, Seen> = BTreeMap::new();
    loop {
        thread::sleep(period * 2);
        let Some(platform) = platform.upgrade() else { return };
        if platform.closing.load(Ordering::SeqCst) {
            return;
        }
        let paced = platform.paced();
        // A restarted replica has a new group, with the quota of one thread.
        seen.retain(|number, last| paced.iter().any(|p| p.number == *number && Arc::ptr_eq(&p.group, &last.group)));
        for replica in paced {
            let first = || Seen { group: Arc::clone(&replica.group), cpu_seconds: None, threads: 1 };
            adjust(&replica, seen.entry(replica.number).or_insert_with(first), period);
        }
    }
}

fn adjust(replica: &Paced, seen: &mut Seen, period: Duration) {
    let burnt = replica.group.cpu_seconds();
    // An idle replica costs one look.
    if burnt == seen.cpu_seconds && seen.threads == 1 {
        return;
    }
    seen.cpu_seconds = burnt;
    let most = replica.speed.full_speedup.ceil() as u32;
    let threads = replica.group.runnable_threads().clamp(1, most.max(1));
    let quota = Quota::new(replica.speed.replica_cores(threads, replica.limit), period);
    // The group may be gone by now.
    if threads != seen.threads && replica.group.set_cpu(quota).is_ok() {
        seen.threads = threads;
    }
}
