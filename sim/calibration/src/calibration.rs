//! All that logs teach, put together.

use faas_lab_model::rng::Seed;
use thiserror::Error;

use crate::fit::{FitError, FitOptions, Fitted, Observation, Sample, SampleError, fit};
use crate::logs::{Log, Which};
use crate::platform::{ArrivalsFit, Fates, RisksFit, RoutingFit, fit_arrivals, fit_risks, fit_routing};

/// More observations than this hardly change a law, and cost time; evenly spaced ones are taken.
const MOST_FITTED: usize = 1_500;

/// How to calibrate.
#[derive(Clone, Copy, Debug)]
pub struct LearnOptions {
    /// Samples drawn for tests and intervals; 0 for values alone.
    pub resamples: u32,
    /// Makes the draws repeatable.
    pub seed: Seed,
}

impl Default for LearnOptions {
    fn default() -> LearnOptions {
        LearnOptions { resamples: 99, seed: Seed(1) }
    }
}

/// What was learnt.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Response times of requests that met a warm replica, or of all where the logs do not tell.
    pub warm: Fitted,
    /// Response times of requests that started their replica, if enough were seen.
    pub cold: Option<Fitted>,
    /// Arrivals of each log that has them.
    pub arrivals: Vec<ArrivalsFit>,
    /// Which replica is used and how long they live, if the logs tell replicas apart.
    pub platform: Option<PlatformFit>,
    /// Names of the logs.
    pub sources: Vec<String>,
}

/// What was learnt of a platform that starts a replica per request.
#[derive(Clone, Debug)]
pub struct PlatformFit {
    /// Which idle replica is used.
    pub routing: RoutingFit,
    /// Why replicas end; `None` if none is known to have.
    pub risks: Option<RisksFit>,
    /// Most replicas that were busy at once.
    pub most_busy: usize,
}

/// Why nothing was learnt.
#[derive(Clone, Debug, Error)]
pub enum CalibrationError {
    /// The logs have no times.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The times do not fit.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// There is no log.
    #[error("no log was given to learn from")]
    NoLogs,
}

/// Learns from logs of one function on one platform.
///
/// # Errors
/// If no request in them was answered, or nothing can be fitted to the times.
pub fn learn(logs: &[&Log], options: LearnOptions) -> Result<Calibration, CalibrationError> {
    if logs.is_empty() {
        return Err(CalibrationError::NoLogs);
    }
    let how = FitOptions { resamples: options.resamples, seed: options.seed, ..FitOptions::default() };
    let cold = match times(logs, Which::Cold) {
        // Two are the least that show a spread.
        Ok(sample) if sample.n() > 1 => Some(fit(&sample, &how)?),
        _ => None,
    };
    let warm = times(logs, Which::Warm).or_else(|_| times(logs, Which::All))?;
    let with_replicas: Vec<&Log> = logs.iter().copied().filter(|log| log.has_replicas()).collect();
    let platform = (!with_replicas.is_empty()).then(|| {
        let routing = fit_routing(&with_replicas);
        let fates = Fates::of(&with_replicas, routing.rule);
        let source = names(&with_replicas).join(", ");
        PlatformFit {
            risks: fit_risks(&source, &fates, options.resamples > 0),
            most_busy: with_replicas.iter().map(|log| most_busy(log)).max().unwrap_or(1),
            routing,
        }
    });
    Ok(Calibration {
        warm: fit(&warm, &how)?,
        cold,
        arrivals: logs.iter().filter_map(|log| fit_arrivals(&log.name, &log.arrivals()?, options.seed)).collect(),
        platform,
        sources: names(logs),
    })
}

fn names(logs: &[&Log]) -> Vec<String> {
    logs.iter().map(|log| log.name.clone()).collect()
}

/// The times of all logs, thinned evenly if there are very many.
fn times(logs: &[&Log], which: Which) -> Result<Sample, SampleError> {
    let source = names(logs).join(", ");
    let all: Vec<Observation> =
        logs.iter().filter_map(|log| log.times(which).ok()).flat_map(|sample| sample.observations().to_vec()).collect();
    let step = all.len().div_ceil(MOST_FITTED).max(1);
    Sample::new(source, all.into_iter().step_by(step).collect())
}

/// Most requests of a log that were in flight at once.
fn most_busy(log: &Log) -> usize {
    let mut events: Vec<(f64, i32)> = log
        .requests
        .iter()
        .filter_map(|request| Some((request.arrived?, request.response)))
        .flat_map(|(arrived, response)| [(arrived, 1), (arrived + response, -1)])
        .collect();
    events.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (mut busy, mut most) = (0i32, 0i32);
    for (_, change) in events {
        busy += change;
        most = most.max(busy);
    }
    usize::try_from(most).unwrap_or(0)
}
