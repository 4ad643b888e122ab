//! Times in an HdrHistogram, with their exact sum beside it. The one home of `hdrhistogram`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as V2Reader, Serializer as _, V2Serializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Span;

/// Significant decimal digits that quantiles keep.
const DIGITS: u8 = 3;

/// So many times are kept as they are before a histogram is made of them: a system of a thousand quiet functions then
/// takes kilobytes for each, and not a hundred.
const FEW: usize = 4096;

/// Times, with quantiles to three significant digits of a microsecond count; mean, least and most are exact.
#[derive(Clone, Debug)]
pub struct TimeHistogram {
    /// The times in microseconds, while there are few.
    few: Vec<u32>,
    /// All of them, once there are many.
    many: Option<Histogram<u64>>,
    sum_nanos: u128,
    min: Span,
    max: Span,
}

impl Default for TimeHistogram {
    fn default() -> TimeHistogram {
        TimeHistogram { few: Vec::new(), many: None, sum_nanos: 0, min: Span::MAX, max: Span::ZERO }
    }
}

impl TimeHistogram {
    /// Adds one time.
    #[inline]
    pub fn record(&mut self, time: Span) {
        self.record_micros(time.as_nanos() / 1000);
        self.sum_nanos += u128::from(time.as_nanos());
        self.min = self.min.min(time);
        self.max = self.max.max(time);
    }

    #[inline]
    fn record_micros(&mut self, micros: u64) {
        match (&mut self.many, u32::try_from(micros)) {
            (Some(many), _) => many.record(micros).expect("an auto-resizing histogram takes every value"),
            (None, Ok(micros)) if self.few.len() < FEW => self.few.push(micros),
            (None, _) => {
                let mut many = self.histogram();
                many.record(micros).expect("an auto-resizing histogram takes every value");
                self.few = Vec::new();
                self.many = Some(many);
            }
        }
    }

    /// Adds all times of another histogram.
    pub fn merge(&mut self, other: &TimeHistogram) {
        match &other.many {
            None => other.few.iter().for_each(|micros| self.record_micros(u64::from(*micros))),
            Some(theirs) => {
                let mut mine = self.many.take().unwrap_or_else(|| self.histogram());
                mine.add(theirs).expect("an auto-resizing histogram takes every value");
                self.few = Vec::new();
                self.many = Some(mine);
            }
        }
        self.sum_nanos += other.sum_nanos;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Number of times.
    pub fn count(&self) -> u64 {
        self.many.as_ref().map_or(self.few.len() as u64, Histogram::len)
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
    /// The middle of its bucket, so that the error has no sign; never outside the exact least and most.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let (min, max) = (self.min()?.as_secs_f64(), self.max()?.as_secs_f64());
        let (low, high) = match &self.many {
            Some(many) => {
                let micros = many.value_at_quantile(q);
                (many.lowest_equivalent(micros), many.highest_equivalent(micros))
            }
            None => {
                let rank = (q * self.few.len() as f64).ceil().max(1.0) as usize;
                let mut sorted = self.few.clone();
                let (_, micros, _) = sorted.select_nth_unstable(rank.min(self.few.len()) - 1);
                (u64::from(*micros), u64::from(*micros))
            }
        };
        Some(((low as f64 + high as f64 + 1.0) / 2.0 * 1e-6).clamp(min, max))
    }

    /// The times in microseconds as an HdrHistogram, for serialization.
    pub fn histogram(&self) -> Histogram<u64> {
        match &self.many {
            Some(many) => many.clone(),
            None => {
                let mut histogram = Histogram::new(DIGITS).expect("three digits are allowed");
                for micros in &self.few {
                    histogram.record(u64::from(*micros)).expect("an auto-resizing histogram takes every value");
                }
                histogram
            }
        }
    }
}

/// A histogram as files carry it, exactly.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    few_micros: Vec<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    many_hdr_v2_base64: Option<String>,
    sum_nanos: u128,
    min: Span,
    max: Span,
}

impl Serialize for TimeHistogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let encode = |many: &Histogram<u64>| {
            let mut bytes = Vec::new();
            V2Serializer::new().serialize(many, &mut bytes).expect("writing to memory cannot fail");
            BASE64.encode(bytes)
        };
        Written {
            few_micros: self.few.clone(),
            many_hdr_v2_base64: self.many.as_ref().map(encode),
            sum_nanos: self.sum_nanos,
            min: self.min,
            max: self.max,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TimeHistogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimeHistogram, D::Error> {
        use serde::de::Error as _;
        let written = Written::deserialize(deserializer)?;
        let decode = |text: String| {
            let bytes = BASE64.decode(text).map_err(|error| D::Error::custom(format!("a histogram: {error}")))?;
            let many: Histogram<u64> = V2Reader::new()
                .deserialize(&mut bytes.as_slice())
                .map_err(|error| D::Error::custom(format!("a histogram: {error:?}")))?;
            // It is added to others of its kind, whose range grows with their values.
            let mut histogram = Histogram::new(DIGITS).expect("three digits are allowed");
            histogram.add(&many).map_err(|error| D::Error::custom(format!("a histogram: {error:?}")))?;
            Ok(histogram)
        };
        Ok(TimeHistogram {
            few: written.few_micros,
            many: written.many_hdr_v2_base64.map(decode).transpose()?,
            sum_nanos: written.sum_nanos,
            min: written.min,
            max: written.max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributions::Distribution;
    use crate::rng::Seed;

    fn times(n: usize) -> Vec<Span> {
        let law = Distribution::Lognormal { median: 0.2, sigma: 1.0 };
        let mut stream = Seed(8).stream("times");
        (0..n).map(|_| law.sample(&mut stream)).collect()
    }

    fn of(times: &[Span]) -> TimeHistogram {
        let mut histogram = TimeHistogram::default();
        times.iter().for_each(|time| histogram.record(*time));
        histogram
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_times_to_three_digits() {
        for n in [1, 2, 100, FEW, FEW + 1, 50_000] {
            let mut sorted = times(n);
            let histogram = of(&sorted);
            sorted.sort();
            for q in [0.0, 0.5, 0.9, 0.99, 1.0] {
                let exact = sorted[((q * n as f64).ceil().max(1.0) as usize - 1).min(n - 1)].as_secs_f64();
                let found = histogram.quantile(q).expect("there are times");
                assert!((found / exact - 1.0).abs() < 1e-3, "{q} of {n}: {found} vs {exact}");
            }
        }
    }

    #[test]
    fn merging_is_as_if_recorded_together_whatever_the_sizes() {
        let all = times(12_000);
        for cut in [0, 10, FEW, 6_000, 11_990] {
            let mut merged = of(&all[..cut]);
            merged.merge(&of(&all[cut..]));
            assert_eq!(merged.histogram(), of(&all).histogram());
            assert_eq!((merged.count(), merged.min(), merged.max()), (12_000, of(&all).min(), of(&all).max()));
            assert_eq!(merged.mean(), of(&all).mean());
        }
    }

    #[test]
    fn what_is_written_is_read_back_exactly() {
        for n in [0, 1, FEW, FEW + 1, 20_000] {
            let all = of(&times(n));
            let read: TimeHistogram =
                serde_json::from_str(&serde_json::to_string(&all).expect("JSON")).expect("what was written");
            assert_eq!(
                (read.count(), read.min(), read.max(), read.mean()),
                (all.count(), all.min(), all.max(), all.mean())
            );
            assert_eq!(read.histogram(), all.histogram());
            assert_eq!(read.quantile(0.99), all.quantile(0.99));
            let mut twice = read.clone();
            twice.merge(&all);
            assert_eq!(twice.count(), 2 * all.count());
        }
        for torn in ["{}", r#"{"few_micros":[],"many_hdr_v2_base64":"AAAA","sum_nanos":0,"min":0,"max":0}"#] {
            assert!(serde_json::from_str::<TimeHistogram>(torn).is_err(), "{torn}");
        }
    }

    #[test]
    fn a_time_past_an_hour_is_kept_too() {
        let mut histogram = of(&times(10));
        histogram.record(Span::from_secs(90_000));
        assert!((histogram.quantile(1.0).expect("there are times") - 90_000.0).abs() < 90.0);
        assert_eq!(TimeHistogram::default().quantile(0.5), None);
    }
}
