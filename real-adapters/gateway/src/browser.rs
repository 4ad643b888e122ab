//! What browsers may not be tricked into: changes to `/system` by the pages of other sites.
//!
//! A browser that knows a password for this gateway sends it along with whatever a page anywhere submits to it. It also
//! says where such a request comes from; faas-cli, curl and other programs say nothing of the kind, and pass.

use faas_lab_http::Body;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};

use crate::reply;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The answer to a request that would change something and that another site's page has made.
pub(crate) fn refuse_foreign(request: &Request<Body>) -> Option<Response<Body>> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    (!reads && is_foreign(request.headers())).then(|| {
        reply::text(
            StatusCode::FORBIDDEN,
            "this request comes from a page of another site: changes are taken from the gateway's own pages, and from \
             programs, which send neither Origin nor Sec-Fetch-Site",
        )
    })
}

fn is_foreign(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        // `none` is a person's own doing, such as an address that was typed.
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    // Over plain HTTP browsers leave the above out, except towards their own machine.
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let Some(origin) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else { return true };
    // A page cannot set X-Forwarded-Host without asking first, and is not given leave.
    let hosts = [headers.get(header::HOST), headers.get(FORWARDED_HOST)];
    !hosts.into_iter().flatten().any(|host| host.as_bytes().eq_ignore_ascii_case(origin.1.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, http::HeaderValue::from_static(value));
        }
        is_foreign(&headers)
    }

    #[test]
    fn programs_and_our_own_pages_pass() {
        assert!(!foreign(&[("host", "lab:8080")]));
        assert!(!foreign(&[("host", "lab:8080"), ("origin", "http://lab:8080")]));
        assert!(!foreign(&[("host", "LAB"), ("origin", "https://lab")]));
        assert!(!foreign(&[("host", "gateway:8080"), ("x-forwarded-host", "lab"), ("origin", "https://lab")]));
        assert!(!foreign(&[("host", "inner"), ("origin", "https://lab"), ("sec-fetch-site", "same-origin")]));
        assert!(!foreign(&[("sec-fetch-site", "none")]));
    }

    #[test]
    fn pages_of_other_sites_do_not() {
        assert!(foreign(&[("host", "lab:8080"), ("origin", "http://evil")]));
        assert!(foreign(&[("host", "lab:8080"), ("origin", "http://lab:9090")]), "another port is another site");
        assert!(foreign(&[("host", "lab"), ("origin", "null")]), "as from a sandboxed frame");
        assert!(foreign(&[("host", "lab"), ("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("host", "lab"), ("origin", "http://lab"), ("sec-fetch-site", "same-site")]));
        assert!(foreign(&[("origin", "http://lab")]), "no host is nobody's host");
    }
}
