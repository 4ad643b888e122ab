//! The HTTP client that all users of a run share, and what it tells of its connections.
//!
//! It follows no redirects, knows no proxies, keeps no cookies, undoes no compression and tries nothing again: what
//! happens to a call is what is measured.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use faas_lab_model::time::Span;
use thiserror::Error;
use tower_layer::Layer;
use tower_service::Service;

/// How calls reach the server.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Take any certificate.
    pub insecure: bool,
    /// HTTP/2, without asking first, instead of HTTP/1.1.
    pub http2: bool,
    /// Keep connections for the next calls.
    pub keep_alive: bool,
    /// Longest time to open a connection.
    pub connect_timeout: Option<Duration>,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            insecure: false,
            http2: false,
            keep_alive: true,
            connect_timeout: Some(Duration::from_secs(10)),
        }
    }
}

/// Connections of a client so far.
#[derive(Debug, Default)]
pub struct Connections {
    opened: AtomicU64,
    failed: AtomicU64,
    nanos: AtomicU64,
}

impl Connections {
    /// Opened.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Tried in vain.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Mean time that opening one took; `None` if none was.
    pub fn mean(&self) -> Option<Span> {
        let opened = self.opened();
        (opened > 0).then(|| Span::from_nanos(self.nanos.load(Ordering::Relaxed) / opened))
    }
}

impl ClientOptions {
    /// The client's builder, which counts into `connections`.
    pub fn builder(&self, connections: &Arc<Connections>) -> reqwest::ClientBuilder {
        // Someone else may have chosen a provider for the process already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            // Goose turns this on for everybody.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .tcp_nodelay(true)
            .user_agent(concat!("faas-lab/", env!("CARGO_PKG_VERSION")))
            .tls_danger_accept_invalid_certs(self.insecure)
            .pool_max_idle_per_host(if self.keep_alive { usize::MAX } else { 0 })
            .connector_layer(Watch { connections: connections.clone() });
        let builder = match self.connect_timeout {
            Some(limit) => builder.connect_timeout(limit),
            None => builder,
        };
        if self.http2 { builder.http2_prior_knowledge() } else { builder.http1_only() }
    }
}

tokio::task_local! {
    /// How long the connection took that the call of this task opened for itself.
    static CONNECTING: Cell<Option<Span>>;
}

/// Runs a call, and tells how long it had to wait for a connection of its own, if it opened one.
pub async fn watched<T>(call: impl Future<Output = T>) -> (T, Option<Span>) {
    CONNECTING
        .scope(Cell::new(None), async {
            let output = call.await;
            (output, CONNECTING.with(Cell::get))
        })
        .await
}

/// Another connection became free before this one was begun. Nobody sees it: the call has gone on by then.
#[derive(Debug, Error)]
#[error("not needed any more")]
struct NotNeeded;

/// Counts and times connections.
#[derive(Clone, Debug)]
struct Watch {
    connections: Arc<Connections>,
}

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched { inner: Arc::new(Mutex::new(inner)), connections: self.connections.clone() }
    }
}

/// The client clones its connector for every call, also where a connection is there: what is inside is shared, for making and
/// dropping a whole one shows in a profile of many calls.
#[derive(Debug)]
struct Watched<S> {
    inner: Arc<Mutex<S>>,
    connections: Arc<Connections>,
}

impl<S> Clone for Watched<S> {
    fn clone(&self) -> Watched<S> {
        Watched { inner: self.inner.clone(), connections: self.connections.clone() }
    }
}

impl<S> Watched<S> {
    fn inner(&self) -> MutexGuard<'_, S> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, T> Service<T> for Watched<S>
where
    S: Service<T>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: From<NotNeeded> + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner().poll_ready(context)
    }

    fn call(&mut self, to: T) -> Self::Future {
        let began = Instant::now();
        let connecting = self.inner().call(to);
        let connections = self.connections.clone();
        // What nobody waits for any more is finished in a task of its own, without the call's.
        let is_awaited = || CONNECTING.try_with(|_| ()).is_ok();
        let was_awaited = is_awaited();
        Box::pin(async move {
            // An answer that is here already may free a connection: it is read in the first turn, and the call that waits for
            // a connection is served in the second. Else whoever is behind would open more and more of them, and so stay behind.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            if was_awaited && !is_awaited() {
                return Err(NotNeeded.into());
            }
            let connected = connecting.await;
            let took = Span::from(began.elapsed());
            match &connected {
                Ok(_) => {
                    connections.opened.fetch_add(1, Ordering::Relaxed);
                    connections.nanos.fetch_add(took.as_nanos(), Ordering::Relaxed);
                    // A connection that is finished in the background, since another became free first, is no call's.
                    let _ = CONNECTING.try_with(|connecting| connecting.set(Some(took)));
                }
                Err(_) => _ = connections.failed.fetch_add(1, Ordering::Relaxed),
            }
            connected
        })
    }
}
