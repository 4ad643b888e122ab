//! For tests: the watchdog, as `faas-lab up` contains it.

use std::process::ExitCode;

fn main() -> ExitCode {
    faas_lab_watchdog::become_function_if_asked();
    faas_lab_watchdog::main()
}
