//! A CPU limit as the kernel keeps it (CFS bandwidth control): so much CPU time in each period, and none from when that is
//! used up until the period ends.
//!
//! So a call shorter than its ration is not slowed down at all, and one that is longer, or one of many, stands still. In the
//! long run it comes to the same share of a core.

use faas_lab_model::time::{SimTime, Span};

/// Less CPU time than this, in nanoseconds, is none: nothing finer can be scheduled.
const GRAIN: f64 = 1.0;

/// What a replica may still use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ration {
    /// CPU time in each period, in core-nanoseconds.
    whole: f64,
    /// What is left of it in this period.
    left: f64,
    period: Span,
    /// When this period ends.
    end: SimTime,
}

impl Ration {
    /// `limit` cores over each `period`, the first of which ends at `end`.
    pub(crate) fn new(limit: f64, period: Span, end: SimTime) -> Ration {
        let whole = limit * period.as_nanos() as f64;
        Ration { whole, left: whole, period, end }
    }

    /// Until `now` so many cores have been at work since the last time, `nanos` ago. Periods must not end unseen in which
    /// more than the limit was used: see [`Ration::next_change`].
    pub(crate) fn advance(&mut self, now: SimTime, cores: f64, nanos: f64) {
        if now < self.end {
            self.left -= cores * nanos;
            return;
        }
        // Only what was used since the last period's end counts.
        let ended = now.since(self.end).as_nanos() / self.period.as_nanos();
        let begin = self.end + self.period * ended;
        self.left = self.whole - cores * nanos.min(now.since(begin).as_nanos() as f64);
        self.end = begin + self.period;
    }

    /// Whether all is used up: the replica stands still.
    pub(crate) fn is_spent(&self) -> bool {
        self.left < GRAIN
    }

    /// In how many nanoseconds somebody must look, if so many cores are at work until then.
    pub(crate) fn next_change(&self, now: SimTime, cores: f64) -> f64 {
        let rest = self.end.since(now).as_nanos() as f64;
        if self.is_spent() {
            rest
        } else if cores * rest > self.left {
            self.left / cores
        } else if cores * self.period.as_nanos() as f64 > self.whole {
            rest
        } else {
            f64::INFINITY
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + Span::from_millis(millis)
    }

    const MS: f64 = 1e6;

    #[test]
    fn what_is_used_up_comes_back_with_the_next_period() {
        let mut ration = Ration::new(0.5, Span::from_millis(100), at(100));
        assert_eq!(ration.next_change(at(0), 1.0), 50.0 * MS);
        ration.advance(at(50), 1.0, 50.0 * MS);
        assert!(ration.is_spent());
        assert_eq!(ration.next_change(at(50), 0.0), 50.0 * MS);
        ration.advance(at(100), 0.0, 50.0 * MS);
        assert!(!ration.is_spent());
        // Two cores use it up in half the time.
        assert_eq!(ration.next_change(at(100), 2.0), 25.0 * MS);
    }

    #[test]
    fn who_keeps_to_the_limit_is_never_looked_at() {
        let mut ration = Ration::new(0.5, Span::from_millis(100), at(30));
        assert_eq!(ration.next_change(at(0), 0.5), f64::INFINITY);
        // Seven periods later: 20 ms of the eighth are over.
        ration.advance(at(750), 0.5, 750.0 * MS);
        assert_eq!(ration.next_change(at(750), 1.0), 40.0 * MS);
    }

    #[test]
    fn a_period_that_ends_before_its_ration_is_looked_at() {
        let ration = Ration::new(0.5, Span::from_millis(100), at(30));
        assert_eq!(ration.next_change(at(0), 1.0), 30.0 * MS);
    }
}
