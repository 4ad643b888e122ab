//! The clock of a run: scenario time is wall time since the start of the schedule.

use std::time::{Duration, Instant, SystemTime};

use faas_lab_model::time::{SimTime, Span};

/// Counts from the start of the schedule, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    wall: SystemTime,
}

impl Clock {
    /// Starts so long from now.
    pub fn starting_in(delay: Duration) -> Clock {
        Clock { start: Instant::now() + delay, wall: SystemTime::now() + delay }
    }

    /// Starts at an instant of the wall clock, which several machines can agree on; at once if that is over.
    pub fn starting_at(at: SystemTime) -> Clock {
        Clock::starting_in(at.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// Time since the start; zero before it.
    pub fn now(&self) -> SimTime {
        let nanos = Instant::now().saturating_duration_since(self.start).as_nanos();
        SimTime::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX - 1))
    }

    /// The instant `at` on the monotonic clock.
    pub fn instant(&self, at: SimTime) -> Instant {
        // Further away than any run lasts is as good as never.
        let nanos = at.as_nanos().min(Span::from_secs(100 * 365 * 86_400).as_nanos());
        self.start + Duration::from_nanos(nanos)
    }

    /// The wall clock at the start of the schedule.
    pub fn wall(&self) -> SystemTime {
        self.wall
    }

    /// By how many seconds the wall clock has gained on the monotonic one since the clock was made; negative if it lost.
    pub fn gained(&self) -> f64 {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let signed = |ahead: Option<Duration>, behind: Duration| match ahead {
            Some(ahead) => ahead.as_secs_f64(),
            None => -behind.as_secs_f64(),
        };
        let monotonic = signed(now.checked_duration_since(self.start), self.start.saturating_duration_since(now));
        let walled = signed(wall.duration_since(self.wall).ok(), self.wall.duration_since(wall).unwrap_or_default());
        walled - monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_before_the_start_and_both_clocks_go_alike() {
        let clock = Clock::starting_in(Duration::from_secs(3600));
        assert_eq!(clock.now(), SimTime::ZERO);
        assert!(clock.gained().abs() < 1.0);
        let past = Clock::starting_at(SystemTime::now() - Duration::from_secs(5));
        assert!(past.now().as_secs_f64() < 5.0);
        assert!(past.instant(SimTime::NEVER) > Instant::now());
    }
}
