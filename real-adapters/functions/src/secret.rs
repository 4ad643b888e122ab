//! Reads secrets, which are files.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::settings::Lookup;

/// Where OpenFaaS mounts them.
const FOLDER: &str = "/var/openfaas/secrets";

/// The folder of this function's secrets: `secret_mount_path`, else OpenFaaS's own.
pub(crate) fn folder(lookup: Lookup<'_>) -> PathBuf {
    PathBuf::from(lookup("secret_mount_path").unwrap_or_else(|| FOLDER.to_owned()))
}

/// A secret without the white space around it; read at each use, so that a new value counts at once.
pub(crate) fn read(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    let bytes = fs::read(folder.join(name))?;
    Ok(bytes.trim_ascii().to_vec())
}
