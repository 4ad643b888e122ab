//! What a gateway's API and metrics say of functions.

use std::collections::BTreeMap;

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use super::Sight;
use super::exposition;
use crate::target::{System, below};

/// An answer is at most this long.
const MOST_BYTES: usize = 32 << 20;

/// Why nothing was heard.
#[derive(Debug, Error)]
pub(crate) enum Unheard {
    /// No answer.
    #[error("{0} does not answer ({1})")]
    Silent(String, String),
    /// It wants a login, or another one.
    #[error("{0} wants a password: say it with --login, or log in with faas-cli login")]
    Password(String),
    /// Another status than 200.
    #[error("{0} says {1}")]
    Status(String, StatusCode),
    /// Something else than it should say.
    #[error("{0} says something else than functions")]
    Form(String),
    /// It goes on and on.
    #[error("{0} says more than {MOST_BYTES} bytes")]
    TooLong(String),
}

/// Fetches a text, with the login where there is one.
pub(crate) async fn fetch(client: &Client, url: Url, system: Option<&System>) -> Result<String, Unheard> {
    let place = url.to_string();
    let mut request = client.get(url);
    if let Some(credentials) = system.and_then(|system| system.credentials.as_ref()) {
        request = request.header(http::header::AUTHORIZATION, credentials.header());
    }
    let silent = |error: reqwest::Error| Unheard::Silent(place.clone(), cause(&error));
    let mut response = request.send().await.map_err(silent)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Unheard::Password(place)),
        status => return Err(Unheard::Status(place, status)),
    }
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(silent)? {
        if text.len() + chunk.len() > MOST_BYTES {
            return Err(Unheard::TooLong(place));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The last cause of an error is the one that says something.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A path of the gateway, in the functions' namespace.
pub(crate) fn system_url(system: &System, path: &str) -> Url {
    let mut url = below(&system.gateway, path);
    if let Some(namespace) = &system.namespace {
        url.query_pairs_mut().append_pair("namespace", namespace);
    }
    url
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LiveFunction {
    name: String,
    #[serde(default)]
    namespace: String,
    desired: u64,
    #[serde(default)]
    in_flight: i64,
    #[serde(default)]
    waiting: u64,
    #[serde(default)]
    queued: u64,
    #[serde(default)]
    replicas: Vec<LiveReplica>,
}

#[derive(Deserialize)]
struct LiveReplica {
    instance: String,
    state: String,
    #[serde(default)]
    restarts: u64,
}

/// Our gateway's own page.
pub(super) async fn live(client: &Client, system: &System, functions: &[String]) -> Result<Vec<Sight>, Unheard> {
    let url = below(&system.gateway, "/system/live");
    let place = url.to_string();
    let text = fetch(client, url, Some(system)).await?;
    read_live(&text, system.namespace.as_deref(), functions).ok_or(Unheard::Form(place))
}

/// What our gateway's `/system/live` says of these functions; `None` if `text` is no such answer.
pub fn read_live(text: &str, namespace: Option<&str>, functions: &[String]) -> Option<Vec<Sight>> {
    let listed: Vec<LiveFunction> = serde_json::from_str(text).ok()?;
    let sight = |name: &String| {
        let ours = |function: &&LiveFunction| {
            function.name == *name && namespace.is_none_or(|namespace| function.namespace == namespace)
        };
        listed.iter().find(ours).map(see).unwrap_or_default()
    };
    Some(functions.iter().map(sight).collect())
}

fn see(function: &LiveFunction) -> Sight {
    let count = |state: &str| function.replicas.iter().filter(|replica| replica.state == state).count() as u64;
    // A crashed replica that starts again is another one.
    let name = |replica: &LiveReplica| format!("{}/{}", replica.instance, replica.restarts);
    Sight {
        desired: Some(function.desired),
        starting: Some(count("starting")),
        ready: Some(count("ready")),
        live: Some(function.replicas.len() as u64),
        in_flight: u64::try_from(function.in_flight).ok(),
        waiting: Some(function.waiting),
        queued: Some(function.queued),
        names: function.replicas.iter().map(name).collect(),
    }
}

/// A function in the list of OpenFaaS' API; what is absent is zero.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) replicas: u64,
    pub(crate) available_replicas: u64,
    pub(crate) env_vars: Option<BTreeMap<String, String>>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

/// All functions of the namespace.
pub(crate) async fn functions(client: &Client, system: &System) -> Result<Vec<Listed>, Unheard> {
    let url = system_url(system, "/system/functions");
    let place = url.to_string();
    let text = fetch(client, url, Some(system)).await?;
    listed(&text).ok_or(Unheard::Form(place))
}

/// No functions at all are `null` in Go.
fn listed(text: &str) -> Option<Vec<Listed>> {
    serde_json::from_str::<Option<Vec<Listed>>>(text).ok().map(Option::unwrap_or_default)
}

/// Wanted and ready replicas, by the list.
pub(super) async fn list(client: &Client, system: &System, names: &[String]) -> Result<Vec<Sight>, Unheard> {
    Ok(sights(&functions(client, system).await?, names))
}

/// What the API's `/system/functions` says of these functions; `None` if `text` is no such answer.
pub fn read_list(text: &str, names: &[String]) -> Option<Vec<Sight>> {
    listed(text).map(|listed| sights(&listed, names))
}

fn sights(listed: &[Listed], names: &[String]) -> Vec<Sight> {
    let sight = |name: &String| match listed.iter().find(|function| function.name == *name) {
        Some(function) => Sight {
            desired: Some(function.replicas),
            ready: Some(function.available_replicas),
            starting: Some(function.replicas.saturating_sub(function.available_replicas)),
            live: Some(function.replicas.max(function.available_replicas)),
            ..Sight::default()
        },
        None => Sight::default(),
    };
    names.iter().map(sight).collect()
}

/// What the metrics say.
pub(super) async fn metrics(
    client: &Client,
    url: &Url,
    names: &[String],
    namespace: Option<&str>,
) -> Result<Vec<Sight>, Unheard> {
    let text = fetch(client, url.clone(), None).await?;
    read_metrics(&text, names, namespace).ok_or_else(|| Unheard::Form(url.to_string()))
}

/// What a gateway's metrics say of these functions; `None` if they say nothing.
pub fn read_metrics(text: &str, names: &[String], namespace: Option<&str>) -> Option<Vec<Sight>> {
    let mut seen = vec![Sight::default(); names.len()];
    for sample in exposition::samples(text) {
        let Some(function) = sample.label("function_name") else { continue };
        let (name, space) = function.rsplit_once('.').unwrap_or((function, ""));
        let ours = |known: &String| {
            (*known == name || *known == function)
                && namespace.is_none_or(|namespace| space.is_empty() || space == namespace)
        };
        let (Some(index), true) = (names.iter().position(ours), sample.value >= 0.0) else { continue };
        let (sight, value) = (&mut seen[index], Some(sample.value as u64));
        match sample.name {
            "gateway_service_count" => sight.desired = value,
            "gateway_service_ready_count" => sight.ready = value,
            "gateway_function_invocation_inflight" => sight.in_flight = value,
            "gateway_queue_depth" => sight.queued = value,
            _ => {}
        }
    }
    seen.iter().any(|sight| *sight != Sight::default()).then_some(seen)
}
