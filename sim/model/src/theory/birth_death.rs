//! First passages of M/M/∞'s birth-death chain: births at rate λ, deaths at rate n·μ in state n.

/// The chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct BirthDeath {
    /// λ > 0.
    pub(super) birth_rate: f64,
    /// μ > 0, of each of those present.
    pub(super) death_rate: f64,
}

/// The law of the time from n to its first visit of n + 1: a mixture of exponentials.
///
/// The density is λ·P(in n at t, n + 1 not yet visited), and the chain killed at n + 1 is reversible; so the density is
/// λ·Σ wᵢ·e^(−θᵢt), with θᵢ the eigenvalues of the symmetrized generator and wᵢ the squared n-th components of its
/// eigenvectors (Karlin and McGregor 1957).
#[derive(Clone, Debug)]
pub(super) struct UpPassage {
    birth_rate: f64,
    /// (θᵢ, wᵢ).
    mixture: Vec<(f64, f64)>,
}

impl BirthDeath {
    /// The passage from `n` to `n + 1`. Takes about n² operations.
    pub(super) fn up_passage(&self, n: u32) -> UpPassage {
        // Counting down from n puts the starting state first, where `spectrum` looks.
        let outflow = (0..=n).rev().map(|k| self.birth_rate + f64::from(k) * self.death_rate).collect();
        let coupling = (1..=n).rev().map(|k| (self.birth_rate * f64::from(k) * self.death_rate).sqrt()).collect();
        UpPassage { birth_rate: self.birth_rate, mixture: spectrum(outflow, coupling) }
    }

    /// Probability that the chain, empty at time 0, has visited state `level` ≥ 1 by time `t`.
    ///
    /// By uniformization: jumps at the largest outflow rate q, a Poisson number of them. About q·t·level operations.
    pub(super) fn reaches(&self, level: u32, t: f64) -> f64 {
        let states = level as usize;
        let q = self.birth_rate + (f64::from(level) - 1.0) * self.death_rate;
        let up = self.birth_rate / q;
        let down: Vec<f64> = (0..level).map(|n| f64::from(n) * self.death_rate / q).collect();

        let mean = q * t;
        let spread = 12.0 * mean.sqrt() + 40.0;
        let (first, last) = ((mean - spread).max(0.0) as u64, (mean + spread) as u64);
        let log_mean = libm::log(mean);
        let weight = |jumps: u64| libm::exp(jumps as f64 * log_mean - mean - libm::lgamma(jumps as f64 + 1.0));

        let mut here = vec![0.0; states];
        here[0] = 1.0;
        let (mut absorbed, mut reached, mut weights) = (0.0, 0.0, 0.0);
        for jumps in 0..=last {
            if jumps >= first {
                reached += weight(jumps) * absorbed;
                weights += weight(jumps);
            }
            absorbed += up * here[states - 1];
            let (mut below, mut remaining) = (0.0, 0.0);
            for n in 0..states {
                let above = if n + 1 < states { here[n + 1] * down[n + 1] } else { 0.0 };
                let now = here[n];
                here[n] = now * (1.0 - up - down[n]) + below * up + above;
                below = now;
                remaining += here[n];
            }
            if remaining < 1e-17 && jumps < first {
                return 1.0;
            }
        }
        (reached / weights).min(1.0)
    }
}

impl UpPassage {
    /// P(τ > t), to about 1e-12 in absolute terms.
    pub(super) fn exceeds(&self, t: f64) -> f64 {
        // The complement, because it has no division by the smallest θ, of which few digits may be right.
        let within: f64 = self.mixture.iter().map(|(theta, w)| w * t * first_order(theta * t)).sum();
        (1.0 - self.birth_rate * within).clamp(0.0, 1.0)
    }

    /// E\[min(τ, t)\].
    pub(super) fn mean_up_to(&self, t: f64) -> f64 {
        let lost: f64 = self.mixture.iter().map(|(theta, w)| w * t * t * second_order(theta * t)).sum();
        (t - self.birth_rate * lost).clamp(0.0, t)
    }
}

/// (1 − e^(−x))/x, which is 1 at zero.
fn first_order(x: f64) -> f64 {
    if x.abs() < 1e-8 { 1.0 - x / 2.0 } else { -libm::expm1(-x) / x }
}

/// (x − 1 + e^(−x))/x², which is ½ at zero.
fn second_order(x: f64) -> f64 {
    if x.abs() > 0.5 {
        return (x + libm::expm1(-x)) / (x * x);
    }
    // ½ − x/3! + x²/2·4·3 …: the exponential series without its first two terms.
    let terms = (3..18).scan(0.5, |term, k| {
        *term *= -x / f64::from(k);
        Some(*term)
    });
    0.5 + terms.sum::<f64>()
}

/// Eigenvalues of the symmetric tridiagonal matrix with this diagonal and off-diagonal (one shorter), each with the
/// squared first component of its normalized eigenvector.
///
/// Implicit QR with Wilkinson's shift (Golub and Van Loan 2013, §8.3), carrying only the first row of the eigenvectors
/// (Golub and Welsch 1969), so that the cost grows with the square of the size.
fn spectrum(mut diagonal: Vec<f64>, mut off: Vec<f64>) -> Vec<(f64, f64)> {
    let mut first_row = vec![0.0; diagonal.len()];
    first_row[0] = 1.0;
    let mut end = diagonal.len() - 1;
    while end > 0 {
        let negligible = |k: usize| off[k].abs() <= f64::EPSILON * (diagonal[k].abs() + diagonal[k + 1].abs());
        if negligible(end - 1) {
            end -= 1;
            continue;
        }
        let start = (0..end - 1).rev().find(|k| negligible(*k)).map_or(0, |k| k + 1);
        sweep(&mut diagonal, &mut off, &mut first_row, start, end);
    }
    diagonal.into_iter().zip(first_row).map(|(value, component)| (value, component * component)).collect()
}

/// One implicit QR sweep over the rows `start..=end`: rotates a bulge in at the top and chases it out at the bottom.
fn sweep(diagonal: &mut [f64], off: &mut [f64], first_row: &mut [f64], start: usize, end: usize) {
    let half_gap = (diagonal[end - 1] - diagonal[end]) / 2.0;
    let last = off[end - 1];
    let shift = diagonal[end] - last * last / (half_gap + half_gap.signum() * libm::hypot(half_gap, last));

    let (mut x, mut bulge) = (diagonal[start] - shift, off[start]);
    for k in start..end {
        let length = libm::hypot(x, bulge);
        let (cos, sin) = if length > 0.0 { (x / length, bulge / length) } else { (1.0, 0.0) };
        if k > start {
            off[k - 1] = length;
        }
        let (upper, coupling, lower) = (diagonal[k], off[k], diagonal[k + 1]);
        let cross = 2.0 * cos * sin * coupling;
        diagonal[k] = cos * cos * upper + cross + sin * sin * lower;
        diagonal[k + 1] = sin * sin * upper - cross + cos * cos * lower;
        off[k] = cos * sin * (lower - upper) + (cos * cos - sin * sin) * coupling;
        if k + 1 < end {
            x = off[k];
            bulge = sin * off[k + 1];
            off[k + 1] *= cos;
        }
        let (here, next) = (first_row[k], first_row[k + 1]);
        first_row[k] = cos * here + sin * next;
        first_row[k + 1] = cos * next - sin * here;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::erlang_b;

    #[test]
    fn the_spectrum_of_a_path_is_known() {
        // Second differences on n points: eigenvalues 2 − 2·cos(jπ/(n+1)), components √(2/(n+1))·sin(jπ/(n+1)).
        let n = 12;
        let mut found = spectrum(vec![2.0; n], vec![-1.0; n - 1]);
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (j, (value, squared)) in found.into_iter().enumerate() {
            let angle = (j + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
            assert!((value - (2.0 - 2.0 * libm::cos(angle))).abs() < 1e-13);
            assert!((squared - 2.0 / (n + 1) as f64 * libm::pow(libm::sin(angle), 2.0)).abs() < 1e-13);
        }
    }

    #[test]
    fn spectral_and_uniformized_passages_agree() {
        let chain = BirthDeath { birth_rate: 0.9, death_rate: 0.5 };
        // From empty, state 1 is reached after one exponential gap.
        for t in [0.01, 1.0, 30.0] {
            let gap = libm::exp(-0.9 * t);
            assert!((chain.up_passage(0).exceeds(t) - gap).abs() < 1e-14);
            assert!((1.0 - chain.reaches(1, t) - gap).abs() < 1e-13);
        }
        // P(visited 2 by t) is the convolution of the gap with the passage 1 → 2: integrate it by Simpson's rule.
        let (t, steps) = (2.0, 2000);
        let onward = chain.up_passage(1);
        let h = t / f64::from(steps);
        let integrand = |s: f64| 0.9 * libm::exp(-0.9 * s) * (1.0 - onward.exceeds(t - s));
        let inner: f64 = (1..steps).map(|i| f64::from(2 + 2 * (i % 2)) * integrand(f64::from(i) * h)).sum();
        let convolved = (integrand(0.0) + inner + integrand(t)) * h / 3.0;
        assert!((chain.reaches(2, t) - convolved).abs() < 1e-10);
    }

    #[test]
    fn a_passage_without_time_limit_has_the_mean_that_erlang_b_gives() {
        let chain = BirthDeath { birth_rate: 10.0, death_rate: 0.5 };
        for n in [0, 1, 10, 25, 30] {
            let mean = 1.0 / (10.0 * erlang_b(n, 20.0).expect("a load"));
            let found = chain.up_passage(n).mean_up_to(1e4 * mean);
            assert!((found / mean - 1.0).abs() < 1e-6, "{n}: {found} vs {mean}");
        }
    }
}
