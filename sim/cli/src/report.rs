//! `faas-lab report`: the page of a result, rendered again.

use std::fs;
use std::path::Path;

use faas_lab_model::metrics::ReadError;
use faas_lab_model::metrics::result::RunResult;
use faas_lab_reports::html;

use crate::args::ReportArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{REPORT, RESULT};
use crate::terminal;

pub(crate) fn run(arguments: &ReportArguments) -> Result<Outcome, Failure> {
    let file = match arguments.result.is_dir() {
        true => arguments.result.join(RESULT),
        false => arguments.result.clone(),
    };
    let page = html::render(&read(&file)?)?;
    let output = arguments.output.clone().unwrap_or_else(|| file.with_file_name(REPORT));
    if output == Path::new("-") {
        terminal::print(&page)?;
        return Ok(Outcome::Done);
    }
    write_whole(&output, &page)?;
    terminal::print(&format!("Report: {}\n", output.display()))?;
    Ok(Outcome::Done)
}

const NAME_ONE: &str = "name a result.json as `faas-lab simulate` writes it, or its folder";

/// A result of a version that this program knows.
fn read(file: &Path) -> Result<RunResult, Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::with_path("read", file, &error).help(NAME_ONE))?;
    RunResult::read(&text).map_err(|error| {
        let failure = Failure::new(format!("{} cannot be shown: {error}", file.display()));
        match error {
            ReadError::Version { .. } => {
                failure.help("run its `command` again, or use the version of faas-lab that its `tool` names")
            }
            ReadError::Form(_) => failure.help(NAME_ONE),
        }
    })
}

/// Under its final name only when it is whole. A link stays one, and what is no file, such as a pipe, is written to.
fn write_whole(file: &Path, text: &str) -> Result<(), Failure> {
    if fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        return fs::write(file, text).map_err(|error| Failure::with_path("write", file, &error));
    }
    let file = &fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut hidden = file.clone();
    hidden.set_extension(format!("{}.partial", std::process::id()));
    let written = fs::write(&hidden, text).and_then(|()| fs::rename(&hidden, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&hidden);
        Failure::with_path("write", file, &error)
    })
}
