//! Control groups: shares of CPU and memory for processes, and a way to find them all again.
//!
//! One group for the platform, below it one for each replica, in each hierarchy that the system lets us use: version 2,
//! version 1, or a mix of both. Everything here is reading and writing small files of the kernel's.

mod find;
mod group;

pub(crate) use find::find;
pub(crate) use group::{Group, Quota, clear};

use std::fs;
use std::io;
use std::path::PathBuf;

/// What is asked of control groups.
pub(crate) const CONTROLLERS: [&str; 2] = ["cpu", "memory"];

/// A hierarchy in which this platform has its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// The platform's group.
    pub(crate) folder: PathBuf,
    pub(crate) version: Version,
    /// Of [`CONTROLLERS`], and `cpuacct` of version 1.
    pub(crate) controllers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Hierarchy {
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }

    /// Makes the group `path` (names from the platform's group down, none of them with a `/`).
    fn make(&self, path: &[&str]) -> io::Result<PathBuf> {
        let mut folder = self.folder.clone();
        for name in path {
            if self.version == Version::V2 {
                self.pass_on(&folder)?;
            }
            folder.push(name);
            make_folder(&folder)?;
        }
        Ok(folder)
    }

    /// Version 2: lets the groups below `folder` have limits of their own.
    fn pass_on(&self, folder: &std::path::Path) -> io::Result<()> {
        let list: Vec<String> = self.controllers.iter().map(|c| format!("+{c}")).collect();
        fs::write(folder.join("cgroup.subtree_control"), list.join(" "))
    }
}

fn make_folder(folder: &std::path::Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// The platform's groups in all hierarchies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cgroups {
    pub(crate) hierarchies: Vec<Hierarchy>,
}

impl Cgroups {
    /// Makes the platform's own groups. Those that cannot be made are left out, and the reasons returned.
    pub(crate) fn make(found: Vec<Hierarchy>) -> (Cgroups, Vec<String>) {
        let mut cgroups = Cgroups::default();
        let mut reasons = Vec::new();
        for hierarchy in found {
            match make_folder(&hierarchy.folder) {
                Ok(()) => cgroups.hierarchies.push(hierarchy),
                Err(error) => reasons.push(format!("{}: {error}", hierarchy.folder.display())),
            }
        }
        (cgroups, reasons)
    }

    pub(crate) fn has(&self, controller: &str) -> bool {
        self.hierarchies.iter().any(|hierarchy| hierarchy.has(controller))
    }

    /// The platform's own group.
    pub(crate) fn platform(&self) -> Group {
        let parts = self.hierarchies.iter().map(|h| (h.folder.clone(), h.clone())).collect();
        Group::new(parts)
    }

    /// Makes a group below the platform's, in all hierarchies.
    pub(crate) fn group(&self, path: &[&str]) -> io::Result<Group> {
        let mut parts = Vec::new();
        for hierarchy in &self.hierarchies {
            parts.push((hierarchy.make(path)?, hierarchy.clone()));
        }
        Ok(Group::new(parts))
    }
}
