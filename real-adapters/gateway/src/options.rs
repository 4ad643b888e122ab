//! What can be set: by the environment variables of the stock gateway, or by the program that embeds this one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use faas_lab_http::go::parse_duration;
use serde_json::Value;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest time to read a request, body included; zero: no limit.
    pub read_timeout: Duration,
    /// Longest time from a request's head to the end of its response; then the connection is closed. Zero: no limit.
    pub write_timeout: Duration,
    /// Longest time to wait for a function; then the client gets 502. Zero: no limit.
    pub upstream_timeout: Duration,
    /// Longest time that a call is held for a function without replicas; then it gets 503.
    pub hold: Duration,
    /// How long calls under way may go on when the gateway is to end.
    pub drain: Duration,
    /// Who may use `/system`; `None`: anyone.
    pub credentials: Option<Credentials>,
    /// Bounds of what clients may send and ask for.
    pub limits: Limits,
    /// The function store, served at `/store.json` as `faas-cli store --url` reads it: `{"version", "functions": […]}`, or
    /// the bare list of versions before 0.2.0.
    pub store: Value,
    /// Scaling policy of functions whose labels name none, as in a scenario.
    pub default_policy: String,
    /// A file to which each question to a scaling policy is written with its answer, as lines of JSON.
    pub decisions: Option<PathBuf>,
    /// The files of the web UI; by default those that come with the gateway.
    pub ui: &'static [Asset],
    /// Version for `/system/info` and the header X-Served-By.
    pub version: String,
    /// Commit that the program was built from, for `/system/info`; may be empty.
    pub commit: String,
}

/// A file that is served below `/ui/`.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Path below `/ui/`; `index.html` is served at `/ui/` itself.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
}

/// A user and a password. Neither is ever printed.
#[derive(Clone)]
pub struct Credentials {
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// Bounds of what clients may send and ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a deployment or another request to `/system`.
    pub system_body: usize,
    /// Bytes of an asynchronous invocation's body.
    pub async_body: usize,
    /// Bytes of a function's answer to one.
    pub async_answer: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Deployed functions.
    pub functions: usize,
    /// Replicas of one function.
    pub replicas: u32,
    /// Calls of one function that are held or wait at once; more get 503.
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            system_body: 1 << 20,
            async_body: 10_000_000,
            async_answer: 64 << 20,
            connections: 16_384,
            functions: 1000,
            replicas: 1000,
            waiting: 20_000,
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            upstream_timeout: Duration::from_secs(60),
            hold: Duration::from_secs(100),
            drain: Duration::from_secs(10),
            credentials: None,
            limits: Limits::default(),
            store: Value::Array(Vec::new()),
            default_policy: "rps".to_owned(),
            decisions: None,
            ui: crate::ui::FILES,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: String::new(),
        }
    }
}

impl Options {
    /// Reads the stock gateway's environment variables through `variable`: `read_timeout`, `write_timeout` and
    /// `upstream_timeout` (a number of seconds or a Go duration; rubbish leaves the default, as in Go), `basic_auth` with
    /// `secret_mount_path`, and our own `default_scaling_policy`, `record_decisions`, `max_async_body_bytes` and
    /// `function_store`, a file of JSON.
    ///
    /// # Errors
    /// `basic_auth` is on and the user or the password cannot be read; the function store cannot be read.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Options, String> {
        let mut options = Options::default();
        for (name, timeout) in [
            ("read_timeout", &mut options.read_timeout),
            ("write_timeout", &mut options.write_timeout),
            ("upstream_timeout", &mut options.upstream_timeout),
        ] {
            if let Some(read) = variable(name).as_deref().and_then(parse_duration) {
                *timeout = read;
            }
        }
        if variable("basic_auth").is_some_and(|value| matches!(value.as_str(), "true" | "1")) {
            let folder = variable("secret_mount_path").unwrap_or_else(|| "/run/secrets/".to_owned());
            options.credentials = Some(Credentials::from_folder(Path::new(&folder))?);
        }
        if let Some(policy) = variable("default_scaling_policy") {
            options.default_policy = policy;
        }
        options.decisions = variable("record_decisions").map(PathBuf::from);
        if let Some(file) = variable("function_store") {
            let wrong = |why: String| format!("function_store is {file:?}: {why}");
            let text = std::fs::read_to_string(&file).map_err(|why| wrong(why.to_string()))?;
            options.store = serde_json::from_str(&text).map_err(|why| wrong(why.to_string()))?;
        }
        if let Some(bytes) = variable("max_async_body_bytes") {
            let wrong = |_| format!("max_async_body_bytes is {bytes:?}: write a number of bytes");
            options.limits.async_body = bytes.parse().map_err(wrong)?;
        }
        Ok(options)
    }
}

impl Credentials {
    /// Reads `basic-auth-user` and `basic-auth-password` from a folder of secrets.
    ///
    /// # Errors
    /// Which file cannot be read, or is empty.
    pub fn from_folder(folder: &Path) -> Result<Credentials, String> {
        let read = |name: &str| {
            let path = folder.join(name);
            let text = std::fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))?;
            match text.trim() {
                "" => Err(format!("{} is empty", path.display())),
                text => Ok(text.to_owned()),
            }
        };
        Ok(Credentials { user: read("basic-auth-user")?, password: read("basic-auth-password")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Options, String> {
        Options::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn timeouts_are_seconds_or_go_durations_and_rubbish_is_the_default() {
        let options = read(&[("read_timeout", "5"), ("write_timeout", "1m30s"), ("upstream_timeout", "soon")])
            .expect("nothing here can fail");
        assert_eq!(options.read_timeout, Duration::from_secs(5));
        assert_eq!(options.write_timeout, Duration::from_secs(90));
        assert_eq!(options.upstream_timeout, Duration::from_secs(60));
        assert!(options.credentials.is_none());
    }

    #[test]
    fn the_function_store_comes_from_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.json").display().to_string();
        let missing = read(&[("function_store", path.as_str())]).expect_err("there is no file");
        assert!(missing.contains("store.json"), "{missing}");
        std::fs::write(&path, "[{]").expect("written");
        assert!(read(&[("function_store", path.as_str())]).is_err());
        std::fs::write(&path, r#"{"functions": []}"#).expect("written");
        let options = read(&[("function_store", path.as_str())]).expect("now it can be read");
        assert!(options.store["functions"].is_array());
    }

    #[test]
    fn passwords_come_from_files_and_are_trimmed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display().to_string();
        let variables = [("basic_auth", "true"), ("secret_mount_path", path.as_str())];
        let missing = read(&variables).expect_err("there are no files");
        assert!(missing.contains("basic-auth-user"), "{missing}");
        std::fs::write(folder.path().join("basic-auth-user"), "admin\n").expect("written");
        std::fs::write(folder.path().join("basic-auth-password"), " pw\n").expect("written");
        let credentials = read(&variables).expect("now they are there").credentials.expect("it is on");
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("admin", "pw"));
    }
}
