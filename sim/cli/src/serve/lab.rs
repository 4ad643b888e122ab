//! What the page asks for: the list, a scenario's knobs, runs, a measured result, a report.
//!
//! A run is stopped when the same page asks for a newer one, when the page is gone, and when it has taken too long; what
//! it has found by then is shown as far as it goes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use faas_lab_experiments::{Simulation, simulate};
use faas_lab_model::metrics::result::{RunResult, Source};
use faas_lab_reports::{ReportError, html, live};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::knobs::{Knob, knobs};
use super::shelf::{Listed, LoadError, Named, Shelf};

/// Runs that are kept because a page may still pin or report them.
const MOST_RECENT: usize = 16;

/// Runs and measured results that pages keep beside the current one.
const MOST_KEPT: usize = 64;

/// Pages whose runs are remembered.
const MOST_PAGES: usize = 256;

/// Those that one page shows at once.
const MOST_BESIDE: usize = 12;

/// After this a run ends with what it has.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs at a time; others wait for their turn.
const AT_ONCE: usize = 2;

/// Everything behind the page.
pub(crate) struct Lab {
    shelf: Shelf,
    first: Option<String>,
    threads: NonZeroUsize,
    results: Mutex<Results>,
    /// The run of each page: its turn, and the flag that stops it.
    running: Mutex<BTreeMap<String, (u64, Arc<AtomicBool>)>>,
    turns: Semaphore,
    numbers: AtomicU64,
}

#[derive(Default)]
struct Results {
    recent: BTreeMap<u64, Arc<RunResult>>,
    kept: BTreeMap<u64, Arc<RunResult>>,
}

impl Lab {
    /// A lab whose pages open with `first`, the id of a listed scenario.
    pub(crate) fn new(shelf: Shelf, first: Option<String>, threads: NonZeroUsize) -> Lab {
        Lab {
            shelf,
            first,
            threads,
            results: Mutex::default(),
            running: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            numbers: AtomicU64::new(1),
        }
    }

    /// Stops every run.
    pub(crate) fn stop(&self) {
        lock(&self.running).values().for_each(|(_, stop)| stop.store(true, Ordering::Relaxed));
    }

    fn result(&self, id: u64) -> Option<Arc<RunResult>> {
        let results = lock(&self.results);
        results.kept.get(&id).or_else(|| results.recent.get(&id)).cloned()
    }

    /// Those of `beside` that are still kept, under their names.
    fn beside(&self, beside: &[Beside]) -> Vec<(String, RunResult)> {
        let kept = beside.iter().take(MOST_BESIDE);
        kept.filter_map(|beside| Some((beside.label.clone(), (*self.result(beside.id)?).clone()))).collect()
    }

    fn keep_recent(&self, result: RunResult) -> u64 {
        let id = self.numbers.fetch_add(1, Ordering::Relaxed);
        let mut results = lock(&self.results);
        results.recent.insert(id, Arc::new(result));
        while results.recent.len() > MOST_RECENT {
            results.recent.pop_first();
        }
        id
    }

    /// Notes that a page's run begins, and stops the one before; `None` if a newer one has begun already.
    fn begin(&self, page: &str, turn: u64) -> Option<Arc<AtomicBool>> {
        let mut running = lock(&self.running);
        if let Some((last, stop)) = running.get(page) {
            if *last > turn {
                return None;
            }
            stop.store(true, Ordering::Relaxed);
        }
        if running.len() >= MOST_PAGES {
            // Only a run that goes on shares its flag.
            running.retain(|_, (_, stop)| Arc::strong_count(stop) > 1);
        }
        let stop = Arc::new(AtomicBool::new(false));
        running.insert(page.to_owned(), (turn, stop.clone()));
        Some(stop)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread left here is whole: every change is a single step.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Stops a run when the request that asked for it is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What cannot be done, in words for the page.
pub(crate) struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Told {
            error: String,
        }
        (self.0, Json(Told { error: self.1 })).into_response()
    }
}

impl From<LoadError> for Refused {
    fn from(error: LoadError) -> Refused {
        let status = match error {
            LoadError::Unknown(_) => StatusCode::NOT_FOUND,
            LoadError::Unreadable(..) | LoadError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Refused(status, error.to_string())
    }
}

impl From<ReportError> for Refused {
    fn from(error: ReportError) -> Refused {
        Refused(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

fn gone() -> Refused {
    Refused(StatusCode::GONE, "this run is no longer kept; move a slider to run it again".to_owned())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
    let broken =
        |_| Refused(StatusCode::INTERNAL_SERVER_ERROR, "this failed inside faas-lab; see its terminal".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(broken)
}

/// What can be opened.
#[derive(Serialize)]
pub(crate) struct List {
    first: Option<String>,
    scenarios: Vec<Listed>,
}

pub(crate) async fn list(State(lab): State<Arc<Lab>>) -> Result<Json<List>, Refused> {
    blocking(move || Json(List { first: lab.first.clone(), scenarios: lab.shelf.list() })).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Open {
    scenario: Named,
}

/// A scenario with what can be moved in it.
#[derive(Serialize)]
pub(crate) struct Opened {
    name: String,
    about: String,
    toml: String,
    replications: u32,
    knobs: Vec<Knob>,
    variants: Vec<Variant>,
}

#[derive(Serialize)]
struct Variant {
    name: String,
    overrides: Vec<String>,
}

pub(crate) async fn open(State(lab): State<Arc<Lab>>, Json(asked): Json<Open>) -> Result<Json<Opened>, Refused> {
    blocking(move || {
        let scenario = lab.shelf.load(&asked.scenario, &[])?;
        let variant = |variant: &faas_lab_model::scenario::Variant| Variant {
            name: variant.name.clone(),
            overrides: variant.overrides.clone(),
        };
        Ok(Json(Opened {
            knobs: knobs(&scenario),
            variants: scenario.variants.iter().map(variant).collect(),
            name: scenario.name,
            about: scenario.about,
            toml: scenario.record.toml,
            replications: scenario.replications,
        }))
    })
    .await?
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// Which page asks: its newer runs stop its older ones.
    page: String,
    /// Counts up with each run of the page.
    turn: u64,
    scenario: Named,
    overrides: Vec<String>,
    /// At most so many replications; the scenario's own number if that is less.
    replications: u32,
    beside: Vec<Beside>,
}

/// A result that is shown beside the current one.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Beside {
    id: u64,
    label: String,
}

/// What a run found, ready to be shown.
#[derive(Serialize)]
pub(crate) struct Ran {
    id: u64,
    turn: u64,
    /// The part of the page that shows it.
    html: String,
    /// The scenario with the overrides applied.
    toml: String,
    replications: usize,
    partial: bool,
    seconds: f64,
}

pub(crate) async fn run(State(lab): State<Arc<Lab>>, Json(asked): Json<Run>) -> Result<Json<Ran>, Refused> {
    let stale = || Refused(StatusCode::CONFLICT, "a newer run has taken its place".to_owned());
    let stop = lab.begin(&asked.page, asked.turn).ok_or_else(stale)?;
    let _guard = StopOnDrop(stop.clone());
    let _turn = lab.turns.acquire().await.map_err(|_| stale())?;
    if stop.load(Ordering::Relaxed) {
        return Err(stale());
    }
    let late = tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::time::sleep(PATIENCE).await;
            stop.store(true, Ordering::Relaxed);
        }
    });
    let ran = blocking({
        let (lab, stop) = (lab.clone(), stop.clone());
        move || play(&lab, &asked, &stop)
    })
    .await;
    late.abort();
    Ok(Json(ran??))
}

fn play(lab: &Lab, asked: &Run, stop: &AtomicBool) -> Result<Ran, Refused> {
    let started = Instant::now();
    let mut scenario = lab.shelf.load(&asked.scenario, &asked.overrides)?;
    let toml = scenario.record.toml.clone();
    scenario.replications = scenario.replications.min(asked.replications.max(1));
    let path = match &asked.scenario {
        Named::Listed(id) => id.split_once('/').map_or(id.as_str(), |(_, name)| name),
        Named::Text(name, _) => name,
    };
    let command = command(path, &asked.overrides);
    let how =
        Simulation { command: &command, threads: lab.threads, precision: None, check: false, stop, progress: &|_| () };
    let nothing = || Refused(StatusCode::CONFLICT, "stopped before anything was seen".to_owned());
    let result = simulate(&scenario, how, None).ok_or_else(nothing)?.result;
    let html = live(&result, &lab.beside(&asked.beside))?;
    let (replications, partial) = (result.replications.len(), result.partial);
    let id = lab.keep_recent(result);
    let seconds = started.elapsed().as_secs_f64();
    Ok(Ran { id, turn: asked.turn, html, toml, replications, partial, seconds })
}

/// The command that makes a run again.
fn command(path: &str, overrides: &[String]) -> String {
    let mut words = vec!["faas-lab".to_owned(), "simulate".to_owned(), path.to_owned()];
    words.extend(overrides.iter().map(|change| format!("--set={change}")));
    words.iter().map(|word| crate::simulate::quoted(word)).collect::<Vec<_>>().join(" ")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keep {
    id: u64,
}

/// Keeps a run beside those to come.
pub(crate) async fn pin(State(lab): State<Arc<Lab>>, Json(asked): Json<Keep>) -> Result<StatusCode, Refused> {
    let result = lab.result(asked.id).ok_or_else(gone)?;
    keep(&lab, asked.id, result)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets go of it.
pub(crate) async fn unpin(State(lab): State<Arc<Lab>>, Json(asked): Json<Keep>) -> StatusCode {
    lock(&lab.results).kept.remove(&asked.id);
    StatusCode::NO_CONTENT
}

fn keep(lab: &Lab, id: u64, result: Arc<RunResult>) -> Result<(), Refused> {
    let mut results = lock(&lab.results);
    if results.kept.len() >= MOST_KEPT && !results.kept.contains_key(&id) {
        let why = format!("{MOST_KEPT} results are kept already; remove one first");
        return Err(Refused(StatusCode::TOO_MANY_REQUESTS, why));
    }
    results.kept.insert(id, result);
    Ok(())
}

#[derive(Serialize)]
pub(crate) struct Kept {
    id: u64,
    name: String,
    measured: bool,
}

/// Takes a `result.json`, measured or simulated.
pub(crate) async fn upload(State(lab): State<Arc<Lab>>, text: String) -> Result<Json<Kept>, Refused> {
    blocking(move || {
        let refused = |error: String| {
            Refused(StatusCode::UNPROCESSABLE_ENTITY, format!("this is no result that can be read: {error}"))
        };
        let result = RunResult::read(&text).map_err(|error| refused(error.to_string()))?;
        // What cannot be drawn is refused here rather than with every run.
        live(&result, &[])?;
        let (name, measured) = (result.name.clone(), result.source == Source::Measured);
        let id = lab.numbers.fetch_add(1, Ordering::Relaxed);
        keep(&lab, id, Arc::new(result))?;
        Ok(Json(Kept { id, name, measured }))
    })
    .await?
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    id: u64,
    /// Name of the current run in a comparison.
    label: String,
    beside: Vec<Beside>,
}

/// The report of the current run, or its comparison with those beside it.
pub(crate) async fn report(State(lab): State<Arc<Lab>>, Json(asked): Json<Report>) -> Result<Response, Refused> {
    let page = blocking(move || {
        let current = lab.result(asked.id).ok_or_else(gone)?;
        let beside = lab.beside(&asked.beside);
        if beside.is_empty() {
            return Ok::<String, Refused>(html::render(&current)?);
        }
        Ok(super::compared(&asked.label, &current, beside)?)
    })
    .await??;
    Ok(([(header::CONTENT_DISPOSITION, "attachment; filename=\"report.html\"")], Html(page)).into_response())
}
