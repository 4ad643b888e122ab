//! One line on standard error that says how a load test goes.

use std::io::{self, IsTerminal as _, Write as _};

use faas_lab_loadgen::Progress;

use crate::terminal;

/// The line; nothing where no one watches.
pub(super) struct Line {
    watched: bool,
}

impl Line {
    pub(super) fn new(quiet: bool) -> Line {
        Line { watched: !quiet && !terminal::is_dumb() && io::stderr().is_terminal() }
    }

    pub(super) fn show(&self, progress: &Progress) {
        if self.watched {
            let _ = write!(io::stderr().lock(), "\r\x1b[K{}", line(progress));
        }
    }

    pub(super) fn clear(&self) {
        if self.watched {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn line(progress: &Progress) -> String {
    let Progress { elapsed, duration, in_flight, ended, errors, replicas, lately } = progress;
    let time = |secs: Option<f64>| match secs {
        None => "–".to_owned(),
        Some(secs) if secs < 0.1 => format!("{:.1} ms", secs * 1e3),
        Some(secs) if secs < 1.0 => format!("{:.0} ms", secs * 1e3),
        Some(secs) => format!("{secs:.1} s"),
    };
    let replicas = replicas.map_or_else(String::new, |ready| format!("  {ready} ready"));
    format!(
        "{:.0} of {:.0} s  {:.0}/s  {in_flight} in flight  p50 {}  p99 {}  {ended} done  {errors} errors{replicas}",
        elapsed.as_secs_f64(),
        duration.as_secs_f64(),
        lately.rate,
        time(lately.p50),
        time(lately.p99),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use faas_lab_loadgen::Lately;

    use super::*;

    #[test]
    fn the_line_says_how_it_goes() {
        let progress = Progress {
            elapsed: Duration::from_secs(12),
            duration: Duration::from_secs(60),
            in_flight: 7,
            ended: 1200,
            errors: 3,
            replicas: Some(2),
            lately: Lately { rate: 99.6, p50: Some(0.0123), p99: None, errors: 0 },
        };
        let expected = "12 of 60 s  100/s  7 in flight  p50 12.3 ms  p99 –  1200 done  3 errors  2 ready";
        assert_eq!(line(&progress), expected);
    }
}
