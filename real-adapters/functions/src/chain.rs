//! `chain`: calls other functions through the gateway, one after the other, each with what the one before answered.
//!
//! The call's `X-Call-Id` goes with it, so that one id is found in the logs of all.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Client, Url};

use crate::call::{Answer, Call};
use crate::fetch::client_builder;
use crate::settings::{Lookup, SettingError, duration, flag, number};

/// Functions that one call may name.
const LIMIT: usize = 16;

/// Headers of a step's answer that go on to the caller.
static KEPT: [HeaderName; 2] = [header::CONTENT_TYPE, HeaderName::from_static("x-openfaas-internal")];

pub(crate) struct Chain {
    gateway: Url,
    functions: Vec<String>,
    asynchronous: bool,
    timeout: Duration,
    max_bytes: usize,
    client: OnceLock<Client>,
}

impl Chain {
    /// From `GATEWAY_URL` (default `http://127.0.0.1:8080`), `CHAIN` (names with commas between, default `hello`),
    /// `CHAIN_ASYNC` (default false), `CHAIN_TIMEOUT` (of each step, default 60 s) and `MAX_BYTES` (default 20 MB).
    pub(crate) fn from_settings(lookup: Lookup<'_>) -> Result<Chain, SettingError> {
        let text = lookup("GATEWAY_URL").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
        let wrong = || SettingError::new("GATEWAY_URL", &text, "the URL of a gateway such as http://127.0.0.1:8080");
        let gateway =
            Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
        let names = lookup("CHAIN").unwrap_or_else(|| "hello".to_owned());
        let functions = names_in(&names).map_err(|_| SettingError::new("CHAIN", &names, "names of functions"))?;
        Ok(Chain {
            gateway,
            functions,
            asynchronous: flag(lookup, "CHAIN_ASYNC")?.unwrap_or(false),
            timeout: duration(lookup, "CHAIN_TIMEOUT")?.unwrap_or(Duration::from_secs(60)),
            max_bytes: number(lookup, "MAX_BYTES", 1..=1 << 30)?.unwrap_or(20_000_000),
            client: OnceLock::new(),
        })
    }

    /// Calls the functions that the query's `function` names, else the default ones. With `async=true` each is queued
    /// with the call's own body, and the answer is 202.
    pub(crate) async fn call(&self, call: Call) -> Answer {
        let named = call.query("function").map(|names| names_in(&names)).transpose();
        let functions = match named {
            Ok(functions) => functions.unwrap_or_else(|| self.functions.clone()),
            Err(reason) => return Answer::refuse(StatusCode::BAD_REQUEST, reason),
        };
        let asynchronous = match call.query("async").as_deref() {
            None => self.asynchronous,
            Some("true" | "1") => true,
            Some("false" | "0") => false,
            Some(other) => {
                return Answer::refuse(StatusCode::BAD_REQUEST, format!("async={other} is neither true nor false"));
            }
        };
        let mut answer = Answer::text(call.body.clone());
        if let Some(kind) = call.headers.get(header::CONTENT_TYPE) {
            answer.headers.insert(header::CONTENT_TYPE, kind.clone());
        }
        let mut steps = Vec::new();
        let mut body = call.body.clone();
        for function in &functions {
            let start = Instant::now();
            let sent = if asynchronous { call.body.clone() } else { body };
            let stepped = self.step(function, asynchronous, &call, &answer, sent).await;
            let (next, output) = stepped.unwrap_or_else(|reason| {
                let reason = format!("{function}: {reason}\n");
                (Answer::refuse(StatusCode::BAD_GATEWAY, reason.trim_end()), Bytes::from(reason))
            });
            steps.push(format!(
                "{function};status={};dur={:.1}",
                next.status.as_u16(),
                start.elapsed().as_secs_f64() * 1e3
            ));
            answer = next;
            body = output;
            if !answer.status.is_success() {
                break;
            }
        }
        answer.body = crate::call::Content::Whole(body);
        match HeaderValue::try_from(steps.join(", ")) {
            Ok(steps) => answer.header(HeaderName::from_static("x-chain"), steps),
            Err(_) => answer,
        }
    }

    /// One call through the gateway: its status and kept headers, and its body.
    async fn step(
        &self,
        function: &str,
        asynchronous: bool,
        call: &Call,
        before: &Answer,
        body: Bytes,
    ) -> Result<(Answer, Bytes), String> {
        let client = self.client.get_or_init(|| {
            client_builder().timeout(self.timeout).build().expect("a client with constant settings can be built")
        });
        let route = if asynchronous { "async-function" } else { "function" };
        let mut url = self.gateway.clone();
        url.set_path(&format!("{}/{route}/{function}", self.gateway.path().trim_end_matches('/')));
        let mut request = client.post(url).body(body);
        if let Some(kind) = before.headers.get(header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        if let Some(id) = call.headers.get("x-call-id") {
            request = request.header("x-call-id", id);
        }
        let reason = |error: reqwest::Error| match error.is_timeout() {
            true => format!("no answer within {:?}", self.timeout),
            false => format!("the gateway at {} cannot be called: {}", self.gateway, root_cause(&error)),
        };
        let mut response = request.send().await.map_err(reason)?;
        let headers = KEPT.iter().filter_map(|name| Some((name.clone(), response.headers().get(name)?.clone())));
        let mut answer = Answer::text("");
        answer.status = response.status();
        answer.headers = headers.collect();
        let mut output = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(reason)? {
            if output.len() + chunk.len() > self.max_bytes {
                return Err(format!("it answered more than {} bytes", self.max_bytes));
            }
            output.extend_from_slice(&chunk);
        }
        Ok((answer, Bytes::from(output)))
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Names such as `hello,figlet.openfaas-fn`, of which none can lead out of the gateway's route for functions.
fn names_in(list: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    let is_name = |name: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !name.is_empty() && name.len() <= 253 && name.bytes().all(plain) && !name.bytes().all(|byte| byte == b'.')
    };
    match names.iter().find(|name| !is_name(name)) {
        Some(wrong) => Err(format!("{wrong:?} is not the name of a function")),
        None if names.len() > LIMIT => Err(format!("more than {LIMIT} functions")),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_route() {
        assert_eq!(names_in("hello, figlet.openfaas-fn").unwrap(), ["hello", "figlet.openfaas-fn"]);
        for wrong in ["", "a,", "..", "a/b", "a?b", "a%2fb", "a b", "ä"] {
            assert!(names_in(wrong).is_err(), "{wrong}");
        }
        assert!(names_in("a,".repeat(LIMIT).trim_end_matches(',')).is_ok());
        assert!(names_in(&"a,a".repeat(LIMIT)).is_err());
    }
}
