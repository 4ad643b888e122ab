//! What this program is when it starts itself: a watchdog, or a function behind one. No help text names these.

use std::env;
use std::process::ExitCode;

/// The first argument of a watchdog.
pub(crate) const WATCHDOG: &str = "watchdog";

/// The first argument of a function; its name is the second.
pub(crate) const FUNCTION: &str = "function";

/// Before anything else, as functions should be there at once: `None` if a person has called.
pub(crate) fn run() -> Option<ExitCode> {
    faas_lab_watchdog::become_function_if_asked();
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next()?;
    if first == WATCHDOG {
        return Some(faas_lab_watchdog::main());
    }
    if first != FUNCTION {
        return None;
    }
    let name = arguments.next().unwrap_or_default();
    Some(faas_lab_functions::main(&name.to_string_lossy(), &arguments.collect::<Vec<_>>()))
}
