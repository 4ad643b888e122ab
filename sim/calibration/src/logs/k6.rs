//! `k6 --out csv` and `--out json`: a line for each sample of each metric. Times are those of the ends, in milliseconds.
//!
//! The CSV writes whole seconds unless asked for more (`K6_CSV_TIME_FORMAT`), too coarse for arrivals; the JSON has them all.

use csv::ReaderBuilder;
use serde::Deserialize;

use super::columns::{is_answer, number};
use super::{Format, Log, LogError, Request};

const METRIC: &str = "http_req_duration";

pub(super) fn csv(name: &str, text: &str) -> Result<Log, LogError> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let head = reader.headers().map_err(|error| LogError::csv(name, &error))?.clone();
    let at = |wanted: &str| head.iter().position(|column| column == wanted);
    let (Some(metric), Some(value)) = (at("metric_name"), at("metric_value")) else {
        return Err(LogError::Syntax {
            name: name.to_owned(),
            line: 1,
            column: 1,
            why: "k6 writes metric_name, timestamp, metric_value, …".to_owned(),
        });
    };
    let status = at("status");
    let mut requests = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| LogError::csv(name, &error))?;
        if record.get(metric) != Some(METRIC) {
            continue;
        }
        let line = record.position().map_or(1, csv::Position::line);
        let text = record.get(value).unwrap_or("");
        let milliseconds = number(text).filter(|value| *value >= 0.0);
        let Some(milliseconds) = milliseconds else {
            return Err(LogError::value(name, line, value + 1, text, "a time in milliseconds"));
        };
        let ok = status.and_then(|column| number(record.get(column)?)).is_some_and(is_answer);
        requests.push(Request { response: milliseconds / 1e3, ok, ..Request::default() });
    }
    Ok(log(name, requests))
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    metric: String,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    value: Option<f64>,
    #[serde(default)]
    tags: Option<Tags>,
}

#[derive(Default, Deserialize)]
struct Tags {
    #[serde(default)]
    status: Option<String>,
}

pub(super) fn json(name: &str, text: &str) -> Result<Log, LogError> {
    let mut requests = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number_of_line = index as u64 + 1;
        if line.trim().is_empty() {
            continue;
        }
        let read: Line = serde_json::from_str(line).map_err(|error| LogError::json(name, number_of_line, &error))?;
        if read.kind != "Point" || read.metric != METRIC {
            continue;
        }
        let Some(response) = read.data.value.map(|ms| ms / 1e3).filter(|value| value.is_finite() && *value >= 0.0)
        else {
            return Err(LogError::value(name, number_of_line, 1, line, "a point with a time in milliseconds"));
        };
        let ended = match read.data.time.as_deref() {
            None => None,
            Some(time) => match seconds_of(time) {
                Some(seconds) => Some(seconds),
                None => return Err(LogError::value(name, number_of_line, 1, time, "a time as in RFC 3339")),
            },
        };
        let status = read.data.tags.and_then(|tags| number(tags.status.as_deref()?));
        let arrived = ended.map(|ended| ended - response);
        requests.push(Request { arrived, response, ok: status.is_some_and(is_answer), ..Request::default() });
    }
    Ok(log(name, requests))
}

fn log(name: &str, requests: Vec<Request>) -> Log {
    Log { name: name.to_owned(), format: Format::K6, requests, buckets: Vec::new(), remarks: Vec::new() }
}

/// Seconds since 1970 of a time such as `2017-05-09T14:34:45.625742514+02:00`.
fn seconds_of(text: &str) -> Option<f64> {
    let digits =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i64>().ok()).flatten();
    let (date, rest) = text.split_once('T')?;
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?)?, digits(date.next()?)?, digits(date.next()?)?);
    if date.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year)
    {
        return None;
    }
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone_at);
    let mut clock = clock.split(':');
    let (hours, minutes) = (digits(clock.next()?)?, digits(clock.next()?)?);
    let seconds = number(clock.next()?)?;
    if clock.next().is_some() || hours > 23 || minutes > 59 || !(0.0..61.0).contains(&seconds) {
        return None;
    }
    let ahead = match zone {
        "Z" | "z" => 0,
        _ => {
            let (h, m) = zone.get(1..)?.split_once(':')?;
            let minutes = digits(h)? * 60 + digits(m)?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    // Days since 1970 in the civil calendar, with years that begin in March (Fliegel and Van Flandern's idea).
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hours) * 60 + minutes - ahead) as f64 * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("2000-02-29T12:00:00Z", 951_825_600.0),
            ("2017-05-09T14:34:45.5+02:00", 1_494_333_285.5),
            ("2026-11-29T00:00:00-01:30", 1_795_915_800.0),
        ] {
            assert_eq!(seconds_of(text), Some(seconds), "{text}");
        }
        for text in ["", "T", "2017-05-09", "2017-13-09T14:34:45Z", "2017-05-09T14:34:45", "2017-05-09T1é:34:45Z+"] {
            assert_eq!(seconds_of(text), None, "{text}");
        }
    }
}
