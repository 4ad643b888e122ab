//! Releases arrivals when they are due: a task of the runtime that users run in, so that who is released is often who runs
//! next, on the same core.

use std::time::{Duration, Instant};

use faas_lab_model::time::SimTime;

use crate::alarm::{Alarm, Waiting};
use crate::clock::Clock;
use crate::gate::Gate;
use crate::schedule::Arrival;

/// Who sleeps between arrivals that are closer than this takes several at once: to be woken costs as much as a request.
const DENSE: Duration = Duration::from_micros(150);

/// Time between batches.
const BATCH: Duration = Duration::from_micros(100);

/// Releases `schedule` into `gate` as `clock` reaches it, then says that there is no more. Who polls goes on polling for the
/// users then, until the task is ended.
pub(crate) async fn pace(schedule: impl Iterator<Item = Arrival>, clock: Clock, gate: &Gate, alarm: Alarm) {
    let mut schedule = schedule.peekable();
    let mut batch: Vec<Arrival> = Vec::new();
    let mut last = Instant::now();
    // How far apart releases have been of late.
    let mut gap = Duration::from_secs(1);
    while let Some(next) = schedule.peek() {
        let due = clock.instant(next.at);
        let dense = alarm.waiting() == Waiting::Asleep && gap < DENSE;
        alarm.until(if dense { due.max(last + BATCH) } else { due }).await;
        let now = clock.now();
        batch.clear();
        while let Some(arrival) = schedule.next_if(|arrival| arrival.at <= now) {
            batch.push(arrival);
        }
        if batch.is_empty() {
            continue;
        }
        gate.release(&batch);
        let since = last.elapsed();
        last = Instant::now();
        gap = (gap * 7 + (since / batch.len() as u32).min(Duration::from_secs(1))) / 8;
        // Those who were released, before those who are due by now.
        tokio::task::yield_now().await;
    }
    gate.finish();
    if alarm.waiting() == Waiting::Polling {
        alarm.until(clock.instant(SimTime::NEVER)).await;
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::time::Span;

    use super::*;

    #[tokio::test]
    async fn all_are_released_and_none_before_its_time() {
        for waiting in [Waiting::Asleep, Waiting::Polling] {
            let clock = Clock::starting_in(Duration::from_millis(5));
            let (gate, alarm) = (Gate::new(1), Alarm::new(waiting, Default::default()).expect("a timer"));
            let at = |number: u64| SimTime::ZERO + Span::from_nanos(number * 20_000);
            let schedule = (0..5000).map(|number| Arrival { workload: 0, number, at: at(number) });
            let pacing = pace(schedule, clock, &gate, alarm);
            let taking = async {
                let mut taken = Vec::new();
                while let Some(arrival) = gate.next(0).await {
                    assert!(clock.now() >= arrival.at);
                    taken.push(arrival.number);
                }
                taken
            };
            tokio::pin!(taking);
            let taken = tokio::select! {
                biased;
                taken = &mut taking => taken,
                () = pacing => taking.await,
            };
            assert!(taken.into_iter().eq(0..5000), "{waiting:?}");
        }
    }
}
