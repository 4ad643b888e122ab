//! The head of a request on its way through: what is for one hop only goes, what a hop adds is there, and the target is
//! one that an origin can be asked for.
//!
//! The first line is a method and a target, the others are headers.

#![no_main]

use std::net::SocketAddr;

use faas_lab_http::forward::{X_FORWARDED_FOR, add_forwarded, origin_form, remove_hop_by_hop};
use http::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        request = request.header(name, value.trim());
    }
    let Ok(mut request) = request.body(()) else { return };
    let host = request.headers().get("host").cloned();
    let length = request.headers().get("content-length").cloned();
    remove_hop_by_hop(request.headers_mut());
    add_forwarded(&mut request, Some(SocketAddr::from(([127, 0, 0, 1], 1))));
    let headers = request.headers();
    for gone in ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert_eq!((headers.get("host"), headers.get("content-length")), (host.as_ref(), length.as_ref()));
    assert!(headers.contains_key(X_FORWARDED_FOR));
    let asked = origin_form(request.uri());
    assert!(asked.path().starts_with('/') && asked.authority().is_none() && asked.scheme().is_none());
});
