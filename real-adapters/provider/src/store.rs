//! What survives a crash: deployments and secrets, in the state folder.
//!
//! ```text
//! lock                     held while a process uses the folder
//! platform                 the platform's id, written once
//! groups                   the control groups and sockets' folder in use, for whoever cleans up after a crash
//! functions/NS/NAME.json   a deployment
//! secrets/NS/NAME          a secret, mode 0600 in folders of mode 0700
//! ```
//! A file is written beside its place, synced, renamed, and its folder synced: it is the old one or the new one whole.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::api::{DEFAULT_NAMESPACE, FunctionDeployment, FunctionName};

/// Why the embedded provider could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process uses the state folder.
    #[error("{0} is in use by another platform: stop that one, or choose another state folder")]
    InUse(PathBuf),
    /// A file or folder could not be used.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is there, but not as this program writes it.
    #[error("{path} is damaged ({reason}): restore it, or remove it to go on without", path = .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        reason: String,
    },
    /// The option makes no sense, and why.
    #[error("{0}")]
    Invalid(String),
}

/// A deployed function as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredFunction {
    pub(crate) deployment: FunctionDeployment,
    /// When it was deployed first.
    pub(crate) created_at: jiff::Timestamp,
    pub(crate) generation: u64,
}

/// The state folder, held by this process.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    /// Distinguishes this platform's processes and control groups from all others'.
    pub(crate) platform: String,
    /// Released when the process ends, however it ends.
    lock: File,
}

impl Store {
    pub(crate) fn open(root: &Path) -> Result<Store, OpenError> {
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |source| OpenError::Io { path, source }
        };
        private_folder(root).map_err(at(root))?;
        let root = root.canonicalize().map_err(at(root))?;
        let lock_path = root.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = lock.map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(root)),
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { path: lock_path, source }),
        }
        for folder in ["functions", "secrets"] {
            let folder = root.join(folder);
            private_folder(&folder).map_err(at(&folder))?;
            remove_unfinished(&folder).map_err(at(&folder))?;
        }
        let platform = platform_id(&root)?;
        Ok(Store { root, platform, lock })
    }

    /// Lets another platform have the folder.
    pub(crate) fn release(&self) {
        // Fails only on a file that cannot be locked, which this one could.
        let _ = self.lock.unlock();
    }

    /// The state folder, absolute and without links.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// All stored functions.
    pub(crate) fn functions(&self) -> Result<Vec<StoredFunction>, OpenError> {
        let mut functions = Vec::new();
        for namespace in entries(&self.root.join("functions"))? {
            for file in entries(&namespace)? {
                let text = fs::read(&file).map_err(|source| OpenError::Io { path: file.clone(), source })?;
                let stored: StoredFunction = serde_json::from_slice(&text)
                    .map_err(|e| OpenError::Damaged { path: file.clone(), reason: e.to_string() })?;
                functions.push(stored);
            }
        }
        Ok(functions)
    }

    pub(crate) fn put_function(&self, name: &FunctionName, function: &StoredFunction) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(function).map_err(io::Error::other)?;
        write_atomically(&self.function_file(name), &text)
    }

    pub(crate) fn remove_function(&self, name: &FunctionName) -> io::Result<()> {
        remove_durably(&self.function_file(name))
    }

    /// Namespaces that have a function or a secret, and the default one; sorted.
    pub(crate) fn namespaces(&self) -> io::Result<Vec<String>> {
        let mut names = vec![DEFAULT_NAMESPACE.to_owned()];
        for kind in ["functions", "secrets"] {
            for entry in fs::read_dir(self.root.join(kind))? {
                names.extend(entry?.file_name().into_string());
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Names of a namespace's secrets, sorted.
    pub(crate) fn secrets(&self, namespace: &str) -> io::Result<Vec<String>> {
        let folder = self.root.join("secrets").join(namespace);
        let mut names = Vec::new();
        match fs::read_dir(folder) {
            Ok(folder) => {
                for entry in folder {
                    names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        names.sort();
        Ok(names)
    }

    /// Where a secret is kept, whether or not there is one of that name.
    pub(crate) fn secret_file(&self, namespace: &str, name: &str) -> PathBuf {
        self.root.join("secrets").join(namespace).join(name)
    }

    pub(crate) fn put_secret(&self, namespace: &str, name: &str, value: &[u8]) -> io::Result<()> {
        write_atomically(&self.secret_file(namespace, name), value)
    }

    pub(crate) fn remove_secret(&self, namespace: &str, name: &str) -> io::Result<()> {
        remove_durably(&self.secret_file(namespace, name))
    }

    /// What a crash would leave behind: control groups and the folder of sockets.
    pub(crate) fn traces(&self) -> Vec<PathBuf> {
        let text = fs::read_to_string(self.root.join("groups")).unwrap_or_default();
        text.lines().map(PathBuf::from).collect()
    }

    /// Written before any of them is made.
    pub(crate) fn put_traces(&self, traces: &[PathBuf]) -> io::Result<()> {
        let text: String = traces.iter().map(|path| format!("{}\n", path.display())).collect();
        write_atomically(&self.root.join("groups"), text.as_bytes())
    }

    fn function_file(&self, name: &FunctionName) -> PathBuf {
        self.root.join("functions").join(&name.namespace).join(format!("{}.json", name.name))
    }
}

/// Makes a folder that only its owner can read, if it is not there.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The platform's id: made once, and read ever after.
fn platform_id(root: &Path) -> Result<String, OpenError> {
    let path = root.join("platform");
    let io_error = |source| OpenError::Io { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim() {
            id if id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(id.to_owned()),
            _ => Err(OpenError::Damaged { path, reason: "not twelve hexadecimal digits".to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
            write_atomically(&path, id.as_bytes()).map_err(io_error)?;
            Ok(id)
        }
        Err(error) => Err(io_error(error)),
    }
}

fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("a file of the state folder has a folder");
    let name = path.file_name().expect("a file of the state folder has a name").to_string_lossy();
    if !folder.exists() {
        private_folder(folder)?;
        sync_folder(folder.parent().expect("a folder of the state folder has one above it"))?;
    }
    let unfinished = folder.join(format!(".{name}.tmp"));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
    // The file may be an older one that was left with other rights.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_folder(folder)
}

/// Removes a file, and its folder (a namespace) if that was the last.
fn remove_durably(path: &Path) -> io::Result<()> {
    let folder = path.parent().expect("a file of the state folder has a folder");
    fs::remove_file(path)?;
    sync_folder(folder)?;
    match fs::remove_dir(folder) {
        Ok(()) => sync_folder(folder.parent().expect("a folder of the state folder has one above it")),
        // Not empty.
        Err(_) => Ok(()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Files that a crash kept from being renamed into place.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for namespace in fs::read_dir(folder)? {
        let namespace = namespace?.path();
        for file in fs::read_dir(&namespace)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with('.') {
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let at = |source| OpenError::Io { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(at)? {
        paths.push(entry.map_err(at)?.path());
    }
    paths.sort();
    Ok(paths)
}
