//! A provider whose replicas are servers in this process. An image names what a replica does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use faas_lab_http::{Body, Endpoint, Limits, serve};
use faas_lab_provider::api::{FunctionDeployment, FunctionName, LogLine, LogQuery, Secret, Usage};
use faas_lab_provider::{Deployed, LogStream, Provider, ProviderError, Replica, ReplicaState, Replicas};
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::{Notify, watch};

/// The provider.
#[derive(Clone)]
pub struct Fake {
    shared: Arc<Shared>,
}

struct Shared {
    replicas: watch::Sender<Arc<Replicas>>,
    servers: Mutex<BTreeMap<(FunctionName, u64), Arc<Notify>>>,
    numbers: AtomicU64,
    secrets: Mutex<BTreeMap<(String, String), String>>,
    boot: Mutex<Duration>,
    /// Starts go wrong.
    broken: AtomicBool,
    pub usage: Mutex<Usage>,
    pub log: watch::Sender<Vec<String>>,
    pub started: AtomicU64,
    pub log_readers: AtomicU64,
    /// Replicas listen; else they are only said to be ready.
    listens: bool,
}

impl Fake {
    pub fn new() -> Fake {
        Fake::with_servers(true)
    }

    /// Without sockets, for tests under paused time.
    pub fn without_servers() -> Fake {
        Fake::with_servers(false)
    }

    fn with_servers(listens: bool) -> Fake {
        let shared = Shared {
            replicas: watch::Sender::new(Arc::default()),
            servers: Mutex::default(),
            numbers: AtomicU64::new(0),
            secrets: Mutex::default(),
            boot: Mutex::default(),
            broken: AtomicBool::new(false),
            usage: Mutex::default(),
            log: watch::Sender::new(Vec::new()),
            started: AtomicU64::new(0),
            log_readers: AtomicU64::new(0),
            listens,
        };
        Fake { shared: Arc::new(shared) }
    }

    /// How long replicas take to become ready from now on.
    pub fn set_boot(&self, boot: Duration) {
        *self.shared.boot.lock().unwrap() = boot;
    }

    pub fn set_broken(&self, broken: bool) {
        self.shared.broken.store(broken, SeqCst);
    }

    pub fn set_usage(&self, usage: Usage) {
        *self.shared.usage.lock().unwrap() = usage;
    }

    pub fn write_log(&self, line: &str) {
        self.shared.log.send_modify(|log| log.push(line.to_owned()));
    }

    pub fn started(&self) -> u64 {
        self.shared.started.load(SeqCst)
    }

    pub fn log_readers(&self) -> u64 {
        self.shared.log_readers.load(SeqCst)
    }

    /// Replicas of a function by number, with their states.
    pub fn replicas(&self, name: &str) -> Vec<(u64, ReplicaState)> {
        let shown = self.shared.replicas.borrow().clone();
        let Some(deployed) = shown.get(&FunctionName::parse(name)) else { return Vec::new() };
        deployed.replicas.iter().map(|replica| (replica.number, replica.state.clone())).collect()
    }

    pub fn ready(&self, name: &str) -> usize {
        self.replicas(name).iter().filter(|(_, state)| *state == ReplicaState::Ready).count()
    }

    /// A replica's process dies, and nobody has noticed yet.
    pub async fn kill(&self, name: &str, number: u64) {
        let server = self.shared.servers.lock().unwrap().remove(&(FunctionName::parse(name), number));
        server.expect("there is such a replica").notify_one();
        let shown = self.shared.replicas.borrow().clone();
        let deployed = &shown[&FunctionName::parse(name)];
        let replica = deployed.replicas.iter().find(|replica| replica.number == number).expect("it is shown");
        while replica.endpoint.connect().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The provider's view of a replica changes.
    pub fn show(&self, name: &str, number: u64, state: ReplicaState) {
        self.change(&FunctionName::parse(name), |deployed| {
            for replica in deployed.replicas.iter_mut().filter(|replica| replica.number == number) {
                replica.state = state.clone();
            }
        });
    }

    fn change(&self, name: &FunctionName, change: impl FnOnce(&mut Deployed)) {
        self.shared.replicas.send_modify(|shown| {
            let mut all = (**shown).clone();
            if let Some(deployed) = all.get_mut(name) {
                change(deployed);
            }
            *shown = Arc::new(all);
        });
    }

    async fn run_replica(self, name: FunctionName, image: String, number: u64, generation: u64) {
        let boot = *self.shared.boot.lock().unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listener = match self.shared.listens {
            true => Some(Endpoint::Tcp(any).bind().await.unwrap()),
            false => None,
        };
        let endpoint = listener.as_ref().map_or(Endpoint::Tcp(any), |listener| listener.endpoint().unwrap());
        let replica = Replica {
            number,
            generation,
            endpoint,
            state: ReplicaState::Starting,
            requested_at: SystemTime::now(),
            ready_at: None,
            restarts: 0,
        };
        self.change(&name, |deployed| deployed.replicas.push(replica));
        tokio::time::sleep(boot).await;
        let fake = self.clone();
        let ended = Arc::new(Notify::new());
        self.shared.servers.lock().unwrap().insert((name.clone(), number), ended.clone());
        self.change(&name, |deployed| {
            for replica in deployed.replicas.iter_mut().filter(|it| it.number == number) {
                if replica.state == ReplicaState::Starting {
                    replica.state = ReplicaState::Ready;
                    replica.ready_at = Some(SystemTime::now());
                }
            }
        });
        if let Some(listener) = listener {
            let identity = format!("{}-{number}", name.name);
            let answer = move |request, _| behave(image.clone(), identity.clone(), request);
            let limits = Limits { drain: Some(Duration::from_secs(30)), ..Limits::default() };
            let _ = serve(listener, limits, answer, async move { ended.notified().await }).await;
        } else {
            ended.notified().await;
        }
        // One that was killed stays in the list until the provider notices.
        let retiring = fake.replicas(&name.to_string()).contains(&(number, ReplicaState::Retiring));
        if retiring {
            fake.change(&name, |deployed| deployed.replicas.retain(|replica| replica.number != number));
        }
    }
}

/// What replicas do.
async fn behave(image: String, identity: String, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path_and_query().unwrap().to_string();
    let parameter = |key: &str| {
        let query = request.uri().query().unwrap_or("").to_owned();
        query.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}="))?.parse::<u64>().ok())
    };
    match image.as_str() {
        "echo" => {
            let (parts, body) = request.into_parts();
            let length = parts.headers.get("content-length").is_some();
            let headers: BTreeMap<&str, &str> =
                parts.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("?"))).collect();
            let told = json!({ "replica": identity, "method": parts.method.as_str(), "path": path, "headers": headers, "with_length": length });
            let body = body.collect(1 << 30).await.unwrap_or_default();
            let told = json!({ "told": told, "body": String::from_utf8_lossy(&body) });
            let answer = Response::builder().header("content-type", "application/json");
            answer.body(Body::full(told.to_string())).unwrap()
        }
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(parameter("ms").unwrap_or(100))).await;
            Response::new(Body::full(identity))
        }
        "mirror" => Response::new(request.into_body()),
        "status" => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::from_u16(parameter("code").unwrap_or(200) as u16).unwrap();
            answer.headers_mut().insert("location", "http://127.0.0.1:1/elsewhere".parse().unwrap());
            answer
        }
        "length" => {
            let mut answer = Response::new(Body::full("x".repeat(parameter("bytes").unwrap_or(10) as usize)));
            if *request.method() == Method::HEAD {
                answer = Response::builder().header("content-length", "77").body(Body::empty()).unwrap();
            }
            answer
        }
        // So many lines, one at a time.
        "ticks" => {
            let (lines, period) = (parameter("lines").unwrap_or(3), parameter("ms").unwrap_or(10));
            let (sender, body) = Body::channel(1, None);
            tokio::spawn(async move {
                for line in 1..=lines {
                    if sender.send(format!("{line}\n")).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(period)).await;
                }
            });
            Response::new(body)
        }
        // Reads nothing and answers.
        "rude" => Response::new(Body::full("no")),
        other => panic!("no such image: {other}"),
    }
}

#[async_trait]
impl Provider for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn deploy(&self, deployment: FunctionDeployment) -> Result<(), ProviderError> {
        let name = FunctionName { namespace: deployment.namespace.clone(), name: deployment.service.clone() };
        if self.shared.replicas.borrow().contains_key(&name) {
            return Err(ProviderError::Exists(format!("function {name}")));
        }
        for secret in &deployment.secrets {
            if !self.shared.secrets.lock().unwrap().contains_key(&(name.namespace.clone(), secret.clone())) {
                return Err(ProviderError::Invalid(format!("unable to fetch secrets: secret {secret} not found")));
            }
        }
        let deployed = Deployed {
            deployment: Arc::new(deployment),
            created_at: SystemTime::now(),
            generation: 1,
            replicas: Vec::new(),
        };
        self.shared.replicas.send_modify(|shown| {
            let mut all = (**shown).clone();
            all.insert(name, deployed);
            *shown = Arc::new(all);
        });
        Ok(())
    }

    async fn update(&self, deployment: FunctionDeployment) -> Result<(), ProviderError> {
        let name = FunctionName { namespace: deployment.namespace.clone(), name: deployment.service.clone() };
        if !self.shared.replicas.borrow().contains_key(&name) {
            return Err(ProviderError::Unknown(format!("function {name}")));
        }
        self.change(&name, |deployed| {
            deployed.generation += 1;
            deployed.deployment = Arc::new(deployment);
        });
        Ok(())
    }

    async fn remove(&self, function: &FunctionName) -> Result<(), ProviderError> {
        let numbers: Vec<u64> = self.replicas(&function.to_string()).into_iter().map(|(number, _)| number).collect();
        for number in numbers {
            let _ = self.retire(function, number).await;
        }
        self.shared.replicas.send_modify(|shown| {
            let mut all = (**shown).clone();
            all.remove(function);
            *shown = Arc::new(all);
        });
        Ok(())
    }

    fn watch(&self) -> watch::Receiver<Arc<Replicas>> {
        self.shared.replicas.subscribe()
    }

    async fn start(&self, function: &FunctionName, count: u32) -> Result<(), ProviderError> {
        if self.shared.broken.load(SeqCst) {
            return Err(ProviderError::Failed("no more processes".to_owned()));
        }
        let shown = self.shared.replicas.borrow().clone();
        let deployed = shown.get(function).ok_or_else(|| ProviderError::Unknown(function.to_string()))?;
        for _ in 0..count {
            let number = self.shared.numbers.fetch_add(1, SeqCst) + 1;
            self.shared.started.fetch_add(1, SeqCst);
            let image = deployed.deployment.image.clone();
            tokio::spawn(self.clone().run_replica(function.clone(), image, number, deployed.generation));
        }
        Ok(())
    }

    async fn retire(&self, function: &FunctionName, replica: u64) -> Result<(), ProviderError> {
        self.show(&function.to_string(), replica, ReplicaState::Retiring);
        let server = self.shared.servers.lock().unwrap().remove(&(function.clone(), replica));
        match server {
            Some(server) => server.notify_one(),
            None => self.change(function, |deployed| deployed.replicas.retain(|it| it.number != replica)),
        }
        Ok(())
    }

    async fn usage(&self, _: &FunctionName) -> Result<Usage, ProviderError> {
        Ok(self.shared.usage.lock().unwrap().clone())
    }

    async fn logs(&self, query: LogQuery) -> Result<LogStream, ProviderError> {
        if !self.shared.replicas.borrow().contains_key(&query.function) {
            return Err(ProviderError::Unknown(format!("function {}", query.function)));
        }
        let mut news = self.shared.log.subscribe();
        let shared = self.shared.clone();
        shared.log_readers.fetch_add(1, SeqCst);
        struct Reader(Arc<Shared>);
        impl Drop for Reader {
            fn drop(&mut self) {
                self.0.log_readers.fetch_sub(1, SeqCst);
            }
        }
        let reader = Reader(shared);
        let all = news.borrow_and_update().len();
        let first = query.tail.map_or(0, |tail| all.saturating_sub(tail));
        let lines = futures_util::stream::unfold((news, first, reader), move |(mut news, at, reader)| {
            let function = query.function.clone();
            async move {
                loop {
                    let line = news.borrow_and_update().get(at).cloned();
                    if let Some(text) = line {
                        let line = LogLine {
                            name: function.name.clone(),
                            namespace: function.namespace.clone(),
                            instance: format!("{}-1", function.name),
                            timestamp: "2026-01-01T00:00:00Z".to_owned(),
                            text,
                        };
                        return Some((line, (news, at + 1, reader)));
                    }
                    if !query.follow || news.changed().await.is_err() {
                        return None;
                    }
                }
            }
        });
        Ok(Box::pin(lines))
    }

    async fn namespaces(&self) -> Result<Vec<String>, ProviderError> {
        let mut names: Vec<String> = self.shared.replicas.borrow().keys().map(|name| name.namespace.clone()).collect();
        names.push("openfaas-fn".to_owned());
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn secrets(&self, namespace: &str) -> Result<Vec<String>, ProviderError> {
        let secrets = self.shared.secrets.lock().unwrap();
        Ok(secrets.keys().filter(|(within, _)| within == namespace).map(|(_, name)| name.clone()).collect())
    }

    async fn create_secret(&self, secret: Secret) -> Result<(), ProviderError> {
        let key = (secret.namespace, secret.name);
        let mut secrets = self.shared.secrets.lock().unwrap();
        if secrets.contains_key(&key) {
            return Err(ProviderError::Exists(format!("secret {}", key.1)));
        }
        secrets.insert(key, secret.value);
        Ok(())
    }

    async fn update_secret(&self, secret: Secret) -> Result<(), ProviderError> {
        let key = (secret.namespace, secret.name);
        let mut secrets = self.shared.secrets.lock().unwrap();
        match secrets.get_mut(&key) {
            Some(value) => *value = secret.value,
            None => return Err(ProviderError::Unknown(format!("secret {}", key.1))),
        }
        Ok(())
    }

    async fn remove_secret(&self, namespace: &str, name: &str) -> Result<(), ProviderError> {
        let removed = self.shared.secrets.lock().unwrap().remove(&(namespace.to_owned(), name.to_owned()));
        removed.map(drop).ok_or_else(|| ProviderError::Unknown(format!("secret {name}")))
    }

    async fn shut_down(&self) {}
}
