//! What a calibration predicts of data that it has not seen.
//!
//! Where logs tell replicas apart, the recorded arrivals are played through the calibrated platform and its cold starts are
//! counted beside the recorded ones. Otherwise the fitted law's quantiles are held against the observed ones.

use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::{Need, Scenario};
use faas_lab_sim::{RunOptions, run};
use thiserror::Error;

use crate::calibration::{Calibration, CalibrationError, LearnOptions, learn};
use crate::logs::{Log, Request, Which};
use crate::write::{Traffic, scenario};

/// Runs whose mean is the prediction.
const RUNS: u32 = 20;
/// The part of a single log that is kept back: its end.
const KEPT_BACK: f64 = 0.3;
const TRACE: &str = "recorded";

/// Cold starts of one log.
#[derive(Clone, Debug, PartialEq)]
pub struct ColdStarts {
    /// The log.
    pub log: String,
    /// Requests counted.
    pub requests: usize,
    /// Cold starts that were recorded.
    pub observed: usize,
    /// Mean of those simulated.
    pub predicted: f64,
    /// Standard deviation of those simulated.
    pub deviation: f64,
    /// What the usual rule gives: the newest idle replica, kept for 600 s.
    pub usual: f64,
}

/// A quantile of response times.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantileError {
    /// The log.
    pub log: String,
    /// Which quantile: `p50`, …
    pub name: &'static str,
    /// Of the data held back.
    pub observed: f64,
    /// Of the law.
    pub predicted: f64,
}

/// How far off a calibration was on data that it had not seen.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldOut {
    /// What was fitted to what, in words.
    pub split: String,
    /// Cold starts, where replicas are known.
    pub cold_starts: Vec<ColdStarts>,
    /// Response times.
    pub quantiles: Vec<QuantileError>,
}

/// Why nothing could be predicted.
#[derive(Debug, Error)]
pub enum HoldOutError {
    /// Nothing was learnt from the part that was to teach.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// The scenario of the calibration does not read: a fault of ours.
    #[error("the calibrated scenario does not read: {0}")]
    Scenario(String),
}

impl ColdStarts {
    /// The error as a share of what was recorded; `None` if that is nothing.
    pub fn error(&self) -> Option<f64> {
        relative(self.predicted, self.observed as f64)
    }

    /// The usual rule's error.
    pub fn usual_error(&self) -> Option<f64> {
        relative(self.usual, self.observed as f64)
    }
}

impl QuantileError {
    /// The error as a share of what was observed.
    pub fn error(&self) -> Option<f64> {
        relative(self.predicted, self.observed)
    }
}

fn relative(predicted: f64, observed: f64) -> Option<f64> {
    (observed > 0.0).then(|| (predicted - observed).abs() / observed)
}

/// The mean of errors; `None` of none.
pub fn mean_error(errors: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let errors: Vec<f64> = errors.flatten().collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

/// Keeps parts of the logs back, in turn, and predicts them from the rest.
///
/// Of several logs every other one by size is kept back, then the others, and then, with `leave_one_out`, each alone. Of one log its
/// end is.
///
/// # Errors
/// If a part teaches nothing.
pub fn hold_out(logs: &[Log], leave_one_out: bool, seed: Seed) -> Result<Vec<HoldOut>, HoldOutError> {
    let quick = LearnOptions { resamples: 0, seed };
    if let [log] = logs {
        return match at_its_end(log, quick)? {
            Some(held) => Ok(vec![held]),
            None => Ok(Vec::new()),
        };
    }
    // By size, so that both halves have quiet logs and busy ones: each shows what the other cannot.
    let mut by_size: Vec<usize> = (0..logs.len()).collect();
    by_size.sort_by_key(|index| logs[*index].requests.len());
    let half = |from: usize| by_size.iter().copied().skip(from).step_by(2).collect();
    let mut splits: Vec<(String, Vec<usize>)> = vec![
        ("every other log by size, from the smallest on".to_owned(), half(0)),
        ("every other log by size, from the second on".to_owned(), half(1)),
    ];
    if leave_one_out {
        splits.extend((0..logs.len()).map(|left_out| {
            (format!("all but {}", logs[left_out].name), (0..logs.len()).filter(|i| *i != left_out).collect())
        }));
    }
    let mut held = Vec::new();
    for (split, taught) in splits {
        let teachers: Vec<&Log> = taught.iter().map(|index| &logs[*index]).collect();
        let calibration = learn(&teachers, quick)?;
        let mut one = HoldOut { split, cold_starts: Vec::new(), quantiles: Vec::new() };
        for log in logs.iter().enumerate().filter(|(index, _)| !taught.contains(index)).map(|(_, log)| log) {
            one.cold_starts.extend(cold_starts(&calibration, log, 0.0)?);
            one.quantiles.extend(quantiles(&calibration, log));
        }
        held.push(one);
    }
    Ok(held)
}

fn at_its_end(log: &Log, options: LearnOptions) -> Result<Option<HoldOut>, HoldOutError> {
    let n = log.requests.len();
    let taught = (n as f64 * (1.0 - KEPT_BACK)) as usize;
    if taught < 10 || n - taught < 5 {
        return Ok(None);
    }
    let part = |requests: &[Request]| Log { requests: requests.to_vec(), buckets: Vec::new(), ..log.clone() };
    let calibration = learn(&[&part(&log.requests[..taught])], options)?;
    let from = log.requests[taught].arrived.unwrap_or(0.0);
    Ok(Some(HoldOut {
        split: format!("the first {:.0} % of {}", 100.0 * (1.0 - KEPT_BACK), log.name),
        cold_starts: cold_starts(&calibration, log, from)?.into_iter().collect(),
        quantiles: quantiles(&calibration, &part(&log.requests[taught..])),
    }))
}

/// Plays a log's arrivals and counts cold starts from a time on; `None` if the log does not tell them.
///
/// # Errors
/// If the calibrated scenario does not read.
pub fn cold_starts(calibration: &Calibration, log: &Log, from: f64) -> Result<Option<ColdStarts>, HoldOutError> {
    let (Some(arrivals), true) = (log.arrivals(), log.has_replicas() && calibration.platform.is_some()) else {
        return Ok(None);
    };
    let trace: String = arrivals.iter().map(|arrival| format!("{arrival:.9}\n")).collect();
    let loader = |need: Need<'_>| Ok(matches!(need, Need::Trace(_)).then(|| trace.clone()));
    let duration = arrivals.last().copied().unwrap_or(0.0) + 1.0;
    let text = scenario(calibration, "f", Traffic::Trace(TRACE), duration, there_before(log));
    let read = |overrides: &[String]| {
        Scenario::parse("calibrated", &text, overrides, &loader)
            .map_err(|error| HoldOutError::Scenario(error.to_string()))
    };
    let calibrated = read(&[])?;
    let mut usual =
        read(&["function.f.scaling.per-request.routing=newest".to_owned(), "function.f.keep_alive=600s".to_owned()])?;
    usual.functions[0].lifetime = None;
    let counts: Vec<f64> = (0..RUNS).map(|index| count(&calibrated, Seed(1).replication(index), from)).collect();
    let mean = counts.iter().sum::<f64>() / f64::from(RUNS);
    let variance = counts.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>() / f64::from(RUNS - 1);
    let counted = log.requests.iter().filter(|request| request.arrived.is_some_and(|at| at >= from));
    Ok(Some(ColdStarts {
        log: log.name.clone(),
        requests: counted.clone().count(),
        observed: counted.filter(|request| request.cold == Some(true)).count(),
        predicted: mean,
        deviation: variance.sqrt(),
        usual: count(&usual, Seed(1), from),
    }))
}

fn count(scenario: &Scenario, seed: Seed, from: f64) -> f64 {
    let mut cold = 0u32;
    let mut see = |request: &faas_lab_sim::RequestRecord| {
        cold += u32::from(request.cold && request.arrived.as_secs_f64() >= from - 1e-6);
    };
    run(scenario, seed, RunOptions { requests: Some(&mut see), ..RunOptions::default() });
    f64::from(cold)
}

/// Replicas that were there before the log began: those whose first request was not cold.
fn there_before(log: &Log) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    log.requests
        .iter()
        .filter(|request| request.replica.as_ref().is_some_and(|replica| seen.insert(replica)))
        .filter(|request| request.cold == Some(false))
        .count()
}

fn quantiles(calibration: &Calibration, log: &Log) -> Vec<QuantileError> {
    let Ok(sample) = log.times(if calibration.cold.is_some() { Which::Warm } else { Which::All }) else {
        return Vec::new();
    };
    // Of buckets nothing but the law's fit could be said.
    let Some(curve) = crate::fit::KaplanMeier::of(&sample) else { return Vec::new() };
    let wanted = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];
    let enough = wanted.into_iter().filter(|(_, p)| sample.n() as f64 * (1.0 - p) >= 1.0);
    enough
        .filter_map(|(name, p)| {
            let observed = curve.quantile(p)?;
            Some(QuantileError { log: log.name.clone(), name, observed, predicted: calibration.warm.law().quantile(p) })
        })
        .collect()
}
