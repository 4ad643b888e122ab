//! Releases arrivals when they are due. A thread of its own sleeps on the kernel's high-resolution timer: a runtime's
//! timers have a grid of a millisecond.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::gate::Gate;
use crate::schedule::Arrival;

/// At the longest, so long until a wish to stop is noticed.
const LONGEST_NAP: Duration = Duration::from_millis(20);

/// Above this rate arrivals are released in batches: each release wakes other threads, which costs more than a request.
const DENSE: Duration = Duration::from_micros(150);

/// Time between batches.
const BATCH: Duration = Duration::from_micros(100);

/// Releases `schedule` into `gate` as `clock` reaches it, then says that there is no more. Returns how many were released.
pub(crate) fn pace(schedule: impl Iterator<Item = Arrival>, clock: &Clock, gate: &Gate, stop: &AtomicBool) -> u64 {
    sharpen();
    let mut schedule = schedule.peekable();
    let mut batch: Vec<Arrival> = Vec::new();
    let mut released = 0;
    let mut last = Instant::now();
    // How far apart releases have been of late.
    let mut gap = Duration::from_secs(1);
    while let Some(next) = schedule.peek() {
        let due = clock.instant(next.at);
        let due = if gap < DENSE { due.max(last + BATCH) } else { due };
        if !sleep_until(due, stop) {
            break;
        }
        let now = clock.now();
        batch.clear();
        while let Some(arrival) = schedule.next_if(|arrival| arrival.at <= now) {
            batch.push(arrival);
        }
        if batch.is_empty() {
            continue;
        }
        gate.release(&batch);
        released += batch.len() as u64;
        let since = last.elapsed();
        last = Instant::now();
        gap = (gap * 7 + (since / batch.len() as u32).min(Duration::from_secs(1))) / 8;
    }
    gate.finish();
    released
}

/// Sleeps until `due`; false if it was told to stop.
pub(crate) fn sleep_until(due: Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LONGEST_NAP));
    }
}

/// Linux lets timers be 50 µs late to save power, unless a thread asks for less: through its number in `/proc`, which the
/// link to itself ends with.
fn sharpen() {
    let own = std::fs::read_link("/proc/thread-self").ok();
    if let Some(number) = own.as_deref().and_then(std::path::Path::file_name).and_then(std::ffi::OsStr::to_str) {
        // Without it, arrivals are a few dozen microseconds later.
        let _ = std::fs::write(format!("/proc/{number}/timerslack_ns"), "1");
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::time::{SimTime, Span};

    use super::*;

    #[test]
    fn all_are_released_and_none_before_its_time() {
        let clock = Clock::starting_in(Duration::from_millis(5));
        let gate = Gate::new(1);
        let at = |number: u64| SimTime::ZERO + Span::from_nanos(number * 20_000);
        let schedule = (0..5000).map(|number| Arrival { workload: 0, number, at: at(number) });
        let released = pace(schedule, &clock, &gate, &AtomicBool::new(false));
        assert_eq!(released, 5000);
        assert!(clock.now() >= at(4999));
        assert!(gate.take_rest().iter().map(|arrival| arrival.number).eq(0..5000));
    }

    #[test]
    fn it_stops_when_told() {
        let clock = Clock::starting_in(Duration::ZERO);
        let late = Arrival { workload: 0, number: 0, at: SimTime::ZERO + Span::from_secs(3600) };
        assert_eq!(pace([late].into_iter(), &clock, &Gate::new(1), &AtomicBool::new(true)), 0);
    }
}
