//! A fitted number and what stands behind it.

use serde::{Deserialize, Serialize};

/// A number that was fitted, with its interval, the observations it rests on, how it was found, and from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// What it is, as a scenario names it: `median`, `p95`, `mean`.
    pub name: String,
    /// The best value, in seconds unless the name says otherwise.
    pub value: f64,
    /// The 95 % interval, where one could be found.
    pub interval: Option<(f64, f64)>,
    /// How many observations it rests on, censored ones included.
    pub n: usize,
    /// How value and interval were found.
    pub method: Method,
    /// Where the observations come from.
    pub source: String,
}

/// How a value and its interval were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Maximum likelihood; the interval holds the middle 95 % of fits to resampled observations.
    MaximumLikelihood,
    /// Maximum likelihood; the interval is where the likelihood, the other parameters fitted anew, stays within what chance
    /// allows.
    ProfileLikelihood,
    /// A quantile of the observations (Kaplan–Meier's if some are censored), the interval as above.
    Quantile,
    /// A mean or share of what was counted.
    Count,
    /// The slope of a straight line; the interval is two standard errors to each side.
    LeastSquares,
}

impl Method {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Method::MaximumLikelihood => "maximum likelihood, bootstrap interval",
            Method::ProfileLikelihood => "maximum likelihood, profile interval",
            Method::Quantile => "quantile, bootstrap interval",
            Method::Count => "counted",
            Method::LeastSquares => "least squares",
        }
    }
}

impl Estimate {
    /// Half the interval's width as a share of the value.
    pub fn relative_half_width(&self) -> Option<f64> {
        let (low, high) = self.interval?;
        (self.value != 0.0).then(|| (high - low) / 2.0 / self.value.abs())
    }
}
