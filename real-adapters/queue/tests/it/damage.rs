//! A file that is not what it was: a clear error, never a panic that leaves the task.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use faas_lab_queue::{EmbeddedOptions, EmbeddedQueue, OpenError, Queue, RunOptions};
use tokio_util::sync::CancellationToken;

use crate::support::{Function, answer, invocation};

/// A queue's file with a hundred invocations in it.
async fn file(path: &Path) -> Vec<u8> {
    let queue = EmbeddedQueue::open(path, EmbeddedOptions::default()).await.unwrap();
    for n in 0..100 {
        queue.push(invocation("f.ns", &format!("call-{n}"))).await.unwrap();
    }
    queue.close().await;
    std::fs::read(path).unwrap()
}

async fn open(path: &Path) -> Result<EmbeddedQueue, OpenError> {
    EmbeddedQueue::open(path, EmbeddedOptions::default()).await
}

#[tokio::test]
async fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let queue = open(&path).await.unwrap();
    assert!(matches!(open(&path).await, Err(OpenError::InUse(_))));
    queue.close().await;
    assert!(queue.push(invocation("f.ns", "late")).await.unwrap_err().to_string().contains("closed"));
    open(&path).await.unwrap();
}

#[tokio::test]
async fn other_files_and_folders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("empty", &b""[..]), ("text", b"hello"), ("long", &[7; 100_000])] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let Err(error) = open(&path).await else { panic!("{name} was opened") };
        assert!(matches!(error, OpenError::Damaged { .. }), "{name}: {error}");
        assert!(error.to_string().contains("restore it from a copy, or move it away"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), content, "what is there is left as it is");
    }
    assert!(open(folder.path()).await.is_err());
    assert!(open(&folder.path().join("no/such/folder")).await.is_err());
}

/// Whatever was cut off or overwritten: the file is refused, or it opens and what can be read is delivered.
#[tokio::test(flavor = "multi_thread")]
async fn cut_and_overwritten_files_are_refused_or_work() {
    let folder = tempfile::tempdir().unwrap();
    let whole = file(&folder.path().join("whole")).await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut refused = 0;
    for round in 0..60 {
        let mut bytes = whole.clone();
        if round % 2 == 0 {
            bytes.truncate(random.usize(1..whole.len()));
        } else {
            let at = random.usize(..bytes.len() - 600);
            bytes[at..at + random.usize(1..600)].fill_with(|| random.u8(..));
        }
        let path = folder.path().join(format!("damaged-{round}"));
        std::fs::write(&path, bytes).unwrap();
        // In a task of its own: a panic that got out would end it.
        let outcome = tokio::spawn(async move {
            let Ok(queue) = open(&path).await else { return false };
            let _ = queue.push(invocation("f.ns", "new")).await;
            let shutdown = CancellationToken::new();
            let run = RunOptions { drain: Duration::ZERO, ..RunOptions::default() };
            let function: Arc<Function> = Function::new(Duration::ZERO, |_, _| answer(200));
            let stop = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                shutdown.cancel();
            };
            tokio::join!(queue.run(function, run, shutdown.clone()), stop);
            queue.close().await;
            true
        });
        refused += u32::from(!outcome.await.unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}")));
    }
    assert!(refused > 0, "seed {seed}: a cut file must be refused");
}
