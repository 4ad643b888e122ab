//! Many starts, and everything at once.

use std::sync::Arc;
use std::time::Duration;

use faas_lab_provider::{Provider as _, ProviderError};

use crate::support::{Lab, plain};

/// Prints how long a start takes; `cargo test … -- --nocapture` shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_starts() {
    let lab = Lab::new().await;
    let name = lab.deployed(plain("hello")).await;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..100 {
        lab.provider.start(&name, 1).await.expect("started");
        let replica = lab.only(&name).await;
        let ready_at = replica.ready_at.expect("it is ready");
        times.push(ready_at.duration_since(replica.requested_at).expect("one clock"));
        lab.provider.retire(&name, replica.number).await.expect("retired");
        lab.until(&name, |f| f.replicas.is_empty()).await;
    }
    times.sort();
    println!("requested to ready: p50 {:?}, p90 {:?}, p99 {:?}, max {:?}", times[50], times[90], times[98], times[99]);
    lab.provider.start(&name, 20).await.expect("started");
    lab.until_ready(&name, 20).await;
    lab.provider.shut_down().await;
    assert!(lab.processes().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_leaks_when_all_happens_at_once() {
    let lab = Arc::new(Lab::new().await);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let lab = Arc::clone(&lab);
        tasks.spawn(async move {
            // Two tasks for each function: they find it there or not, and get in each other's way.
            let service = format!("f{}", task / 2);
            let deployment = plain(&service);
            let name = faas_lab_provider::api::FunctionName::parse(&service);
            for round in 0..6 {
                let expected = |result: Result<(), ProviderError>| match result {
                    Ok(()) | Err(ProviderError::Exists(_) | ProviderError::Unknown(_)) => {}
                    Err(other) => panic!("{other}"),
                };
                expected(lab.provider.deploy(deployment.clone()).await);
                expected(lab.provider.start(&name, 2).await);
                expected(lab.provider.update(deployment.clone()).await);
                if round % 2 == 0 {
                    expected(lab.provider.remove(&name).await);
                } else {
                    let some = lab.provider.watch().borrow().get(&name).and_then(|f| f.replicas.first().cloned());
                    if let Some(replica) = some {
                        expected(lab.provider.retire(&name, replica.number).await);
                    }
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic");
    }
    lab.provider.shut_down().await;
    assert!(lab.processes().is_empty());
    let late = lab.provider.deploy(plain("late")).await;
    assert!(matches!(late, Err(ProviderError::Refused(_))), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remover_that_goes_away_leaves_no_replica() {
    let lab = Lab::new().await;
    let name = lab.running("hello", 2).await;
    // Cancelled somewhere on its way.
    let _ = tokio::time::timeout(Duration::from_millis(1), lab.provider.remove(&name)).await;
    crate::support::until(async || {
        lab.provider.watch().borrow().is_empty() || lab.provider.remove(&name).await.is_ok()
    })
    .await;
    crate::support::until(async || lab.processes().is_empty()).await;
}
