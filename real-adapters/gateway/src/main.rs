//! A gateway with the embedded provider and queue, set by environment variables as the stock gateway is. For containers;
//! `faas-lab up` starts the same from one binary.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use faas_lab_gateway::{Gateway, Options, queue_settings, triggers};
use faas_lab_http::Endpoint;
use faas_lab_provider::{Embedded, Provider, WatchdogCommand};
use faas_lab_queue::{EmbeddedOptions, EmbeddedQueue, JetStreamOptions, JetStreamQueue, Queue, RunOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

const HELP: &str = "\
faas-lab-gateway: an OpenFaaS-compatible gateway that runs functions as processes of this machine.

It is set by environment variables:
  port 8080, metrics_port 8082        where it listens
  read_timeout, write_timeout, upstream_timeout   60s each
  basic_auth true, secret_mount_path /run/secrets/  who may use /system
  state /var/lib/faas-lab             deployments, secrets and the queue
  watchdog                            the watchdog's executable; by default faas-lab-watchdog beside this one
  functions_folder                    where relative image names are looked up
  faas_nats_address, faas_nats_port 4222   a NATS server instead of the embedded queue
  function_store                      a file of JSON for /store.json
  default_scaling_policy rps, record_decisions FILE, max_async_body_bytes 10000000
";

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        print!("{HELP}");
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return failed(&format!("no threads: {why}")),
    };
    match runtime.block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => failed(&why),
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("faas-lab-gateway: {why}");
    ExitCode::from(2)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn port(name: &str, default: u16) -> Result<Endpoint, String> {
    let port = match variable(name) {
        None => default,
        Some(text) => text.parse().map_err(|_| format!("{name} is {text:?}: write a port's number"))?,
    };
    Ok(Endpoint::Tcp(([0, 0, 0, 0], port).into()))
}

async fn run() -> Result<(), String> {
    let options = Options::from_variables(variable)?;
    let listen = async |endpoint: Endpoint| endpoint.bind().await.map_err(|why| format!("{endpoint}: {why}"));
    let listener = listen(port("port", 8080)?).await?;
    let metrics = listen(port("metrics_port", 8082)?).await?;

    let state = PathBuf::from(variable("state").unwrap_or_else(|| "/var/lib/faas-lab".to_owned()));
    let mut settings = faas_lab_provider::Options::new(&state, WatchdogCommand::new(watchdog()));
    settings.functions_folder = variable("functions_folder").map(PathBuf::from);
    let provider = Embedded::open(settings).await.map_err(|why| why.to_string())?;
    let provider: Arc<dyn Provider> = Arc::new(provider);

    let shutdown = CancellationToken::new();
    let settings = queue_settings(provider.as_ref());
    let nats = variable("faas_nats_address")
        .map(|address| format!("nats://{address}:{}", variable("faas_nats_port").unwrap_or_else(|| "4222".to_owned())));
    let mut tasks = tokio::task::JoinSet::new();
    let gateway;
    match &nats {
        Some(url) => {
            let queue = JetStreamQueue::connect(url, JetStreamOptions { settings, ..JetStreamOptions::default() });
            let queue = queue.await.map_err(|why| why.to_string())?;
            gateway = start(options, &provider, Arc::new(queue.clone()))?;
            let (invoker, shutdown) = (gateway.invoker(), shutdown.clone());
            tasks.spawn(async move { queue.run(invoker, RunOptions::default(), shutdown).await });
        }
        None => {
            let path = state.join("queue.redb");
            let queue = EmbeddedQueue::open(path, EmbeddedOptions { settings, ..EmbeddedOptions::default() });
            let queue = queue.await.map_err(|why| why.to_string())?;
            gateway = start(options, &provider, Arc::new(queue.clone()))?;
            let (invoker, shutdown) = (gateway.invoker(), shutdown.clone());
            tasks.spawn(async move {
                queue.run(invoker, RunOptions::default(), shutdown).await;
                queue.close().await;
            });
        }
    }
    let subjects = match &nats {
        Some(url) => Some(triggers::Nats::connect(url).await.map_err(|why| why.to_string())?),
        None => None,
    };
    tasks.spawn(triggers::run(subjects, provider.watch(), gateway.invoker(), shutdown.clone()));

    let mut terminated = signal(SignalKind::terminate()).map_err(|why| format!("signals: {why}"))?;
    let ended = async {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        shutdown.cancel();
    };
    let _ = gateway.run(listener, Some(metrics), ended).await;
    while tasks.join_next().await.is_some() {}
    provider.shut_down().await;
    Ok(())
}

fn start(options: Options, provider: &Arc<dyn Provider>, queue: Arc<dyn Queue>) -> Result<Gateway, String> {
    Gateway::new(options, provider.clone(), Some(queue)).map_err(|why| why.to_string())
}

fn watchdog() -> OsString {
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("faas-lab-watchdog"));
    variable("watchdog")
        .map(OsString::from)
        .or_else(|| beside().filter(|path| path.exists()).map(PathBuf::into_os_string))
        .unwrap_or_else(|| "faas-lab-watchdog".into())
}
