//! What a request line asks for. Paths are cleaned and decoded as Go's router does.

use std::borrow::Cow;

use http::Method;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// A synchronous invocation.
    Invoke(Target<'a>),
    /// An asynchronous invocation.
    InvokeLater(Target<'a>),
    /// An asynchronous invocation is taken back.
    Cancel(&'a str),
    /// Functions: list, deploy, update, delete.
    Functions,
    /// One function.
    Function(&'a str),
    /// How many replicas a function is to have.
    Scale(&'a str),
    /// Secrets: list, create, update, delete.
    Secrets,
    /// Namespaces.
    Namespaces,
    /// One namespace.
    Namespace(&'a str),
    /// What runs here.
    Info,
    /// What every function does at the moment.
    Live,
    /// Asynchronous invocations that were given up.
    DeadLetters,
    /// One of them, by its call id.
    DeadLetter(&'a str),
    /// Log lines.
    Logs,
    /// An Alertmanager's notification.
    Alert,
    /// Whether the gateway serves.
    Health,
    /// The function store.
    Store,
    /// A file of the web UI.
    Ui(&'a str),
    /// `/`, which leads to the UI.
    Root,
}

/// A function and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// `name` or `name.namespace`.
    pub function: &'a str,
    /// The path below the function with its leading slash; empty for `/function/NAME`.
    pub path: &'a str,
}

/// Why there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such path: 404.
    NotFound,
    /// A path that takes other verbs: 405.
    WrongVerb,
}

impl<'a> Route<'a> {
    /// Finds the route of a cleaned path.
    ///
    /// # Errors
    /// [`Refusal::WrongVerb`] for a known path with a verb that it does not take.
    #[inline]
    pub fn find(method: &Method, path: &'a str) -> Result<Route<'a>, Refusal> {
        if let Some(rest) = path.strip_prefix("/function/") {
            let target = Target::parse(rest).ok_or(Refusal::NotFound)?;
            return match *method {
                Method::GET
                | Method::POST
                | Method::PUT
                | Method::PATCH
                | Method::DELETE
                | Method::OPTIONS
                | Method::HEAD => Ok(Route::Invoke(target)),
                _ => Err(Refusal::WrongVerb),
            };
        }
        if let Some(rest) = path.strip_prefix("/async-function/") {
            let target = Target::parse(rest).ok_or(Refusal::NotFound)?;
            return match *method {
                Method::POST => Ok(Route::InvokeLater(target)),
                Method::DELETE if target.path.is_empty() => Ok(Route::Cancel(target.function)),
                _ => Err(Refusal::WrongVerb),
            };
        }
        let (route, verbs): (Route<'a>, &[Method]) = match path {
            "/system/functions" => (Route::Functions, &[Method::GET, Method::POST, Method::PUT, Method::DELETE]),
            "/system/secrets" => (Route::Secrets, &[Method::GET, Method::POST, Method::PUT, Method::DELETE]),
            "/system/namespaces" => (Route::Namespaces, &[Method::GET]),
            "/system/info" => (Route::Info, &[Method::GET]),
            "/system/live" => (Route::Live, &[Method::GET]),
            "/system/dead-letters" => (Route::DeadLetters, &[Method::GET]),
            "/system/logs" => (Route::Logs, &[Method::GET]),
            "/system/alert" => (Route::Alert, &[Method::POST]),
            "/healthz" => (Route::Health, &[Method::GET, Method::HEAD]),
            "/store.json" => (Route::Store, &[Method::GET, Method::HEAD]),
            "/" => (Route::Root, &[Method::GET, Method::HEAD]),
            "/ui" => (Route::Root, &[Method::GET, Method::HEAD]),
            _ => Route::with_name(path).ok_or(Refusal::NotFound)?,
        };
        if verbs.contains(method) { Ok(route) } else { Err(Refusal::WrongVerb) }
    }

    fn with_name(path: &'a str) -> Option<(Route<'a>, &'static [Method])> {
        if let Some(file) = path.strip_prefix("/ui/") {
            return Some((Route::Ui(file), &[Method::GET, Method::HEAD]));
        }
        let (kind, name) = path.strip_prefix("/system/")?.split_once('/')?;
        if kind == "dead-letters" && !name.is_empty() {
            // A call id is what its caller makes of it.
            return Some((Route::DeadLetter(name), &[Method::POST, Method::DELETE]));
        }
        if !is_name(name) {
            return None;
        }
        match kind {
            "function" => Some((Route::Function(name), &[Method::GET])),
            "scale-function" => Some((Route::Scale(name), &[Method::POST])),
            "namespace" => Some((Route::Namespace(name), &[Method::GET, Method::POST, Method::PUT, Method::DELETE])),
            _ => None,
        }
    }
}

impl<'a> Target<'a> {
    fn parse(rest: &'a str) -> Option<Target<'a>> {
        let end = rest.bytes().position(|byte| byte == b'/').unwrap_or(rest.len());
        let (function, path) = rest.split_at(end);
        is_name(function).then_some(Target { function, path })
    }
}

/// `[-a-zA-Z_0-9.]+`.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A path that routes can be found by.
#[derive(Debug, PartialEq, Eq)]
pub enum Cleaned<'a> {
    /// The path, decoded where it was encoded.
    Path(Cow<'a, str>),
    /// The path leads around; the client is sent to the straight one, which is safe to put into a header.
    Elsewhere(String),
    /// Not a path.
    Garbage,
}

/// Decodes a path and looks for detours (`//`, `.`, `..`).
#[inline]
pub fn clean(path: &str) -> Cleaned<'_> {
    if !path.starts_with('/') {
        return Cleaned::Garbage;
    }
    let bytes = path.as_bytes();
    if !bytes.contains(&b'%') {
        return if has_detours(bytes) {
            Cleaned::Elsewhere(encode(&straighten(path)))
        } else {
            Cleaned::Path(path.into())
        };
    }
    let Some(decoded) = decode(bytes) else { return Cleaned::Garbage };
    if has_detours(decoded.as_bytes()) {
        return Cleaned::Elsewhere(encode(&straighten(&decoded)));
    }
    Cleaned::Path(Cow::Owned(decoded))
}

fn has_detours(path: &[u8]) -> bool {
    let mut after_slash = false;
    for (at, byte) in path.iter().enumerate() {
        if after_slash {
            let ends = |from: usize| path.get(from).is_none_or(|byte| *byte == b'/');
            match byte {
                b'/' => return true,
                b'.' if ends(at + 1) || (path.get(at + 1) == Some(&b'.') && ends(at + 2)) => return true,
                _ => {}
            }
        }
        after_slash = *byte == b'/';
    }
    false
}

/// The path without detours; a slash at its end stays.
fn straighten(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let slash = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let end = if slash && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

/// `None` where an escape is not two hex digits, or the bytes are not UTF-8.
fn decode(path: &[u8]) -> Option<String> {
    let digit = |at: usize| path.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(byte) = path.get(at) {
        if *byte == b'%' {
            decoded.push((digit(at + 1)? * 16 + digit(at + 2)?) as u8);
            at += 3;
        } else {
            decoded.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

/// Encodes a decoded path again, as Go writes the path of a URL.
pub fn encode(path: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target<'a>(function: &'a str, path: &'a str) -> Target<'a> {
        Target { function, path }
    }

    #[test]
    fn the_three_shapes_of_an_invocation() {
        for (path, function, rest) in [
            ("/function/hello", "hello", ""),
            ("/function/hello/", "hello", "/"),
            ("/function/hello/a/b", "hello", "/a/b"),
            ("/function/hello.openfaas-fn/a", "hello.openfaas-fn", "/a"),
        ] {
            assert_eq!(Route::find(&Method::GET, path), Ok(Route::Invoke(target(function, rest))));
            let path = format!("/async-{}", &path[1..]);
            assert_eq!(Route::find(&Method::POST, &path), Ok(Route::InvokeLater(target(function, rest))));
        }
    }

    #[test]
    fn verbs_are_those_of_the_reference() {
        for (method, path, expected) in [
            (Method::GET, "/async-function/hello", Refusal::WrongVerb),
            (Method::DELETE, "/async-function/hello/x", Refusal::WrongVerb),
            (Method::PATCH, "/system/functions", Refusal::WrongVerb),
            (Method::POST, "/system/info", Refusal::WrongVerb),
            (Method::TRACE, "/function/hello", Refusal::WrongVerb),
            (Method::CONNECT, "/function/hello", Refusal::WrongVerb),
            (Method::GET, "/system/scale-function/hello", Refusal::WrongVerb),
            (Method::GET, "/metrics", Refusal::NotFound),
            (Method::GET, "/system/", Refusal::NotFound),
            (Method::GET, "/system/function/", Refusal::NotFound),
            (Method::GET, "/system/function/a/b", Refusal::NotFound),
            (Method::GET, "/function/", Refusal::NotFound),
            (Method::GET, "/function/h%llo", Refusal::NotFound),
            (Method::GET, "/function", Refusal::NotFound),
            (Method::GET, "", Refusal::NotFound),
        ] {
            assert_eq!(Route::find(&method, path), Err(expected), "{method} {path}");
        }
        assert_eq!(Route::find(&Method::DELETE, "/async-function/0b-1c"), Ok(Route::Cancel("0b-1c")));
        assert_eq!(Route::find(&Method::PUT, "/system/functions"), Ok(Route::Functions));
        assert_eq!(Route::find(&Method::POST, "/system/scale-function/a.b"), Ok(Route::Scale("a.b")));
        assert_eq!(Route::find(&Method::GET, "/ui/app.js"), Ok(Route::Ui("app.js")));
        assert_eq!(Route::find(&Method::POST, "/system/dead-letters/a b/c"), Ok(Route::DeadLetter("a b/c")));
        assert_eq!(Route::find(&Method::GET, "/system/dead-letters/x"), Err(Refusal::WrongVerb));
        assert_eq!(Route::find(&Method::GET, "/system/dead-letters/"), Err(Refusal::NotFound));
    }

    #[test]
    fn detours_are_shown_the_straight_way() {
        for (path, straight) in [
            ("/function//hello", "/function/hello"),
            ("/function/hello/../../system/functions", "/system/functions"),
            ("/function/hello/%2e%2e/other", "/function/other"),
            ("/function/hello/..%2F..%2F", "/"),
            ("/ui/../../../etc/passwd", "/etc/passwd"),
            ("/a/./b/", "/a/b/"),
            ("/..", "/"),
            ("//evil.example/", "/evil.example/"),
            ("/%2Fevil.example", "/evil.example"),
            ("/x/%0d%0aSet-Cookie:a/..", "/x/"),
            ("/x//%0d%0aa", "/x/%0D%0Aa"),
        ] {
            assert_eq!(clean(path), Cleaned::Elsewhere(straight.to_owned()), "{path}");
        }
    }

    #[test]
    fn an_encoded_slash_arrives_decoded_and_other_characters_encoded() {
        let path = |path| match clean(path) {
            Cleaned::Path(path) => encode(&path),
            other => panic!("{other:?}"),
        };
        assert_eq!(path("/function/hello/a%2Fb"), "/function/hello/a/b");
        assert_eq!(path("/function/hello/a%20b%C3%A9"), "/function/hello/a%20b%C3%A9");
        assert_eq!(path("/function/hello/a%0d%0ab"), "/function/hello/a%0D%0Ab");
        assert_eq!(path("/function/hello/..a/.b/c.."), "/function/hello/..a/.b/c..");
        for garbage in ["", "x", "*", "/%", "/%2", "/%zz", "/%ff", "/%+1"] {
            assert_eq!(clean(garbage), Cleaned::Garbage, "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn what_is_cleaned_stays_clean(path in "/([a-z./%2Ffe]|[ -~]|é){0,24}") {
            match clean(&path) {
                Cleaned::Garbage => {}
                Cleaned::Path(path) => {
                    prop_assert!(!has_detours(path.as_bytes()));
                    let encoded = encode(&path);
                    prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
                    prop_assert_eq!(clean(&encoded), Cleaned::Path(path));
                }
                Cleaned::Elsewhere(straight) => {
                    prop_assert!(straight.starts_with('/') && !straight.starts_with("//"));
                    prop_assert!(straight.bytes().all(|byte| byte.is_ascii_graphic()));
                    prop_assert!(matches!(clean(&straight), Cleaned::Path(_)), "{straight}");
                }
            }
        }

        #[test]
        fn an_invocation_keeps_all_of_its_path(name in "[-a-zA-Z_0-9.]{1,9}", rest in "(/[ -~]{0,20})?") {
            let path = format!("/function/{name}{rest}");
            prop_assert_eq!(Route::find(&Method::POST, &path), Ok(Route::Invoke(target(&name, &rest))));
        }

        #[test]
        fn no_path_panics(method in "[A-Z]{1,8}", path in "\\PC{0,40}") {
            let method = Method::from_bytes(method.as_bytes()).expect("letters make a method");
            let _ = Route::find(&method, &path);
            let _ = clean(&path);
        }
    }
}
