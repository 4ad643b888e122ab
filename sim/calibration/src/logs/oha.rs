//! `oha --output-format json`: a histogram of response times, each mark the upper bound of its bucket.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Format, Log, LogError};

#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "responseTimeHistogram")]
    histogram: BTreeMap<String, u64>,
}

pub(super) fn json(name: &str, text: &str) -> Result<Log, LogError> {
    let summary: Summary = serde_json::from_str(text).map_err(|error| LogError::json(name, 1, &error))?;
    let mut marks = Vec::new();
    for (mark, count) in summary.histogram {
        match mark.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => marks.push((seconds, count)),
            _ => return Err(LogError::value(name, 1, 1, &mark, "a time in seconds in responseTimeHistogram")),
        }
    }
    marks.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lows = std::iter::once(0.0).chain(marks.iter().map(|(mark, _)| *mark)).collect::<Vec<_>>();
    let buckets = lows.iter().zip(&marks).filter(|(low, (high, _))| high > low);
    let buckets = buckets.map(|(low, (high, count))| (*low, *high, *count)).collect();
    Ok(Log { name: name.to_owned(), format: Format::Oha, requests: Vec::new(), buckets, remarks: Vec::new() })
}
