//! Response times read back from a result: histograms decoded, merged and asked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use faas_lab_model::metrics::result::{FunctionResult, HistogramData, OutcomeKind};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use crate::ReportError;

/// Response times of some kinds of requests, in seconds to the outside.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    micros: Histogram<u64>,
}

impl Times {
    pub(crate) fn none() -> Times {
        Times { micros: Histogram::new(3).expect("three digits are allowed") }
    }

    /// Or what is wrong with the histogram.
    fn add(&mut self, data: &HistogramData) -> Result<(), String> {
        let bytes = STANDARD.decode(&data.hdr_v2_base64).map_err(|error| error.to_string())?;
        let histogram: Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| error.to_string())?;
        self.micros.add(&histogram).map_err(|error| error.to_string())
    }

    pub(crate) fn and(mut self, other: &Times) -> Times {
        self.micros.add(&other.micros).expect("an auto-resizing histogram takes every value");
        self
    }

    pub(crate) fn count(&self) -> u64 {
        self.micros.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.micros.is_empty()
    }

    /// The time at or below which a share of the requests lies; 0 when there are none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let micros = self.micros.value_at_quantile(share);
        let (low, high) = (self.micros.lowest_equivalent(micros), self.micros.highest_equivalent(micros));
        // What was recorded as m microseconds lay between m and m + 1.
        (low as f64 + high as f64 + 1.0) / 2.0 * 1e-6
    }

    /// Requests that took longer than `seconds`.
    pub(crate) fn beyond(&self, seconds: f64) -> u64 {
        let at_most = self.micros.highest_equivalent((seconds * 1e6) as u64);
        self.micros.iter_recorded().filter(|v| v.value_iterated_to() > at_most).map(|v| v.count_at_value()).sum()
    }

    /// The highest share whose quantile still has a few requests beyond it.
    pub(crate) fn supported(&self) -> f64 {
        (1.0 - 5.0 / (self.count() as f64).max(1.0)).clamp(0.5, 0.999_99)
    }
}

/// One function's response times.
pub(crate) struct Responses {
    /// Answered in full by a replica that was ready.
    pub warm: Times,
    /// Answered in full after waiting for a replica to start.
    pub cold: Times,
    /// Answered in full.
    pub answered: Times,
    /// All, however they ended; those still in flight at the end of the run have no time.
    pub all: Times,
}

impl Responses {
    pub(crate) fn of(function: &FunctionResult) -> Result<Responses, ReportError> {
        let (mut warm, mut cold, mut others) = (Times::none(), Times::none(), Times::none());
        for response in function.responses.iter().filter(|response| response.histogram.count > 0) {
            let times = match (response.outcome, response.cold) {
                (OutcomeKind::Ok, false) => &mut warm,
                (OutcomeKind::Ok, true) => &mut cold,
                (OutcomeKind::Unfinished, _) => continue,
                _ => &mut others,
            };
            times
                .add(&response.histogram)
                .map_err(|reason| ReportError::Histogram { function: function.name.clone(), reason })?;
        }
        let answered = warm.clone().and(&cold);
        let all = answered.clone().and(&others);
        Ok(Responses { warm, cold, answered, all })
    }
}
