//! A call as the counters see it: from its dispatch to the end of its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::time::Instant;

use crate::function::Function;

/// What is counted for a call whose client has gone before the answer came.
const CLIENT_GONE: u16 = 499;

/// A call that has begun; counted as ended when dropped.
pub(crate) struct Call {
    function: Arc<Function>,
    began: Instant,
    status: u16,
}

impl Call {
    pub(crate) fn begin(function: &Arc<Function>) -> Call {
        function.counters.started.fetch_add(1, Relaxed);
        function.counters.in_flight.fetch_add(1, Relaxed);
        function.metrics.started.inc();
        function.metrics.in_flight.inc();
        Call { function: function.clone(), began: Instant::now(), status: CLIENT_GONE }
    }

    /// When it began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// The status that the client is told.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let counters = &self.function.counters;
        counters.in_flight.fetch_sub(1, Relaxed);
        counters.completed.fetch_add(1, Relaxed);
        if self.status == 200 {
            counters.ok.fetch_add(1, Relaxed);
        }
        self.function.metrics.in_flight.dec();
        self.function.metrics.ended(self.status, self.began.elapsed());
    }
}
