//! Fitting as a whole: all candidates, the choice among them, intervals, doubts.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::rng::Seed;
use thiserror::Error;

use super::doubt::{Doubt, FEW, FEW_FOR_TAILS, LEVEL, SMALL_DISTANCE};
use super::estimate::{Estimate, Method};
use super::family::Family;
use super::goodness::Goodness;
use super::likelihood::{Maximum, maximise, maximise_again};
use super::resample::again;
use super::sample::{Observation, Sample};
use super::survival::KaplanMeier;

/// Differences in AICc up to this are no evidence (Burnham and Anderson 2002).
const TIE: f64 = 2.0;
/// Candidates that are tested, from the best on.
const TESTED: usize = 3;
/// Values closer together than this share of them are one value.
const SAME: f64 = 1e-9;
/// Points of an empirical law.
const EMPIRICAL_POINTS: usize = 101;
/// The quantiles that are reported with intervals.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

/// How to fit.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// The candidates.
    pub families: Vec<Family>,
    /// Samples drawn for tests and intervals; 0 leaves both out.
    pub resamples: u32,
    /// Makes the draws repeatable.
    pub seed: Seed,
}

impl Default for FitOptions {
    fn default() -> FitOptions {
        FitOptions { families: Family::usual(), resamples: 199, seed: Seed(1) }
    }
}

/// A family's best law, and how well it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The family.
    pub family: Family,
    /// Its best law.
    pub law: Distribution,
    /// Log-likelihood; `None` for the empirical law and for a constant, which have none to compare.
    pub log_likelihood: Option<f64>,
    /// Akaike's criterion, corrected for small samples: smaller is better.
    pub aicc: Option<f64>,
    /// What the tests say; the best few candidates are tested.
    pub goodness: Option<Goodness>,
    /// Whether the search settled.
    pub converged: bool,
    /// What was found, where there was a search.
    maximum: Option<Maximum>,
}

/// What became of a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The chosen candidate.
    pub chosen: Candidate,
    /// All candidates, the best first.
    pub candidates: Vec<Candidate>,
    /// The law's parameters, its mean and its quantiles, with intervals.
    pub estimates: Vec<Estimate>,
    /// What to be careful about.
    pub doubts: Vec<Doubt>,
    /// How many observations there were.
    pub n: usize,
    /// How many of them had not ended.
    pub censored: usize,
    /// Where they come from.
    pub source: String,
}

/// Why nothing could be fitted.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum FitError {
    /// Everything is censored.
    #[error("{source_name}: none of the {n} observations had ended, so nothing is known but that they last longer")]
    NothingEnded {
        /// Where they come from.
        source_name: String,
        /// How many there are.
        n: usize,
    },
    /// No candidate can describe the observations.
    #[error("{source_name}: none of the candidates ({tried}) can describe the observations; add the empirical law")]
    NoCandidate {
        /// Where they come from.
        source_name: String,
        /// What was tried.
        tried: String,
    },
}

impl Fitted {
    /// The law, as scenarios have it.
    pub fn law(&self) -> &Distribution {
        &self.chosen.law
    }

    /// Whether nothing serious speaks against it.
    pub fn is_trusted(&self) -> bool {
        !self.doubts.iter().any(Doubt::is_serious)
    }

    /// One of its estimates, by name.
    pub fn estimate(&self, name: &str) -> Option<&Estimate> {
        self.estimates.iter().find(|estimate| estimate.name == name)
    }
}

/// Fits all candidates and chooses one.
///
/// The choice is the smallest AICc. If the tests reject that and it is far off, the next is taken that they do not reject;
/// if there is none, the empirical law. A sample whose values are all the same is a constant.
pub fn fit(sample: &Sample, options: &FitOptions) -> Result<Fitted, FitError> {
    if sample.n_ended() == 0 {
        return Err(FitError::NothingEnded { source_name: sample.source().to_owned(), n: sample.n() });
    }
    let mut candidates = candidates(sample, options);
    let tested = candidates.iter_mut().filter(|candidate| candidate.aicc.is_some()).take(TESTED);
    for candidate in tested.filter(|_| options.resamples > 0) {
        candidate.goodness = candidate
            .maximum
            .as_ref()
            .and_then(|maximum| Goodness::of(maximum, candidate.family, sample, options.resamples, options.seed));
    }
    let Some(chosen) = choose(&candidates) else {
        let tried: Vec<String> = options.families.iter().map(|family| family.name()).collect();
        return Err(FitError::NoCandidate { source_name: sample.source().to_owned(), tried: tried.join(", ") });
    };
    let chosen = candidates[chosen].clone();
    Ok(Fitted {
        estimates: estimates(&chosen, sample, options),
        doubts: doubts(&chosen, &candidates, sample),
        chosen,
        candidates,
        n: sample.n(),
        censored: sample.n() - sample.n_ended(),
        source: sample.source().to_owned(),
    })
}

/// The candidates that can describe the sample, the best first, those without a likelihood last.
fn candidates(sample: &Sample, options: &FitOptions) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = options.families.iter().filter_map(|family| candidate(*family, sample)).collect();
    all.sort_by(|a, b| a.aicc.unwrap_or(f64::INFINITY).total_cmp(&b.aicc.unwrap_or(f64::INFINITY)));
    all
}

fn candidate(family: Family, sample: &Sample) -> Option<Candidate> {
    let without_likelihood = |law| Candidate {
        family,
        law,
        log_likelihood: None,
        aicc: None,
        goodness: None,
        converged: true,
        maximum: None,
    };
    match family {
        Family::Constant => one_value(sample).map(Distribution::Constant).map(without_likelihood),
        Family::Empirical => empirical(sample).map(without_likelihood),
        _ => {
            let maximum = maximise(family, sample)?;
            let (k, n) = (family.parameters()? as f64, sample.n() as f64);
            let spare = n - k - 1.0;
            let correction = if spare > 0.0 { 2.0 * k * (k + 1.0) / spare } else { f64::INFINITY };
            Some(Candidate {
                family,
                aicc: Some(2.0 * k - 2.0 * maximum.log_likelihood + correction),
                log_likelihood: Some(maximum.log_likelihood),
                law: maximum.law.clone(),
                goodness: None,
                converged: maximum.converged,
                maximum: Some(maximum),
            })
        }
    }
}

/// The value that all have, if they all have the same.
fn one_value(sample: &Sample) -> Option<f64> {
    let values = sample.rough_values();
    let (low, high) = (values[0], values[values.len() - 1]);
    (sample.is_exact() && high - low <= SAME * high.abs()).then_some(values[values.len() / 2])
}

/// The sample's own quantiles; of buckets, with the values of each spread evenly within it.
fn empirical(sample: &Sample) -> Option<Distribution> {
    if let Some(curve) = KaplanMeier::of(sample) {
        return curve.law(EMPIRICAL_POINTS);
    }
    let mut pieces: Vec<(f64, f64)> = sample
        .observations()
        .iter()
        .map(|observation| match *observation {
            Observation::Between(low, high) => (low, high),
            Observation::Exact(x) | Observation::LongerThan(x) => (x, x),
        })
        .collect();
    pieces.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    // Each bucket's values at the middles of equal parts of it.
    let mut values = Vec::with_capacity(pieces.len());
    for bucket in pieces.chunk_by(|a, b| a == b) {
        let (low, high) = bucket[0];
        let n = bucket.len() as f64;
        values.extend((0..bucket.len()).map(|i| low + (high - low) * (i as f64 + 0.5) / n));
    }
    values.sort_by(f64::total_cmp);
    KaplanMeier::of(&Sample::exact(sample.source(), &values).ok()?)?.law(EMPIRICAL_POINTS)
}

fn choose(candidates: &[Candidate]) -> Option<usize> {
    let is = |family: Family| candidates.iter().position(|candidate| candidate.family == family);
    if let Some(constant) = is(Family::Constant) {
        return Some(constant);
    }
    let acceptable = |candidate: &Candidate| {
        let goodness = candidate.goodness;
        goodness.is_none_or(|goodness| goodness.p() > LEVEL || goodness.ks <= SMALL_DISTANCE)
    };
    let best = candidates.iter().take(TESTED).position(|candidate| candidate.aicc.is_some() && acceptable(candidate));
    best.or(is(Family::Empirical)).or((!candidates.is_empty()).then_some(0))
}

/// Parameters, mean and quantiles of the chosen law; the middle 95 % of what resampled observations give.
fn estimates(chosen: &Candidate, sample: &Sample, options: &FitOptions) -> Vec<Estimate> {
    let values_of = |law: &Distribution| -> Vec<(String, f64)> {
        let parameters = Family::named(law).into_iter().map(|(name, value)| (name.to_owned(), value));
        let mean = law.mean().map(|mean| ("mean of the law".to_owned(), mean));
        let quantiles = QUANTILES.map(|(name, p)| (name.to_owned(), law.quantile(p)));
        parameters.chain(mean).chain(quantiles).collect()
    };
    let again: Vec<Vec<(String, f64)>> = (0..options.resamples)
        .filter_map(|index| {
            let mut stream = options.seed.replication(index).stream("calibration/intervals");
            let resampled = again(sample, sample.n(), &mut stream);
            let law = match chosen.family {
                // A resampled sample of one value has that value too.
                Family::Constant => return None,
                Family::Empirical => empirical(&resampled)?,
                family => maximise_again(family, &resampled, chosen.maximum.as_ref()?)?.law,
            };
            Some(values_of(&law))
        })
        .collect();
    let method = match chosen.family {
        Family::Empirical => Method::Quantile,
        Family::Constant => Method::Count,
        _ => Method::MaximumLikelihood,
    };
    values_of(&chosen.law)
        .into_iter()
        .enumerate()
        .map(|(index, (name, value))| {
            let mut others: Vec<f64> =
                again.iter().filter(|values| values.len() > index).map(|values| values[index].1).collect();
            others.sort_by(f64::total_cmp);
            let at = |p: f64| others[((others.len() - 1) as f64 * p).round() as usize];
            let interval = (others.len() >= 20).then(|| (at(0.025).min(value), at(0.975).max(value)));
            Estimate { name, value, interval, n: sample.n(), method, source: sample.source().to_owned() }
        })
        .collect()
}

fn doubts(chosen: &Candidate, candidates: &[Candidate], sample: &Sample) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let n = sample.n();
    if sample.n_ended() < FEW {
        doubts.push(Doubt::Few { n: sample.n_ended() });
    } else if n < FEW_FOR_TAILS {
        doubts.push(Doubt::ThinTail { n });
    }
    if let Some(goodness) = chosen.goodness.filter(|goodness| goodness.p() <= LEVEL) {
        doubts.push(if goodness.ks > SMALL_DISTANCE {
            Doubt::Rejected { distance: goodness.ks, p: goodness.p() }
        } else {
            Doubt::SlightlyOff { distance: goodness.ks }
        });
    }
    let censored = (n - sample.n_ended()) as f64 / n as f64;
    if censored > 0.3 {
        doubts.push(Doubt::Censored { share: censored });
        let longest = sample.rough_values().last().copied().unwrap_or(0.0);
        let beyond = chosen.law.survival(longest);
        if beyond > 0.1 {
            doubts.push(Doubt::Extrapolated { share: beyond });
        }
    }
    let rival = candidates.iter().find(|other| {
        other.family != chosen.family
            && matches!((other.aicc, chosen.aicc), (Some(other), Some(own)) if (other - own).abs() <= TIE)
    });
    if let Some(rival) = rival {
        doubts.push(Doubt::Tied { with: rival.family.name() });
    }
    if !chosen.converged {
        doubts.push(Doubt::Unsettled);
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::super::family::Shape;
    use super::*;

    fn draws(law: &Distribution, n: usize) -> Vec<f64> {
        let mut stream = Seed(3).stream("choice");
        (0..n).map(|_| law.sample_secs(&mut stream)).collect()
    }

    fn fit_exact(values: &[f64]) -> Fitted {
        fit(&Sample::exact("test", values).unwrap(), &FitOptions { resamples: 99, ..FitOptions::default() }).unwrap()
    }

    #[test]
    fn a_clear_law_is_found_with_intervals_around_the_truth() {
        let truth = Distribution::Lognormal { median: 0.2, sigma: 0.8 };
        let fitted = fit_exact(&draws(&truth, 400));
        assert_eq!(fitted.chosen.family, Family::Plain(Shape::Lognormal), "{:#?}", fitted.candidates);
        assert!(fitted.is_trusted(), "{:?}", fitted.doubts);
        for (name, value) in [("median", 0.2), ("sigma", 0.8), ("p95", truth.quantile(0.95))] {
            let (low, high) = fitted.estimate(name).unwrap().interval.unwrap();
            assert!(low < value && value < high && high / low < 1.5, "{name}: {low} to {high} around {value}");
        }
    }

    #[test]
    fn equal_values_are_a_constant() {
        let fitted = fit_exact(&[2.5; 40]);
        assert_eq!(*fitted.law(), Distribution::Constant(2.5));
        assert!(fitted.is_trusted());
    }

    #[test]
    fn what_no_candidate_describes_stays_as_it_is() {
        let mixed = Distribution::Mixture(vec![
            (0.5, Distribution::Normal { mean: 1.0, sd: 0.02 }),
            (0.5, Distribution::Normal { mean: 9.0, sd: 0.02 }),
        ]);
        let fitted = fit_exact(&draws(&mixed, 300));
        assert_eq!(fitted.chosen.family, Family::Empirical);
        assert!((fitted.law().mean().unwrap() - 5.0).abs() < 0.5);
    }

    #[test]
    fn few_and_censored_observations_are_not_trusted() {
        let fitted = fit_exact(&[1.0, 2.0, 4.0, 3.0]);
        assert!(!fitted.is_trusted() && fitted.doubts.contains(&Doubt::Few { n: 4 }), "{:?}", fitted.doubts);
        let mut watched = vec![Observation::LongerThan(10.0); 190];
        watched.extend((1..=25).map(|i| Observation::Exact(f64::from(i) * 0.4)));
        let options = FitOptions { resamples: 19, ..FitOptions::default() };
        let fitted = fit(&Sample::new("watched", watched).unwrap(), &options).unwrap();
        assert!(!fitted.is_trusted(), "{:?}", fitted.doubts);
        let nothing = Sample::new("watched", vec![Observation::LongerThan(10.0); 3]).unwrap();
        assert!(matches!(fit(&nothing, &options), Err(FitError::NothingEnded { n: 3, .. })));
    }

    #[test]
    fn the_same_sample_gives_the_same_digits() {
        let values = draws(&Distribution::Gamma { mean: 1.0, cv: 0.4 }, 60);
        assert_eq!(fit_exact(&values), fit_exact(&values));
    }
}
