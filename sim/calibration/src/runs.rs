//! Replications of one scenario, and what is read off them.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

use faas_lab_experiments::{Crew, Progress};
use faas_lab_model::metrics::RunRecord;
use faas_lab_model::scenario::{BuiltIn, Scenario};
use faas_lab_model::time::Span;
use faas_lab_sim::{RequestRecord, RunOptions};

/// Who plays the cases; changes no number.
#[derive(Clone, Copy)]
pub struct Players<'a> {
    /// Runs at once.
    pub threads: NonZeroUsize,
    /// Set from outside to end early.
    pub stop: &'a AtomicBool,
    /// Called with what is being played.
    pub progress: &'a (dyn Fn(&str) + Sync),
}

/// What is left out at the start of each run, and how finely its series are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) warm_up: Span,
    pub(crate) steps: usize,
}

impl Default for View {
    fn default() -> View {
        View { warm_up: Span::ZERO, steps: 1 }
    }
}

impl Players<'_> {
    /// What `read` finds in each replication of `scenario`, in order; fewer after a stop.
    pub(crate) fn measure<T: Send>(
        &self,
        scenario: &Scenario,
        view: View,
        read: &(dyn Fn(&RunRecord) -> T + Sync),
    ) -> Vec<T> {
        self.watch(scenario, view, &|record, _| read(record), false)
    }

    /// The same with each request of a replication beside its record, in order of their ends.
    pub(crate) fn measure_requests<T: Send>(
        &self,
        scenario: &Scenario,
        view: View,
        read: &(dyn Fn(&RunRecord, &[RequestRecord]) -> T + Sync),
    ) -> Vec<T> {
        self.watch(scenario, view, read, true)
    }

    fn watch<T: Send>(
        &self,
        scenario: &Scenario,
        view: View,
        read: &(dyn Fn(&RunRecord, &[RequestRecord]) -> T + Sync),
        requests: bool,
    ) -> Vec<T> {
        (self.progress)(&scenario.name);
        let quiet = |_: Progress| ();
        let crew = Crew { threads: self.threads, stop: self.stop, progress: &quiet };
        let count = scenario.replications.max(1) as usize;
        let mut found: Vec<Option<T>> = (0..count).map(|_| None).collect();
        let work = |_: usize, job: usize| {
            let mut log = Vec::new();
            let mut keep = |request: &RequestRecord| log.push(*request);
            let options = RunOptions {
                warm_up: view.warm_up,
                steps: view.steps,
                stop: Some(self.stop),
                progress: None,
                requests: if requests { Some(&mut keep) } else { None },
            };
            let record = faas_lab_sim::run(scenario, scenario.seed.replication(job as u32), options);
            (!record.partial).then(|| read(&record, &log))
        };
        crew.each(count, &work, &mut |job, value| found[job] = value);
        found.into_iter().flatten().collect()
    }
}

/// A case's scenario from its text; it names nothing but built-in profiles.
///
/// # Panics
/// If the text is not a scenario: cases are part of the program, and each is played by a test.
pub(crate) fn scenario(name: &str, text: &str, overrides: &[String]) -> Scenario {
    match Scenario::parse("case.toml", text, overrides, &BuiltIn) {
        Ok(scenario) => Scenario { name: name.to_owned(), ..scenario },
        Err(errors) => panic!("the case {name} is not in order: {errors}"),
    }
}

/// The value at a share of sorted ones, in (0, 1]: the smallest that so many do not exceed. `None` without any.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// The middle value, or the mean of the middle two; `None` without any.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len().checked_sub(1)? / 2;
    Some(if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle] + sorted[middle + 1]) / 2.0 })
}

/// The mean; not a number without values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(5.0));
        assert_eq!(quantile(&values, 0.95), Some(10.0));
        assert_eq!(quantile(&values, 1e-9), Some(1.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
