//! Whether two results differ: Student's test on pairs that share their seeds, Welch's otherwise, and Holm's correction
//! for the many questions that one comparison asks.
//!
//! Every metric is taken replication by replication, percentiles too, so that what is tested is a mean of independent
//! values. What a single replication cannot tell is left open.

use faas_lab_model::metrics::comparison::{Difference, Verdict};
use faas_lab_model::metrics::result::{self, Better, Estimate, RunResult, Source};
use faas_lab_model::statistics::{REPORTED_CONFIDENCE, student_t_factor_at, student_t_two_sided};

/// Probability that any difference of a comparison is called real by mistake.
pub const FAMILY_ERROR: f64 = 0.05;

/// The metrics whose differences are judged. Few, because every further question makes all answers less certain; what
/// follows from another one (the share of successes from that of errors) is left out.
pub const JUDGED: &[&str] = &[
    result::RESPONSE_MEAN,
    result::RESPONSE_P50,
    result::RESPONSE_P95,
    result::RESPONSE_P99,
    result::ERROR_RATE,
    result::TIMED_OUT_SHARE,
    result::REFUSED_SHARE,
    result::GOODPUT,
    result::COLD_SHARE,
    result::REPLICAS_MEAN,
    result::WASTED_CPU_SHARE,
    result::ENERGY,
    result::COST,
];

/// The difference of two means and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// Left minus right, with its 95 % interval.
    pub estimate: Estimate,
    /// Mean of the right side.
    pub base: f64,
    /// Of Student's law; `None` where there is no spread to judge by.
    pub degrees_of_freedom: Option<f64>,
    /// Whether values were paired.
    pub paired: bool,
    /// Probability of a difference at least this large by chance; `None` when it cannot be known.
    pub p_value: Option<f64>,
    /// Whether all values are equal, pair by pair or altogether.
    pub same: bool,
}

impl Contrast {
    /// The difference over the right side's mean.
    pub fn relative(&self) -> Option<f64> {
        let relative = self.estimate.mean / self.base.abs();
        relative.is_finite().then_some(relative)
    }

    /// How `left` differs from `right` in the metric `key`; `None` where one of them never has it.
    pub fn new(left: &RunResult, right: &RunResult, key: &str) -> Option<Contrast> {
        let pairs = pairs(left, right, key);
        match pairs.len() {
            count if count > 1 || (count == 1 && left.replications.len() == 1) => Contrast::paired(&pairs, key),
            _ => Contrast::welch(&values(left, key), &values(right, key), key),
        }
    }

    fn paired(pairs: &[(f64, f64)], key: &str) -> Option<Contrast> {
        let (left, right): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let estimate = Estimate::from_pairs(&left, &right)?;
        let base = Estimate::from_replications(&right)?.mean;
        let same = left == right;
        let freedom = (estimate.n > 1).then(|| f64::from(estimate.n - 1));
        let p_value = match (estimate.standard_error(), freedom) {
            (Some(error), Some(freedom)) if error > 0.0 => student_t_two_sided(estimate.mean / error, freedom),
            (Some(_), Some(_)) => Some(without_spread(&left, &right, key)),
            _ => None,
        };
        Some(Contrast { estimate, base, degrees_of_freedom: freedom, paired: estimate.n > 1, p_value, same })
    }

    /// Welch (1947): variances may differ, and the degrees of freedom follow from them.
    fn welch(left: &[f64], right: &[f64], key: &str) -> Option<Contrast> {
        let (of_left, of_right) = (Estimate::from_replications(left)?, Estimate::from_replications(right)?);
        let mean = of_left.mean - of_right.mean;
        let n = of_left.n.min(of_right.n);
        let contrast = |estimate, degrees_of_freedom, p_value, same| Contrast {
            estimate,
            base: of_right.mean,
            degrees_of_freedom,
            paired: false,
            p_value,
            same,
        };
        let (Some(left_error), Some(right_error)) = (of_left.standard_error(), of_right.standard_error()) else {
            let same = mean == 0.0 && left.iter().chain(right).all(|value| *value == left[0]);
            return Some(contrast(Estimate { mean, half_width: None, sd: None, n }, None, None, same));
        };
        let (a, b) = (left_error * left_error, right_error * right_error);
        let error = (a + b).sqrt();
        if error == 0.0 {
            let estimate = Estimate { mean, half_width: Some(0.0), sd: Some(0.0), n };
            return Some(contrast(estimate, None, Some(without_spread(left, right, key)), mean == 0.0));
        }
        let freedom = (a + b) * (a + b) / (a * a / f64::from(of_left.n - 1) + b * b / f64::from(of_right.n - 1));
        let half_width = student_t_factor_at(freedom, REPORTED_CONFIDENCE).map(|factor| factor * error);
        let estimate = Estimate { mean, half_width, sd: Some(error * f64::from(n).sqrt()), n };
        Some(contrast(estimate, Some(freedom), student_t_two_sided(mean / error, freedom), false))
    }
}

/// The probability for differences that do not vary at all, where Student's law has nothing to go by.
///
/// Two settings that never vary, such as fixed fleets, are different without doubt. Small counts may agree by chance, and
/// shares are made of counts: there, and where both sides vary in step, the test is by permutation, which needs no law.
fn without_spread(left: &[f64], right: &[f64], key: &str) -> f64 {
    if left.iter().zip(right).all(|(left, right)| left == right) {
        return 1.0;
    }
    let constant = |values: &[f64]| values.iter().all(|value| *value == values[0]);
    let n = left.len().min(right.len()) as f64;
    match (constant(left) && constant(right), result::metric(key).map_or("count", |metric| metric.unit)) {
        (true, "count" | "share") => 2.0 / binomial(2.0 * n, n),
        (true, _) => 0.0,
        (false, _) => libm::pow(2.0, 1.0 - n),
    }
}

/// n over k.
fn binomial(n: f64, k: f64) -> f64 {
    libm::exp(libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0))
}

fn values(result: &RunResult, key: &str) -> Vec<f64> {
    result.replications.iter().filter_map(|replication| replication.metrics.get(key).copied()).collect()
}

/// The values of replications that belong together, if the results can be paired.
///
/// Simulations with the same seeds are paired whatever else differs: the pairs are independent of each other, and two
/// sides that share their random numbers are not, as Welch's test would need. A live system is paired only where it
/// was sent the same requests.
fn pairs(left: &RunResult, right: &RunResult, key: &str) -> Vec<(f64, f64)> {
    let simulated = left.source == Source::Simulated && right.source == Source::Simulated;
    let mut pairs = Vec::new();
    for mine in &left.replications {
        let mut same = right.replications.iter().filter(|theirs| theirs.seed == mine.seed);
        let (Some(theirs), None) = (same.next(), same.next()) else { continue };
        let offered = |metrics: &std::collections::BTreeMap<String, f64>| metrics.get(result::OFFERED).copied();
        if !simulated && offered(&mine.metrics) != offered(&theirs.metrics) {
            return Vec::new();
        }
        if let (Some(mine), Some(theirs)) = (mine.metrics.get(key), theirs.metrics.get(key)) {
            pairs.push((*mine, *theirs));
        }
    }
    pairs
}

/// Holm's (1979) adjusted p-values: calling all those real that are at most α errs in any of them with probability at
/// most α, however they depend on each other.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0f64;
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - rank) as f64);
        adjusted[index] = largest.min(1.0);
    }
    adjusted
}

/// All differences of `results` from the `baseline`, entry by entry, with what can be said of them together. Metrics of
/// `skipped` are left out.
pub fn differences(results: &[&RunResult], baseline: usize, skipped: &[&str]) -> Vec<Difference> {
    let mut found: Vec<(usize, &str, Contrast)> = Vec::new();
    for (entry, result) in results.iter().enumerate().filter(|(entry, _)| *entry != baseline) {
        for key in JUDGED.iter().filter(|key| !skipped.contains(key)) {
            let contrast = Contrast::new(result, results[baseline], key);
            found.extend(contrast.map(|contrast| (entry, *key, contrast)));
        }
    }
    // A question without an answer still counts as asked.
    let p_values: Vec<f64> = found.iter().map(|(.., contrast)| contrast.p_value.unwrap_or(1.0)).collect();
    let adjusted = holm(&p_values);
    let judged = found.into_iter().zip(adjusted).map(|((entry, key, contrast), adjusted)| Difference {
        entry,
        metric: key.to_owned(),
        estimate: contrast.estimate,
        relative: contrast.relative(),
        paired: contrast.paired,
        p_value: contrast.p_value,
        verdict: verdict(&contrast, key, contrast.p_value.is_some() && adjusted <= FAMILY_ERROR),
    });
    judged.collect()
}

fn verdict(contrast: &Contrast, key: &str, real: bool) -> Verdict {
    match (contrast.same, real, result::metric(key).map_or(Better::Neither, |metric| metric.better)) {
        (true, ..) => Verdict::Same,
        (_, false, _) => Verdict::Unclear,
        (.., Better::Neither) => Verdict::Different,
        (.., Better::Lower) if contrast.estimate.mean < 0.0 => Verdict::Better,
        (.., Better::Higher) if contrast.estimate.mean > 0.0 => Verdict::Better,
        _ => Verdict::Worse,
    }
}

#[cfg(test)]
pub(crate) mod tests;
