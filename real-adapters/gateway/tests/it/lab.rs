//! A gateway on a free port over the fake provider, and a client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use faas_lab_gateway::{Gateway, Options};
use faas_lab_http::{Body, Client, ClientOptions, Endpoint};
use faas_lab_queue::{DeadLetter, Invocation, Queue, QueueError, QueueMetrics};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake::Fake;

/// Nothing in these tests takes longer, on a loaded machine too.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Lab {
    pub fake: Fake,
    pub gateway: Arc<Gateway>,
    pub address: SocketAddr,
    pub metrics: SocketAddr,
    pub queue: Arc<Memory>,
    client: Client,
    end: Mutex<Option<tokio::sync::oneshot::Sender<()>>>,
}

/// A queue that keeps what it is given.
#[derive(Default)]
pub struct Memory {
    pub pushed: Mutex<Vec<Invocation>>,
    pub depth: Mutex<u64>,
    pub full: Mutex<bool>,
    pub dead: Mutex<Vec<DeadLetter>>,
}

#[async_trait]
impl Queue for Memory {
    async fn push(&self, invocation: Invocation) -> Result<(), QueueError> {
        if *self.full.lock().unwrap() {
            return Err(QueueError::Full(7));
        }
        self.pushed.lock().unwrap().push(invocation);
        Ok(())
    }

    async fn cancel(&self, call_id: &str) -> Result<bool, QueueError> {
        let mut pushed = self.pushed.lock().unwrap();
        let before = pushed.len();
        pushed.retain(|invocation| invocation.call_id != call_id);
        Ok(pushed.len() < before)
    }

    fn depth(&self, _: &str) -> u64 {
        *self.depth.lock().unwrap()
    }

    fn metrics(&self) -> QueueMetrics {
        let depth = [("hello.openfaas-fn".to_owned(), self.depth(""))].into();
        QueueMetrics { depth, ..QueueMetrics::default() }
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(self.dead.lock().unwrap().clone())
    }

    async fn requeue(&self, call_id: &str) -> Result<bool, QueueError> {
        self.purge(call_id).await
    }

    async fn purge(&self, call_id: &str) -> Result<bool, QueueError> {
        let mut dead = self.dead.lock().unwrap();
        let before = dead.len();
        dead.retain(|letter| letter.call_id != call_id);
        Ok(dead.len() < before)
    }
}

impl Lab {
    pub async fn start() -> Lab {
        Lab::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Lab {
        let fake = Fake::new();
        let queue = Arc::new(Memory::default());
        let gateway = Gateway::new(options, Arc::new(fake.clone()), Some(queue.clone())).expect("good options");
        let gateway = Arc::new(gateway);
        let any = || Endpoint::Tcp("127.0.0.1:0".parse().unwrap());
        let (api, metrics) = (any().bind().await.unwrap(), any().bind().await.unwrap());
        let address = |listener: &faas_lab_http::Listener| match listener.endpoint().unwrap() {
            Endpoint::Tcp(address) => address,
            Endpoint::Unix(_) => unreachable!("a TCP port was asked for"),
        };
        let (at, metrics_at) = (address(&api), address(&metrics));
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let running = gateway.clone();
        tokio::spawn(async move {
            let shutdown = async {
                let _ = ended.await;
            };
            let _ = running.run(api, Some(metrics), shutdown).await;
        });
        let client = Client::new(Endpoint::Tcp(at), ClientOptions::default());
        Lab { fake, gateway, address: at, metrics: metrics_at, queue, client, end: Mutex::new(Some(end)) }
    }

    /// Deploys a function and waits until its replicas are there.
    pub async fn deploy(&self, name: &str, image: &str, labels: &[(&str, &str)]) {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let answer = self
            .send(
                Method::POST,
                "/system/functions",
                json!({ "service": name, "image": image, "labels": labels }).to_string(),
            )
            .await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        self.until(|| async { self.describe(name).await.is_some_and(|it| it["availableReplicas"] == it["replicas"]) })
            .await;
    }

    pub async fn describe(&self, name: &str) -> Option<Value> {
        let answer = self.get(&format!("/system/function/{name}")).await;
        (answer.status == StatusCode::OK).then(|| answer.json())
    }

    pub async fn available(&self, name: &str) -> u64 {
        self.describe(name).await.and_then(|it| it["availableReplicas"].as_u64()).unwrap_or(0)
    }

    pub async fn scale(&self, name: &str, replicas: u64) {
        let body = json!({ "serviceName": name, "replicas": replicas }).to_string();
        let answer = self.send(Method::POST, &format!("/system/scale-function/{name}"), body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    }

    /// Waits for a condition, with a deadline.
    pub async fn until<F: Future<Output = bool>>(&self, condition: impl Fn() -> F) {
        until(condition).await;
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, body).await
    }

    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::builder().method(method).uri(path).header("host", "lab").body(Body::full(body)).unwrap();
        self.request(request).await
    }

    pub async fn request(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect(1 << 30)).await.expect("the body comes");
        Answer { status: parts.status, headers: parts.headers, body: body.map_err(|why| why.to_string()) }
    }

    /// A response whose body is not read yet.
    pub async fn open(&self, request: Request<Body>) -> Response<Body> {
        let response = tokio::time::timeout(PATIENCE, self.client.send(request)).await;
        response.expect("an answer comes").expect("the gateway answers")
    }

    /// Sends bytes and reads until the gateway closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The gateway may refuse before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let read = async {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                answer.extend_from_slice(&buffer[..count]);
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the gateway closes the connection");
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub async fn scrape(&self) -> String {
        let client = Client::new(Endpoint::Tcp(self.metrics), ClientOptions::default());
        let request = Request::builder().uri("/metrics").header("host", "lab").body(Body::empty()).unwrap();
        let answer = client.send(request).await.unwrap();
        String::from_utf8(answer.into_body().collect(1 << 24).await.unwrap().to_vec()).unwrap()
    }

    pub fn shut_down(&self) {
        self.end.lock().unwrap().take();
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Result<Bytes, String>,
}

impl Answer {
    pub fn text(&self) -> String {
        match &self.body {
            Ok(body) => String::from_utf8_lossy(body).into_owned(),
            Err(why) => panic!("the body broke off: {why}"),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it comes true in time");
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}
