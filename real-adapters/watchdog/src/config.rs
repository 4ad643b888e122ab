//! The environment that a watchdog is set up by: of-watchdog's names and defaults, and a few of our own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use faas_lab_http::Endpoint;
use faas_lab_http::go::parse_duration;
use thiserror::Error;

/// How calls reach the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A process per call; its output is passed on as it comes.
    Streaming,
    /// A process per call; its output is passed on when it has ended well.
    Serializing,
    /// One process that speaks HTTP.
    Http,
    /// No process: files of a folder.
    Static,
    /// A process per call, as the older classic watchdog ran it.
    Classic,
}

impl Mode {
    /// Its name in `mode`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Streaming => "streaming",
            Mode::Serializing => "serializing",
            Mode::Http => "http",
            Mode::Static => "static",
            Mode::Classic => "classic",
        }
    }
}

/// Where an HTTP function answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its address.
    pub endpoint: Endpoint,
    /// What stands before every path; empty, or `/base`.
    pub base: String,
}

/// A watchdog's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// `mode`.
    pub mode: Mode,
    /// `function_process` or `fprocess`, split at single spaces.
    pub process: Vec<String>,
    /// `port` on `watchdog_address`, or `watchdog_socket`.
    pub listen: Endpoint,
    /// `metrics_port` on the same address; `None` for `0` or `off`.
    pub metrics: Option<Endpoint>,
    /// `read_timeout`; `None` for 0.
    pub read_timeout: Option<Duration>,
    /// `write_timeout`.
    pub write_timeout: Duration,
    /// `exec_timeout`; `None` for 0.
    pub exec_timeout: Option<Duration>,
    /// `healthcheck_interval`: how long calls are still taken after SIGTERM.
    pub healthcheck_interval: Duration,
    /// `http_upstream_url` or `upstream_url`.
    pub upstream: Option<Upstream>,
    /// `content_type`.
    pub content_type: Option<String>,
    /// `max_inflight`; `None` for 0.
    pub max_inflight: Option<usize>,
    /// `prefix_logs`.
    pub prefix_logs: bool,
    /// `log_buffer_size`: longer lines are logged in pieces. -1 is 1 GiB.
    pub log_buffer_size: usize,
    /// `log_callid` (as the original's code) or `log_call_id` (as its README).
    pub log_call_id: bool,
    /// `ready_path`.
    pub ready_path: Option<String>,
    /// `static_path`.
    pub static_path: PathBuf,
    /// `suppress_lock`; always so on a Unix socket: watchdogs that have one share their folder for temporary files, and the
    /// first to go would make the others ill.
    pub suppress_lock: bool,
    /// `stream_buffer=4096`: hold streams back as Go's server does.
    pub go_buffering: bool,
    /// `combine_output`: classic only.
    pub combine_output: bool,
    /// `cgi_headers`: classic only.
    pub cgi_headers: bool,
    /// `write_debug`: classic only.
    pub write_debug: bool,
    /// `watchdog_cgroups`: groups to join, separated by colons.
    pub cgroups: Vec<PathBuf>,
    /// `watchdog_parent`: the process to die with.
    pub parent: Option<i32>,
    /// Where the lock file is: `$TMPDIR`.
    pub temporary: PathBuf,
    /// What the function gets of the environment: all but `watchdog_…`.
    pub environment: BTreeMap<OsString, OsString>,
}

/// Settings that make no sense.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// No function.
    #[error("provide a \"function_process\" or \"fprocess\" environmental variable for your function")]
    NoProcess,
    /// A mode that is not there.
    #[error("unknown watchdog mode: `{0}`; write mode=http, streaming, serializing, static or classic")]
    UnknownMode(String),
    /// An http function without an address.
    #[error(
        "for mode=http you must specify a valid URL for HTTP requests in \"http_upstream_url\" or \"upstream_url\""
    )]
    NoUpstream,
    /// Go's server would never answer.
    #[error("HTTP write timeout must be over 0s")]
    NoWriteTimeout,
    /// A value that would be read wrongly or not at all.
    #[error("{name}={value}: {problem}")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What is wrong with it and what to write instead.
        problem: String,
    },
}

impl ConfigError {
    /// The exit code that the original leaves with.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, ConfigError::UnknownMode(_)) { 2 } else { 1 }
    }
}

impl Config {
    /// Reads this process's environment.
    pub fn from_env() -> Result<Config, ConfigError> {
        Config::from_variables(std::env::vars_os())
    }

    /// Reads an environment. Values of timeouts that are no durations count as absent, as they do for the original.
    pub fn from_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Config, ConfigError> {
        let all: BTreeMap<OsString, OsString> = variables.into_iter().collect();
        let variables = Variables(&all);
        let mode = variables.mode()?;
        let timeout = |name, default| variables.text(name).and_then(parse_duration).unwrap_or(default);
        let standard = Duration::from_secs(30);
        let write_timeout = timeout("write_timeout", standard);
        if write_timeout.is_zero() {
            return Err(ConfigError::NoWriteTimeout);
        }
        let some = |span: Duration| (!span.is_zero()).then_some(span);
        // The classic watchdog kills nothing unless it is told to.
        let exec_default = if mode == Mode::Classic { Duration::ZERO } else { standard };
        let (listen, metrics) = variables.endpoints()?;
        if variables.flag("jwt_auth", false) {
            let problem = "calls cannot be authenticated here: let the gateway do it, and remove this setting";
            return Err(wrong("jwt_auth", "true", problem));
        }
        Ok(Config {
            mode,
            process: variables.process(mode)?,
            listen,
            metrics,
            read_timeout: some(timeout("read_timeout", standard)),
            write_timeout,
            exec_timeout: some(timeout("exec_timeout", exec_default)),
            healthcheck_interval: timeout("healthcheck_interval", write_timeout),
            upstream: variables.upstream(mode)?,
            content_type: variables.text("content_type").map(str::to_owned),
            max_inflight: variables.number::<usize>("max_inflight")?.filter(|&n| n > 0),
            prefix_logs: variables.flag("prefix_logs", true),
            log_buffer_size: match variables.number::<i64>("log_buffer_size")? {
                None => 65_536,
                Some(n) => usize::try_from(n).map_or(1 << 30, |n| n.max(1)),
            },
            log_call_id: variables.flag("log_callid", false) || variables.flag("log_call_id", false),
            ready_path: variables.text("ready_path").map(str::to_owned),
            static_path: variables.text("static_path").unwrap_or("/home/app/public").into(),
            suppress_lock: variables.flag("suppress_lock", false) || variables.text("watchdog_socket").is_some(),
            go_buffering: match variables.number::<u32>("stream_buffer")? {
                None | Some(0) => false,
                Some(4096) => true,
                Some(n) => {
                    let problem = "only the original's 4096 can be had, or 0 for none";
                    return Err(wrong("stream_buffer", &n.to_string(), problem));
                }
            },
            combine_output: variables.flag("combine_output", true),
            cgi_headers: variables.flag("cgi_headers", true),
            write_debug: variables.flag("write_debug", false),
            cgroups: match all.get(OsStr::new("watchdog_cgroups")) {
                Some(folders) => std::env::split_paths(folders).filter(|path| !path.as_os_str().is_empty()).collect(),
                None => Vec::new(),
            },
            parent: variables.number("watchdog_parent")?,
            temporary: variables.text("TMPDIR").unwrap_or("/tmp").into(),
            environment: all.into_iter().filter(|(name, _)| !is_ours(name)).collect(),
        })
    }

    /// The file whose absence means unhealthy.
    pub fn lock_file(&self) -> PathBuf {
        self.temporary.join(".lock")
    }
}

fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"watchdog_")
}

fn wrong(name: &'static str, value: &str, problem: &str) -> ConfigError {
    ConfigError::Wrong { name, value: value.to_owned(), problem: problem.to_owned() }
}

struct Variables<'a>(&'a BTreeMap<OsString, OsString>);

impl<'a> Variables<'a> {
    /// `None` if empty or not text.
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(OsStr::new(name)).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.text(name).map_or(default, |value| value == "true" || value == "1")
    }

    fn number<N: std::str::FromStr>(&self, name: &'static str) -> Result<Option<N>, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, text, "not such a whole number as belongs here"))
    }

    fn mode(&self) -> Result<Mode, ConfigError> {
        match self.text("mode").unwrap_or("streaming") {
            "streaming" => Ok(Mode::Streaming),
            "serializing" => Ok(Mode::Serializing),
            "http" => Ok(Mode::Http),
            "static" => Ok(Mode::Static),
            "classic" => Ok(Mode::Classic),
            other => Err(ConfigError::UnknownMode(other.to_owned())),
        }
    }

    fn process(&self, mode: Mode) -> Result<Vec<String>, ConfigError> {
        match self.text("function_process").or(self.text("fprocess")) {
            Some(line) => Ok(line.split(' ').map(str::to_owned).collect()),
            None if mode == Mode::Static => Ok(Vec::new()),
            None => Err(ConfigError::NoProcess),
        }
    }

    fn endpoints(&self) -> Result<(Endpoint, Option<Endpoint>), ConfigError> {
        let address = match self.text("watchdog_address") {
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Some(text) => {
                text.parse().map_err(|_| wrong("watchdog_address", text, "write an IP address such as 127.0.0.2"))?
            }
        };
        let tcp = |port: u16| Endpoint::Tcp((address, port).into());
        let listen = match self.text("watchdog_socket") {
            Some(path) => Endpoint::Unix(path.into()),
            None => tcp(self.number("port")?.unwrap_or(8080)),
        };
        let metrics = match self.text("metrics_port") {
            Some("off" | "0") => None,
            _ => Some(tcp(self.number("metrics_port")?.unwrap_or(8081))),
        };
        Ok((listen, metrics))
    }

    fn upstream(&self, mode: Mode) -> Result<Option<Upstream>, ConfigError> {
        if mode != Mode::Http {
            return Ok(None);
        }
        let name = if self.text("http_upstream_url").is_some() { "http_upstream_url" } else { "upstream_url" };
        let url = self.text(name).ok_or(ConfigError::NoUpstream)?;
        let (address, base) = match url.strip_prefix("http://").and_then(|rest| rest.find('/')) {
            Some(slash) => url.split_at("http://".len() + slash),
            None => (url, ""),
        };
        let endpoint = address.parse().map_err(|e| wrong(name, url, &format!("{e}")))?;
        Ok(Some(Upstream { endpoint, base: base.trim_end_matches('/').to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn has_the_originals_defaults() {
        let config = read(&[("fprocess", "cat")]).expect("enough");
        assert_eq!(config.mode, Mode::Streaming);
        assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
        assert_eq!(config.metrics.map(|e| e.to_string()).as_deref(), Some("0.0.0.0:8081"));
        let thirty = Duration::from_secs(30);
        assert_eq!((config.read_timeout, config.write_timeout), (Some(thirty), thirty));
        assert_eq!((config.exec_timeout, config.healthcheck_interval), (Some(thirty), thirty));
        assert_eq!((config.max_inflight, config.log_buffer_size, config.prefix_logs), (None, 65_536, true));
        assert_eq!(read(&[("fprocess", "cat"), ("mode", "classic")]).expect("enough").exec_timeout, None);
        assert_eq!(read(&[("fprocess", "cat"), ("metrics_port", "off")]).expect("enough").metrics, None);
    }

    #[test]
    fn rubbish_timeouts_count_as_absent() {
        let config =
            read(&[("fprocess", "cat"), ("read_timeout", "soon"), ("exec_timeout", "0"), ("write_timeout", "1m")])
                .expect("enough");
        assert_eq!(config.read_timeout, Some(Duration::from_secs(30)));
        assert_eq!(config.exec_timeout, None);
        assert_eq!(config.healthcheck_interval, Duration::from_secs(60));
    }

    #[test]
    fn splits_the_process_at_single_spaces() {
        let config = read(&[("fprocess", "old"), ("function_process", "sh  -c x")]).expect("enough");
        assert_eq!(config.process, ["sh", "", "-c", "x"]);
    }

    #[test]
    fn finds_the_upstream() {
        let http = |url| read(&[("fprocess", "x"), ("mode", "http"), ("upstream_url", url)]).map(|c| c.upstream);
        let found = |url| http(url).expect("an address").expect("an upstream");
        assert_eq!(found("http://127.0.0.1:3000").base, "");
        assert_eq!(found("http://127.0.0.1:3000/").base, "");
        assert_eq!(found("http://localhost:3000/a/b").base, "/a/b");
        assert_eq!(found("unix:/run/f.sock").endpoint, Endpoint::Unix("/run/f.sock".into()));
        assert!(matches!(http("ftp://x"), Err(ConfigError::Wrong { name: "upstream_url", .. })));
        assert_eq!(read(&[("fprocess", "x"), ("mode", "http")]).err(), Some(ConfigError::NoUpstream));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(read(&[]).err(), Some(ConfigError::NoProcess));
        assert!(read(&[("mode", "static")]).is_ok());
        let unknown = read(&[("fprocess", "x"), ("mode", "inproc")]).expect_err("no such mode here");
        assert_eq!(unknown.exit_code(), 2);
        assert_eq!(read(&[("fprocess", "x"), ("write_timeout", "0")]).err(), Some(ConfigError::NoWriteTimeout));
        for (name, value) in
            [("port", "70000"), ("stream_buffer", "1"), ("watchdog_address", "here"), ("max_inflight", "x")]
        {
            let error = read(&[("fprocess", "x"), (name, value)]).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn keeps_its_own_variables_from_the_function() {
        let config = read(&[("fprocess", "x"), ("watchdog_socket", "/a"), ("PORT", "1")]).expect("enough");
        assert_eq!(config.listen, Endpoint::Unix("/a".into()));
        assert!(config.suppress_lock);
        assert!(config.environment.contains_key(OsStr::new("PORT")));
        assert!(!config.environment.contains_key(OsStr::new("watchdog_socket")));
    }

    proptest! {
        #[test]
        fn survives_any_environment(values in prop::collection::vec("\\PC{0,20}", 12)) {
            let names = ["fprocess", "mode", "port", "metrics_port", "read_timeout", "write_timeout", "exec_timeout",
                "upstream_url", "max_inflight", "log_buffer_size", "stream_buffer", "watchdog_cgroups"];
            let pairs: Vec<_> = names.iter().zip(&values).map(|(&name, value)| (name, value.as_str())).collect();
            let _ = read(&pairs);
        }
    }
}
