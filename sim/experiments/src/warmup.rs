//! Where a scenario's initial transient ends: MSER-5 on the number in flight, averaged over pilot replications.
//!
//! The pilots have seeds of their own. Were the cut chosen from the replications that are then measured, it would fall
//! where those happen to look settled.

use faas_lab_model::metrics::RunRecord;
use faas_lab_model::metrics::result::Warning;
use faas_lab_model::rng::{Seed, Uniforms};
use faas_lab_model::scenario::Scenario;
use faas_lab_model::statistics::mser5;
use faas_lab_model::time::Span;

use crate::replicate::{Engine, Plan, replicate_with};

/// Pilot replications.
const PILOTS: u32 = 5;

/// Steps of a pilot's series: fine enough for the cut to be about 0.5 % of the run.
const STEPS: usize = 1000;

/// What to leave out.
#[derive(Clone, Debug, PartialEq)]
pub struct Truncated {
    /// Length of the warm-up.
    pub warm_up: Span,
    /// How it was found, for the result.
    pub rule: String,
    /// Set where the run is too short to tell.
    pub warning: Option<Warning>,
}

/// Finds the warm-up of `scenario` from pilot runs; `plan` says on how many threads and when to stop.
pub fn find_warm_up(scenario: &Scenario, plan: Plan<'_>) -> Truncated {
    find_with(&faas_lab_sim::run, scenario, plan)
}

pub(crate) fn find_with(engine: &Engine<'_>, scenario: &Scenario, plan: Plan<'_>) -> Truncated {
    let mut pilot = scenario.clone();
    pilot.seed = Seed(scenario.seed.key("experiments/pilot").draws(0, 0).bits());
    pilot.replications = PILOTS;
    let plan = Plan { warm_up: Span::ZERO, steps: STEPS, precision: None, ..plan };
    let records = replicate_with(engine, &pilot, plan, None).records;
    truncate(scenario, &records)
}

fn truncate(scenario: &Scenario, records: &[RunRecord]) -> Truncated {
    let Some((found, step)) = mean_in_flight(records).and_then(|(series, step)| Some((mser5(&series)?, step))) else {
        return Truncated {
            warm_up: Span::ZERO,
            rule: "auto: the run is too short for MSER-5, so nothing is left out".into(),
            warning: Some(Warning {
                code: "warm-up".into(),
                text: "The run is too short for MSER-5 to find the end of its warm-up; nothing is left out. \
                       Lengthen `duration`, or state a `warmup`."
                    .into(),
            }),
        };
    };
    let warm_up = step * found.index as u64;
    let share = 100.0 * warm_up.as_secs_f64() / scenario.duration.as_secs_f64();
    let rule = format!("auto: MSER-5 on requests in flight over {} pilot runs leaves out {warm_up}", records.len());
    let warning = found.at_limit.then(|| Warning {
        code: "warm-up".into(),
        text: format!(
            "The warm-up found, {warm_up} ({share:.0} % of the run), is the longest that MSER-5 considers: the run has \
             probably not settled, or never will because arrivals exceed what the replicas can do. Lengthen `duration`."
        ),
    });
    Truncated { warm_up, rule, warning }
}

/// The number in flight in the whole system, step by step, averaged over the records.
fn mean_in_flight(records: &[RunRecord]) -> Option<(Vec<f64>, Span)> {
    let courses = records.iter().map(|record| {
        let series = record.series.iter().find(|series| series.name == "in flight" && series.function.is_none());
        series.map(|series| series.values.as_slice())
    });
    let courses: Vec<&[f64]> = courses.collect::<Option<_>>()?;
    // Steps beyond the end of arrivals show the drain, not the steady state.
    let step = records.first()?.step;
    let arrivals_end = records.iter().map(|record| record.window.1).min()?;
    let within = (arrivals_end.as_nanos() / step.as_nanos().max(1)) as usize;
    let steps = courses.iter().map(|course| course.len()).min()?.min(within);
    let mean = |k: usize| courses.iter().map(|course| course[k]).sum::<f64>() / courses.len() as f64;
    Some(((0..steps).map(mean).collect(), step))
}

#[cfg(test)]
mod tests {
    use faas_lab_model::fixtures;
    use faas_lab_model::time::SimTime;

    use super::*;

    /// Records whose number in flight rises over `rise` of 200 steps of 5 s and then swings around 10.
    fn rising(rise: usize) -> Vec<RunRecord> {
        let scenario = fixtures::scenario();
        let mut record = fixtures::record(&scenario, 1, 1.0);
        record.step = Span::from_secs(5);
        let level = |k: usize| 10.0 * (k as f64 / rise as f64).min(1.0) + f64::from((k * 7 % 5) as u32) * 0.1;
        record.series[0].values = (0..200).map(level).collect();
        vec![record.clone(), record]
    }

    #[test]
    fn the_rise_is_left_out() {
        let found = truncate(&fixtures::scenario(), &rising(40));
        let secs = found.warm_up.as_secs_f64();
        assert!((150.0..=250.0).contains(&secs), "{secs}");
        assert!(found.rule.contains("2 pilot runs"), "{}", found.rule);
        assert_eq!(found.warning, None);
    }

    #[test]
    fn a_run_that_never_settles_is_told() {
        let found = truncate(&fixtures::scenario(), &rising(200));
        assert_eq!(found.warm_up, Span::from_secs(500));
        assert!(found.warning.expect("a warning").text.contains("50 % of the run"));
    }

    #[test]
    fn a_short_run_leaves_out_nothing() {
        let mut records = rising(40);
        records[0].window.1 = SimTime::ZERO + Span::from_secs(100);
        let found = truncate(&fixtures::scenario(), &records);
        assert_eq!(found.warm_up, Span::ZERO);
        assert!(found.warning.is_some());
    }
}
