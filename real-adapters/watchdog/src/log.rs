//! Log lines as Go's logger writes them, and the function's own lines among them.
//!
//! The access log has a line for every call. Written one by one each would cost a call into the kernel here and wake the
//! log's reader there, which is often busy with the calls themselves; so these lines are gathered for a moment. All other
//! lines are written at once, after those gathered, so that the order stays. Only a kill -9 can lose what is gathered.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faas_lab_http::go::log_prefix;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How long a line of the access log may be kept.
const GATHERING: Duration = Duration::from_millis(10);
/// So many bytes are not kept any longer.
const MUCH: usize = 16 << 10;

static STDERR: Mutex<Gathered> = Mutex::new(Gathered { lines: Vec::new(), awaited: false, prefix: (0, String::new()) });

/// What is to be written to stderr.
struct Gathered {
    lines: Vec<u8>,
    /// A task will write it.
    awaited: bool,
    /// It changes once a second, lines come by thousands.
    prefix: (u64, String),
}

/// Writes a line to stderr, `2006/01/02 15:04:05 ` before it.
pub(crate) fn log(line: impl AsRef<str>) {
    let mut gathered = gathered();
    gathered.prefix();
    gathered.lines.extend_from_slice(line.as_ref().as_bytes());
    gathered.lines.push(b'\n');
    gathered.write();
}

/// As [`log`], but within a moment rather than at once.
pub(crate) fn log_soon(line: fmt::Arguments<'_>) {
    let mut gathered = gathered();
    gathered.prefix();
    // Writing to memory cannot fail.
    let _ = gathered.lines.write_fmt(line);
    gathered.lines.push(b'\n');
    if gathered.lines.len() >= MUCH {
        return gathered.write();
    }
    if gathered.awaited {
        return;
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return gathered.write() };
    gathered.awaited = true;
    // A runtime that is ending drops the task right here.
    drop(gathered);
    let writer = Writer;
    runtime.spawn(async move {
        tokio::time::sleep(GATHERING).await;
        drop(writer);
    });
}

/// Writes what is gathered when it is dropped: after a while, or with the runtime.
struct Writer;

impl Drop for Writer {
    fn drop(&mut self) {
        let mut gathered = gathered();
        gathered.awaited = false;
        gathered.write();
    }
}

fn gathered() -> MutexGuard<'static, Gathered> {
    STDERR.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gathered {
    fn current_prefix(&mut self) -> &str {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.prefix.0 != second {
            self.prefix = (second, log_prefix());
        }
        &self.prefix.1
    }

    fn prefix(&mut self) {
        self.current_prefix();
        self.lines.extend_from_slice(self.prefix.1.as_bytes());
    }

    fn write(&mut self) {
        if !self.lines.is_empty() {
            // There is nobody to tell that the log is gone.
            let _ = std::io::stderr().lock().write_all(&self.lines);
            self.lines.clear();
        }
    }
}

/// Where lines of a function come from, and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdout,
    Stderr,
}

/// How lines of a function are logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineLog {
    pub(crate) source: Source,
    pub(crate) prefixed: bool,
    /// Longer lines are written in pieces of so many bytes.
    pub(crate) longest: usize,
}

impl LineLog {
    /// Logs lines until their end, the last one too if it has no newline.
    pub(crate) async fn run(self, mut from: impl AsyncRead + Unpin) {
        let mut held: Vec<u8> = Vec::new();
        let mut some = vec![0; 8192.min(self.longest.max(1))];
        loop {
            let n = match from.read(&mut some).await {
                Ok(0) | Err(_) => break,
                Ok(n) => n,
            };
            held.extend_from_slice(&some[..n]);
            let mut out = Vec::new();
            let mut rest = held.as_slice();
            while let Some(end) = rest.iter().position(|&b| b == b'\n') {
                self.line(&rest[..end], &mut out);
                rest = &rest[end + 1..];
            }
            while rest.len() >= self.longest {
                let (piece, after) = rest.split_at(self.longest);
                self.line(piece, &mut out);
                rest = after;
            }
            let done = held.len() - rest.len();
            held.drain(..done);
            self.write(&out);
        }
        if !held.is_empty() {
            let mut out = Vec::new();
            self.line(&held, &mut out);
            self.write(&out);
        }
    }

    fn line(&self, line: &[u8], out: &mut Vec<u8>) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.prefixed {
            let source = if self.source == Source::Stdout { "stdout: " } else { "stderr: " };
            out.extend_from_slice(gathered().current_prefix().as_bytes());
            out.extend_from_slice(source.as_bytes());
        }
        out.extend_from_slice(line);
        out.push(b'\n');
    }

    fn write(&self, lines: &[u8]) {
        let mut gathered = gathered();
        if self.source == Source::Stderr {
            gathered.lines.extend_from_slice(lines);
        }
        gathered.write();
        if self.source == Source::Stdout {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(lines).and_then(|()| out.flush());
        }
    }
}

/// A count of bytes as the original's access log has it: four digits and a decimal unit, `5B`, `1.234kB`.
pub(crate) fn human_size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes}B");
    }
    let mut size = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if size < 1000.0 {
            break;
        }
        size /= 1000.0;
        unit = larger;
    }
    let decimals = match size {
        s if s >= 1000.0 || s.fract() == 0.0 => 0,
        s if s >= 100.0 => 1,
        s if s >= 10.0 => 2,
        _ => 3,
    };
    let digits = format!("{size:.decimals$}");
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_four_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (5, "5B"),
            (999, "999B"),
            (1000, "1kB"),
            (1234, "1.234kB"),
            (12_345, "12.35kB"),
            (1_500_000, "1.5MB"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
    }
}
