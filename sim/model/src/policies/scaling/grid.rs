//! When a periodic job is due: the grid `k·period`, from the start of the run.

use crate::time::{SimTime, Span};

/// A period of zero is read as this, so that time always moves on.
const FINEST: Span = Span::from_millis(1);

/// The next instant of a periodic job.
///
/// An answer may come late (a live gateway asks on a wall clock); the job then runs once and the grid stays where it is.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    next: SimTime,
    period: Span,
}

impl Grid {
    pub(super) fn new(period: Span) -> Grid {
        Grid { next: SimTime::ZERO, period: period.max(FINEST) }
    }

    /// Whether the job is due at `now`; if so, its next turn is moved past `now`.
    pub(super) fn due(&mut self, now: SimTime) -> bool {
        if now < self.next {
            return false;
        }
        self.next = just_after(now).next_on_grid(SimTime::ZERO, self.period);
        true
    }

    /// The job's next turn; after a call of [`Grid::due`] it lies in that call's future.
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

    #[test]
    fn a_late_answer_neither_moves_the_grid_nor_runs_the_job_twice() {
        let at = |millis| SimTime::ZERO + Span::from_millis(millis);
        let mut grid = Grid::new(Span::from_secs(5));
        assert!(grid.due(at(0)));
        assert!(!grid.due(at(4_999)));
        assert!(grid.due(at(11_003)), "two turns have been missed");
        assert_eq!(grid.next(), at(15_000));
    }
}
