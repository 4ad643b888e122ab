//! What should make a reader careful with a fitted law.

use std::fmt;

/// Fewer observations than this say little about a law's shape.
pub(super) const FEW: usize = 20;
/// Fewer than this say little about its 99 % quantile.
pub(super) const FEW_FOR_TAILS: usize = 100;
/// Up to this distance a misfit is detected in large samples, and hardly matters.
pub(super) const SMALL_DISTANCE: f64 = 0.03;
/// The tests reject below this probability.
pub(super) const LEVEL: f64 = 0.01;

/// A reason not to trust a fit, or not all of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// Too few observations for a shape.
    Few {
        /// How many there are.
        n: usize,
    },
    /// Too few observations for the tail.
    ThinTail {
        /// How many there are.
        n: usize,
    },
    /// The tests reject the law, and it is far off.
    Rejected {
        /// Kolmogorov and Smirnov's distance.
        distance: f64,
        /// The smaller p-value of the tests.
        p: f64,
    },
    /// The tests reject the law, but in so large a sample that the misfit is small.
    SlightlyOff {
        /// Kolmogorov and Smirnov's distance.
        distance: f64,
    },
    /// Most of what was watched had not ended.
    Censored {
        /// The share that had not ended.
        share: f64,
    },
    /// The law says something about times longer than any that was watched.
    Extrapolated {
        /// The share of the law that lies there.
        share: f64,
    },
    /// Several laws describe the observations about as well.
    Tied {
        /// The runner-up.
        with: String,
    },
    /// The search for the likelihood's maximum has not settled.
    Unsettled,
}

impl Doubt {
    /// Whether the fit should not be relied on; otherwise the doubt is a remark.
    pub fn is_serious(&self) -> bool {
        match self {
            Doubt::Few { .. } | Doubt::Rejected { .. } | Doubt::Unsettled => true,
            Doubt::Censored { share } => *share > 0.8,
            Doubt::Extrapolated { share } => *share > 0.5,
            Doubt::ThinTail { .. } | Doubt::SlightlyOff { .. } | Doubt::Tied { .. } => false,
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Few { n } => write!(f, "only {n} observations: the shape of the law is a guess"),
            Doubt::ThinTail { n } => write!(f, "{n} observations do not reach the 99 % quantile"),
            Doubt::Rejected { distance, p } => {
                write!(f, "the tests reject it (p ≤ {p:.3}): off by up to {:.1} % of all values", distance * 100.0)
            }
            Doubt::SlightlyOff { distance } => {
                write!(f, "detectably but slightly off: by up to {:.1} % of all values", distance * 100.0)
            }
            Doubt::Censored { share } => write!(f, "{:.0} % of what was watched had not ended", share * 100.0),
            Doubt::Extrapolated { share } => {
                write!(f, "{:.0} % of the law lies beyond anything that was watched", share * 100.0)
            }
            Doubt::Tied { with } => write!(f, "a {with} law describes it about as well"),
            Doubt::Unsettled => write!(f, "the search for the best parameters did not settle"),
        }
    }
}
