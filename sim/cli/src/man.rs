//! `faas-lab man`: manual pages, from the same texts as `--help`.

use std::fs;

use clap::CommandFactory as _;

use crate::args::{Arguments, ManArguments};
use crate::failure::{Failure, Outcome};
use crate::terminal;

pub(crate) fn run(arguments: &ManArguments) -> Result<Outcome, Failure> {
    let command = Arguments::command();
    match &arguments.dir {
        Some(dir) => fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(command, dir))
            .map_err(|error| Failure::with_path("write manual pages to", dir, &error))?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).expect("writing to memory cannot fail");
            terminal::print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(Outcome::Done)
}
