//! Functions: list, describe, deploy, update, delete, scale.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use faas_lab_http::Body;
use faas_lab_provider::api::{DEFAULT_NAMESPACE, FunctionDeployment, FunctionName, Resources, Usage};
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Refused, function_name, namespace, query, read, refused};
use crate::function::Function;
use crate::gateway::Inner;
use crate::labels::Settings;
use crate::reply;
use crate::triggers;

/// How long a client waits for a removal; calls under way may take longer, and end all the same.
const REMOVAL_SEEN: Duration = Duration::from_secs(1);
/// Longest name of a function, as in the DNS.
const NAME_BYTES: usize = 63;

/// A function as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionStatus<'a> {
    name: &'a str,
    image: &'a str,
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    env_process: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env_vars: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    constraints: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    secrets: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<&'a Resources>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<&'a Resources>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    read_only_root_filesystem: bool,
    #[serde(skip_serializing_if = "is_zero")]
    invocation_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    replicas: u64,
    #[serde(skip_serializing_if = "is_zero")]
    available_replicas: u64,
    /// Ours, as all fields of `/system/live`: calls at a replica or waiting for a free slot.
    #[serde(skip_serializing_if = "is_zero")]
    in_flight: u64,
    /// Calls that are held for a replica or wait for a free slot.
    #[serde(skip_serializing_if = "is_zero")]
    waiting: u64,
    /// Asynchronous invocations that wait for delivery.
    #[serde(skip_serializing_if = "is_zero")]
    queued: u64,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// `{"serviceName","replicas","namespace"}`, or with `service`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScaleRequest {
    #[serde(default, alias = "service")]
    service_name: String,
    replicas: u64,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct DeleteRequest {
    function_name: String,
    namespace: String,
}

impl Inner {
    pub(super) async fn list_functions(&self, request: &Request<Body>) -> Result<Response<Body>, Refused> {
        let namespace = namespace(request);
        self.check_namespace(&namespace).await?;
        let functions = self.functions.list();
        let listed: Vec<FunctionStatus<'_>> = functions
            .iter()
            .filter(|(function, ..)| function.name.namespace == namespace)
            .map(|(function, deployment, created_at)| self.status(function, deployment, *created_at, None))
            .collect();
        Ok(reply::json(&listed))
    }

    pub(super) async fn describe(&self, name: &str, request: &Request<Body>) -> Result<Response<Body>, Refused> {
        let name = function_name(name, request);
        let functions = self.functions.list();
        let Some((function, deployment, created_at)) = functions.iter().find(|(function, ..)| function.name == name)
        else {
            return Err(reply::empty(StatusCode::NOT_FOUND));
        };
        let wants_usage = query(request, "usage").is_some_and(|usage| matches!(usage.as_str(), "1" | "true"));
        let usage = if wants_usage { self.provider.usage(&name).await.ok() } else { None };
        Ok(reply::json(&self.status(function, deployment, *created_at, usage)))
    }

    pub(super) async fn deploy(&self, request: Request<Body>) -> Result<Response<Body>, Refused> {
        let deployment = self.read_deployment(request).await?;
        let name = name_of(&deployment);
        if self.functions.len() >= self.options.limits.functions {
            let text = format!("there are {} functions, and no more are taken", self.options.limits.functions);
            return Err(reply::text(StatusCode::BAD_REQUEST, text));
        }
        self.provider.deploy(deployment).await.map_err(|why| refused(&why, StatusCode::INTERNAL_SERVER_ERROR))?;
        self.functions.forgotten(&name);
        Ok(reply::empty(StatusCode::ACCEPTED))
    }

    pub(super) async fn update(&self, request: Request<Body>) -> Result<Response<Body>, Refused> {
        let deployment = self.read_deployment(request).await?;
        self.provider.update(deployment).await.map_err(|why| refused(&why, StatusCode::INTERNAL_SERVER_ERROR))?;
        self.functions.sync();
        Ok(reply::empty(StatusCode::ACCEPTED))
    }

    pub(super) async fn delete(self: &Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Refused> {
        let in_query = query(&request, "namespace").unwrap_or_default();
        let limit = self.options.limits.system_body;
        let asked: DeleteRequest = read(request.into_body(), limit, "failed to unmarshal request").await?;
        if asked.function_name.is_empty() {
            return Err(reply::text(StatusCode::BAD_REQUEST, "validation failed: functionName: is required"));
        }
        let namespace = [asked.namespace, in_query].into_iter().find(|namespace| !namespace.is_empty());
        let name = match namespace {
            Some(namespace) => FunctionName { namespace, name: asked.function_name },
            None => FunctionName { namespace: DEFAULT_NAMESPACE.to_owned(), name: asked.function_name },
        };
        if !self.functions.list().iter().any(|(function, ..)| function.name == name) {
            return Err(reply::text(StatusCode::NOT_FOUND, format!("function {name} not found")));
        }
        self.functions.forget(&name);
        let inner = self.clone();
        let removal = tokio::spawn(async move {
            let removed = inner.provider.remove(&name).await;
            inner.functions.forgotten(&name);
            removed
        });
        match tokio::time::timeout(REMOVAL_SEEN, removal).await {
            Ok(Ok(Err(why))) => Err(refused(&why, StatusCode::INTERNAL_SERVER_ERROR)),
            _ => Ok(reply::empty(StatusCode::ACCEPTED)),
        }
    }

    pub(super) async fn scale(&self, name: &str, request: Request<Body>) -> Result<Response<Body>, Refused> {
        let in_path = function_name(name, &request);
        let limit = self.options.limits.system_body;
        let asked: ScaleRequest = read(request.into_body(), limit, "Error unmarshalling request body").await?;
        let named = FunctionName::parse(&asked.service_name);
        if !asked.service_name.is_empty() && named.name != in_path.name {
            let text = format!("the path names {}, the body {}", in_path.name, asked.service_name);
            return Err(reply::text(StatusCode::BAD_REQUEST, text));
        }
        let name = match asked.namespace.is_empty() {
            true => in_path,
            false => FunctionName { namespace: asked.namespace, ..in_path },
        };
        let Some(function) = self.functions.get(&name.to_string()) else {
            return Err(reply::text(StatusCode::NOT_FOUND, format!("function {name} not found")));
        };
        let most = u64::from(self.options.limits.replicas);
        if asked.replicas > most {
            let text = format!("{} replicas are more than the {most} that a function may have", asked.replicas);
            return Err(reply::text(StatusCode::BAD_REQUEST, text));
        }
        function.set_desired(asked.replicas as u32);
        Ok(reply::empty(StatusCode::ACCEPTED))
    }

    async fn read_deployment(&self, request: Request<Body>) -> Result<FunctionDeployment, Refused> {
        let limit = self.options.limits.system_body;
        let mut deployment: FunctionDeployment =
            read(request.into_body(), limit, "failed to unmarshal request").await?;
        if deployment.namespace.is_empty() {
            deployment.namespace = DEFAULT_NAMESPACE.to_owned();
        }
        match check_deployment(&deployment, &self.options.default_policy) {
            Ok(()) => Ok(deployment),
            Err(why) => Err(reply::text(StatusCode::BAD_REQUEST, format!("validation failed: {why}"))),
        }
    }

    fn status<'a>(
        &self,
        function: &'a Arc<Function>,
        deployment: &'a FunctionDeployment,
        created_at: SystemTime,
        usage: Option<Usage>,
    ) -> FunctionStatus<'a> {
        let state = function.lock();
        let (replicas, available) = (u64::from(state.desired), state.pool.len() as u64);
        let waiting = (state.waiting.len() + state.bound.len()) as u64;
        drop(state);
        FunctionStatus {
            name: &function.name.name,
            image: &deployment.image,
            namespace: &function.name.namespace,
            env_process: &deployment.env_process,
            env_vars: &deployment.env_vars,
            constraints: &deployment.constraints,
            secrets: &deployment.secrets,
            labels: &deployment.labels,
            annotations: &deployment.annotations,
            limits: deployment.limits.as_ref(),
            requests: deployment.requests.as_ref(),
            read_only_root_filesystem: deployment.read_only_root_filesystem,
            invocation_count: function.metrics.invocations(),
            replicas,
            available_replicas: available,
            in_flight: u64::try_from(function.counters.in_flight.load(Relaxed)).unwrap_or(0),
            waiting,
            queued: self.queue.as_ref().map_or(0, |queue| queue.depth(&function.label)),
            created_at: rfc3339(created_at),
            usage,
        }
    }

    pub(super) async fn check_namespace(&self, namespace: &str) -> Result<(), Refused> {
        let known = self.provider.namespaces().await.map_err(|why| refused(&why, StatusCode::INTERNAL_SERVER_ERROR))?;
        if known.iter().any(|known| known == namespace) {
            return Ok(());
        }
        Err(reply::text(StatusCode::BAD_REQUEST, format!("namespace must be: {}", known.join(", "))))
    }
}

fn name_of(deployment: &FunctionDeployment) -> FunctionName {
    FunctionName { namespace: deployment.namespace.clone(), name: deployment.service.clone() }
}

/// Whether a gateway takes a deployment; why not, otherwise. `default_policy` is that of its [`crate::Options`].
///
/// # Errors
/// What is wrong with names, image, labels or schedule, and what to write instead.
pub fn check_deployment(deployment: &FunctionDeployment, default_policy: &str) -> Result<(), String> {
    check(deployment)?;
    Settings::read(deployment, default_policy)?;
    triggers::check_schedule(&deployment.annotations, SystemTime::now())
}

/// Names and image, in the words of the original.
fn check(deployment: &FunctionDeployment) -> Result<(), String> {
    if deployment.service.is_empty() {
        return Err("service: is required".to_owned());
    }
    for (field, name) in [("service", &deployment.service), ("namespace", &deployment.namespace)] {
        let is_default = field == "namespace" && name.is_empty();
        if !is_default && !is_dns_label(name) {
            return Err(format!("{field}: ({name}) is invalid, must be a valid DNS entry"));
        }
    }
    if deployment.image.trim().is_empty() {
        return Err("image: is required".to_owned());
    }
    Ok(())
}

/// `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, at most 63 characters.
fn is_dns_label(name: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= NAME_BYTES
        && bytes.first().is_some_and(|byte| alphanumeric(*byte))
        && bytes.last().is_some_and(|byte| alphanumeric(*byte))
        && bytes.iter().all(|byte| alphanumeric(*byte) || *byte == b'-')
}

/// In whole seconds, as Go's API prints it; what cannot be said so is Go's zero time.
pub(super) fn rfc3339(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).ok().and_then(|at| Timestamp::from_second(at.as_second()).ok());
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "a-b", "0", "hello2", &"x".repeat(63)] {
            assert!(is_dns_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "é", "a/b", "..", &"x".repeat(64)] {
            assert!(!is_dns_label(bad), "{bad}");
        }
    }

    #[test]
    fn times_are_whole_seconds() {
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(1_500)), "1970-01-01T00:00:01Z");
    }
}
