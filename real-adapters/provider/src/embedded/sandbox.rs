//! What a replica is given before it starts: a folder, its secrets, a control group, an address, an environment.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;

use super::platform::{Platform, Seated};
use crate::cgroup::{Group, Quota};
use crate::launch::Upstream;
use crate::logs::instance;
use crate::processes::{self, PLATFORM_VARIABLE, REPLICA_VARIABLE};
use crate::store::private_folder;

/// Of this process's environment, what functions see. Anything else might be nobody's business.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER"];
/// The period that Kubernetes uses for CPU limits.
const PERIOD: Duration = Duration::from_millis(100);

/// A replica's surroundings, from one start to the next.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) folder: PathBuf,
    pub(super) group: Option<Arc<Group>>,
    /// Out-of-memory kills before it started.
    kills_before: u64,
}

impl Sandbox {
    /// Makes the folder, with just the replica's secrets in it, and the control group with its limits.
    pub(super) fn make(platform: &Platform, seated: &Seated) -> io::Result<Sandbox> {
        let folder = platform.runtime.join(seated.number.to_string());
        // The last start's, if this is a restart.
        let _ = fs::remove_dir_all(&folder);
        private_folder(&folder.join("tmp"))?;
        let secrets = folder.join("secrets");
        private_folder(&secrets)?;
        for name in &seated.launch.secrets {
            let file = platform.store.secret_file(&seated.function.namespace, name);
            if !file.exists() {
                return Err(io::Error::other(format!("secret \"{name}\" has been removed")));
            }
            // A link: after an update of the secret, the replica reads the new value.
            symlink(file, secrets.join(name))?;
        }
        let group = limited_group(platform, seated);
        let kills_before = group.as_ref().and_then(|group| group.out_of_memory_kills()).unwrap_or(0);
        Ok(Sandbox { folder, group, kills_before })
    }

    /// The watchdog, ready to start.
    pub(super) fn command(&self, platform: &Platform, seated: &Seated) -> io::Result<Command> {
        let watchdog = &platform.options.watchdog;
        let mut command = Command::new(&watchdog.program);
        command
            .args(&watchdog.arguments)
            .env_clear()
            .envs(self.environment(platform, seated)?)
            .current_dir(seated.launch.folder.as_ref().unwrap_or(&self.folder))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at a terminal is for the platform, which ends its replicas in good order.
            .process_group(0);
        Ok(command)
    }

    fn environment(&self, platform: &Platform, seated: &Seated) -> io::Result<BTreeMap<String, String>> {
        let mut variables: BTreeMap<String, String> = BTreeMap::new();
        for name in INHERITED {
            variables.extend(std::env::var(name).map(|value| (name.to_owned(), value)));
        }
        variables.extend(seated.launch.environment.clone());
        let mut set = |name: &str, value: String| drop(variables.insert(name.to_owned(), value));
        match &seated.launch.upstream {
            Upstream::None | Upstream::Fixed(_) => {}
            Upstream::Socket => {
                let socket = self.folder.join("upstream.sock").display().to_string();
                set("upstream_url", format!("unix:{socket}"));
                set("UPSTREAM_SOCKET", socket);
            }
            Upstream::Port => {
                let port = free_port()?;
                set("upstream_url", format!("http://127.0.0.1:{port}"));
                set("PORT", port.to_string());
            }
        }
        set("watchdog_socket", platform.socket(seated.number).display().to_string());
        set("watchdog_parent", std::process::id().to_string());
        set("watchdog_cgroups", self.group.as_ref().map(|group| group.joined()).unwrap_or_default());
        // The gateway has the metrics that are asked for, and all replicas share the machine's ports.
        set("metrics_port", "0".to_owned());
        // A watchdog keeps a lock file among temporary files; and what a function leaves there goes with it.
        set("TMPDIR", self.folder.join("tmp").display().to_string());
        set("secret_mount_path", self.folder.join("secrets").display().to_string());
        set("OPENFAAS_NAME", seated.function.name.clone());
        set("OPENFAAS_NAMESPACE", seated.function.namespace.clone());
        set("HOSTNAME", instance(&seated.function, seated.number));
        set(PLATFORM_VARIABLE, platform.store.platform.clone());
        set(REPLICA_VARIABLE, seated.number.to_string());
        if self.group.is_none() {
            variables.remove("watchdog_cgroups");
        }
        Ok(variables)
    }

    /// Whether the kernel has killed one of the replica's processes for want of memory.
    pub(super) fn out_of_memory(&self) -> bool {
        let kills = self.group.as_ref().and_then(|group| group.out_of_memory_kills());
        kills.is_some_and(|kills| kills > self.kills_before)
    }

    /// Ends every process that is left, removes group and folder. Blocks until that is done.
    pub(super) fn clear(&self, platform: &Platform, seated: &Seated) {
        match &self.group {
            Some(group) => {
                group.clear();
            }
            None => {
                let replica = seated.number.to_string();
                processes::kill_marked(&[(PLATFORM_VARIABLE, &platform.store.platform), (REPLICA_VARIABLE, &replica)]);
            }
        }
        // The platform may have removed all of them together.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The replica's control group with its limits; what cannot be had is told once, and done without.
fn limited_group(platform: &Platform, seated: &Seated) -> Option<Arc<Group>> {
    if platform.cgroups.hierarchies.is_empty() {
        return None;
    }
    let launch = &seated.launch;
    let name = format!("replica-{}.{}-{}", seated.function.name, seated.function.namespace, seated.number);
    let emulation = platform.options.emulation.as_ref();
    let speed = emulation.and_then(|emulation| Some((emulation.period, emulation.speed(&launch.work).ok()?)));
    let make = || -> io::Result<Group> {
        let class = format!("work-{}", launch.work);
        let (path, cores, period) = match speed {
            None => (vec![name.as_str()], launch.cpu_cores, PERIOD),
            Some((period, speed)) => {
                let all = platform.cgroups.group(&[&class])?;
                all.set_cpu(Quota::new(speed.machine_cores(), period))?;
                let cores = speed.replica_cores(launch.threads.unwrap_or(1), launch.cpu_cores);
                (vec![class.as_str(), name.as_str()], Some(cores), period)
            }
        };
        let group = platform.cgroups.group(&path)?;
        if let Some(cores) = cores
            && let Err(error) = group.set_cpu(Quota::new(cores, period))
        {
            platform.notice_once("cpu", &format!("the CPU limit of {name} cannot be set: {error}"));
        }
        if let Some(bytes) = launch.memory_bytes
            && let Err(error) = group.set_memory(bytes)
        {
            platform.notice_once("memory", &format!("the memory limit of {name} cannot be set: {error}"));
        }
        Ok(group)
    };
    match make() {
        Ok(group) => Some(Arc::new(group)),
        Err(error) => {
            platform.notice_once("group", &format!("no control group for {name}, nor perhaps for others: {error}"));
            None
        }
    }
}

/// A loopback port that nobody uses now. Should someone else take it before the function does, the function fails to
/// listen, crashes, and gets another one.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
