//! The web UI: plain ES modules, embedded, served as they are.
//!
//! The files are open to everybody: they hold no secret. The page asks for the password itself, keeps it in memory and
//! sends it with its own calls to `/system`. A browser that never learns the password cannot be made to send it by the
//! page of another site, nor by that of a function, which lives on the same origin. The stock gateway asks here.

use faas_lab_http::Body;
use http::{HeaderName, HeaderValue, Response, header};

use crate::options::Asset;
use crate::reply;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What comes with the gateway.
pub(crate) const FILES: &[Asset] = &[
    Asset { path: "index.html", content_type: HTML, body: include_bytes!("index.html") },
    Asset { path: "style.css", content_type: "text/css; charset=utf-8", body: include_bytes!("style.css") },
    Asset { path: "icon.svg", content_type: "image/svg+xml", body: include_bytes!("icon.svg") },
    Asset { path: "app.js", content_type: SCRIPT, body: include_bytes!("app.js") },
    Asset { path: "api.js", content_type: SCRIPT, body: include_bytes!("api.js") },
    Asset { path: "dom.js", content_type: SCRIPT, body: include_bytes!("dom.js") },
    Asset { path: "list.js", content_type: SCRIPT, body: include_bytes!("list.js") },
    Asset { path: "deploy.js", content_type: SCRIPT, body: include_bytes!("deploy.js") },
    Asset { path: "invoke.js", content_type: SCRIPT, body: include_bytes!("invoke.js") },
    Asset { path: "answer.js", content_type: SCRIPT, body: include_bytes!("answer.js") },
    Asset { path: "logs.js", content_type: SCRIPT, body: include_bytes!("logs.js") },
    Asset { path: "about.js", content_type: SCRIPT, body: include_bytes!("about.js") },
];

/// Nothing but the page's own files; pictures also from memory, where a function's answer is. Text never becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

/// What the page asks first, so that it need not try in vain.
const ACCESS: &str = "access.json";

/// A file; the empty path is the page. `password`: whether `/system` asks for one.
pub(crate) fn answer(files: &'static [Asset], file: &str, password: bool) -> Response<Body> {
    let (content_type, body): (&str, &'static [u8]) = match file {
        ACCESS if password => ("application/json", br#"{"password":true}"#),
        ACCESS => ("application/json", br#"{"password":false}"#),
        file => {
            let file = if file.is_empty() { "index.html" } else { file };
            match files.iter().find(|asset| asset.path == file) {
                Some(asset) => (asset.content_type, asset.body),
                None => return reply::not_found(),
            }
        }
    };
    let mut response = Response::new(Body::full(bytes::Bytes::from_static(body)));
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_only_files_that_are_there() {
        let there = |name: &str| FILES.iter().any(|file| file.path == name);
        for file in FILES {
            let text = std::str::from_utf8(file.body).expect("they are text");
            for (mark, end) in [("from \"./", '"'), ("src=\"", '"'), ("href=\"", '"')] {
                for rest in text.split(mark).skip(1).filter(|_| file.path.ends_with("html") || mark.starts_with("from"))
                {
                    let name = rest.split(end).next().unwrap_or_default();
                    assert!(there(name), "{} names {name}", file.path);
                }
            }
        }
    }

    #[test]
    fn no_text_becomes_markup() {
        for file in FILES {
            let text = std::str::from_utf8(file.body).expect("they are text");
            for sink in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " onclick=", "style="]
            {
                assert!(!text.contains(sink), "{} has {sink}", file.path);
            }
        }
    }
}
