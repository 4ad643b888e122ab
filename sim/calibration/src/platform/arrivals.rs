//! Arrivals: their rate, how regular they are, whether they are a Poisson process, and how the rate moves over the day.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::fit::{Estimate, Family, Goodness, Method, Sample, Shape, maximise};
use faas_lab_model::rng::Seed;

/// Pieces into which a log is cut to see whether its rate moves.
const PIECES: usize = 24;
/// A rate moves if chance alone would make it move so much with less than this probability.
const LEVEL: f64 = 0.001;

/// What was found out about arrivals.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrivalsFit {
    /// Arrivals per second.
    pub rate: Estimate,
    /// Coefficient of variation of the gaps; 1 for a Poisson process.
    pub gap_cv: f64,
    /// Probability that a Poisson process of constant rate has gaps so different from exponential ones; none if there are too
    /// few.
    pub poisson_p: Option<f64>,
    /// Rates of equal pieces of the log, if they differ by more than chance: the time at which each begins, and its rate.
    pub shape: Option<Vec<(f64, f64)>>,
}

impl ArrivalsFit {
    /// Whether nothing speaks against a Poisson process of constant rate.
    pub fn is_poisson(&self) -> bool {
        self.shape.is_none() && self.poisson_p.is_none_or(|p| p > 0.01)
    }
}

/// Looks at arrivals, in seconds and ascending; `None` for fewer than two.
pub fn fit_arrivals(source: &str, arrivals: &[f64], seed: Seed) -> Option<ArrivalsFit> {
    let (first, last) = (*arrivals.first()?, *arrivals.last()?);
    let n = arrivals.len();
    let span = last - first;
    if n < 2 || span <= 0.0 {
        return None;
    }
    let gaps: Vec<f64> = arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = span / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64;
    let sample = Sample::exact(source, &gaps).ok()?;
    let family = Family::Plain(Shape::Exponential);
    let poisson_p = (n >= 20)
        .then(|| maximise(family, &sample))
        .flatten()
        .and_then(|exponential| Goodness::of(&exponential, family, &sample, 199, seed))
        .map(|goodness| goodness.p());
    Some(ArrivalsFit {
        rate: Estimate {
            name: "arrivals per second".to_owned(),
            value: gaps.len() as f64 / span,
            interval: poisson_interval(gaps.len()).map(|(low, high)| (low / span, high / span)),
            n,
            method: Method::Count,
            source: source.to_owned(),
        },
        gap_cv: variance.sqrt() / mean,
        poisson_p,
        shape: shape(arrivals, first, span),
    })
}

/// The exact 95 % interval of a Poisson mean after `count` events (Garwood 1936).
fn poisson_interval(count: usize) -> Option<(f64, f64)> {
    let quantile = |degrees: f64, p: f64| ChiSquared::new(degrees).ok().map(|law| law.inverse_cdf(p) / 2.0);
    Some((quantile(2.0 * count as f64, 0.025)?, quantile(2.0 * count as f64 + 2.0, 0.975)?))
}

/// The rates of equal pieces, if a χ² test of equal rates rejects.
fn shape(arrivals: &[f64], first: f64, span: f64) -> Option<Vec<(f64, f64)>> {
    // At least twenty expected in each piece, or the test has nothing to see.
    let pieces = (arrivals.len() / 20).min(PIECES);
    if pieces < 2 {
        return None;
    }
    let width = span / pieces as f64;
    let mut counts = vec![0u32; pieces];
    for arrival in arrivals {
        counts[(((arrival - first) / width) as usize).min(pieces - 1)] += 1;
    }
    let expected = arrivals.len() as f64 / pieces as f64;
    let statistic: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    let p = ChiSquared::new((pieces - 1) as f64).ok()?.sf(statistic);
    (p < LEVEL)
        .then(|| counts.iter().enumerate().map(|(i, count)| (i as f64 * width, f64::from(*count) / width)).collect())
}

#[cfg(test)]
mod tests {
    use faas_lab_model::rng::Uniforms;

    use super::*;

    fn poisson(rate: impl Fn(f64) -> f64, until: f64) -> Vec<f64> {
        let mut stream = Seed(9).stream("arrivals");
        let (mut now, mut arrivals) = (0.0, Vec::new());
        while now < until {
            now += -libm::log(stream.uniform()) / rate(now);
            arrivals.push(now);
        }
        arrivals
    }

    #[test]
    fn a_poisson_process_is_one() {
        let fitted = fit_arrivals("drawn", &poisson(|_| 0.2, 5000.0), Seed(1)).unwrap();
        assert!(fitted.is_poisson(), "{fitted:?}");
        let (low, high) = fitted.rate.interval.unwrap();
        assert!(low < 0.2 && 0.2 < high && high / low < 1.2, "{fitted:?}");
    }

    #[test]
    fn regular_and_moving_arrivals_are_none() {
        let regular: Vec<f64> = (0..300).map(f64::from).collect();
        assert!(!fit_arrivals("regular", &regular, Seed(1)).unwrap().is_poisson());
        let moving = fit_arrivals("moving", &poisson(|t| if t < 2500.0 { 0.1 } else { 0.3 }, 5000.0), Seed(1)).unwrap();
        let shape = moving.shape.unwrap();
        assert!(shape.first().unwrap().1 < 0.2 && shape.last().unwrap().1 > 0.2);
        // 95 % of a mean after 10 events, from tables: 4.80 to 18.39.
        let (low, high) = poisson_interval(10).unwrap();
        assert!((low - 4.795).abs() < 1e-3 && (high - 18.39).abs() < 1e-2);
    }
}
