//! The watchdog as a program of its own, for containers.

use std::process::ExitCode;

fn main() -> ExitCode {
    faas_lab_watchdog::become_function_if_asked();
    faas_lab_watchdog::main()
}
