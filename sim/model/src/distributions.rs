//! Laws of times, and how a uniform draw becomes a span.
//!
//! A value costs exactly one draw (inversion), so that streams stay aligned when a parameter changes; the plain gamma law
//! is the one exception (Marsaglia and Tsang 2000; within a truncated law or a mixture it is inverted too). Logarithms and powers go
//! through `libm`, so that results do not depend on the platform's own.

mod probability;

use crate::rng::{Stream, Uniforms};
use crate::time::Span;

/// The law of a non-negative time, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same value.
    Constant(f64),
    /// Memoryless, with this mean.
    Exponential {
        /// Mean in seconds, > 0.
        mean: f64,
    },
    /// Equally likely between two bounds.
    Uniform {
        /// Smallest value in seconds.
        low: f64,
        /// Largest value in seconds, ≥ low.
        high: f64,
    },
    /// Normal, with negative draws cut to zero.
    Normal {
        /// Mean in seconds before the cut.
        mean: f64,
        /// Standard deviation in seconds before the cut.
        sd: f64,
    },
    /// The logarithm is normal.
    Lognormal {
        /// Median in seconds, > 0: e^μ.
        median: f64,
        /// Standard deviation of the logarithm, ≥ 0.
        sigma: f64,
    },
    /// Gamma by mean and coefficient of variation; Erlang-k has cv = 1/√k.
    Gamma {
        /// Mean in seconds, > 0.
        mean: f64,
        /// Coefficient of variation, > 0.
        cv: f64,
    },
    /// Weibull: exponential for shape 1, heavy-tailed below, wearing out above.
    Weibull {
        /// Scale in seconds, > 0: the 63.2 % quantile.
        scale: f64,
        /// Shape, > 0.
        shape: f64,
    },
    /// A mixture of two exponentials with balanced means (each contributes half of the mean), for cv ≥ 1.
    Hyperexponential {
        /// Mean in seconds, > 0.
        mean: f64,
        /// Coefficient of variation, ≥ 1.
        cv: f64,
    },
    /// Pareto (type I), optionally cut off at a largest value.
    Pareto {
        /// Smallest value in seconds, > 0.
        minimum: f64,
        /// Tail index, > 0.
        shape: f64,
        /// Largest value in seconds (the law is truncated there), if any.
        maximum: Option<f64>,
    },
    /// Measured values, sorted ascending; draws interpolate linearly between neighbours.
    Empirical(Vec<f64>),
    /// A constant before a law: `offset + law`.
    Shifted {
        /// Seconds added to each draw.
        offset: f64,
        /// What is added to it.
        law: Box<Distribution>,
    },
    /// Points (share, value) of a quantile function, both ascending, the shares from 0 to 1; straight between them.
    Quantiles(Vec<(f64, f64)>),
    /// A law between two bounds: what lies outside them never comes, and the rest comes as often as before.
    Truncated {
        /// The law that is cut.
        law: Box<Distribution>,
        /// Smallest value in seconds.
        low: f64,
        /// Largest value in seconds, if any.
        high: Option<f64>,
    },
    /// Each draw from one of several laws, picked with these probabilities, which sum to 1.
    Mixture(Vec<(f64, Distribution)>),
}

impl Distribution {
    /// Zero, always.
    pub const ZERO: Distribution = Distribution::Constant(0.0);

    /// Whether every draw is zero.
    pub fn is_zero(&self) -> bool {
        matches!(self, Distribution::Constant(value) if *value == 0.0)
    }

    /// The value every draw has, if they all have the same.
    pub fn constant(&self) -> Option<Span> {
        match self {
            Distribution::Constant(secs) => Some(Span::from_secs_f64(*secs)),
            _ => None,
        }
    }

    /// One draw.
    pub fn sample(&self, uniforms: &mut impl Uniforms) -> Span {
        Span::from_secs_f64(self.sample_secs(uniforms))
    }

    /// Fills `block` with draws in order; the same values as so many single draws, but faster.
    pub fn fill(&self, stream: &mut Stream, block: &mut [Span]) {
        match *self {
            Distribution::Exponential { mean } => {
                for value in block {
                    *value = Span::from_secs_f64(exponential(mean, stream.uniform()));
                }
            }
            Distribution::Constant(secs) => block.fill(Span::from_secs_f64(secs)),
            _ => {
                for value in block {
                    *value = self.sample(stream);
                }
            }
        }
    }

    /// One draw in seconds, before it is rounded to whole nanoseconds.
    pub fn sample_secs(&self, uniforms: &mut impl Uniforms) -> f64 {
        match *self {
            Distribution::Constant(secs) => secs,
            Distribution::Exponential { mean } => exponential(mean, uniforms.uniform()),
            Distribution::Uniform { low, high } => low + (high - low) * uniforms.uniform(),
            Distribution::Normal { mean, sd } => (mean + sd * normal_quantile(uniforms.uniform())).max(0.0),
            Distribution::Lognormal { median, sigma } => {
                median * libm::exp(sigma * normal_quantile(uniforms.uniform()))
            }
            Distribution::Gamma { mean, cv } => {
                let shape = 1.0 / (cv * cv);
                gamma(shape, uniforms) * (mean / shape)
            }
            Distribution::Weibull { scale, shape } => scale * libm::pow(-libm::log(uniforms.uniform()), 1.0 / shape),
            Distribution::Hyperexponential { mean, cv } => hyperexponential(mean, cv, uniforms.uniform()),
            Distribution::Pareto { minimum, shape, maximum } => {
                let tail = maximum.map_or(0.0, |maximum| libm::pow(minimum / maximum, shape));
                let survival = tail + (1.0 - tail) * uniforms.uniform();
                minimum * libm::pow(survival, -1.0 / shape)
            }
            Distribution::Empirical(ref values) => interpolate(values, uniforms.uniform()),
            Distribution::Shifted { offset, ref law } => offset + law.sample_secs(uniforms),
            Distribution::Quantiles(ref points) => probability::quantiles_at(points, uniforms.uniform()),
            Distribution::Truncated { .. } => self.quantile(uniforms.uniform()),
            Distribution::Mixture(ref parts) => mixture(parts, uniforms),
        }
    }

    /// The mean in seconds; `None` where it is infinite. For [`Distribution::Normal`] the mean after the cut at zero.
    pub fn mean(&self) -> Option<f64> {
        self.moments().map(|(mean, _)| mean)
    }

    /// The squared coefficient of variation, Var/mean²; `None` where it is infinite or the mean is zero.
    pub fn squared_cv(&self) -> Option<f64> {
        let (mean, second) = self.moments()?;
        (mean > 0.0 && second.is_finite()).then(|| (second / (mean * mean) - 1.0).max(0.0))
    }

    /// Moments as integrals of the quantile function, by the midpoint rule on a grid that is finer towards both ends.
    fn moments_by_quantiles(&self) -> (f64, f64) {
        const STEPS: u32 = 20_000;
        // p = 3t² − 2t³ has no slope at 0 and 1, so steps are small where a quantile function is steep.
        let share = |t: f64| t * t * (3.0 - 2.0 * t);
        (0..STEPS).fold((0.0, 0.0), |sum, step| {
            let (from, to) = (f64::from(step) / f64::from(STEPS), f64::from(step + 1) / f64::from(STEPS));
            let weight = share(to) - share(from);
            let value = self.quantile(share((from + to) / 2.0));
            (sum.0 + weight * value, sum.1 + weight * value * value)
        })
    }

    /// First and second moment; the second is infinite where it does not exist.
    fn moments(&self) -> Option<(f64, f64)> {
        let from_cv2 = |mean: f64, cv2: f64| (mean, mean * mean * (1.0 + cv2));
        Some(match *self {
            Distribution::Constant(secs) => (secs, secs * secs),
            Distribution::Exponential { mean } => from_cv2(mean, 1.0),
            Distribution::Uniform { low, high } => {
                let mean = (low + high) / 2.0;
                (mean, mean * mean + (high - low) * (high - low) / 12.0)
            }
            Distribution::Normal { mean, sd } => {
                if sd == 0.0 {
                    (mean.max(0.0), mean.max(0.0) * mean.max(0.0))
                } else {
                    let z = mean / sd;
                    let density = libm::exp(-z * z / 2.0) / (2.0 * std::f64::consts::PI).sqrt();
                    let below = libm::erfc(-z / std::f64::consts::SQRT_2) / 2.0;
                    (mean * below + sd * density, (mean * mean + sd * sd) * below + mean * sd * density)
                }
            }
            Distribution::Lognormal { median, sigma } => {
                let s2 = sigma * sigma;
                (median * libm::exp(s2 / 2.0), median * median * libm::exp(2.0 * s2))
            }
            Distribution::Gamma { mean, cv } | Distribution::Hyperexponential { mean, cv } => from_cv2(mean, cv * cv),
            Distribution::Weibull { scale, shape } => {
                (scale * libm::tgamma(1.0 + 1.0 / shape), scale * scale * libm::tgamma(1.0 + 2.0 / shape))
            }
            Distribution::Pareto { minimum, shape, maximum } => {
                let moment = |k: f64| match maximum {
                    Some(maximum) => {
                        let ratio = libm::pow(minimum / maximum, shape);
                        let norm = shape * libm::pow(minimum, shape) / (1.0 - ratio);
                        if (shape - k).abs() < 1e-9 {
                            norm * libm::log(maximum / minimum)
                        } else {
                            norm * (libm::pow(minimum, k - shape) - libm::pow(maximum, k - shape)) / (shape - k)
                        }
                    }
                    None if shape > k => shape * libm::pow(minimum, k) / (shape - k),
                    None => f64::INFINITY,
                };
                if !moment(1.0).is_finite() {
                    return None;
                }
                (moment(1.0), moment(2.0))
            }
            Distribution::Empirical(ref values) => {
                // Moments of the interpolated law: each gap between neighbours is a uniform piece.
                let pieces =
                    values.windows(2).map(|w| ((w[0] + w[1]) / 2.0, (w[0] * w[0] + w[0] * w[1] + w[1] * w[1]) / 3.0));
                let n = (values.len() - 1).max(1) as f64;
                if values.len() == 1 {
                    (values[0], values[0] * values[0])
                } else {
                    let (first, second) = pieces.fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
                    (first / n, second / n)
                }
            }
            Distribution::Shifted { offset, ref law } => {
                let (mean, second) = law.moments()?;
                (offset + mean, offset * offset + 2.0 * offset * mean + second)
            }
            Distribution::Quantiles(ref points) => points.windows(2).fold((0.0, 0.0), |sum, pair| {
                let (share, low, high) = (pair[1].0 - pair[0].0, pair[0].1, pair[1].1);
                (sum.0 + share * (low + high) / 2.0, sum.1 + share * (low * low + low * high + high * high) / 3.0)
            }),
            Distribution::Truncated { ref law, high, .. } => {
                if high.is_none() && law.moments().is_none_or(|(_, second)| second.is_infinite()) {
                    return None;
                }
                self.moments_by_quantiles()
            }
            Distribution::Mixture(ref parts) => {
                let mut sum = (0.0, 0.0);
                for (weight, law) in parts {
                    let (mean, second) = law.moments()?;
                    sum = (sum.0 + weight * mean, sum.1 + weight * second);
                }
                sum
            }
        })
    }
}

/// One uniform serves twice: which part, and, rescaled within its share, where in that part.
fn mixture(parts: &[(f64, Distribution)], uniforms: &mut impl Uniforms) -> f64 {
    let u = uniforms.uniform();
    let mut before = 0.0;
    for (index, (weight, law)) in parts.iter().enumerate() {
        if u < before + weight || index + 1 == parts.len() {
            let within = ((u - before) / weight).clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
            return law.quantile(within);
        }
        before += weight;
    }
    0.0
}

fn exponential(mean: f64, u: f64) -> f64 {
    -mean * libm::log(u)
}

fn hyperexponential(mean: f64, cv: f64, u: f64) -> f64 {
    let cv2 = cv * cv;
    let p = (1.0 + ((cv2 - 1.0) / (cv2 + 1.0)).sqrt()) / 2.0;
    // One uniform serves twice: which branch, and, rescaled within it, how long.
    if u < p {
        exponential(mean / (2.0 * p), u / p)
    } else {
        exponential(mean / (2.0 * (1.0 - p)), ((u - p) / (1.0 - p)).max(f64::MIN_POSITIVE))
    }
}

fn interpolate(sorted: &[f64], u: f64) -> f64 {
    let position = u * (sorted.len() - 1) as f64;
    let below = position as usize;
    match sorted.get(below + 1) {
        Some(above) => sorted[below] + (above - sorted[below]) * (position - below as f64),
        None => sorted[below],
    }
}

/// Gamma with unit scale: Marsaglia and Tsang (2000), "A simple method for generating gamma variables".
fn gamma(shape: f64, uniforms: &mut impl Uniforms) -> f64 {
    if shape < 1.0 {
        let boost = libm::pow(uniforms.uniform(), 1.0 / shape);
        return boost * gamma(shape + 1.0, uniforms);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let z = normal_quantile(uniforms.uniform());
        let v = 1.0 + c * z;
        if v <= 0.0 {
            continue;
        }
        let v = v * v * v;
        if libm::log(uniforms.uniform()) < 0.5 * z * z + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

/// Quantile of the standard normal law for `u` in (0, 1), to about 16 digits (Wichura 1988, algorithm AS 241).
fn normal_quantile(u: f64) -> f64 {
    fn ratio(x: f64, over: &[f64; 8], under: &[f64; 8]) -> f64 {
        let horner = |c: &[f64; 8]| c.iter().fold(0.0, |sum, c| sum * x + c);
        horner(over) / horner(under)
    }
    let q = u - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180_625 - q * q, &AS241_CENTRE.0, &AS241_CENTRE.1);
    }
    let tail = if q < 0.0 { u } else { 1.0 - u };
    let r = (-libm::log(tail)).sqrt();
    let z = if r <= 5.0 {
        ratio(r - 1.6, &AS241_MIDDLE.0, &AS241_MIDDLE.1)
    } else {
        ratio(r - 5.0, &AS241_FAR.0, &AS241_FAR.1)
    };
    if q < 0.0 { -z } else { z }
}

// Coefficients of AS 241, highest power first: numerator, denominator.
const AS241_CENTRE: ([f64; 8], [f64; 8]) = (
    [
        2.509_080_928_730_122_7e3,
        3.343_057_558_358_813e4,
        6.726_577_092_700_87e4,
        4.592_195_393_154_987e4,
        1.373_169_376_550_946e4,
        1.971_590_950_306_551_3e3,
        1.331_416_678_917_843_8e2,
        3.387_132_872_796_366_5,
    ],
    [
        5.226_495_278_852_854e3,
        2.872_908_573_572_194_3e4,
        3.930_789_580_009_271e4,
        2.121_379_430_158_659_7e4,
        5.394_196_021_424_751e3,
        6.871_870_074_920_579e2,
        4.231_333_070_160_091e1,
        1.0,
    ],
);
const AS241_MIDDLE: ([f64; 8], [f64; 8]) = (
    [
        7.745_450_142_783_414e-4,
        2.272_384_498_926_918_4e-2,
        2.417_807_251_774_506e-1,
        1.270_458_252_452_368_4,
        3.647_848_324_763_204_5,
        5.769_497_221_460_691,
        4.630_337_846_156_546,
        1.423_437_110_749_683_5,
    ],
    [
        1.050_750_071_644_416_9e-9,
        5.475_938_084_995_345e-4,
        1.519_866_656_361_645_7e-2,
        1.481_039_764_274_800_8e-1,
        6.897_673_349_851e-1,
        1.676_384_830_183_803_8,
        2.053_191_626_637_759,
        1.0,
    ],
);
const AS241_FAR: ([f64; 8], [f64; 8]) = (
    [
        2.010_334_399_292_288_1e-7,
        2.711_555_568_743_487_6e-5,
        1.242_660_947_388_078_4e-3,
        2.653_218_952_657_612_4e-2,
        2.965_605_718_285_048_7e-1,
        1.784_826_539_917_291_3,
        5.463_784_911_164_114,
        6.657_904_643_501_103,
    ],
    [
        2.044_263_103_389_939_8e-15,
        1.421_511_758_316_446e-7,
        1.846_318_317_510_054_8e-5,
        7.868_691_311_456_133e-4,
        1.487_536_129_085_061_5e-2,
        1.369_298_809_227_358e-1,
        5.998_322_065_558_88e-1,
        1.0,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use statrs::distribution::{ContinuousCDF, Normal};

    #[test]
    fn normal_quantile_agrees_with_an_independent_cdf() {
        let normal = Normal::standard();
        for u in [1e-300, 1e-12, 1e-6, 0.01, 0.0749, 0.0751, 0.3, 0.5, 0.7, 0.925, 0.99, 1.0 - 1e-9] {
            let z = normal_quantile(u);
            let relative = if u < 0.5 { normal.cdf(z) / u - 1.0 } else { normal.sf(z) / (1.0 - u) - 1.0 };
            // statrs' erf is good to about 1e-11 in relative terms; near u = 1 the argument itself loses digits.
            assert!(relative.abs() < 1e-7, "u = {u}: z = {z}, off by {relative}");
        }
    }

    /// Sample mean and squared cv of every law agree with its closed forms within five standard errors.
    #[test]
    fn samples_have_the_moments_the_law_claims() {
        let laws = [
            Distribution::Constant(2.0),
            Distribution::Exponential { mean: 2.0 },
            Distribution::Uniform { low: 1.0, high: 3.0 },
            Distribution::Normal { mean: 1.0, sd: 0.7 },
            Distribution::Lognormal { median: 0.3, sigma: 0.4 },
            Distribution::Gamma { mean: 2.0, cv: 0.5 },
            Distribution::Gamma { mean: 2.0, cv: 1.5 },
            Distribution::Weibull { scale: 2.0, shape: 1.5 },
            Distribution::Hyperexponential { mean: 2.0, cv: 2.0 },
            Distribution::Pareto { minimum: 1.0, shape: 1.2, maximum: Some(50.0) },
            Distribution::Empirical(vec![1.0, 1.5, 4.0]),
            Distribution::Shifted { offset: 1.0, law: Box::new(Distribution::Exponential { mean: 0.5 }) },
            Distribution::Quantiles(vec![(0.0, 1.0), (0.3, 2.0), (1.0, 9.0)]),
            Distribution::Truncated {
                law: Box::new(Distribution::Lognormal { median: 1.0, sigma: 1.0 }),
                low: 0.5,
                high: Some(4.0),
            },
            Distribution::Mixture(vec![
                (0.25, Distribution::Constant(1.0)),
                (0.75, Distribution::Gamma { mean: 3.0, cv: 0.5 }),
            ]),
        ];
        for law in laws {
            let mut stream = Seed(11).stream("test");
            let n = 200_000;
            let draws: Vec<f64> = (0..n).map(|_| law.sample_secs(&mut stream)).collect();
            let mean = draws.iter().sum::<f64>() / f64::from(n);
            let second = draws.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
            let fourth = draws.iter().map(|x| x.powi(4)).sum::<f64>() / f64::from(n);
            let (claimed_mean, claimed_second) = law.moments().expect("finite moments");
            let error = |variance: f64| 5.0 * (variance.max(0.0) / f64::from(n)).sqrt() + 1e-12;
            assert!(
                (mean - claimed_mean).abs() <= error(second - mean * mean),
                "{law:?}: mean {mean} vs {claimed_mean}"
            );
            assert!(
                (second - claimed_second).abs() <= error(fourth - second * second),
                "{law:?}: second moment {second} vs {claimed_second}"
            );
        }
    }

    #[test]
    fn a_block_holds_what_single_draws_would_give() {
        for law in [Distribution::Exponential { mean: 1.0 }, Distribution::Lognormal { median: 1.0, sigma: 0.5 }] {
            let mut block = [Span::ZERO; 100];
            law.fill(&mut Seed(3).stream("s"), &mut block);
            let mut stream = Seed(3).stream("s");
            assert!(block.iter().all(|value| *value == law.sample(&mut stream)));
        }
    }
}
