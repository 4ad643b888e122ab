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
use crate::runs;

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
    let alone = played(fits, toml, 1, 0.05)?;
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
    runs::quantile(&sorted, q)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Call, Step, Written, fit_live};

    /// A function that takes 20 ms on a machine with `cores` of them, or that only waits.
    fn seen(cores: Option<f64>) -> Measurements {
        let call = |k: usize, slower: f64| {
            let inside = 0.02 * slower;
            Call { total: inside + 4e-4 + (k % 9) as f64 * 2e-5, inside: Some(inside), held: None }
        };
        let step = |concurrency: u32| {
            let slower = cores.map_or(1.0, |cores| (f64::from(concurrency) / cores).max(1.0));
            let calls: Vec<Call> = (0..200).map(|k| call(k, slower)).collect();
            let seconds = calls.iter().map(|call| call.total).sum::<f64>() / f64::from(concurrency);
            Step { concurrency, replicas: Some((1, 1)), seconds, calls, failures: 0 }
        };
        Measurements {
            function: "my.function".into(),
            connections: vec![5e-5; 20],
            pings: vec![2e-4; 20],
            warm: (0..90).map(|k| call(k, 1.0)).collect(),
            steps: [1, 2, 4, 8].map(step).to_vec(),
            cold: (0..30).map(|k| Call { held: Some(0.03 + f64::from(k % 5) * 1e-3), ..call(0, 1.0) }).collect(),
            settings: vec![("exec_timeout".into(), "150ms".into()), ("write_timeout".into(), "10".into())],
            ..Measurements::default()
        }
    }

    fn written(seen: &Measurements) -> (Fits, String) {
        let fits = fit_live(seen, None, "test").expect("there are calls");
        let functions = [(seen.clone(), fits.clone())];
        let name = "it's mine";
        let written =
            Written { name, command: "faas-lab calibrate", gateway: "g", day: "2026-01-31", functions: &functions };
        (fits, written.toml())
    }

    /// What was written is a scenario, and plays as what was measured: whether calls wait or share cores.
    #[test]
    fn what_was_kept_back_is_predicted() {
        for cores in [None, Some(2.0)] {
            let seen = seen(cores);
            let (fits, toml) = written(&seen);
            let scenario =
                Scenario::parse("x.toml", &toml, &[], &BuiltIn).unwrap_or_else(|errors| panic!("{errors}\n{toml}"));
            assert_eq!(scenario.name, "it-s-mine");
            assert_eq!(scenario.nodes.is_empty(), cores.is_none(), "{toml}");
            let timeout = |span: Option<faas_lab_model::time::Span>| span.map(|span| span.as_secs_f64());
            let watchdog = &scenario.functions[0].watchdog;
            assert_eq!((timeout(watchdog.exec_timeout), timeout(watchdog.write_timeout)), (Some(0.15), Some(10.0)));

            // Without the limits, which these calls do not know of.
            let toml = toml.replace("150ms", "1m").replace("\"10s\"", "\"1m\"");
            let held = held_out(&seen, &fits, &toml).unwrap_or_else(|problems| panic!("{problems:?}"));
            let names: Vec<&str> = held.iter().map(|one| one.what.as_str()).collect();
            assert!(names.contains(&"2 calls at once p95") && names.contains(&"cold start p50"), "{names:?}");
            for one in &held {
                assert!(one.error().abs() < 0.1, "{one:?} with {cores:?} cores");
            }
        }
    }
}
