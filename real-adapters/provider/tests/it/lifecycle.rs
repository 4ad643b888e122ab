//! Deploy, start, call, update, retire, remove; and what comes back after a restart of the platform.

use std::sync::Arc;

use faas_lab_provider::api::FunctionName;
use faas_lab_provider::{Embedded, OpenError, Provider as _, ProviderError, ReplicaState};

use crate::support::{Lab, call, options, plain, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_deployed_started_called_and_removed() {
    let lab = Lab::new().await;
    let name = lab.running("hello", 2).await;
    let replicas = lab.until_ready(&name, 2).await;
    assert_ne!(replicas[0].number, replicas[1].number);
    assert_ne!(replicas[0].endpoint, replicas[1].endpoint);
    assert!(replicas[0].ready_at >= Some(replicas[0].requested_at));

    let environment = call(&replicas[0], "environment").await;
    for variable in ["OPENFAAS_NAME=hello", "OPENFAAS_NAMESPACE=openfaas-fn", "metrics_port=0", "fprocess=stand-in"] {
        assert!(environment.lines().any(|line| line == variable), "{variable} in {environment}");
    }
    assert!(!environment.contains("CARGO"), "functions do not see the platform's environment");

    lab.provider.remove(&name).await.expect("removed");
    assert!(lab.provider.watch().borrow().is_empty());
    assert!(lab.processes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_replica_finishes_its_calls_and_goes() {
    let lab = Lab::new().await;
    let name = lab.running("hello", 1).await;
    let replica = lab.only(&name).await;
    let running = tokio::spawn({
        let replica = replica.clone();
        async move { call(&replica, "wait:300").await }
    });
    lab.until_logged(&name, "waiting").await;
    lab.provider.retire(&name, replica.number).await.expect("retired");
    lab.until(&name, |f| f.replicas.iter().all(|r| r.state == ReplicaState::Retiring)).await;
    assert_eq!(running.await.expect("no panic"), "waited");
    lab.until(&name, |f| f.replicas.is_empty()).await;
    assert!(matches!(lab.provider.retire(&name, replica.number).await, Err(ProviderError::Unknown(_))));
    lab.provider.shut_down().await;
    assert!(lab.processes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_will_not_end_is_killed_at_its_limit() {
    let lab = Lab::new().await;
    let mut deployment = plain("stubborn");
    deployment.env_vars.insert("IGNORE_TERM".to_owned(), "1".to_owned());
    deployment.env_vars.insert("write_timeout".to_owned(), "1ms".to_owned());
    let name = lab.deployed(deployment).await;
    lab.provider.start(&name, 1).await.expect("started");
    let child = call(&lab.only(&name).await, "child").await;
    lab.provider.remove(&name).await.expect("removed");
    assert!(lab.processes().is_empty(), "neither the watchdog nor {child}, which it had started");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_makes_a_new_generation_and_leaves_old_replicas_alone() {
    let lab = Lab::new().await;
    let unknown = lab.provider.update(plain("hello")).await.expect_err("clients deploy on this");
    assert!(matches!(unknown, ProviderError::Unknown(_)));
    let name = lab.running("hello", 1).await;
    let mut newer = plain("hello");
    newer.env_vars.insert("COLOUR".to_owned(), "blue".to_owned());
    lab.provider.update(newer).await.expect("updated");
    lab.provider.start(&name, 1).await.expect("started");
    let replicas = lab.until_ready(&name, 2).await;
    assert_eq!((replicas[0].generation, replicas[1].generation), (1, 2));
    assert!(!call(&replicas[0], "environment").await.contains("COLOUR"));
    assert!(call(&replicas[1], "environment").await.contains("COLOUR=blue"));
    assert_eq!(lab.provider.watch().borrow()[&name].generation, 2);
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_why() {
    let lab = Lab::with(|options| {
        options.bounds.functions = 1;
        options.bounds.replicas_per_function = 2;
    })
    .await;
    let name = lab.deployed(plain("hello")).await;
    let text = async |deployment| lab.provider.deploy(deployment).await.expect_err("refused").to_string();
    assert_eq!(text(plain("hello")).await, "hello already exists");
    assert!(text(plain("other")).await.contains("1 functions are deployed"));
    assert!(text(plain("Nope")).await.starts_with("validation failed: service: (Nope) is invalid"));
    let mut unknown = plain("other");
    unknown.image = "functions/alpine:latest".to_owned();
    assert!(text(unknown).await.contains("built in are: stand-in"));
    let mut secretive = plain("other");
    secretive.secrets = vec!["key".to_owned()];
    assert_eq!(text(secretive).await, "unable to fetch secrets: secret \"key\" not found");

    let many = lab.provider.start(&name, 3).await.expect_err("refused").to_string();
    assert!(many.contains("at most 2"), "{many}");
    let missing = FunctionName::parse("missing");
    assert!(matches!(lab.provider.start(&missing, 1).await, Err(ProviderError::Unknown(_))));
    assert!(matches!(lab.provider.remove(&missing).await, Err(ProviderError::Unknown(_))));
    assert!(matches!(lab.provider.usage(&missing).await, Err(ProviderError::Unknown(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_insists_on_one_port_has_one_replica() {
    let lab = Lab::new().await;
    let mut deployment = plain("fixed");
    deployment.env_vars.insert("mode".to_owned(), "http".to_owned());
    let mut second = deployment.clone();
    second.service = "second".to_owned();
    for deployment in [&mut deployment, &mut second] {
        deployment.env_vars.insert("upstream_url".to_owned(), "http://127.0.0.1:5000".to_owned());
    }
    let (fixed, second) = (lab.deployed(deployment).await, lab.deployed(second).await);
    assert!(lab.provider.start(&fixed, 2).await.is_err_and(|e| e.to_string().contains("$PORT")));
    lab.provider.start(&fixed, 1).await.expect("one");
    for name in [&fixed, &second] {
        let error = lab.provider.start(name, 1).await.expect_err("the port is taken").to_string();
        assert!(error.contains("fixed-1 uses it"), "{error}");
    }
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_and_their_generation_survive_a_restart_without_replicas() {
    let lab = Lab::new().await;
    let name = lab.running("hello", 1).await;
    lab.provider.update(plain("hello")).await.expect("updated");
    let before = lab.provider.watch().borrow()[&name].clone();
    let busy = Embedded::open(options(lab.state.path())).await.expect_err("one at a time");
    assert!(matches!(busy, OpenError::InUse(_)) && busy.to_string().contains("in use"), "{busy}");
    lab.provider.shut_down().await;

    let lab = Lab::open(Arc::clone(&lab.state), |_| {}).await;
    let after = lab.provider.watch().borrow()[&name].clone();
    assert_eq!((after.generation, &after.deployment, after.created_at), (2, &before.deployment, before.created_at));
    assert!(after.replicas.is_empty());
    lab.provider.start(&name, 1).await.expect("started");
    lab.only(&name).await;
    lab.provider.remove(&name).await.expect("removed");
    drop(lab.provider);

    let lab = Lab::open(Arc::clone(&lab.state), |_| {}).await;
    assert!(lab.provider.watch().borrow().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_deeper_than_a_sockets_path_may_be_long_works_too() {
    let lab = Lab::with(|options| options.state.push("deep/".repeat(30))).await;
    let name = lab.running("hello", 1).await;
    assert!(call(&lab.only(&name).await, "environment").await.contains("OPENFAAS_NAME=hello"));
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_named() {
    let lab = Lab::new().await;
    lab.deployed(plain("hello")).await;
    drop(lab.provider);
    let file = lab.state.path().join("functions/openfaas-fn/hello.json");
    std::fs::write(&file, "{").expect("a damage");
    let error = Embedded::open(options(lab.state.path())).await.expect_err("damaged").to_string();
    assert!(error.contains("hello.json") && error.contains("remove it"), "{error}");
    let traces = std::fs::read_to_string(lab.state.path().join("groups")).expect("of the first platform");
    assert!(traces.lines().all(|trace| !std::path::Path::new(trace).exists()), "{traces}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_without_a_word_the_platform_still_leaves_nothing_behind() {
    let lab = Lab::new().await;
    let name = lab.running("hello", 2).await;
    call(&lab.until_ready(&name, 2).await[0], "child").await;
    assert!(lab.processes().len() >= 3);
    drop(lab.provider);
    assert!(processes_gone(&lab.state).await);
    assert_eq!(std::fs::read_dir(lab.state.path().join("run")).map_or(0, Iterator::count), 0);
    // At once, though the tasks of the old replicas may not have ended.
    Lab::open(Arc::clone(&lab.state), |_| {}).await.running("other", 1).await;
}

async fn processes_gone(state: &tempfile::TempDir) -> bool {
    // A killed process that is not yet waited for has no environment.
    until(async || crate::support::processes_of(state.path()).is_empty()).await;
    true
}
