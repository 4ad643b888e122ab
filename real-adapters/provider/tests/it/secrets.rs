//! Secrets: durable, seen by those who may, and by nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use faas_lab_provider::api::Secret;
use faas_lab_provider::{Provider as _, ProviderError};

use crate::support::{Lab, call, plain};

fn secret(name: &str, value: &str) -> Secret {
    Secret { name: name.to_owned(), value: value.to_owned(), ..Secret::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_reads_its_own_secrets_and_their_updates() {
    let lab = Lab::new().await;
    lab.provider.create_secret(secret("api-key", "hunter2")).await.expect("created");
    lab.provider.create_secret(secret("other", "hunter3")).await.expect("created");
    let mut deployment = plain("hello");
    deployment.secrets = vec!["api-key".to_owned()];
    let name = lab.deployed(deployment).await;
    lab.provider.start(&name, 1).await.expect("started");
    let replica = lab.only(&name).await;
    assert_eq!(call(&replica, "secret:api-key").await, "hunter2");
    lab.until_logged(&name, "secret: api-key").await;
    lab.provider.update_secret(secret("api-key", "hunter4")).await.expect("updated");
    assert_eq!(call(&replica, "secret:api-key").await, "hunter4");

    // Nowhere else: not in arguments or environments of processes, nor in what the provider tells.
    for pid in lab.processes() {
        for file in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{pid}/{file}")).expect("a process of ours");
            assert!(!String::from_utf8_lossy(&text).contains("hunter"), "{file}");
        }
    }
    assert!(!format!("{:?} {:?}", lab.provider.watch().borrow(), lab.log(&name).await).contains("hunter"));
    assert!(!format!("{:?}", secret("api-key", "hunter2")).contains("hunter"));
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_kept_from_other_users_and_through_a_restart() {
    let lab = Lab::new().await;
    lab.provider.create_secret(secret("a", "1")).await.expect("created");
    let elsewhere = Secret { namespace: "staging".to_owned(), ..secret("b", "2") };
    lab.provider.create_secret(elsewhere.clone()).await.expect("created");
    let mode =
        |path: &str| fs::metadata(lab.state.path().join(path)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode("secrets/openfaas-fn/a"), mode("secrets/openfaas-fn"), mode("secrets")), (0o600, 0o700, 0o700));
    lab.provider.shut_down().await;
    drop(lab.provider);

    let lab = Lab::open(Arc::clone(&lab.state), |_| {}).await;
    assert_eq!(lab.provider.secrets("").await.expect("names"), ["a"]);
    assert_eq!(lab.provider.secrets("staging").await.expect("names"), ["b"]);
    assert_eq!(lab.provider.namespaces().await.expect("names"), ["openfaas-fn", "staging"]);
    lab.provider.remove_secret("staging", "b").await.expect("removed");
    assert_eq!(lab.provider.namespaces().await.expect("names"), ["openfaas-fn"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_would_be_paths_are_refused() {
    let lab = Lab::with(|options| options.bounds.secrets = 1).await;
    for name in ["", ".", "..", "../a", "a/b", ".hidden", "A", "a\0"] {
        let created = lab.provider.create_secret(secret(name, "x")).await;
        assert!(matches!(created, Err(ProviderError::Invalid(_))), "{name}: {created:?}");
        assert!(matches!(lab.provider.remove_secret("", name).await, Err(ProviderError::Invalid(_))), "{name}");
    }
    assert!(matches!(lab.provider.secrets("../..").await, Err(ProviderError::Invalid(_))));
    assert!(matches!(lab.provider.update_secret(secret("a", "x")).await, Err(ProviderError::Unknown(_))));
    assert!(matches!(lab.provider.remove_secret("", "a").await, Err(ProviderError::Unknown(_))));
    lab.provider.create_secret(secret("a.b", "x")).await.expect("created");
    assert!(matches!(lab.provider.create_secret(secret("a.b", "x")).await, Err(ProviderError::Exists(_))));
    assert!(matches!(lab.provider.create_secret(secret("c", "x")).await, Err(ProviderError::Refused(_))));
}
