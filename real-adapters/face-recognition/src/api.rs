//! The function's answers, whatever carries the request: a server, or standard input under a classic watchdog.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    function::Function,
    nets::{Descriptor, distance},
    refusal::Refusal,
    room::Held,
    settings::{Options, Output},
};

const USAGE: &str = include_str!("usage.txt");
const LIVE: &str = include_str!("live.html");

/// A request, read to its end.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// To what: percent-encoded, beginning with a slash.
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// The header of this name.
    pub accept: Option<String>,
    /// The header of this name.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// A picture named by its address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    url: String,
}

/// Two pictures named by their addresses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TwoNamed {
    urls: [String; 2],
}

impl Function {
    /// Answers a request.
    pub async fn answer(self: &Arc<Self>, request: Request) -> Answer {
        self.route(request).await.unwrap_or_else(Answer::from)
    }

    async fn route(self: &Arc<Self>, request: Request) -> Result<Answer, Refusal> {
        let path = request.path.trim_matches('/').to_owned();
        let (head, tail) = path.split_once('/').map_or((path.as_str(), None), |(head, tail)| (head, Some(tail)));
        match (&request.method, head, tail) {
            (&Method::POST | &Method::PUT, "", None) => self.find(request).await,
            (&Method::POST, "compare", None) => self.compare(request).await,
            (&Method::POST, "enroll", Some(name)) => self.enroll(&decoded(name)?, request).await,
            (&Method::GET | &Method::HEAD, "people", None) => Ok(Answer::json(StatusCode::OK, &self.people.list()?)),
            (&Method::DELETE, "people", Some(name)) => {
                let name = decoded(name)?;
                self.people.forget(&name)?;
                Ok(Answer::json(StatusCode::OK, &json!({"forgotten": name})))
            }
            (&Method::GET | &Method::HEAD, "live", None) => Ok(Answer::page("text/html; charset=utf-8", LIVE)),
            (&Method::GET | &Method::HEAD, "", None) => Ok(Answer::page("text/plain; charset=utf-8", USAGE)),
            (_, "" | "compare" | "enroll" | "people" | "live" | "stream", _) => {
                let reason = format!("{} /{path} is not something this function does\n\n{USAGE}", request.method);
                Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason))
            }
            _ => Err(Refusal::new(StatusCode::NOT_FOUND, format!("there is nothing at /{path}\n\n{USAGE}"))),
        }
    }

    async fn find(self: &Arc<Self>, request: Request) -> Result<Answer, Refusal> {
        let options = self.settings.options.with_query(&request.query)?;
        let output = options.output.map_or_else(|| accepted(request.accept.as_deref()), Ok)?;
        self.can(&options)?;
        let ([bytes], _held) = self.pictures(&request).await?;
        self.work(move |function| {
            let analysis = function.analyse(&bytes, &options)?;
            Ok(match output {
                Output::Json => Answer::json(StatusCode::OK, &analysis.report(&options)),
                Output::Jpeg => Answer::bytes("image/jpeg", analysis.drawn(&options, output)?),
                Output::Png => Answer::bytes("image/png", analysis.drawn(&options, output)?),
            })
        })
        .await
    }

    async fn enroll(self: &Arc<Self>, name: &str, request: Request) -> Result<Answer, Refusal> {
        let options = self.settings.options.with_query(&request.query)?;
        self.need_models("enrolling somebody")?;
        let ([bytes], _held) = self.pictures(&request).await?;
        let name = name.to_owned();
        self.work(move |function| {
            let described = function.described(&bytes, &options)?;
            let count = described.len();
            let [descriptor] = <[Descriptor; 1]>::try_from(described).map_err(|_| {
                let (shows, instead) = match count {
                    0 => ("none".to_owned(), "set threshold, min_size or detector"),
                    _ => (count.to_string(), "cut it out, or set threshold or min_size"),
                };
                let reason =
                    format!("a picture to enroll somebody with shows one face, and this one {shows}: {instead}");
                Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
            })?;
            let pictures = function.people.enroll(&name, descriptor)?;
            Ok(Answer::json(StatusCode::CREATED, &json!({"name": name, "pictures": pictures})))
        })
        .await
    }

    async fn compare(self: &Arc<Self>, request: Request) -> Result<Answer, Refusal> {
        let options = self.settings.options.with_query(&request.query)?;
        self.need_models("comparing faces")?;
        let ([left, right], _held) = self.pictures(&request).await?;
        self.work(move |function| {
            let sides = [function.described(&left, &options)?, function.described(&right, &options)?];
            let pairs = sides[0].iter().flat_map(|left| sides[1].iter().map(move |right| distance(left, right)));
            let Some(nearest) = pairs.min_by(f64::total_cmp) else {
                let which = if sides[0].is_empty() { "first" } else { "second" };
                let reason = format!("the {which} picture shows no face: set threshold, min_size or detector");
                return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason));
            };
            let answer = json!({
                "distance": nearest,
                "same": nearest < options.match_distance,
                "match_distance": options.match_distance,
                "faces": [sides[0].len(), sides[1].len()],
            });
            Ok(Answer::json(StatusCode::OK, &answer))
        })
        .await
    }

    /// The descriptors of all faces in a picture.
    fn described(&self, bytes: &[u8], options: &Options) -> Result<Vec<Descriptor>, Refusal> {
        let options = Options { descriptor: true, recognize: Some(false), ..options.clone() };
        let analysis = self.analyse(bytes, &options)?;
        Ok(analysis.findings.into_iter().filter_map(|finding| finding.descriptor).collect())
    }

    /// Does the computing on a thread of its own. What it took for the picture is freed there, too.
    pub(crate) async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = self.worker().await;
        let function = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            job(&function)
        });
        done.await.unwrap_or_else(|_| {
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "this picture makes the detector fail"))
        })
    }

    /// The bytes of as many pictures as are wanted, sent or named, and the room that those take that were fetched.
    async fn pictures<const N: usize>(&self, request: &Request) -> Result<([Bytes; N], Held), Refusal> {
        let mut held = self.room.hold();
        let mut pictures = Vec::new();
        let content_type = request.content_type.as_deref().unwrap_or_default();
        if let Ok(boundary) = multer::parse_boundary(content_type) {
            let body = futures_util::stream::iter([Ok::<_, Infallible>(request.body.clone())]);
            let mut parts = multer::Multipart::new(body, boundary);
            let wrong = |error: multer::Error| Refusal::bad_request(format!("the multipart body: {error}"));
            while let Some(part) = parts.next_field().await.map_err(wrong)? {
                pictures.push(part.bytes().await.map_err(wrong)?);
            }
        } else {
            match addresses(request.content_type.as_deref(), &request.body)? {
                Some(urls) => {
                    for url in urls {
                        pictures.push(self.fetcher.fetch(&url, &mut held).await?.into());
                    }
                }
                None => pictures.push(request.body.clone()),
            }
        }
        let count = pictures.len();
        let pictures = pictures.try_into().map_err(|_| {
            let how = "as parts of a multipart/form-data body, or by {\"urls\": [\"https://…\", \"https://…\"]}";
            Refusal::bad_request(format!("send {N} picture{}, not {count}: {how}", if N == 1 { "" } else { "s" }))
        })?;
        Ok((pictures, held))
    }
}

/// The addresses of pictures, if that is what the body is: JSON, or an address and nothing else.
pub fn addresses(content_type: Option<&str>, body: &[u8]) -> Result<Option<Vec<String>>, Refusal> {
    let is_json = content_type.is_some_and(|value| value.starts_with("application/json"));
    if is_json || body.trim_ascii_start().starts_with(b"{") {
        if let Ok(TwoNamed { urls }) = serde_json::from_slice(body) {
            return Ok(Some(urls.into()));
        }
        let Named { url } = serde_json::from_slice(body).map_err(|error| {
            Refusal::bad_request(format!("the body is JSON but not of the form {{\"url\": \"https://…\"}}: {error}"))
        })?;
        return Ok(Some(vec![url]));
    }
    let line = body.trim_ascii();
    let is_address = line.len() < 4096 && (line.starts_with(b"http://") || line.starts_with(b"https://"));
    Ok(std::str::from_utf8(line).ok().filter(|_| is_address).map(|url| vec![url.to_owned()]))
}

/// The form that an Accept header wants most: JSON, unless it names picture types, and JSON not before them.
fn accepted(accept: Option<&str>) -> Result<Output, Refusal> {
    let Some(accept) = accept else { return Ok(Output::Json) };
    let mut best: Option<(f64, Output)> = None;
    for entry in accept.split(',') {
        let mut parameters = entry.split(';').map(str::trim);
        let output = match parameters.next().unwrap_or_default() {
            "application/json" | "application/*" | "*/*" | "" => Output::Json,
            "image/jpeg" | "image/jpg" | "image/*" => Output::Jpeg,
            "image/png" => Output::Png,
            _ => continue,
        };
        let weight = parameters.find_map(|parameter| parameter.strip_prefix("q=")).map_or(Ok(1.0), str::parse);
        let weight: f64 = weight.unwrap_or(0.0);
        if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, output));
        }
    }
    best.map(|(_, output)| output).ok_or_else(|| {
        let reason = format!("`{accept}` cannot be had: accept application/json, image/jpeg or image/png");
        Refusal::new(StatusCode::NOT_ACCEPTABLE, reason)
    })
}

fn decoded(name: &str) -> Result<String, Refusal> {
    // Only a query writes a space as a plus.
    let pairs = format!("name={}", name.replace('+', "%2B"));
    let name = url::form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, name)| name.into_owned());
    name.ok_or_else(|| Refusal::bad_request("there is no name in the path"))
}

impl Answer {
    fn json(status: StatusCode, value: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec(value).expect("answers are plain data");
        body.push(b'\n');
        Self { status, content_type: "application/json", body: body.into() }
    }

    fn bytes(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, content_type, body: body.into() }
    }

    fn page(content_type: &'static str, text: &'static str) -> Self {
        Self { status: StatusCode::OK, content_type, body: Bytes::from_static(text.as_bytes()) }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, &json!({"error": refusal.reason}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_accept_header() {
        let of = |accept| accepted(Some(accept)).ok();
        assert_eq!(accepted(None).expect("anything goes"), Output::Json);
        assert_eq!(of("*/*"), Some(Output::Json));
        assert_eq!(of("image/png"), Some(Output::Png));
        assert_eq!(of("image/avif,image/webp,image/*,*/*;q=0.8"), Some(Output::Jpeg));
        assert_eq!(of("application/json;q=0.5, image/jpeg"), Some(Output::Jpeg));
        assert_eq!(of("text/html"), None);
        assert_eq!(of("image/png;q=0"), None);
    }
}
