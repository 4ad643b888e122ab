//! What calls carry: method, headers, path and body. Which body a call gets follows from its number alone, so that every
//! shard and every repetition of a run sends the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use faas_lab_model::rng::{Seed, Uniforms as _};
use faas_lab_model::scenario::{Body, Function, Invocation, Workload};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use reqwest::Request;
use thiserror::Error;
use url::Url;

use crate::births::{Births, Template};
use crate::picture;
use crate::target::Platform;

/// The most that bodies may take together: they are kept in memory.
const MOST_BYTES: u64 = 1 << 30;

/// Random bodies are pieces of one block that is longer by this: so many of them differ.
const SPREAD: u64 = 4096;

/// What a user says of calls.
#[derive(Clone, Debug, Default)]
pub struct PayloadOptions {
    /// The method; otherwise POST, or GET where there is no body and the platform is a plain server.
    pub method: Option<String>,
    /// Each `NAME: VALUE`.
    pub headers: Vec<String>,
    /// The path and query below the function: `/a?b=c`, with the same places as a text.
    pub path: Option<String>,
    /// Where bodies come from.
    pub body: BodySource,
}

/// Where bodies come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BodySource {
    /// What the workload says, else random bytes of its `request` size.
    #[default]
    Workload,
    /// This text. `{wait}`, `{demand}`, `{wait_ms}` and `{demand_ms}` in it stand for what the simulated request is born with.
    Text(String),
    /// A file as it is.
    File(PathBuf),
    /// The files of a folder in turn, in the order of their names.
    Folder(PathBuf),
}

impl BodySource {
    /// As `--data` takes it: a text.
    pub fn data(text: &str) -> BodySource {
        BodySource::Text(text.to_owned())
    }

    /// As `--data-binary` takes it: `@FILE` or `@FOLDER`, or a text.
    pub fn data_binary(text: &str) -> BodySource {
        match text.strip_prefix('@') {
            Some(path) if Path::new(path).is_dir() => BodySource::Folder(path.into()),
            Some(path) => BodySource::File(path.into()),
            None => BodySource::data(text),
        }
    }
}

/// Why calls cannot be made so.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// No method.
    #[error("{0:?} is no HTTP method: write one such as GET or POST")]
    Method(String),
    /// No header.
    #[error("{0:?} is no header: write NAME: VALUE, such as 'Accept: application/json'")]
    Header(String),
    /// A header that belongs to the connection.
    #[error("the header {0} follows from the body and the connection: leave it out")]
    Framing(HeaderName),
    /// No path.
    #[error(
        "{0:?} is no path: begin with a slash, write characters beyond ASCII as %XX, and {{wait}} and the like after the ?"
    )]
    Path(String),
    /// A file that cannot be read.
    #[error("cannot read {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A folder without files.
    #[error("{0} holds no file: every file in it is a body")]
    Empty(PathBuf),
    /// Too much.
    #[error("{path}: {bytes} bytes are more than the {MOST_BYTES} that bodies may have together")]
    TooLarge {
        /// Where they are.
        path: PathBuf,
        /// How many.
        bytes: u64,
    },
    /// A picture that cannot be drawn.
    #[error("the picture of workload {workload} cannot be drawn: {error}")]
    Picture {
        /// Name of the workload.
        workload: String,
        /// Why.
        error: image::ImageError,
    },
    /// The platform has no such invocation.
    #[error("{platform} has no asynchronous invocations: set `invocation = \"sync\"` for workload {workload}")]
    Asynchronous {
        /// Name of the platform.
        platform: &'static str,
        /// Name of the workload.
        workload: String,
    },
}

/// The calls of one workload, ready to be made.
#[derive(Clone, Debug)]
pub struct Calls {
    url: Url,
    method: Method,
    headers: HeaderMap,
    bodies: Bodies,
    /// The path and query, where they differ from call to call.
    path: Option<Template>,
    births: Arc<Births>,
}

#[derive(Clone, Debug)]
enum Bodies {
    /// Body k mod n.
    InTurn(Vec<Bytes>),
    /// A text that differs from call to call.
    Born(Template),
    /// Pieces of a random block.
    Random { block: Bytes, length: usize },
}

impl Calls {
    /// The calls of `workload` of `function` on `platform`, under the scenario's `seed`.
    ///
    /// # Errors
    /// What is wrong with the options, or with the files that they name.
    pub fn new(
        platform: &dyn Platform,
        function: &Function,
        workload: &Workload,
        options: &PayloadOptions,
        seed: Seed,
    ) -> Result<Calls, PayloadError> {
        let births = Arc::new(Births::new(workload, function, seed));
        let function = function.name.as_str();
        if !platform.takes(workload.invocation) {
            return Err(PayloadError::Asynchronous { platform: platform.name(), workload: workload.name.clone() });
        }
        let bodies = Bodies::new(&options.body, workload, seed)?;
        let method = match &options.method {
            Some(text) => {
                let upper = text.to_ascii_uppercase();
                Method::from_bytes(upper.as_bytes()).map_err(|_| PayloadError::Method(text.clone()))?
            }
            None if bodies.are_empty() && !platform.posts() => Method::GET,
            None => Method::POST,
        };
        let mut headers = platform.headers(function);
        if !bodies.are_empty() {
            headers.insert(header::CONTENT_TYPE, kind(&options.body, workload));
        }
        for text in &options.headers {
            let (name, value) = parse_header(text)?;
            headers.insert(name, value);
        }
        let mut url = platform.url(function, workload.invocation);
        let path = options.path.as_deref().and_then(Template::new);
        if let Some(written) = &options.path {
            // Places are filled in at each call, and only within the query.
            let (before, _) = written.split_once('?').unwrap_or((written, ""));
            if Template::new(before).is_some() {
                return Err(PayloadError::Path(written.clone()));
            }
            let first = path.as_ref().map(|path| path.with(births.of(0)));
            url = with_path(&url, first.as_deref().unwrap_or(written))?;
        }
        Ok(Calls { url, method, headers, bodies, path, births })
    }

    /// Where they go.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The body of call `number`.
    pub fn body(&self, number: u64) -> Bytes {
        self.bodies.of(number, &self.births)
    }

    /// Call `number`.
    pub fn request(&self, number: u64) -> Request {
        let mut url = self.url.clone();
        if let Some(path) = &self.path {
            let text = path.with(self.births.of(number));
            url.set_query(text.split_once('?').map(|(_, query)| query));
        }
        let mut request = Request::new(self.method.clone(), url);
        *request.headers_mut() = self.headers.clone();
        let body = self.body(number);
        // A POST says its length even if it is zero; some servers wait for a body otherwise.
        if !body.is_empty() || !matches!(self.method, Method::GET | Method::HEAD) {
            *request.body_mut() = Some(body.into());
        }
        request
    }
}

/// What a body is said to be, where no header says otherwise.
fn kind(source: &BodySource, workload: &Workload) -> HeaderValue {
    HeaderValue::from_static(match (source, &workload.body) {
        (BodySource::Text(_), _) | (BodySource::Workload, Some(Body::Text(_))) => "text/plain; charset=utf-8",
        (BodySource::Workload, Some(Body::Picture { .. })) => "image/jpeg",
        _ => "application/octet-stream",
    })
}

impl Bodies {
    fn new(source: &BodySource, workload: &Workload, seed: Seed) -> Result<Bodies, PayloadError> {
        Ok(match source {
            BodySource::Text(text) => Bodies::text(text),
            BodySource::File(path) => Bodies::InTurn(vec![read(path, &mut 0)?]),
            BodySource::Folder(path) => Bodies::InTurn(folder(path)?),
            BodySource::Workload => match &workload.body {
                Some(Body::Text(text)) => Bodies::text(text),
                Some(Body::Picture { width, height }) => Bodies::InTurn(vec![drawn(*width, *height, workload)?]),
                None => Bodies::random(workload, seed)?,
            },
        })
    }

    fn text(text: &str) -> Bodies {
        match Template::new(text) {
            Some(template) => Bodies::Born(template),
            None => Bodies::InTurn(vec![Bytes::copy_from_slice(text.as_bytes())]),
        }
    }

    fn random(workload: &Workload, seed: Seed) -> Result<Bodies, PayloadError> {
        let length = workload.request.0;
        if length > MOST_BYTES {
            let path = PathBuf::from(format!("workload.{}.request", workload.name));
            return Err(PayloadError::TooLarge { path, bytes: length });
        }
        Ok(Bodies::Random { block: random(length, seed, &workload.name), length: length as usize })
    }

    fn are_empty(&self) -> bool {
        match self {
            Bodies::InTurn(bodies) => bodies.iter().all(Bytes::is_empty),
            Bodies::Born(_) => false,
            Bodies::Random { length, .. } => *length == 0,
        }
    }

    fn of(&self, number: u64, births: &Births) -> Bytes {
        match self {
            Bodies::Born(template) => template.with(births.of(number)).into(),
            Bodies::InTurn(bodies) => bodies[(number % bodies.len() as u64) as usize].clone(),
            Bodies::Random { length: 0, .. } => Bytes::new(),
            Bodies::Random { block, length } => {
                let from = (number % SPREAD) as usize;
                block.slice(from..from + length)
            }
        }
    }
}

fn drawn(width: u32, height: u32, workload: &Workload) -> Result<Bytes, PayloadError> {
    let failed = |error| PayloadError::Picture { workload: workload.name.clone(), error };
    picture::jpeg(width, height).map(Bytes::from).map_err(failed)
}

/// Bytes that no compression on the way makes smaller.
fn random(length: u64, seed: Seed, workload: &str) -> Bytes {
    if length == 0 {
        return Bytes::new();
    }
    let mut stream = seed.stream(&format!("workload/{workload}/body"));
    let words = (length + SPREAD).div_ceil(8);
    (0..words).flat_map(|_| stream.bits().to_le_bytes()).collect()
}

fn read(path: &Path, total: &mut u64) -> Result<Bytes, PayloadError> {
    let failed = |error| PayloadError::File { path: path.to_owned(), error };
    let length = fs::metadata(path).map_err(failed)?.len();
    *total += length;
    if *total > MOST_BYTES {
        return Err(PayloadError::TooLarge { path: path.to_owned(), bytes: *total });
    }
    Ok(fs::read(path).map_err(failed)?.into())
}

/// Hidden files and folders in it are passed over.
fn folder(path: &Path) -> Result<Vec<Bytes>, PayloadError> {
    let failed = |error| PayloadError::File { path: path.to_owned(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(PayloadError::Empty(path.to_owned()));
    }
    let mut total = 0;
    files.iter().map(|file| read(file, &mut total)).collect()
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), PayloadError> {
    let wrong = || PayloadError::Header(text.to_owned());
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    let framing = [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::TE,
        header::UPGRADE,
        header::EXPECT,
    ];
    if framing.contains(&name) {
        return Err(PayloadError::Framing(name));
    }
    Ok((name, value))
}

fn with_path(url: &Url, path: &str) -> Result<Url, PayloadError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !path.starts_with(['/', '?']) || !path.bytes().all(plain) {
        return Err(PayloadError::Path(path.to_owned()));
    }
    Ok(crate::target::below(url, path))
}

/// The header by which a gateway is asked to post the answer back.
pub fn with_callback(request: &mut Request, invocation: Invocation, callback: &HeaderValue, call_id: &str) {
    if invocation == Invocation::Async {
        request.headers_mut().insert("x-callback-url", callback.clone());
        if let Ok(call_id) = HeaderValue::from_str(call_id) {
            request.headers_mut().insert("x-call-id", call_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::fixtures;
    use faas_lab_model::units;

    use super::*;
    use crate::target::{Kind, OpenFaas, Target, TargetOptions};

    fn workload(request: u64) -> Workload {
        let mut workload = fixtures::scenario().workloads[0].clone();
        workload.request = units::Bytes(request);
        workload
    }

    fn function(name: &str) -> Function {
        Function { name: name.to_owned(), ..fixtures::scenario().functions[0].clone() }
    }

    fn calls(request: u64, options: &PayloadOptions) -> Result<Calls, PayloadError> {
        Calls::new(&OpenFaas::default(), &function("hello"), &workload(request), options, Seed(7))
    }

    #[test]
    fn a_call_carries_what_the_simulated_request_is_born_with() {
        let (scenario, seed) = (fixtures::scenario(), Seed(7));
        let births = Births::new(&scenario.workloads[0], &scenario.functions[0], seed);
        let path = Some("/?ms={demand_ms}".to_owned());
        let born = PayloadOptions { path, ..options(BodySource::data("{wait} {demand}")) };
        let calls = calls(0, &born).expect("valid");
        for number in [0, 5, 2] {
            let text = Template::new("{wait} {demand}").expect("a template").with(births.of(number));
            assert_eq!(calls.body(number), text);
            let query = Template::new("ms={demand_ms}").expect("a template").with(births.of(number));
            assert_eq!(calls.request(number).url().query(), Some(query.as_str()));
        }
        let misplaced = PayloadOptions { path: Some("/{wait}".to_owned()), ..PayloadOptions::default() };
        assert!(matches!(super::tests::calls(0, &misplaced), Err(PayloadError::Path(_))));
    }

    fn options(body: BodySource) -> PayloadOptions {
        PayloadOptions { body, ..PayloadOptions::default() }
    }

    #[test]
    fn random_bodies_have_the_size_and_repeat_with_the_number() {
        let (one, again) = (calls(1000, &options(BodySource::Workload)), calls(1000, &options(BodySource::Workload)));
        let (one, again) = (one.expect("valid"), again.expect("valid"));
        for number in [0, 1, 2, 4095, u64::MAX] {
            assert_eq!(one.body(number).len(), 1000);
            assert_eq!(one.body(number), again.body(number));
        }
        assert_ne!(one.body(0), one.body(1));
        assert_eq!(one.method(), Method::POST);
        let request = one.request(5);
        assert_eq!(request.body().and_then(reqwest::Body::as_bytes), Some(&one.body(5)[..]));
        assert_eq!(request.headers()[header::CONTENT_TYPE], "application/octet-stream");
        let nothing = calls(0, &options(BodySource::Workload)).expect("valid");
        assert!(nothing.body(3).is_empty() && nothing.request(3).headers().is_empty());
    }

    #[test]
    fn a_workload_says_what_its_calls_carry_unless_a_flag_does() {
        let with = |body: Body, options: &PayloadOptions| {
            let workload = Workload { body: Some(body), ..workload(1000) };
            Calls::new(&OpenFaas::default(), &function("hello"), &workload, options, Seed(7)).expect("valid")
        };
        let (silent, kind) = (PayloadOptions::default(), header::CONTENT_TYPE);
        let picture = with(Body::Picture { width: 64, height: 48 }, &silent);
        assert!(picture.body(0).starts_with(&[0xff, 0xd8]) && picture.body(0) == picture.body(9));
        assert_eq!(picture.request(0).headers()[&kind], "image/jpeg");
        let text = with(Body::Text("{wait}".into()), &silent);
        assert_ne!(text.body(0), "{wait}");
        assert_eq!(text.request(0).headers()[&kind], "text/plain; charset=utf-8");
        assert_eq!(with(Body::Text("no".into()), &options(BodySource::data("yes"))).body(0), "yes");
    }

    #[test]
    fn a_folder_is_gone_through_by_the_number() {
        let home = tempfile::tempdir().expect("a folder");
        for (name, text) in [("b.jpg", "bb"), ("a.jpg", "a"), (".hidden", "x")] {
            fs::write(home.path().join(name), text).expect("written");
        }
        fs::create_dir(home.path().join("sub")).expect("a folder");
        let source = BodySource::data_binary(&format!("@{}", home.path().display()));
        assert_eq!(source, BodySource::Folder(home.path().into()));
        let calls = calls(0, &options(source)).expect("valid");
        let bodies: Vec<_> = (0..5).map(|number| calls.body(number)).collect();
        assert_eq!(bodies, ["a", "bb", "a", "bb", "a"]);
        let empty = BodySource::Folder(home.path().join("sub"));
        assert!(matches!(super::tests::calls(0, &options(empty)), Err(PayloadError::Empty(_))));
        let missing = BodySource::data_binary(&format!("@{}", home.path().join("no.jpg").display()));
        assert!(matches!(super::tests::calls(0, &options(missing)), Err(PayloadError::File { .. })));
    }

    #[test]
    fn what_is_written_is_sent() {
        let options = PayloadOptions {
            method: Some("put".into()),
            headers: vec!["Content-Type: image/jpeg".into(), "X-Key:a:b ".into()],
            path: Some("/deep?x=1".into()),
            body: BodySource::data("hi"),
        };
        let request = calls(9, &options).expect("valid").request(0);
        assert_eq!(
            (request.method(), request.url().as_str()),
            (&Method::PUT, "http://127.0.0.1:8080/function/hello/deep?x=1")
        );
        assert_eq!(
            (&request.headers()["content-type"], &request.headers()["x-key"]),
            (&HeaderValue::from_static("image/jpeg"), &HeaderValue::from_static("a:b"))
        );
        assert_eq!(request.body().and_then(reqwest::Body::as_bytes), Some(&b"hi"[..]));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let with = |change: fn(&mut PayloadOptions)| {
            let mut options = PayloadOptions::default();
            change(&mut options);
            calls(0, &options).expect_err("wrong").to_string()
        };
        assert!(with(|o| o.method = Some("a b".into())).contains("GET or POST"));
        assert!(with(|o| o.headers = vec!["nocolon".into()]).contains("NAME: VALUE"));
        assert!(with(|o| o.headers = vec!["X: a\r\nY: b".into()]).contains("NAME: VALUE"));
        assert!(with(|o| o.headers = vec!["content-length: 3".into()]).contains("leave it out"));
        assert!(with(|o| o.path = Some("x y".into())).contains("slash"));
        let mut later = workload(0);
        later.invocation = Invocation::Async;
        let http = TargetOptions { gateway: "h".into(), kind: Kind::Http, ..TargetOptions::default() };
        let http = Target::new(&http, &|_| None).expect("a target").platform;
        let error =
            Calls::new(&*http, &function("f"), &later, &PayloadOptions::default(), Seed(1)).expect_err("no async");
        assert!(error.to_string().contains("http has no asynchronous"), "{error}");
        let get = Calls::new(&*http, &function("f"), &workload(0), &PayloadOptions::default(), Seed(1)).expect("valid");
        assert_eq!(get.method(), Method::GET);
        assert!(get.request(0).body().is_none());
    }
}
