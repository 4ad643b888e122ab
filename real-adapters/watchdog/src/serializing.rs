//! Modes serializing and classic: a process per call, whose output is the response once it has ended.

use std::sync::Arc;
use std::time::Instant;

use faas_lab_http::Body;
use faas_lab_http::forward::{INTERNAL, SECONDS};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use crate::call::Record;
use crate::cgi;
use crate::config::{Config, Mode};
use crate::log::log;
use crate::metrics::plain;
use crate::process::{Ending, Input, Stderr, run};
use crate::spool::Spool;
use crate::streaming::content_type;

/// Answers a call; the process goes on when its caller has gone.
pub(crate) async fn call(config: Arc<Config>, request: Parts, body: Body, record: Box<Record>) -> Response<Body> {
    let answered = tokio::spawn(async move {
        let mut record = record;
        let response = match config.mode {
            Mode::Classic => classic(&config, &request, body).await,
            _ => serializing(&config, &request, body, record.began()).await,
        };
        let response = response.unwrap_or_else(|refusal| refusal);
        record.set_status(response.status());
        record.set_bytes(response.body().length().unwrap_or(0));
        response
    });
    answered.await.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, ""))
}

type Answer = Result<Response<Body>, Response<Body>>;

async fn serializing(config: &Config, request: &Parts, body: Body, began: Instant) -> Answer {
    let environment = cgi::environment(config, request).ok_or_else(zero_byte)?;
    let input = Spool::read(body).await.map_err(failed)?;
    let mut output = Spool::default();
    let ending = run(config, &environment, Input::Whole(input), Stderr::Logged, &mut output).await;
    if ending != Ending::Success {
        log(ending.to_string());
        let refusal = failed(ending.to_string());
        return Err(if ending == Ending::TimedOut { ours(refusal) } else { refusal });
    }
    let mut response = Response::new(output.into_body().await.map_err(|e| failed(e.to_string()))?);
    response.headers_mut().insert(CONTENT_TYPE, content_type(config));
    response.headers_mut().insert(SECONDS, seconds_since(began));
    Ok(response)
}

async fn classic(config: &Config, request: &Parts, body: Body) -> Answer {
    let verbs = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    if !verbs.contains(&request.method) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return Err(response);
    }
    let environment = cgi::environment(config, request).ok_or_else(zero_byte)?;
    let input = Spool::read(body).await.map_err(failed)?;
    log("Forking fprocess.");
    let began = Instant::now();
    let mut output = Spool::default();
    let stderr = if config.combine_output { Stderr::Merged } else { Stderr::Logged };
    let ending = run(config, &environment, Input::Whole(input), stderr, &mut output).await;
    match ending {
        Ending::Success => {}
        Ending::TimedOut => {
            log("Killed process.");
            return Err(ours(plain(StatusCode::REQUEST_TIMEOUT, "Killed process.\n")));
        }
        ending => {
            log(ending.to_string());
            let mut whole = Spool::default();
            let failed = |error: std::io::Error| failed(error.to_string());
            whole.push(format!("{ending}\n").as_bytes()).await.map_err(failed)?;
            let mut reader = output.reader().await.map_err(failed)?;
            append(&mut whole, &mut reader).await.map_err(failed)?;
            let mut response = plain(StatusCode::INTERNAL_SERVER_ERROR, "");
            *response.body_mut() = whole.into_body().await.map_err(failed)?;
            return Err(response);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    log(format!("Wrote {} Bytes - Duration: {seconds:.6}s", output.length()));
    let mut response = Response::new(output.into_body().await.map_err(|e| failed(e.to_string()))?);
    let kind = match &config.content_type {
        Some(_) => content_type(config),
        None => request.headers.get(CONTENT_TYPE).cloned().unwrap_or(TEXT),
    };
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(SECONDS, seconds_since(began));
    Ok(response)
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

async fn append(spool: &mut Spool, reader: &mut (impl tokio::io::AsyncRead + Unpin)) -> std::io::Result<()> {
    use tokio::io::AsyncReadExt;
    let mut some = vec![0; 16_384];
    loop {
        match reader.read(&mut some).await? {
            0 => return Ok(()),
            n => spool.push(&some[..n]).await?,
        }
    }
}

fn failed(why: String) -> Response<Body> {
    plain(StatusCode::INTERNAL_SERVER_ERROR, why)
}

/// Marks an answer as the watchdog's, as the original does in mode http: a function's own 500 can be told from it.
fn ours(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(INTERNAL, HeaderValue::from_static("of-watchdog"));
    response
}

fn zero_byte() -> Response<Body> {
    plain(StatusCode::BAD_REQUEST, "the path contains a zero byte\n")
}

/// As Go's `%f` writes it.
pub(crate) fn seconds_since(began: Instant) -> HeaderValue {
    let text = format!("{:.6}", began.elapsed().as_secs_f64());
    HeaderValue::from_str(&text).expect("digits and a point")
}
