//! Maximum likelihood, with what is censored counted as what is known of it.

use faas_lab_model::distributions::Distribution;

use super::family::{Family, Shape};
use super::sample::{Observation, Sample};
use super::simplex::{Minimum, minimise};

/// A density that no observation may exceed per second: measurements have a resolution, about a nanosecond.
const FINEST: f64 = 1e-9;
const MOST_EVALUATIONS: usize = 2_000;

/// The best law of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Maximum {
    /// The law.
    pub law: Distribution,
    /// Its log-likelihood.
    pub log_likelihood: f64,
    /// Whether the search has settled.
    pub converged: bool,
    /// Where in the family's free coordinates it is; empty where it was written down.
    free: Vec<f64>,
}

/// The logarithm of the probability of the sample under the law: densities of exact times, survival of those that lasted
/// longer, differences of the distribution function for buckets.
pub fn log_likelihood(law: &Distribution, sample: &Sample) -> f64 {
    sample
        .observations()
        .iter()
        .map(|observation| match *observation {
            Observation::Exact(x) => law.ln_density(x).min(-libm::log(FINEST)),
            Observation::LongerThan(x) => libm::log(law.survival(x)),
            Observation::Between(low, high) => {
                // In the tail the difference of survivals keeps its digits, near zero that of the distribution functions.
                let (above, below) = (law.survival(low), law.cdf(low));
                libm::log(if above < below { above - law.survival(high) } else { law.cdf(high) - below })
            }
        })
        .sum()
}

/// The law of `family` under which the sample is most likely. `None` where the family cannot describe the sample at all.
pub fn maximise(family: Family, sample: &Sample) -> Option<Maximum> {
    if sample.n_ended() == 0 {
        return None;
    }
    if let Some(closed) = closed_form(family, sample) {
        let log_likelihood = log_likelihood(&closed, sample);
        return log_likelihood.is_finite().then_some(Maximum {
            law: closed,
            log_likelihood,
            converged: true,
            free: Vec::new(),
        });
    }
    let values = sample.rough_values();
    let ceiling = offset_ceiling(sample, &values);
    if matches!(family, Family::Shifted(_)) && ceiling <= 0.0 {
        return None;
    }
    let searches = family.starts(&values, ceiling).into_iter().map(|start| {
        let first = search(family, sample, ceiling, &start, 0.3);
        // A second search from where the first ended leaves corners in which a simplex can collapse.
        search(family, sample, ceiling, &first.at, 0.05)
    });
    let best = searches.min_by(|a, b| a.value.total_cmp(&b.value))?;
    maximum(family, ceiling, best)
}

/// The same for a sample much like the one that gave `near`: one short search from there.
pub(super) fn maximise_again(family: Family, sample: &Sample, near: &Maximum) -> Option<Maximum> {
    if near.free.is_empty() {
        return maximise(family, sample);
    }
    let ceiling = offset_ceiling(sample, &sample.rough_values());
    if matches!(family, Family::Shifted(_)) && ceiling <= 0.0 {
        return None;
    }
    maximum(family, ceiling, search(family, sample, ceiling, &near.free, 0.1))
}

fn search(family: Family, sample: &Sample, ceiling: f64, start: &[f64], step: f64) -> Minimum {
    let cost = |free: &[f64]| family.law(free, ceiling).map_or(f64::INFINITY, |law| -log_likelihood(&law, sample));
    minimise(cost, start, step, 1e-9, MOST_EVALUATIONS)
}

fn maximum(family: Family, ceiling: f64, best: Minimum) -> Option<Maximum> {
    let law = family.law(&best.at, ceiling)?;
    let (log_likelihood, converged) = (-best.value, best.converged);
    best.value.is_finite().then_some(Maximum { law, log_likelihood, converged, free: best.at })
}

/// Where the maximum can be written down.
fn closed_form(family: Family, sample: &Sample) -> Option<Distribution> {
    match family {
        Family::Plain(Shape::Exponential) if sample.has_no_buckets() => {
            // All the time that was watched, over the ends that were seen: the estimate also under censoring.
            let mean = sample.rough_values().iter().sum::<f64>() / sample.n_ended() as f64;
            (mean > 0.0).then_some(Distribution::Exponential { mean })
        }
        Family::Plain(Shape::Lognormal) if sample.is_exact() => {
            let values = sample.rough_values();
            if values[0] <= 0.0 {
                return None;
            }
            let n = values.len() as f64;
            let mean = values.iter().map(|x| libm::log(*x)).sum::<f64>() / n;
            let variance = values.iter().map(|x| (libm::log(*x) - mean) * (libm::log(*x) - mean)).sum::<f64>() / n;
            (variance > 0.0).then(|| Distribution::Lognormal { median: libm::exp(mean), sigma: variance.sqrt() })
        }
        _ => None,
    }
}

/// The largest offset that is tried.
///
/// The likelihood of most shifted laws grows without bound as the offset comes up to the smallest value; an offset that
/// stays below it by the mean gap of the n values avoids that, and is where the shifted exponential's unbiased estimate lies.
fn offset_ceiling(sample: &Sample, values: &[f64]) -> f64 {
    let smallest = sample.observations().iter().map(|observation| match *observation {
        Observation::Exact(x) => x,
        Observation::Between(_, high) => high,
        Observation::LongerThan(_) => f64::INFINITY,
    });
    let smallest = smallest.fold(f64::INFINITY, f64::min);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (smallest - (mean - smallest).max(0.0) / values.len() as f64).max(0.0)
}

#[cfg(test)]
mod tests {
    use faas_lab_model::rng::Seed;

    use super::*;

    fn draws(law: &Distribution, n: usize) -> Vec<f64> {
        let mut stream = Seed(5).stream("likelihood");
        (0..n).map(|_| law.sample_secs(&mut stream)).collect()
    }

    fn parameters_of(law: &Distribution) -> Vec<f64> {
        Family::named(law).into_iter().map(|(_, value)| value).collect()
    }

    fn assert_near(found: &Distribution, truth: &Distribution, tolerance: f64) {
        for (found, truth) in parameters_of(found).into_iter().zip(parameters_of(truth)) {
            assert!((found / truth - 1.0).abs() < tolerance, "{found} should be {truth}");
        }
    }

    fn shapes() -> Vec<(Shape, Distribution)> {
        vec![
            (Shape::Exponential, Distribution::Exponential { mean: 2.0 }),
            (Shape::Lognormal, Distribution::Lognormal { median: 0.3, sigma: 0.4 }),
            (Shape::Gamma, Distribution::Gamma { mean: 2.0, cv: 0.5 }),
            (Shape::Weibull, Distribution::Weibull { scale: 3.0, shape: 1.7 }),
        ]
    }

    /// With 4000 values standard errors are below 2 %; five of them are allowed.
    #[test]
    fn recovers_what_was_drawn() {
        for (shape, truth) in shapes() {
            let sample = Sample::exact("draws", &draws(&truth, 4000)).unwrap();
            let found = maximise(Family::Plain(shape), &sample).unwrap();
            assert!(found.converged, "{shape:?}");
            assert_near(&found.law, &truth, 0.08);
        }
    }

    #[test]
    fn recovers_it_although_half_of_it_is_censored() {
        for (shape, truth) in shapes() {
            let limit = truth.quantile(0.5);
            let seen = draws(&truth, 4000).into_iter().map(|x| match x {
                x if x > limit => Observation::LongerThan(limit),
                x => Observation::Exact(x),
            });
            let sample = Sample::new("draws", seen.collect()).unwrap();
            let found = maximise(Family::Plain(shape), &sample).unwrap();
            assert_near(&found.law, &truth, 0.12);
        }
    }

    #[test]
    fn recovers_it_from_a_histogram() {
        for (shape, truth) in shapes() {
            let bounds: Vec<f64> = [0.0, 0.2, 0.4, 0.6, 0.8].map(|p| truth.quantile(p)).to_vec();
            let seen = draws(&truth, 4000).into_iter().map(|x| match bounds.partition_point(|bound| *bound < x) {
                above if above == bounds.len() => Observation::LongerThan(bounds[above - 1]),
                above => Observation::Between(bounds[above - 1], bounds[above]),
            });
            let sample = Sample::new("draws", seen.collect()).unwrap();
            let found = maximise(Family::Plain(shape), &sample).unwrap();
            assert_near(&found.law, &truth, 0.12);
        }
    }

    #[test]
    fn recovers_offsets_and_truncated_laws() {
        for (shape, law) in shapes() {
            let truth = Distribution::Shifted { offset: 5.0, law: Box::new(law.clone()) };
            let sample = Sample::exact("draws", &draws(&truth, 8000)).unwrap();
            let found = maximise(Family::Shifted(shape), &sample).unwrap();
            for p in [0.05, 0.5, 0.95] {
                let (found, truth) = (found.law.quantile(p), truth.quantile(p));
                assert!((found / truth - 1.0).abs() < 0.03, "{shape:?}, {p}: {found} should be {truth}");
            }
            let (low, high) = (law.quantile(0.1), law.quantile(0.9));
            let truth = Distribution::Truncated { law: Box::new(law), low, high: Some(high) };
            let sample = Sample::exact("draws", &draws(&truth, 8000)).unwrap();
            let found = maximise(Family::Truncated { shape, low, high: Some(high) }, &sample).unwrap();
            for p in [0.05, 0.5, 0.95] {
                let (found, truth) = (found.law.quantile(p), truth.quantile(p));
                assert!((found / truth - 1.0).abs() < 0.05, "{shape:?}, {p}: {found} should be {truth}");
            }
        }
    }
}
