//! The gateway's own API, as far as an experiment needs it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::Method;
use http::header::AUTHORIZATION;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::exchange::line;
use crate::probe::{cause, system_url};
use crate::target::System;

/// Asks and tells a gateway.
#[derive(Clone, Debug)]
pub struct Admin {
    system: System,
    client: Client,
}

/// Why the gateway's API is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nothing there, or the connection broke.
    #[error("{url}: {reason}")]
    Unreachable {
        /// What was asked.
        url: Url,
        /// The innermost reason.
        reason: String,
    },
    /// It wants a password, or another one.
    #[error("{gateway} wants another password: say it with --login, or log in with faas-cli login")]
    Password {
        /// The gateway.
        gateway: Url,
    },
    /// It has no such function.
    #[error("{gateway} has no function {function:?}; it has {known}")]
    NoFunction {
        /// The gateway.
        gateway: Url,
        /// The function.
        function: String,
        /// Those that it has.
        known: String,
    },
    /// It has no such namespace, or may not look into it.
    #[error("{gateway} refuses the namespace {namespace:?}: {reason}")]
    Namespace {
        /// The gateway.
        gateway: Url,
        /// The namespace.
        namespace: String,
        /// What it said.
        reason: String,
    },
    /// An answer that a gateway does not give.
    #[error("{url} answers {status}: is this an OpenFaaS-compatible gateway?")]
    Strange {
        /// What was asked.
        url: Url,
        /// The status.
        status: StatusCode,
    },
}

/// What a gateway says of a function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionStatus {
    /// Name.
    pub name: String,
    /// Replicas that are wanted.
    pub replicas: u32,
    /// Replicas that take calls.
    pub ready: u32,
    /// Environment and labels, by name.
    pub settings: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    #[serde(default)]
    replicas: u32,
    #[serde(default)]
    available_replicas: u32,
    #[serde(default)]
    env_vars: Option<std::collections::BTreeMap<String, String>>,
    #[serde(default)]
    labels: Option<std::collections::BTreeMap<String, String>>,
}

impl From<Listed> for FunctionStatus {
    fn from(listed: Listed) -> FunctionStatus {
        let settings = listed.env_vars.into_iter().flatten().chain(listed.labels.into_iter().flatten());
        FunctionStatus {
            name: listed.name,
            replicas: listed.replicas,
            ready: listed.available_replicas,
            settings: settings.collect(),
        }
    }
}

impl Admin {
    /// Of this gateway; the login goes to its own API only.
    pub fn new(system: System, client: Client) -> Admin {
        Admin { system, client }
    }

    /// Where it is.
    pub fn gateway(&self) -> &Url {
        &self.system.gateway
    }

    /// Its address, if its name has one.
    pub async fn address(&self) -> Option<SocketAddr> {
        let host = self.gateway().host_str()?.trim_matches(['[', ']']).to_owned();
        let port = self.gateway().port_or_known_default()?;
        tokio::net::lookup_host((host, port)).await.ok()?.next()
    }

    /// How long its health page takes.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self) -> Result<Duration, AdminError> {
        let start = Instant::now();
        let response = self.ask(Method::GET, "/healthz", None).await?;
        let url = response.url().clone();
        response.bytes().await.map_err(|error| AdminError::Unreachable { url, reason: cause(&error) })?;
        Ok(start.elapsed())
    }

    /// All functions.
    ///
    /// # Errors
    /// If it does not answer as a gateway does.
    pub async fn functions(&self) -> Result<Vec<FunctionStatus>, AdminError> {
        let response = self.ask(Method::GET, "/system/functions", None).await?;
        let listed: Vec<Listed> = self.read(response).await?;
        Ok(listed.into_iter().map(FunctionStatus::from).collect())
    }

    /// One function.
    ///
    /// # Errors
    /// If it does not answer as a gateway does, or has no such function.
    pub async fn status(&self, function: &str) -> Result<FunctionStatus, AdminError> {
        let response = self.ask(Method::GET, &format!("/system/function/{function}"), None).await;
        match response {
            Err(AdminError::Strange { status: StatusCode::NOT_FOUND, .. }) => Err(self.no_function(function).await),
            Err(other) => Err(other),
            Ok(response) => self.read::<Listed>(response).await.map(FunctionStatus::from),
        }
    }

    /// Wishes for so many replicas.
    ///
    /// # Errors
    /// If it does not answer as a gateway does.
    pub async fn scale(&self, function: &str, replicas: u32) -> Result<(), AdminError> {
        let body = json!({ "serviceName": function, "replicas": replicas });
        self.ask(Method::POST, &format!("/system/scale-function/{function}"), Some(body)).await.map(|_| ())
    }

    async fn no_function(&self, function: &str) -> AdminError {
        let known = match self.functions().await {
            Ok(functions) if functions.is_empty() => "none".to_owned(),
            Ok(functions) => functions.iter().map(|function| function.name.as_str()).collect::<Vec<_>>().join(", "),
            Err(other) => return other,
        };
        AdminError::NoFunction { gateway: self.gateway().clone(), function: function.to_owned(), known }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<serde_json::Value>) -> Result<Response, AdminError> {
        let url = system_url(&self.system, path);
        let mut request = self.client.request(method, url.clone());
        if let Some(credentials) = self.system.credentials.as_ref().filter(|_| path.starts_with("/system/")) {
            request = request.header(AUTHORIZATION, credentials.header());
        }
        if let Some(body) = body {
            request = request.header(http::header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request
            .send()
            .await
            .map_err(|error| AdminError::Unreachable { url: url.clone(), reason: cause(&error) })?;
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED => Err(AdminError::Password { gateway: self.gateway().clone() }),
            status => Err(self.strange(url, status, response).await),
        }
    }

    /// What a refusal means.
    async fn strange(&self, url: Url, status: StatusCode, response: Response) -> AdminError {
        let Some(namespace) = self.system.namespace.clone().filter(|_| status == StatusCode::BAD_REQUEST) else {
            return AdminError::Strange { url, status };
        };
        let body = response.bytes().await.unwrap_or_default();
        let reason = line(&body[..body.len().min(200)]).unwrap_or_else(|| status.to_string());
        AdminError::Namespace { gateway: self.gateway().clone(), namespace, reason }
    }

    async fn read<T: for<'de> Deserialize<'de>>(&self, response: Response) -> Result<T, AdminError> {
        let (url, status) = (response.url().clone(), response.status());
        let body = response
            .bytes()
            .await
            .map_err(|error| AdminError::Unreachable { url: url.clone(), reason: cause(&error) })?;
        serde_json::from_slice(&body).map_err(|_| AdminError::Strange { url, status })
    }
}
