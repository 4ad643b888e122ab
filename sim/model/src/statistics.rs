//! How sure a number is: intervals from replications, from batches within one run and from ranks; where a warm-up ends;
//! paired differences.
//!
//! Intervals are two-sided. What cannot be known from the data at hand is `None`: a spread from one value, anything
//! from values that are not finite.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Confidence level of every stored interval.
pub const REPORTED_CONFIDENCE: f64 = 0.95;

/// A mean with how sure it is, from independent values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Mean of the values.
    pub mean: f64,
    /// Half-width of the 95 % interval around the mean (Student's t). Absent for a single value.
    pub half_width: Option<f64>,
    /// Standard deviation of the values (not of their mean). Absent for a single value.
    pub sd: Option<f64>,
    /// Number of values, at least 1.
    pub n: u32,
}

impl Estimate {
    /// From one value per independent replication. `None` for no values, or where one is not finite.
    pub fn from_replications(values: &[f64]) -> Option<Estimate> {
        let n = u32::try_from(values.len()).ok().filter(|n| *n > 0)?;
        // Around the first value, so that equal values have exactly no spread.
        let mean = values[0] + values.iter().map(|value| value - values[0]).sum::<f64>() / f64::from(n);
        if !mean.is_finite() {
            return None;
        }
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let sd = (n > 1 && squares.is_finite()).then(|| (squares / f64::from(n - 1)).sqrt());
        let mut estimate = Estimate { mean, half_width: None, sd, n };
        estimate.half_width = estimate.half_width_at(REPORTED_CONFIDENCE);
        Some(estimate)
    }

    /// From the differences `left[i] − right[i]` of values that belong together, such as two variants' replications
    /// under common random numbers. `None` where the slices differ in length, are empty or hold a value that is not
    /// finite.
    pub fn from_pairs(left: &[f64], right: &[f64]) -> Option<Estimate> {
        if left.len() != right.len() {
            return None;
        }
        let differences: Vec<f64> = left.iter().zip(right).map(|(left, right)| left - right).collect();
        Estimate::from_replications(&differences)
    }

    /// Half-width of the interval at a `confidence` between 0 and 1, exclusive: t·sd/√n with n − 1 degrees of freedom.
    pub fn half_width_at(&self, confidence: f64) -> Option<f64> {
        let half_width = student_t_factor(self.n.checked_sub(1)?, confidence)? * self.standard_error()?;
        half_width.is_finite().then_some(half_width)
    }

    /// The interval's ends at a `confidence` between 0 and 1, exclusive.
    pub fn interval(&self, confidence: f64) -> Option<(f64, f64)> {
        let half_width = self.half_width_at(confidence)?;
        Some((self.mean - half_width, self.mean + half_width))
    }

    /// Whether `truth` lies inside the interval at this `confidence`, ends included.
    pub fn covers(&self, truth: f64, confidence: f64) -> Option<bool> {
        let half_width = self.half_width_at(confidence)?;
        (!truth.is_nan()).then(|| (self.mean - truth).abs() <= half_width)
    }

    /// Half-width of the 95 % interval as a share of the mean's size. `None` when the mean is zero.
    pub fn relative_half_width(&self) -> Option<f64> {
        let relative = self.half_width? / self.mean.abs();
        relative.is_finite().then_some(relative)
    }

    /// Standard deviation of the mean: sd/√n.
    pub fn standard_error(&self) -> Option<f64> {
        (self.n > 0).then(|| Some(self.sd? / f64::from(self.n).sqrt()))?
    }

    /// How many standard errors the mean lies above `truth`. `None` when the values do not vary.
    pub fn z_score(&self, truth: f64) -> Option<f64> {
        let z = (self.mean - truth) / self.standard_error()?;
        z.is_finite().then_some(z)
    }
}

/// The factor t for which |T| ≤ t with probability `confidence`, T being Student's with this many degrees of freedom.
///
/// `confidence` lies between 0 and 1, exclusive; `degrees_of_freedom` ≥ 1. Good to about 10 digits.
pub fn student_t_factor(degrees_of_freedom: u32, confidence: f64) -> Option<f64> {
    if degrees_of_freedom == 0 || !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let v = f64::from(degrees_of_freedom);
    let tail = (1.0 - confidence) / 2.0;
    if v > 1000.0 {
        // Fisher's expansion around the normal quantile (Abramowitz and Stegun 26.7.5).
        let z = -Normal::standard().inverse_cdf(tail);
        let z2 = z * z;
        let first = z * (z2 + 1.0) / 4.0;
        let second = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
        let third = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
        return Some(z + (first + (second + third / v) / v) / v);
    }
    student_t_quantile(v, tail)
}

/// By bisection on the tail itself, which always ends; statrs' own inverse can run forever (seen at 4·10⁹ degrees).
fn student_t_quantile(degrees_of_freedom: f64, tail: f64) -> Option<f64> {
    let law = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    let (mut low, mut high) = (0.0, 1.0);
    while law.sf(high) > tail && high < 1e300 {
        low = high;
        high *= 2.0;
    }
    while high - low > 1e-13 * high {
        let middle = low + (high - low) / 2.0;
        if law.sf(middle) > tail { low = middle } else { high = middle }
    }
    Some(high)
}

/// Probability that Student's T with this many degrees of freedom lies at least as far from zero as `t`.
///
/// `degrees_of_freedom` > 0 need not be whole, as in Welch's test. `None` where `t` is not a number.
pub fn student_t_two_sided(t: f64, degrees_of_freedom: f64) -> Option<f64> {
    if t.is_nan() || !(degrees_of_freedom > 0.0 && degrees_of_freedom.is_finite()) {
        return None;
    }
    if t.is_infinite() {
        return Some(0.0);
    }
    let law = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    Some((2.0 * law.sf(t.abs())).min(1.0))
}

/// As [`student_t_factor`], for degrees of freedom that need not be whole.
pub fn student_t_factor_at(degrees_of_freedom: f64, confidence: f64) -> Option<f64> {
    if degrees_of_freedom.is_nan() || degrees_of_freedom <= 0.0 || !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    if degrees_of_freedom > 1000.0 {
        return student_t_factor(degrees_of_freedom.min(f64::from(u32::MAX)) as u32, confidence);
    }
    student_t_quantile(degrees_of_freedom, (1.0 - confidence) / 2.0)
}

/// A mean from one long run, cut into batches that are treated as independent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchMeans {
    /// From the batches' means; its `n` is the number of batches.
    pub estimate: Estimate,
    /// Observations in each batch.
    pub batch_size: u64,
    /// Correlation of successive batch means (von Neumann's estimate). Absent for fewer than 3 batches or for
    /// batches that do not vary.
    pub lag1_correlation: Option<f64>,
}

impl BatchMeans {
    /// Cuts `series` into `batches` ≥ 2 equal batches (20 or so, after Schmeiser 1982); what does not divide evenly is
    /// left out at the beginning. `None` when there are fewer observations than batches or one is not finite.
    pub fn new(series: &[f64], batches: usize) -> Option<BatchMeans> {
        if batches < 2 || series.len() < batches {
            return None;
        }
        let batch_size = series.len() / batches;
        let whole = &series[series.len() - batches * batch_size..];
        let means = means_of_batches(whole, batch_size);
        let estimate = Estimate::from_replications(&means)?;
        let lag1_correlation = lag1_correlation(&means, estimate.mean);
        Some(BatchMeans { estimate, batch_size: batch_size as u64, lag1_correlation })
    }

    /// Whether successive batches are correlated beyond chance (one-sided, 5 %): then the interval is too narrow, and
    /// the run needs longer batches.
    ///
    /// Under independence the estimate has mean 0 and variance (b − 2)/(b² − 1) for b batches (von Neumann 1941;
    /// Fishman 1978).
    pub fn correlated(&self) -> bool {
        let b = f64::from(self.estimate.n);
        self.lag1_correlation.is_some_and(|found| found > 1.645 * ((b - 2.0) / (b * b - 1.0)).sqrt())
    }
}

/// 1 − Σ(xᵢ − xᵢ₊₁)² / 2Σ(xᵢ − x̄)².
fn lag1_correlation(values: &[f64], mean: f64) -> Option<f64> {
    if values.len() < 3 {
        return None;
    }
    let steps: f64 = values.windows(2).map(|pair| (pair[1] - pair[0]) * (pair[1] - pair[0])).sum();
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let correlation = 1.0 - steps / (2.0 * squares);
    correlation.is_finite().then_some(correlation)
}

fn means_of_batches(series: &[f64], batch_size: usize) -> Vec<f64> {
    series.chunks_exact(batch_size).map(|batch| batch.iter().sum::<f64>() / batch_size as f64).collect()
}

/// Where a run's initial transient ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Truncation {
    /// Number of observations to leave out: the index of the first one to keep.
    pub index: usize,
    /// The cut fell on the last place allowed, the middle: the run is probably too short to have settled.
    pub at_limit: bool,
}

const MSER_BATCH: usize = 5;
const MSER_LEAST_BATCHES: usize = 10;

/// The truncation point that MSER-5 picks: means of 5 successive observations, cut where the standard error of what
/// remains is smallest, within the first half.
///
/// `None` for fewer than 50 observations or where one is not finite. Source: White (1997); White, Cobb and Spratt
/// (2000).
pub fn mser5(series: &[f64]) -> Option<Truncation> {
    let means = means_of_batches(series, MSER_BATCH);
    if means.len() < MSER_LEAST_BATCHES || series.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let limit = means.len() / 2;
    let (mut best, mut least) = (limit, f64::INFINITY);
    // From the end backwards, so that mean and sum of squares grow by one value at each step (Welford 1962).
    let (mut mean, mut squares) = (0.0, 0.0);
    for (cut, value) in means.iter().enumerate().rev() {
        let kept = (means.len() - cut) as f64;
        let deviation = value - mean;
        mean += deviation / kept;
        squares += deviation * (value - mean);
        let error = squares / (kept * kept);
        if cut <= limit && error <= least {
            (best, least) = (cut, error);
        }
    }
    Some(Truncation { index: best * MSER_BATCH, at_limit: best == limit })
}

/// Ranks (1 = smallest) of the two order statistics, out of `n` independent values, that enclose the `p`-quantile with
/// at least this `confidence`, whatever the law; each end misses with at most half of the rest.
///
/// `p` and `confidence` lie between 0 and 1, exclusive. `None` when `n` is too small for such an interval: p99 at 95 %
/// takes 368 values. With a histogram, read off the values at these ranks. Takes about √n operations.
/// Source: David and Nagaraja (2003), §7.1.
pub fn quantile_rank_interval(n: u64, p: f64, confidence: f64) -> Option<(u64, u64)> {
    let within = |share: f64| share > 0.0 && share < 1.0;
    if n == 0 || !within(p) || !within(confidence) {
        return None;
    }
    let each_tail = (1.0 - confidence) / 2.0;
    // The number of values below the quantile is binomial(n, p); beyond twelve deviations nothing is left to count.
    let count = n as f64;
    let centre = count * p;
    let spread = 12.0 * (centre * (1.0 - p)).sqrt() + 40.0;
    let first = (centre - spread).max(0.0) as u64;
    let last = (centre + spread).min(count) as u64;

    // The interval [X(low), X(high)] misses on the left when fewer than `low` values lie below the quantile …
    let low = ranks_within_tail(first..=last, each_tail, |below| binomial_probability(n, p, below))?;
    // … and on the right when at least `high` do.
    let high = ranks_within_tail((first..=last).rev(), each_tail, |below| binomial_probability(n, p, below))?;
    (low >= 1 && high < n).then_some((low, high + 1))
}

/// The first of `counts` with which the summed probability exceeds `tail`.
fn ranks_within_tail(counts: impl Iterator<Item = u64>, tail: f64, probability: impl Fn(u64) -> f64) -> Option<u64> {
    let mut summed = 0.0;
    for count in counts {
        summed += probability(count);
        if summed > tail {
            return Some(count);
        }
    }
    None
}

/// P(k successes in n trials).
fn binomial_probability(n: u64, p: f64, k: u64) -> f64 {
    let (n, k) = (n as f64, k as f64);
    let log_ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    libm::exp(log_ways + k * libm::log(p) + (n - k) * libm::log1p(-p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributions::Distribution;
    use crate::rng::{Seed, Stream, Uniforms};
    use statrs::distribution::{Binomial, DiscreteCDF};

    fn normals(stream: &mut Stream, n: usize) -> Vec<f64> {
        let law = Distribution::Normal { mean: 100.0, sd: 1.0 };
        (0..n).map(|_| law.sample_secs(stream)).collect()
    }

    /// Fails unless `hits` of `tries` fit a probability of at least `low` and at most `high`, within 4 deviations.
    fn assert_share(hits: u32, tries: u32, low: f64, high: f64) {
        let share = f64::from(hits) / f64::from(tries);
        let deviation = |p: f64| 4.0 * (p * (1.0 - p) / f64::from(tries)).sqrt();
        assert!(share >= low - deviation(low) && share <= high + deviation(high), "{share} outside {low}..{high}");
    }

    #[test]
    fn t_factors_agree_with_the_tables() {
        for (freedom, confidence, factor) in [
            (1, 0.95, 12.706_204_736),
            (1, 0.99, 63.656_741_162),
            (2, 0.6, 1.060_660_172),
            (9, 0.95, 2.262_157_163),
            (9, 0.999, 4.780_912_586),
            (30, 0.95, 2.042_272_456),
            (1000, 0.95, 1.962_339_081),
            (4_000_000_000, 0.95, 1.959_963_985),
        ] {
            let found = student_t_factor(freedom, confidence).expect("valid arguments");
            assert!((found - factor).abs() < 2e-9, "{freedom}, {confidence}: {found}");
        }
        for bad in [0.0, 1.0, -1.0, f64::NAN] {
            assert_eq!(student_t_factor(9, bad), None);
        }
        assert_eq!(student_t_factor(0, 0.95), None);
    }

    #[test]
    fn tails_and_factors_are_inverse_for_any_degrees_of_freedom() {
        for freedom in [0.7, 1.0, 3.4, 9.0, 250.5] {
            for confidence in [0.5, 0.95, 0.999] {
                let factor = student_t_factor_at(freedom, confidence).expect("valid arguments");
                let tails = student_t_two_sided(-factor, freedom).expect("a number");
                assert!((tails - (1.0 - confidence)).abs() < 1e-9, "{freedom}, {confidence}: {tails}");
            }
        }
        assert_eq!(student_t_factor_at(9.0, 0.95), student_t_factor(9, 0.95));
        assert_eq!(student_t_factor_at(1e9, 0.95), student_t_factor(1_000_000_000, 0.95));
        assert_eq!((student_t_two_sided(f64::INFINITY, 3.0), student_t_two_sided(f64::NAN, 3.0)), (Some(0.0), None));
        assert_eq!(student_t_two_sided(1.0, 0.0), None);
    }

    #[test]
    fn the_factor_has_no_seam_where_its_method_changes() {
        for confidence in [0.5, 0.95, 0.999] {
            let [before, seam, after] = [999, 1000, 1001].map(|v| student_t_factor(v, confidence).expect("valid"));
            assert!(((before - seam) / (seam - after) - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn an_interval_covers_as_often_as_it_says() {
        let mut stream = Seed(5).stream("coverage");
        let tries = 4000;
        for confidence in [0.8, 0.95] {
            let estimates = (0..tries).map(|_| Estimate::from_replications(&normals(&mut stream, 5)));
            let hits = estimates.filter(|e| e.as_ref().and_then(|e| e.covers(100.0, confidence)) == Some(true)).count();
            assert_share(hits as u32, tries, confidence, confidence);
        }
    }

    #[test]
    fn an_estimate_from_a_worked_example() {
        let estimate = Estimate::from_replications(&[1.0, 2.0, 3.0, 4.0, 5.0]).expect("values");
        assert_eq!((estimate.mean, estimate.n), (3.0, 5));
        assert!((estimate.sd.expect("several values") - 2.5f64.sqrt()).abs() < 1e-15);
        // t = 2.776445 at 4 degrees of freedom.
        assert!((estimate.half_width.expect("several values") - 2.776_445_105 * 0.5f64.sqrt()).abs() < 1e-8);
        assert!((estimate.relative_half_width().expect("a mean") - 0.654_414_386).abs() < 1e-8);
        assert!((estimate.z_score(2.0).expect("a spread") - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!(estimate.covers(1.1, 0.95), Some(true));
        assert_eq!(estimate.covers(1.0, 0.95), Some(false));
    }

    #[test]
    fn what_one_value_or_none_cannot_tell_is_missing() {
        assert_eq!(Estimate::from_replications(&[]), None);
        assert_eq!(Estimate::from_replications(&[1.0, f64::NAN]), None);
        assert_eq!(Estimate::from_replications(&[1.0, f64::INFINITY]), None);
        let single = Estimate::from_replications(&[2.0]).expect("a value");
        assert_eq!(single, Estimate { mean: 2.0, half_width: None, sd: None, n: 1 });
        assert_eq!((single.covers(2.0, 0.95), single.z_score(2.0)), (None, None));
        let equal = Estimate::from_replications(&[0.1; 10]).expect("values");
        assert_eq!((equal.sd, equal.half_width, equal.z_score(0.1)), (Some(0.0), Some(0.0), None));
        assert_eq!(equal.covers(0.1, 0.95), Some(true));
    }

    #[test]
    fn an_estimate_survives_json() {
        for values in [&[2.0][..], &[1.0, 2.5]] {
            let estimate = Estimate::from_replications(values).expect("values");
            let written = serde_json::to_string(&estimate).expect("plain numbers");
            assert_eq!(serde_json::from_str::<Estimate>(&written).expect("what was written"), estimate);
        }
    }

    #[test]
    fn pairs_remove_what_they_share() {
        let mut stream = Seed(6).stream("pairs");
        let shared = normals(&mut stream, 10);
        let shifted: Vec<f64> = shared.iter().map(|x| x + 0.25 + 0.001 * stream.uniform()).collect();
        let difference = Estimate::from_pairs(&shifted, &shared).expect("pairs");
        assert!((difference.mean - 0.2505).abs() < 0.001 && difference.half_width < Some(0.001));
        assert_eq!(Estimate::from_pairs(&shared, &shared[1..]), None);
    }

    /// xᵢ₊₁ = φ·xᵢ + noise of variance 1, started in its steady state.
    fn autoregressive(stream: &mut Stream, phi: f64, n: usize) -> Vec<f64> {
        let mut x = (normals(stream, 1)[0] - 100.0) / (1.0 - phi * phi).sqrt();
        let mut series = Vec::with_capacity(n);
        for draw in normals(stream, n) {
            series.push(x);
            x = phi * x + draw - 100.0;
        }
        series
    }

    #[test]
    fn long_batches_know_the_variance_of_a_correlated_mean() {
        // Variance of the mean of n values: ≈ (1 − 2φ/(n(1 − φ²))) / (n(1 − φ)²).
        let (phi, n, runs) = (0.8, 10_000, 400);
        let per_batch = |size: f64| (1.0 - 2.0 * phi / (size * (1.0 - phi * phi))) / (size * (1.0 - phi) * (1.0 - phi));
        let mut stream = Seed(7).stream("batches");
        let (mut variance, mut covered, mut correlated) = (0.0, 0, 0);
        for _ in 0..runs {
            let batches = BatchMeans::new(&autoregressive(&mut stream, phi, n), 20).expect("a long series");
            assert_eq!((batches.batch_size, batches.estimate.n), (500, 20));
            variance += batches.estimate.sd.expect("20 batches").powi(2) / f64::from(runs);
            covered += u32::from(batches.estimate.covers(0.0, 0.95) == Some(true));
            correlated += u32::from(batches.correlated());
        }
        // The mean of 400 variances with 19 degrees of freedom each has a relative deviation of √(2/7600) = 1.6 %.
        assert!((variance / per_batch(500.0) - 1.0).abs() < 0.065, "{variance} vs {}", per_batch(500.0));
        assert_share(covered, runs, 0.94, 0.95);
        assert_share(correlated, runs, 0.05, 0.06);
    }

    #[test]
    fn short_batches_are_found_out() {
        let series = autoregressive(&mut Seed(8).stream("batches"), 0.95, 400);
        let batches = BatchMeans::new(&series, 40).expect("a series");
        assert!(batches.correlated() && batches.lag1_correlation > Some(0.4), "{batches:?}");
    }

    #[test]
    fn batches_need_enough_to_cut() {
        assert_eq!(BatchMeans::new(&[], 20), None);
        assert_eq!(BatchMeans::new(&[1.0; 19], 20), None);
        assert_eq!(BatchMeans::new(&[1.0; 19], 1), None);
        // The remainder goes at the beginning, where a transient would be.
        let cut = BatchMeans::new(&[100.0, 1.0, 1.0, 3.0, 3.0], 2).expect("two batches of two");
        assert_eq!((cut.estimate.mean, cut.lag1_correlation, cut.correlated()), (2.0, None, false));
    }

    #[test]
    fn mser_finds_the_end_of_a_transient() {
        // A start far above the steady state that decays by e every 40 observations sinks into the noise near 200.
        let mut stream = Seed(9).stream("mser");
        for _ in 0..50 {
            let noise = normals(&mut stream, 5000);
            let series: Vec<f64> =
                noise.iter().enumerate().map(|(i, x)| x + 30.0 * libm::exp(-(i as f64) / 40.0)).collect();
            let cut = mser5(&series).expect("a long series");
            assert!((80..600).contains(&cut.index) && cut.index.is_multiple_of(5) && !cut.at_limit, "{cut:?}");
        }
    }

    #[test]
    fn mser_cuts_a_step_where_it_is() {
        let series: Vec<f64> = (0..400).map(|i| if i < 60 { 10.0 } else { f64::from(i % 2) }).collect();
        assert_eq!(mser5(&series), Some(Truncation { index: 60, at_limit: false }));
        assert_eq!(mser5(&[4.0; 100]), Some(Truncation { index: 0, at_limit: false }));
    }

    #[test]
    fn mser_says_when_a_run_never_settles() {
        let growing: Vec<f64> = (0..500).map(f64::from).collect();
        assert_eq!(mser5(&growing), Some(Truncation { index: 250, at_limit: true }));
        assert_eq!(mser5(&growing[..49]), None);
        assert_eq!(mser5(&[f64::NAN; 100]), None);
        assert_eq!(mser5(&[]), None);
    }

    #[test]
    fn quantile_ranks_have_the_binomial_coverage_and_no_closer_ranks_do() {
        for (n, p, confidence) in [(10, 0.5, 0.95), (100, 0.95, 0.9), (368, 0.99, 0.95), (5000, 0.01, 0.99)] {
            let (low, high) = quantile_rank_interval(n, p, confidence).expect("enough values");
            let below = Binomial::new(p, n).expect("valid");
            let tail = (1.0 - confidence) / 2.0;
            assert!(below.cdf(low - 1) <= tail && below.cdf(low) > tail, "{n} {p}: {low}");
            assert!(below.sf(high - 1) <= tail && below.sf(high - 2) > tail, "{n} {p}: {high}");
        }
        // The textbook's median of ten.
        assert_eq!(quantile_rank_interval(10, 0.5, 0.95), Some((2, 9)));
    }

    #[test]
    fn quantile_ranks_cover_the_quantile() {
        let law = Distribution::Exponential { mean: 1.0 };
        let (n, p, tries) = (200, 0.9, 4000);
        let (low, high) = quantile_rank_interval(n, p, 0.95).expect("enough values");
        let truth = -libm::log(1.0 - p);
        let mut stream = Seed(10).stream("quantiles");
        let hits = (0..tries).filter(|_| {
            let mut values: Vec<f64> = (0..n).map(|_| law.sample_secs(&mut stream)).collect();
            values.sort_by(f64::total_cmp);
            (values[low as usize - 1]..=values[high as usize - 1]).contains(&truth)
        });
        let below = Binomial::new(p, n).expect("valid");
        let exact = below.cdf(high - 1) - below.cdf(low - 1);
        assert_share(hits.count() as u32, tries, exact, exact);
    }

    #[test]
    fn quantile_ranks_of_many_values_are_the_normal_ones() {
        let (low, high) = quantile_rank_interval(10_000_000, 0.99, 0.95).expect("enough values");
        let half_width = 1.959_964 * (1e7f64 * 0.99 * 0.01).sqrt();
        assert!((low as f64 - (9.9e6 - half_width)).abs() < 3.0 && (high as f64 - (9.9e6 + half_width)).abs() < 3.0);
    }

    #[test]
    fn too_few_values_for_a_quantile() {
        assert_eq!(quantile_rank_interval(367, 0.99, 0.95), None);
        assert_eq!(quantile_rank_interval(5, 0.5, 0.95), None);
        assert_eq!(quantile_rank_interval(0, 0.5, 0.95), None);
        for bad in [0.0, 1.0, f64::NAN] {
            assert_eq!(quantile_rank_interval(1000, bad, 0.95), None);
            assert_eq!(quantile_rank_interval(1000, 0.5, bad), None);
        }
    }
}
