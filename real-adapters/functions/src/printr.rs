//! `printr`: prints 1, 2, 3 … a line at a time, so slowly that a timeout cuts it in the middle.
//!
//! Line `i` is due `i` periods after the start, whatever the lines before it took, so a run takes `count` periods on
//! a busy machine too. The default period is what such a loop takes on a Raspberry Pi 4.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::settings::{Lookup, SettingError, duration, number};

/// How many lines, and how far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Printr {
    pub(crate) count: u32,
    pub(crate) period: Duration,
}

impl Printr {
    /// From `PERIOD` (default 3.3 ms) and `COUNT` (default 10000).
    pub(crate) fn from_settings(lookup: Lookup<'_>) -> Result<Printr, SettingError> {
        Ok(Printr {
            count: number(lookup, "COUNT", 0..=1_000_000_000)?.unwrap_or(10_000),
            period: duration(lookup, "PERIOD")?.unwrap_or(Duration::from_micros(3300)),
        })
    }

    /// When line `number`, counted from 1, is due after the start.
    pub(crate) fn due(&self, number: u32) -> Duration {
        self.period.saturating_mul(number)
    }

    /// The line, with its end.
    pub(crate) fn line(number: u32) -> String {
        format!("{number}\n")
    }

    /// Prints all lines, each as soon as it is due. An error means that nobody reads any more.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let start = Instant::now();
        for number in 1..=self.count {
            thread::sleep((start + self.due(number)).saturating_duration_since(Instant::now()));
            out.write_all(Printr::line(number).as_bytes())?;
            out.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_in_order_and_not_a_byte_more() {
        let mut out = Vec::new();
        Printr { count: 10_000, period: Duration::ZERO }.print(&mut out).unwrap();
        let expected: String = (1..=10_000).map(|number| format!("{number}\n")).collect();
        assert!(out == expected.as_bytes());
        assert_eq!(out.len(), 48_894);
    }

    #[test]
    fn lines_are_due_at_multiples_of_the_period() {
        let printr = Printr::from_settings(&|_| None).unwrap();
        assert_eq!(printr.due(1), Duration::from_micros(3300));
        assert_eq!(printr.due(10_000), Duration::from_secs(33));
    }
}
