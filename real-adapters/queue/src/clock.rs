//! Wall time that runs with tokio's clock, so that retries can be tested under paused time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Wall time at a moment, and tokio's time at the same moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: SystemTime,
    instant: Instant,
}

impl Clock {
    /// Reads both clocks.
    pub(crate) fn start() -> Clock {
        Clock { wall: SystemTime::now(), instant: Instant::now() }
    }

    /// Wall time.
    pub(crate) fn now(&self) -> SystemTime {
        self.wall + self.instant.elapsed()
    }

    /// Wall time in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        milliseconds(self.now())
    }
}

/// Milliseconds since 1970; 0 for times before it.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let span = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds of a span, rounded up, so that nothing comes early.
pub(crate) fn span_ms(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The time that is so many milliseconds after 1970; the epoch itself if the clock does not reach that far.
pub(crate) fn time_of(ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(UNIX_EPOCH)
}
