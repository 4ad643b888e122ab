//! The function as an HTTP server: alone on a port, or behind a watchdog on a port or a Unix socket.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use faas_lab_http::{Body, Limits, Listener};
use http::{
    Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderName},
};

use crate::{
    api::{Answer, Request},
    function::Function,
    refusal::Refusal,
    room::Held,
};

/// How long a request and its answer may take: this kind of function needs long for large pictures on small machines.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// Answers requests until `shutdown` is ready, then finishes those under way.
pub async fn serve(function: Arc<Function>, listener: Listener, shutdown: impl Future<Output = ()>) {
    // No write timeout: a video lasts as long as it lasts. What it waits for is bounded frame by frame.
    let limits =
        Limits { idle_timeout: Some(TIMEOUT), drain: Some(TIMEOUT), head_bytes: 64 << 10, ..Limits::default() };
    let handler = move |request: http::Request<Body>, _peer| {
        let function = function.clone();
        async move { function.respond(request).await }
    };
    let _ = faas_lab_http::serve(listener, limits, handler, shutdown).await;
}

impl Function {
    /// Answers one request as the server does.
    pub async fn respond(self: Arc<Self>, request: http::Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let header = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let path = head.uri.path().to_owned();
        let query = head.uri.query().unwrap_or_default().to_owned();
        if path.starts_with("/_/") && head.method == Method::GET {
            return plain(Answer { status: StatusCode::OK, content_type: "text/plain", body: "OK\n".into() });
        }
        if path.trim_matches('/') == "stream" && head.method == Method::POST {
            let content_type = header(CONTENT_TYPE).unwrap_or_default();
            return self.stream(&content_type, &query, body).unwrap_or_else(|refusal| plain(refusal.into()));
        }
        let mut held = self.room.hold();
        let body = match tokio::time::timeout(TIMEOUT, self.collect(body, &mut held)).await {
            Ok(Ok(body)) => body,
            Ok(Err(refusal)) => return plain(refusal.into()),
            Err(_) => {
                let reason = format!("the body did not arrive within {TIMEOUT:?}");
                return plain(Refusal::new(StatusCode::REQUEST_TIMEOUT, reason).into());
            }
        };
        let request = Request {
            method: head.method,
            path,
            query,
            accept: header(ACCEPT),
            content_type: header(CONTENT_TYPE),
            body,
        };
        plain(self.answer(request).await)
    }

    /// The whole body, as far as there is room for it.
    async fn collect(&self, mut body: Body, held: &mut Held) -> Result<Bytes, Refusal> {
        let limit = self.settings.fetch.max_bytes;
        let too_long = || {
            let reason = format!("the body is longer than the {limit} bytes allowed (MAX_BYTES)");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
        };
        if body.length().is_some_and(|length| length > limit as u64) {
            return Err(too_long());
        }
        let mut all = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.map_err(|error| Refusal::bad_request(format!("the body broke off: {error}")))?;
            if all.len() + data.len() > limit {
                return Err(too_long());
            }
            held.add(data.len())?;
            all.extend_from_slice(&data);
        }
        Ok(all.into())
    }
}

fn plain(answer: Answer) -> Response<Body> {
    Response::builder()
        .status(answer.status)
        .header(CONTENT_TYPE, answer.content_type)
        .body(Body::full(answer.body))
        .expect("the header is plain text")
}
