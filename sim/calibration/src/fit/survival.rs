//! Kaplan and Meier's estimate (1958) of how many last longer than a time, when some were not watched to their end.

use faas_lab_model::distributions::Distribution;

use super::sample::{Observation, Sample};

/// The curve, constant between its steps.
#[derive(Clone, Debug, PartialEq)]
pub struct KaplanMeier {
    steps: Vec<SurvivalStep>,
    /// The longest time that anything was watched.
    pub longest: f64,
}

/// What happens at one time at which something ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurvivalStep {
    /// The time, in seconds.
    pub at: f64,
    /// How many were watched just before.
    pub at_risk: usize,
    /// How many ended.
    pub ended: usize,
    /// The share that lasts longer.
    pub survival: f64,
    /// The 95 % interval of that share: Greenwood's variance on the scale of log(−log), which stays within 0 and 1.
    pub interval: (f64, f64),
}

impl KaplanMeier {
    /// The curve of a sample; `None` if it has buckets, for which it is not defined.
    pub fn of(sample: &Sample) -> Option<KaplanMeier> {
        let mut times: Vec<(f64, bool)> = sample
            .observations()
            .iter()
            .map(|observation| match *observation {
                Observation::Exact(x) => Some((x, true)),
                Observation::LongerThan(x) => Some((x, false)),
                Observation::Between(..) => None,
            })
            .collect::<Option<_>>()?;
        // At equal times ends come before what was lost sight of: it was still watched then.
        times.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let longest = times.last()?.0;
        let mut steps = Vec::new();
        let (mut survival, mut greenwood) = (1.0, 0.0);
        let mut index = 0;
        while index < times.len() {
            let at = times[index].0;
            let at_risk = times.len() - index;
            let ended = times[index..].iter().take_while(|(time, ended)| *time == at && *ended).count();
            let same = times[index..].iter().take_while(|(time, _)| *time == at).count();
            index += same;
            if ended == 0 {
                continue;
            }
            survival *= 1.0 - ended as f64 / at_risk as f64;
            greenwood += ended as f64 / (at_risk as f64 * (at_risk - ended) as f64);
            steps.push(SurvivalStep { at, at_risk, ended, survival, interval: interval(survival, greenwood) });
        }
        Some(KaplanMeier { steps, longest })
    }

    /// The steps, by time.
    pub fn steps(&self) -> &[SurvivalStep] {
        &self.steps
    }

    /// The share that lasts longer than `time`. Beyond the longest time watched it is not known, and stays as it was there.
    pub fn survival(&self, time: f64) -> f64 {
        let after = self.steps.partition_point(|step| step.at <= time);
        after.checked_sub(1).map_or(1.0, |step| self.steps[step].survival)
    }

    /// The time below which a share `p` ends; `None` where fewer were seen to end.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let share = |step: &SurvivalStep| 1.0 - step.survival;
        self.steps.iter().find(|step| share(step) >= p - 1e-12).map(|step| step.at)
    }

    /// The curve as a law, in at most `points` points: straight lines through the middles of its steps. What lasted longer
    /// than anything was watched is given the longest time watched.
    pub fn law(&self, points: usize) -> Option<Distribution> {
        let first = self.steps.first()?;
        let mut all = vec![(0.0, first.at)];
        let mut before = 0.0;
        for step in &self.steps {
            let share = 1.0 - step.survival;
            all.push(((before + share) / 2.0, step.at));
            before = share;
        }
        let last = if before < 1.0 { self.longest } else { self.steps.last()?.at };
        if before < 1.0 {
            all.push((before, self.steps.last()?.at));
        }
        all.push((1.0, last));
        all.dedup_by(|later, earlier| later.0 <= earlier.0);
        if all.len() == 1 {
            return Some(Distribution::Constant(first.at));
        }
        // Thinned evenly in shares, ends kept.
        let most = points.max(2);
        if all.len() > most {
            let whole = Distribution::Quantiles(all);
            all = (0..most).map(|i| i as f64 / (most - 1) as f64).map(|p| (p, whole.quantile(p))).collect();
        }
        Some(Distribution::Quantiles(all))
    }
}

fn interval(survival: f64, greenwood: f64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    if survival <= 0.0 {
        return (0.0, 0.0);
    }
    let ln = libm::log(survival);
    let half = Z * greenwood.sqrt() / ln.abs();
    (libm::pow(survival, libm::exp(half)), libm::pow(survival, libm::exp(-half)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remission times of 21 leukaemia patients under 6-MP (Freireich et al. 1963), whose curve is in every textbook:
    /// 0.857 after 6 weeks, 0.807 after 7, 0.690 after 13, 0.627 after 16, 0.538 after 22, 0.448 after 23.
    #[test]
    fn agrees_with_the_textbook() {
        let ended = [6, 6, 6, 7, 10, 13, 16, 22, 23].map(|weeks| Observation::Exact(f64::from(weeks)));
        let watched = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35].map(|w| Observation::LongerThan(f64::from(w)));
        let sample = Sample::new("Freireich 1963", [&ended[..], &watched[..]].concat()).unwrap();
        let curve = KaplanMeier::of(&sample).unwrap();
        for (week, share) in [(6, 0.857), (7, 0.807), (10, 0.753), (13, 0.690), (16, 0.627), (22, 0.538), (23, 0.448)] {
            let found = curve.survival(f64::from(week));
            assert!((found - share).abs() < 5e-4, "week {week}: {found} should be {share}");
        }
        assert_eq!(curve.survival(5.9), 1.0);
        assert_eq!(curve.quantile(0.5), Some(23.0));
        assert_eq!(curve.quantile(0.6), None);
        // The log-log interval after 13 weeks: 0.432 to 0.849 (R, survival, conf.type = "log-log").
        let step = curve.steps().iter().find(|step| step.at == 13.0).unwrap();
        assert!((step.interval.0 - 0.432).abs() < 1e-3 && (step.interval.1 - 0.849).abs() < 1e-3, "{step:?}");
    }

    #[test]
    fn a_law_made_of_it_has_its_quantiles() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        let law = KaplanMeier::of(&Sample::exact("numbers", &values).unwrap()).unwrap().law(101).unwrap();
        for p in [0.1, 0.5, 0.9] {
            assert!((law.quantile(p) - 1000.0 * p).abs() < 10.0, "{p}: {}", law.quantile(p));
        }
    }
}
