//! A call as functions see it, and what they answer.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

use crate::printr::Printr;

/// A call with its whole body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// The last value that the query gives to `name`, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let pairs = url::form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        pairs.filter(|(key, _)| key == name).last().map(|(_, value)| value)
    }

    /// A header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a function answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Content,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content {
    /// There at once.
    Whole(Bytes),
    /// Lines that come one by one.
    Lines(Printr),
}

impl Answer {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Answer { status, headers, body: Content::Whole(body.into()) }
    }

    /// 200 with text.
    pub(crate) fn text(body: impl Into<Bytes>) -> Answer {
        Answer::new(StatusCode::OK, "text/plain; charset=utf-8", body)
    }

    /// 200 with JSON.
    pub(crate) fn json(value: &serde_json::Value) -> Answer {
        Answer::new(StatusCode::OK, "application/json", format!("{value}\n"))
    }

    /// An error, with its reason as text.
    pub(crate) fn refuse(status: StatusCode, reason: impl AsRef<str>) -> Answer {
        Answer::new(status, "text/plain; charset=utf-8", format!("{}\n", reason.as_ref()))
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.headers.insert(name, value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_its_last_value_counts() {
        let call =
            Call { uri: Uri::from_static("/x?a=1&b=x%20y+z&a=2"), headers: HeaderMap::new(), body: Bytes::new() };
        assert_eq!(call.query("a").as_deref(), Some("2"));
        assert_eq!(call.query("b").as_deref(), Some("x y z"));
        assert_eq!(call.query("c"), None);
    }
}
