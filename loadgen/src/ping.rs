//! Asks a gateway who it is and what it has, without invoking anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use faas_lab_model::time::Span;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use crate::answer::Fault;
use crate::client::{ClientOptions, Connections};
use crate::probe::{self, Unheard};
use crate::target::{System, below};

/// Round trips that are timed; the median is told.
const TRIPS: usize = 5;

/// An answer may take so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a gateway says of itself.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Median time of a small request over a kept connection.
    pub round_trip: Span,
    /// Status of `/healthz`.
    pub health: u16,
    /// What it is; or why it does not say.
    pub about: Result<About, String>,
    /// Its functions; or why it does not say.
    pub functions: Result<Vec<Function>, String>,
    /// Whether it takes asynchronous invocations.
    pub asynchronous: bool,
    /// Where its metrics were looked for, and why they are not there, if so.
    pub metrics: (Url, Result<(), String>),
    /// Whether it has the pages of a gateway at all, and be it behind a login.
    gateway: bool,
}

impl Gateway {
    /// Whether it is one: something else may answer there.
    pub fn is_one(&self) -> bool {
        self.gateway
    }
}

/// What it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What runs functions: `faas-netes`, `faasd`, `embedded`, ….
    pub provider: String,
    /// Its version.
    pub provider_version: String,
    /// Where that runs them: `kubernetes`, `containerd`, ….
    pub orchestration: String,
    /// The gateway's version.
    pub version: String,
    /// Machine: `x86_64`, ….
    pub arch: String,
    /// The gateway's timeouts as Go writes them (`read`, `write`, `upstream`); ours alone tells them.
    pub timeouts: BTreeMap<String, String>,
}

/// A function, as far as it is of interest here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Replicas that are wanted.
    pub replicas: u64,
    /// Replicas that take calls.
    pub ready: u64,
    /// Its environment, as deployed; its image may set more.
    pub environment: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Why a gateway could not be asked.
#[derive(Debug, Error)]
pub enum PingError {
    /// There is no client to ask with.
    #[error("cannot ask: {0}")]
    Client(#[from] reqwest::Error),
    /// Nobody is there, or, if the last is true, nobody whose certificate can be trusted.
    #[error("{0} does not answer: {1}")]
    Silent(Url, String, bool),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    provider: Provider,
    version: Version,
    arch: String,
    timeouts: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Provider {
    provider: String,
    version: Version,
    orchestration: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Version {
    release: String,
    sha: String,
}

impl Version {
    fn text(&self) -> String {
        match self.release.as_str() {
            "" => self.sha.chars().take(9).collect(),
            release => release.to_owned(),
        }
    }
}

/// Asks the gateway of `system`. Its metrics are looked for at `metrics`, or at port 8082 of its host.
///
/// # Errors
/// If nobody is there.
pub async fn ask(system: &System, metrics: Option<Url>, insecure: bool) -> Result<Gateway, PingError> {
    let options = ClientOptions { insecure, ..ClientOptions::default() };
    let client = options.builder(&std::sync::Arc::new(Connections::default())).timeout(PATIENCE).build()?;
    let mut health = 0;
    let mut trips = Vec::with_capacity(TRIPS);
    // The first one opens the connection.
    for trip in 0..=TRIPS {
        let began = Instant::now();
        let answer = client.get(below(&system.gateway, "/healthz")).send().await;
        let silent = |error: reqwest::Error| {
            let untrusted = Fault::of(&error, false) == Fault::Tls;
            PingError::Silent(system.gateway.clone(), probe::cause(&error), untrusted)
        };
        let answer = answer.map_err(silent)?;
        health = answer.status().as_u16();
        answer.bytes().await.map_err(silent)?;
        if trip > 0 {
            trips.push(Span::from(began.elapsed()));
        }
    }
    trips.sort_unstable();
    let metrics = metrics.unwrap_or_else(|| probe::default_metrics(&system.gateway));
    let measured = probe::fetch(&client, metrics.clone(), None).await;
    let (about, functions) = (about(&client, system).await, functions(&client, system).await);
    let strange =
        |why: Option<&Unheard>| matches!(why, Some(Unheard::Status(_, StatusCode::NOT_FOUND) | Unheard::Form(_)));
    Ok(Gateway {
        round_trip: trips[TRIPS / 2],
        health,
        gateway: health == 200 || !strange(about.as_ref().err()) || !strange(functions.as_ref().err()),
        about: about.map_err(|why| why.to_string()),
        functions: functions.map_err(|why| why.to_string()),
        asynchronous: takes_later(&client, system).await,
        metrics: (metrics, measured.map(drop).map_err(|why| why.to_string())),
    })
}

async fn about(client: &Client, system: &System) -> Result<About, Unheard> {
    let url = below(&system.gateway, "/system/info");
    let place = url.to_string();
    let text = probe::fetch(client, url, Some(system)).await?;
    let info: Info = serde_json::from_str(&text).map_err(|_| Unheard::Form(place))?;
    Ok(About {
        provider_version: info.provider.version.text(),
        provider: info.provider.provider,
        orchestration: info.provider.orchestration,
        version: info.version.text(),
        arch: info.arch,
        timeouts: info.timeouts,
    })
}

async fn functions(client: &Client, system: &System) -> Result<Vec<Function>, Unheard> {
    let listed = probe::functions(client, system).await?;
    let function = |listed: probe::Listed| Function {
        name: listed.name,
        image: listed.image,
        replicas: listed.replicas,
        ready: listed.available_replicas,
        environment: listed.env_vars.unwrap_or_default(),
        annotations: listed.annotations.unwrap_or_default(),
    };
    Ok(listed.into_iter().map(function).collect())
}

/// The path takes POST only, if it is there: to ask with GET invokes nothing.
async fn takes_later(client: &Client, system: &System) -> bool {
    let url = below(&system.gateway, "/async-function/faas-lab-ping");
    let answer = client.get(url).send().await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::METHOD_NOT_ALLOWED)
}
