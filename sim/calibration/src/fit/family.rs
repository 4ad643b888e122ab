//! The candidates: which laws are tried, and how free numbers become their parameters.
//!
//! An optimiser moves in all of ℝᵏ; each family maps that onto its own parameters (logarithms of what must be positive), so
//! that no step can leave the law's domain.

use faas_lab_model::distributions::Distribution;

/// The shape of a law with two parameters or fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Memoryless.
    Exponential,
    /// The logarithm is normal.
    Lognormal,
    /// Gamma.
    Gamma,
    /// Weibull.
    Weibull,
}

/// A candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Family {
    /// All values are the same, to the resolution of the measurement.
    Constant,
    /// A shape from zero on.
    Plain(Shape),
    /// A constant before a shape.
    Shifted(Shape),
    /// A shape of which only what lies between known bounds was ever measured.
    Truncated {
        /// The shape.
        shape: Shape,
        /// Smallest value that can come.
        low: f64,
        /// Largest value that can come, if any.
        high: Option<f64>,
    },
    /// The quantiles of the measurement itself (Kaplan–Meier where observations are censored).
    Empirical,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 4] = [Shape::Exponential, Shape::Lognormal, Shape::Gamma, Shape::Weibull];

    fn name(self) -> &'static str {
        match self {
            Shape::Exponential => "exponential",
            Shape::Lognormal => "lognormal",
            Shape::Gamma => "gamma",
            Shape::Weibull => "Weibull",
        }
    }

    fn parameters(self) -> usize {
        match self {
            Shape::Exponential => 1,
            _ => 2,
        }
    }

    /// The law at free coordinates.
    fn law(self, free: &[f64]) -> Distribution {
        let first = libm::exp(free[0].clamp(-200.0, 200.0));
        let second = || libm::exp(free[1].clamp(-12.0, 5.0));
        match self {
            Shape::Exponential => Distribution::Exponential { mean: first },
            Shape::Lognormal => Distribution::Lognormal { median: first, sigma: second() },
            Shape::Gamma => Distribution::Gamma { mean: first, cv: second() },
            Shape::Weibull => Distribution::Weibull { scale: first, shape: 1.0 / second() },
        }
    }

    /// Free coordinates to start from, by moments of rough values.
    fn start(self, values: &[f64]) -> Vec<f64> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let mean = if mean > 0.0 { mean } else { 1e-9 };
        let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        let cv = (variance.sqrt() / mean).clamp(1e-4, 10.0);
        match self {
            Shape::Exponential => vec![libm::log(mean)],
            Shape::Lognormal => {
                let sigma = libm::log1p(cv * cv).sqrt();
                vec![libm::log(mean) - sigma * sigma / 2.0, libm::log(sigma)]
            }
            Shape::Gamma => vec![libm::log(mean), libm::log(cv)],
            // The coefficient of variation of a Weibull law is about shape^(−0.926) (Rinne 2009).
            Shape::Weibull => vec![libm::log(mean), libm::log(cv) / 0.926],
        }
    }
}

impl Family {
    /// What is tried where nothing is known of the law beforehand.
    pub fn usual() -> Vec<Family> {
        let plain = Shape::ALL.map(Family::Plain);
        let shifted = Shape::ALL.map(Family::Shifted);
        [Family::Constant].into_iter().chain(plain).chain(shifted).chain([Family::Empirical]).collect()
    }

    /// Its name in words.
    pub fn name(self) -> String {
        match self {
            Family::Constant => "constant".to_owned(),
            Family::Plain(shape) => shape.name().to_owned(),
            Family::Shifted(shape) => format!("shifted {}", shape.name()),
            Family::Truncated { shape, .. } => format!("truncated {}", shape.name()),
            Family::Empirical => "empirical".to_owned(),
        }
    }

    /// How many numbers are fitted; `None` for the empirical law, which has none.
    pub fn parameters(self) -> Option<usize> {
        match self {
            Family::Constant => Some(1),
            Family::Plain(shape) | Family::Truncated { shape, .. } => Some(shape.parameters()),
            Family::Shifted(shape) => Some(shape.parameters() + 1),
            Family::Empirical => None,
        }
    }

    /// The law at free coordinates, where offsets stay below `ceiling`. `None` for laws that have no coordinates.
    pub(super) fn law(self, free: &[f64], ceiling: f64) -> Option<Distribution> {
        match self {
            Family::Constant | Family::Empirical => None,
            Family::Plain(shape) => Some(shape.law(free)),
            Family::Shifted(shape) => {
                let offset = ceiling / (1.0 + libm::exp(-free[shape.parameters()]));
                Some(Distribution::Shifted { offset, law: Box::new(shape.law(free)) })
            }
            Family::Truncated { shape, low, high } => {
                Some(Distribution::Truncated { law: Box::new(shape.law(free)), low, high })
            }
        }
    }

    /// Coordinates to start from; more than one where the likelihood may have several peaks.
    pub(super) fn starts(self, values: &[f64], ceiling: f64) -> Vec<Vec<f64>> {
        match self {
            Family::Constant | Family::Empirical => Vec::new(),
            Family::Plain(shape) | Family::Truncated { shape, .. } => vec![shape.start(values)],
            Family::Shifted(shape) => [4.0, 0.0]
                .into_iter()
                .map(|logit| {
                    let offset = ceiling / (1.0 + libm::exp(-logit));
                    let rest: Vec<f64> = values.iter().map(|x| (x - offset).max(0.0)).collect();
                    let mut start = shape.start(&rest);
                    start.push(logit);
                    start
                })
                .collect(),
        }
    }

    /// The parameters of a fitted law under the names a scenario has for them.
    pub(super) fn named(law: &Distribution) -> Vec<(&'static str, f64)> {
        match *law {
            Distribution::Constant(value) => vec![("constant", value)],
            Distribution::Exponential { mean } => vec![("mean", mean)],
            Distribution::Lognormal { median, sigma } => vec![("median", median), ("sigma", sigma)],
            Distribution::Gamma { mean, cv } => vec![("mean", mean), ("cv", cv)],
            Distribution::Weibull { scale, shape } => vec![("scale", scale), ("shape", shape)],
            Distribution::Shifted { offset, ref law } => {
                let mut named = Family::named(law);
                named.push(("offset", offset));
                named
            }
            Distribution::Truncated { ref law, .. } => Family::named(law),
            _ => Vec::new(),
        }
    }
}
