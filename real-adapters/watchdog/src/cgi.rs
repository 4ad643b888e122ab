//! What a process per call learns of its request: environment variables, as from of-watchdog and the classic one.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::config::{Config, Mode};

/// The function's environment for a call. `None` if the path cannot be in one, as it contains a zero byte.
pub(crate) fn environment(config: &Config, request: &Parts) -> Option<BTreeMap<OsString, OsString>> {
    let mut variables = config.environment.clone();
    if config.mode == Mode::Classic && !config.cgi_headers {
        return Some(variables);
    }
    for name in request.headers.keys() {
        // A chunked body's framing is told below, the host only by the classic one.
        if name == HOST || name == TRANSFER_ENCODING {
            continue;
        }
        let variable = format!("Http_{}", canonical(name.as_str()).replace('-', "_"));
        if let Some(value) = request.headers.get(name) {
            variables.insert(variable.into(), OsStr::from_bytes(value.as_bytes()).to_owned());
        }
    }
    // Written after the headers: a header named `Path` must not pass for the path.
    let path = percent_decode_str(request.uri.path()).collect::<Vec<u8>>();
    if path.contains(&0) {
        return None;
    }
    variables.insert("Http_Method".into(), request.method.as_str().into());
    variables.insert("Http_Path".into(), OsString::from_vec(path));
    set_or_remove(&mut variables, "Http_Query", request.uri.query().filter(|query| !query.is_empty()));
    let chunked = request.headers.contains_key(TRANSFER_ENCODING).then_some("chunked");
    set_or_remove(&mut variables, "Http_Transfer_Encoding", chunked);
    if config.mode == Mode::Classic {
        let text = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        set_or_remove(&mut variables, "Http_Host", text(HOST));
        set_or_remove(&mut variables, "Http_ContentLength", text(CONTENT_LENGTH));
    }
    Some(variables)
}

fn set_or_remove(variables: &mut BTreeMap<OsString, OsString>, name: &str, value: Option<&str>) {
    match value {
        Some(value) => variables.insert(name.into(), value.into()),
        None => variables.remove(OsStr::new(name)),
    };
}

/// `x-call-id` as Go writes it: `X-Call-Id`.
fn canonical(name: &str) -> String {
    let mut capital = true;
    name.chars()
        .map(|c| {
            let c = if capital { c.to_ascii_uppercase() } else { c };
            capital = c == '-';
            c
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use proptest::prelude::*;

    fn config(mode: &str) -> Config {
        let variables = [("fprocess", "env"), ("mode", mode), ("KEPT", "1"), ("watchdog_parent", "1")];
        Config::from_variables(variables.map(|(name, value)| (name.into(), value.into()))).expect("a configuration")
    }

    fn told(mode: &str, request: http::request::Builder) -> BTreeMap<String, String> {
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let text = |text: OsString| text.into_string().expect("text");
        environment(&config(mode), &parts).expect("no zero byte").into_iter().map(|(n, v)| (text(n), text(v))).collect()
    }

    #[test]
    fn tells_what_of_watchdog_tells() {
        let request = Request::post("/a%20b/c?x=%201&y").header("x-call-id", "1").header("x-call-id", "2");
        let told = told("streaming", request.header("content-length", "5").header("host", "h").header("path", "/fake"));
        let expected = [
            ("KEPT", "1"),
            ("Http_X_Call_Id", "1"),
            ("Http_Content_Length", "5"),
            ("Http_Method", "POST"),
            ("Http_Path", "/a b/c"),
            ("Http_Query", "x=%201&y"),
        ];
        for (name, value) in expected {
            assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
        }
        for absent in ["Http_Host", "Http_Transfer_Encoding", "watchdog_parent", "Http_ContentLength"] {
            assert_eq!(told.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn headers_cannot_pass_for_a_query_or_a_framing() {
        let told =
            told("classic", Request::get("/").header("query", "x").header("contentlength", "9").header("host", "h"));
        assert_eq!(told.get("Http_Query"), None);
        assert_eq!(told.get("Http_ContentLength"), None);
        assert_eq!(told.get("Http_Host").map(String::as_str), Some("h"));
    }

    #[test]
    fn a_zero_byte_fits_in_no_environment() {
        let (parts, ()) = Request::get("/a%00b").body(()).expect("a request").into_parts();
        assert_eq!(environment(&config("streaming"), &parts), None);
    }

    proptest! {
        #[test]
        fn survives_any_head(name in "[a-z!#$%&'*+.^_`|~0-9-]{1,20}", value in "[\\PC\t]{0,20}", path in "/[!-~&&[^#<>\"`{}\\\\^|]]{0,30}") {
            let request = Request::get(path).header(name, value.as_bytes());
            if let Ok(request) = request.body(()) {
                let (parts, ()) = request.into_parts();
                for (name, value) in environment(&config("classic"), &parts).unwrap_or_default() {
                    prop_assert!(!name.is_empty() && !name.as_bytes().contains(&b'=') || name.as_bytes().starts_with(b"Http_"));
                    prop_assert!(!value.as_bytes().contains(&0));
                }
            }
        }
    }
}
