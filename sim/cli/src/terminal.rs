//! Standard output and error, without the panics of `println!`.

use std::io::{self, ErrorKind, Write as _};

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
