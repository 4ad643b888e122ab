//! A call's record: one place in flight, one line in the access log, one count in the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use http::{HeaderValue, Method, Request, StatusCode};

use crate::log::{human_size, log_soon};
use crate::metrics::{Metrics, method_label};

/// Places in flight.
#[derive(Debug)]
pub(crate) struct Places {
    limit: Option<usize>,
    taken: AtomicUsize,
}

/// All places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: usize,
}

impl Places {
    pub(crate) fn new(limit: Option<usize>) -> Arc<Places> {
        Arc::new(Places { limit, taken: AtomicUsize::new(0) })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.taken.load(SeqCst) >= limit)
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(SeqCst)
    }

    pub(crate) fn take(self: &Arc<Places>) -> Result<Place, Full> {
        let taken = self.taken.fetch_add(1, SeqCst);
        let place = Place(self.clone());
        match self.limit {
            Some(limit) if taken >= limit => Err(Full { limit }),
            _ => Ok(place),
        }
    }
}

/// One place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, SeqCst);
    }
}

/// How the access log writes a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusText {
    /// `200`
    Number,
    /// `200 OK`
    Reason,
}

/// A call's record, written when it is dropped: when its response was sent or given up.
#[derive(Debug)]
pub(crate) struct Record {
    began: Instant,
    place: Option<Place>,
    metrics: Option<(Arc<Metrics>, &'static str)>,
    /// What is asked, unless a probe asks. The target is a copy: part of the request, it would keep the whole of what was
    /// read in memory for as long as the call takes.
    asked: Option<(Method, Box<str>)>,
    call_id: Option<String>,
    style: StatusText,
    status: StatusCode,
    bytes: u64,
}

impl Record {
    /// Begins one; without metrics it is a probe's. `call_id` says whether the log has the call's id.
    pub(crate) fn new<B>(
        request: &Request<B>,
        place: Option<Place>,
        metrics: Option<&Arc<Metrics>>,
        style: StatusText,
        call_id: bool,
    ) -> Record {
        let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
        let probe = header("user-agent").is_some_and(|agent| agent.starts_with(b"kube-probe"));
        if let Some(metrics) = metrics {
            metrics.begins();
        }
        Record {
            began: Instant::now(),
            place,
            metrics: metrics.map(|metrics| (metrics.clone(), method_label(request.method()))),
            asked: (!probe).then(|| (request.method().clone(), request.uri().to_string().into())),
            call_id: call_id
                .then(|| header("x-call-id").map_or("none".into(), |id| String::from_utf8_lossy(id).into_owned())),
            style,
            status: StatusCode::OK,
            bytes: 0,
        }
    }

    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    pub(crate) fn set_status(&mut self, status: StatusCode) {
        self.status = status;
    }

    pub(crate) fn set_bytes(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    pub(crate) fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let span = self.began.elapsed();
        self.place.take();
        if let Some((metrics, method)) = &self.metrics {
            metrics.ends(self.status, method, span);
        }
        let Some((method, target)) = &self.asked else { return };
        let status = self.status.as_u16();
        let (space, reason) = match (self.style, self.status.canonical_reason()) {
            (StatusText::Reason, Some(reason)) => (" ", reason),
            _ => ("", ""),
        };
        let (open, id, close) = self.call_id.as_ref().map_or(("", "", ""), |id| (" [", id, "]"));
        let size = human_size(self.bytes);
        let seconds = span.as_secs_f64();
        log_soon(format_args!(
            "{method} {target} - {status}{space}{reason} - ContentLength: {size} ({seconds:.4}s){open}{id}{close}"
        ));
    }
}
