//! Between the pacer and the users: arrivals that are due, in order, and users who wait for one.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::schedule::Arrival;

/// Due arrivals, first come first served. None is ever dropped: those for whom no user is free wait here.
///
/// Of users who wait, the one who came last is woken: as few as can do the work take turns, and what they need is still in
/// the processor's caches.
#[derive(Debug)]
pub(crate) struct Gate {
    line: Mutex<Line>,
    /// Wakes each.
    users: Vec<Notify>,
    busy: AtomicU64,
    busy_max: AtomicU64,
    cap_hits: AtomicU64,
}

#[derive(Debug, Default)]
struct Line {
    due: VecDeque<Arrival>,
    /// Users who wait, the last to come at the end.
    free: Vec<usize>,
    finished: bool,
    closed: bool,
}

impl Gate {
    /// A gate for so many users.
    pub(crate) fn new(users: usize) -> Gate {
        Gate {
            line: Mutex::default(),
            users: (0..users).map(|_| Notify::new()).collect(),
            busy: AtomicU64::new(0),
            busy_max: AtomicU64::new(0),
            cap_hits: AtomicU64::new(0),
        }
    }

    /// Lets arrivals through, all at once.
    pub(crate) fn release(&self, arrivals: &[Arrival]) {
        let mut line = self.line();
        line.due.extend(arrivals);
        let waiting = line.due.len() as u64;
        let called = line.free.len().saturating_sub(arrivals.len());
        for user in line.free.drain(called..).rev() {
            self.users[user].notify_one();
        }
        drop(line);
        let beyond = (waiting + self.busy.load(Ordering::Relaxed)).saturating_sub(self.users.len() as u64);
        self.cap_hits.fetch_add(beyond.min(arrivals.len() as u64), Ordering::Relaxed);
    }

    /// No more arrivals will come: users leave once those that are due are taken.
    pub(crate) fn finish(&self) {
        self.end(|line| line.finished = true);
    }

    /// Users leave now; what is due stays.
    pub(crate) fn close(&self) {
        self.end(|line| line.closed = true);
    }

    fn end(&self, how: impl FnOnce(&mut Line)) {
        let mut line = self.line();
        how(&mut line);
        for user in line.free.drain(..) {
            self.users[user].notify_one();
        }
    }

    /// The next arrival that is due for this user, once there is one; `None` when there will be no more. The user is busy then,
    /// until [`done`](Gate::done).
    pub(crate) async fn next(&self, user: usize) -> Option<Arrival> {
        loop {
            {
                let mut line = self.line();
                if line.closed {
                    return None;
                }
                if let Some(arrival) = line.due.pop_front() {
                    drop(line);
                    self.begin();
                    return Some(arrival);
                }
                if line.finished {
                    return None;
                }
                line.free.push(user);
            }
            self.users[user].notified().await;
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
        std::mem::take(&mut self.line().due)
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

    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
            assert_eq!(gate.next(0).await, Some(arrival(number)));
        }
        assert_eq!((gate.next(0).await, gate.next(1).await), (None, None));
        assert_eq!((gate.busy(), gate.busy_max()), (3, 3));
    }

    #[tokio::test]
    async fn a_closed_gate_keeps_what_is_due() {
        let gate = Gate::new(1);
        gate.release(&[arrival(7)]);
        gate.close();
        assert_eq!(gate.next(0).await, None);
        assert_eq!(gate.take_rest(), [arrival(7)]);
    }

    /// Whoever waits is woken, the last to come first; and all, when it is over.
    #[tokio::test]
    async fn the_last_to_wait_is_called_first() {
        let gate = Arc::new(Gate::new(3));
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let users: Vec<_> = (0..3)
            .map(|user| {
                let (gate, told) = (gate.clone(), told.clone());
                tokio::spawn(async move {
                    while let Some(arrival) = gate.next(user).await {
                        tokio::task::yield_now().await;
                        gate.done();
                        told.send((user, arrival.number)).expect("heard");
                    }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        for number in 0..5 {
            gate.release(&[arrival(number)]);
            assert_eq!(heard.recv().await, Some((2, number)));
            // It waits again.
            tokio::task::yield_now().await;
        }
        gate.release(&[arrival(5), arrival(6)]);
        let mut pair = [heard.recv().await.expect("one"), heard.recv().await.expect("another")];
        pair.sort_unstable();
        assert_eq!(pair, [(1, 6), (2, 5)]);
        gate.finish();
        for user in users {
            user.await.expect("it leaves");
        }
    }
}
