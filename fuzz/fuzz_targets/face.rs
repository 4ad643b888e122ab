//! What strangers send to the face function: a request with its body, read, decoded, searched for faces, annotated.
//!
//! An input is a request: method, path and query in its first line, Accept in the second, Content-Type in the third, and
//! the body after them. One that begins like a picture is posted as it is, for the annotated picture. Nothing is fetched:
//! addresses are only looked at.

#![no_main]

use std::sync::{Arc, LazyLock};

use faas_lab_face::{api, function::Function, settings::Settings};
use faas_lab_http::Body;
use http::{Method, Request, StatusCode, header};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

static FUNCTION: LazyLock<Arc<Function>> = LazyLock::new(|| {
    // With the models where FACE_MODELS says that they are, else without. Small limits keep the fuzzer quick.
    let settings = Settings::from_variables(|name| match name {
        "FACE_MODELS" => Some(std::env::var(name).unwrap_or_else(|_| "no-models".to_owned())),
        "FACE_PEOPLE" => Some(std::env::temp_dir().join("faas-lab-fuzzed-people").display().to_string()),
        "MAX_PIXELS" => Some("65536".to_owned()),
        "MAX_BYTES" => Some("200000".to_owned()),
        _ => None,
    });
    Arc::new(Function::new(settings.expect("valid settings")))
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().max_blocking_threads(2).build().expect("a runtime"));

fuzz_target!(|input: &[u8]| {
    let is_picture = [&b"\xff\xd8\xff"[..], b"\x89PNG", b"RIFF"].iter().any(|start| input.starts_with(start));
    let [line, accept, content_type, body] = match is_picture {
        true => [&b"POST /?min_size=20"[..], b"image/jpeg", b"image/*", input],
        false => lines(input),
    };
    let mut words = line.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(words.next().unwrap_or_default()).unwrap_or(Method::POST);
    let mut request = Request::builder().method(method).uri(words.next().unwrap_or(b"/"));
    for (name, value) in [(header::ACCEPT, accept), (header::CONTENT_TYPE, content_type)] {
        if !value.is_empty() {
            request = request.header(name, value);
        }
    }
    // What cannot be put into a request line or a header does not come this far.
    let Ok(request) = request.body(Body::full(body.to_vec())) else { return };
    let json = std::str::from_utf8(content_type).ok();
    if let Ok(Some(addresses)) = api::addresses(json, body) {
        for address in addresses {
            let _ = FUNCTION.fetcher.checked(&address, None);
        }
        return;
    }
    let (status, answer) = RUNTIME.block_on(async {
        let response = FUNCTION.clone().respond(request).await;
        (response.status(), response.into_body().collect(1 << 30).await)
    });
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{}", String::from_utf8_lossy(&answer.unwrap_or_default()));
});

/// The first three lines, and what follows them.
fn lines(input: &[u8]) -> [&[u8]; 4] {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    std::array::from_fn(|_| lines.next().unwrap_or_default())
}
