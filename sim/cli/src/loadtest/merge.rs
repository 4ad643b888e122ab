//! `faas-lab merge`: the parts of a shared load test become one result.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use faas_lab_loadgen::merge::{LEDGER_VERSION, LedgerFile, Part, merge};
use faas_lab_loadgen::{Measured, interval_log, shard};
use faas_lab_model::metrics::result::RunResult;

use super::{Paths, Summary, judge, text, write};
use crate::failure::{Failure, Outcome};
use crate::output::{LEDGER, LOG, REQUESTS, RESULT, Staging};
use crate::simulate::{RESULTS, quoted};
use crate::terminal;

/// Join what the parts of a shared load test have measured
///
/// Ledgers and histograms are added, so that the result is that of one client who had seen every call. It is invalid if a
/// part is missing or invalid.
#[derive(Args, Debug)]
pub(crate) struct MergeArguments {
    /// Folders of parts, or folders that hold them
    #[arg(required = true, value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,

    /// Folder for the result, replaced as a whole [default: faas-lab-results/NAME-live]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

/// What to say of the joined result.
pub(super) struct How {
    /// The command that makes it again.
    pub(super) command: String,
    pub(super) json: bool,
    pub(super) quiet: bool,
}

pub(crate) fn run(arguments: &MergeArguments) -> Result<Outcome, Failure> {
    let folders = find(&arguments.folders)?;
    let first = read_result(&folders[0])?;
    let out = arguments.out.clone().unwrap_or_else(|| Path::new(RESULTS).join(format!("{}-live", first.name)));
    let words = arguments.folders.iter().map(|folder| quoted(&folder.display().to_string()));
    let command = format!("faas-lab merge {}", words.collect::<Vec<_>>().join(" "));
    let how = How { command, json: arguments.json, quiet: arguments.quiet };
    join(&folders, Staging::new(&out)?, &how)
}

/// Joins the parts in these folders.
pub(super) fn join(folders: &[PathBuf], staging: Staging, how: &How) -> Result<Outcome, Failure> {
    let parts = folders.iter().map(|folder| read(folder)).collect::<Result<Vec<Part>, Failure>>()?;
    let ledger = parts.first().map(|part| part.ledger.clone());
    let result = merge(parts, how.command.clone()).map_err(|error| Failure::new(error.to_string()))?;
    join_logs(folders, &result, &staging)?;
    let has_requests = join_requests(folders, &staging)?;
    write(&result, &staging)?;
    let paths = Paths::new(staging.target(), has_requests);
    staging.publish()?;

    let Some(ledger) = ledger else { return Err(Failure::new("there is no part to join")) };
    let measured = Measured { stopped: result.partial, result, ledger };
    let outcome = judge(&measured);
    if how.json {
        let summary = Summary::new(&measured.result, &paths, outcome);
        let json = serde_json::to_string_pretty(&summary).map_err(|error| Failure::new(error.to_string()))?;
        terminal::print(&format!("{json}\n"))?;
    } else if !how.quiet {
        terminal::print(&text(&measured, &paths))?;
    }
    Ok(outcome)
}

/// Folders with a ledger: those given, or those in them.
fn find(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for folder in given {
        if folder.join(LEDGER).is_file() {
            found.push(folder.clone());
            continue;
        }
        let entries = fs::read_dir(folder).map_err(|error| Failure::with_path("read the folder", folder, &error))?;
        let mut inside: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.join(LEDGER).is_file()).collect();
        if inside.is_empty() {
            return Err(Failure::new(format!("{} holds no part of a shared load test", folder.display()))
                .help(format!("a part has a {LEDGER}: `faas-lab loadtest --shard i/N` writes it")));
        }
        inside.sort();
        found.extend(inside);
    }
    Ok(found)
}

fn read(folder: &Path) -> Result<Part, Failure> {
    let path = folder.join(LEDGER);
    let json = fs::read_to_string(&path).map_err(|error| Failure::with_path("read", &path, &error))?;
    let file: LedgerFile = serde_json::from_str(&json)
        .map_err(|error| Failure::new(format!("{}: not a ledger: {error}", path.display())))?;
    if file.version != LEDGER_VERSION {
        let message = format!("{}: version {}, but this program reads {LEDGER_VERSION}", path.display(), file.version);
        return Err(Failure::new(message).help("join parts with the version that measured them"));
    }
    Ok(Part { name: folder.display().to_string(), result: read_result(folder)?, ledger: file.ledger })
}

fn read_result(folder: &Path) -> Result<RunResult, Failure> {
    let path = folder.join(RESULT);
    let json = fs::read_to_string(&path).map_err(|error| Failure::with_path("read", &path, &error))?;
    RunResult::read(&json).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// The interval logs of all parts, if all have one.
fn join_logs(folders: &[PathBuf], result: &RunResult, staging: &Staging) -> Result<(), Failure> {
    let paths: Vec<PathBuf> = folders.iter().map(|folder| folder.join(LOG)).collect();
    if !paths.iter().all(|path| path.is_file()) {
        return Ok(());
    }
    let read = |path: &PathBuf| fs::read(path).map_err(|error| Failure::with_path("read", path, &error));
    let logs = paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let started = result.measurement.as_ref().and_then(|measurement| shard::instant(&measurement.started_at).ok());
    let file = staging.create(LOG)?;
    interval_log::merge(&logs, started.unwrap_or(SystemTime::UNIX_EPOCH), std::io::BufWriter::new(file)).map_err(
        |error| {
            let place = match error {
                interval_log::MergeLogsError::Form(index) => paths[index].display().to_string(),
                interval_log::MergeLogsError::Write(_) => staging.target().join(LOG).display().to_string(),
            };
            Failure::new(format!("{place}: {error}"))
        },
    )
}

/// The calls of all parts, part after part, if all have written them.
fn join_requests(folders: &[PathBuf], staging: &Staging) -> Result<bool, Failure> {
    let paths: Vec<PathBuf> = folders.iter().map(|folder| folder.join(REQUESTS)).collect();
    if !paths.iter().all(|path| path.is_file()) {
        return Ok(false);
    }
    let mut out = std::io::BufWriter::new(staging.create(REQUESTS)?);
    for (index, path) in paths.iter().enumerate() {
        let file = fs::File::open(path).map_err(|error| Failure::with_path("read", path, &error))?;
        let mut file = std::io::BufReader::new(file);
        if index > 0 {
            // One line of headings is enough.
            let mut headings = Vec::new();
            std::io::BufRead::read_until(&mut file, b'\n', &mut headings)
                .map_err(|error| Failure::with_path("read", path, &error))?;
        }
        std::io::copy(&mut file, &mut out).map_err(|error| staging.failed(REQUESTS, &error))?;
    }
    std::io::Write::flush(&mut out).map_err(|error| staging.failed(REQUESTS, &error))?;
    Ok(true)
}
