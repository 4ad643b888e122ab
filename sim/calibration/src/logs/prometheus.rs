//! Histograms in Prometheus' text exposition: cumulative counts at upper bounds. All series of the first histogram are
//! added up.

use std::collections::BTreeMap;

use super::{Format, Log, LogError};

pub(super) fn read(name: &str, text: &str) -> Result<Log, LogError> {
    let mut histogram: Option<&str> = None;
    let mut others = 0usize;
    // Bounds in order; total order makes a key of their bits, as none is negative.
    let mut cumulative: BTreeMap<u64, f64> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), index as u64 + 1);
        let Some((metric, rest)) = line.split_once("_bucket{") else { continue };
        if line.starts_with('#') {
            continue;
        }
        if *histogram.get_or_insert(metric) != metric {
            others += 1;
            continue;
        }
        let bound = rest.split_once("le=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(bound, _)| bound);
        let Some(bound) = bound else {
            return Err(LogError::value(name, number, 1, line, "a bucket with its bound, le=\"…\""));
        };
        let upper = match bound {
            "+Inf" => f64::INFINITY,
            bound => match bound.parse::<f64>() {
                Ok(upper) if upper.is_finite() && upper >= 0.0 => upper,
                _ => return Err(LogError::value(name, number, 1, bound, "a bound in seconds")),
            },
        };
        let count = rest.rsplit_once('}').map(|(_, value)| value.trim()).unwrap_or("");
        // A time stamp may follow the count.
        let count = count.split_whitespace().next().unwrap_or("");
        match count.parse::<f64>() {
            Ok(count) if count.is_finite() && count >= 0.0 => {
                *cumulative.entry(upper.to_bits()).or_default() += count;
            }
            _ => return Err(LogError::value(name, number, 1, count, "a count")),
        }
    }
    let (mut low, mut before) = (0.0, 0.0);
    let mut buckets = Vec::new();
    for (bound, count) in cumulative {
        let high = f64::from_bits(bound);
        let within = (count - before).max(0.0);
        if high > low {
            buckets.push((low, high, within.round().min(1e15) as u64));
        }
        (low, before) = (high, count.max(before));
    }
    let mut remarks = Vec::new();
    if let (Some(histogram), true) = (histogram, others > 0) {
        remarks.push(format!("{name}: {histogram} was read, and {others} lines of other histograms were not"));
    }
    Ok(Log { name: name.to_owned(), format: Format::Prometheus, requests: Vec::new(), buckets, remarks })
}
