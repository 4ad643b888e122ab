//! Many points, one row each: read, played and let go, so that memory does not grow with their number.
//!
//! Each point stands alone: where its warm-up is found, it is found for itself. So a row does not depend on which other
//! points are played with it, on this machine or another, before or after an interruption.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use faas_lab_model::metrics::RunRecord;
use faas_lab_model::metrics::result::Estimate;
use faas_lab_model::scenario::{Scenario, ScenarioErrors, WarmUp};
use faas_lab_model::time::Span;
use serde::{Deserialize, Serialize};

use crate::crew::{Crew, Run};
use crate::grid::Grid;
use crate::replicate::{Ended, Plan, Progress};
use crate::simulate::result_of;
use crate::warmup::{Truncated, find_warm_up};

/// Points that are in memory at once.
const CHUNK: usize = 64;

/// What is found at one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Number of the point in the grid, from 0.
    pub point: usize,
    /// Its label.
    pub label: String,
    /// Its value on each axis, as written.
    pub values: Vec<String>,
    /// Replications played.
    pub replications: u32,
    /// Left out at the start, in seconds.
    pub warm_up_seconds: f64,
    /// Whether a replication ended itself because too many requests were in flight.
    pub partial: bool,
    /// Whether all objectives were met; absent without objectives.
    pub objectives_met: Option<bool>,
    /// Mean over replications of each metric, with its interval.
    pub metrics: BTreeMap<String, Estimate>,
}

/// Where a sweep starts from.
#[derive(Clone, Copy, Debug)]
pub struct Sweep<'a> {
    /// The scenario file.
    pub path: &'a Path,
    /// Overrides for all points.
    pub own: &'a [String],
    /// All points.
    pub grid: &'a Grid,
}

impl Sweep<'_> {
    /// Reads all points and keeps none; `false` if it was stopped before.
    ///
    /// # Errors
    /// All problems of all points, each told once.
    pub fn check(&self, points: &[usize], crew: &Crew<'_>) -> Result<(), ScenarioErrors> {
        // One thread's share is checked as a grid of its own, so that problems are told once.
        let parts = crew.threads.get().min(points.len()).max(1);
        let part = |index: usize| Grid {
            axes: Vec::new(),
            points: points.iter().skip(index).step_by(parts).map(|point| self.grid.points[*point].clone()).collect(),
        };
        let mut found: Vec<Option<ScenarioErrors>> = vec![None; parts];
        crew.each(parts, &|_, index| part(index).check(self.path, self.own).err(), &mut |index, errors| {
            found[index] = errors;
        });
        let mut problems = Vec::new();
        let mut told = std::collections::BTreeSet::new();
        for problem in found.into_iter().flatten().flat_map(|errors| errors.problems) {
            let alone = ScenarioErrors { name: String::new(), problems: vec![problem.clone()] }.to_string();
            // The same problem at several points differs only in the point it names.
            let key = alone.split(" (at ").next().unwrap_or(&alone).to_owned();
            if told.insert(key) {
                problems.push(problem);
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(ScenarioErrors { name: self.path.display().to_string(), problems }),
        }
    }

    /// Plays `points` and hands on each one's row as it is finished; `false` if it was stopped before all were.
    ///
    /// # Errors
    /// If the scenario has become unreadable on the way.
    pub fn play(
        &self,
        points: &[usize],
        crew: &Crew<'_>,
        row: &mut (dyn FnMut(Row) + Send),
    ) -> Result<bool, ScenarioErrors> {
        let mut secs_before = 0.0;
        let mut runs_before = 0u32;
        for (index, chunk) in points.chunks(CHUNK).enumerate() {
            let scenarios = self.load(chunk, crew)?;
            if crew.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let progress = |progress: Progress| {
                let share = (index * CHUNK) as f64 + progress.share * chunk.len() as f64;
                // The points to come are taken to have as many replications as these.
                let planned = u64::from(progress.planned) * points.len() as u64 / chunk.len() as u64;
                (crew.progress)(Progress {
                    finished: runs_before + progress.finished,
                    planned: u32::try_from(planned).unwrap_or(u32::MAX),
                    simulated_secs: secs_before + progress.simulated_secs,
                    share: (share / points.len() as f64).min(1.0),
                });
            };
            let crew = Crew { progress: &progress, ..*crew };
            if !self.play_chunk(chunk, &scenarios, &crew, row) {
                return Ok(false);
            }
            runs_before += scenarios.iter().map(|scenario| scenario.replications.max(1)).sum::<u32>();
            let secs = |scenario: &Scenario| scenario.duration.as_secs_f64() * f64::from(scenario.replications.max(1));
            secs_before += scenarios.iter().map(secs).sum::<f64>();
        }
        Ok(true)
    }

    fn load(&self, chunk: &[usize], crew: &Crew<'_>) -> Result<Vec<Scenario>, ScenarioErrors> {
        let mut loaded: Vec<Option<Result<Scenario, ScenarioErrors>>> = chunk.iter().map(|_| None).collect();
        let load = |_: usize, index: usize| self.grid.points[chunk[index]].load(self.path, self.own);
        crew.each(chunk.len(), &load, &mut |index, scenario| loaded[index] = Some(scenario));
        loaded.into_iter().flatten().collect()
    }

    fn play_chunk(
        &self,
        chunk: &[usize],
        scenarios: &[Scenario],
        crew: &Crew<'_>,
        row: &mut (dyn FnMut(Row) + Send),
    ) -> bool {
        let truncated = own_warm_ups(scenarios, crew);
        if scenarios.len() != chunk.len() || crew.stop.load(Ordering::Relaxed) {
            return false;
        }
        let mut runs = Vec::new();
        for (index, (scenario, truncated)) in scenarios.iter().zip(&truncated).enumerate() {
            let numbers = 0..scenario.replications.max(1);
            runs.extend(numbers.map(|number| (index, Run { scenario, warm_up: truncated.warm_up, number })));
        }
        let (owners, runs): (Vec<usize>, Vec<Run<'_>>) = runs.into_iter().unzip();
        let mut waiting: Vec<Vec<(u32, RunRecord)>> = scenarios.iter().map(|_| Vec::new()).collect();
        let mut finished = 0;
        crew.play(&runs, &mut |job, record| {
            let index = owners[job];
            let records = &mut waiting[index];
            records.push((runs[job].number, record));
            if records.len() == scenarios[index].replications.max(1) as usize {
                let records = std::mem::take(records);
                row(self.row(chunk[index], &scenarios[index], records, truncated[index].clone()));
                finished += 1;
            }
        });
        finished == chunk.len()
    }

    fn row(&self, point: usize, scenario: &Scenario, mut records: Vec<(u32, RunRecord)>, truncated: Truncated) -> Row {
        records.sort_by_key(|(number, _)| *number);
        let records: Vec<RunRecord> = records.into_iter().map(|(_, record)| record).collect();
        let partial = records.iter().any(|record| record.partial);
        let ended = if partial { Ended::Overfull } else { Ended::Planned };
        let result = result_of(scenario, "", records, truncated, ended).expect("a point has a replication at least");
        let judged = !result.objectives.is_empty();
        Row {
            point,
            label: self.grid.points[point].label.clone(),
            values: self.grid.points[point].values.clone(),
            replications: u32::try_from(result.replications.len()).unwrap_or(u32::MAX),
            warm_up_seconds: result.window.warm_up_seconds,
            partial,
            objectives_met: judged.then(|| result.objectives.iter().all(|objective| objective.met)),
            metrics: result.summary,
        }
    }
}

/// Where the statistics of each scenario begin, found for each alone.
fn own_warm_ups(scenarios: &[Scenario], crew: &Crew<'_>) -> Vec<Truncated> {
    let found = Mutex::new(Vec::new());
    let find = |_: usize, index: usize| match scenarios[index].warm_up {
        WarmUp::Given(warm_up) => Truncated { warm_up, rule: "given".into(), warning: None },
        WarmUp::Auto => {
            let quiet = |_| ();
            let plan = Plan {
                warm_up: Span::ZERO,
                steps: 0,
                threads: NonZeroUsize::MIN,
                precision: None,
                stop: crew.stop,
                progress: &quiet,
            };
            find_warm_up(&scenarios[index], plan)
        }
    };
    crew.each(scenarios.len(), &find, &mut |index, truncated| {
        found.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((index, truncated));
    });
    let mut found = found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, truncated)| truncated).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::grid::Combine;

    const QUEUE: &str = "duration = \"500s\"\nseed = 3\nreplications = 2\n[function.f]\ndemand = { exponential = \"1s\" }\n\
                         concurrency = 1\nreplicas = 1\nwaiting_room = \"unbounded\"\n[[workload]]\nfunction = \"f\"\n\
                         arrivals = { poisson = \"0.5/s\" }\n[objective]\np95 = \"4s\"\n";

    fn rows(sweep: &Sweep<'_>, points: &[usize], threads: usize, stop_after: usize) -> Vec<Row> {
        let stop = AtomicBool::new(false);
        let crew = Crew { threads: NonZeroUsize::new(threads).expect("some"), stop: &stop, progress: &|_| () };
        let mut rows = Vec::new();
        sweep
            .play(points, &crew, &mut |row| {
                rows.push(row);
                stop.store(rows.len() >= stop_after, Ordering::Relaxed);
            })
            .expect("readable");
        rows.sort_by_key(|row| row.point);
        rows
    }

    #[test]
    fn a_row_is_the_same_whenever_and_with_whomever_it_is_played() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("queue.toml");
        std::fs::write(&path, QUEUE).expect("written");
        let vary = [
            "function.f.replicas=1..3".to_owned(),
            "workload.0.arrivals={ poisson = \"0.4/s\" },{ poisson = \"0.8/s\" }".to_owned(),
        ];
        let grid = Grid::read(&vary, Combine::Grid).expect("valid");
        let own = ["warmup=auto".to_owned()];
        let sweep = Sweep { path: &path, own: &own, grid: &grid };
        let all: Vec<usize> = (0..grid.points.len()).collect();
        let whole = rows(&sweep, &all, 1, usize::MAX);
        assert_eq!(whole.len(), 6);
        assert_eq!(whole, rows(&sweep, &all, 3, usize::MAX));
        assert!(whole.iter().all(|row| row.replications == 2 && row.objectives_met.is_some() && !row.partial));

        let mut resumed = rows(&sweep, &all, 2, 2);
        assert!((2..6).contains(&resumed.len()));
        let left: Vec<usize> =
            all.iter().copied().filter(|point| resumed.iter().all(|row| row.point != *point)).collect();
        resumed.extend(rows(&sweep, &left, 2, usize::MAX));
        resumed.sort_by_key(|row| row.point);
        assert_eq!(whole, resumed);
    }

    #[test]
    fn problems_of_many_points_are_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("queue.toml");
        std::fs::write(&path, QUEUE).expect("written");
        let vary = ["function.f.replicas=1..30".to_owned(), "duration=10s,soon".to_owned()];
        let grid = Grid::read(&vary, Combine::Grid).expect("valid");
        let stop = AtomicBool::new(false);
        let crew = Crew { threads: NonZeroUsize::new(3).expect("three"), stop: &stop, progress: &|_| () };
        let all: Vec<usize> = (0..grid.points.len()).collect();
        let sweep = Sweep { path: &path, own: &[], grid: &grid };
        let errors = sweep.check(&all, &crew).expect_err("soon is no time").to_string();
        assert_eq!(errors.matches("--set duration=soon:").count(), 1, "{errors}");
    }
}
