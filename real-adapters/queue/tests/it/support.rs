//! What the tests share: invocations, functions that answer as told, a receiver of callbacks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use faas_lab_queue::{Answer, Backoff, EmbeddedOptions, FunctionSettings, Invocation, Invoker, RetryPolicy, Settings};
use http::{HeaderMap, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

pub(crate) fn invocation(function: &str, call_id: &str) -> Invocation {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "text/plain".parse().unwrap());
    Invocation {
        call_id: call_id.to_owned(),
        function: function.to_owned(),
        method: Method::POST,
        path: "/".to_owned(),
        query: String::new(),
        headers,
        body: Bytes::from(format!("body of {call_id}")),
        callback: None,
        accepted_at: SystemTime::now(),
    }
}

pub(crate) fn answer(status: u16) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"done"),
        took: Duration::from_millis(1500),
    }
}

/// Waits until something holds; fails after a minute of it not holding.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    // Real time, so that tests under paused time cannot skip over what a thread is still doing.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "{what} did not come about within a minute");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A call of a function: its id, which attempt, and when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) call_id: String,
    pub(crate) attempt: u32,
    pub(crate) at: Instant,
}

type Respond = dyn Fn(&Invocation, u32) -> Answer + Send + Sync;

/// A function that answers as a closure says, after a service time, and remembers its calls.
pub(crate) struct Function {
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) under_way: Mutex<BTreeMap<String, (u32, u32)>>,
    service: Duration,
    respond: Box<Respond>,
}

impl Function {
    pub(crate) fn new(
        service: Duration,
        respond: impl Fn(&Invocation, u32) -> Answer + Send + Sync + 'static,
    ) -> Arc<Function> {
        Arc::new(Function { calls: Mutex::default(), under_way: Mutex::default(), service, respond: Box::new(respond) })
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The most calls of a function that were ever under way.
    pub(crate) fn peak(&self, function: &str) -> u32 {
        self.under_way.lock().unwrap().get(function).map_or(0, |(_, peak)| *peak)
    }
}

#[async_trait]
impl Invoker for Function {
    async fn invoke(&self, invocation: &Invocation, attempt: u32) -> Answer {
        let call = Call { call_id: invocation.call_id.clone(), attempt, at: Instant::now() };
        self.calls.lock().unwrap().push(call);
        {
            let mut under_way = self.under_way.lock().unwrap();
            let (now, peak) = under_way.entry(invocation.function.clone()).or_default();
            *now += 1;
            *peak = (*peak).max(*now);
        }
        tokio::time::sleep(self.service).await;
        self.under_way.lock().unwrap().get_mut(&invocation.function).unwrap().0 -= 1;
        (self.respond)(invocation, attempt)
    }
}

/// Options under which every function has this retry policy.
pub(crate) fn with_policy(retry: RetryPolicy) -> EmbeddedOptions {
    let settings = Settings::same(FunctionSettings { retry, ..FunctionSettings::default() });
    EmbeddedOptions { settings, ..EmbeddedOptions::default() }
}

pub(crate) fn policy(attempts: u32, min_wait: Duration, max_wait: Duration) -> RetryPolicy {
    RetryPolicy { attempts, min_wait, max_wait, backoff: Backoff::Exponential, ..RetryPolicy::default() }
}

/// A request that a [`Receiver`] got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// An HTTP server that answers each request as told, and keeps what it got.
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// `respond` is given the number of the request, from 0, and says the answer's head, such as `200 OK`.
    pub(crate) async fn start(respond: impl Fn(usize) -> &'static str + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/callback", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (respond, kept) = (Arc::new(respond), received.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, respond.clone(), kept.clone()));
            }
        });
        Receiver { url, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    respond: Arc<impl Fn(usize) -> &'static str>,
    kept: Arc<Mutex<Vec<Received>>>,
) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await.ok()? {
            0 => return None,
            n => bytes.extend_from_slice(&chunk[..n]),
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let mut request =
        Received { head: String::from_utf8_lossy(&bytes[..end]).into_owned(), body: bytes.split_off(end) };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while request.body.len() < length {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await.ok()? {
            0 => return None,
            n => request.body.extend_from_slice(&chunk[..n]),
        }
    }
    let status = {
        let mut kept = kept.lock().unwrap();
        kept.push(request);
        respond(kept.len() - 1)
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()
}
