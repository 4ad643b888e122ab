//! `kill -9` of a real process in the middle of pushes and deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use faas_lab_queue::{Answer, EmbeddedOptions, EmbeddedQueue, Invocation, Invoker, Queue, RunOptions};
use tokio_util::sync::CancellationToken;

use crate::support::{answer, eventually, invocation};

const FOLDER: &str = "FAAS_LAB_QUEUE_CRASH_FOLDER";
const PUSHES: &str = "FAAS_LAB_QUEUE_CRASH_PUSHES";

/// Lines that a killed process has written stay written: each is one write to the end of the file.
struct Journal(Mutex<File>);

impl Journal {
    fn open(path: &Path) -> Journal {
        Journal(Mutex::new(OpenOptions::new().create(true).append(true).open(path).unwrap()))
    }

    fn write(&self, line: &str) {
        self.0.lock().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn lines(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

struct Journaled(Journal);

#[async_trait]
impl Invoker for Journaled {
    async fn invoke(&self, invocation: &Invocation, _attempt: u32) -> Answer {
        self.0.write(&invocation.call_id);
        tokio::time::sleep(Duration::from_millis(2)).await;
        answer(200)
    }
}

/// What the killed process does. It pushes what it is told to, delivers meanwhile, and ends when nothing is left, with the
/// queue's own count of redeliveries in a file.
fn be_killed(folder: &Path) {
    let pushes: BTreeSet<u32> = {
        let range = std::env::var(PUSHES).unwrap();
        let (from, to) = range.split_once("..").unwrap();
        (from.parse().unwrap()..to.parse().unwrap()).collect()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let queue = EmbeddedQueue::open(folder.join("queue"), EmbeddedOptions::default()).await.unwrap();
        let accepted = Arc::new(Journal::open(&folder.join("accepted")));
        let shutdown = CancellationToken::new();
        let running = tokio::spawn({
            let (queue, shutdown) = (queue.clone(), shutdown.clone());
            let invoker = Arc::new(Journaled(Journal::open(&folder.join("delivered"))));
            let options = RunOptions { max_inflight: 8, ..RunOptions::default() };
            async move { queue.run(invoker, options, shutdown).await }
        });
        let mut pushing = tokio::task::JoinSet::new();
        for n in pushes {
            while pushing.len() >= 16 {
                pushing.join_next().await;
            }
            let (queue, accepted) = (queue.clone(), accepted.clone());
            pushing.spawn(async move {
                let call_id = format!("call-{n}");
                queue.push(invocation("f.ns", &call_id)).await.unwrap();
                accepted.write(&call_id);
            });
        }
        pushing.join_all().await;
        eventually("an empty queue", || queue.metrics().oldest_age.is_none()).await;
        shutdown.cancel();
        running.await.unwrap();
        std::fs::write(folder.join("redelivered"), queue.metrics().redelivered.to_string()).unwrap();
        queue.close().await;
    });
}

/// This test's own program once more, in the other role.
fn start(folder: &Path, pushes: std::ops::Range<u32>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::kill_9_loses_nothing_and_counts_what_came_twice", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(PUSHES, format!("{}..{}", pushes.start, pushes.end))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until a file has so many lines, or the child has ended.
fn await_lines(child: &mut Child, path: &Path, lines: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Journal::lines(path).len() < lines && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "{lines} lines in {} did not come", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn kill_9_loses_nothing_and_counts_what_came_twice() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return be_killed(Path::new(&folder));
    }
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let (accepted, delivered) = (folder.path().join("accepted"), folder.path().join("delivered"));
    // Six processes push and deliver and are killed at a random moment of it: right after so many were accepted, or so
    // many delivered. What a killed one did not get to push stays unpushed.
    for round in 0..6 {
        let mut child = start(folder.path(), round * 170..(round + 1) * 170);
        let (journal, more) =
            if random.bool() { (&accepted, random.usize(1..150)) } else { (&delivered, random.usize(1..150)) };
        await_lines(&mut child, journal, Journal::lines(journal).len() + more);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let accepted_before = Journal::lines(&accepted).len();
    // And one that is let live.
    let status = start(folder.path(), 2000..2100).wait().unwrap();
    assert!(status.success(), "seed {seed}");

    let accepted: BTreeSet<String> = Journal::lines(&accepted).into_iter().collect();
    assert_eq!(accepted.len(), accepted_before + 100);
    let mut runs: BTreeMap<String, u64> = BTreeMap::new();
    for call in Journal::lines(&delivered) {
        *runs.entry(call).or_default() += 1;
    }
    let lost: Vec<&String> = accepted.iter().filter(|call| !runs.contains_key(*call)).collect();
    assert!(lost.is_empty(), "seed {seed}: accepted and never delivered: {lost:?}");
    let twice: u64 = runs.values().map(|runs| runs - 1).sum();
    let counted: u64 = std::fs::read_to_string(folder.path().join("redelivered")).unwrap().parse().unwrap();
    assert!(twice <= counted, "seed {seed}: {twice} came twice, and {counted} were counted");
    assert!(counted <= 6 * 8, "seed {seed}: at most eight were under way at each of six crashes, not {counted}");
}
