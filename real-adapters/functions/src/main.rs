//! A built-in function as a program of its own, for containers: `faas-lab-functions NAME [--stdin | --port N]`.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((name, rest)) => faas_lab_functions::main(&name.to_string_lossy(), rest),
        None => {
            let names: Vec<&str> = faas_lab_functions::catalogue().iter().map(|builtin| builtin.name).collect();
            eprintln!("write the name of a function: {}", names.join(", "));
            ExitCode::from(2)
        }
    }
}
