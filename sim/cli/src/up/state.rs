//! The folder in which a platform keeps what outlives it: functions, secrets, accepted invocations, the password.
//!
//! ```text
//! basic-auth-user, basic-auth-password    mode 0600
//! platform/                               the provider's: deployments and secrets
//! queue.redb                              accepted asynchronous invocations
//! homepage/                               the files of the built-in home page
//! people/                                 who is enrolled with face-recognition
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::{env, process};

use faas_lab_gateway::Credentials;

use crate::failure::Failure;

/// The only user.
const USER: &str = "admin";

/// A platform's folder.
#[derive(Debug)]
pub(crate) struct State {
    /// It was made just now.
    pub(crate) is_new: bool,
    folder: PathBuf,
}

impl State {
    /// Opens `folder`, else the user's own place for such things; made if it is not there, for nobody else to read.
    pub(crate) fn open(folder: Option<&Path>) -> Result<State, Failure> {
        let folder = folder.map_or_else(default_folder, Path::to_path_buf);
        let folder = std::path::absolute(&folder).map_err(|error| Failure::with_path("use", &folder, &error))?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| Failure::with_path("make the state folder", &folder, &error))?;
        let mut state = State { is_new: false, folder };
        state.is_new = !state.password_file().exists();
        if state.is_new {
            // The password comes last: with it the folder is complete.
            state.write("basic-auth-user", USER)?;
            state.write("basic-auth-password", &random_key())?;
        }
        Ok(state)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn platform(&self) -> PathBuf {
        self.folder.join("platform")
    }

    pub(crate) fn queue(&self) -> PathBuf {
        self.folder.join("queue.redb")
    }

    pub(crate) fn homepage(&self) -> PathBuf {
        self.folder.join("homepage")
    }

    pub(crate) fn people(&self) -> PathBuf {
        self.folder.join("people")
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.folder.join("basic-auth-password")
    }

    pub(crate) fn credentials(&self) -> Result<Credentials, Failure> {
        Credentials::from_folder(&self.folder).map_err(|reason| {
            Failure::new(reason).help("write a user and a password into the two files, or remove both to get new ones")
        })
    }

    /// A file for its owner only. It appears whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.join(name);
        let draft = self.folder.join(format!(".{name}.{}", process::id()));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().map_err(|error| Failure::with_path("write", &path, &error))
    }
}

/// 122 bits from the system's source.
pub(crate) fn random_key() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// `$XDG_STATE_HOME/faas-lab`, else `~/.local/state/faas-lab`, else a folder beside the user.
fn default_folder() -> PathBuf {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    base.map_or_else(|| PathBuf::from("faas-lab-state"), |base| base.join("faas-lab"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_password_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/state");
        let first = State::open(Some(&place)).unwrap();
        assert!(first.is_new);
        let password = fs::read_to_string(first.password_file()).unwrap();
        assert_eq!(password.len(), 32);
        assert_eq!(fs::metadata(first.password_file()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
        let second = State::open(Some(&place)).unwrap();
        assert!(!second.is_new);
        assert_eq!(second.credentials().unwrap().password, password);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let failure = State::open(Some(&folder.path().join("file"))).unwrap_err().to_string();
        assert!(failure.contains("state folder") && failure.contains("file"), "{failure}");
    }
}
