//! `faas-lab sweep`: many points, a row each, in a folder that an interrupted sweep goes on from.

mod emit;
mod folder;
mod shard;
mod tables;

use std::path::{Path, PathBuf};

use faas_lab_experiments::Crew;
use faas_lab_experiments::grid::{Combine, Grid};
use faas_lab_experiments::sweep::{Row, Sweep};
use faas_lab_model::scenario::Scenario;
use serde::Serialize;

use crate::args::SweepArguments;
use crate::compare::{overrides, threads};
use crate::failure::{Failure, Outcome};
use crate::progress::ProgressLine;
use crate::{interrupt, terminal};
use folder::{Folder, Plan};
pub(crate) use shard::Shard;

pub(crate) fn run(arguments: &SweepArguments) -> Result<Outcome, Failure> {
    if arguments.merge {
        return merge(arguments);
    }
    let [path] = arguments.inputs.as_slice() else {
        return Err(Failure::new("a sweep is of one scenario").help("name one file; to join shards, add --merge"));
    };
    if arguments.vary.is_empty() {
        return Err(Failure::new("nothing is varied")
            .help("add --vary KEY=V1,V2, such as --vary function.NAME.replicas.max=1..12"));
    }
    let own = overrides(&arguments.set, arguments.seed, arguments.replications);
    let grid = Grid::read(&arguments.vary, if arguments.pairs { Combine::Pairs } else { Combine::Grid })?;
    let scenario = Scenario::load(path, &own)?;
    let target =
        arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("faas-lab-results/{}-sweep", scenario.name)));
    if let Some(scheduler) = arguments.emit {
        let words = emit::words(arguments, &target);
        terminal::print(&emit::job(scheduler, &scenario.name, &words, &target, arguments.shards))?;
        return Ok(Outcome::Done);
    }
    let shard = Shard::find(arguments.shard, |name| std::env::var(name).ok())?;
    let plan = Plan::new(&scenario, &own, &grid, arguments.pairs, shard);
    let target = if shard.count > 1 { target.join(shard.folder()) } else { target };
    let mut folder = Folder::open(&target, &plan)?;
    let all: Vec<usize> = (0..grid.points.len()).filter(|point| shard.has(*point)).collect();
    let left: Vec<usize> = all.iter().copied().filter(|point| !folder.has(*point)).collect();

    let line = ProgressLine::new(arguments.quiet);
    let crew = Crew {
        threads: threads(arguments.threads),
        stop: interrupt::flag(),
        progress: &|progress| line.show(progress),
    };
    let sweep = Sweep { path, own: &own, grid: &grid };
    sweep.check(&left, &crew)?;
    let mut failed: Option<Failure> = None;
    let whole = sweep.play(&left, &crew, &mut |row| {
        if let Err(failure) = folder.add(row) {
            failed.get_or_insert(failure);
            crew.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    })?;
    line.clear();
    if let Some(failure) = failed {
        return Err(failure);
    }
    let rows = folder.rows();
    tables::write(&target, &plan.axes, &rows)?;
    finish(arguments, &target, &rows, Done { points: all.len(), earlier: all.len() - left.len(), shard }, whole)
}

/// Joins the rows of shards into one table.
fn merge(arguments: &SweepArguments) -> Result<Outcome, Failure> {
    let (plan, rows) = folder::merged(&arguments.inputs)?;
    let target = match (&arguments.out, arguments.inputs.as_slice()) {
        (Some(out), _) => out.clone(),
        (None, [only]) => only.clone(),
        (None, _) => return Err(Failure::new("no folder is named for the joined table").help("add --out DIR")),
    };
    std::fs::create_dir_all(&target).map_err(|error| Failure::with_path("create the folder", &target, &error))?;
    tables::write(&target, &plan.axes, &rows)?;
    let whole = rows.len() == plan.points;
    let shard = Shard { index: 0, count: 1 };
    finish(arguments, &target, &rows, Done { points: plan.points, earlier: 0, shard }, whole)
}

/// What was to be done.
struct Done {
    points: usize,
    /// Points that an earlier run had finished.
    earlier: usize,
    shard: Shard,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    points: usize,
    finished: usize,
    from_earlier_runs: usize,
    partial: usize,
    shard: Option<String>,
    csv: String,
    parquet: String,
    exit_code: u8,
}

fn finish(
    arguments: &SweepArguments,
    target: &Path,
    rows: &[Row],
    done: Done,
    whole: bool,
) -> Result<Outcome, Failure> {
    let outcome = if whole { Outcome::Done } else { Outcome::EndedEarly };
    let partial = rows.iter().filter(|row| row.partial).count();
    if arguments.json {
        let summary = Summary {
            points: done.points,
            finished: rows.len(),
            from_earlier_runs: done.earlier,
            partial,
            shard: (done.shard.count > 1).then(|| done.shard.to_string()),
            csv: target.join(tables::CSV).display().to_string(),
            parquet: target.join(tables::PARQUET).display().to_string(),
            exit_code: outcome.code(),
        };
        let json = serde_json::to_string_pretty(&summary).expect("a summary has string keys");
        terminal::print(&format!("{json}\n"))?;
    } else if !arguments.quiet {
        let mut text = format!("{} of {} points", rows.len(), done.points);
        if done.shard.count > 1 {
            text.push_str(&format!(" of shard {}", done.shard));
        }
        if done.earlier > 0 {
            text.push_str(&format!(", {} of them from earlier runs", done.earlier));
        }
        text.push_str(".\n");
        if partial > 0 {
            text.push_str(&format!("! {partial} ended early: more requests were in flight than memory should hold.\n"));
        }
        if !whole && !arguments.merge {
            text.push_str("Ended early: the same command goes on from here.\n");
        } else if !whole {
            text.push_str("Some points are missing: run the shards that have not finished, and merge again.\n");
        }
        text.push_str(&format!("Tables: {}, {}\n", target.join(tables::CSV).display(), tables::PARQUET));
        terminal::print(&text)?;
    }
    Ok(outcome)
}
