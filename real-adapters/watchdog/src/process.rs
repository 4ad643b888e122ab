//! One run of a function's process: request in, output out, and an end in time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use faas_lab_http::Body;
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::Config;
use crate::launch::{command, signal_group};
use crate::log::{LineLog, Source};
use crate::oom::OutOfMemory;
use crate::spool::Spool;

/// How long output may still come after its process group was killed: only of a process that left the group.
const AFTER_KILL: Duration = Duration::from_millis(200);

/// How a process ended, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Success,
    Status(i32),
    Signal(i32),
    /// Killed by us at `exec_timeout`.
    TimedOut,
    /// Killed by the kernel.
    OutOfMemory,
    NotStarted(String),
}

impl Ending {
    /// Of a process that has exited; `starved` if the kernel killed something of its group meanwhile.
    pub(crate) fn of(status: ExitStatus, starved: bool) -> Ending {
        match (status.code(), status.signal()) {
            (Some(0), _) => Ending::Success,
            (Some(137), _) | (None, Some(9)) if starved => Ending::OutOfMemory,
            (Some(code), _) => Ending::Status(code),
            (None, signal) => Ending::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Success => f.write_str("exit status 0"),
            Ending::Status(code) => write!(f, "exit status {code}"),
            Ending::TimedOut => f.write_str("signal: killed"),
            Ending::Signal(signal) => {
                let name = match signal {
                    1 => "hangup",
                    2 => "interrupt",
                    3 => "quit",
                    4 => "illegal instruction",
                    6 => "aborted",
                    8 => "floating point exception",
                    9 => "killed",
                    11 => "segmentation fault",
                    13 => "broken pipe",
                    15 => "terminated",
                    other => return write!(f, "signal: signal {other}"),
                };
                write!(f, "signal: {name}")
            }
            Ending::OutOfMemory => f.write_str("out of memory"),
            Ending::NotStarted(why) => f.write_str(why),
        }
    }
}

/// Where a process's output goes.
pub(crate) trait Sink {
    /// Takes some output; `false` if nobody wants any more.
    fn take(&mut self, bytes: &[u8]) -> impl Future<Output = bool> + Send;
}

/// What a process reads.
pub(crate) enum Input {
    /// As it comes.
    Stream(Body),
    /// All there.
    Whole(Spool),
}

/// Whose stderr is whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stderr {
    Logged,
    /// Part of the output, in the order in which it was written.
    Merged,
}

/// Runs the function's process for one call.
pub(crate) async fn run<S: Sink>(
    config: &Config,
    environment: &BTreeMap<OsString, OsString>,
    input: Input,
    stderr: Stderr,
    sink: &mut S,
) -> Ending {
    let memory = OutOfMemory::new(&config.cgroups);
    let kills = memory.kills();
    let mut process = match Process::start(config, environment, stderr) {
        Ok(process) => process,
        Err(why) => return Ending::NotStarted(why),
    };
    if let Some(stdin) = process.child.stdin.take() {
        tokio::spawn(feed(input, stdin));
    }
    let deadline = config.exec_timeout.map(|limit| Instant::now() + limit);
    let output = process.output.take();
    let mut copy = pin!(async {
        if let Some(output) = output {
            pass_on(output, sink).await;
        }
    });
    let copied = before(deadline, copy.as_mut()).await.is_some();
    if copied && let Some(status) = before(deadline, process.child.wait()).await {
        process.last_lines().await;
        return status.map_or_else(|e| Ending::NotStarted(e.to_string()), |s| Ending::of(s, memory.kills() > kills));
    }
    signal_group(process.child.id(), Signal::KILL);
    if !copied {
        // What was written before the end still counts.
        let _ = tokio::time::timeout(AFTER_KILL, copy).await;
    }
    // Nothing is learned from how it ended: we killed it.
    let _ = process.child.wait().await;
    process.last_lines().await;
    Ending::TimedOut
}

struct Process {
    child: Child,
    output: Option<Box<dyn AsyncRead + Send + Unpin>>,
    logging: Option<JoinHandle<()>>,
}

impl Drop for Process {
    /// A call that is given up, at the watchdog's end, leaves nothing running. After its end it has no number, and this
    /// does nothing.
    fn drop(&mut self) {
        signal_group(self.child.id(), Signal::KILL);
    }
}

impl Process {
    /// What it wrote to stderr is logged before the call is over; later lines, of a process it left behind, follow.
    async fn last_lines(&mut self) {
        if let Some(logging) = self.logging.take() {
            let _ = tokio::time::timeout(AFTER_KILL, logging).await;
        }
    }

    fn start(config: &Config, environment: &BTreeMap<OsString, OsString>, stderr: Stderr) -> Result<Process, String> {
        let mut command = command(&config.process, environment)?;
        command.stdin(Stdio::piped());
        let merged = match stderr {
            Stderr::Logged => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                None
            }
            Stderr::Merged => {
                let (reader, writer) = std::io::pipe().map_err(|e| e.to_string())?;
                command.stdout(writer.try_clone().map_err(|e| e.to_string())?).stderr(writer);
                // All that can fail comes before the process is there: nobody would look after it.
                Some(pipe::Receiver::from_owned_fd(reader.into()).map_err(|e| e.to_string())?)
            }
        };
        let mut child = command.spawn().map_err(|e| format!("fork/exec {}: {e}", config.process[0]))?;
        // The command holds the writing end, and with it the output would never end.
        drop(command);
        let output: Option<Box<dyn AsyncRead + Send + Unpin>> = match merged {
            Some(reader) => Some(Box::new(reader)),
            None => child.stdout.take().map(|stdout| Box::new(stdout) as Box<_>),
        };
        let logging = child.stderr.take().map(|stderr| tokio::spawn(line_log(config, Source::Stderr).run(stderr)));
        Ok(Process { child, output, logging })
    }
}

/// How lines of the function are logged.
pub(crate) fn line_log(config: &Config, source: Source) -> LineLog {
    LineLog { source, prefixed: config.prefix_logs, longest: config.log_buffer_size }
}

async fn before<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}

/// A process that does not read its input, or not all of it, is none the worse for it.
async fn feed(input: Input, mut stdin: ChildStdin) {
    match input {
        Input::Stream(mut body) => {
            while let Some(Ok(data)) = body.data().await {
                if stdin.write_all(&data).await.is_err() {
                    return;
                }
            }
        }
        Input::Whole(spool) => {
            if let Ok(mut reader) = spool.reader().await {
                let _ = tokio::io::copy(&mut reader, &mut stdin).await;
            }
        }
    }
}

async fn pass_on<S: Sink>(mut output: Box<dyn AsyncRead + Send + Unpin>, sink: &mut S) {
    let mut some = vec![0; 16_384];
    while let Ok(n @ 1..) = output.read(&mut some).await {
        if !sink.take(&some[..n]).await {
            // The pipe closes, and the process learns it as it would from a shell.
            return;
        }
    }
}

impl Sink for Spool {
    async fn take(&mut self, bytes: &[u8]) -> bool {
        self.push(bytes).await.is_ok()
    }
}
