//! Which of several settings is best under constraints, when every look at one is noisy.
//!
//! A race: all settings are played with the same seeds, and after 10, 15, 23, … replications each is dropped that clearly
//! breaks a bound, or that a feasible one clearly beats. Clear means that Student's interval, of the mean or of the paired
//! difference, excludes the bound or zero. Its confidence is such that all intervals of all settings at all looks hold
//! together as often as stated: Bonferroni over questions, and over looks by errors that fall as 1/j² (repeated confidence
//! intervals: Jennison and Turnbull 1999, Group Sequential Methods, chapter 9; racing: Maron and Moore 1994, NIPS 6; the
//! elimination of infeasible and of beaten settings side by side: Andradóttir and Kim 2010, Naval Research Logistics 57(5)).
//! Near ties drop nobody: settings that no interval tells apart by more than the indifference stay to the end, so that one
//! cannot lose to a second, and that to a third, until the survivor is far from the best. The race is over when one that is
//! feasible has every remaining rival's interval say that it is not worse by more than the indifference. A bound is settled
//! by its mean once the interval is narrower than the tolerance, so that what lies on a bound does not race forever.
//!
//! The promise: with the stated confidence the setting chosen keeps all bounds and its objective is the best, up to the
//! indifference in the objective and around each bound. It rests on replications that are about normal, as means over many
//! requests are; and on an indifference set from the first look, since a percentage needs a size. The triangular regions of
//! Kim and Nelson (2001) need fewer replications in near ties, but many where a hopeless setting is noisy, as overload is.

use faas_lab_model::statistics::{Estimate, student_t_factor, student_t_two_sided};

/// Least replications before the first look: from fewer, variances are too uncertain.
pub const LEAST_FIRST: u32 = 5;

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// 1 to minimise the objective, −1 to maximise it.
    pub direction: f64,
    /// Bounds on other metrics.
    pub bounds: Vec<Bound>,
    /// Probability of a right choice, between 0 and 1.
    pub confidence: f64,
    /// Differences of the objective below this share of its size do not matter; > 0.
    pub indifference: f64,
    /// Replications before anything is dropped, ≥ [`LEAST_FIRST`].
    pub first: u32,
    /// Runs after which it is given up.
    pub budget: u64,
}

/// A bound on a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// 1 if the metric must stay below, −1 if above.
    pub direction: f64,
    /// The bound.
    pub value: f64,
    /// Means this near to the bound may be judged either way; > 0.
    pub tolerance: f64,
    /// Whether what lies exactly on it breaks it, as a number of replicas that never varies may.
    pub strict: bool,
}

/// What one replication of a setting yields: the objective, then what the bounds are on. Absent: it was not seen.
pub type Observation = Vec<Option<f64>>;

/// Plays (setting, replication) pairs and returns what each yields, in order; `None` ends the search.
pub type Observe<'a> = dyn FnMut(&[(usize, u32)]) -> Option<Vec<Observation>> + 'a;

/// What became of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is chosen.
    Best,
    /// It breaks the bound of this number.
    Infeasible(usize),
    /// The setting of this number is better, and feasible.
    Beaten(usize),
    /// If it is better than the chosen one at all, then not by more than the indifference.
    NoBetter,
    /// A replication did not show what it is judged by: nothing was answered, say.
    Unseen,
    /// The runs did not suffice to tell.
    Undecided,
}

/// What was found of a setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What became of it.
    pub fate: Fate,
    /// Whether it was found to keep all bounds.
    pub feasible: bool,
    /// The objective; absent if it was never seen.
    pub objective: Option<Estimate>,
    /// What the bounds are on.
    pub bounded: Vec<Option<Estimate>>,
}

/// The choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The best setting; absent if none is feasible, or nothing was seen.
    pub best: Option<usize>,
    /// Whether the procedure came to its end, so that its promise holds.
    pub decided: bool,
    /// Where it did not: how probable the choice is at least, as far as normal laws tell (Bonferroni's bound on the
    /// posterior probability, after Branke, Chick and Schmidt 2007, Management Science 53(12)).
    pub probability: f64,
    /// The indifference in the objective's unit.
    pub indifference: f64,
    /// Setting by setting.
    pub settings: Vec<Seen>,
    /// Runs played.
    pub runs: u64,
}

/// Chooses among `count` settings.
pub fn choose(count: usize, wanted: &Wanted, observe: &mut Observe<'_>) -> Choice {
    let mut search = Search::new(count, wanted);
    let (mut reached, mut next) = (0u32, wanted.first.max(LEAST_FIRST));
    while !search.is_decided() {
        let alive: Vec<usize> = search.alive().collect();
        let affordable = wanted.budget.saturating_sub(search.runs) / alive.len().max(1) as u64;
        let affordable = u32::try_from(affordable).unwrap_or(u32::MAX);
        // The first look is worth its price in any case.
        let upto = if reached == 0 { next } else { next.min(reached.saturating_add(affordable)) };
        if upto == reached {
            break;
        }
        let numbers = reached..upto;
        let jobs: Vec<(usize, u32)> =
            numbers.flat_map(|number| alive.iter().map(move |setting| (*setting, number))).collect();
        let Some(found) = observe(&jobs) else { break };
        search.runs += jobs.len() as u64;
        for ((setting, _), observation) in jobs.iter().zip(found) {
            search.settings[*setting].note(observation);
        }
        if reached == 0 {
            search.settle_indifference();
        }
        reached = upto;
        next = reached + reached.div_ceil(2);
        search.look(reached);
    }
    search.conclude()
}

/// One setting under way.
struct Setting {
    /// For the objective and each bound, turned so that less is better.
    values: Vec<Vec<f64>>,
    unseen: bool,
    fate: Option<Fate>,
    /// Bounds it was found to keep.
    keeps: Vec<bool>,
    /// Settings that are better, though not all found feasible.
    better: Vec<usize>,
    turns: Vec<f64>,
}

impl Setting {
    fn note(&mut self, observation: Observation) {
        for (index, value) in observation.iter().enumerate().take(self.values.len()) {
            match value.filter(|value| value.is_finite()) {
                Some(value) => self.values[index].push(value * self.turns[index]),
                None => self.unseen = true,
            }
        }
    }

    fn feasible(&self) -> bool {
        self.keeps.iter().all(|keeps| *keeps)
    }
}

struct Search<'w> {
    wanted: &'w Wanted,
    settings: Vec<Setting>,
    /// In the objective's unit.
    indifference: f64,
    /// Looks taken so far.
    looks: u32,
    /// Who is chosen, once that is settled.
    winner: Option<usize>,
    /// Error that may be spent on one question over all looks: a comparison, a bound.
    errors: (f64, f64),
    runs: u64,
}

/// On which side of a limit a mean lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Below,
    On,
    Above,
}

/// The side, if the interval of `factor` standard errors says so or is narrower than the `tolerance`.
fn side(estimate: Option<Estimate>, limit: f64, factor: f64, tolerance: f64) -> Option<Side> {
    let estimate = estimate?;
    let half_width = factor * estimate.standard_error()?;
    let distance = estimate.mean - limit;
    let clear = distance.abs() > half_width || half_width <= tolerance;
    clear.then_some(match distance {
        0.0 => Side::On,
        distance if distance > 0.0 => Side::Above,
        _ => Side::Below,
    })
}

impl<'w> Search<'w> {
    fn new(count: usize, wanted: &'w Wanted) -> Search<'w> {
        let turns: Vec<f64> =
            std::iter::once(wanted.direction).chain(wanted.bounds.iter().map(|bound| bound.direction)).collect();
        let setting = || Setting {
            values: vec![Vec::new(); turns.len()],
            unseen: false,
            fate: None,
            keeps: vec![false; wanted.bounds.len()],
            better: Vec::new(),
            turns: turns.clone(),
        };
        // A pair is asked once, a bound once for each setting.
        let pairs = (count * count.saturating_sub(1) / 2).max(1) as f64;
        let questions = (count * wanted.bounds.len()).max(1) as f64;
        let error = 1.0 - wanted.confidence;
        let shares = if wanted.bounds.is_empty() { (error, error) } else { (error / 2.0, error / 2.0) };
        Search {
            wanted,
            settings: (0..count).map(|_| setting()).collect(),
            indifference: 0.0,
            looks: 0,
            winner: None,
            errors: (shares.0 / pairs, shares.1 / questions),
            runs: 0,
        }
    }

    fn alive(&self) -> impl Iterator<Item = usize> {
        self.settings.iter().enumerate().filter(|(_, setting)| setting.fate.is_none()).map(|(index, _)| index)
    }

    /// None is left, or one that keeps its bounds and that no other can beat by more than the indifference.
    fn is_decided(&self) -> bool {
        self.alive().next().is_none() || self.winner.is_some()
    }

    /// The best of those left that keep their bounds, if the intervals of this look leave no doubt.
    fn find_winner(&self, reached: u32) -> Option<usize> {
        let factor = self.factor(self.errors.0, reached);
        let best = self.leader(self.alive().filter(|index| self.settings[*index].feasible()))?;
        let at_most = |rival: usize| -> Option<f64> {
            let difference = Estimate::from_pairs(&self.settings[best].values[0], &self.settings[rival].values[0])?;
            Some(difference.mean + factor * difference.standard_error()?)
        };
        let mut rivals = self.alive().filter(|rival| *rival != best);
        rivals.all(|rival| at_most(rival).is_some_and(|worse| worse <= self.indifference)).then_some(best)
    }

    /// Of some settings that whose objective is best by its mean.
    fn leader(&self, of: impl Iterator<Item = usize>) -> Option<usize> {
        let mean = |index: usize| Estimate::from_replications(&self.settings[index].values[0]).map(|found| found.mean);
        let seen = of.filter_map(|index| Some((index, mean(index)?)));
        seen.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
    }

    /// The indifference is a share of the objective's size: that of the setting in the middle.
    fn settle_indifference(&mut self) {
        let mean = |setting: &Setting| Estimate::from_replications(&setting.values[0]).map(|found| found.mean.abs());
        let mut sizes: Vec<f64> = self.settings.iter().filter_map(mean).collect();
        sizes.sort_by(f64::total_cmp);
        let middle = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
        self.indifference = (self.wanted.indifference * middle).max(f64::MIN_POSITIVE);
    }

    /// Drops what can be dropped after `reached` replications.
    fn look(&mut self, reached: u32) {
        self.looks += 1;
        for index in self.alive().collect::<Vec<_>>() {
            if self.settings[index].unseen {
                self.settings[index].fate = Some(Fate::Unseen);
            } else {
                self.check_bounds(index, reached);
            }
        }
        self.compare(reached);
        self.winner = self.find_winner(reached);
    }

    /// Student's factor for an `error` that is spent over all looks: the j-th gets 6/(πj)² of it.
    fn factor(&self, error: f64, reached: u32) -> f64 {
        let spent = error * 6.0 / (std::f64::consts::PI * f64::from(self.looks)).powi(2);
        student_t_factor(reached - 1, 1.0 - spent).unwrap_or(f64::INFINITY)
    }

    fn check_bounds(&mut self, index: usize, reached: u32) {
        let factor = self.factor(self.errors.1, reached);
        for (number, bound) in self.wanted.bounds.iter().enumerate() {
            let setting = &mut self.settings[index];
            if setting.keeps[number] {
                continue;
            }
            match side(
                Estimate::from_replications(&setting.values[number + 1]),
                bound.value * bound.direction,
                factor,
                bound.tolerance,
            ) {
                Some(Side::Below) => setting.keeps[number] = true,
                Some(Side::On) if !bound.strict => setting.keeps[number] = true,
                Some(Side::On | Side::Above) => {
                    setting.fate = Some(Fate::Infeasible(number));
                    return;
                }
                None => {}
            }
        }
    }

    /// What is better counts once it is feasible.
    fn compare(&mut self, reached: u32) {
        let factor = self.factor(self.errors.0, reached);
        let alive: Vec<usize> = self.alive().collect();
        for (place, &left) in alive.iter().enumerate() {
            for &right in &alive[place + 1..] {
                let (a, b) = (&self.settings[left], &self.settings[right]);
                if a.better.contains(&right) || b.better.contains(&left) {
                    continue;
                }
                let difference = Estimate::from_pairs(&a.values[0], &b.values[0]);
                match side(difference, 0.0, factor, 0.0) {
                    Some(Side::Below) => self.settings[right].better.push(left),
                    Some(Side::Above) => self.settings[left].better.push(right),
                    Some(Side::On) | None => {}
                }
            }
        }
        // Who is beaten may itself have beaten others: what is better than it beats them too.
        for index in alive {
            let beaten = self.settings[index].better.iter().copied().find(|better| {
                let rival = &self.settings[*better];
                rival.feasible() && matches!(rival.fate, None | Some(Fate::Beaten(_)))
            });
            if let Some(by) = beaten {
                self.settings[index].fate = Some(Fate::Beaten(by));
            }
        }
    }

    fn conclude(mut self) -> Choice {
        let decided = self.is_decided();
        let mean = |setting: &Setting, index: usize| {
            Estimate::from_replications(&setting.values[index]).map(|found| found.mean)
        };
        let excess = |setting: &Setting| -> bool {
            self.wanted.bounds.iter().enumerate().any(|(number, bound)| {
                !setting.keeps[number]
                    && mean(setting, number + 1).is_none_or(|mean| mean > bound.value * bound.direction)
            })
        };
        let worth = |setting: &Setting| !setting.unseen && !setting.values[0].is_empty() && !excess(setting);
        let best = self.winner.or_else(|| self.leader(self.alive().filter(|index| worth(&self.settings[*index]))));
        let probability = match best {
            _ if decided => self.wanted.confidence,
            Some(best) => self.posterior(best),
            None => 0.0,
        };
        for index in self.alive().collect::<Vec<_>>() {
            self.settings[index].fate = Some(match decided {
                true if Some(index) == best => Fate::Best,
                true => Fate::NoBetter,
                false => Fate::Undecided,
            });
        }
        let turned_back = |values: &[f64], turn: f64| {
            Estimate::from_replications(&values.iter().map(|value| value * turn).collect::<Vec<_>>())
        };
        let seen = self.settings.iter().map(|setting| Seen {
            fate: setting.fate.unwrap_or(Fate::Undecided),
            feasible: setting.feasible(),
            objective: turned_back(&setting.values[0], setting.turns[0]),
            bounded: (1..setting.values.len())
                .map(|index| turned_back(&setting.values[index], setting.turns[index]))
                .collect(),
        });
        let settings = seen.collect();
        Choice { best, decided, probability, indifference: self.indifference, settings, runs: self.runs }
    }

    /// One minus the probabilities that something speaks against `best`: a broken bound, a better rival.
    fn posterior(&self, best: usize) -> f64 {
        let setting = &self.settings[best];
        let above = |estimate: Option<Estimate>, limit: f64| -> f64 {
            let Some(estimate) = estimate else { return 1.0 };
            let side = estimate.mean > limit;
            let tail = estimate.z_score(limit).and_then(|z| student_t_two_sided(z, f64::from(estimate.n) - 1.0));
            match tail {
                Some(tail) if side => 1.0 - tail / 2.0,
                Some(tail) => tail / 2.0,
                None => f64::from(side),
            }
        };
        let breaks = |setting: &Setting, number: usize, bound: &Bound| {
            let limit = bound.value * bound.direction + bound.tolerance;
            above(Estimate::from_replications(&setting.values[number + 1]), limit)
        };
        let mut against: f64 = self
            .wanted
            .bounds
            .iter()
            .enumerate()
            .filter(|(number, _)| !setting.keeps[*number])
            .map(|(number, bound)| breaks(setting, number, bound))
            .sum();
        for rival in self.alive().filter(|rival| *rival != best && !self.settings[*rival].unseen) {
            let rival = &self.settings[rival];
            let difference = Estimate::from_pairs(&setting.values[0], &rival.values[0]);
            let better = above(difference, self.indifference);
            let open = self.wanted.bounds.iter().enumerate().filter(|(number, _)| !rival.keeps[*number]);
            let feasible = open.map(|(number, bound)| 1.0 - breaks(rival, number, bound)).fold(1.0, f64::min);
            against += better.min(feasible);
        }
        // Those that were dropped were dropped with the stated confidence.
        (self.wanted.confidence - against).max(0.0)
    }
}

#[cfg(test)]
mod tests;
