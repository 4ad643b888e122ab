//! `faas-lab report`: the page of a result or a comparison, rendered again.

use std::fs;
use std::path::Path;

use faas_lab_model::metrics::ReadError;
use faas_lab_model::metrics::comparison::Comparison;
use faas_lab_model::metrics::result::{RunResult, SCHEMA_VERSION};
use faas_lab_reports::html;

use crate::args::ReportArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{COMPARISON, REPORT, RESULT};
use crate::terminal;

pub(crate) fn run(arguments: &ReportArguments) -> Result<Outcome, Failure> {
    let folder = arguments.result.is_dir();
    let file = match folder {
        true if arguments.result.join(COMPARISON).is_file() => arguments.result.join(COMPARISON),
        true => arguments.result.join(RESULT),
        false => arguments.result.clone(),
    };
    let page = match file.ends_with(COMPARISON) {
        true => faas_lab_reports::compare(&read_comparison(&file)?)?,
        false => {
            let result = read(&file)?;
            html::render(&result).map_err(|error| {
                Failure::new(format!("{} cannot be shown: {error}", file.display())).help("run its `command` again")
            })?
        }
    };
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
            ReadError::NotFinite { .. } => failure.help("leave out what has no value"),
        }
    })
}

/// A comparison as `faas-lab compare` writes it. Its ranks and indices are taken as they are, so only sound ones are.
fn read_comparison(file: &Path) -> Result<Comparison, Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::with_path("read", file, &error).help(NAME_ONE))?;
    let cannot =
        |why: &str| Failure::new(format!("{} cannot be shown: {why}", file.display())).help("run its `command` again");
    let comparison: Comparison = serde_json::from_str(&text).map_err(|error| cannot(&error.to_string()))?;
    let known = |entry: &usize| *entry < comparison.entries.len();
    let other = comparison.entries.iter().find(|entry| entry.result.schema_version != SCHEMA_VERSION);
    let sound = known(&comparison.baseline)
        && comparison.ranking.iter().chain(&comparison.pareto).all(known)
        && comparison.differences.iter().all(|difference| known(&difference.entry));
    match (other, sound) {
        (Some(other), _) => Err(cannot(&format!(
            "schema version {}, but this program reads {SCHEMA_VERSION}",
            other.result.schema_version
        ))),
        (None, false) => Err(cannot("it names entries that are not there")),
        (None, true) => Ok(comparison),
    }
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
