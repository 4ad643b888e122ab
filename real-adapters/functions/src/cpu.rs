//! `cpu`: burns a known amount of processor time, for calibration.
//!
//! The amount is measured by the thread's own CPU clock, so it does not shrink when others compete for the core: a
//! busy or throttled machine takes longer for the same work.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::settings::{Lookup, SettingError, number};

/// No call burns more than this.
const LIMIT: Duration = Duration::from_secs(600);

/// Rounds between two looks at the clock: about 10 µs.
const ROUNDS: u64 = 8192;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    default: Amount,
}

/// How much to burn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    Time(Duration),
    Iterations(u64),
}

impl Cpu {
    /// From `MS`, milliseconds of CPU time for calls that name none (default 100).
    pub(crate) fn from_settings(lookup: Lookup<'_>) -> Result<Cpu, SettingError> {
        let ms = number(lookup, "MS", 0.0..=LIMIT.as_secs_f64() * 1e3)?.unwrap_or(100.0);
        Ok(Cpu { default: Amount::Time(Duration::from_secs_f64(ms / 1e3)) })
    }

    /// Blocks the thread until the work is done.
    pub(crate) fn call(&self, call: &Call) -> Answer {
        let amount = match self.amount(call) {
            Ok(amount) => amount,
            Err(reason) => return Answer::refuse(http::StatusCode::BAD_REQUEST, reason),
        };
        let start = Instant::now();
        let (iterations, cpu) = burn(amount);
        Answer::json(&json!({
            "cpu_seconds": cpu.as_secs_f64(),
            "wall_seconds": start.elapsed().as_secs_f64(),
            "iterations": iterations,
        }))
    }

    /// From the query: `ms` or `iterations`.
    fn amount(&self, call: &Call) -> Result<Amount, String> {
        if let Some(text) = call.query("iterations") {
            let wrong = || format!("iterations={text} is not a whole number up to 10^12");
            return text
                .parse()
                .ok()
                .filter(|count| *count <= 1_000_000_000_000)
                .map(Amount::Iterations)
                .ok_or_else(wrong);
        }
        let Some(text) = call.query("ms") else { return Ok(self.default) };
        match text.parse::<f64>() {
            Ok(ms) if (0.0..=LIMIT.as_secs_f64() * 1e3).contains(&ms) => {
                Ok(Amount::Time(Duration::from_secs_f64(ms / 1e3)))
            }
            _ => Err(format!("ms={text} is not a number of milliseconds from 0 to {}", LIMIT.as_millis())),
        }
    }
}

/// Iterations done and CPU time taken.
fn burn(amount: Amount) -> (u64, Duration) {
    let start = thread_time();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut iterations = 0;
    loop {
        let spent = thread_time().saturating_sub(start);
        let rounds = match amount {
            Amount::Time(time) if spent >= time => return (iterations, spent),
            Amount::Iterations(count) if iterations == count => return (iterations, spent),
            Amount::Time(_) => ROUNDS,
            Amount::Iterations(count) => ROUNDS.min(count - iterations),
        };
        state = black_box(churn(state, rounds));
        iterations += rounds;
    }
}

/// Marsaglia's xorshift: a chain in which each step needs the one before.
fn churn(mut state: u64, rounds: u64) -> u64 {
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

/// CPU time of this thread since it began.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a thread's CPU time is not negative")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Uri};

    use super::*;

    fn call(uri: &'static str) -> Call {
        Call { uri: Uri::from_static(uri), headers: HeaderMap::new(), body: bytes::Bytes::new() }
    }

    #[test]
    fn as_much_is_burnt_as_was_asked_for() {
        let before = thread_time();
        let (iterations, spent) = burn(Amount::Time(Duration::from_millis(20)));
        assert!(iterations > 0 && spent >= Duration::from_millis(20));
        assert!(thread_time() - before >= spent);
        assert_eq!(burn(Amount::Iterations(10_001)).0, 10_001);
    }

    #[test]
    fn amounts_come_from_the_query_or_the_environment() {
        let cpu = Cpu::from_settings(&|name| (name == "MS").then(|| "2.5".to_owned())).unwrap();
        assert_eq!(cpu.amount(&call("/")), Ok(Amount::Time(Duration::from_micros(2500))));
        assert_eq!(cpu.amount(&call("/?ms=0.5")), Ok(Amount::Time(Duration::from_micros(500))));
        assert_eq!(cpu.amount(&call("/?iterations=7")), Ok(Amount::Iterations(7)));
        for wrong in ["/?ms=-1", "/?ms=NaN", "/?ms=", "/?ms=1e9", "/?iterations=-1", "/?iterations=1e3"] {
            assert!(cpu.amount(&call(wrong)).is_err(), "{wrong}");
        }
    }
}
