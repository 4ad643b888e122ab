//! One line on standard error that says how far a run is; nothing where no one watches.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use faas_lab_experiments::Progress;

use crate::terminal;

/// Time between two updates.
const PACE: Duration = Duration::from_millis(100);

/// Nothing is shown of a run that is over before this.
const PATIENCE: Duration = Duration::from_millis(500);

/// The line.
pub(crate) struct ProgressLine {
    started: Instant,
    /// When it was last written; `None` where nobody watches.
    last: Option<Mutex<Instant>>,
}

impl ProgressLine {
    /// A line on a terminal, unless `quiet`.
    pub(crate) fn new(quiet: bool) -> ProgressLine {
        let started = Instant::now();
        let watched = !quiet && !terminal::is_dumb() && io::stderr().is_terminal();
        ProgressLine { started, last: watched.then(|| Mutex::new(started)) }
    }

    /// Shows `progress` if the last time was long enough ago.
    pub(crate) fn show(&self, progress: Progress) {
        // A thread that finds another one writing has nothing to add.
        let Some(mut last) = self.last.as_ref().and_then(|last| last.try_lock().ok()) else { return };
        let elapsed = self.started.elapsed();
        if elapsed < PATIENCE || last.elapsed() < PACE {
            return;
        }
        *last = Instant::now();
        let _ = write!(io::stderr().lock(), "\r\x1b[K{}", line(progress, elapsed));
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.last.is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn line(progress: Progress, elapsed: Duration) -> String {
    let Progress { finished, planned, simulated_secs, share } = progress;
    let secs = elapsed.as_secs_f64();
    let speed = simulated_secs / secs;
    let left = if share > 0.0 { rough(secs * (1.0 - share) / share) } else { "?".to_owned() };
    format!("{:3.0} %  {finished} of {planned} replications  {speed:.0} × real time  {left} left", 100.0 * share)
}

/// A time to the digits that a guess deserves.
fn rough(secs: f64) -> String {
    match secs {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_share_rate_and_what_is_left() {
        let progress = Progress { finished: 3, planned: 10, simulated_secs: 36_000.0, share: 0.25 };
        let expected = " 25 %  3 of 10 replications  3600 × real time  30 s left";
        assert_eq!(line(progress, Duration::from_secs(10)), expected);
    }
}
