//! Why replicas end, told apart by maximum likelihood: sudden ends at any time, a longest life, a longest idle time of a
//! replica, a longest idle time of its function.
//!
//! Each limit is uniform between two bounds: platforms look at their replicas on some grid, and grids differ. A limit is kept
//! only if it improves the likelihood by more than its two parameters would by chance (Akaike).

use faas_lab_model::distributions::Distribution;

use super::fates::{Fates, Spell};
use crate::fit::{Estimate, Method, minimise};

/// Of two times log-likelihood: 95 % of chance deviations in one parameter stay below.
const CHI_SQUARED: f64 = 3.841_458_820_694_124;
/// Points of the table for a lifetime that has two causes.
const POINTS: usize = 41;
const MOST_EVALUATIONS: usize = 4_000;
/// Sudden ends per second that are taken for none.
const NEVER: f64 = 1e-9;

/// The causes; times in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risks {
    /// Sudden ends, per second of life.
    pub sudden: f64,
    /// Bounds of the longest life.
    pub lifetime: Option<(f64, f64)>,
    /// Bounds of the longest idle time of a replica whose function is in use.
    pub replica_idle: Option<(f64, f64)>,
    /// Bounds of the longest idle time of the function.
    pub function_idle: Option<(f64, f64)>,
}

/// The causes with their intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct RisksFit {
    /// The most likely ones.
    pub risks: Risks,
    /// Each bound with its interval from the profile likelihood.
    pub estimates: Vec<Estimate>,
    /// Replicas known to be gone.
    pub ends: usize,
    /// Log-likelihood.
    pub log_likelihood: f64,
}

impl Risks {
    /// The law of a replica's longest life, sudden ends included; `None` if there is neither.
    pub fn lifetime_law(&self) -> Option<Distribution> {
        let sudden = self.sudden > NEVER;
        match (self.lifetime, sudden) {
            (None, false) => None,
            (None, true) => Some(Distribution::Exponential { mean: 1.0 / self.sudden }),
            (Some((low, high)), false) => Some(Distribution::Uniform { low, high }),
            (Some((_, high)), true) => {
                let ended = |age: f64| 1.0 - self.lives(age);
                let at = |share: f64| {
                    let (mut below, mut above) = (0.0, high);
                    for _ in 0..60 {
                        let middle = (below + above) / 2.0;
                        if ended(middle) < share { below = middle } else { above = middle }
                    }
                    above
                };
                let shares = (0..POINTS).map(|i| i as f64 / (POINTS - 1) as f64);
                Some(Distribution::Quantiles(shares.map(|share| (share, at(share))).collect()))
            }
        }
    }

    fn lives(&self, age: f64) -> f64 {
        libm::exp(-self.sudden * age) * survives(self.lifetime, age)
    }

    /// Probability that a replica is there when it is missed, its function's clock left aside.
    fn survives_spell(&self, spell: &Spell) -> f64 {
        let life = match spell.age {
            Some(age) => self.lives(age + spell.missed_after) / self.lives(age),
            // Of unknown age: only what does not depend on it.
            None => libm::exp(-self.sudden * spell.missed_after),
        };
        life * survives(self.replica_idle, spell.idle)
    }

    fn log_likelihood(&self, fates: &Fates) -> f64 {
        let ages: f64 = fates.ages.iter().map(|age| libm::log(self.lives(*age))).sum();
        let idle: f64 = fates.idle.iter().map(|idle| libm::log(survives(self.replica_idle, *idle))).sum();
        let function: f64 = fates.function_idle.iter().map(|idle| libm::log(survives(self.function_idle, *idle))).sum();
        let has_age = |spell: &&Spell| spell.age.is_some();
        let missed: f64 =
            fates.missed.iter().filter(has_age).map(|spell| libm::log(1.0 - self.survives_spell(spell))).sum();
        let cold = fates.cold.iter().filter(|(_, gone)| gone.iter().all(|spell| spell.age.is_some()));
        let cold: f64 = cold
            .map(|(function_idle, gone)| {
                let function = survives(self.function_idle, *function_idle);
                let all: f64 = gone.iter().map(|spell| 1.0 - self.survives_spell(spell)).product();
                libm::log(1.0 - function + function * all)
            })
            .sum();
        ages + idle + function + missed + cold
    }
}

fn survives(limit: Option<(f64, f64)>, time: f64) -> f64 {
    limit.map_or(1.0, |(low, high)| ((high - time) / (high - low)).clamp(0.0, 1.0))
}

/// Which limits there are, for the search: lifetime, replica, function.
#[derive(Clone, Copy, PartialEq)]
struct Limits([bool; 3]);

const NAMES: [(&str, &str); 3] = [
    ("lifetime, lower bound", "lifetime, upper bound"),
    ("replica idle, lower bound", "replica idle, upper bound"),
    ("function idle, lower bound", "function idle, upper bound"),
];

impl Limits {
    /// Coordinates: the logarithm of the rate of sudden ends, then two bounds for each limit, on the scale of `unit`.
    fn risks(self, x: &[f64], unit: &[f64]) -> Option<Risks> {
        let mut at = 1;
        let mut limits = [None; 3];
        for (limit, is_there) in limits.iter_mut().zip(self.0) {
            if is_there {
                let (low, high) = (x[at] * unit[at], x[at + 1] * unit[at + 1]);
                if low < 0.0 || high <= low {
                    return None;
                }
                *limit = Some((low, high));
                at += 2;
            }
        }
        let [lifetime, replica_idle, function_idle] = limits;
        Some(Risks { sudden: libm::exp(x[0].clamp(-25.0, 0.0)), lifetime, replica_idle, function_idle })
    }
}

struct Search<'a> {
    fates: &'a Fates,
    limits: Limits,
    unit: Vec<f64>,
}

impl Search<'_> {
    fn cost(&self, x: &[f64]) -> f64 {
        self.limits.risks(x, &self.unit).map_or(f64::INFINITY, |risks| -risks.log_likelihood(self.fates))
    }

    fn best(&self, start: &[f64]) -> (Vec<f64>, f64) {
        let mut at = start.to_vec();
        let mut value = f64::INFINITY;
        for step in [0.1, 0.02, 0.05, 0.01] {
            let found = minimise(|x| self.cost(x), &at, step, 1e-9, MOST_EVALUATIONS);
            (at, value) = (found.at, found.value);
        }
        (at, value)
    }

    /// The best with one coordinate held.
    fn best_with(&self, held: usize, value: f64, start: &[f64]) -> f64 {
        let mut free = start.to_vec();
        free.remove(held);
        let whole = |free: &[f64]| {
            let mut x = free.to_vec();
            x.insert(held, value);
            x
        };
        let first = minimise(|free| self.cost(&whole(free)), &free, 0.02, 1e-6, 600);
        minimise(|free| self.cost(&whole(free)), &first.at, 0.01, 1e-6, 600).value
    }

    /// Where the likelihood falls by what chance allows, on one side of the best.
    fn bound(&self, held: usize, best: &[f64], cost: f64, direction: f64) -> f64 {
        let limit = cost + CHI_SQUARED / 2.0;
        let scale = if held == 0 { 1.0 } else { 0.02 };
        let (mut inside, mut step) = (0.0, scale);
        let mut outside = None;
        for _ in 0..14 {
            let trial = inside + step;
            if self.best_with(held, best[held] + direction * trial, best) > limit {
                outside = Some(trial);
                break;
            }
            inside = trial;
            step *= 2.0;
        }
        let Some(mut outside) = outside else { return best[held] + direction * inside };
        for _ in 0..6 {
            let middle = (inside + outside) / 2.0;
            if self.best_with(held, best[held] + direction * middle, best) > limit {
                outside = middle;
            } else {
                inside = middle;
            }
        }
        best[held] + direction * (inside + outside) / 2.0
    }
}

/// Finds the causes; `None` if no replica is known to be gone. Without `intervals` only the values.
pub fn fit_risks(source: &str, fates: &Fates, intervals: bool) -> Option<RisksFit> {
    if fates.ends() == 0 {
        return None;
    }
    let largest = |values: &[f64], least: f64| values.iter().copied().fold(least, f64::max);
    let (age, idle, function) =
        (largest(&fates.ages, 60.0), largest(&fates.idle, 60.0), largest(&fates.function_idle, 60.0));
    let search = |limits: Limits| {
        let pairs = [(age, 0.8), (idle, 0.9), (function, 0.95)];
        let chosen = pairs.iter().zip(limits.0).filter(|(_, is_there)| *is_there).map(|(pair, _)| pair);
        let unit = std::iter::once(1.0).chain(chosen.clone().flat_map(|(unit, _)| [*unit, *unit])).collect();
        let start = std::iter::once(-10.0).chain(chosen.flat_map(|(_, low)| [*low, 1.05])).collect::<Vec<f64>>();
        let search = Search { fates, limits, unit };
        let (at, cost) = search.best(&start);
        (search, at, cost)
    };
    // From all limits on, leave out what is not worth its two parameters.
    let mut best = search(Limits([true; 3]));
    loop {
        let without = (0..3).filter(|index| best.0.limits.0[*index]).map(|index| {
            let mut limits = best.0.limits;
            limits.0[index] = false;
            search(limits)
        });
        match without.min_by(|a, b| a.2.total_cmp(&b.2)) {
            Some(simpler) if simpler.2 <= best.2 + 2.0 => best = simpler,
            _ => break,
        }
    }
    let (search, at, cost) = best;
    let risks = search.limits.risks(&at, &search.unit)?;
    let estimate = |index: usize, name: &str, natural: &dyn Fn(f64) -> f64| {
        let ends = intervals.then(|| [-1.0, 1.0].map(|direction| natural(search.bound(index, &at, cost, direction))));
        Estimate {
            name: name.to_owned(),
            value: natural(at[index]),
            interval: ends.map(|[low, high]| (low.max(0.0), high)),
            n: fates.ends(),
            method: Method::ProfileLikelihood,
            source: source.to_owned(),
        }
    };
    let mut estimates = vec![estimate(0, "sudden ends per hour", &|x| libm::exp(x.clamp(-25.0, 0.0)) * 3600.0)];
    let mut index = 1;
    for ((low, high), _) in NAMES.iter().zip(search.limits.0).filter(|(_, is_there)| *is_there) {
        let unit = search.unit[index];
        estimates.push(estimate(index, low, &|x| x * unit));
        estimates.push(estimate(index + 1, high, &|x| x * unit));
        index += 2;
    }
    Some(RisksFit { risks, estimates, ends: fates.ends(), log_likelihood: -cost })
}
