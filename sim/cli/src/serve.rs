//! `faas-lab serve`: a page on this machine on which a scenario's settings move and the curves follow.

mod guard;
mod knobs;
mod lab;
mod shelf;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use faas_lab_experiments::comparison::{Material, juxtapose};
use faas_lab_model::metrics::comparison::Entry;
use faas_lab_model::metrics::result::RunResult;
use faas_lab_reports::{ReportError, compare, serve as page};

use crate::args::ServeArguments;
use crate::failure::{Failure, Outcome};
use crate::terminal;
use lab::Lab;
use shelf::Shelf;

/// Where scenarios of one's own usually are.
const SCENARIOS: &str = "scenarios";

/// Largest request: a pasted scenario.
const MOST_BYTES: usize = 8 << 20;

/// Largest result that is uploaded.
const MOST_RESULT: usize = 128 << 20;

pub(crate) fn run(arguments: &ServeArguments) -> Result<Outcome, Failure> {
    let beside = arguments.scenario.as_deref().map(folder_of);
    let shelf = Shelf::new(beside.into_iter().chain([PathBuf::from(SCENARIOS)]));
    let first = match &arguments.scenario {
        Some(path) => {
            // Its problems are told here, where the command was given.
            faas_lab_model::scenario::Scenario::load(path, &[])?;
            let unlisted =
                || Failure::new(format!("{} cannot be served", path.display())).help("name a file that ends in .toml");
            Some(shelf.id_of(path).ok_or_else(unlisted)?)
        }
        None => None,
    };
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let lab = Arc::new(Lab::new(shelf, first, threads));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    runtime.block_on(serve(arguments, lab))?;
    // A run that has been told to stop need not be waited for.
    runtime.shutdown_background();
    Ok(Outcome::Done)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

async fn serve(arguments: &ServeArguments, lab: Arc<Lab>) -> Result<(), Failure> {
    let address = SocketAddr::new(arguments.listen, arguments.port);
    let busy = |error: std::io::Error| {
        Failure::new(format!("cannot listen on {address}: {error}"))
            .help("choose another port with --port; 0 takes a free one")
    };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(busy)?;
    let address = listener.local_addr().map_err(busy)?;
    if !arguments.listen.is_loopback() {
        terminal::complain("Whoever reaches this address can run scenarios and read those that are listed.");
    }
    let shown = match arguments.listen {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], address.port())),
        _ => address,
    };
    terminal::print(&format!("http://{shown}/\n"))?;
    let stopping = lab.clone();
    axum::serve(listener, router(lab, arguments.listen))
        .with_graceful_shutdown(async move {
            asked_to_end().await;
            stopping.stop();
        })
        .await
        .map_err(|error| Failure::new(format!("the server ended: {error}")))
}

/// Ctrl-C, or a request to terminate.
async fn asked_to_end() {
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => tokio::select! { () = interrupted => {}, _ = terminated.recv() => {} },
            Err(_) => interrupted.await,
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}

fn router(lab: Arc<Lab>, listening: IpAddr) -> Router {
    let listening: Arc<str> = listening.to_string().into();
    Router::new()
        .route("/", get(|| async { Html(page::page()) }))
        .route(
            "/serve.css",
            get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::style()).into_response() }),
        )
        .route(
            "/serve.js",
            get(|| async {
                ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], page::script()).into_response()
            }),
        )
        .route("/api/scenarios", get(lab::list))
        .route("/api/open", post(lab::open))
        .route("/api/run", post(lab::run))
        .route("/api/pin", post(lab::pin))
        .route("/api/unpin", post(lab::unpin))
        .route("/api/report", post(lab::report))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .merge(Router::new().route("/api/results", post(lab::upload)).layer(DefaultBodyLimit::max(MOST_RESULT)))
        .layer(middleware::from_fn_with_state(listening, guard::guard))
        .with_state(lab)
}

/// The comparison of a run with those beside it, which it is held against the first of.
fn compared(label: &str, current: &RunResult, beside: Vec<(String, RunResult)>) -> Result<String, ReportError> {
    let all = beside.into_iter().chain([(label.to_owned(), current.clone())]);
    let mut entries: Vec<Entry> = Vec::new();
    for (label, result) in all {
        let taken = |name: &str| entries.iter().any(|entry| entry.label == name);
        let unique = (1..).map(|number| if number == 1 { label.clone() } else { format!("{label} ({number})") });
        let label = unique.into_iter().find(|name| !taken(name)).expect("numbers do not end");
        entries.push(Entry { label, values: Vec::new(), result });
    }
    compare(&juxtapose(Material {
        name: current.name.clone(),
        command: current.command.clone(),
        axes: Vec::new(),
        entries,
        baseline: 0,
        warnings: Vec::new(),
    }))
}
