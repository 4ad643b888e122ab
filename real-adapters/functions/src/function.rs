//! A function by its name, ready to be called.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tokio::task::spawn_blocking;

use crate::bw::Bw;
use crate::call::{Answer, Call, Content};
use crate::chain::Chain;
use crate::cpu::Cpu;
use crate::hits::Hits;
use crate::printr::Printr;
use crate::settings::{Lookup, SettingError};
use crate::sleep::Sleep;
use crate::url_search::UrlSearch;
use crate::{catalogue, figlet, hello};

/// Bodies of functions that read a text.
const TEXT_BYTES: usize = 1 << 20;

/// Bodies that are handed on.
const PASSED_BYTES: usize = 20_000_000;

/// A function with its settings.
pub(crate) enum Function {
    Hello,
    Figlet,
    Homepage,
    Printr(Printr),
    UrlSearch(Box<UrlSearch>),
    Bw(Arc<Bw>),
    Hits(Box<Hits>),
    Sleep(Sleep),
    Cpu(Cpu),
    Chain(Box<Chain>),
}

impl Function {
    /// `None` if there is none of that name.
    pub(crate) fn named(name: &str, lookup: Lookup<'_>) -> Option<Result<Function, SettingError>> {
        Some(match name {
            "hello" => Ok(Function::Hello),
            "figlet" => Ok(Function::Figlet),
            "homepage" => Ok(Function::Homepage),
            "printr" => Printr::from_settings(lookup).map(Function::Printr),
            "url-search" => UrlSearch::from_settings(lookup).map(|function| Function::UrlSearch(Box::new(function))),
            "bw" => Bw::from_settings(lookup).map(|function| Function::Bw(Arc::new(function))),
            "hits" => Hits::from_settings(lookup).map(|function| Function::Hits(Box::new(function))),
            "sleep" => Sleep::from_settings(lookup).map(Function::Sleep),
            "cpu" => Cpu::from_settings(lookup).map(Function::Cpu),
            "chain" => Chain::from_settings(lookup).map(|function| Function::Chain(Box::new(function))),
            _ => return None,
        })
    }

    /// The longest body that is read.
    pub(crate) fn body_limit(&self) -> usize {
        match self {
            Function::Bw(bw) => bw.max_bytes,
            Function::Chain(_) => PASSED_BYTES,
            _ => TEXT_BYTES,
        }
    }

    /// What can be refused before the body is read.
    pub(crate) fn refuse(&self, headers: &HeaderMap) -> Option<Answer> {
        match self {
            Function::Bw(bw) => bw.admit(headers).err().map(Answer::from),
            _ => None,
        }
    }

    /// Answers a call that was not refused.
    pub(crate) async fn call(&self, call: Call) -> Answer {
        match self {
            Function::Hello => Answer::text(hello::greeting(&call.body)),
            Function::Figlet => Answer::text(figlet::large(&call.body)),
            Function::Homepage => file(call.uri.path()),
            Function::Printr(printr) => Answer { body: Content::Lines(*printr), ..Answer::text("") },
            Function::UrlSearch(search) => search.call(&call).await,
            Function::Bw(bw) => {
                let bw = bw.clone();
                blocking(move || picture(&bw, &call.body)).await
            }
            Function::Hits(hits) => hits.call(&call).await,
            Function::Sleep(sleep) => sleep.call(&call).await,
            Function::Cpu(cpu) => {
                let cpu = *cpu;
                blocking(move || cpu.call(&call)).await
            }
            Function::Chain(chain) => chain.call(call).await,
        }
    }
}

/// Work for a thread of its own. There are as many as cores, or as `THREADS` says; more calls wait in line.
async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    match spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Answer::refuse(http::StatusCode::INTERNAL_SERVER_ERROR, format!("the function broke: {error}")),
    }
}

fn picture(bw: &Bw, body: &Bytes) -> Answer {
    match bw.convert(body) {
        Ok(jpeg) => Answer::new(http::StatusCode::OK, "image/jpeg", jpeg),
        Err(refusal) => refusal.into(),
    }
}

/// A file of the home page, where no watchdog serves it.
fn file(path: &str) -> Answer {
    let wanted = match path.trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let Some((name, bytes)) = catalogue::homepage().into_iter().find(|(name, _)| *name == wanted) else {
        return Answer::refuse(http::StatusCode::NOT_FOUND, "there is no such file");
    };
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    };
    Answer::new(http::StatusCode::OK, kind, Bytes::from_static(bytes))
}
