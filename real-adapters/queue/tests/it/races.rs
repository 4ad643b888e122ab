//! What happens when two ask for the same dead letter at once, and what others may see of the file.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use faas_lab_queue::{EmbeddedQueue, Queue, RunOptions};
use tokio_util::sync::CancellationToken;

use crate::support::{Function, answer, eventually, invocation, policy, with_policy};

async fn run_until(queue: &EmbeddedQueue, function: &Arc<Function>, what: &str, holds: impl FnMut() -> bool) {
    let shutdown = CancellationToken::new();
    let run = queue.run(function.clone(), RunOptions::default(), shutdown.clone());
    let watch = async {
        eventually(what, holds).await;
        shutdown.cancel();
    };
    tokio::join!(run, watch);
}

/// One that is requeued and forgotten at once is either delivered or gone, as the answers say; never half of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_given_to_one_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let options = with_policy(policy(1, Duration::ZERO, Duration::ZERO));
    let queue = EmbeddedQueue::open(&path, options.clone()).await.unwrap();
    let calls: Vec<String> = (0..40).map(|n| format!("call-{n}")).collect();
    for call in &calls {
        queue.push(invocation("f.ns", call)).await.unwrap();
    }
    let failing = Function::new(Duration::ZERO, |_, _| answer(500));
    run_until(&queue, &failing, "their deaths", || queue.metrics().dead == 40).await;
    let mut revived = Vec::new();
    for (n, call) in calls.iter().enumerate() {
        let (first, second, purged) = match n % 4 {
            0 => tokio::join!(queue.requeue(call), queue.requeue(call), async { Ok(false) }),
            1 => tokio::join!(queue.requeue(call), async { Ok(false) }, queue.purge(call)),
            2 => {
                let (purged, first) = tokio::join!(queue.purge(call), queue.requeue(call));
                (first, Ok(false), purged)
            }
            _ => tokio::join!(async { Ok(false) }, queue.purge(call), queue.purge(call)),
        };
        let given = [first.unwrap(), second.unwrap(), purged.unwrap()];
        assert_eq!(given.iter().filter(|given| **given).count(), 1, "{call}: {given:?}");
        if n % 4 < 3 && given[0] || n % 4 == 0 {
            revived.push(call.clone());
        }
    }
    assert_eq!((queue.metrics().dead, queue.depth("f.ns")), (0, revived.len() as u64));
    queue.close().await;
    let queue = EmbeddedQueue::open(&path, options).await.unwrap();
    assert_eq!((queue.metrics().dead, queue.depth("f.ns")), (0, revived.len() as u64), "as in the file");
    let function = Function::new(Duration::ZERO, |_, _| answer(200));
    run_until(&queue, &function, "their delivery", || queue.metrics().depth.is_empty()).await;
    let mut delivered: Vec<String> = function.calls().into_iter().map(|call| call.call_id).collect();
    delivered.sort();
    revived.sort();
    assert_eq!(delivered, revived);
    assert_eq!(queue.metrics().dead, 0);
}

/// Authorization headers are in it, and the folder may be anybody's.
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let options = with_policy(policy(1, Duration::ZERO, Duration::ZERO));
    let queue = EmbeddedQueue::open(&path, options).await.unwrap();
    queue.push(invocation("f.ns", "call")).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    queue.close().await;
}
