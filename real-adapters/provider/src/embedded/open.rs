//! From options to a platform, with the traces of a crashed one removed on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::watch;

use super::platform::{Function, Platform, State};
use crate::api::FunctionName;
use crate::cgroup::{self, CONTROLLERS, Cgroups, Quota};
use crate::image::Images;
use crate::spawner::Spawner;
use crate::store::{OpenError, Store, private_folder};
use crate::{CgroupUse, Options, processes};

/// A Unix socket's path has at most so many bytes, its end included.
const SOCKET_PATH_BYTES: usize = 108;
/// What stands behind the runtime folder: `/18446744073709551615/upstream.sock`.
const SOCKET_TAIL_BYTES: usize = 36;

pub(super) fn open(options: Options) -> Result<Platform, OpenError> {
    check(&options)?;
    let store = Store::open(&options.state)?;
    // Read before anything is made: a damaged file leaves no trace.
    let stored_functions = store.functions()?;
    let name = format!("faas-lab-{}", store.platform);
    let io_error = |path: &Path| {
        let path = path.to_path_buf();
        move |source| OpenError::Io { path, source }
    };

    let left = clean_up(&store, &name);
    if left > 0 {
        (options.on_notice)(&format!("ended {left} processes that an earlier run had left behind"));
    }

    let runtime = runtime_folder(store.root(), &name);
    let (found, mut reasons) = match options.cgroups {
        CgroupUse::WherePossible => cgroup::find(&name),
        CgroupUse::Never => (Vec::new(), Vec::new()),
    };
    let mut traces: Vec<PathBuf> = found.iter().map(|hierarchy| hierarchy.folder.clone()).collect();
    traces.push(runtime.clone());
    store.put_traces(&traces).map_err(io_error(store.root()))?;
    // What has this platform's name is this platform's: the store's lock is held.
    let _ = std::fs::remove_dir_all(&runtime);
    if let Some(above) = runtime.parent() {
        private_folder(above).map_err(io_error(above))?;
    }
    // Fails if it is there: among temporary files, it might be somebody else's.
    DirBuilder::new().mode(0o700).create(&runtime).map_err(io_error(&runtime))?;

    let (cgroups, more) = Cgroups::make(found);
    reasons.extend(more);
    if options.cgroups == CgroupUse::WherePossible {
        tell_what_is_missing(&options, &cgroups, &reasons);
    }
    let platform_cores = options.emulation.as_ref().map(|emulation| {
        let most = emulation.classes.values().map(|speed| speed.machine_cores()).fold(0.0, f64::max);
        Quota::new(most, emulation.period)
    });
    if let Some(quota) = platform_cores
        && let Err(error) = cgroups.platform().set_cpu(quota)
    {
        (options.on_notice)(&format!("the emulated machine's speed cannot be set: {error}"));
    }

    let images = Images { built_in: options.images.clone(), functions_folder: options.functions_folder.clone() };
    let platform = Platform {
        images,
        cgroups,
        runtime,
        spawner: Spawner::new().map_err(io_error(store.root()))?,
        state: Mutex::new(State { functions: BTreeMap::new(), next_replica: 1, replicas: 0 }),
        visible: watch::Sender::new(Arc::default()),
        changes: Arc::default(),
        alive: watch::Sender::new(0),
        stop_all: watch::Sender::new(None),
        closing: AtomicBool::new(false),
        swept: RwLock::new(false),
        noticed: Mutex::new(BTreeSet::new()),
        store,
        options,
    };
    for stored in stored_functions {
        let name =
            FunctionName { namespace: stored.deployment.namespace.clone(), name: stored.deployment.service.clone() };
        let launch = platform.launch(&stored.deployment).map(Arc::new);
        if let Err(reason) = &launch {
            (platform.options.on_notice)(&format!("{name} cannot be started: {reason}"));
        }
        let function = Function::new(&name, stored, launch, &platform.options.bounds);
        platform.add(name, function);
    }
    Ok(platform)
}

fn check(options: &Options) -> Result<(), OpenError> {
    for (name, manifest) in &options.images {
        if manifest.static_path.as_ref().is_some_and(|path| path.is_relative()) {
            let text =
                format!("built-in image {name}: static_path must be absolute, there is no folder it could be in");
            return Err(OpenError::Invalid(text));
        }
    }
    if options.watchdog.program.as_os_str().is_empty() {
        return Err(OpenError::Invalid("the watchdog's program is empty".to_owned()));
    }
    Ok(())
}

/// Ends what a crashed platform left behind. Returns how many processes that were.
fn clean_up(store: &Store, name: &str) -> usize {
    let mut killed = 0;
    for trace in store.traces() {
        // Only what has this platform's name is touched, whatever the file says.
        if trace.file_name().is_some_and(|file| file == name) && trace.join("cgroup.procs").exists() {
            killed = cgroup::clear(&trace).max(killed);
        }
    }
    killed += processes::kill_marked(&[(processes::PLATFORM_VARIABLE, &store.platform)]);
    for trace in store.traces() {
        if trace.file_name().is_some_and(|file| file == name) && !trace.join("cgroup.procs").exists() {
            // It may be gone.
            let _ = std::fs::remove_dir_all(trace);
        }
    }
    killed
}

/// Where sockets and secrets' folders are: in the state folder if a socket's path fits, else among temporary files.
fn runtime_folder(state: &Path, name: &str) -> PathBuf {
    let fits = |folder: &Path| folder.as_os_str().len() + SOCKET_TAIL_BYTES < SOCKET_PATH_BYTES;
    let choices = [state.join("run"), std::env::temp_dir()];
    let folder = choices.into_iter().map(|folder| folder.join(name)).find(|folder| fits(folder));
    folder.unwrap_or_else(|| Path::new("/tmp").join(name))
}

/// One notice on what limits cannot be had.
fn tell_what_is_missing(options: &Options, cgroups: &Cgroups, reasons: &[String]) {
    let missing: Vec<&str> = CONTROLLERS.into_iter().filter(|controller| !cgroups.has(controller)).collect();
    if missing.is_empty() {
        return;
    }
    let consequence = match options.emulation.is_some() && missing.contains(&"cpu") {
        true => "functions run at this machine's full speed, not at the emulated one's, and limits are not enforced",
        false => "limits are taken and reported, but not enforced",
    };
    (options.on_notice)(&format!(
        "no control group for {} ({}): {consequence}. Run as root, or in a delegated group: systemd-run --user --scope -p Delegate=yes",
        missing.join(" and "),
        reasons.join("; "),
    ));
}
