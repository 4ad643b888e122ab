//! `faas-lab report`: the page of a result, rendered again.

use std::fs;
use std::path::{Path, PathBuf};

use faas_lab_model::metrics::result::{RunResult, SCHEMA_VERSION};
use faas_lab_reports::html;
use serde::Deserialize;

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

/// A result of a version that this program knows.
fn read(file: &Path) -> Result<RunResult, Failure> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Versioned {
        schema_version: u32,
    }
    let text = fs::read_to_string(file).map_err(|error| Failure::with_path("read", file, &error))?;
    let broken = |error: serde_json::Error| Failure::new(format!("{} is not a result: {error}", file.display()));
    let Versioned { schema_version } = serde_json::from_str(&text).map_err(broken)?;
    if schema_version != SCHEMA_VERSION {
        return Err(Failure::new(format!(
            "{} has schema version {schema_version}; this program reads {SCHEMA_VERSION}",
            file.display()
        ))
        .help("run its `command` again, or use the version of faas-lab that its `tool` names"));
    }
    serde_json::from_str(&text).map_err(broken)
}

/// Under its final name only when it is whole.
fn write_whole(file: &Path, text: &str) -> Result<(), Failure> {
    let mut hidden = PathBuf::from(file);
    hidden.set_extension(format!("{}.partial", std::process::id()));
    let written = fs::write(&hidden, text).and_then(|()| fs::rename(&hidden, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&hidden);
        Failure::with_path("write", file, &error)
    })
}
