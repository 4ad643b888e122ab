//! Nelder and Mead's simplex (1965), with the adaptive coefficients of Gao and Han (2012): a minimum without derivatives.
//!
//! Written here because the optimiser packages carry clocks and random numbers of their own, and a fit has to give the same
//! digits wherever it runs.

/// Where the search ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The coordinates.
    pub at: Vec<f64>,
    /// The function there.
    pub value: f64,
    /// Whether the simplex has shrunk to the tolerance, rather than run out of steps.
    pub converged: bool,
}

/// Searches a minimum of `f` from `start`, with first steps of `step` along each axis.
///
/// Values of `f` that are not finite count as infinitely large. The search ends when the simplex spans less than `tolerance`
/// in values (relative to their size) and in coordinates, or after `most` evaluations.
pub fn minimise(f: impl Fn(&[f64]) -> f64, start: &[f64], step: f64, tolerance: f64, most: usize) -> Minimum {
    let f = |x: &[f64]| {
        let value = f(x);
        if value.is_nan() { f64::INFINITY } else { value }
    };
    let k = start.len();
    let dimension = (k as f64).max(2.0);
    let (expand, contract, shrink) = (1.0 + 2.0 / dimension, 0.75 - 0.5 / dimension, 1.0 - 1.0 / dimension);
    let mut simplex: Vec<(Vec<f64>, f64)> = (0..=k)
        .map(|corner| {
            let mut x = start.to_vec();
            if let Some(axis) = corner.checked_sub(1) {
                x[axis] += step;
            }
            let value = f(&x);
            (x, value)
        })
        .collect();
    let mut evaluations = k + 1;
    let by_value = |a: &(Vec<f64>, f64), b: &(Vec<f64>, f64)| a.1.total_cmp(&b.1);
    let mut converged = false;
    while k > 0 && evaluations < most {
        simplex.sort_by(by_value);
        let (best, worst, next) = (simplex[0].1, simplex[k].1, simplex[k - 1].1);
        let width = simplex[1..].iter().flat_map(|(x, _)| x.iter().zip(&simplex[0].0)).map(|(a, b)| (a - b).abs());
        let width = width.fold(0.0, f64::max);
        if worst.is_finite() && worst - best <= tolerance * (1.0 + best.abs()) && width <= tolerance.sqrt() {
            converged = true;
            break;
        }
        let centre: Vec<f64> =
            (0..k).map(|axis| simplex[..k].iter().map(|(x, _)| x[axis]).sum::<f64>() / k as f64).collect();
        let along = |factor: f64| -> (Vec<f64>, f64) {
            let x: Vec<f64> = centre.iter().zip(&simplex[k].0).map(|(c, w)| c + factor * (w - c)).collect();
            let value = f(&x);
            (x, value)
        };
        let reflected = along(-1.0);
        evaluations += 1;
        let replacement = if reflected.1 < best {
            evaluations += 1;
            let expanded = along(-expand);
            Some(if expanded.1 < reflected.1 { expanded } else { reflected })
        } else if reflected.1 < next {
            Some(reflected)
        } else {
            evaluations += 1;
            let inside = reflected.1 >= worst;
            let contracted = along(if inside { contract } else { -contract });
            (contracted.1 < if inside { worst } else { reflected.1 }).then_some(contracted)
        };
        match replacement {
            Some(corner) => simplex[k] = corner,
            None => {
                let best = simplex[0].0.clone();
                for (x, value) in &mut simplex[1..] {
                    x.iter_mut().zip(&best).for_each(|(x, b)| *x = b + shrink * (*x - b));
                    *value = f(x);
                }
                evaluations += k;
            }
        }
    }
    simplex.sort_by(by_value);
    let (at, value) = simplex.swap_remove(0);
    Minimum { at, value, converged: converged || k == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minimum_of_rosenbrocks_valley() {
        let valley = |x: &[f64]| (1.0 - x[0]).powi(2) + 100.0 * (x[1] - x[0] * x[0]).powi(2);
        let found = minimise(valley, &[-1.2, 1.0], 0.5, 1e-12, 5000);
        assert!(found.converged);
        assert!((found.at[0] - 1.0).abs() < 1e-4 && (found.at[1] - 1.0).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn walls_of_infinity_and_nan_turn_it_back() {
        let walled = |x: &[f64]| if x[0] < 1.0 { f64::NAN } else { x[0] + x[1] * x[1] };
        let found = minimise(walled, &[4.0, 2.0], 0.5, 1e-10, 5000);
        assert!((found.at[0] - 1.0).abs() < 1e-3 && found.at[1].abs() < 1e-3, "{found:?}");
    }
}
