//! The command line of faas-lab: reads arguments, hands them to one file per subcommand, and turns what comes back into
//! an exit code: 0 done, 1 ran but missed a stated expectation, 2 could not run, 3 ran but the measurement is invalid.

mod args;
mod calibrate;
mod check;
mod compare;
mod completions;
mod failure;
mod hidden;
mod init;
mod interrupt;
mod list;
mod loadtest;
mod man;
mod optimize;
mod output;
mod ping;
mod progress;
mod report;
mod requests;
mod schema;
mod serve;
mod simulate;
mod sweep;
mod target;
mod terminal;
mod up;
mod validate;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use failure::{Failure, Outcome};

fn main() -> ExitCode {
    if let Some(code) = hidden::run() {
        return code;
    }
    match run(Arguments::parse()) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            terminal::complain(&failure.to_string());
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    match arguments.command {
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Optimize(arguments) => optimize::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Calibrate(arguments) => calibrate::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Profiles => list::profiles(),
        Command::Policies => list::policies(),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Up(arguments) => up::run(&arguments),
        Command::Ping(arguments) => ping::run(&arguments),
        Command::Loadtest(arguments) => loadtest::run(&arguments),
        Command::Merge(arguments) => loadtest::merge(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}
