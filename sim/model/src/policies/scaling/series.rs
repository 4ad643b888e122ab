//! A time series as a scraper keeps it, and the functions over its windows that autoscalers query.
//!
//! A window of span w at instant t holds the samples in (t − w, t], open on the left as in Prometheus 3. With samples on
//! the same grid as the queries this gives the two samples in 10 s that a 5 s scrape gives a real server, whose grids are
//! offset against each other, rather than three.

use std::collections::VecDeque;

use crate::time::{SimTime, Span};

/// Samples in order of time, the old ones dropped.
#[derive(Clone, Debug)]
pub(super) struct Series<T> {
    kept: Span,
    samples: VecDeque<(SimTime, T)>,
}

impl<T: Copy> Series<T> {
    /// A series that answers for windows up to `kept`.
    pub(super) fn keeping(kept: Span) -> Series<T> {
        Series { kept, samples: VecDeque::new() }
    }

    /// Adds a sample, at or after the last one.
    pub(super) fn push(&mut self, at: SimTime, value: T) {
        while self.samples.front().is_some_and(|&(then, _)| at.since(then) >= self.kept) {
            self.samples.pop_front();
        }
        self.samples.push_back((at, value));
    }

    /// Whether nothing has been kept.
    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The samples in (now − window, now], in order of time.
    pub(super) fn within(&self, now: SimTime, window: Span) -> impl DoubleEndedIterator<Item = (SimTime, T)> {
        let from = self.samples.partition_point(|&(at, _)| now.since(at) >= window);
        self.samples.range(from..).copied()
    }
}

impl Series<f64> {
    /// PromQL's `rate(counter[window])` at `now`, per second; `None` with fewer than two samples in the window.
    ///
    /// The increase between the window's first and last sample is extrapolated to the window's ends: as far as an end
    /// that is less than 1.1 sample intervals away, else by half an interval; towards the past never beyond the point
    /// where the counter would have been zero. Rule: `extrapolatedRate` of Prometheus. Left out: counter resets, which
    /// our totals never have.
    pub(super) fn rate(&self, now: SimTime, window: Span) -> Option<f64> {
        let mut inside = self.within(now, window);
        let (start, first) = inside.next()?;
        let (end, last) = inside.next_back()?;
        let intervals = inside.count() + 1;

        let increase = last - first;
        let sampled = end.since(start).as_secs_f64();
        if sampled == 0.0 {
            return None;
        }
        let interval = sampled / intervals as f64;
        let reach = |gap: f64| if gap >= 1.1 * interval { interval / 2.0 } else { gap };

        let mut before = reach(window.saturating_sub(now.since(start)).as_secs_f64());
        if increase > 0.0 {
            before = before.min(sampled * first / increase);
        }
        let after = reach(now.since(end).as_secs_f64());
        Some(increase * ((sampled + before + after) / sampled) / window.as_secs_f64())
    }

    /// PromQL's `irate(counter[window])` at `now`: the slope between the last two samples, per second.
    pub(super) fn irate(&self, now: SimTime, window: Span) -> Option<f64> {
        let mut latest = self.within(now, window).rev();
        let (end, last) = latest.next()?;
        let (start, previous) = latest.next()?;
        (end > start).then(|| (last - previous) / end.since(start).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> SimTime {
        SimTime::ZERO + Span::from_secs(secs)
    }

    fn series(samples: &[(u64, f64)]) -> Series<f64> {
        let mut series = Series::keeping(Span::from_secs(60));
        for &(at, value) in samples {
            series.push(secs(at), value);
        }
        series
    }

    #[test]
    fn a_window_is_open_on_the_left() {
        let inside: Vec<_> = series(&[(5, 1.0), (10, 2.0), (15, 3.0)]).within(secs(15), Span::from_secs(10)).collect();
        assert_eq!(inside, [(secs(10), 2.0), (secs(15), 3.0)]);
    }

    #[test]
    fn old_samples_are_dropped() {
        let mut series = series(&[]);
        for at in (0..1000).step_by(5) {
            series.push(secs(at), 0.0);
        }
        assert_eq!(series.samples.len(), 12);
    }

    #[test]
    fn a_steady_counter_has_its_slope_as_rate() {
        // Two samples, 30 apart; the missing 5 s before the first are less than 1.1 intervals and are filled in.
        assert_eq!(series(&[(10, 300.0), (15, 330.0)]).rate(secs(15), Span::from_secs(10)), Some(6.0));
        // The same seen 2 s later: 3 s to the window's start, 2 s to its end.
        assert_eq!(series(&[(10, 300.0), (15, 330.0)]).rate(secs(17), Span::from_secs(10)), Some(6.0));
    }

    #[test]
    fn rate_fills_in_half_an_interval_when_an_end_is_far() {
        // Samples at 10 and 15 in (0, 30]: neither end is within 5.5 s, so 10 s of increase count over 30 s.
        let rate = series(&[(10, 300.0), (15, 330.0)]).rate(secs(30), Span::from_secs(30));
        assert!((rate.expect("two samples") - 60.0 / 30.0).abs() < 1e-12);
    }

    #[test]
    fn rate_does_not_reach_back_before_the_counter_was_zero() {
        // From 10 to 40 in 5 s the counter was zero 5/3 s before its first sample.
        let rate = series(&[(10, 10.0), (15, 40.0)]).rate(secs(15), Span::from_secs(10));
        assert!((rate.expect("two samples") - 4.0).abs() < 1e-12);
    }

    #[test]
    fn one_sample_has_no_rate() {
        assert_eq!(series(&[(10, 10.0)]).rate(secs(15), Span::from_secs(10)), None);
        assert_eq!(series(&[(10, 10.0)]).irate(secs(15), Span::from_secs(10)), None);
        assert_eq!(series(&[]).rate(secs(15), Span::from_secs(10)), None);
    }

    #[test]
    fn irate_looks_at_the_last_two_samples_only() {
        let series = series(&[(5, 0.0), (10, 100.0), (15, 110.0)]);
        assert_eq!(series.irate(secs(15), Span::from_secs(60)), Some(2.0));
    }
}
