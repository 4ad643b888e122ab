//! Instants and spans of time in whole nanoseconds, so that equality is exact and no epsilon appears anywhere.
//!
//! `Span` is used instead of [`std::time::Duration`] because it is one machine word: the engine keeps millions of them.

use std::fmt;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant, in nanoseconds since the start of the run. A run may last 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SimTime(u64);

/// A length of time in whole nanoseconds; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span(u64);

impl SimTime {
    /// The start of the run.
    pub const ZERO: SimTime = SimTime(0);
    /// Later than every instant that can be scheduled.
    pub const NEVER: SimTime = SimTime(u64::MAX);

    /// The instant `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> SimTime {
        SimTime(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start, for statistics and people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The span since `earlier`, or zero when `earlier` is later.
    pub const fn since(self, earlier: SimTime) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The first instant of the grid `origin + k·period` (k ≥ 0) that is not before `self`.
    ///
    /// A zero `period` means a continuous grid: the instant itself, or `origin` if that is later.
    pub const fn next_on_grid(self, origin: SimTime, period: Span) -> SimTime {
        if self.0 <= origin.0 {
            return origin;
        }
        if period.0 == 0 {
            return self;
        }
        let steps = (self.0 - origin.0).div_ceil(period.0);
        SimTime(origin.0.saturating_add(steps.saturating_mul(period.0)))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// Longer than any run; stands for "never ends".
    pub const MAX: Span = Span(u64::MAX);

    /// A span of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Span {
        Span(nanos)
    }

    /// A span of `millis` milliseconds; saturates.
    pub const fn from_millis(millis: u64) -> Span {
        Span(millis.saturating_mul(1_000_000))
    }

    /// A span of `secs` seconds; saturates.
    pub const fn from_secs(secs: u64) -> Span {
        Span(secs.saturating_mul(1_000_000_000))
    }

    /// The nearest whole nanosecond to `secs`. Negative and NaN become zero, too large becomes [`Span::MAX`].
    pub fn from_secs_f64(secs: f64) -> Span {
        // `as` saturates and maps NaN to 0; adding a half rounds, since the value is not negative.
        Span((secs * 1e9 + 0.5) as u64)
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Whether this is [`Span::ZERO`].
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `self − other`, or zero when `other` is longer.
    pub const fn saturating_sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Add<Span> for SimTime {
    type Output = SimTime;
    fn add(self, span: Span) -> SimTime {
        SimTime(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for SimTime {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<SimTime> for SimTime {
    type Output = Span;
    fn sub(self, earlier: SimTime) -> Span {
        debug_assert!(self >= earlier, "{self:?} is before {earlier:?}");
        self.since(earlier)
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl Mul<u64> for Span {
    type Output = Span;
    fn mul(self, times: u64) -> Span {
        Span(self.0.saturating_mul(times))
    }
}

impl Div<u64> for Span {
    type Output = Span;
    fn div(self, parts: u64) -> Span {
        Span(self.0 / parts)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Span {
        Span(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        Duration::from_nanos(span.0)
    }
}

/// The largest unit that leaves at least one: `412ms`, `1.5s`, `2m`, `2h30m`. What it prints can be parsed again.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u64 = 1_000_000_000;
        let nanos = self.0;
        match nanos {
            0 => write!(f, "0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}us", nanos as f64 / 1e3),
            1_000_000..SECOND => write!(f, "{}ms", nanos as f64 / 1e6),
            _ => {
                let (hours, rest) = (nanos / (3600 * SECOND), nanos % (3600 * SECOND));
                let (minutes, rest) = (rest / (60 * SECOND), rest % (60 * SECOND));
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                if rest > 0 {
                    write!(f, "{}s", rest as f64 / 1e9)?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_rounds_up_and_never_precedes_its_origin() {
        let (origin, period) = (SimTime::from_nanos(1_000), Span::from_nanos(250));
        for (at, expected) in [(0, 1_000), (1_000, 1_000), (1_001, 1_250), (1_250, 1_250), (1_251, 1_500)] {
            assert_eq!(SimTime::from_nanos(at).next_on_grid(origin, period), SimTime::from_nanos(expected));
        }
        assert_eq!(SimTime::from_nanos(7).next_on_grid(SimTime::ZERO, Span::ZERO), SimTime::from_nanos(7));
    }

    #[test]
    fn spans_read_as_people_write_them() {
        for (nanos, text) in [
            (0, "0s"),
            (250_000_000, "250ms"),
            (1_500_000_000, "1.5s"),
            (120_000_000_000, "2m"),
            (9_000_000_000_000, "2h30m"),
            (3_300_000, "3.3ms"),
        ] {
            assert_eq!(Span::from_nanos(nanos).to_string(), text);
        }
    }

    #[test]
    fn whole_seconds_come_out_whole() {
        for secs in [1, 3, 1000, 86_400, 31_536_000] {
            assert_eq!(Span::from_secs(secs).as_secs_f64(), secs as f64);
            assert_eq!((SimTime::ZERO + Span::from_secs(secs)).as_secs_f64(), secs as f64);
        }
    }

    #[test]
    fn seconds_round_to_the_nearest_nanosecond_and_saturate() {
        assert_eq!(Span::from_secs_f64(0.1), Span::from_millis(100));
        assert_eq!(Span::from_secs_f64(-1.0), Span::ZERO);
        assert_eq!(Span::from_secs_f64(f64::NAN), Span::ZERO);
        assert_eq!(Span::from_secs_f64(f64::INFINITY), Span::MAX);
    }
}
