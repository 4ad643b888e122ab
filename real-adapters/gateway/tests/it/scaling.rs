//! The scaler under paused time, and its decisions played again through a fresh copy of the policies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use faas_lab_gateway::{Entry, Gateway, Options, Policy, Settings, policies};
use faas_lab_model::policies::{Scaler, Snapshot};
use faas_lab_provider::Provider;
use faas_lab_provider::api::{FunctionDeployment, Usage};
use faas_lab_queue::{Invocation, Queue};

use crate::fake::Fake;
use crate::lab::Memory;

async fn deploy(fake: &Fake, labels: &[(&str, &str)]) {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let deployment = FunctionDeployment {
        service: "hello".into(),
        image: "echo".into(),
        namespace: "openfaas-fn".into(),
        labels,
        ..FunctionDeployment::default()
    };
    fake.deploy(deployment).await.unwrap();
}

fn gateway(fake: &Fake, queue: &Arc<Memory>, options: Options) -> Gateway {
    let queue: Arc<dyn Queue> = queue.clone();
    Gateway::new(options, Arc::new(fake.clone()), Some(queue)).unwrap()
}

async fn after(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn the_queue_policy_follows_what_waits() {
    let (fake, queue) = (Fake::without_servers(), Arc::new(Memory::default()));
    let _gateway = gateway(&fake, &queue, Options::default());
    let labels = [
        ("com.openfaas.scale.type", "queue"),
        ("com.openfaas.scale.target", "10"),
        ("com.openfaas.scale.target-proportion", "1"),
    ];
    deploy(&fake, &labels).await;
    after(1).await;
    assert_eq!(fake.ready("hello"), 1);
    *queue.depth.lock().unwrap() = 35;
    after(6).await;
    assert_eq!(fake.ready("hello"), 4);
    *queue.depth.lock().unwrap() = 1000;
    after(6).await;
    assert_eq!(fake.ready("hello"), 20);
    *queue.depth.lock().unwrap() = 0;
    after(6).await;
    assert_eq!(fake.ready("hello"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_cpu_policy_follows_what_is_burnt() {
    let (fake, queue) = (Fake::without_servers(), Arc::new(Memory::default()));
    let _gateway = gateway(&fake, &queue, Options::default());
    deploy(&fake, &[("com.openfaas.scale.type", "cpu"), ("com.openfaas.scale.target", "500")]).await;
    for second in 0..12 {
        fake.set_usage(Usage { cpu_seconds_total: 1.25 * second as f64, ..Usage::default() });
        after(1).await;
    }
    // 1250 milli-CPU at 450 each.
    assert_eq!(fake.ready("hello"), 3);
}

#[tokio::test(start_paused = true)]
async fn the_hpa_reads_each_replica() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let (fake, queue) = (Fake::without_servers(), Arc::new(Memory::default()));
    let options = Options { decisions: Some(path.clone()), ..Options::default() };
    let running = gateway(&fake, &queue, options);
    deploy(&fake, &[("com.faas-lab.scale.policy", "hpa")]).await;
    let mut burnt = BTreeMap::<u64, f64>::new();
    for second in 0..120 {
        // One core is requested and 80 % wanted; whichever replica there is uses 1.2 cores.
        for (number, _) in fake.replicas("hello") {
            *burnt.entry(number).or_default() += 1.2;
        }
        fake.set_usage(Usage { cpu_seconds: burnt.clone(), ..Usage::default() });
        after(1).await;
        // 150 % of the target: 1 → 2 once the first was scraped twice, and no more while the second has no sample.
        if (35..45).contains(&second) {
            assert_eq!(fake.ready("hello"), 2, "{second} s");
        }
    }
    // Both at 150 %: ⌈2 · 1.5⌉, and so on.
    assert!(fake.ready("hello") > 3);
    drop(running);
    let (decided, changes) = replay(&std::fs::read_to_string(&path).unwrap());
    assert!(decided >= 8 && changes >= 3, "{decided} decisions, {changes} changes");
}

#[tokio::test(start_paused = true)]
async fn a_function_that_nobody_calls_rests() {
    let (fake, queue) = (Fake::without_servers(), Arc::new(Memory::default()));
    let _gateway = gateway(&fake, &queue, Options::default());
    deploy(&fake, &[("com.openfaas.scale.zero", "true"), ("com.openfaas.scale.zero-duration", "2m")]).await;
    after(100).await;
    assert_eq!(fake.ready("hello"), 1);
    after(60).await;
    assert_eq!(fake.replicas("hello").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn starts_that_fail_are_tried_again() {
    let (fake, queue) = (Fake::without_servers(), Arc::new(Memory::default()));
    let _gateway = gateway(&fake, &queue, Options::default());
    fake.set_broken(true);
    deploy(&fake, &[]).await;
    after(60).await;
    assert_eq!(fake.ready("hello"), 0);
    fake.set_broken(false);
    after(6).await;
    assert_eq!(fake.ready("hello"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_held_for_a_hundred_seconds_at_most() {
    let (fake, queue) = (Fake::without_servers(), Arc::new(Memory::default()));
    let gateway = gateway(&fake, &queue, Options::default());
    deploy(&fake, &[("com.openfaas.scale.min", "0"), ("com.faas-lab.scale.policy", "fixed")]).await;
    fake.set_boot(Duration::from_secs(101));
    after(1).await;
    let answer = gateway.invoker().invoke(&invocation("hello.openfaas-fn"), 1).await;
    assert_eq!((answer.status.as_u16(), answer.took.as_secs()), (503, 100));
    assert_eq!(answer.headers["x-openfaas-internal"], "gateway");
    assert_eq!(fake.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_own_replica_waits_no_longer_than_for_an_answer() {
    let (fake, queue) = (Fake::without_servers(), Arc::new(Memory::default()));
    let gateway = gateway(&fake, &queue, Options::default());
    deploy(&fake, &[("com.faas-lab.scale.policy", "per-request"), ("com.faas-lab.keep_alive", "5s")]).await;
    fake.set_boot(Duration::from_secs(70));
    after(1).await;
    let answer = gateway.invoker().invoke(&invocation("hello.openfaas-fn"), 1).await;
    assert_eq!((answer.status.as_u16(), answer.took.as_secs()), (502, 60));
    // The replica comes all the same, finds nobody and goes after its keep-alive.
    after(11).await;
    assert_eq!(fake.ready("hello"), 1);
    after(5).await;
    assert_eq!(fake.replicas("hello").len(), 0);
}

fn invocation(function: &str) -> Invocation {
    Invocation {
        call_id: "1".into(),
        function: function.into(),
        method: http::Method::POST,
        path: "/".into(),
        query: String::new(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        callback: None,
        accepted_at: std::time::SystemTime::now(),
    }
}

#[tokio::test(start_paused = true)]
async fn functions_that_were_there_before_the_gateway_are_started() {
    let (fake, queue) = (Fake::without_servers(), Arc::new(Memory::default()));
    deploy(&fake, &[("com.openfaas.scale.min", "3")]).await;
    let _gateway = gateway(&fake, &queue, Options::default());
    after(1).await;
    assert_eq!(fake.ready("hello"), 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_gateway_decided_the_models_policies_decide_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let (fake, queue) = (Fake::without_servers(), Arc::new(Memory::default()));
    let options = Options { decisions: Some(path.clone()), ..Options::default() };
    let running = gateway(&fake, &queue, options);
    let labels = [
        ("com.openfaas.scale.type", "queue"),
        ("com.openfaas.scale.target", "7"),
        ("com.openfaas.scale.down.window", "20s"),
        ("com.openfaas.scale.zero", "true"),
        ("com.openfaas.scale.zero-duration", "1m"),
    ];
    deploy(&fake, &labels).await;
    for step in 0..60u64 {
        *queue.depth.lock().unwrap() = (step * 37) % 101;
        after(3).await;
    }
    drop(running);
    let text = std::fs::read_to_string(&path).unwrap();
    let (decided, changes) = replay(&text);
    assert!(decided > 40 && changes > 5, "{decided} decisions, {changes} changes");
}

/// The policies of one function.
type Playing = Vec<(Policy, Box<dyn Scaler + Send>)>;

/// Asks fresh policies what the recorded ones were asked. Counts questions, and those whose answer was a number.
fn replay(text: &str) -> (usize, usize) {
    let mut playing: BTreeMap<String, Playing> = BTreeMap::new();
    let (mut decided, mut changes) = (0, 0);
    for line in text.lines() {
        match serde_json::from_str(line).unwrap() {
            Entry::Began { function, default_policy, labels, requests } => {
                let deployment = FunctionDeployment { labels, requests, ..FunctionDeployment::default() };
                playing.insert(function, policies(&Settings::read(&deployment, &default_policy).unwrap()));
            }
            Entry::Decided { function, policy, seen, replicas, ask_again_nanos } => {
                let policies = playing.get_mut(&function).unwrap();
                let (_, scaler) = policies.iter_mut().find(|(it, _)| *it == policy).unwrap();
                let verdict = scaler.decide(&Snapshot::from(&seen));
                assert_eq!((verdict.replicas, verdict.ask_again.as_nanos()), (replicas, ask_again_nanos), "{line}");
                decided += 1;
                changes += usize::from(replicas.is_some());
            }
        }
    }
    (decided, changes)
}
