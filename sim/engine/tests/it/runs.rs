//! Many independent runs of one scenario, on two threads, and what their metrics come to.

use std::sync::atomic::{AtomicU32, Ordering};

use faas_lab_model::metrics::RunRecord;
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::Scenario;
use faas_lab_model::statistics::Estimate;
use faas_lab_sim::{RunOptions, run};

use crate::support::secs;

/// Runs of one scenario under different seeds.
pub(crate) struct Runs<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) seed: Seed,
    pub(crate) count: u32,
    /// Seconds left out at the start of each.
    pub(crate) warm_up: f64,
    /// Steps of the time series of each.
    pub(crate) steps: usize,
}

impl Runs<'_> {
    pub(crate) fn of(scenario: &Scenario, count: u32, warm_up: f64) -> Runs<'_> {
        Runs { scenario, seed: Seed(1), count, warm_up, steps: 1 }
    }

    /// What `measure` reads off each run, in the order of their seeds; which thread ran what leaves no trace.
    pub(crate) fn measure<T: Send>(&self, measure: impl Fn(&RunRecord) -> T + Sync) -> Vec<T> {
        let next = AtomicU32::new(0);
        let work = || {
            let mut measured = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= self.count {
                    return measured;
                }
                let options = RunOptions { warm_up: secs(self.warm_up), steps: self.steps, ..RunOptions::default() };
                let record = run(self.scenario, self.seed.replication(index), options);
                measured.push((index, measure(&record)));
            }
        };
        let mut all = std::thread::scope(|scope| {
            let other = scope.spawn(work);
            let mut all = work();
            all.extend(other.join().expect("a run does not panic"));
            all
        });
        all.sort_by_key(|(index, _)| *index);
        all.into_iter().map(|(_, value)| value).collect()
    }

    /// The mean over runs of each of these metrics.
    pub(crate) fn estimates(&self, metrics: &[&str]) -> Vec<Estimate> {
        let values = self.measure(|record| metrics.iter().map(|key| metric(record, key)).collect::<Vec<_>>());
        let column = |index: usize| values.iter().map(|row| row[index]).collect::<Vec<f64>>();
        (0..metrics.len()).map(|index| estimate(&column(index))).collect()
    }
}

/// A metric over all functions.
pub(crate) fn metric(record: &RunRecord, key: &str) -> f64 {
    *record.metrics.get(key).unwrap_or_else(|| panic!("the record has no {key}"))
}

/// The mean of independent values.
pub(crate) fn estimate(values: &[f64]) -> Estimate {
    Estimate::from_replications(values).expect("finite values")
}
