//! Measured requests, from whatever wrote them down.
//!
//! | format | recognised by | gives |
//! |---|---|---|
//! | faas-lab `requests.csv` | `arrived_seconds` | arrivals, times, cold starts, replicas |
//! | request logs with instance identity | a column for the start and one for the instance | the same |
//! | `hey -o csv` | `response-time`, `offset` | times, send times |
//! | `oha --output-format csv` | `request-duration` | times, send times |
//! | `oha --output-format json` | `responseTimeHistogram` | buckets of times |
//! | `k6 --out csv`, `--out json` | `http_req_duration` | times, ends |
//! | Prometheus text exposition | `_bucket{le="…"}` | buckets of times |

mod columns;
mod error;
mod k6;
mod oha;
mod prometheus;
mod table;

pub use error::{LogError, MAX_BYTES};

use crate::fit::{Observation, Sample, SampleError};

/// One request. Times are seconds from the start of its log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// When it arrived, or was to be sent; `None` if the log has no times of day.
    pub arrived: Option<f64>,
    /// How long it took until its answer was there, as the client saw it.
    pub response: f64,
    /// Time to the first byte of the answer, if known.
    pub first_byte: Option<f64>,
    /// Service time alone, if known.
    pub service: Option<f64>,
    /// Whether it was answered in full, as far as the log tells.
    pub ok: bool,
    /// Whether it started its replica, if the log tells.
    pub cold: Option<bool>,
    /// The replica that served it, if known.
    pub replica: Option<String>,
}

/// What wrote a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table of requests with columns for start, end and perhaps more.
    Requests,
    /// `hey -o csv`.
    Hey,
    /// `oha`.
    Oha,
    /// `k6`.
    K6,
    /// Prometheus text exposition.
    Prometheus,
}

/// A log that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Its name, for messages and as the source of what is fitted to it.
    pub name: String,
    /// What wrote it.
    pub format: Format,
    /// Its requests, in order of arrival if that is known.
    pub requests: Vec<Request>,
    /// Buckets of response times (above, up to and including, how many), where there are no single requests. The last may
    /// reach to infinity.
    pub buckets: Vec<(f64, f64, u64)>,
    /// What was passed over, such as columns of no use here.
    pub remarks: Vec<String>,
}

/// Reads a log, whatever it is; `name` is used in messages.
///
/// # Errors
/// The first thing that is wrong, with its line and column.
pub fn read(name: &str, text: &str) -> Result<Log, LogError> {
    if text.len() > MAX_BYTES {
        return Err(LogError::TooLarge { name: name.to_owned(), limit: MAX_BYTES >> 20 });
    }
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let mut log = if first.is_empty() {
        return Err(LogError::Empty { name: name.to_owned() });
    } else if first.starts_with('{') {
        if text.contains("\"responseTimeHistogram\"") { oha::json(name, text) } else { k6::json(name, text) }
    } else if first.contains("metric_name") {
        k6::csv(name, text)
    } else if first.starts_with("# ") || first.contains("_bucket{") {
        prometheus::read(name, text)
    } else {
        table::read(name, text)
    }?;
    if log.requests.is_empty() && log.buckets.iter().all(|(.., count)| *count == 0) {
        return Err(LogError::Empty { name: name.to_owned() });
    }
    from_the_start(&mut log.requests);
    Ok(log)
}

/// Times count from the first arrival, and requests come in the order of their arrivals.
fn from_the_start(requests: &mut [Request]) {
    let first = requests.iter().filter_map(|request| request.arrived).fold(f64::INFINITY, f64::min);
    requests.iter_mut().filter_map(|request| request.arrived.as_mut()).for_each(|arrived| *arrived -= first);
    let key = |request: &Request| request.arrived.unwrap_or(0.0);
    requests.sort_by(|a, b| key(a).total_cmp(&key(b)));
}

/// Which response times to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Of requests that were answered, cold or not.
    All,
    /// Of those that are not known to have started their replica.
    Warm,
    /// Of those that started their replica.
    Cold,
}

impl Log {
    /// The response times of requests that were answered.
    ///
    /// # Errors
    /// There are none.
    pub fn times(&self, which: Which) -> Result<Sample, SampleError> {
        let wanted = |request: &&Request| {
            request.ok
                && match which {
                    Which::All => true,
                    Which::Warm => request.cold != Some(true),
                    Which::Cold => request.cold == Some(true),
                }
        };
        let single = self.requests.iter().filter(wanted).map(|request| Observation::Exact(request.response));
        // A million observations say no more than these; a histogram of all traffic ever may hold that many.
        const MOST: u64 = 20_000;
        let total: u64 = self.buckets.iter().map(|(.., count)| count).sum();
        let share = |count: u64| if total > MOST { count.saturating_mul(MOST).div_ceil(total) } else { count };
        let bucketed = self.buckets.iter().filter(|_| which != Which::Cold).flat_map(|(low, high, count)| {
            let observation =
                if high.is_finite() { Observation::Between(*low, *high) } else { Observation::LongerThan(*low) };
            std::iter::repeat_n(observation, share(*count) as usize)
        });
        Sample::new(self.name.clone(), single.chain(bucketed).collect())
    }

    /// Arrival times, ascending, where the log has them for all requests.
    pub fn arrivals(&self) -> Option<Vec<f64>> {
        self.requests.iter().map(|request| request.arrived).collect::<Option<Vec<f64>>>().filter(|all| !all.is_empty())
    }

    /// Whether it tells which replica served each request and which of them started one.
    pub fn has_replicas(&self) -> bool {
        !self.requests.is_empty()
            && self.requests.iter().filter(|request| request.ok).all(|request| request.replica.is_some())
            && self.requests.iter().any(|request| request.cold.is_some())
            && self.arrivals().is_some()
    }
}

#[cfg(test)]
mod tests;
