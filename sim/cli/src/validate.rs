//! `faas-lab validate`: the model against a live gateway, and against what others have measured.

mod document;
mod live;

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use faas_lab_calibration::{Players, Section, html, json, k3s, markdown, missed, published, text};

use crate::args::ValidateArguments;
use crate::failure::{Failure, Outcome};
use crate::{interrupt, terminal};

pub(crate) use live::Tolerance;

/// The folder of the k3s measurements in a folder of data.
const K3S: &str = "openfaas-k3s-2022";

/// Sections that come from one source, under the name of their place in the document.
struct Part {
    place: String,
    command: String,
    sections: Vec<Section>,
}

pub(crate) fn run(arguments: &ValidateArguments) -> Result<Outcome, Failure> {
    let watched = !arguments.quiet && io::stderr().is_terminal() && !terminal::is_dumb();
    let say = |text: &str| {
        if watched {
            let _ = write!(io::stderr().lock(), "\r\x1b[K{text}");
        }
    };
    let players = Players {
        threads: arguments.threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
        stop: interrupt::flag(),
        progress: &|name| say(&format!("playing {name}")),
    };
    let mut parts = Vec::new();
    let mut worse = None;
    if let Some(scenario) = &arguments.scenario {
        let validated = live::run(arguments, scenario)?;
        // A place of its own for each scenario, so that several stand in one document.
        let place = format!("live {}", validated.name);
        parts.push(Part { place, command: validated.command, sections: vec![validated.section] });
        worse = validated.worse;
    }
    if arguments.published {
        let sections = published::all(&players);
        parts.push(Part { place: "published".into(), command: "faas-lab validate --published".into(), sections });
    }
    // The variable alone asks for nothing beside a scenario.
    if let Some(data) = arguments.raw.as_ref().filter(|_| arguments.scenario.is_none()) {
        match k3s_folder(data)? {
            Some(folder) => {
                let sections = k3s::predict(&folder, &players).map_err(|error| {
                    Failure::new(error.to_string())
                        .help("--raw wants the folder that holds openfaas-k3s-2022, complete")
                })?;
                parts.push(Part { place: K3S.into(), command: "faas-lab validate --raw DIR".into(), sections });
            }
            // Asked for by a variable rather than by name, beside cases that need none: said, and gone on.
            None => terminal::complain(&format!("skipped: {} holds no {K3S}", data.display())),
        }
    }
    say("");
    if worse.is_none() && players.stop.load(Ordering::Relaxed) {
        return Ok(Outcome::EndedEarly);
    }
    let shown = show(arguments, &parts)?;
    Ok(worse.unwrap_or(shown))
}

/// Where the k3s measurements are: in the folder, or the folder itself. A folder of other data has none.
fn k3s_folder(data: &Path) -> Result<Option<PathBuf>, Failure> {
    if !data.is_dir() {
        return Err(Failure::new(format!("there is no folder {}", data.display()))
            .help("name the folder that holds openfaas-k3s-2022 with --raw or FAAS_LAB_DATA"));
    }
    let inside = data.join(K3S);
    if inside.is_dir() {
        return Ok(Some(inside));
    }
    Ok(data.join("parallel-20").is_dir().then(|| data.to_owned()))
}

fn show(arguments: &ValidateArguments, parts: &[Part]) -> Result<Outcome, Failure> {
    let sections: Vec<Section> = parts.iter().flat_map(|part| part.sections.clone()).collect();
    let write =
        |path: &Path, text: &str| fs::write(path, text).map_err(|error| Failure::with_path("write", path, &error));
    if let Some(path) = &arguments.out {
        write(path, &html(&sections))?;
    }
    if let Some(path) = &arguments.markdown {
        let mut document = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => document::empty(),
            Err(error) => return Err(Failure::with_path("read", path, &error)),
        };
        for part in parts {
            let text = format!("Made by `{}`.\n\n{}", part.command, markdown(&part.sections));
            document = document::with_part(&document, &part.place, &text);
        }
        write(path, &document)?;
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&json(&sections)).expect("a table has string keys");
        terminal::print(&format!("{text}\n"))?;
    } else if !arguments.quiet {
        terminal::print(&text(&sections))?;
    }
    match missed(&sections) {
        _ if sections.is_empty() => Ok(Outcome::Undecided),
        0 => Ok(Outcome::Done),
        _ => Ok(Outcome::Missed),
    }
}
