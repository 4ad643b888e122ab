//! `faas-lab completions`: what a shell needs to complete our arguments.

use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArguments};
use crate::failure::{Failure, Outcome};
use crate::terminal;

pub(crate) fn run(arguments: &CompletionsArguments) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "faas-lab", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
