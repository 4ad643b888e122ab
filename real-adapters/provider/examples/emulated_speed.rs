//! How long a busy loop of known CPU time takes on the emulated Raspberry Pi 4:
//! `cargo build -p faas-lab-provider --examples && target/debug/examples/emulated_speed`
//!
//! κ times the CPU time is right. Beside the period of 10 ms stands the usual one of 100 ms, to show why it is not used.

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use faas_lab_http::{Endpoint, Stream};
use faas_lab_provider::api::{FunctionDeployment, FunctionName};
use faas_lab_provider::{Embedded, Emulation, ImageManifest, Options, Provider as _, Replica, WatchdogCommand};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

const RUNS: usize = 40;

#[tokio::main]
async fn main() {
    let stand_in = env::current_exe().expect("own path").with_file_name("stand_in");
    for period_ms in [10, 100] {
        for (jobs, count) in [(1, 1), (2, 1), (2, 2), (4, 4)] {
            let state = tempfile::tempdir().expect("a folder");
            let mut options = Options::new(state.path(), WatchdogCommand::new(&stand_in));
            let manifest = ImageManifest { fprocess: Some("stand-in".to_owned()), ..ImageManifest::default() };
            options.images = BTreeMap::from([("cpu".to_owned(), manifest)]);
            let mut emulation = Emulation::raspberry_pi_4();
            emulation.period = Duration::from_millis(period_ms);
            let slowdown = emulation.classes["scalar"].slowdown;
            options.emulation = Some(emulation);
            let provider = Embedded::open(options).await.expect("a platform");
            let replicas = start(&provider, count).await;
            let cpu_ms = 56;
            let mut times = Vec::new();
            for _ in 0..RUNS / jobs {
                let calls =
                    replicas.iter().cycle().take(jobs).map(|replica| call(replica.clone(), format!("spin:{cpu_ms}")));
                times.extend(calls.collect::<JoinSet<_>>().join_all().await);
            }
            times.sort();
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
            println!(
                "period {period_ms:3} ms, {jobs} at a time on {count} replicas, {cpu_ms} ms of CPU, {:.0} ms expected: p10 {:.0}, p50 {:.0}, p90 {:.0}, max {:.0} ms",
                f64::from(cpu_ms) * slowdown,
                at(0.1),
                at(0.5),
                at(0.9),
                at(1.0)
            );
            provider.shut_down().await;
        }
    }
}

async fn start(provider: &Embedded, count: u32) -> Vec<Replica> {
    let deployment =
        FunctionDeployment { service: "cpu".to_owned(), image: "cpu".to_owned(), ..FunctionDeployment::default() };
    let name = FunctionName::parse("cpu");
    provider.deploy(deployment).await.expect("deployed");
    provider.start(&name, count).await.expect("started");
    let mut watch = provider.watch();
    let ready = watch.wait_for(|all| all[&name].replicas.iter().all(|replica| replica.ready_at.is_some())).await;
    ready.expect("the provider lives")[&name].replicas.clone()
}

/// The wall time of a call, as the function saw it.
async fn call(replica: Replica, order: String) -> Duration {
    let endpoint: &Endpoint = &replica.endpoint;
    let mut stream: Stream = endpoint.connect().await.expect("connected");
    stream.write_all(format!("GET /{order} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    let micros = answer.rsplit("\r\n").next().expect("a body").parse().expect("a number");
    Duration::from_micros(micros)
}
