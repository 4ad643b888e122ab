//! Standard output and error, without the panics of `println!`.

use std::env;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use faas_lab_reports::text::TextOptions;

use crate::failure::Failure;

/// Writes `text` to standard output. A reader that has gone (`| head`) has seen what it wanted; a full disk is a failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error, if anybody listens.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// How to set a summary on standard output: as wide as the terminal, in colour unless `NO_COLOR` is set or nobody looks.
pub(crate) fn options() -> TextOptions {
    let watched = io::stdout().is_terminal();
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let color = watched && !refused && !is_dumb();
    match terminal_size::terminal_size() {
        Some((terminal_size::Width(width), _)) if watched => TextOptions { width: usize::from(width).min(120), color },
        _ => TextOptions { color, ..TextOptions::default() },
    }
}

/// Whether the terminal knows no escapes.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}
