//! The REST API below `/system`.

mod dead;
mod functions;
mod live;
mod logs;
mod platform;
mod secrets;

use std::sync::Arc;

pub use functions::check_deployment;

use faas_lab_http::Body;
use faas_lab_http::body::CollectError;
use faas_lab_provider::ProviderError;
use faas_lab_provider::api::DEFAULT_NAMESPACE;
use http::{Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::gateway::Inner;
use crate::reply;
use crate::route::Route;

/// An answer that ends a handler early.
type Refused = Response<Body>;

impl Inner {
    /// Answers what needs a password.
    pub(crate) async fn system(self: Arc<Self>, route: Route<'_>, request: Request<Body>) -> Response<Body> {
        let method = request.method().clone();
        let answer = match (route, method) {
            (Route::Functions, Method::GET) => self.list_functions(&request).await,
            (Route::Functions, Method::POST) => self.deploy(request).await,
            (Route::Functions, Method::PUT) => self.update(request).await,
            (Route::Functions, _) => self.delete(request).await,
            (Route::Function(name), _) => self.describe(name, &request).await,
            (Route::Scale(name), _) => self.scale(name, request).await,
            (Route::Secrets, Method::GET) => self.list_secrets(&request).await,
            (Route::Secrets, method) => self.change_secret(&method, request).await,
            (Route::Namespaces, _) => self.list_namespaces().await,
            (Route::Namespace(_), _) => Err(reply::text(
                StatusCode::NOT_IMPLEMENTED,
                "namespaces come with their first function and go with their last",
            )),
            (Route::Info, _) => Ok(self.info()),
            (Route::DeadLetters, _) => self.list_dead_letters().await,
            (Route::DeadLetter(call_id), method) => self.change_dead_letter(&method, call_id).await,
            (Route::Logs, _) => self.logs(&request).await,
            (Route::Alert, _) => self.alert(request).await,
            (Route::Live, _) => Ok(self.live()),
            _ => Err(reply::not_found()),
        };
        answer.unwrap_or_else(|refused| refused)
    }
}

/// A value of the query, decoded.
fn query(request: &Request<Body>, key: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes());
    pairs.into_iter().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
}

/// The namespace that is asked for.
fn namespace(request: &Request<Body>) -> String {
    query(request, "namespace").filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

/// `name`, or `name.namespace`; a namespace in the query wins.
fn function_name(written: &str, request: &Request<Body>) -> faas_lab_provider::api::FunctionName {
    let name = faas_lab_provider::api::FunctionName::parse(written);
    match query(request, "namespace").filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => faas_lab_provider::api::FunctionName { namespace, ..name },
        None => name,
    }
}

/// Reads a body of JSON; `wrong` is what a client is told before the reason.
async fn read<T: DeserializeOwned>(body: Body, limit: usize, wrong: &str) -> Result<T, Refused> {
    let bytes = match body.collect(limit).await {
        Ok(bytes) => bytes,
        Err(CollectError::TooLong { limit }) => {
            return Err(reply::text(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("{wrong}: the body is longer than {limit} bytes"),
            ));
        }
        Err(broken) => return Err(reply::text(StatusCode::BAD_REQUEST, format!("{wrong}: {broken}"))),
    };
    serde_json::from_slice(&bytes).map_err(|why| reply::text(StatusCode::BAD_REQUEST, format!("{wrong}: {why}")))
}

/// A provider's refusal; what it says of something that exists already has a status of its own in each call.
fn refused(why: &ProviderError, exists: StatusCode) -> Refused {
    let status = match why {
        ProviderError::Unknown(_) => StatusCode::NOT_FOUND,
        ProviderError::Exists(_) => exists,
        ProviderError::Invalid(_) | ProviderError::Refused(_) => StatusCode::BAD_REQUEST,
        ProviderError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    reply::text(status, why.to_string())
}
