//! Log lines as Go's logger writes them, and the function's own lines among them.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use faas_lab_http::go::log_prefix;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The prefix changes once a second, lines come by thousands.
static PREFIX: Mutex<(u64, String)> = Mutex::new((0, String::new()));

/// Writes a line to stderr, `2006/01/02 15:04:05 ` before it.
pub(crate) fn log(line: impl AsRef<str>) {
    let line = with_prefix("", line.as_ref().as_bytes());
    // There is nobody to tell that the log is gone.
    let _ = std::io::stderr().lock().write_all(&line);
}

fn with_prefix(source: &str, line: &[u8]) -> Vec<u8> {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut prefix = PREFIX.lock().unwrap_or_else(PoisonError::into_inner);
    if prefix.0 != second {
        *prefix = (second, log_prefix());
    }
    let mut whole = Vec::with_capacity(prefix.1.len() + source.len() + line.len() + 1);
    whole.extend_from_slice(prefix.1.as_bytes());
    whole.extend_from_slice(source.as_bytes());
    whole.extend_from_slice(line);
    whole.push(b'\n');
    whole
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
            out.extend_from_slice(&with_prefix(source, line));
        } else {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }

    fn write(&self, lines: &[u8]) {
        let _ = match self.source {
            Source::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(lines).and_then(|()| out.flush())
            }
            Source::Stderr => std::io::stderr().lock().write_all(lines),
        };
    }
}

/// A count of bytes as the original's access log has it: four digits and a decimal unit, `5B`, `1.234kB`.
pub(crate) fn human_size(bytes: u64) -> String {
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
