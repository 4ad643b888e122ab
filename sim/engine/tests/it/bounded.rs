//! Every legal scenario is played to an end: see `edges.rs`.

use proptest::prelude::*;

use faas_lab_model::metrics::{RunRecord, result};

use crate::edges::{Choices, edited, format, played, with};

#[test]
fn edits_reach_legal_scenarios() {
    let root = format();
    let legal = (0..200u32).filter(|case| {
        let bytes: Vec<u8> =
            (0..40u32).map(|k| (case.wrapping_mul(2_654_435_761).wrapping_add(k * 40_503) >> 7) as u8).collect();
        edited(&root, &mut Choices::new(&bytes)).1.is_some()
    });
    let legal = legal.count();
    println!("{legal} of 200 are legal");
    assert!(legal > 20, "edits hardly ever make a scenario that can be played");
}

/// The base with these overrides, which are legal, played to its end.
fn play(overrides: &[&str]) -> RunRecord {
    let scenario = with(overrides).unwrap_or_else(|errors| panic!("{errors}"));
    played(&scenario)
}

#[test]
fn a_machine_may_be_lost_in_the_middle_of_its_work() {
    let record = play(&["node.0.count=1", "node.0.failure=[{ at = \"1s\", lasts = \"1s\" }]", "function.f.demand=2s"]);
    assert!(!record.partial);
}

/// Each refusal hands its worker the next invocation: a long queue must not become a deep stack.
#[test]
fn a_long_queue_may_be_refused_in_one_instant() {
    let record = play(&[
        "node.0.count=1",
        "node.0.failure=[{ at = \"2s\", lasts = \"1h\" }]",
        "cluster.node_detection=0s",
        "cluster.eviction_delay=0s",
        "gateway.scale_from_zero=false",
        "function.f.demand=100s",
        "queue.ack_wait=1h",
        "workload.0.invocation=async",
        "workload.0.arrivals={ batches = { size = 100000, period = \"1s\" } }",
    ]);
    assert!(!record.partial);
}

#[test]
fn calls_without_work_may_all_begin_in_one_instant() {
    let record = play(&[
        "function.f.scaling=per-request",
        "function.f.concurrency={ workers = 1, backlog = 1000000 }",
        "function.f.replicas={ min = 0, max = 1 }",
        "function.f.demand=0s",
        "workload.0.arrivals={ batches = { size = 100000, period = \"4s\" } }",
    ]);
    assert!(!record.partial);
}

/// Without a network, a refusal takes no time: a user who does not think would ask again in the same instant, for ever.
#[test]
fn users_who_are_refused_at_once_pause() {
    let record = play(&[
        "gateway.scale_from_zero=false",
        "function.f.replicas={ min = 0, max = 1, initial = 0 }",
        "workload.0={ function = \"f\", users = { count = 3 } }",
    ]);
    assert_eq!(record.metrics[result::OFFERED], 15_000.0, "three users ask every millisecond for five seconds");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn legal_scenarios_end(bytes in prop::collection::vec(any::<u8>(), 8..96)) {
        let (overrides, scenario) = edited(&format(), &mut Choices::new(&bytes));
        if let Some(scenario) = scenario {
            println!("{overrides:?}");
            played(&scenario);
        }
    }
}
