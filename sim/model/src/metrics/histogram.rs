//! Times in an HdrHistogram, with their exact sum beside it. The one home of `hdrhistogram`.

use hdrhistogram::Histogram;

use crate::time::Span;

/// Significant decimal digits that quantiles keep.
const DIGITS: u8 = 3;

/// A histogram of times: quantiles to three significant digits of a microsecond count, mean, least and most exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeHistogram {
    micros: Histogram<u64>,
    sum_nanos: u128,
    min: Span,
    max: Span,
}

impl Default for TimeHistogram {
    fn default() -> TimeHistogram {
        TimeHistogram {
            micros: Histogram::new(DIGITS).expect("three digits are allowed"),
            sum_nanos: 0,
            min: Span::MAX,
            max: Span::ZERO,
        }
    }
}

impl TimeHistogram {
    /// Adds one time.
    #[inline]
    pub fn record(&mut self, time: Span) {
        self.micros.record(time.as_nanos() / 1000).expect("an auto-resizing histogram takes every value");
        self.sum_nanos += u128::from(time.as_nanos());
        self.min = self.min.min(time);
        self.max = self.max.max(time);
    }

    /// Adds all times of another histogram.
    pub fn merge(&mut self, other: &TimeHistogram) {
        self.micros.add(&other.micros).expect("an auto-resizing histogram takes every value");
        self.sum_nanos += other.sum_nanos;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Number of times.
    pub fn count(&self) -> u64 {
        self.micros.len()
    }

    /// Sum of all times in seconds.
    pub fn total_secs(&self) -> f64 {
        self.sum_nanos as f64 * 1e-9
    }

    /// Mean in seconds; `None` when empty.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.total_secs() / self.count() as f64)
    }

    /// Least time; `None` when empty.
    pub fn min(&self) -> Option<Span> {
        (self.count() > 0).then_some(self.min)
    }

    /// Longest time; `None` when empty.
    pub fn max(&self) -> Option<Span> {
        (self.count() > 0).then_some(self.max)
    }

    /// The time in seconds below or at which a share `q` ∈ [0, 1] of the times lies; `None` when empty.
    ///
    /// The middle of the histogram's bucket, so that its error has no sign; never outside the exact least and most.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let (min, max) = (self.min()?.as_secs_f64(), self.max()?.as_secs_f64());
        let micros = self.micros.value_at_quantile(q);
        let (low, high) = (self.micros.lowest_equivalent(micros), self.micros.highest_equivalent(micros));
        Some(((low as f64 + high as f64 + 1.0) / 2.0 * 1e-6).clamp(min, max))
    }

    /// The microsecond counts, for serialization and charts.
    pub fn micros(&self) -> &Histogram<u64> {
        &self.micros
    }
}
