//! When a periodic job is due: the grid `offset + k·period`, from the start of the run, or one with jitter.

use crate::rng::{Draws, Uniforms};
use crate::time::{SimTime, Span};

/// A period of zero is read as this, so that time always moves on.
const FINEST: Span = Span::from_millis(1);

/// The next instant of a periodic job.
///
/// An answer may come late (a live gateway asks on a wall clock); the job then runs once and the grid stays where it is.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    first: SimTime,
    next: SimTime,
    period: Span,
}

impl Grid {
    pub(super) fn new(period: Span) -> Grid {
        Grid::starting(Span::ZERO, period)
    }

    /// A grid whose first turn is `offset` after the start of the run.
    pub(super) fn starting(offset: Span, period: Span) -> Grid {
        let first = SimTime::ZERO + offset;
        Grid { first, next: first, period: period.max(FINEST) }
    }

    /// Whether the job is due at `now`; if so, its next turn is moved past `now`.
    pub(super) fn due(&mut self, now: SimTime) -> bool {
        if now < self.next {
            return false;
        }
        self.next = just_after(now).next_on_grid(self.first, self.period);
        true
    }

    /// The job's next turn; after a call of [`Grid::due`] it lies in that call's future.
    pub(super) fn next(&self) -> SimTime {
        self.next
    }
}

/// A job that is due after between one and two intervals, drawn anew each time, so that many of its kind spread out.
#[derive(Clone, Debug)]
pub(super) struct Jittered {
    next: SimTime,
    interval: Span,
    draws: Draws,
}

impl Jittered {
    pub(super) fn new(interval: Span, draws: Draws) -> Jittered {
        Jittered { next: SimTime::ZERO, interval: interval.max(FINEST), draws }
    }

    /// Whether the job is due at `now`; if so, its next turn is drawn.
    pub(super) fn due(&mut self, now: SimTime) -> bool {
        if now < self.next {
            return false;
        }
        let intervals = 1.0 + self.draws.uniform();
        self.next = now + Span::from_secs_f64(intervals * self.interval.as_secs_f64());
        true
    }

    /// The job's next turn; after a call of [`Jittered::due`] it lies in that call's future.
    pub(super) fn next(&self) -> SimTime {
        self.next
    }
}

fn just_after(now: SimTime) -> SimTime {
    now + Span::from_nanos(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn a_late_answer_neither_moves_the_grid_nor_runs_the_job_twice() {
        let at = |millis| SimTime::ZERO + Span::from_millis(millis);
        let mut grid = Grid::new(Span::from_secs(5));
        assert!(grid.due(at(0)));
        assert!(!grid.due(at(4_999)));
        assert!(grid.due(at(11_003)), "two turns have been missed");
        assert_eq!(grid.next(), at(15_000));
    }

    #[test]
    fn a_grid_may_start_later() {
        let at = |secs| SimTime::ZERO + Span::from_secs(secs);
        let mut grid = Grid::starting(Span::from_secs(18), Span::from_secs(60));
        assert!(!grid.due(at(0)));
        assert!(grid.due(at(18)));
        assert_eq!(grid.next(), at(78));
    }

    #[test]
    fn jitter_stays_between_one_and_two_intervals() {
        let interval = Span::from_secs(10);
        let mut job = Jittered::new(interval, Seed(1).key("jitter").draws(0, 0));
        let mut turns = Vec::new();
        for _ in 0..1000 {
            turns.push(job.next());
            assert!(job.due(job.next()));
        }
        let gaps: Vec<Span> = turns.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        assert!(gaps.iter().all(|gap| (interval..=interval * 2).contains(gap)));
        // Uniform in [10 s, 20 s]: the mean of 999 has a standard error of 10/√12/√999 = 0.09 s.
        let mean = turns.last().expect("turns").as_secs_f64() / 999.0;
        assert!((mean - 15.0).abs() < 0.4, "{mean}");
    }
}
