//! Which answers are tried again, and after how long.
//!
//! As documented for OpenFaaS Pro (docs.openfaas.com/openfaas-pro/retries): an answer is tried again if its status is one
//! of a list, or if it is an error that carries `X-OpenFaaS-Internal`, which means that it did not come from the function.
//! The wait doubles from `min_wait` to `max_wait`, with a choice of jitter (Brooker, "Exponential Backoff and Jitter",
//! AWS Architecture Blog, 2015); `Retry-After` on a 429 or 503 replaces it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::RETRY_AFTER;

use crate::Answer;

/// Set by the platform on answers that are its own and not the function's.
pub(crate) const INTERNAL: &str = "x-openfaas-internal";

/// A function may ask for a later attempt, but cannot park an invocation for longer than this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// When an invocation is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all; at least 1.
    pub attempts: u32,
    /// Statuses that are tried again.
    pub codes: BTreeSet<u16>,
    /// Wait after the first attempt, and the least that `Retry-After` can ask for.
    pub min_wait: Duration,
    /// The longest computed wait.
    pub max_wait: Duration,
    /// How the wait grows.
    pub backoff: Backoff,
}

/// How the wait between attempts grows. With w = min(`max_wait`, `min_wait` · 2^(n−1)) after attempt n:
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// w.
    #[default]
    Exponential,
    /// Uniform in [0, w].
    FullJitter,
    /// Uniform in [w/2, w].
    EqualJitter,
}

impl Default for RetryPolicy {
    /// Ten attempts, 10 s to 120 s apart, on 408, 429, 500, 502 and 504.
    fn default() -> RetryPolicy {
        RetryPolicy {
            attempts: 10,
            codes: [408, 429, 500, 502, 504].into(),
            min_wait: Duration::from_secs(10),
            max_wait: Duration::from_secs(120),
            backoff: Backoff::Exponential,
        }
    }
}

impl RetryPolicy {
    /// Reads `com.openfaas.retry.attempts`, `.codes`, `.min_wait`, `.max_wait`, and `com.faas-lab.retry.backoff` (`exponential`, `full` or
    /// `equal`). A value that makes no sense leaves the default and is described in the second part. 0 attempts are
    /// taken for 1, which is what people who write 0 mean: no retry.
    pub fn from_annotations(
        annotations: &BTreeMap<String, String>,
        defaults: &RetryPolicy,
    ) -> (RetryPolicy, Vec<String>) {
        let mut policy = defaults.clone();
        let mut problems = Vec::new();
        let mut read = |key: &str, hint: &str, set: &mut dyn FnMut(&str) -> Option<()>| {
            if let Some(text) = annotations.get(key)
                && set(text.trim()).is_none()
            {
                problems.push(format!("{key}: `{}` is ignored: write {hint}", text.escape_debug()));
            }
        };
        read("com.openfaas.retry.attempts", "a whole number, such as 10", &mut |text| {
            policy.attempts = text.parse::<u32>().ok()?.max(1);
            Some(())
        });
        read("com.openfaas.retry.codes", "status codes with commas, such as 429,502", &mut |text| {
            policy.codes = parse_codes(text)?;
            Some(())
        });
        read("com.openfaas.retry.min_wait", "a duration, such as 10s or 1m30s", &mut |text| {
            policy.min_wait = parse_duration(text)?;
            Some(())
        });
        read("com.openfaas.retry.max_wait", "a duration, such as 10s or 1m30s", &mut |text| {
            policy.max_wait = parse_duration(text)?;
            Some(())
        });
        read("com.faas-lab.retry.backoff", "exponential, full or equal", &mut |text| {
            policy.backoff = match text {
                "exponential" => Backoff::Exponential,
                "full" => Backoff::FullJitter,
                "equal" => Backoff::EqualJitter,
                _ => return None,
            };
            Some(())
        });
        if policy.max_wait < policy.min_wait {
            problems.push(format!(
                "com.openfaas.retry: max_wait {:?} is below min_wait {:?}, so every wait is {:?}",
                policy.max_wait, policy.min_wait, policy.max_wait
            ));
        }
        (policy, problems)
    }

    /// Whether an answer is of a kind that is tried again.
    pub fn retries(&self, answer: &Answer) -> bool {
        let failed = answer.status.is_client_error() || answer.status.is_server_error();
        self.codes.contains(&answer.status.as_u16()) || failed && answer.headers.contains_key(INTERNAL)
    }

    /// How long to wait after attempt number `attempt` (from 1) was answered so at `now`; `draw` is uniform in [0, 1).
    pub fn wait(&self, attempt: u32, answer: &Answer, now: SystemTime, draw: f64) -> Duration {
        if let Some(asked) = retry_after(answer, now) {
            return asked.clamp(self.min_wait.min(LONGEST_RETRY_AFTER), LONGEST_RETRY_AFTER);
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let wait = self.min_wait.saturating_mul(1 << doublings).min(self.max_wait);
        match self.backoff {
            Backoff::Exponential => wait,
            Backoff::FullJitter => wait.mul_f64(draw),
            Backoff::EqualJitter => wait / 2 + (wait / 2).mul_f64(draw),
        }
    }
}

/// What a 429 or 503 asks for: seconds, or the time until a date (0 for one that has passed).
fn retry_after(answer: &Answer, now: SystemTime) -> Option<Duration> {
    if !matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let text = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// `429,502`: status codes with commas.
fn parse_codes(text: &str) -> Option<BTreeSet<u16>> {
    text.split(',').map(|code| code.trim().parse().ok().filter(|code| (100..=999).contains(code))).collect()
}

/// A duration as Go writes it (`1m30s`, `1.5h`, `100ms`), or whole seconds. Up to ten years; `None` for anything else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let seconds = if let Ok(seconds) = text.parse::<u32>() {
        f64::from(seconds)
    } else {
        let (mut rest, mut seconds) = (text, 0.0);
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, tail) = rest.split_at(digits);
            let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (name, tail) = tail.split_at(unit);
            let (_, scale) = UNITS.iter().find(|(known, _)| *known == name)?;
            seconds += number.parse::<f64>().ok()? * scale;
            rest = tail;
        }
        seconds
    };
    (seconds <= 10.0 * 365.25 * 86400.0).then(|| Duration::from_secs_f64(seconds))
}
