//! Samples like the one observed: observations drawn again, or new ones drawn from a law and seen as the first were.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::rng::{Stream, Uniforms};

use super::sample::{Observation, Sample};

/// How times became observations: how long each was watched, and into which buckets it fell.
pub(super) struct Scheme {
    /// How long things were watched, as a Kaplan–Meier law of the censoring times; none if none was censored.
    watched: Option<Distribution>,
    /// Bounds of buckets, ascending; empty if times were exact.
    bounds: Vec<f64>,
    source: String,
}

impl Scheme {
    /// The scheme of a sample.
    pub(super) fn of(sample: &Sample) -> Scheme {
        let has_no_buckets = sample.has_no_buckets();
        let mut bounds: Vec<f64> = if has_no_buckets {
            Vec::new()
        } else {
            let bounds = |observation: &Observation| match *observation {
                Observation::Between(low, high) => [low, high],
                Observation::Exact(x) | Observation::LongerThan(x) => [x, x],
            };
            sample.observations().iter().flat_map(bounds).collect()
        };
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        // Seen the other way round, what was censored ended and what ended was censored.
        let swapped = sample.observations().iter().map(|observation| match *observation {
            Observation::LongerThan(x) => Observation::Exact(x),
            Observation::Exact(x) | Observation::Between(x, _) => Observation::LongerThan(x),
        });
        let watched = (has_no_buckets && sample.n_ended() < sample.n())
            .then(|| Sample::new("", swapped.collect()).ok())
            .flatten()
            .and_then(|swapped| super::survival::KaplanMeier::of(&swapped)?.law(512));
        Scheme { watched, bounds, source: sample.source().to_owned() }
    }

    /// `n` new times of a law, observed in the same way.
    pub(super) fn draw(&self, law: &Distribution, n: usize, stream: &mut Stream) -> Sample {
        let observations = (0..n).map(|_| self.observe(law.sample_secs(stream), stream)).collect();
        // A law of times has no negative draws, and n is not zero.
        Sample::new(self.source.clone(), observations).unwrap_or_else(|error| unreachable!("{error}"))
    }

    fn observe(&self, time: f64, stream: &mut Stream) -> Observation {
        let time = if time.is_finite() { time } else { f64::MAX };
        if let (Some(first), Some(last)) = (self.bounds.first(), self.bounds.last()) {
            let above = self.bounds.partition_point(|bound| *bound < time);
            return match (above.checked_sub(1), self.bounds.get(above)) {
                (Some(below), Some(above)) => Observation::Between(self.bounds[below], *above),
                (None, _) if *first > 0.0 => Observation::Between(0.0, *first),
                (None, _) => Observation::Between(0.0, self.bounds.get(1).copied().unwrap_or(f64::MAX)),
                (_, None) => Observation::LongerThan(*last),
            };
        }
        match &self.watched {
            Some(law) => {
                let limit = law.sample_secs(stream);
                if time > limit { Observation::LongerThan(limit) } else { Observation::Exact(time) }
            }
            None => Observation::Exact(time),
        }
    }
}

/// The observations drawn again with replacement: what another measurement might have been (Efron 1979).
pub(super) fn again(sample: &Sample, n: usize, stream: &mut Stream) -> Sample {
    let index = |bits: u64| ((u128::from(bits) * sample.n() as u128) >> 64) as usize;
    let picked: Vec<usize> = (0..n).map(|_| index(stream.bits())).collect();
    sample.pick(picked.into_iter())
}
