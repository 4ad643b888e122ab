//! `sleep`: takes a known time without using a processor, for calibration.
//!
//! The time is fixed, or drawn from an exponential distribution. With a seed a call's draw depends only on the seed
//! and its `X-Call-Id`, so replicas do not repeat each other and a redelivered call takes as long as it did before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use faas_lab_http::go::parse_duration;
use faas_lab_model::rng::{Seed, Uniforms as _};
use futures_timer::Delay;
use http::StatusCode;
use serde_json::json;

use crate::call::{Answer, Call};
use crate::settings::{Lookup, SettingError, environment, number};

/// No call sleeps longer than this.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// How a time is written.
const FORM: &str = "a time up to 24h such as 100ms, or exponential:100ms for a random one of that mean";

#[derive(Debug)]
pub(crate) struct Sleep {
    default: Law,
    seed: Option<u64>,
    calls: AtomicU64,
}

/// How long to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Law {
    Fixed(Duration),
    Exponential(Duration),
}

impl Law {
    fn parse(text: &str) -> Option<Law> {
        let (law, time): (fn(Duration) -> Law, &str) = match text.trim().strip_prefix("exponential:") {
            Some(mean) => (Law::Exponential, mean),
            None => (Law::Fixed, text.trim()),
        };
        parse_duration(time.trim()).filter(|time| *time <= LIMIT).map(law)
    }
}

impl Sleep {
    /// From `SLEEP` (default 100 ms) and `SEED`.
    pub(crate) fn from_settings(lookup: Lookup<'_>) -> Result<Sleep, SettingError> {
        let default = match lookup("SLEEP") {
            Some(text) => Law::parse(&text).ok_or_else(|| SettingError::new("SLEEP", &text, FORM))?,
            None => Law::Fixed(Duration::from_millis(100)),
        };
        Ok(Sleep { default, seed: number(lookup, "SEED", 0..=u64::MAX)?, calls: AtomicU64::new(0) })
    }

    /// Sleeps as the query's `sleep`, the body or the environment say, in this order.
    pub(crate) async fn call(&self, call: &Call) -> Answer {
        match self.time(call) {
            Ok(time) => {
                // A runtime's timers have a grid of a millisecond, and a known time is what this function is for.
                Delay::new(time).await;
                Answer::json(&json!({ "slept_seconds": time.as_secs_f64() }))
            }
            Err(wrong) => Answer::refuse(StatusCode::BAD_REQUEST, format!("{wrong:?} is not {FORM}")),
        }
    }

    fn time(&self, call: &Call) -> Result<Duration, String> {
        let asked = match call.query("sleep") {
            Some(text) => Some(text.into_owned()),
            None => Some(String::from_utf8_lossy(&call.body).trim().to_owned()).filter(|text| !text.is_empty()),
        };
        let law = match asked {
            Some(text) => Law::parse(&text).ok_or_else(|| text.chars().take(80).collect::<String>())?,
            None => self.default,
        };
        let seed = match call.query("seed") {
            Some(text) => Some(text.parse().map_err(|_| format!("seed={text}"))?),
            None => self.seed,
        };
        Ok(match law {
            Law::Fixed(time) => time,
            Law::Exponential(mean) => self.draw(mean, seed, call.header("x-call-id")),
        })
    }

    /// By inversion. Without a seed or a call id, draws differ from process to process and from call to call.
    fn draw(&self, mean: Duration, seed: Option<u64>, call_id: Option<&str>) -> Duration {
        let name = match call_id {
            Some(id) => format!("sleep/{id}"),
            None => {
                let instance = environment("HOSTNAME").unwrap_or_default();
                format!("sleep/{instance}/{}/{}", std::process::id(), self.calls.fetch_add(1, Ordering::Relaxed))
            }
        };
        let uniform = Seed(seed.unwrap_or_default()).stream(&name).uniform();
        Duration::try_from_secs_f64(-libm::log(uniform) * mean.as_secs_f64()).map_or(LIMIT, |time| time.min(LIMIT))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Uri};

    use super::*;

    fn call(uri: &str, body: &'static str, id: Option<u32>) -> Call {
        let id = id.map(|id| (http::HeaderName::from_static("x-call-id"), HeaderValue::from(id)));
        Call {
            uri: uri.parse::<Uri>().unwrap(),
            headers: HeaderMap::from_iter(id),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn sleep(name: &'static str, value: &'static str) -> Sleep {
        Sleep::from_settings(&|asked| (asked == name).then(|| value.to_owned())).unwrap()
    }

    #[test]
    fn query_goes_before_body_and_body_before_environment() {
        let sleep = sleep("SLEEP", "1s");
        assert_eq!(sleep.time(&call("/", "", None)), Ok(Duration::from_secs(1)));
        assert_eq!(sleep.time(&call("/", "20ms\n", None)), Ok(Duration::from_millis(20)));
        assert_eq!(sleep.time(&call("/?sleep=3ms", "20ms", None)), Ok(Duration::from_millis(3)));
        for wrong in ["soon", "-1s", "25h", "exponential:", "exponential:x"] {
            assert!(sleep.time(&call(&format!("/?sleep={wrong}"), "", None)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_call_sleeps_as_long_in_every_replica() {
        let uri = "/?sleep=exponential:100ms";
        let first = sleep("SEED", "7").time(&call(uri, "", Some(1)));
        assert_eq!(sleep("SEED", "7").time(&call(uri, "", Some(1))), first);
        assert_ne!(sleep("SEED", "7").time(&call(uri, "", Some(2))), first);
        assert_ne!(sleep("SEED", "8").time(&call(uri, "", Some(1))), first);
    }

    /// The mean of n exponential draws of mean m has the standard deviation m/√n; six of them are never seen.
    #[test]
    fn draws_have_the_mean_that_was_asked_for() {
        let sleep = sleep("SEED", "1");
        let count = 10_000;
        let draw = |id| sleep.time(&call("/?sleep=exponential:100ms", "", Some(id))).unwrap().as_secs_f64();
        let mean = (0..count).map(draw).sum::<f64>() / f64::from(count);
        assert!((mean - 0.1).abs() < 6.0 * 0.1 / f64::from(count).sqrt(), "{mean}");
    }

    #[tokio::test]
    async fn it_sleeps_as_long_as_told() {
        let sleep = sleep("SLEEP", "3.3ms");
        let mut excess = Duration::MAX;
        for _ in 0..50 {
            let before = std::time::Instant::now();
            let answer = sleep.call(&call("/", "", None)).await;
            assert_eq!(answer.status, StatusCode::OK);
            let slept = before.elapsed().checked_sub(Duration::from_micros(3300)).expect("not less");
            excess = excess.min(slept);
        }
        // Whatever else the machine does, one of fifty comes in time.
        assert!(excess < Duration::from_micros(500), "{excess:?}");
    }
}
