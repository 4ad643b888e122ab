//! What the gateway asks of whatever runs functions.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use faas_lab_http::Endpoint;
use futures_core::Stream;
use thiserror::Error;
use tokio::sync::watch;

use crate::api::{FunctionDeployment, FunctionName, LogLine, LogQuery, Secret, Usage};

/// Runs functions.
///
/// All changes are durable when they return: after a crash the same functions and secrets are there, without replicas
/// (those of the crashed process are gone before the first new one starts).
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Name and version for `/system/info`.
    fn name(&self) -> &'static str;

    /// Takes a new function. It has no replicas until [`Provider::start`] is called.
    async fn deploy(&self, deployment: FunctionDeployment) -> Result<(), ProviderError>;

    /// Replaces a function: [`ProviderError::Unknown`] if there is none. Its replicas stay until they are retired;
    /// those that start from now on are of the new kind.
    async fn update(&self, deployment: FunctionDeployment) -> Result<(), ProviderError>;

    /// Removes a function and all its replicas; calls under way end first, up to the function's own timeouts.
    async fn remove(&self, function: &FunctionName) -> Result<(), ProviderError>;

    /// Every deployed function with its replicas, kept up to date: read it, or await its changes.
    fn watch(&self) -> watch::Receiver<Arc<Replicas>>;

    /// Requests `count` more replicas and returns at once; they appear in [`Provider::watch`] as they come.
    async fn start(&self, function: &FunctionName, count: u32) -> Result<(), ProviderError>;

    /// Ends one replica gracefully: it finishes the calls it has. The caller sends it no more from now on.
    async fn retire(&self, function: &FunctionName, replica: u64) -> Result<(), ProviderError>;

    /// CPU and memory that a function's replicas use, all together.
    async fn usage(&self, function: &FunctionName) -> Result<Usage, ProviderError>;

    /// Log lines, oldest first; with `follow` the stream goes on as lines are written.
    async fn logs(&self, query: LogQuery) -> Result<LogStream, ProviderError>;

    /// The namespaces, sorted; `openfaas-fn` is always there.
    async fn namespaces(&self) -> Result<Vec<String>, ProviderError>;

    /// Names of the secrets of a namespace, sorted; never their values.
    async fn secrets(&self, namespace: &str) -> Result<Vec<String>, ProviderError>;

    /// Takes a new secret: [`ProviderError::Exists`] if there is one of that name.
    async fn create_secret(&self, secret: Secret) -> Result<(), ProviderError>;

    /// Replaces a secret: [`ProviderError::Unknown`] if there is none.
    async fn update_secret(&self, secret: Secret) -> Result<(), ProviderError>;

    /// Removes a secret: [`ProviderError::Unknown`] if there is none.
    async fn remove_secret(&self, namespace: &str, name: &str) -> Result<(), ProviderError>;

    /// Ends all replicas, gracefully at first, and leaves nothing behind but what is durable.
    async fn shut_down(&self);
}

/// Log lines as they are read.
pub type LogStream = Pin<Box<dyn Stream<Item = LogLine> + Send>>;

/// Every deployed function with its replicas.
pub type Replicas = BTreeMap<FunctionName, Deployed>;

/// A deployed function.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployed {
    /// As it was deployed.
    pub deployment: Arc<FunctionDeployment>,
    /// When it was deployed first.
    pub created_at: SystemTime,
    /// Grows with each [`Provider::update`]: a replica of a lower generation is of an older kind.
    pub generation: u64,
    /// Its replicas, oldest first; those that have ended are not among them.
    pub replicas: Vec<Replica>,
}

/// A running copy of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Replica {
    /// Never used twice for a function while the platform runs.
    pub number: u64,
    /// The [`Deployed::generation`] that it was started from; a restart after a crash does not change it.
    pub generation: u64,
    /// Where its watchdog answers.
    pub endpoint: Endpoint,
    /// What it is doing.
    pub state: ReplicaState,
    /// When it was requested.
    pub requested_at: SystemTime,
    /// When its watchdog said it was ready.
    pub ready_at: Option<SystemTime>,
    /// Starts after a crash.
    pub restarts: u32,
}

/// What a replica is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// Requested, but its function does not listen yet.
    Starting,
    /// Takes calls.
    Ready,
    /// Finishes its calls and goes.
    Retiring,
    /// Its process ended by itself; it will be started again after a back-off.
    Crashed {
        /// What is known of the reason, such as `out of memory` or `exit status 1`.
        reason: String,
    },
}

/// Why a provider refused. The text goes to the client.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// There is no such thing.
    #[error("{0} not found")]
    Unknown(String),
    /// There is one already.
    #[error("{0} already exists")]
    Exists(String),
    /// The request makes no sense, and why.
    #[error("{0}")]
    Invalid(String),
    /// A bound of this platform is reached.
    #[error("{0}")]
    Refused(String),
    /// The machine failed.
    #[error("{0}")]
    Failed(String),
}
