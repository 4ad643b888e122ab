//! `faas-lab init`: a commented scenario to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use faas_lab_model::scenario::template;

use crate::args::InitArguments;
use crate::failure::{Failure, Outcome};
use crate::terminal;

pub(crate) fn run(arguments: &InitArguments) -> Result<Outcome, Failure> {
    let file = &arguments.file;
    if file == Path::new("-") {
        terminal::print(template())?;
        return Ok(Outcome::Done);
    }
    // To create is to check: nobody can slip a file in between.
    let opened = match arguments.force {
        true => OpenOptions::new().write(true).create(true).truncate(true).open(file),
        false => OpenOptions::new().write(true).create_new(true).open(file),
    };
    let written = opened.and_then(|mut opened| opened.write_all(template().as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(format!("{} is there already", file.display()))
            .help("name another file, or replace it with `--force`"),
        _ => Failure::with_path("write", file, &error),
    })?;
    terminal::print(&format!("Wrote {0}. Next: faas-lab simulate {0}\n", file.display()))?;
    Ok(Outcome::Done)
}
