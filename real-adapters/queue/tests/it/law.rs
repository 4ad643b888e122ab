//! Whatever happens in whatever order: accepted = delivered + cancelled + purged + dead + waiting + under way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faas_lab_queue::{EmbeddedQueue, Queue, RunOptions};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::support::{Function, answer, eventually, invocation, policy, with_policy};

#[derive(Clone, Debug)]
enum Step {
    /// Push so many, of this function; the function answers their attempts with these statuses, then with 200.
    Push {
        count: u8,
        function: u8,
        answers: Vec<u16>,
    },
    /// Let time pass, with deliveries.
    Pass {
        milliseconds: u16,
    },
    Cancel(u8),
    Requeue(u8),
    Purge(u8),
    /// The process ends in the middle of whatever it is doing.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop::sample::select(vec![200, 200, 404, 429, 500, 503]);
    prop_oneof![
        4 => (1u8..6, 0u8..3, prop::collection::vec(status, 0..5))
            .prop_map(|(count, function, answers)| Step::Push { count, function, answers }),
        4 => (0u16..8000).prop_map(|milliseconds| Step::Pass { milliseconds }),
        1 => any::<u8>().prop_map(Step::Cancel),
        1 => any::<u8>().prop_map(Step::Requeue),
        1 => any::<u8>().prop_map(Step::Purge),
        2 => Just(Step::Crash),
    ]
}

type Answers = Arc<Mutex<BTreeMap<String, Vec<u16>>>>;

struct Life {
    runtime: Runtime,
    queue: EmbeddedQueue,
    function: Arc<Function>,
}

/// Starts a process, as it were: a runtime of its own that can be dropped at any moment.
fn live(path: &Path, answers: &Answers) -> Life {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let short = Duration::from_secs(1);
    let queue = runtime.block_on(EmbeddedQueue::open(path, with_policy(policy(3, short, 2 * short)))).unwrap();
    let answers = answers.clone();
    let function = Function::new(Duration::from_millis(700), move |invocation, attempt| {
        let answers = answers.lock().unwrap();
        answer(answers[&invocation.call_id].get(attempt as usize - 1).copied().unwrap_or(200))
    });
    let run = RunOptions { max_inflight: 3, ..RunOptions::default() };
    runtime.spawn({
        let (queue, function) = (queue.clone(), function.clone());
        async move { queue.run(function, run, CancellationToken::new()).await }
    });
    Life { runtime, queue, function }
}

fn holds(queue: &EmbeddedQueue, accepted: u64) {
    let metrics = queue.metrics();
    let here = metrics.depth.values().sum::<u64>() + metrics.in_flight.values().sum::<u64>();
    let gone = metrics.delivered + metrics.cancelled + metrics.purged + metrics.dead;
    assert_eq!((metrics.accepted, gone + here), (accepted, accepted), "{metrics:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn every_accepted_invocation_is_somewhere(steps in prop::collection::vec(step(), 1..25)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let answers = Answers::default();
        let (mut accepted, mut requeued) = (0u64, 0u64);
        let (mut runs, mut life) = (0, live(&path, &answers));
        for step in steps {
            match step {
                Step::Push { count, function, answers: script } => for _ in 0..count {
                    let call_id = format!("call-{accepted}");
                    answers.lock().unwrap().insert(call_id.clone(), script.clone());
                    life.runtime.block_on(life.queue.push(invocation(&format!("f{function}.ns"), &call_id))).unwrap();
                    accepted += 1;
                },
                Step::Pass { milliseconds } => {
                    let span = Duration::from_millis(milliseconds.into());
                    life.runtime.block_on(async { tokio::time::sleep(span).await });
                }
                Step::Cancel(n) => _ = life.runtime.block_on(life.queue.cancel(&format!("call-{n}"))).unwrap(),
                Step::Requeue(n) => {
                    requeued += u64::from(life.runtime.block_on(life.queue.requeue(&format!("call-{n}"))).unwrap());
                }
                Step::Purge(n) => _ = life.runtime.block_on(life.queue.purge(&format!("call-{n}"))).unwrap(),
                Step::Crash => {
                    runs += life.function.calls().len() as u64;
                    drop(life);
                    life = live(&path, &answers);
                }
            }
            holds(&life.queue, accepted);
        }
        life.runtime.block_on(eventually("an empty queue", || life.queue.metrics().oldest_age.is_none()));
        holds(&life.queue, accepted);
        // Every call ended in one way, but for those that a crash cut off: they came again and are counted, or were
        // taken back before they could.
        runs += life.function.calls().len() as u64;
        let metrics = life.queue.metrics();
        let ended = metrics.delivered + metrics.retried + metrics.dead + metrics.purged + requeued;
        prop_assert!(runs >= ended, "{} {:?}", runs, metrics);
        prop_assert!(runs <= ended + metrics.redelivered + metrics.cancelled, "{} {:?}", runs, metrics);
        let buried = life.runtime.block_on(life.queue.dead_letters()).unwrap().len() as u64;
        prop_assert_eq!(buried, metrics.dead);
    }
}
