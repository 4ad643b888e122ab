//! Ctrl-C, or a request to terminate: the first asks a run to end with what it has, the second ends the program.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::terminal;

static STOP: AtomicBool = AtomicBool::new(false);
static HEARD: Once = Once::new();

/// The exit code that shells expect of a program ended by Ctrl-C: 128 + SIGINT.
const KILLED: i32 = 130;

/// A flag that Ctrl-C sets from now on.
pub(crate) fn flag() -> &'static AtomicBool {
    HEARD.call_once(|| {
        let heard = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(KILLED);
            }
            terminal::complain("\nEnding with what is done so far; Ctrl-C again ends at once.");
        });
        if let Err(error) = heard {
            terminal::complain(&format!("Ctrl-C will end this at once, without a result: {error}"));
        }
    });
    &STOP
}
