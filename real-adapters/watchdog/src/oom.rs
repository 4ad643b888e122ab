//! Was it the kernel that killed the function for want of memory? The control group knows.

use std::path::{Path, PathBuf};

/// The counter of kills in the group that the watchdog, and so its function, lives in.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutOfMemory {
    counters: Vec<PathBuf>,
}

impl OutOfMemory {
    /// Of the groups that the watchdog was told to join; else of the group that it is in.
    pub(crate) fn new(joined: &[PathBuf]) -> OutOfMemory {
        let groups = if joined.is_empty() { own_groups() } else { joined.to_vec() };
        let counters = groups
            .iter()
            .flat_map(|group| [group.join("memory.events"), group.join("memory.oom_control")])
            .filter(|file| kills_in(file).is_some())
            .collect();
        OutOfMemory { counters }
    }

    /// Kills so far.
    pub(crate) fn kills(&self) -> u64 {
        self.counters.iter().filter_map(|file| kills_in(file)).sum()
    }
}

/// `oom_kill 3` is a line of version 2's memory.events and of version 1's memory.oom_control alike.
fn kills_in(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

fn own_groups() -> Vec<PathBuf> {
    let Ok(text) = std::fs::read_to_string("/proc/self/cgroup") else { return Vec::new() };
    let mut groups = Vec::new();
    for line in text.lines() {
        // `0::/path` in version 2, `5:memory:/path` in version 1.
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            groups.push(Path::new("/sys/fs/cgroup").join(path));
        } else if controllers.split(',').any(|c| c == "memory") {
            groups.push(Path::new("/sys/fs/cgroup/memory").join(path));
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_versions_counters() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("memory.events"), "low 0\noom 4\noom_kill 3\n").expect("written");
        assert_eq!(OutOfMemory::new(&[folder.path().into()]).kills(), 3);
        std::fs::remove_file(folder.path().join("memory.events")).expect("removed");
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        std::fs::write(folder.path().join("memory.oom_control"), v1).expect("written");
        assert_eq!(OutOfMemory::new(&[folder.path().into()]).kills(), 2);
        assert_eq!(OutOfMemory::new(&["/nowhere".into()]).kills(), 0);
    }
}
