//! A function's log, line by line as JSON, flushed as the lines come. The stream ends when its reader goes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use faas_lab_http::Body;
use faas_lab_provider::LogStream;
use faas_lab_provider::api::LogQuery;
use futures_core::Stream;
use http::{HeaderValue, Request, Response, StatusCode, header};
use jiff::Timestamp;

use super::{Refused, function_name, query, refused};
use crate::gateway::Inner;
use crate::reply;

impl Inner {
    pub(super) async fn logs(&self, request: &Request<Body>) -> Result<Response<Body>, Refused> {
        let query = log_query(request).map_err(|why| reply::text(StatusCode::BAD_REQUEST, why))?;
        let lines = self.provider.logs(query).await.map_err(|why| refused(&why, StatusCode::BAD_REQUEST))?;
        let mut response = Response::new(Body::stream(Lines { lines, ended: false }));
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        Ok(response)
    }
}

fn log_query(request: &Request<Body>) -> Result<LogQuery, String> {
    let Some(name) = query(request, "name").filter(|name| !name.is_empty()) else {
        return Err("logs: name: is required".to_owned());
    };
    let tail = match query(request, "tail").filter(|tail| !tail.is_empty()) {
        None => None,
        Some(tail) => match tail.parse::<i64>() {
            Ok(tail) => usize::try_from(tail).ok().filter(|tail| *tail > 0),
            Err(_) => return Err(format!("logs: tail {tail:?} is not a number of lines")),
        },
    };
    let since = match query(request, "since").filter(|since| !since.is_empty()) {
        None => None,
        Some(since) => match since.parse::<Timestamp>() {
            Ok(at) => Some(SystemTime::from(at)),
            Err(_) => return Err(format!("logs: since {since:?} is not a time as in 2006-01-02T15:04:05Z")),
        },
    };
    let follow =
        query(request, "follow").is_some_and(|follow| matches!(follow.as_str(), "1" | "true" | "True" | "TRUE"));
    let instance = query(request, "instance").filter(|instance| !instance.is_empty());
    Ok(LogQuery { function: function_name(&name, request), instance, tail, since, follow })
}

/// Lines as NDJSON; the lines that are there at once go out together.
struct Lines {
    lines: LogStream,
    ended: bool,
}

/// Bytes that are put together before they are sent.
const TOGETHER: usize = 16 << 10;

impl Stream for Lines {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut text = Vec::new();
        while text.len() < TOGETHER && !self.ended {
            match self.lines.as_mut().poll_next(cx) {
                Poll::Ready(Some(line)) => {
                    if serde_json::to_writer(&mut text, &line).is_ok() {
                        text.push(b'\n');
                    }
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Pending if text.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if text.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(text.into())))
    }
}
