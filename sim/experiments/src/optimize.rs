//! The best setting of a scenario: settings are played as [`select`](crate::select) asks for them.

use std::sync::atomic::{AtomicU64, Ordering};

use faas_lab_model::metrics::result::MetricInfo;
use faas_lab_model::scenario::{Place, Problem, Scenario, Source};

use crate::contest::shared_warm_ups;
use crate::crew::{Crew, Run};
use crate::metrics;
use crate::replicate::{Ended, Progress};
use crate::select::{Bound, Choice, Observation, Wanted, choose};
use crate::simulate::result_of;

/// A bound on a metric, as written: `p95<2s`, `errors <= 1%`, `goodput > 10/s`.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// As written.
    pub text: String,
    /// The metric.
    pub metric: &'static MetricInfo,
    /// 1 if it must stay below, −1 if above.
    pub direction: f64,
    /// The bound, in the metric's unit.
    pub value: f64,
    /// Whether it is `<` or `>`, rather than `<=` or `>=`.
    pub strict: bool,
}

impl Constraint {
    /// Reads a constraint.
    ///
    /// # Errors
    /// What is wrong, where, and what to write instead.
    pub fn parse(text: &str) -> Result<Constraint, Problem> {
        let source = Source::new(&format!("--subject-to {text:?}"), text);
        let place = |range: std::ops::Range<usize>| Place::new(&source, range);
        let Some(at) = text.find(['<', '>']) else {
            return Err(Problem::at(place(0..text.len()), "a constraint needs `<` or `>`")
                .help("write METRIC<BOUND, such as 'p95<2s' or 'errors<1%'"));
        };
        let (name, rest) = (&text[..at], &text[at + 1..]);
        let bound = rest.strip_prefix('=').unwrap_or(rest);
        let metric = metrics::named(name)
            .map_err(|help| Problem::at(place(0..at), format!("there is no metric {:?}", name.trim())).help(help))?;
        let value = metrics::amount(bound, metric.unit).map_err(|help| {
            let start = text.len() - bound.len();
            Problem::at(place(start..text.len().max(start + 1)), format!("this is no bound for {}", metric.key))
                .help(help)
        })?;
        let direction = if text[at..].starts_with('<') { 1.0 } else { -1.0 };
        let strict = bound.len() == rest.len();
        Ok(Constraint { text: text.trim().to_owned(), metric, direction, value, strict })
    }

    /// As the search takes it; means within `indifference`, a share of the bound, may be judged either way.
    pub fn bound(&self, indifference: f64) -> Bound {
        let tolerance = (indifference * self.value.abs()).max(1e-9);
        Bound { direction: self.direction, value: self.value, tolerance, strict: self.strict }
    }
}

/// Searches among `scenarios`, which are played under common random numbers. `keys` are those of the metrics: the
/// objective, then what the bounds of `wanted` are on.
///
/// The choice does not depend on the number of threads. The share that progress shows is of the budget, as nobody knows
/// how much of it will be needed.
pub fn search(scenarios: &[Scenario], keys: &[&str], wanted: &Wanted, crew: &Crew<'_>) -> Choice {
    let truncated = shared_warm_ups(scenarios, crew);
    let before = AtomicU64::new(0);
    let mut secs = 0.0;
    let mut observe = |jobs: &[(usize, u32)]| -> Option<Vec<Observation>> {
        if crew.stop.load(Ordering::Relaxed) {
            return None;
        }
        let runs: Vec<Run<'_>> = jobs
            .iter()
            .map(|(setting, number)| Run {
                scenario: &scenarios[*setting],
                warm_up: truncated[*setting].warm_up,
                number: *number,
            })
            .collect();
        let earlier = before.load(Ordering::Relaxed);
        let progress = |progress: Progress| {
            let finished = earlier + u64::from(progress.finished);
            (crew.progress)(Progress {
                finished: u32::try_from(finished).unwrap_or(u32::MAX),
                planned: u32::try_from(wanted.budget).unwrap_or(u32::MAX),
                simulated_secs: secs + progress.simulated_secs,
                share: (finished as f64 / wanted.budget as f64).min(1.0),
            });
        };
        let hands = Crew { progress: &progress, ..*crew };
        let mut found: Vec<Option<Observation>> = vec![None; jobs.len()];
        hands.play(&runs, &mut |job, record| {
            let setting = jobs[job].0;
            let ended = if record.partial { Ended::Overfull } else { Ended::Planned };
            let overfull = record.partial;
            let result = result_of(&scenarios[setting], "", vec![record], truncated[setting].clone(), ended);
            let metrics = result.and_then(|mut result| result.replications.pop()).map(|one| one.metrics);
            // What broke down is not judged by what it did before.
            let value = |key: &&str| metrics.as_ref().filter(|_| !overfull)?.get(*key).copied();
            found[job] = Some(keys.iter().map(value).collect());
        });
        secs += runs.iter().map(|run| run.scenario.duration.as_secs_f64()).sum::<f64>();
        before.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        found.into_iter().collect()
    };
    choose(scenarios.len(), wanted, &mut observe)
}

#[cfg(test)]
mod tests {
    use faas_lab_model::metrics::result;

    use super::*;

    #[test]
    fn constraints_are_read() {
        let p95 = Constraint::parse("p95<2s").expect("valid");
        assert_eq!((p95.metric.key, p95.direction, p95.value), (result::RESPONSE_P95, 1.0, 2.0));
        let errors = Constraint::parse(" errors <= 1% ").expect("valid");
        assert_eq!((errors.metric.key, errors.value, errors.text.as_str()), (result::ERROR_RATE, 0.01, "errors <= 1%"));
        assert_eq!(Constraint::parse("goodput > 10/s").expect("valid").direction, -1.0);
        assert_eq!((p95.strict, errors.strict), (true, false));
        assert!((errors.bound(0.02).tolerance - 0.0002).abs() < 1e-12);
        for (text, at, words) in [
            ("p95", ":1:1", "needs `<` or `>`"),
            ("p96<2s", ":1:1", "no metric \"p96\""),
            ("p95<2", ":1:5", "no bound for response_p95"),
            ("errors<", ":1:8", "no bound for error_rate"),
        ] {
            let problem = Constraint::parse(text).expect_err(text);
            let place = problem.place.as_ref().expect("a place").to_string();
            assert!(place.ends_with(at) && problem.message.contains(words), "{text}: {place} {problem}");
        }
    }
}
