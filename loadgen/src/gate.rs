//! Between the pacer and the users: arrivals that are due, in order, and users who wait for one.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Semaphore;

use crate::schedule::Arrival;

/// Due arrivals, first come first served. None is ever dropped: those for whom no user is free wait here.
#[derive(Debug)]
pub(crate) struct Gate {
    due: Mutex<VecDeque<Arrival>>,
    permits: Semaphore,
    finished: AtomicBool,
    users: u64,
    busy: AtomicU64,
    busy_max: AtomicU64,
    cap_hits: AtomicU64,
}

impl Gate {
    /// A gate for so many users.
    pub(crate) fn new(users: usize) -> Gate {
        Gate {
            due: Mutex::default(),
            permits: Semaphore::new(0),
            finished: AtomicBool::new(false),
            users: users as u64,
            busy: AtomicU64::new(0),
            busy_max: AtomicU64::new(0),
            cap_hits: AtomicU64::new(0),
        }
    }

    /// Lets arrivals through, all at once.
    pub(crate) fn release(&self, arrivals: &[Arrival]) {
        let waiting = {
            let mut due = self.lock();
            due.extend(arrivals);
            due.len() as u64
        };
        let beyond = (waiting + self.busy.load(Ordering::Relaxed)).saturating_sub(self.users);
        self.cap_hits.fetch_add(beyond.min(arrivals.len() as u64), Ordering::Relaxed);
        self.permits.add_permits(arrivals.len());
    }

    /// No more arrivals will come: users leave once those that are due are taken.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
        self.permits.add_permits(self.users as usize);
    }

    /// Users leave now; what is due stays.
    pub(crate) fn close(&self) {
        self.permits.close();
    }

    /// The next arrival that is due, once there is one; `None` when there will be no more. The user is busy then, until
    /// [`done`](Gate::done).
    pub(crate) async fn next(&self) -> Option<Arrival> {
        loop {
            self.permits.acquire().await.ok()?.forget();
            let due = self.lock().pop_front();
            match due {
                Some(arrival) => {
                    self.begin();
                    return Some(arrival);
                }
                None if self.finished.load(Ordering::Acquire) => return None,
                None => {}
            }
        }
    }

    /// A user is at work.
    pub(crate) fn begin(&self) {
        let busy = self.busy.fetch_add(1, Ordering::Relaxed) + 1;
        self.busy_max.fetch_max(busy, Ordering::Relaxed);
    }

    /// A user has ended a call.
    pub(crate) fn done(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    /// Arrivals that are due and not taken.
    pub(crate) fn take_rest(&self) -> VecDeque<Arrival> {
        std::mem::take(&mut *self.lock())
    }

    /// Users at work.
    pub(crate) fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Most users at work at once.
    pub(crate) fn busy_max(&self) -> u64 {
        self.busy_max.load(Ordering::Relaxed)
    }

    /// Arrivals that found all users at work.
    pub(crate) fn cap_hits(&self) -> u64 {
        self.cap_hits.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Arrival>> {
        self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::time::SimTime;

    use super::*;

    fn arrival(number: u64) -> Arrival {
        Arrival { workload: 0, number, at: SimTime::from_nanos(number) }
    }

    #[tokio::test]
    async fn arrivals_come_in_order_and_the_end_after_them() {
        let gate = Gate::new(2);
        gate.release(&[arrival(0), arrival(1), arrival(2)]);
        assert_eq!(gate.cap_hits(), 1);
        gate.finish();
        for number in 0..3 {
            assert_eq!(gate.next().await, Some(arrival(number)));
        }
        assert_eq!((gate.next().await, gate.next().await), (None, None));
        assert_eq!((gate.busy(), gate.busy_max()), (3, 3));
    }

    #[tokio::test]
    async fn a_closed_gate_keeps_what_is_due() {
        let gate = Gate::new(1);
        gate.release(&[arrival(7)]);
        gate.close();
        assert_eq!(gate.next().await, None);
        assert_eq!(gate.take_rest(), [arrival(7)]);
    }
}
