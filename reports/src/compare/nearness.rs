//! How near does a simulation come to a measurement? Figure by figure: the error, and whether runs of the simulation
//! differ from each other by as much.

use std::collections::BTreeSet;

use faas_lab_model::metrics::result::{self, Estimate, OutcomeKind, Source};
use faas_lab_model::statistics::{REPORTED_CONFIDENCE, student_t_factor};

use super::view::{Seen, View};
use crate::{format, words};

/// Simulated results that stand beside one measured result.
pub(super) const MOST: usize = 6;

/// Figures that simulation and measurement are held against each other by, in the order of tables.
pub(super) const HELD: [&str; 10] = [
    result::OFFERED,
    result::RESPONSE_MEAN,
    result::RESPONSE_P50,
    result::RESPONSE_P90,
    result::RESPONSE_P95,
    result::RESPONSE_P99,
    result::GOODPUT,
    result::COLD_STARTS,
    result::REPLICAS_MEAN,
    result::ERROR_RATE,
];

/// Ways of being lost, with the metric that a result has of each.
pub(super) const LOST: [(OutcomeKind, Option<&str>); 6] = [
    (OutcomeKind::TimedOut, Some(result::TIMED_OUT_SHARE)),
    (OutcomeKind::Refused, Some(result::REFUSED_SHARE)),
    (OutcomeKind::Truncated, Some(result::TRUNCATED_SHARE)),
    (OutcomeKind::Unavailable, None),
    (OutcomeKind::Failed, None),
    (OutcomeKind::Unfinished, None),
];

/// A measured result and the simulated ones that stand for it, the nearest first.
pub(super) struct Pair<'v, 'c> {
    pub real: &'v Seen<'c>,
    pub simulated: Vec<&'v Seen<'c>>,
}

/// Each measured result with the simulated ones of its name, or of its functions if none has that name; nothing where all
/// are simulated or all measured, or about other things.
pub(super) fn pairs<'v, 'c>(view: &'v View<'c>) -> Vec<Pair<'v, 'c>> {
    let of = |source: Source| view.ranked.iter().filter(move |seen| seen.entry.result.source == source);
    let simulated: Vec<&Seen<'_>> = of(Source::Simulated).collect();
    let functions = |seen: &Seen<'_>| -> BTreeSet<String> {
        seen.entry.result.functions.iter().map(|function| function.name.clone()).collect()
    };
    let pair = |real: &'v Seen<'c>| {
        let all = || simulated.iter().copied();
        let mut simulated: Vec<_> = all().filter(|seen| seen.entry.result.name == real.entry.result.name).collect();
        if simulated.is_empty() {
            simulated = all().filter(|seen| functions(seen) == functions(real)).collect();
        }
        simulated.sort_by(|a, b| distance(a, real).total_cmp(&distance(b, real)));
        simulated.truncate(MOST);
        (!simulated.is_empty()).then_some(Pair { real, simulated })
    };
    of(Source::Measured).filter_map(pair).collect()
}

/// How far apart two results' response times are, by the larger over the smaller; infinite where that cannot be said.
fn distance(simulated: &Seen<'_>, real: &Seen<'_>) -> f64 {
    let apart = |key: &str| Some((simulated.of(key)?.mean / real.of(key)?.mean).ln().abs()).filter(|d| d.is_finite());
    let found: Vec<f64> =
        [result::RESPONSE_P50, result::RESPONSE_P95, result::RESPONSE_P99].into_iter().filter_map(apart).collect();
    if found.is_empty() { f64::INFINITY } else { found.iter().sum::<f64>() / found.len() as f64 }
}

/// What a simulation says of a figure, less what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Error {
    pub simulated: f64,
    pub real: f64,
    /// Whether the figure is a share, whose errors are in points.
    pub share: bool,
    /// Whether it is larger than runs of the simulation differ from each other; `None` where that cannot be known.
    pub beyond: Option<bool>,
}

impl Error {
    /// Of a metric; `None` where one of them lacks it.
    pub(super) fn of(key: &str, simulated: &Seen<'_>, real: &Seen<'_>) -> Option<Error> {
        let (sim, truth) = (simulated.of(key)?.mean, real.of(key)?.mean);
        let beyond = beyond(&runs(simulated, key), &runs(real, key));
        Some(Error { simulated: sim, real: truth, share: words::unit_of(key) == "share", beyond })
    }

    /// Of the share of requests that ended in one way.
    pub(super) fn of_share(kind: OutcomeKind, simulated: &Seen<'_>, real: &Seen<'_>) -> Option<Error> {
        let (sim, truth) = (simulated.share_of(kind)?, real.share_of(kind)?);
        Some(Error { simulated: sim, real: truth, share: true, beyond: None })
    }

    /// As a share of what was measured; `None` where that is zero.
    pub(super) fn relative(&self) -> Option<f64> {
        let relative = (self.simulated - self.real) / self.real.abs();
        relative.is_finite().then_some(relative)
    }

    /// `−8.8 %`, `+1.1 points`; the sign for none where it has no size.
    pub(super) fn text(&self) -> String {
        let signed = |value: f64, unit: &str| {
            format!("{}{} {unit}", if value > 0.0 { "+" } else { "" }, format::significant(value, 2))
        };
        match self.relative() {
            _ if self.simulated == self.real => "0".to_owned(),
            _ if self.share => signed(100.0 * (self.simulated - self.real), "points"),
            Some(relative) => signed(100.0 * relative, "%"),
            None => format::NONE.to_owned(),
        }
    }

    /// `8.8 % below`, `within 1 % of`, for a figure that is no share; `1.1 points above` for one.
    pub(super) fn way(&self) -> Option<String> {
        let error = self.simulated - self.real;
        let way = if error > 0.0 { "above" } else { "below" };
        if self.share {
            return Some(match error.abs() < 5e-5 {
                true => "on".to_owned(),
                false => format!("{} points {way}", format::significant(100.0 * error.abs(), 2)),
            });
        }
        let relative = self.relative()?.abs();
        Some(match relative < 0.01 {
            true => "within 1 % of".to_owned(),
            false => format!("{} % {way}", format::significant(100.0 * relative, 2)),
        })
    }
}

/// The value of each run.
fn runs(seen: &Seen<'_>, key: &str) -> Vec<f64> {
    seen.entry.result.replications.iter().filter_map(|run| run.metrics.get(key).copied()).collect()
}

/// Whether measured runs lie where, with 95 % probability, as many further runs of the simulation would not: the mean of
/// m further runs lies within t·s·√(1/n + 1/m) of that of n.
fn beyond(simulated: &[f64], real: &[f64]) -> Option<bool> {
    let (sim, truth) = (Estimate::from_replications(simulated)?, Estimate::from_replications(real)?);
    let spread = sim.sd? * (1.0 / f64::from(sim.n) + 1.0 / f64::from(truth.n)).sqrt();
    let error = (sim.mean - truth.mean).abs();
    match spread == 0.0 {
        // Runs that never vary, such as those without an error, do not tell how much they might.
        true => (error == 0.0).then_some(false),
        false => Some(error > student_t_factor(sim.n - 1, REPORTED_CONFIDENCE)? * spread),
    }
}

/// What the simulation knows and the measurement does not, in words: nobody should take the one for the other.
pub(super) fn unmeasured(real: &Seen<'_>, simulated: &Seen<'_>) -> Vec<&'static str> {
    let kinds: [(&str, &[&str]); 10] = [
        ("cold starts", &[result::COLD_STARTS]),
        ("replicas", &[result::REPLICAS_MEAN, result::REPLICAS_READY_MEAN]),
        ("busy replicas", &[result::REPLICAS_BUSY_MEAN]),
        ("requests in flight", &[result::IN_SYSTEM_MEAN]),
        ("waiting and service times", &[result::WAITING_MEAN, result::SERVICE_MEAN]),
        ("the queue's delay", &[result::QUEUE_DELAY_MEAN]),
        ("CPU use", &[result::CPU_UTILIZATION]),
        ("wasted CPU time", &[result::WASTED_CPU_SHARE]),
        ("energy", &[result::ENERGY]),
        ("cost", &[result::COST]),
    ];
    let has = |seen: &Seen<'_>, keys: &[&str]| keys.iter().any(|key| seen.of(key).is_some());
    let mut lacking: Vec<&str> =
        kinds.into_iter().filter(|(_, keys)| has(simulated, keys) && !has(real, keys)).map(|(name, _)| name).collect();
    let phases = |seen: &Seen<'_>| seen.entry.result.functions.iter().any(|function| !function.cold_phases.is_empty());
    if phases(simulated) && !phases(real) {
        lacking.push("the phases of cold starts");
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(simulated: f64, real: f64, share: bool) -> Error {
        Error { simulated, real, share, beyond: None }
    }

    #[test]
    fn errors_are_shares_of_what_was_measured_and_points_of_shares() {
        assert_eq!(error(0.38, 0.4, false).text(), "−5 %");
        assert_eq!(error(0.38, 0.4, false).way().as_deref(), Some("5 % below"));
        assert_eq!(error(0.401, 0.4, false).way().as_deref(), Some("within 1 % of"));
        assert_eq!(error(0.061, 0.05, true).text(), "+1.1 points");
        assert_eq!(error(0.061, 0.05, true).way().as_deref(), Some("1.1 points above"));
        assert_eq!((error(2.0, 0.0, false).text().as_str(), error(2.0, 0.0, false).way()), (format::NONE, None));
        assert_eq!(error(0.0, 0.0, false).text(), "0");
    }

    #[test]
    fn a_measured_run_is_held_against_further_runs_of_the_simulation() {
        // Mean 3, deviation √2.5, five runs: a sixth lies within 2.7764·√2.5·√1.2 = 4.809 of the mean.
        let runs = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!((beyond(&runs, &[7.80]), beyond(&runs, &[7.82])), (Some(false), Some(true)));
        // The mean of four further ones: within 2.7764·√2.5·√0.45 = 2.945.
        assert_eq!((beyond(&runs, &[5.94; 4]), beyond(&runs, &[5.95; 4])), (Some(false), Some(true)));
        assert_eq!((beyond(&[1.0], &[9.0]), beyond(&runs, &[]), beyond(&[], &runs)), (None, None, None));
        assert_eq!((beyond(&[0.0; 5], &[0.0]), beyond(&[0.0; 5], &[0.1])), (Some(false), None));
    }
}
