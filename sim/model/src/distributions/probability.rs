//! Densities, distribution functions and quantiles of the laws: what fitting needs, and what truncation is made of.
//!
//! All of it goes through `libm`, so that a truncated law draws the same values on every platform.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::{Distribution, interpolate, normal_quantile};

/// Steps of a bisection: enough to exhaust the digits of a double.
const BISECTIONS: u32 = 200;

impl Distribution {
    /// P(X ≤ x).
    pub fn cdf(&self, x: f64) -> f64 {
        match *self {
            Distribution::Constant(value) => f64::from(u8::from(x >= value)),
            Distribution::Uniform { low, high } if high > low => ((x - low) / (high - low)).clamp(0.0, 1.0),
            Distribution::Uniform { low, .. } => f64::from(u8::from(x >= low)),
            Distribution::Normal { mean, sd: 0.0 } => f64::from(u8::from(x >= mean.max(0.0))),
            Distribution::Normal { mean, sd } if x >= 0.0 => normal_cdf((x - mean) / sd),
            Distribution::Normal { .. } => 0.0,
            Distribution::Lognormal { median, sigma: 0.0 } => f64::from(u8::from(x >= median)),
            Distribution::Lognormal { median, sigma } if x > 0.0 => normal_cdf(libm::log(x / median) / sigma),
            Distribution::Gamma { mean, cv } if x > 0.0 => {
                let shape = 1.0 / (cv * cv);
                gamma_p(shape, x * shape / mean)
            }
            Distribution::Exponential { mean } if x > 0.0 => -libm::expm1(-x / mean),
            Distribution::Weibull { scale, shape } if x > 0.0 => -libm::expm1(-libm::pow(x / scale, shape)),
            Distribution::Empirical(ref values) => empirical_cdf(values, x),
            Distribution::Quantiles(ref points) => quantiles_cdf(points, x),
            Distribution::Shifted { offset, ref law } => law.cdf(x - offset),
            Distribution::Truncated { ref law, low, high } => {
                let (below, within) = truncation(law, low, high);
                if x < low {
                    0.0
                } else if high.is_some_and(|high| x >= high) {
                    1.0
                } else {
                    ((law.cdf(x) - below) / within).clamp(0.0, 1.0)
                }
            }
            Distribution::Mixture(ref parts) => parts.iter().map(|(weight, law)| weight * law.cdf(x)).sum(),
            Distribution::Hyperexponential { .. } | Distribution::Pareto { .. } => 1.0 - self.survival(x),
            _ => 0.0,
        }
    }

    /// P(X > x), exact far out in the tail where 1 − cdf would be zero.
    pub fn survival(&self, x: f64) -> f64 {
        match *self {
            Distribution::Exponential { mean } if x > 0.0 => libm::exp(-x / mean),
            Distribution::Weibull { scale, shape } if x > 0.0 => libm::exp(-libm::pow(x / scale, shape)),
            Distribution::Lognormal { median, sigma } if x > 0.0 && sigma > 0.0 => {
                normal_cdf(-libm::log(x / median) / sigma)
            }
            Distribution::Normal { mean, sd } if x >= 0.0 && sd > 0.0 => normal_cdf((mean - x) / sd),
            Distribution::Gamma { mean, cv } if x > 0.0 => {
                let shape = 1.0 / (cv * cv);
                gamma_q(shape, x * shape / mean)
            }
            Distribution::Hyperexponential { mean, cv } if x > 0.0 => {
                let (p, first, second) = branches(mean, cv);
                p * libm::exp(-x / first) + (1.0 - p) * libm::exp(-x / second)
            }
            Distribution::Pareto { minimum, shape, maximum } if x > minimum => {
                let tail = maximum.map_or(0.0, |maximum| libm::pow(minimum / maximum, shape));
                ((libm::pow(minimum / x, shape) - tail) / (1.0 - tail)).max(0.0)
            }
            Distribution::Hyperexponential { .. } | Distribution::Pareto { .. } => 1.0,
            Distribution::Shifted { offset, ref law } => law.survival(x - offset),
            Distribution::Mixture(ref parts) => parts.iter().map(|(weight, law)| weight * law.survival(x)).sum(),
            _ => 1.0 - self.cdf(x),
        }
    }

    /// Logarithm of the density; −∞ where there is none, which is everywhere for a law that has only one value.
    pub fn ln_density(&self, x: f64) -> f64 {
        if x < 0.0 {
            return f64::NEG_INFINITY;
        }
        match *self {
            Distribution::Constant(_) => f64::NEG_INFINITY,
            Distribution::Exponential { mean } => -x / mean - libm::log(mean),
            Distribution::Uniform { low, high } if high > low && (low..=high).contains(&x) => -libm::log(high - low),
            Distribution::Normal { mean, sd } if sd > 0.0 => {
                let z = (x - mean) / sd;
                -0.5 * z * z - libm::log(sd) - 0.5 * libm::log(2.0 * PI)
            }
            Distribution::Lognormal { median, sigma } if x > 0.0 && sigma > 0.0 => {
                let z = libm::log(x / median) / sigma;
                -0.5 * z * z - libm::log(x * sigma) - 0.5 * libm::log(2.0 * PI)
            }
            Distribution::Gamma { mean, cv } if x > 0.0 => {
                let shape = 1.0 / (cv * cv);
                let scale = mean / shape;
                (shape - 1.0) * libm::log(x / scale) - x / scale - libm::log(scale) - libm::lgamma(shape)
            }
            Distribution::Weibull { scale, shape } if x > 0.0 => {
                let ln = libm::log(x / scale);
                libm::log(shape / scale) + (shape - 1.0) * ln - libm::exp(shape * ln)
            }
            Distribution::Hyperexponential { mean, cv } => {
                let (p, first, second) = branches(mean, cv);
                libm::log(p / first * libm::exp(-x / first) + (1.0 - p) / second * libm::exp(-x / second))
            }
            Distribution::Pareto { minimum, shape, maximum }
                if x >= minimum && maximum.is_none_or(|maximum| x <= maximum) =>
            {
                let tail = maximum.map_or(0.0, |maximum| libm::pow(minimum / maximum, shape));
                libm::log(shape / (1.0 - tail)) + shape * libm::log(minimum) - (shape + 1.0) * libm::log(x)
            }
            Distribution::Empirical(ref values) => {
                let share = 1.0 / (values.len().saturating_sub(1)).max(1) as f64;
                pieces_density(values.windows(2).map(|pair| (share, pair[0], pair[1])), x)
            }
            Distribution::Quantiles(ref points) => {
                pieces_density(points.windows(2).map(|pair| (pair[1].0 - pair[0].0, pair[0].1, pair[1].1)), x)
            }
            Distribution::Shifted { offset, ref law } => law.ln_density(x - offset),
            Distribution::Truncated { ref law, low, high } => {
                if x < low || high.is_some_and(|high| x > high) {
                    f64::NEG_INFINITY
                } else {
                    law.ln_density(x) - libm::log(truncation(law, low, high).1)
                }
            }
            Distribution::Mixture(ref parts) => {
                libm::log(parts.iter().map(|(weight, law)| weight * libm::exp(law.ln_density(x))).sum())
            }
            _ => f64::NEG_INFINITY,
        }
    }

    /// The value below which a share `p` of the draws lies.
    pub fn quantile(&self, p: f64) -> f64 {
        let p = p.clamp(0.0, 1.0);
        match *self {
            Distribution::Constant(value) => value,
            Distribution::Exponential { mean } => -mean * libm::log1p(-p),
            Distribution::Uniform { low, high } => low + (high - low) * p,
            Distribution::Normal { mean, sd } => (mean + sd * bounded_normal_quantile(p)).max(0.0),
            Distribution::Lognormal { median, sigma } => median * libm::exp(sigma * bounded_normal_quantile(p)),
            Distribution::Weibull { scale, shape } => scale * libm::pow(-libm::log1p(-p), 1.0 / shape),
            Distribution::Pareto { minimum, shape, maximum } => {
                let tail = maximum.map_or(0.0, |maximum| libm::pow(minimum / maximum, shape));
                minimum * libm::pow(1.0 - p * (1.0 - tail), -1.0 / shape)
            }
            Distribution::Empirical(ref values) => interpolate(values, p),
            Distribution::Quantiles(ref points) => quantiles_at(points, p),
            Distribution::Shifted { offset, ref law } => offset + law.quantile(p),
            Distribution::Truncated { ref law, low, high } => {
                let (below, within) = truncation(law, low, high);
                law.quantile(below + p * within).clamp(low, high.unwrap_or(f64::INFINITY))
            }
            Distribution::Mixture(ref parts) => {
                let ends = || parts.iter().map(|(_, law)| law.quantile(p));
                bisect(ends().fold(f64::INFINITY, f64::min), ends().fold(0.0, f64::max), |x| self.cdf(x) < p)
            }
            Distribution::Gamma { mean, cv } => {
                let shape = 1.0 / (cv * cv);
                gamma_quantile(shape, p) * mean / shape
            }
            Distribution::Hyperexponential { mean, cv } => {
                let (_, first, second) = branches(mean, cv);
                let most = -first.max(second) * libm::log1p(-p);
                if most.is_finite() { bisect(0.0, most, |x| self.cdf(x) < p) } else { most }
            }
        }
    }
}

/// What lies below the lower bound, and what lies between the bounds.
pub(super) fn truncation(law: &Distribution, low: f64, high: Option<f64>) -> (f64, f64) {
    let below = if low > 0.0 { law.cdf(low) } else { 0.0 };
    let up_to = high.map_or(1.0, |high| law.cdf(high));
    (below, (up_to - below).max(f64::MIN_POSITIVE))
}

/// The standard normal distribution function.
fn normal_cdf(z: f64) -> f64 {
    libm::erfc(-z * FRAC_1_SQRT_2) / 2.0
}

fn bounded_normal_quantile(p: f64) -> f64 {
    if p <= 0.0 {
        f64::NEG_INFINITY
    } else if p >= 1.0 {
        f64::INFINITY
    } else {
        normal_quantile(p)
    }
}

/// Weight of the first branch of a balanced hyperexponential, and the branches' means.
fn branches(mean: f64, cv: f64) -> (f64, f64, f64) {
    let cv2 = cv * cv;
    let p = (1.0 + ((cv2 - 1.0) / (cv2 + 1.0)).sqrt()) / 2.0;
    (p, mean / (2.0 * p), mean / (2.0 * (1.0 - p)))
}

fn empirical_cdf(values: &[f64], x: f64) -> f64 {
    let at_most = values.partition_point(|value| *value <= x);
    match (at_most, values.get(at_most)) {
        (0, _) => 0.0,
        (_, None) => 1.0,
        (_, Some(above)) => {
            let below = values[at_most - 1];
            ((at_most - 1) as f64 + (x - below) / (above - below)) / (values.len() - 1) as f64
        }
    }
}

fn quantiles_cdf(points: &[(f64, f64)], x: f64) -> f64 {
    let at_most = points.partition_point(|(_, value)| *value <= x);
    match (at_most, points.get(at_most)) {
        (0, _) => 0.0,
        (_, None) => 1.0,
        (_, Some((p, value))) => {
            let (p_below, below) = points[at_most - 1];
            p_below + (p - p_below) * (x - below) / (value - below)
        }
    }
}

/// The value at share `p`, by straight lines between the points.
pub(super) fn quantiles_at(points: &[(f64, f64)], p: f64) -> f64 {
    let above = points.partition_point(|(share, _)| *share < p);
    match (above.checked_sub(1).map(|below| points[below]), points.get(above)) {
        (Some((p0, x0)), Some((p1, x1))) if *p1 > p0 => x0 + (x1 - x0) * (p - p0) / (p1 - p0),
        (_, Some((_, value))) => *value,
        (Some((_, value)), None) => value,
        (None, None) => 0.0,
    }
}

/// Density of a law made of uniform pieces (share, from, to).
fn pieces_density(pieces: impl Iterator<Item = (f64, f64, f64)>, x: f64) -> f64 {
    let dense = pieces.filter(|(_, from, to)| to > from && (*from..=*to).contains(&x));
    libm::log(dense.map(|(share, from, to)| share / (to - from)).next().unwrap_or(0.0))
}

/// Where `is_below` turns from true to false between two values.
fn bisect(mut low: f64, mut high: f64, is_below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..BISECTIONS {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if is_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Regularised lower incomplete gamma function P(a, x).
fn gamma_p(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        0.0
    } else if x < a + 1.0 {
        gamma_series(a, x)
    } else {
        1.0 - gamma_fraction(a, x)
    }
}

/// Regularised upper incomplete gamma function Q(a, x) = 1 − P(a, x).
fn gamma_q(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        1.0
    } else if x < a + 1.0 {
        1.0 - gamma_series(a, x)
    } else {
        gamma_fraction(a, x)
    }
}

/// P(a, x) by its power series (Abramowitz and Stegun 6.5.29), for x < a + 1.
fn gamma_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
    while term > sum * f64::EPSILON / 8.0 {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    (sum * libm::exp(a * libm::log(x) - x - libm::lgamma(a))).clamp(0.0, 1.0)
}

/// Q(a, x) by its continued fraction (Abramowitz and Stegun 6.5.31), evaluated with Lentz's method, for x ≥ a + 1.
fn gamma_fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let apart_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / apart_from_zero(b);
    let mut value = d;
    for i in 1..100_000 {
        let step = f64::from(i);
        let numerator = -step * (step - a);
        b += 2.0;
        d = 1.0 / apart_from_zero(numerator * d + b);
        c = apart_from_zero(b + numerator / c);
        value *= d * c;
        if (d * c - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    (value * libm::exp(a * libm::log(x) - x - libm::lgamma(a))).clamp(0.0, 1.0)
}

/// Quantile of the gamma law with unit scale.
fn gamma_quantile(shape: f64, p: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    // A bracket by doubling, then halving: slow and sure, and the same everywhere.
    let mut high = shape.max(1.0);
    while gamma_p(shape, high) < p {
        high *= 2.0;
    }
    bisect(0.0, high, |x| gamma_p(shape, x) < p)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use statrs::distribution::{Continuous, ContinuousCDF, Gamma, LogNormal, Weibull};

    use super::*;

    #[test]
    fn densities_and_distribution_functions_agree_with_an_independent_library() {
        for x in [0.01, 0.3, 1.0, 2.5, 9.0, 40.0] {
            let close = |ours: f64, theirs: f64| {
                assert!((ours - theirs).abs() <= 1e-9 + 1e-8 * theirs.abs(), "at {x}: {ours} {theirs}");
            };
            for (mean, cv) in [(2.0, 0.1), (2.0, 0.7), (2.0, 3.0)] {
                let (ours, shape) = (Distribution::Gamma { mean, cv }, 1.0 / (cv * cv));
                let theirs = Gamma::new(shape, shape / mean).expect("valid");
                close(ours.cdf(x), theirs.cdf(x));
                close(ours.survival(x), theirs.sf(x));
                close(ours.ln_density(x), theirs.ln_pdf(x));
            }
            let (ours, theirs) = (
                Distribution::Lognormal { median: 2.0, sigma: 0.6 },
                LogNormal::new(libm::log(2.0), 0.6).expect("valid"),
            );
            close(ours.cdf(x), theirs.cdf(x));
            close(ours.ln_density(x), theirs.ln_pdf(x));
            let (ours, theirs) =
                (Distribution::Weibull { scale: 2.0, shape: 1.4 }, Weibull::new(1.4, 2.0).expect("valid"));
            close(ours.cdf(x), theirs.cdf(x));
            close(ours.ln_density(x), theirs.ln_pdf(x));
        }
    }

    fn laws() -> Vec<Distribution> {
        let lognormal = Distribution::Lognormal { median: 1.0, sigma: 0.5 };
        vec![
            Distribution::Exponential { mean: 2.0 },
            Distribution::Uniform { low: 1.0, high: 3.0 },
            Distribution::Normal { mean: 4.0, sd: 0.5 },
            lognormal.clone(),
            Distribution::Gamma { mean: 2.0, cv: 0.3 },
            Distribution::Gamma { mean: 2.0, cv: 1.7 },
            Distribution::Weibull { scale: 2.0, shape: 0.8 },
            Distribution::Hyperexponential { mean: 2.0, cv: 2.5 },
            Distribution::Pareto { minimum: 1.0, shape: 1.2, maximum: Some(50.0) },
            Distribution::Pareto { minimum: 1.0, shape: 2.5, maximum: None },
            Distribution::Empirical(vec![0.5, 1.0, 1.5, 4.0]),
            Distribution::Quantiles(vec![(0.0, 1.0), (0.3, 2.0), (1.0, 9.0)]),
            Distribution::Shifted { offset: 1.0, law: Box::new(Distribution::Exponential { mean: 0.5 }) },
            Distribution::Truncated { law: Box::new(lognormal.clone()), low: 0.6, high: Some(2.0) },
            Distribution::Mixture(vec![(0.25, lognormal), (0.75, Distribution::Exponential { mean: 5.0 })]),
        ]
    }

    proptest! {
        #[test]
        fn quantiles_undo_distribution_functions(p in 0.001..0.999f64) {
            for law in laws() {
                let x = law.quantile(p);
                prop_assert!((law.cdf(x) - p).abs() < 1e-9, "{law:?} at {p}: {x}");
                prop_assert!((law.cdf(x) + law.survival(x) - 1.0).abs() < 1e-9, "{law:?} at {p}");
            }
        }

        /// The density is the slope of the distribution function.
        #[test]
        fn densities_are_slopes(p in 0.02..0.98f64) {
            for law in laws() {
                let x = law.quantile(p);
                let step = 1e-6 * x.max(1e-3);
                let slope = (law.cdf(x + step) - law.cdf(x - step)) / (2.0 * step);
                let density = libm::exp(law.ln_density(x));
                // At a corner of a law made of pieces, either side's density will do.
                let (left, right) = (law.ln_density(x - 2.0 * step), law.ln_density(x + 2.0 * step));
                let (low, high) = (libm::exp(left.min(right)).min(density), libm::exp(left.max(right)).max(density));
                prop_assert!(slope > low * 0.999 - 1e-6 && slope < high * 1.001 + 1e-6, "{law:?} at {x}: {slope} {density}");
            }
        }
    }
}
