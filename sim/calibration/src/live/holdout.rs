//! What the fit says of calls that it has not seen.
//!
//! Every third warm call and cold start is kept back, and whole steps of concurrency between the first and the last: the
//! scenario is played, by the engine itself, with as many callers as the step had.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

use faas_lab_experiments::{Simulation, simulate};
use faas_lab_model::metrics::result::{RESPONSE_P50, RESPONSE_P95, RunResult};
use faas_lab_model::scenario::{BuiltIn, Problem, Scenario};

use super::fit::{cold_time, part};
use super::{Fits, Measurements};

/// A prediction beside what was measured and not used.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// What it is about.
    pub what: String,
    /// The fit's word, in seconds.
    pub predicted: f64,
    /// What was seen, in seconds.
    pub measured: f64,
    /// Calls that it rests on.
    pub n: usize,
}

impl HeldOut {
    /// (predicted − measured) / measured.
    pub fn error(&self) -> f64 {
        (self.predicted - self.measured) / self.measured
    }
}

/// Predictions of all that was kept back. `toml` is the scenario that the fits were written into.
///
/// # Errors
/// If the scenario is not one, which its writer is to blame for.
pub fn held_out(seen: &Measurements, fits: &Fits, toml: &str) -> Result<Vec<HeldOut>, Vec<Problem>> {
    let mut all = Vec::new();
    let kept: Vec<f64> = part(&seen.warm, true).map(|call| call.total).collect();
    let alone = played(fits, toml, 1, 0.005)?;
    push(&mut all, "single warm calls", &kept, &alone);
    for step in &seen.steps {
        let is_end = step.concurrency <= 1 || Some(step) == seen.steps.last();
        if is_end || step.replicas.is_some_and(|(before, after)| before != after) {
            continue;
        }
        let times: Vec<f64> = step.calls.iter().map(|call| call.total).collect();
        let together = played(fits, toml, step.concurrency, 0.0)?;
        push(&mut all, &format!("{} calls at once", step.concurrency), &times, &together);
    }
    let cold: Vec<f64> = part(&seen.cold, true).filter_map(|call| cold_time(call, &seen.warm)).collect();
    if let (Some(fitted), Some(measured)) = (&fits.cold, quantile(&cold, 0.5)) {
        all.push(HeldOut {
            what: "cold start p50".to_owned(),
            predicted: fitted.law().quantile(0.5),
            measured,
            n: cold.len(),
        });
    }
    Ok(all)
}

fn push(all: &mut Vec<HeldOut>, what: &str, times: &[f64], played: &RunResult) {
    for (name, metric, q) in [("p50", RESPONSE_P50, 0.5), ("p95", RESPONSE_P95, 0.95)] {
        if let (Some(predicted), Some(measured)) = (played.summary.get(metric), quantile(times, q)) {
            all.push(HeldOut { what: format!("{what} {name}"), predicted: predicted.mean, measured, n: times.len() });
        }
    }
}

/// The scenario with so many callers who call again after a pause of `think` seconds, on one ready replica.
fn played(fits: &Fits, toml: &str, callers: u32, think: f64) -> Result<RunResult, Vec<Problem>> {
    let mean = fits.service.estimate("p50").map_or(0.1, |found| found.value).max(1e-4);
    // Some two thousand calls, whatever the function takes.
    let secs = (2000.0 * (mean + think) / f64::from(callers)).clamp(0.5, 3600.0);
    let base = Scenario::parse("calibrated.toml", toml, &[], &BuiltIn).map_err(|errors| errors.problems)?;
    let mut scenario = base;
    let own =
        scenario.workloads.iter().position(|workload| scenario.functions[workload.function].name == fits.function);
    let Some(mut workload) = own.map(|index| scenario.workloads[index].clone()) else { return Err(Vec::new()) };
    workload.arrivals = faas_lab_model::scenario::Arrivals::Users(faas_lab_model::scenario::Users {
        count: callers,
        think: faas_lab_model::distributions::Distribution::Constant(think),
        ramp_up: faas_lab_model::time::Span::ZERO,
    });
    scenario.workloads = vec![workload];
    scenario.duration = faas_lab_model::time::Span::from_secs_f64(secs);
    scenario.replications = 3;
    let stop = AtomicBool::new(false);
    let how = Simulation {
        command: "",
        threads: NonZeroUsize::MIN,
        precision: None,
        check: false,
        stop: &stop,
        progress: &|_| {},
    };
    simulate(&scenario, how, None).map(|simulated| simulated.result).ok_or_else(Vec::new)
}

fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).checked_sub(1)?).copied()
}
