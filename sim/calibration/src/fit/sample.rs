//! What was observed: times that are known, times that are known to be longer, times between two bounds.

use thiserror::Error;

/// One time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observation {
    /// It took exactly so long.
    Exact(f64),
    /// It took longer than this: it had not ended when it was last seen (right-censored).
    LongerThan(f64),
    /// It took more than the first and at most the second: a bucket of a histogram (interval-censored).
    Between(f64, f64),
}

/// Observations of one quantity, with the source they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    observations: Vec<Observation>,
    source: String,
}

/// Why observations are no sample.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SampleError {
    /// There is nothing.
    #[error("{source_name}: there are no observations to fit")]
    Empty {
        /// Where they should have come from.
        source_name: String,
    },
    /// A time is negative, infinite or not a number, or a bucket ends before it begins.
    #[error("{source_name}: observation {} is {what}, and times are finite and not negative", index + 1)]
    NotATime {
        /// Where it comes from.
        source_name: String,
        /// Its place in the sample, from 0.
        index: usize,
        /// How it reads.
        what: String,
    },
}

impl Sample {
    /// A sample of observations from `source`, which is a file's name or a reference that readers can follow.
    pub fn new(source: impl Into<String>, observations: Vec<Observation>) -> Result<Sample, SampleError> {
        let source = source.into();
        if observations.is_empty() {
            return Err(SampleError::Empty { source_name: source });
        }
        let good = |observation: &Observation| match *observation {
            Observation::Exact(x) | Observation::LongerThan(x) => x.is_finite() && x >= 0.0,
            Observation::Between(low, high) => low.is_finite() && low >= 0.0 && high.is_finite() && high > low,
        };
        match observations.iter().position(|observation| !good(observation)) {
            Some(index) => {
                let what = format!("{:?}", observations[index]);
                Err(SampleError::NotATime { source_name: source, index, what })
            }
            None => Ok(Sample { observations, source }),
        }
    }

    /// A sample of times that are all known.
    pub fn exact(source: impl Into<String>, values: &[f64]) -> Result<Sample, SampleError> {
        Sample::new(source, values.iter().map(|value| Observation::Exact(*value)).collect())
    }

    /// The observations.
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// Where they come from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How many there are.
    pub fn n(&self) -> usize {
        self.observations.len()
    }

    /// How many are more than a lower bound.
    pub fn n_ended(&self) -> usize {
        self.observations.iter().filter(|observation| !matches!(observation, Observation::LongerThan(_))).count()
    }

    /// Whether every time is known exactly.
    pub fn is_exact(&self) -> bool {
        self.observations.iter().all(|observation| matches!(observation, Observation::Exact(_)))
    }

    /// Whether every time is exact or a lower bound, so that a Kaplan–Meier curve exists.
    pub fn has_no_buckets(&self) -> bool {
        self.observations.iter().all(|observation| !matches!(observation, Observation::Between(..)))
    }

    /// Every other observation of the same source: the sample with these indices.
    pub(super) fn pick(&self, indices: impl Iterator<Item = usize>) -> Sample {
        Sample { observations: indices.map(|index| self.observations[index]).collect(), source: self.source.clone() }
    }

    /// One number for each observation, to start an optimiser from: the value, the bound, the middle of the bucket.
    pub(super) fn rough_values(&self) -> Vec<f64> {
        let rough = |observation: &Observation| match *observation {
            Observation::Exact(x) | Observation::LongerThan(x) => x,
            Observation::Between(low, high) => (low + high) / 2.0,
        };
        let mut values: Vec<f64> = self.observations.iter().map(rough).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}
