//! Asynchronous invocations: accepted here, kept by the queue, delivered through the synchronous path.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use faas_lab_http::body::CollectError;
use faas_lab_http::{Body, forward};
use faas_lab_provider::Provider;
use faas_lab_provider::api::FunctionName;
use faas_lab_queue::{Answer, FunctionSettings, Invocation, Invoker, QueueError, Settings};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;
use url::Url;

use crate::gateway::Inner;
use crate::invoke::{Arrival, CALL_ID, SERVED_BY, START_TIME};
use crate::reply;
use crate::route::Target;

const CALLBACK_URL: HeaderName = HeaderName::from_static("x-callback-url");

impl Inner {
    /// Accepts an invocation: 202 once it is on disk. That the function exists is not asked, as it may come before its turn.
    pub(crate) async fn invoke_later(
        &self,
        target: Target<'_>,
        request: Request<Body>,
        peer: Option<SocketAddr>,
    ) -> Response<Body> {
        let Some(queue) = &self.queue else { return reply::not_found() };
        let mut request = request;
        let arrival = Arrival::new(request.headers());
        let callback = match request.headers_mut().remove(CALLBACK_URL).map(|url| callback(&url)) {
            None => None,
            Some(Ok(url)) => Some(url),
            Some(Err(why)) => return reply::text(StatusCode::BAD_REQUEST, why),
        };
        let query = request.uri().query().unwrap_or("").to_owned();
        forward::remove_hop_by_hop(request.headers_mut());
        forward::add_forwarded(&mut request, peer);
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        headers.remove(header::EXPECT);
        headers.insert(CALL_ID, arrival.call_id.clone());
        headers.insert(START_TIME, arrival.start_time.clone());
        let body = match body.collect(self.options.limits.async_body).await {
            Ok(body) => body,
            Err(CollectError::TooLong { limit }) => {
                let text = format!("Error queuing request: the body is longer than {limit} bytes");
                return reply::text(StatusCode::PAYLOAD_TOO_LARGE, text);
            }
            Err(broken) => return reply::text(StatusCode::BAD_REQUEST, broken.to_string()),
        };
        let invocation = Invocation {
            call_id: arrival.call_id.to_str().map_or_else(|_| "unreadable".to_owned(), str::to_owned),
            function: FunctionName::parse(target.function).to_string(),
            method: Method::POST,
            path: if target.path.is_empty() { "/".to_owned() } else { target.path.to_owned() },
            query,
            headers,
            body,
            callback,
            accepted_at: SystemTime::now(),
        };
        let mut response = match queue.push(invocation).await {
            Ok(()) => reply::empty(StatusCode::ACCEPTED),
            Err(why) => {
                let status = match why {
                    QueueError::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
                    QueueError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                    QueueError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
                };
                reply::internal(status, format!("Error queuing request: {why}"))
            }
        };
        let headers = response.headers_mut();
        headers.insert(CALL_ID, arrival.call_id);
        headers.insert(START_TIME, arrival.start_time);
        headers.insert(SERVED_BY, self.served_by.clone());
        response
    }

    /// Takes an invocation back.
    pub(crate) async fn cancel(&self, call_id: &str) -> Response<Body> {
        let Some(queue) = &self.queue else { return reply::not_found() };
        match queue.cancel(call_id).await {
            Ok(true) => reply::empty(StatusCode::ACCEPTED),
            Ok(false) => reply::text(StatusCode::NOT_FOUND, format!("no invocation {call_id} waits")),
            Err(why) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, why.to_string()),
        }
    }
}

fn callback(url: &HeaderValue) -> Result<String, String> {
    let text = url.to_str().map_err(|_| "X-Callback-Url is not a URL".to_owned())?;
    let url = Url::parse(text).map_err(|why| format!("X-Callback-Url {text:?}: {why}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(text.to_owned()),
        _ => Err(format!("X-Callback-Url {text:?}: write a URL that begins with http:// or https://")),
    }
}

/// How a queue delivers each function's invocations, by the annotations of its deployment.
pub fn queue_settings(provider: &dyn Provider) -> Settings {
    let functions = provider.watch();
    let defaults = Arc::new(FunctionSettings::default());
    Settings::new(move |function| {
        let deployed = functions.borrow().get(&FunctionName::parse(function)).map(|it| it.deployment.clone());
        match deployed {
            Some(deployment) if !deployment.annotations.is_empty() => {
                Arc::new(FunctionSettings::from_annotations(&deployment.annotations, &defaults).0)
            }
            _ => defaults.clone(),
        }
    })
}

/// Delivers through the gateway's own synchronous path.
pub(crate) struct ThroughGateway(pub(crate) Arc<Inner>);

#[async_trait]
impl Invoker for ThroughGateway {
    async fn invoke(&self, invocation: &Invocation, _attempt: u32) -> Answer {
        let began = Instant::now();
        let mut request = Request::new(Body::full(invocation.body.clone()));
        *request.method_mut() = invocation.method.clone();
        *request.headers_mut() = invocation.headers.clone();
        request.headers_mut().remove(header::TRANSFER_ENCODING);
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(invocation.body.len()));
        if let Ok(call_id) = HeaderValue::from_str(&invocation.call_id) {
            request.headers_mut().insert(CALL_ID, call_id);
        }
        let target = if invocation.query.is_empty() { "/".to_owned() } else { format!("/?{}", invocation.query) };
        let path = crate::route::encode(&invocation.path);
        let response = match target.parse() {
            Ok(uri) => {
                *request.uri_mut() = uri;
                self.0.invoke(&invocation.function, &path, Box::new(request), None).await
            }
            Err(_) => reply::internal(StatusCode::BAD_REQUEST, "the query cannot be sent on"),
        };
        let (parts, body) = response.into_parts();
        match body.collect(self.0.options.limits.async_answer).await {
            Ok(body) => Answer { status: parts.status, headers: parts.headers, body, took: began.elapsed() },
            Err(why) => {
                let refusal = reply::internal(StatusCode::BAD_GATEWAY, String::new());
                let body = Bytes::from(format!("the function's answer: {why}"));
                Answer {
                    status: refusal.status(),
                    headers: refusal.into_parts().0.headers,
                    body,
                    took: began.elapsed(),
                }
            }
        }
    }
}
