//! Which control groups this process may make, on systems of version 1, version 2 and the mix of both.
//!
//! Groups are made below the one this process is in, so that whoever limited it limits its functions too. Version 2
//! has a rule more: a group with processes of its own cannot hand limits on to groups below. If this process is alone
//! in its group (a systemd unit with `Delegate=yes`, a container) it moves itself into a group below; else the nearest
//! group above that already hands limits on is taken, if its rights allow it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CONTROLLERS, Hierarchy, Version};

/// The group into which this process moves itself where version 2 asks for it.
const OWN_GROUP: &str = "faas-lab-platform";

/// Where to look: `/proc/self`, or a test's folder.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Content of `/proc/self/mountinfo`.
    mounts: Vec<Mount>,
    /// Content of `/proc/self/cgroup`: controllers and path; version 2's has no controllers.
    own: Vec<(Vec<String>, PathBuf)>,
    pid: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// What of the hierarchy is mounted.
    root: PathBuf,
    point: PathBuf,
    version: Version,
    controllers: Vec<String>,
}

/// The hierarchies in which groups called `name` can be made, not made yet; and why others cannot, for people.
pub(crate) fn find(name: &str) -> (Vec<Hierarchy>, Vec<String>) {
    let read = |file: &str| fs::read_to_string(Path::new("/proc/self").join(file)).unwrap_or_default();
    let seen = Seen::parse(&read("mountinfo"), &read("cgroup"), std::process::id());
    seen.hierarchies(name)
}

impl Seen {
    fn parse(mountinfo: &str, cgroup: &str, pid: u32) -> Seen {
        let mounts = mountinfo.lines().filter_map(parse_mount).collect();
        let own = cgroup
            .lines()
            .filter_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let controllers = parts.next()?.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect();
                Some((controllers, PathBuf::from(parts.next()?)))
            })
            .collect();
        Seen { mounts, own, pid }
    }

    fn hierarchies(&self, name: &str) -> (Vec<Hierarchy>, Vec<String>) {
        let mut found: Vec<Hierarchy> = Vec::new();
        let mut reasons = Vec::new();
        for controller in ["cpu", "cpuacct", "memory"] {
            let has = |mount: &&Mount| mount.controllers.iter().any(|c| c == controller);
            let Some(mount) = self.mounts.iter().filter(|m| m.version == Version::V1).find(has) else { continue };
            let own = self.own.iter().find(|(controllers, _)| controllers.iter().any(|c| c == controller));
            let folder = self.own_folder(mount, own.map(|(_, path)| path.as_path())).join(name);
            match found.iter_mut().find(|hierarchy| hierarchy.folder == folder) {
                Some(hierarchy) => hierarchy.controllers.push(controller.to_owned()),
                None => {
                    found.push(Hierarchy { folder, version: Version::V1, controllers: vec![controller.to_owned()] });
                }
            }
        }
        let missing: Vec<&str> =
            CONTROLLERS.into_iter().filter(|c| !found.iter().any(|hierarchy| hierarchy.has(c))).collect();
        if !missing.is_empty() {
            match self.version_2(name, &missing) {
                Ok(hierarchy) => found.push(hierarchy),
                Err(reason) => reasons.push(reason),
            }
        }
        (found, reasons)
    }

    /// The folder of this process's group.
    fn own_folder(&self, mount: &Mount, own: Option<&Path>) -> PathBuf {
        let own = own.unwrap_or(Path::new("/"));
        // In a container the mount may show only a part of the hierarchy, and the path be of the whole.
        let below = own.strip_prefix(&mount.root).or_else(|_| own.strip_prefix("/")).unwrap_or(own);
        let folder = mount.point.join(below);
        if folder.is_dir() { folder } else { mount.point.clone() }
    }

    fn version_2(&self, name: &str, missing: &[&str]) -> Result<Hierarchy, String> {
        let Some(mount) = self.mounts.iter().find(|mount| mount.version == Version::V2) else {
            return Err("no control groups are mounted".to_owned());
        };
        let own = self.own.iter().find(|(controllers, _)| controllers.is_empty());
        let own = self.own_folder(mount, own.map(|(_, path)| path.as_path()));
        let mut folder = own.as_path();
        let mut reason = format!("{} lacks the controllers {}", own.display(), missing.join(" and "));
        loop {
            let there = words(&folder.join("cgroup.controllers"));
            let wanted: Vec<String> =
                missing.iter().filter(|c| there.iter().any(|t| t == *c)).map(|c| (*c).to_owned()).collect();
            if !wanted.is_empty() {
                match self.hand_on(folder, folder == own, &wanted) {
                    Ok(()) => {
                        let folder = folder.join(name);
                        return Ok(Hierarchy { folder, version: Version::V2, controllers: wanted });
                    }
                    Err(error) => reason = format!("{}: {error}", folder.display()),
                }
            }
            match folder.parent() {
                Some(above) if folder != mount.point && above.starts_with(&mount.point) => folder = above,
                _ => return Err(reason),
            }
        }
    }

    /// Sees to it that groups below `folder` can have the controllers.
    fn hand_on(&self, folder: &Path, own: bool, controllers: &[String]) -> std::io::Result<()> {
        let control = folder.join("cgroup.subtree_control");
        let handed = words(&control);
        if !controllers.iter().all(|c| handed.contains(c)) {
            let list: Vec<String> = controllers.iter().map(|c| format!("+{c}")).collect();
            let list = list.join(" ");
            let alone = words(&folder.join("cgroup.procs")) == [self.pid.to_string()];
            if own && alone && fs::write(&control, &list).is_err() {
                let below = folder.join(OWN_GROUP);
                super::make_folder(&below)?;
                fs::write(below.join("cgroup.procs"), self.pid.to_string())?;
            }
            fs::write(&control, &list)?;
        }
        // A group that cannot be made here is looked for further up.
        let probe = folder.join(format!("{OWN_GROUP}-probe-{}", self.pid));
        fs::create_dir(&probe)?;
        fs::remove_dir(&probe)
    }
}

fn words(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// A line of mountinfo: `36 35 98:0 /root /point rw,noatime - cgroup cgroup rw,cpu,cpuacct`, see proc(5).
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point) = (unescape(left.next()?), unescape(left.next()?));
    let mut right = right.split(' ');
    let version = match right.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let controllers = right.nth(1)?.split(',').map(str::to_owned).collect();
    Some(Mount { root, point, version, controllers })
}

/// A path of mountinfo, in which space, tab, line feed and backslash are written in octal.
fn unescape(path: &str) -> PathBuf {
    PathBuf::from(path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hierarchy as the kernel would show it, in ordinary files.
    fn hierarchy(folder: &Path, files: &[(&str, &str)]) {
        for (name, content) in files {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, content).expect("a file");
        }
    }

    fn v2(root: &Path) -> String {
        format!("30 20 0:26 / {} rw shared:9 - cgroup2 cgroup2 rw\n", root.display())
    }

    #[test]
    fn version_1_gives_a_folder_for_each_mounted_controller() {
        let root = tempfile::tempdir().expect("a folder");
        let at = root.path().display();
        for folder in ["cpu,cpuacct", "memory/job/7"] {
            fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        let mounts = format!(
            "31 30 0:27 / {at}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n32 30 0:28 / {at}/memory rw - cgroup cgroup rw,memory\n"
        );
        let seen = Seen::parse(&mounts, "9:name=systemd:/\n4:memory:/job/7\n2:cpu,cpuacct:/\n0::/\n", 1);
        let (found, reasons) = seen.hierarchies("x");
        assert!(reasons.is_empty());
        assert_eq!(found[0].folder, root.path().join("cpu,cpuacct/x"));
        assert!(found[0].has("cpu") && found[0].has("cpuacct"));
        assert_eq!(found[1].folder, root.path().join("memory/job/7/x"));
    }

    #[test]
    fn version_2_hands_limits_on_from_its_own_group_when_it_is_alone_in_it() {
        let root = tempfile::tempdir().expect("a folder");
        let files = [
            ("cgroup.controllers", "cpu io memory"),
            ("unit/cgroup.controllers", "cpu memory"),
            ("unit/cgroup.subtree_control", ""),
            ("unit/cgroup.procs", "77\n"),
        ];
        hierarchy(root.path(), &files);
        let (found, reasons) = Seen::parse(&v2(root.path()), "0::/unit\n", 77).hierarchies("x");
        assert!(reasons.is_empty(), "{reasons:?}");
        assert_eq!(found[0].folder, root.path().join("unit/x"));
        let control = fs::read_to_string(root.path().join("unit/cgroup.subtree_control")).expect("written");
        assert_eq!(control, "+cpu +memory");
    }

    #[test]
    fn version_2_takes_the_nearest_group_above_that_hands_limits_on() {
        let root = tempfile::tempdir().expect("a folder");
        let files = [
            ("cgroup.controllers", "cpu memory"),
            ("cgroup.subtree_control", "cpu memory"),
            ("slice/cgroup.controllers", "cpu memory"),
            ("slice/cgroup.subtree_control", "cpu memory"),
            ("slice/session/cgroup.controllers", ""),
        ];
        hierarchy(root.path(), &files);
        let (found, _) = Seen::parse(&v2(root.path()), "0::/slice/session\n", 77).hierarchies("x");
        assert_eq!(found[0].folder, root.path().join("slice/x"));
    }

    #[test]
    fn without_controllers_the_reason_is_said() {
        let root = tempfile::tempdir().expect("a folder");
        hierarchy(root.path(), &[("cgroup.controllers", "hugetlb")]);
        let (found, reasons) = Seen::parse(&v2(root.path()), "0::/\n", 77).hierarchies("x");
        assert!(found.is_empty());
        assert!(reasons[0].contains("cpu and memory"), "{reasons:?}");
        let (found, reasons) = Seen::parse("", "", 77).hierarchies("x");
        assert!(found.is_empty() && reasons[0].contains("mounted"));
    }
}
