//! A whole number over time, and its integral.

use crate::time::SimTime;

/// A number that changes at instants; its integral over time is kept exactly, in count · nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauge {
    value: i64,
    last: SimTime,
    /// Integral since the last time it was carried over; small, so that the hot path needs no wide arithmetic.
    area: i64,
    carried: i128,
    step_start: i128,
    window_start: i128,
    window: i128,
}

/// Areas are carried over before they could overflow: 2⁶¹ count · nanoseconds.
const CARRY: i64 = 1 << 61;

impl Gauge {
    /// The number changes by `change` at `now`.
    #[inline]
    pub fn add(&mut self, now: SimTime, change: i64) {
        self.settle(now);
        self.value += change;
    }

    /// The number becomes `value` at `now`.
    pub fn set(&mut self, now: SimTime, value: i64) {
        self.settle(now);
        self.value = value;
    }

    /// The number.
    pub fn value(&self) -> i64 {
        self.value
    }

    #[inline]
    fn settle(&mut self, now: SimTime) {
        let nanos = now.since(self.last).as_nanos();
        // A run may last for longer than a signed number of 64 bits can tell.
        let area = i64::try_from(nanos).ok().and_then(|nanos| self.value.checked_mul(nanos));
        match area.and_then(|area| self.area.checked_add(area)) {
            Some(sum) if sum < CARRY => self.area = sum,
            _ => {
                self.carried += i128::from(self.area) + i128::from(self.value) * i128::from(nanos);
                self.area = 0;
            }
        }
        self.last = now;
    }

    fn integral(&mut self, now: SimTime) -> i128 {
        self.settle(now);
        self.carried += i128::from(self.area);
        self.area = 0;
        self.carried
    }

    /// The integral since the start, in count · nanoseconds.
    pub fn total(&mut self, now: SimTime) -> u128 {
        u128::try_from(self.integral(now)).expect("a count is never negative")
    }

    /// The integral since the last call, in count · nanoseconds.
    pub fn end_step(&mut self, now: SimTime) -> f64 {
        let integral = self.integral(now);
        let step = integral - self.step_start;
        self.step_start = integral;
        step as f64
    }

    /// The measured window starts.
    pub fn start_window(&mut self, now: SimTime) {
        self.window_start = self.integral(now);
    }

    /// The measured window ends.
    pub fn end_window(&mut self, now: SimTime) {
        self.window = self.integral(now) - self.window_start;
    }

    /// The integral over the measured window, in count · nanoseconds.
    pub fn window(&self) -> f64 {
        self.window as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    #[test]
    fn integrates_what_was_there_and_only_in_the_window() {
        let mut gauge = Gauge::default();
        gauge.add(at(10), 2);
        gauge.start_window(at(15));
        gauge.add(at(20), -1);
        gauge.end_window(at(30));
        gauge.set(at(40), 0);
        assert_eq!(gauge.window(), 2.0 * 5.0 + 1.0 * 10.0);
        assert_eq!(gauge.total(at(50)), 2 * 10 + 20);
    }

    #[test]
    fn stays_exact_over_five_hundred_years_at_once() {
        let mut gauge = Gauge::default();
        gauge.add(at(0), 3);
        assert_eq!(gauge.total(at(u64::MAX - 1)), 3 * u128::from(u64::MAX - 1));
    }

    #[test]
    fn stays_exact_past_sixty_four_bits() {
        let mut gauge = Gauge::default();
        gauge.add(at(0), 1_000_000);
        for k in 1..=100u64 {
            gauge.add(at(k * 1_000_000_000_000_000), 0);
        }
        assert_eq!(gauge.total(at(100_000_000_000_000_000)), 1_000_000 * 100_000_000_000_000_000u128);
    }
}
