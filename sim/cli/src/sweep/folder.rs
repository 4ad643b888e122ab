//! The folder of a sweep: what is to be done, and a row for each point that is.
//!
//! Rows are appended to `rows.jsonl`, one line each, written whole. A program that is killed leaves at most one broken
//! line at the end, which is dropped when the sweep goes on. A folder belongs to one sweep: another scenario, other
//! settings or another version are refused, since their rows would not go together.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use faas_lab_experiments::grid::Grid;
use faas_lab_experiments::sweep::Row;
use faas_lab_model::metrics::comparison::Axis;
use faas_lab_model::metrics::result::ScenarioRecord;
use faas_lab_model::scenario::Scenario;
use serde::{Deserialize, Serialize};

use super::shard::Shard;
use crate::failure::Failure;

/// What is to be done.
const PLAN: &str = "sweep.json";
/// What is done.
const ROWS: &str = "rows.jsonl";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// Version of the program; another one may count otherwise.
    pub(super) version: String,
    /// Name of the scenario.
    pub(super) name: String,
    /// Its file and all it needs, with the overrides for all points.
    pub(super) scenario: ScenarioRecord,
    /// What is varied.
    pub(super) axes: Vec<Axis>,
    /// Whether values are taken together.
    pub(super) pairs: bool,
    /// Overrides for all points.
    pub(super) set: Vec<String>,
    /// Points of all shards together.
    pub(super) points: usize,
    /// Which shard, and of how many.
    pub(super) shard: (usize, usize),
}

impl Plan {
    pub(super) fn new(scenario: &Scenario, own: &[String], grid: &Grid, pairs: bool, shard: Shard) -> Plan {
        Plan {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: scenario.name.clone(),
            // The path may be written differently on another machine.
            scenario: ScenarioRecord { path: String::new(), ..scenario.record.clone() },
            axes: grid.axes.clone(),
            pairs,
            set: own.to_vec(),
            points: grid.points.len(),
            shard: (shard.index, shard.count),
        }
    }

    /// Why rows of `other` would not go together with these.
    fn differs(&self, other: &Plan) -> Option<String> {
        let reason = match () {
            () if self.version != other.version => {
                format!("it was begun with version {}, and this is {}", self.version, other.version)
            }
            () if self.set != other.set => {
                format!("it was begun with the overrides {:?}, not {:?}", self.set, other.set)
            }
            () if self.axes != other.axes => {
                let keys = |plan: &Plan| plan.axes.iter().map(|axis| axis.key.clone()).collect::<Vec<_>>().join(", ");
                format!("other values of --vary are in it (of {})", keys(self))
            }
            () if self.pairs != other.pairs => "it was begun with the other choice of --pairs".to_owned(),
            () if self.scenario.toml != other.scenario.toml => "the scenario file has changed since".to_owned(),
            () if self.scenario != other.scenario => "a profile, price list or trace has changed since".to_owned(),
            () => return None,
        };
        Some(reason)
    }
}

/// A sweep's folder, held by this process alone.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    log: File,
    rows: BTreeMap<usize, Row>,
}

impl Folder {
    /// Begins a sweep in `path`, or goes on with the one that is there.
    pub(super) fn open(path: &Path, plan: &Plan) -> Result<Folder, Failure> {
        fs::create_dir_all(path).map_err(|error| Failure::with_path("create the folder", path, &error))?;
        let file = path.join(PLAN);
        match read_plan(&file)? {
            Some(begun) => refuse_other(path, &begun, plan)?,
            None => {
                let strange =
                    fs::read_dir(path).map_err(|error| Failure::with_path("read the folder", path, &error))?;
                let strange =
                    strange.flatten().find(|entry| !entry.file_name().to_string_lossy().starts_with("shard-"));
                if let Some(strange) = strange {
                    let name = strange.file_name();
                    let message = format!("{} holds {} and no sweep", path.display(), name.to_string_lossy());
                    return Err(Failure::new(message).help("choose an empty or new folder with `--out`"));
                }
                let json = serde_json::to_string_pretty(plan).expect("a plan has string keys");
                write_whole(&file, json.as_bytes())?;
            }
        }
        let file = path.join(ROWS);
        let failed = |error: &std::io::Error| Failure::with_path("write", &file, error);
        let mut options = OpenOptions::new();
        let mut log =
            options.read(true).write(true).create(true).truncate(false).open(&file).map_err(|e| failed(&e))?;
        match log.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(format!("another sweep is at work in {}", path.display()))
                    .help("wait for it, or choose another `--out`"));
            }
            // Some file systems know no locks; then nobody is kept from starting a sweep twice.
            Err(TryLockError::Error(_)) => {}
        }
        let (rows, sound) = read_rows(&file)?;
        log.set_len(sound).and_then(|()| log.seek(SeekFrom::Start(sound))).map_err(|error| failed(&error))?;
        Ok(Folder { path: file, log, rows })
    }

    /// Whether a point is done.
    pub(super) fn has(&self, point: usize) -> bool {
        self.rows.contains_key(&point)
    }

    /// Notes a point that is done.
    pub(super) fn add(&mut self, row: Row) -> Result<(), Failure> {
        let mut line = serde_json::to_string(&row).expect("a row has string keys");
        line.push('\n');
        self.log.write_all(line.as_bytes()).map_err(|error| Failure::with_path("write", &self.path, &error))
    }

    /// All rows in the order of points, as a reader of the folder would get them.
    pub(super) fn rows(self) -> Vec<Row> {
        let again = read_rows(&self.path).map(|(rows, _)| rows).unwrap_or(self.rows);
        again.into_values().collect()
    }
}

fn refuse_other(path: &Path, begun: &Plan, plan: &Plan) -> Result<(), Failure> {
    let reason = begun
        .differs(plan)
        .or_else(|| (begun.shard != plan.shard).then(|| format!("it is of shard {}/{}", begun.shard.0, begun.shard.1)));
    match reason {
        Some(reason) => Err(Failure::new(format!("{} is of another sweep: {reason}", path.display()))
            .help("choose another folder with `--out`, or remove this one")),
        None => Ok(()),
    }
}

fn read_plan(file: &Path) -> Result<Option<Plan>, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::with_path("read", file, &error)),
    };
    let plan = serde_json::from_str(&text);
    plan.map(Some)
        .map_err(|error| Failure::new(format!("{} is not of a sweep of this version: {error}", file.display())))
}

/// The rows, and how many bytes of the file are sound: what follows the last line break was cut off by a sudden end.
fn read_rows(file: &Path) -> Result<(BTreeMap<usize, Row>, u64), Failure> {
    let bytes = fs::read(file).map_err(|error| Failure::with_path("read", file, &error))?;
    let sound = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let mut rows = BTreeMap::new();
    for (number, line) in bytes[..sound].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let row: Row = serde_json::from_slice(line).map_err(|error| {
            Failure::new(format!("line {} of {} is damaged: {error}", number + 1, file.display()))
                .help("remove that line; its point is then played again")
        })?;
        rows.insert(row.point, row);
    }
    Ok((rows, sound as u64))
}

/// Under its name only when it is whole.
pub(super) fn write_whole(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut hidden = file.to_owned();
    hidden.set_extension(format!("{}.partial", std::process::id()));
    let written = fs::write(&hidden, bytes).and_then(|()| fs::rename(&hidden, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&hidden);
        Failure::with_path("write", file, &error)
    })
}

/// The rows of all `folders` and of the shards in them, if they are of one sweep.
pub(super) fn merged(folders: &[PathBuf]) -> Result<(Plan, Vec<Row>), Failure> {
    let mut parts = Vec::new();
    for folder in folders {
        let entries = fs::read_dir(folder).map_err(|error| Failure::with_path("read the folder", folder, &error))?;
        let mut below: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        below.sort();
        parts.extend(std::iter::once(folder.clone()).chain(below).filter(|path| path.join(PLAN).is_file()));
    }
    let mut found: Option<(PathBuf, Plan)> = None;
    let mut rows = BTreeMap::new();
    for part in parts {
        let Some(plan) = read_plan(&part.join(PLAN))? else { continue };
        if let Some((first, known)) = &found
            && let Some(reason) = known.differs(&plan)
        {
            let message = format!("{} and {} are not of one sweep: {reason}", first.display(), part.display());
            return Err(Failure::new(message).help("merge only shards of one sweep"));
        }
        if part.join(ROWS).is_file() {
            rows.extend(read_rows(&part.join(ROWS))?.0);
        }
        found.get_or_insert((part, plan));
    }
    match found {
        Some((_, plan)) => Ok((plan, rows.into_values().collect())),
        None => {
            Err(Failure::new("no sweep is in these folders").help("name the folders that `faas-lab sweep --out` wrote"))
        }
    }
}
