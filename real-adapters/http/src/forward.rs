//! The rules of passing messages on: which headers are for one hop only, and what a hop adds.

use std::net::SocketAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Uri};

/// Headers between two neighbours (RFC 9110 §7.6.1, and those that browsers and Go's proxies know).
const HOP_BY_HOP: [HeaderName; 9] = [
    HeaderName::from_static("connection"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("te"),
    HeaderName::from_static("trailer"),
    HeaderName::from_static("transfer-encoding"),
    HeaderName::from_static("upgrade"),
];

/// The host that the client asked for.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The client's address.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Who refused, when it was not the function.
pub const INTERNAL: HeaderName = HeaderName::from_static("x-openfaas-internal");
/// How long the function took, in seconds.
pub const SECONDS: HeaderName = HeaderName::from_static("x-duration-seconds");
/// A call's id.
pub const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");

/// Removes the headers that are for one hop only, those that `Connection` names among them.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        // Host and length belong to the message, whatever a client says: without them the next hop reads another one.
        for name in named.into_iter().filter(|name| *name != HOST && *name != CONTENT_LENGTH) {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Adds `X-Forwarded-Host` and `X-Forwarded-For` (`ip:port`) where they are absent.
pub fn add_forwarded<B>(request: &mut Request<B>, peer: Option<SocketAddr>) {
    if !request.headers().contains_key(X_FORWARDED_HOST) {
        let host =
            request.headers().get(HOST).cloned().or_else(|| {
                request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
            });
        if let Some(host) = host {
            request.headers_mut().insert(X_FORWARDED_HOST, host);
        }
    }
    if let Some(peer) = peer
        && !request.headers().contains_key(X_FORWARDED_FOR)
    {
        let peer = HeaderValue::from_str(&peer.to_string()).expect("an address is made of digits, dots and colons");
        request.headers_mut().insert(X_FORWARDED_FOR, peer);
    }
}

/// The target as one asks the origin for it, `/path?query`, whatever form it came in.
pub fn origin_form(uri: &Uri) -> Uri {
    // From its parts: as a whole, what follows an authority may have no path, or be nothing where a fragment was.
    let target = uri.path_and_query().filter(|target| target.path().starts_with('/')).and_then(|target| {
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", target.path()).parse().ok()
    });
    target.unwrap_or_else(|| PathAndQuery::from_static("/")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_what_is_for_one_hop() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret, Content-Length, host"),
            ("connection", "x-second"),
            ("x-secret", "1"),
            ("x-second", "1"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "timeout=5"),
            ("content-length", "5"),
            ("host", "h"),
            ("authorization", "Basic x"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "content-length", "host"]);
    }

    #[test]
    fn keeps_a_forwarded_address_that_is_there() {
        let mut request = Request::builder().uri("/").header(HOST, "a:80").body(()).expect("a request");
        let peer: SocketAddr = "10.0.0.1:99".parse().expect("an address");
        add_forwarded(&mut request, Some(peer));
        assert_eq!(request.headers()[X_FORWARDED_HOST], "a:80");
        assert_eq!(request.headers()[X_FORWARDED_FOR], "10.0.0.1:99");
        request.headers_mut().insert(X_FORWARDED_FOR, HeaderValue::from_static("first"));
        add_forwarded(&mut request, Some(peer));
        assert_eq!(request.headers()[X_FORWARDED_FOR], "first");
    }

    #[test]
    fn asks_the_origin_for_path_and_query() {
        for (uri, asked) in [
            ("http://h/p?q", "/p?q"),
            ("/p%2F", "/p%2F"),
            ("/p?q#f", "/p?q"),
            ("http://h", "/"),
            ("http://h?q", "/?q"),
            ("http://h#f", "/"),
            ("http://h?q#f", "/?q"),
            ("://z:#f", "/"),
            ("*", "/"),
            ("h:80", "/"),
        ] {
            assert_eq!(origin_form(&uri.parse().expect("a URI")).to_string(), asked, "{uri}");
        }
    }
}
