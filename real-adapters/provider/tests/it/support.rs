//! A platform in a folder of its own, and calls to its replicas.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faas_lab_http::Endpoint;
use faas_lab_provider::api::{FunctionDeployment, FunctionName, LogQuery};
use faas_lab_provider::{
    BackOff, Deployed, Embedded, ImageManifest, Options, Provider as _, Replica, ReplicaState, WatchdogCommand,
};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

/// Far beyond what anything takes, even on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A platform and the folder of its state.
pub(crate) struct Lab {
    pub(crate) provider: Embedded,
    pub(crate) notices: Arc<Mutex<Vec<String>>>,
    pub(crate) state: Arc<TempDir>,
}

/// The program that the tests use for a watchdog; `cargo test` builds it with the other examples.
pub(crate) fn stand_in() -> PathBuf {
    let test = std::env::current_exe().expect("own path");
    let target = test.parent().and_then(Path::parent).expect("tests are in target/PROFILE/deps");
    let program = target.join("examples/stand_in");
    assert!(program.exists(), "{} is missing: cargo build -p faas-lab-provider --examples", program.display());
    program
}

pub(crate) fn options(state: &Path) -> Options {
    let mut options = Options::new(state, WatchdogCommand::new(stand_in()));
    let manifest = ImageManifest { fprocess: Some("stand-in".to_owned()), ..ImageManifest::default() };
    options.images = BTreeMap::from([("stand-in".to_owned(), manifest)]);
    let first = Duration::from_millis(10);
    options.back_off = BackOff { first, most: Duration::from_millis(100), ..BackOff::default() };
    options
}

impl Lab {
    pub(crate) async fn new() -> Lab {
        Lab::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Lab {
        Lab::open(Arc::new(tempfile::tempdir().expect("a folder")), change).await
    }

    pub(crate) async fn open(state: Arc<TempDir>, change: impl FnOnce(&mut Options)) -> Lab {
        let mut options = options(state.path());
        let notices: Arc<Mutex<Vec<String>>> = Arc::default();
        let list = Arc::clone(&notices);
        options.on_notice = Arc::new(move |notice| list.lock().expect("a list").push(notice.to_owned()));
        change(&mut options);
        Lab { provider: Embedded::open(options).await.expect("a platform"), notices, state }
    }

    /// Deploys a function of the stand-in and starts replicas; returns when all are ready.
    pub(crate) async fn running(&self, name: &str, replicas: u32) -> FunctionName {
        let name = self.deployed(plain(name)).await;
        self.provider.start(&name, replicas).await.expect("started");
        self.until_ready(&name, replicas as usize).await;
        name
    }

    pub(crate) async fn deployed(&self, deployment: FunctionDeployment) -> FunctionName {
        let name = FunctionName::parse(&deployment.service);
        self.provider.deploy(deployment).await.expect("deployed");
        name
    }

    pub(crate) async fn until_ready(&self, name: &FunctionName, replicas: usize) -> Vec<Replica> {
        let is_ready = |replica: &&Replica| replica.state == ReplicaState::Ready;
        self.until(name, |f| f.replicas.iter().filter(is_ready).count() == replicas).await.replicas
    }

    /// Waits until the function is as wanted.
    pub(crate) async fn until(&self, name: &FunctionName, wanted: impl Fn(&Deployed) -> bool) -> Deployed {
        let mut watch = self.provider.watch();
        let found = timeout(PATIENCE, watch.wait_for(|all| all.get(name).is_some_and(&wanted))).await;
        match found {
            Ok(all) => all.expect("the provider lives")[name].clone(),
            Err(_) => panic!("{name} is not as wanted: {:?}", self.provider.watch().borrow().get(name)),
        }
    }

    pub(crate) async fn only(&self, name: &FunctionName) -> Replica {
        self.until_ready(name, 1).await.remove(0)
    }

    /// The lines a function has logged so far.
    pub(crate) async fn log(&self, name: &FunctionName) -> Vec<String> {
        let query = LogQuery { function: name.clone(), instance: None, tail: None, since: None, follow: false };
        self.provider.logs(query).await.expect("a log").map(|line| line.text).collect().await
    }

    /// Waits until the log has a line that contains `text`.
    pub(crate) async fn until_logged(&self, name: &FunctionName, text: &str) {
        until(async || self.log(name).await.iter().any(|line| line.contains(text))).await;
    }

    /// Processes that belong to this platform.
    pub(crate) fn processes(&self) -> Vec<u32> {
        processes_of(self.state.path())
    }
}

/// Polls until something is so.
pub(crate) async fn until(mut wanted: impl AsyncFnMut() -> bool) {
    let search = async {
        while !wanted().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, search).await.expect("what is waited for comes");
}

pub(crate) fn plain(name: &str) -> FunctionDeployment {
    FunctionDeployment {
        service: name.to_owned(),
        image: "stand-in:latest".to_owned(),
        ..FunctionDeployment::default()
    }
}

/// A function that does something before it listens.
pub(crate) fn at_start(name: &str, order: &str) -> FunctionDeployment {
    let mut deployment = plain(name);
    deployment.env_vars.insert("AT_START".to_owned(), order.to_owned());
    deployment
}

/// Processes whose environment says that they belong to the platform of that state folder.
pub(crate) fn processes_of(state: &Path) -> Vec<u32> {
    let id = fs::read_to_string(state.join("platform")).expect("the platform's id");
    let mark = format!("FAAS_LAB_PLATFORM={id}").into_bytes();
    let pids = fs::read_dir("/proc").expect("processes").flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let has_mark = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark)
    };
    pids.filter(has_mark).collect()
}

/// Calls a replica: `spin:20`, say. `None` if it breaks off.
pub(crate) async fn try_call(replica: &Replica, order: &str) -> Option<String> {
    let Endpoint::Unix(socket) = &replica.endpoint else { panic!("a socket") };
    let mut stream = UnixStream::connect(socket).await.ok()?;
    stream
        .write_all(format!("GET /{order} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

pub(crate) async fn call(replica: &Replica, order: &str) -> String {
    try_call(replica, order).await.expect("an answer")
}
