//! How far a fitted law is from what was observed: Kolmogorov and Smirnov's largest distance, Anderson and Darling's
//! weighted one, and how often chance alone would be as far.
//!
//! Parameters were estimated from the same observations, so the tables of both tests do not apply: they would accept too
//! much. Instead laws are fitted to samples drawn from the fitted law (Stute, Manteiga and Quindimil 1993), censored and
//! put into buckets as the observations were.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::rng::Seed;

use super::family::Family;
use super::likelihood::{Maximum, maximise_again};
use super::resample::Scheme;
use super::sample::{Observation, Sample};
use super::survival::KaplanMeier;

/// Beyond this many observations the null distribution is taken from samples of this size: √n·D and A² have settled.
const MOST_RESAMPLED: usize = 400;

/// What the tests say of a fitted law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goodness {
    /// Largest distance between the observed and the fitted distribution function.
    pub ks: f64,
    /// How often samples of the fitted law, fitted themselves, are at least as far.
    pub ks_p: f64,
    /// Anderson and Darling's A², and how often it is as large; only where all times are exact.
    pub ad: Option<(f64, f64)>,
    /// Samples drawn to find out.
    pub resamples: u32,
}

impl Goodness {
    /// The smaller of the two p-values.
    pub fn p(&self) -> f64 {
        self.ad.map_or(self.ks_p, |(_, p)| p.min(self.ks_p))
    }

    /// Judges the best law of `family` by `resamples` samples drawn from it with `seed`.
    pub fn of(fitted: &Maximum, family: Family, sample: &Sample, resamples: u32, seed: Seed) -> Option<Goodness> {
        let law = &fitted.law;
        let ks = kolmogorov_smirnov(law, sample)?;
        let ad = anderson_darling(law, sample);
        let n = sample.n().min(MOST_RESAMPLED);
        let scheme = Scheme::of(sample);
        // Distances shrink with the root of the sample size; compared on that scale, sizes may differ.
        let scaled = ks * (sample.n() as f64).sqrt();
        let (mut ks_farther, mut ad_farther, mut done) = (0u32, 0u32, 0u32);
        for index in 0..resamples {
            let mut stream = seed.replication(index).stream("calibration/goodness");
            let drawn = scheme.draw(law, n, &mut stream);
            let Some(refitted) = maximise_again(family, &drawn, fitted) else { continue };
            let Some(distance) = kolmogorov_smirnov(&refitted.law, &drawn) else { continue };
            done += 1;
            ks_farther += u32::from(distance * (n as f64).sqrt() >= scaled);
            if let (Some(observed), Some(again)) = (ad, anderson_darling(&refitted.law, &drawn)) {
                ad_farther += u32::from(again >= observed);
            }
        }
        let share = |farther: u32| f64::from(farther + 1) / f64::from(done + 1);
        Some(Goodness { ks, ks_p: share(ks_farther), ad: ad.map(|a2| (a2, share(ad_farther))), resamples: done })
    }
}

/// The largest distance between the fitted distribution function and the observed one: the step function of exact times,
/// Kaplan–Meier's where some are censored, the cumulative counts at the bounds of buckets. `None` if buckets overlap.
pub fn kolmogorov_smirnov(law: &Distribution, sample: &Sample) -> Option<f64> {
    if sample.is_exact() {
        let values = sample.rough_values();
        let n = values.len() as f64;
        let distance = |(index, x): (usize, &f64)| {
            let fitted = law.cdf(*x);
            ((index + 1) as f64 / n - fitted).max(fitted - index as f64 / n)
        };
        return Some(values.iter().enumerate().map(distance).fold(0.0, f64::max));
    }
    if let Some(curve) = KaplanMeier::of(sample) {
        let mut before = 0.0;
        let mut largest = 0.0f64;
        for step in curve.steps() {
            let (fitted, observed) = (law.cdf(step.at), 1.0 - step.survival);
            largest = largest.max((observed - fitted).abs()).max((fitted - before).abs());
            before = observed;
        }
        return Some(largest);
    }
    let counts = cumulative(sample)?;
    Some(counts.iter().map(|(bound, share)| (law.cdf(*bound) - share).abs()).fold(0.0, f64::max))
}

/// Share of observations up to each bound of the buckets, if none straddles a bound of another.
fn cumulative(sample: &Sample) -> Option<Vec<(f64, f64)>> {
    let ranges: Vec<(f64, f64)> = sample
        .observations()
        .iter()
        .map(|observation| match *observation {
            Observation::Exact(x) => (x, x),
            Observation::LongerThan(x) => (x, f64::INFINITY),
            Observation::Between(low, high) => (low, high),
        })
        .collect();
    let mut bounds: Vec<f64> =
        ranges.iter().flat_map(|(low, high)| [*low, *high]).filter(|bound| bound.is_finite()).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    // Ranges in order: each must lie between neighbouring bounds.
    let neighbours = |(low, high): &(f64, f64)| {
        let next = bounds.partition_point(|bound| bound <= low);
        low == high || bounds.get(next).is_none_or(|bound| bound >= high)
    };
    if !ranges.iter().all(neighbours) {
        return None;
    }
    let mut ends: Vec<f64> = ranges.iter().map(|(_, high)| *high).collect();
    ends.sort_by(f64::total_cmp);
    let n = ranges.len() as f64;
    Some(bounds.into_iter().map(|bound| (bound, ends.partition_point(|end| *end <= bound) as f64 / n)).collect())
}

/// Anderson and Darling's A², which weighs the tails; `None` unless all times are exact.
pub fn anderson_darling(law: &Distribution, sample: &Sample) -> Option<f64> {
    if !sample.is_exact() {
        return None;
    }
    // A value at the edge of the law would weigh infinitely much; measured values have a resolution.
    const EDGE: f64 = 1e-12;
    let values = sample.rough_values();
    let n = values.len();
    let sum: f64 = (0..n)
        .map(|i| {
            let (below, above) = (law.cdf(values[i]).max(EDGE), law.survival(values[n - 1 - i]).max(EDGE));
            (2 * i + 1) as f64 * (libm::log(below) + libm::log(above))
        })
        .sum();
    Some(-(n as f64) - sum / n as f64)
}

#[cfg(test)]
mod tests {
    use super::super::family::Shape;
    use super::super::likelihood::maximise;
    use super::*;

    /// For a law that is given and not fitted, D of five values by hand: 0.2 below each step at the middle of the fifths.
    #[test]
    fn distances_by_hand() {
        let law = Distribution::Uniform { low: 0.0, high: 1.0 };
        let sample = Sample::exact("hand", &[0.1, 0.3, 0.5, 0.7, 0.95]).unwrap();
        assert!((kolmogorov_smirnov(&law, &sample).unwrap() - 0.15).abs() < 1e-12);
        let buckets =
            vec![Observation::Between(0.0, 0.5), Observation::Between(0.0, 0.5), Observation::LongerThan(0.5)];
        let sample = Sample::new("hand", buckets).unwrap();
        assert!((kolmogorov_smirnov(&law, &sample).unwrap() - (2.0 / 3.0 - 0.5)).abs() < 1e-12);
    }

    /// The test keeps its promise: of laws that are true about a tenth is rejected at 10 %, and a wrong one is seen.
    #[test]
    fn rejects_true_laws_as_seldom_as_it_says() {
        let truth = Distribution::Weibull { scale: 2.0, shape: 1.5 };
        let family = Family::Plain(Shape::Weibull);
        let (mut rejected, rounds) = (0, 60);
        for round in 0..rounds {
            let mut stream = Seed(100 + round).stream("truth");
            let values: Vec<f64> = (0..60).map(|_| truth.sample_secs(&mut stream)).collect();
            let sample = Sample::exact("draws", &values).unwrap();
            let found = maximise(family, &sample).unwrap();
            let goodness = Goodness::of(&found, family, &sample, 99, Seed(round)).unwrap();
            rejected += u32::from(goodness.ks_p <= 0.1);
        }
        // Binomial(60, 0.1): more than 14 has a probability of 0.1 %.
        assert!(rejected <= 14, "{rejected} of {rounds}");

        let bimodal: Vec<f64> = (0..100).map(|i| if i % 2 == 0 { 1.0 } else { 9.0 } + f64::from(i) / 1e3).collect();
        let sample = Sample::exact("two humps", &bimodal).unwrap();
        let found = maximise(family, &sample).unwrap();
        let goodness = Goodness::of(&found, family, &sample, 99, Seed(1)).unwrap();
        assert!(goodness.ks_p <= 0.01 && goodness.ad.unwrap().1 <= 0.01, "{goodness:?}");
    }
}
