//! The watchdog's metrics, under the original's names, on a port of their own.

use faas_lab_http::{Body, Endpoint, Limits, Listener, serve};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use prometheus::{
    Counter, CounterVec, Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder,
    core::Collector,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::log::log;

/// Counts calls; probes are not among them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    total: CounterVec,
    seconds: HistogramVec,
    in_flight: Gauge,
    /// The few that there are, so that a call looks nothing up by label.
    series: Mutex<Vec<Series>>,
}

/// The series of one status and method.
#[derive(Debug)]
struct Series {
    of: (StatusCode, &'static str),
    total: Counter,
    seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Arc<Metrics> {
        let labels = ["code", "method"];
        let total = Opts::new("http_requests_total", "Total number of HTTP requests.");
        let seconds = HistogramOpts::new("http_request_duration_seconds", "Seconds spent serving HTTP requests.");
        let metrics = Metrics {
            registry: Registry::new(),
            total: CounterVec::new(total, &labels).expect("valid names"),
            seconds: HistogramVec::new(seconds, &labels).expect("valid names"),
            in_flight: Gauge::new("http_requests_in_flight", "Number of HTTP requests in flight.")
                .expect("a valid name"),
            series: Mutex::default(),
        };
        let collectors: [Box<dyn Collector>; 3] =
            [Box::new(metrics.total.clone()), Box::new(metrics.seconds.clone()), Box::new(metrics.in_flight.clone())];
        for collector in collectors {
            metrics.registry.register(collector).expect("registered once");
        }
        Arc::new(metrics)
    }

    pub(crate) fn begins(&self) {
        self.in_flight.inc();
    }

    pub(crate) fn ends(&self, status: StatusCode, method: &'static str, span: Duration) {
        self.in_flight.dec();
        let of = (status, method);
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|series| series.of == of).unwrap_or_else(|| {
            let labels = [status.as_str(), method];
            let (total, seconds) = (self.total.with_label_values(&labels), self.seconds.with_label_values(&labels));
            all.push(Series { of, total, seconds });
            all.len() - 1
        });
        all[at].total.inc();
        all[at].seconds.observe(span.as_secs_f64());
    }

    pub(crate) fn refused(&self, method: &Method) {
        self.begins();
        self.ends(StatusCode::TOO_MANY_REQUESTS, method_label(method), Duration::ZERO);
    }

    /// Answers scrapes until it is dropped. A port that is taken is said and gone without.
    pub(crate) async fn serve(self: Arc<Self>, at: Endpoint) {
        let listener = match at.bind().await {
            Ok(listener) => listener,
            Err(error) => {
                return log(format!(
                    "Metrics cannot be served on {at}: {error}. Set metrics_port to a free port, or to 0 for none. \
                     Going on without metrics."
                ));
            }
        };
        self.serve_on(listener).await;
    }

    async fn serve_on(self: Arc<Self>, listener: Listener) {
        let timeout = Some(Duration::from_secs(10));
        let limits = Limits { read_timeout: timeout, write_timeout: timeout, connections: 64, ..Limits::default() };
        let scrape = move |request: http::Request<Body>, _| {
            let response = match (request.uri().path(), request.method()) {
                ("/metrics", &Method::GET) => self.text(),
                ("/metrics", _) => plain(StatusCode::METHOD_NOT_ALLOWED, ""),
                _ => plain(StatusCode::NOT_FOUND, "404 page not found\n"),
            };
            std::future::ready(response)
        };
        // It ends with the process: a scrape under way then is of no use to anybody.
        let _ = serve(listener, limits, scrape, std::future::pending()).await;
    }

    fn text(&self) -> Response<Body> {
        let encoder = TextEncoder::new();
        let mut text = Vec::new();
        if let Err(error) = encoder.encode(&self.registry.gather(), &mut text) {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        }
        let mut response = Response::new(Body::full(text));
        let kind = HeaderValue::from_str(encoder.format_type()).expect("a content type");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

/// The label of a method, as Go's Prometheus client writes it.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::POST => "post",
        Method::PUT => "put",
        Method::DELETE => "delete",
        Method::PATCH => "patch",
        Method::HEAD => "head",
        Method::OPTIONS => "options",
        Method::CONNECT => "connect",
        Method::TRACE => "trace",
        // Whatever clients invent must not make a series each.
        _ => "unknown",
    }
}

/// A short text.
pub(crate) fn plain(status: StatusCode, text: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
