//! Waits until an instant, finer than the runtime's own timers, which have a grid of a millisecond.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How a client waits for what comes next: an arrival, or an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// It sleeps until the machine wakes it.
    #[default]
    Asleep,
    /// It keeps one core awake and looks again and again. A machine may be late to wake a sleeper, by milliseconds if it is
    /// a virtual one; who polls is not late.
    Polling,
}

/// Wakes a task of the runtime at an instant.
#[derive(Debug)]
pub(crate) struct Alarm {
    waiting: Waiting,
    timer: timer::Timer,
    polled: Arc<AtomicU64>,
}

/// A turn of the runtime that took no longer had nothing to do.
const EMPTY_TURN: Duration = Duration::from_micros(5);

impl Alarm {
    /// Belongs to the runtime that it is made in. Adds to `polled` the nanoseconds in which it polled and there was nothing to
    /// do.
    ///
    /// # Errors
    /// If the machine has no timer left.
    pub(crate) fn new(waiting: Waiting, polled: Arc<AtomicU64>) -> std::io::Result<Alarm> {
        Ok(Alarm { waiting, timer: timer::Timer::new()?, polled })
    }

    /// How it waits.
    pub(crate) fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// Returns at `due`, or at once if that is over.
    pub(crate) async fn until(&self, due: Instant) {
        let mut now = Instant::now();
        while now < due {
            match self.waiting {
                Waiting::Asleep => self.timer.sleep(due - now).await,
                Waiting::Polling => tokio::task::yield_now().await,
            }
            let before = std::mem::replace(&mut now, Instant::now());
            let turn = now - before;
            if self.waiting == Waiting::Polling && turn < EMPTY_TURN {
                self.polled.fetch_add(turn.as_nanos() as u64, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod timer {
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// The kernel's fine timer, which wakes the very thread that waits for connections, too.
    #[derive(Debug)]
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(super) fn new() -> std::io::Result<Timer> {
            let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            #[expect(deprecated, reason = "its successor is unsafe, for descriptors that are not owned; this one is")]
            AsyncFd::with_interest(fd, Interest::READABLE).map(Timer)
        }

        pub(super) async fn sleep(&self, time: Duration) {
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            // Zero would mean never.
            let time = time.max(Duration::from_nanos(1));
            let once = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
            let setting = Itimerspec { it_interval: never, it_value: once };
            // Setting it anew forgets that it went off, so it need not be read.
            let rung = match timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &setting) {
                Ok(_) => self.0.readable().await.map(|mut rung| rung.clear_ready()),
                Err(error) => Err(error.into()),
            };
            if rung.is_err() {
                tokio::time::sleep(time).await;
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod timer {
    use std::time::Duration;

    /// The runtime's own.
    #[derive(Debug)]
    pub(super) struct Timer;

    impl Timer {
        pub(super) fn new() -> std::io::Result<Timer> {
            Ok(Timer)
        }

        pub(super) async fn sleep(&self, time: Duration) {
            tokio::time::sleep(time).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_never_early() {
        for waiting in [Waiting::Asleep, Waiting::Polling] {
            let polled = Arc::new(AtomicU64::new(0));
            let alarm = Alarm::new(waiting, polled.clone()).expect("a timer");
            for micros in [0, 1, 50, 300, 700, 300, 100, 1500, 20, 450, 250] {
                let due = Instant::now() + Duration::from_micros(micros);
                alarm.until(due).await;
                assert!(Instant::now() >= due);
            }
            assert_eq!(polled.load(Ordering::Relaxed) > 0, waiting == Waiting::Polling, "{waiting:?}");
        }
    }

    #[tokio::test]
    async fn who_polls_lets_others_work() {
        let polled = Arc::new(AtomicU64::new(0));
        let alarm = Alarm::new(Waiting::Polling, polled.clone()).expect("a timer");
        let due = Instant::now() + Duration::from_millis(50);
        let other = tokio::spawn(async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
        alarm.until(due).await;
        assert!(other.is_finished());
    }
}
