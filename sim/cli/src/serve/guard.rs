//! Who may ask: a browser on a page of ours, and nobody that a foreign page has talked into it.
//!
//! A page of another site can make a browser send requests here. Its requests carry another `Origin` or lack our header,
//! which no page may send elsewhere without being allowed to. And a name of another site that suddenly points to this
//! machine (DNS rebinding) stands in `Host`, where only addresses, `localhost` and the name we listen on are accepted.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The header that every change must carry.
pub(crate) const OURS: &str = "x-faas-lab";

/// What a page of ours may load: its own style and script, and our answers.
const CONTENT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                       base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Refuses what is not ours, and dresses every answer.
pub(crate) async fn guard(State(listening): State<Arc<str>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&listening, request.method(), request.uri(), request.headers()) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

fn refusal(listening: &str, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").or_else(|| uri.authority().map(|authority| authority.as_str()))?;
    let Some(name) = host_name(host) else { return Some("this Host is not an address of this page\n") };
    if !is_here(name, listening) {
        return Some("this page answers to its address only, not to another name\n");
    }
    if method == Method::GET || method == Method::HEAD {
        return None;
    }
    if text(OURS) != Some("1") {
        return Some("changes need the header X-Faas-Lab: 1\n");
    }
    match headers.get("origin") {
        Some(origin) if origin.to_str().ok() != Some(format!("http://{host}").as_str()) => {
            Some("this comes from another page\n")
        }
        _ => None,
    }
}

/// A `Host` without its port.
fn host_name(host: &str) -> Option<&str> {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    (!name.is_empty()).then_some(name)
}

fn is_here(name: &str, listening: &str) -> bool {
    let address = name.parse::<IpAddr>().is_ok() || name.parse::<Ipv6Addr>().is_ok();
    address || name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(listening)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: Method, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        refusal("lab.example", &method, &Uri::from_static("/"), &map).is_some()
    }

    #[test]
    fn only_addresses_and_our_name_are_us() {
        for ours in ["127.0.0.1:8642", "localhost", "LOCALHOST:1", "[::1]:80", "192.168.1.7:99", "lab.example:8642"] {
            assert!(!refused(Method::GET, &[("host", ours)]), "{ours}");
        }
        for foreign in
            ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "localhost.evil.example", "[", ""]
        {
            assert!(refused(Method::GET, &[("host", foreign)]), "{foreign}");
        }
    }

    #[test]
    fn a_foreign_page_changes_nothing() {
        let host = ("host", "127.0.0.1:8642");
        assert!(!refused(Method::POST, &[host, (OURS, "1")]));
        assert!(!refused(Method::POST, &[host, (OURS, "1"), ("origin", "http://127.0.0.1:8642")]));
        assert!(refused(Method::POST, &[host]));
        assert!(refused(Method::POST, &[host, ("origin", "http://127.0.0.1:8642")]));
        for origin in ["http://evil.example", "null", "https://127.0.0.1:8642", "http://127.0.0.1:8643"] {
            assert!(refused(Method::POST, &[host, (OURS, "1"), ("origin", origin)]), "{origin}");
        }
    }
}
