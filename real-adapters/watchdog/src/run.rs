//! A watchdog's life: groups and parent, the function, serving, and the end.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use faas_lab_http::go::format_duration;
use faas_lab_http::{Drained, Endpoint, Limits, serve};
use rustix::process::{Pid, Signal};
use std::process::Stdio;
use thiserror::Error;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{Config, Mode, Upstream};
use crate::launch::{command, signal_group};
use crate::log::{Source, log};
use crate::metrics::Metrics;
use crate::oom::OutOfMemory;
use crate::process::{Ending, line_log};
use crate::service::{Health, Service};
use crate::upstream::{Function, Listening};

/// How long a function may take to end itself after its last call.
const FAREWELL: Duration = Duration::from_secs(2);
/// Readers of a function's output that outlive it, such as of its own children, are waited for so long.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Why a watchdog ended before it was told to.
#[derive(Debug, Error)]
pub enum RunError {
    /// It cannot listen.
    #[error("cannot listen on {0}: {1}. Choose another with `port` or `watchdog_socket`")]
    Listen(Endpoint, io::Error),
    /// The lock file cannot be written.
    #[error("cannot write {0}: {1}. Set TMPDIR to a folder that can be written, or suppress_lock=true")]
    Lock(String, io::Error),
    /// The process of an http function ended.
    #[error("Forked function has terminated: {0}")]
    Function(String),
    /// The process to die with is gone.
    #[error("the parent process {0} is gone")]
    Orphan(i32),
    /// The system refused.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// The watchdog as a program: reads the environment and the arguments `-version` and `-run-healthcheck`, and serves until
/// SIGTERM or SIGINT. Call [`crate::become_function_if_asked`] first.
pub fn main() -> ExitCode {
    let argument = std::env::args().find_map(|argument| match argument.trim_start_matches('-') {
        flag @ ("version" | "run-healthcheck") if argument.starts_with('-') => Some(flag.to_owned()),
        _ => None,
    });
    if argument.as_deref() == Some("version") {
        println!("{}", version());
        return ExitCode::SUCCESS;
    }
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => {
            log(format!("Error: {error}"));
            return ExitCode::from(error.exit_code());
        }
    };
    if argument.is_some() {
        return check_health(&config);
    }
    // One thread: a call then passes between its connection and the function's without waking another. With two, a call
    // in mode http cost a tenth more CPU and came no sooner.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log(format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(async { run(config, asked_to_end()?).await }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn version() -> String {
    format!("Version: {}\tSHA: {}", env!("CARGO_PKG_VERSION"), option_env!("GIT_COMMIT").unwrap_or("unknown"))
}

fn check_health(config: &Config) -> ExitCode {
    if let Endpoint::Unix(socket) = &config.listen {
        return match std::os::unix::net::UnixStream::connect(socket) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("unable to connect to {}: {error}", socket.display());
                ExitCode::FAILURE
            }
        };
    }
    if config.lock_file().exists() {
        return ExitCode::SUCCESS;
    }
    eprintln!("unable to find lock file.");
    ExitCode::FAILURE
}

/// How a watchdog is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Take calls for `healthcheck_interval` more, until everybody knows.
    Gently,
    /// Finish the calls under way.
    Now,
}

fn asked_to_end() -> io::Result<impl Future<Output = Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => Stop::Gently,
            _ = interrupt.recv() => Stop::Now,
        }
    })
}

/// Serves until `shutdown` says how to stop, or the function's process ends with an error.
///
/// It must run on a runtime whose threads live as long as it does: functions are killed with the thread that started them.
pub async fn run(config: Config, shutdown: impl Future<Output = Stop>) -> Result<(), RunError> {
    join_groups(&config);
    if let Some(parent) = config.parent {
        die_with(parent)?;
    }
    let config = Arc::new(config);
    announce(&config);
    let listener = config.listen.bind().await.map_err(|e| RunError::Listen(config.listen.clone(), e))?;
    let (function, mut process) = match &config.upstream {
        Some(upstream) => {
            let (function, process) = start_function(&config, upstream);
            (Some(function), Some(process))
        }
        None => (None, None),
    };
    match listener.endpoint()? {
        Endpoint::Tcp(address) => log(format!("Listening on port: {}", address.port())),
        unix => log(format!("Listening on {unix}")),
    }
    let health = Health::begin(&config).map_err(|e| RunError::Lock(config.lock_file().display().to_string(), e))?;
    let metrics = Metrics::new();
    if let Some(at) = config.metrics.clone() {
        tokio::spawn(metrics.clone().serve(at));
    }
    let service = Arc::new(Service::new(config.clone(), function, metrics, health.clone()));
    let drain_until = OnceLock::new();
    let told = async {
        let stop = shutdown.await;
        health.end();
        let wait = if stop == Stop::Gently { config.healthcheck_interval } else { Duration::ZERO };
        log(format!("SIGTERM: no new calls in {}, {} under way", format_duration(wait), service.places().taken()));
        tokio::time::sleep(wait).await;
        let _ = drain_until.set(Instant::now() + config.write_timeout);
    };
    let limits = Limits {
        // Go counts a little more than its 1 MiB.
        head_bytes: (1 << 20) + 4096,
        read_timeout: config.read_timeout,
        write_timeout: Some(config.write_timeout),
        drain: Some(config.write_timeout),
        ..Limits::default()
    };
    let answering = service.clone();
    let serving = serve(listener, limits, move |request, _peer| answering.answer(request), told);
    let died = async {
        match &mut process {
            Some(process) => process.died().await,
            None => std::future::pending().await,
        }
    };
    let end = {
        let mut serving = pin!(serving);
        tokio::select! {
            drained = &mut serving => Ok(drained),
            why = died => Err(why),
        }
    };
    health.end();
    match end {
        Ok(drained) => {
            if let Drained::Cut(calls) = drained {
                log(format!(
                    "{calls} connections cut: they were still open after {}",
                    format_duration(config.write_timeout)
                ));
            }
            match process {
                Some(process) => process.end().await,
                // A process per call goes on when its caller has gone, and no connection tells of it.
                None => finish_calls(&service, drain_until.get().copied()).await,
            }
            Ok(())
        }
        Err(why) => Err(RunError::Function(why)),
    }
}

/// Waits for calls whose callers have gone, up to the end of the drain.
async fn finish_calls(service: &Service, until: Option<Instant>) {
    while service.places().taken() > 0 && until.is_some_and(|until| Instant::now() < until) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn announce(config: &Config) {
    log(version());
    log(format!("Watchdog mode: {}\tfprocess: {:?}", config.mode.name(), config.process.join(" ")));
    let span = |limit: Option<Duration>| format_duration(limit.unwrap_or_default());
    log(format!(
        "Timeouts: read: {} write: {} hard: {} health: {}",
        span(config.read_timeout),
        format_duration(config.write_timeout),
        span(config.exec_timeout),
        format_duration(config.healthcheck_interval)
    ));
    if config.mode == Mode::Static {
        log(format!("Serving files at: {}", config.static_path.display()));
    }
}

/// What cannot be had is said, and gone without.
fn join_groups(config: &Config) {
    for group in &config.cgroups {
        let file = group.join("cgroup.procs");
        if let Err(error) = std::fs::write(&file, std::process::id().to_string()) {
            log(format!("cannot join the control group {}: {error}", group.display()));
        }
    }
}

fn die_with(parent: i32) -> Result<(), RunError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).map_err(io::Error::from)?;
    // It may have died before the line above.
    match rustix::process::getppid().map(Pid::as_raw_pid) == Some(parent) {
        true => Ok(()),
        false => Err(RunError::Orphan(parent)),
    }
}

/// The process of an http function.
struct FunctionProcess {
    /// `None` if it could not be started.
    child: Option<Child>,
    readers: Vec<tokio::task::JoinHandle<()>>,
    listening: watch::Sender<Listening>,
    memory: OutOfMemory,
    kills: u64,
}

fn start_function(config: &Config, upstream: &Upstream) -> (Function, FunctionProcess) {
    let (listening, listens) = watch::channel(Listening::NotYet);
    let function = Function::new(config, upstream, listens);
    let memory = OutOfMemory::new(&config.cgroups);
    let kills = memory.kills();
    let child = command(&config.process, &config.environment).and_then(|mut command| {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|error| error.to_string())
    });
    let mut process = FunctionProcess { child: None, readers: Vec::new(), listening, memory, kills };
    match child {
        Ok(mut child) => {
            let out = child.stdout.take().map(|out| tokio::spawn(line_log(config, Source::Stdout).run(out)));
            let err = child.stderr.take().map(|err| tokio::spawn(line_log(config, Source::Stderr).run(err)));
            process.readers.extend(out.into_iter().chain(err));
            process.child = Some(child);
            tokio::spawn(watch_for(upstream.endpoint.clone(), process.listening.clone()));
        }
        Err(why) => {
            // As the original does: it stays, and answers 500.
            log(format!("cannot start the function: {why}"));
            process.listening.send_replace(Listening::NoMore);
        }
    }
    (function, process)
}

/// Knocks until somebody opens.
async fn watch_for(endpoint: Endpoint, listening: watch::Sender<Listening>) {
    let mut pause = Duration::from_millis(1);
    while *listening.borrow() == Listening::NotYet {
        if endpoint.connect().await.is_ok() {
            listening.send_if_modified(|now| {
                let first = *now == Listening::NotYet;
                if first {
                    *now = Listening::Yes;
                }
                first
            });
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 5 / 4).min(Duration::from_millis(20));
    }
}

impl FunctionProcess {
    /// Waits for an end with an error, and says which. After a proper end the watchdog stays, as the original does.
    async fn died(&mut self) -> String {
        let Some(child) = &mut self.child else { return std::future::pending().await };
        let ending = match child.wait().await {
            Ok(status) => Ending::of(status, self.memory.kills() > self.kills),
            Err(error) => Ending::NotStarted(error.to_string()),
        };
        self.listening.send_replace(Listening::NoMore);
        self.last_lines().await;
        if ending == Ending::Success {
            log("the function has ended by itself: calls are answered 500 from now on");
            self.child = None;
            return std::future::pending().await;
        }
        ending.to_string()
    }

    /// Asks it to end, and makes it.
    async fn end(mut self) {
        if let Some(child) = &mut self.child {
            signal_group(child.id(), Signal::TERM);
            if tokio::time::timeout(FAREWELL, child.wait()).await.is_err() {
                signal_group(child.id(), Signal::KILL);
                // Killed, it cannot refuse.
                let _ = child.wait().await;
            }
        }
        self.last_lines().await;
    }

    async fn last_lines(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = tokio::time::timeout(LAST_LINES, reader).await;
        }
    }
}
