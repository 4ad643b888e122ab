//! The gateway: what there is of it, and the way of a request through it.

use std::borrow::Cow;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use faas_lab_http::{Body, Drained, Limits, Listener, serve};
use faas_lab_provider::Provider;
use faas_lab_queue::{Invoker, Queue};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use thiserror::Error;
use tokio::task::AbortHandle;

use crate::auth;
use crate::browser;
use crate::decisions::Decisions;
use crate::functions::Functions;
use crate::options::Options;
use crate::queued::ThroughGateway;
use crate::reply;
use crate::route::{self, Cleaned, Refusal, Route};
use crate::ui;

/// Bytes of a request's head, as Go's server allows.
const HEAD_BYTES: usize = 1 << 20;

/// A gateway. Functions are followed and scaled from its creation on; it answers while [`Gateway::run`] does.
pub struct Gateway {
    inner: Arc<Inner>,
    follower: AbortHandle,
}

pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) queue: Option<Arc<dyn Queue>>,
    pub(crate) functions: Arc<Functions>,
    pub(crate) upstream_timeout: Option<Duration>,
    pub(crate) served_by: HeaderValue,
}

/// Why there is no gateway.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The function store has no list.
    #[error(
        "the function store must be JSON such as {{\"version\": \"0.2.0\", \"functions\": [{{\"title\": …, \"images\": …}}]}}"
    )]
    Store,
    /// The record of decisions cannot be written.
    #[error("decisions cannot be recorded: {0}")]
    Decisions(std::io::Error),
    /// The default policy does not exist.
    #[error("the default policy {policy:?} cannot be used: {why}")]
    Policy {
        /// What was asked for.
        policy: String,
        /// Why not, and what there is.
        why: String,
    },
}

impl Gateway {
    /// A gateway to the functions of `provider`; without a queue there are no asynchronous invocations.
    ///
    /// Must be called within a tokio runtime. The caller runs the queue with [`Gateway::invoker`].
    ///
    /// # Errors
    /// Options that cannot be used.
    pub fn new(
        options: Options,
        provider: Arc<dyn Provider>,
        queue: Option<Arc<dyn Queue>>,
    ) -> Result<Gateway, GatewayError> {
        if !options.store.is_array() && !options.store["functions"].is_array() {
            return Err(GatewayError::Store);
        }
        if let Err(why) = crate::Settings::read(&Default::default(), &options.default_policy) {
            return Err(GatewayError::Policy { policy: options.default_policy, why });
        }
        let decisions = options.decisions.as_deref().map(Decisions::create).transpose();
        let decisions = decisions.map_err(GatewayError::Decisions)?.map(Arc::new);
        let functions = Arc::new(Functions::new(&options, provider.clone(), queue.clone(), decisions));
        let follower = tokio::spawn(functions.clone().follow()).abort_handle();
        functions.sync();
        let served_by = HeaderValue::from_str(&format!("faas-lab/{}", options.version));
        let inner = Inner {
            upstream_timeout: limit(options.upstream_timeout),
            served_by: served_by.unwrap_or(HeaderValue::from_static("faas-lab")),
            options,
            provider,
            queue,
            functions,
        };
        Ok(Gateway { inner: Arc::new(inner), follower })
    }

    /// Delivers the queue's invocations through this gateway.
    pub fn invoker(&self) -> Arc<dyn Invoker> {
        Arc::new(ThroughGateway(self.inner.clone()))
    }

    /// Answers requests until `shutdown` is ready, then finishes those under way; metrics are served until those are over.
    pub async fn run(
        &self,
        listener: Listener,
        metrics: Option<Listener>,
        shutdown: impl Future<Output = ()>,
    ) -> Drained {
        let options = &self.inner.options;
        let limits = Limits {
            head_bytes: HEAD_BYTES,
            read_timeout: limit(options.read_timeout),
            write_timeout: limit(options.write_timeout),
            connections: options.limits.connections,
            drain: Some(options.drain),
            ..Limits::default()
        };
        let inner = self.inner.clone();
        let answer = move |request, peer| inner.clone().answer(Box::new(request), peer);
        let api = serve(listener, limits.clone(), answer, shutdown);
        let Some(metrics) = metrics else { return api.await };
        let inner = self.inner.clone();
        let scraped = move |request: Request<Body>, _: Option<SocketAddr>| {
            let inner = inner.clone();
            async move { inner.scraped(&request) }
        };
        let (over, is_over) = tokio::sync::oneshot::channel::<()>();
        let limits = Limits { drain: Some(Duration::from_millis(100)), ..limits };
        let metrics = serve(metrics, limits, scraped, async {
            let _ = is_over.await;
        });
        let api = async {
            let drained = api.await;
            drop(over);
            drained
        };
        let (drained, _) = tokio::join!(api, metrics);
        drained
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Inner {
    /// Finds out what is asked for, and answers.
    ///
    /// The ways other than an invocation's are boxed: its future is moved about, and there is one for each call that waits.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Box<Request<Body>>,
        peer: Option<SocketAddr>,
    ) -> Response<Body> {
        // A copy: part of the request, it would keep the whole of what was read in memory for as long as the call takes.
        let path = request.uri().path().to_owned();
        let decoded = match route::clean(&path) {
            Cleaned::Path(path) => path,
            Cleaned::Elsewhere(mut straight) => {
                if let Some(query) = request.uri().query() {
                    straight = format!("{straight}?{query}");
                }
                return reply::redirect(StatusCode::MOVED_PERMANENTLY, &straight);
            }
            Cleaned::Garbage => return reply::text(StatusCode::BAD_REQUEST, "400 Bad Request"),
        };
        match Route::find(request.method(), &decoded) {
            Ok(Route::Invoke(target)) => {
                // A path that came encoded is encoded again, as Go does; others are passed on as they are.
                let path = match &decoded {
                    Cow::Borrowed(_) => Cow::Borrowed(target.path),
                    Cow::Owned(_) => Cow::Owned(route::encode(target.path)),
                };
                self.invoke(target.function, &path, request, peer).await
            }
            Ok(Route::InvokeLater(target)) => Box::pin(self.invoke_later(target, *request, peer)).await,
            Ok(Route::Cancel(call_id)) => Box::pin(self.cancel(call_id)).await,
            Ok(Route::Health) => reply::text(StatusCode::OK, "OK"),
            Ok(Route::Root) => reply::redirect(StatusCode::TEMPORARY_REDIRECT, "/ui/"),
            Ok(Route::Store) => reply::json(&self.options.store),
            Ok(Route::Ui(file)) => ui::answer(self.options.ui, file, self.options.credentials.is_some()),
            Ok(route) => {
                if let Some(refusal) = browser::refuse_foreign(&request) {
                    return refusal;
                }
                let allowed = self.options.credentials.as_ref();
                if allowed.is_some_and(|credentials| !auth::is_allowed(credentials, request.headers())) {
                    return reply::unauthorized();
                }
                Box::pin(self.system(route, *request)).await
            }
            Err(Refusal::NotFound) => reply::not_found(),
            Err(Refusal::WrongVerb) => reply::empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn scraped(&self, request: &Request<Body>) -> Response<Body> {
        match (request.uri().path(), request.method()) {
            ("/metrics", &Method::GET) => {
                let mut text = self.functions.metrics.text();
                if let Some(queue) = &self.queue {
                    let functions = self.functions.list();
                    let deployed = functions.iter().map(|(function, ..)| function.label.as_str());
                    text.push_str(&crate::metrics::queue_text(&queue.metrics(), deployed));
                }
                let mut response = reply::text(StatusCode::OK, text);
                let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, format);
                response
            }
            ("/healthz", &Method::GET) => reply::text(StatusCode::OK, "OK"),
            ("/metrics" | "/healthz", _) => reply::empty(StatusCode::METHOD_NOT_ALLOWED),
            _ => reply::not_found(),
        }
    }
}

/// Zero means none, as in Go.
fn limit(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}
