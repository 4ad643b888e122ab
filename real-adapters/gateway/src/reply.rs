//! The gateway's own answers, in the words of the reference.

use faas_lab_http::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// Marks an answer that comes from the platform and not from a function; the queue tries such calls again.
pub(crate) const INTERNAL: HeaderName = HeaderName::from_static("x-openfaas-internal");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A status with a text.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::full(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// JSON with status 200.
pub(crate) fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let mut response = Response::new(Body::full(bytes));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }
        Err(why) => text(StatusCode::INTERNAL_SERVER_ERROR, why.to_string()),
    }
}

/// A text that says that the platform failed a call, not its function.
pub(crate) fn internal(status: StatusCode, words: impl Into<String>) -> Response<Body> {
    let mut response = text(status, words);
    response.headers_mut().insert(INTERNAL, HeaderValue::from_static("gateway"));
    response
}

/// The 404 of paths that lead nowhere.
pub(crate) fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// What a caller without the right password gets.
pub(crate) fn unauthorized() -> Response<Body> {
    let mut response = text(StatusCode::UNAUTHORIZED, "invalid credentials");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Restricted\""));
    response
}

/// Sends the client elsewhere; `location` is a path.
pub(crate) fn redirect(status: StatusCode, location: &str) -> Response<Body> {
    let mut response = empty(status);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
