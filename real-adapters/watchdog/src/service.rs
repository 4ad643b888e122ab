//! What a watchdog answers: its probes, and calls by its mode.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use faas_lab_http::Body;
use faas_lab_http::forward::INTERNAL;
use http::header::HeaderValue;
use http::{Method, Request, Response, StatusCode};
use tower_http::services::ServeDir;

use crate::call::{Full, Places, Record, StatusText};
use crate::config::{Config, Mode};
use crate::log::log;
use crate::metrics::{Metrics, plain};
use crate::upstream::{Function, Listening, probe};
use crate::{serializing, streaming};

/// A watchdog's state, shared by its connections.
///
/// Requests and records are boxed on their way: it goes through many futures, each of which would have room for them.
#[derive(Debug)]
pub(crate) struct Service {
    config: Arc<Config>,
    function: Option<Function>,
    metrics: Arc<Metrics>,
    places: Arc<Places>,
    health: Arc<Health>,
}

/// Whether calls are welcome.
#[derive(Debug)]
pub(crate) struct Health {
    accepting: AtomicBool,
    lock: Option<PathBuf>,
}

impl Health {
    /// Writes the lock file, unless that is suppressed; what goes wrong there is for the caller to say.
    pub(crate) fn begin(config: &Config) -> std::io::Result<Arc<Health>> {
        let lock = (!config.suppress_lock).then(|| config.lock_file());
        if let Some(lock) = &lock {
            log(format!("Writing lock-file to: {}", lock.display()));
            std::fs::write(lock, "")?;
        }
        Ok(Arc::new(Health { accepting: AtomicBool::new(true), lock }))
    }

    /// From now on other callers should be found.
    pub(crate) fn end(&self) {
        self.accepting.store(false, SeqCst);
        if let Some(lock) = &self.lock {
            // Somebody else may have removed it already, which is another way to say the same.
            let _ = std::fs::remove_file(lock);
        }
    }

    /// Anybody may make a watchdog unhealthy by removing its lock file.
    fn is_good(&self) -> bool {
        self.accepting.load(SeqCst) && self.lock.as_ref().is_none_or(|lock| lock.exists())
    }
}

impl Service {
    pub(crate) fn new(
        config: Arc<Config>,
        function: Option<Function>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
    ) -> Service {
        let places = Places::new(config.max_inflight);
        Service { config, function, metrics, places, health }
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// Answers a request.
    pub(crate) fn answer(
        self: &Arc<Self>,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        let service = self.clone();
        let request = Box::new(request);
        async move {
            if request.method() == Method::CONNECT {
                // An answer of 2xx would make a tunnel of the connection, to nowhere.
                return empty(StatusCode::METHOD_NOT_ALLOWED);
            }
            match request.uri().path() {
                "/_/health" => service.health(&request),
                // The rarer ways are boxed: a call's future is moved about, and should be small.
                "/_/ready" => Box::pin(service.ready(request)).await,
                _ => service.call(request).await,
            }
        }
    }

    fn health(&self, request: &Request<Body>) -> Response<Body> {
        match (request.method(), self.health.is_good()) {
            (&Method::GET, true) => plain(StatusCode::OK, "OK"),
            (&Method::GET, false) => empty(StatusCode::SERVICE_UNAVAILABLE),
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn ready(&self, request: Box<Request<Body>>) -> Response<Body> {
        if request.method() != Method::GET {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let listens = self.function.as_ref().is_none_or(|function| function.listening() == Listening::Yes);
        if !self.health.is_good() || !listens {
            return empty(StatusCode::SERVICE_UNAVAILABLE);
        }
        if self.places.is_full() {
            return empty(StatusCode::TOO_MANY_REQUESTS);
        }
        let Some(path) = &self.config.ready_path else { return empty(StatusCode::OK) };
        let request = probe(path);
        let record = Record::new(&request, None, None, self.status_text(), self.config.log_call_id);
        self.run(Box::new(request), Box::new(record)).await
    }

    async fn call(&self, request: Box<Request<Body>>) -> Response<Body> {
        let (place, refused) = match self.places.take() {
            Ok(place) => (Some(place), None),
            Err(full) => (None, Some(full)),
        };
        if let Some(Full { limit }) = refused {
            self.metrics.refused(request.method());
            let text = format!("Concurrent request limit exceeded. Max concurrent requests: {limit}\n");
            let mut response = plain(StatusCode::TOO_MANY_REQUESTS, text);
            response.headers_mut().insert(INTERNAL, HeaderValue::from_static("faas-middleware"));
            return response;
        }
        let style = self.status_text();
        let record = Record::new(&request, place, Some(&self.metrics), style, self.config.log_call_id);
        self.run(request, Box::new(record)).await
    }

    async fn run(&self, request: Box<Request<Body>>, record: Box<Record>) -> Response<Body> {
        if let Some(function) = &self.function {
            return function.call(request, record).await;
        }
        if self.config.mode == Mode::Static {
            return Box::pin(file(&self.config, *request, record)).await;
        }
        let (parts, body) = request.into_parts();
        match self.config.mode {
            Mode::Streaming => Box::pin(streaming::call(self.config.clone(), parts, body, record)).await,
            _ => Box::pin(serializing::call(self.config.clone(), parts, body, record)).await,
        }
    }

    fn status_text(&self) -> StatusText {
        match self.config.mode {
            Mode::Http | Mode::Static => StatusText::Reason,
            _ => StatusText::Number,
        }
    }
}

/// Mode static: a file of the folder, an `index.html` for a folder of it.
async fn file(config: &Config, request: Request<Body>, mut record: Box<Record>) -> Response<Body> {
    let answer = ServeDir::new(&config.static_path).try_call(request).await;
    let response = match answer {
        Ok(found) if found.status() == StatusCode::NOT_FOUND => plain(StatusCode::NOT_FOUND, "404 page not found\n"),
        Ok(found) => found.map(Body::boxed),
        Err(error) => {
            log(format!("{}: {error}", config.static_path.display()));
            plain(StatusCode::INTERNAL_SERVER_ERROR, "")
        }
    };
    record.set_status(response.status());
    record.set_bytes(response.body().length().unwrap_or(0));
    response.map(|body| body.guarded(record))
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
