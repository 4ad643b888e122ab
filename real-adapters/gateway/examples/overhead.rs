//! The two ends of `benches/overhead.sh`: a function without a watchdog, and a gateway in front of it.
//!
//! `overhead function ENDPOINT` answers every request with a few bytes; `overhead gateway ENDPOINT FUNCTION` passes calls
//! of `/function/hello` on to the function at FUNCTION.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use faas_lab_gateway::{Gateway, Options};
use faas_lab_http::{Body, Endpoint, Limits, serve};
use faas_lab_provider::api::{FunctionDeployment, FunctionName, LogQuery, Secret, Usage};
use faas_lab_provider::{Deployed, LogStream, Provider, ProviderError, Replica, ReplicaState, Replicas};
use http::Response;
use tokio::sync::watch;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be had");
    runtime.block_on(async {
        match arguments.as_slice() {
            ["function", endpoint] => {
                let listener = read(endpoint).bind().await.expect("the endpoint is free");
                let answer = |_, _| async { Response::new(Body::full("hello\n")) };
                let _ = serve(listener, Limits::default(), answer, std::future::pending()).await;
            }
            ["gateway", endpoint, function] => {
                let listener = read(endpoint).bind().await.expect("the endpoint is free");
                let provider = Arc::new(One::new(read(function)));
                let gateway = Gateway::new(Options::default(), provider, None).expect("the defaults are good");
                let _ = gateway.run(listener, None, std::future::pending()).await;
            }
            _ => eprintln!("overhead function ENDPOINT | overhead gateway ENDPOINT FUNCTION"),
        }
    });
}

fn read(endpoint: &str) -> Endpoint {
    endpoint.parse().expect("an endpoint such as 127.0.0.1:8080 or unix:/tmp/a.sock")
}

/// One function with one replica, which is always there.
struct One(watch::Sender<Arc<Replicas>>);

impl One {
    fn new(endpoint: Endpoint) -> One {
        let labels = BTreeMap::from([("com.faas-lab.scale.policy".to_owned(), "fixed".to_owned())]);
        let deployment = FunctionDeployment {
            service: "hello".to_owned(),
            image: "hello".to_owned(),
            namespace: "openfaas-fn".to_owned(),
            labels,
            ..FunctionDeployment::default()
        };
        let replica = Replica {
            number: 1,
            generation: 1,
            endpoint,
            state: ReplicaState::Ready,
            requested_at: SystemTime::now(),
            ready_at: None,
            restarts: 0,
        };
        let deployed = Deployed {
            deployment: Arc::new(deployment),
            created_at: SystemTime::now(),
            generation: 1,
            replicas: vec![replica],
        };
        let name = FunctionName::parse("hello");
        One(watch::Sender::new(Arc::new(Replicas::from([(name, deployed)]))))
    }
}

fn cannot<T>() -> Result<T, ProviderError> {
    Err(ProviderError::Refused("this provider has one function for good".to_owned()))
}

#[async_trait]
impl Provider for One {
    fn name(&self) -> &'static str {
        "one"
    }
    fn watch(&self) -> watch::Receiver<Arc<Replicas>> {
        self.0.subscribe()
    }
    async fn deploy(&self, _: FunctionDeployment) -> Result<(), ProviderError> {
        cannot()
    }
    async fn update(&self, _: FunctionDeployment) -> Result<(), ProviderError> {
        cannot()
    }
    async fn remove(&self, _: &FunctionName) -> Result<(), ProviderError> {
        cannot()
    }
    async fn start(&self, _: &FunctionName, _: u32) -> Result<(), ProviderError> {
        cannot()
    }
    async fn retire(&self, _: &FunctionName, _: u64) -> Result<(), ProviderError> {
        cannot()
    }
    async fn usage(&self, _: &FunctionName) -> Result<Usage, ProviderError> {
        cannot()
    }
    async fn logs(&self, _: LogQuery) -> Result<LogStream, ProviderError> {
        cannot()
    }
    async fn namespaces(&self) -> Result<Vec<String>, ProviderError> {
        Ok(vec!["openfaas-fn".to_owned()])
    }
    async fn secrets(&self, _: &str) -> Result<Vec<String>, ProviderError> {
        cannot()
    }
    async fn create_secret(&self, _: Secret) -> Result<(), ProviderError> {
        cannot()
    }
    async fn update_secret(&self, _: Secret) -> Result<(), ProviderError> {
        cannot()
    }
    async fn remove_secret(&self, _: &str, _: &str) -> Result<(), ProviderError> {
        cannot()
    }
    async fn shut_down(&self) {}
}
