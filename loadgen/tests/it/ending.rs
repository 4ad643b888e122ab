//! How runs end: when everything is answered, when patience is over, or when told to.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use faas_lab_loadgen::{Progress, RunError, Watch, run};
use faas_lab_model::metrics::result::{OutcomeKind, Source};

use crate::target::{Server, plan, play};

#[test]
fn an_early_end_reports_what_was_done() {
    let server = Server::start(Duration::from_secs(3600));
    let plan = plan(server.address, "1h", "arrivals = { constant = \"50/s\" }");
    let stop = AtomicBool::new(false);
    let stopped = OnceLock::new();
    // The run may have to wait for others before it begins: its time counts, not that of the test.
    let progress = |progress: &Progress| {
        if progress.elapsed > Duration::from_millis(1200) {
            stopped.get_or_init(Instant::now);
            stop.store(true, Ordering::Relaxed);
        }
    };
    let watch = Watch { stop: Some(&stop), progress: Some(&progress), ..Watch::default() };
    let measured = run(&plan, watch).expect("it runs");
    let took = stopped.get().expect("it was stopped").elapsed();
    assert!(took < Duration::from_secs(60), "it took {took:?}");
    assert!(measured.stopped && measured.result.partial);
    assert_eq!(measured.result.source, Source::Measured);
    let outcomes = &measured.result.functions[0].outcomes;
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].outcome, OutcomeKind::Unfinished);
    assert!(outcomes[0].count > 0);
}

#[test]
fn the_drain_is_not_waited_out_for_nothing_and_not_exceeded() {
    let server = Server::start(Duration::from_secs(3600));
    let mut plan = plan(server.address, "500ms", "arrivals = { constant = \"20/s\" }");
    plan.scenario.drain = faas_lab_model::time::Span::from_millis(700);
    let measured = play(&plan);
    assert!(!measured.stopped);
    assert_eq!(measured.result.functions[0].outcomes[0].outcome, OutcomeKind::Unfinished);

    let quick = Server::start(Duration::ZERO);
    let mut plan = crate::target::plan(quick.address, "300ms", "arrivals = { constant = \"20/s\" }");
    plan.scenario.drain = faas_lab_model::time::Span::from_secs(3600);
    let began = Instant::now();
    play(&plan);
    assert!(began.elapsed() < Duration::from_secs(60));
}

/// With one in flight and 100 ms each, nine of ten arrivals at 100/s cannot be sent when they should be.
#[test]
fn a_cap_that_binds_makes_the_measurement_invalid() {
    let server = Server::start(Duration::from_millis(100));
    let mut plan = plan(server.address, "1s", "arrivals = { constant = \"50/s\" }");
    plan.in_flight = Some(1);
    let measurement = play(&plan).result.measurement.expect("it was measured");
    assert!(!measurement.valid);
    assert!(measurement.reasons.iter().any(|reason| reason.code == "cap"), "{:?}", measurement.reasons);
    assert!(measurement.cap_hits > 30 && measurement.in_flight_max == 1);
    assert_eq!(measurement.sent, measurement.offered, "late, but none dropped");
    assert!(measurement.late_starts > 30);
}

#[test]
fn an_end_before_the_start_is_no_result() {
    let server = Server::start(Duration::ZERO);
    let plan = plan(server.address, "1s", "arrivals = { constant = \"50/s\" }");
    let stop = AtomicBool::new(true);
    let watch = Watch { stop: Some(&stop), ..Watch::default() };
    assert!(matches!(run(&plan, watch), Err(RunError::Stopped)));
}

#[test]
fn nothing_to_send_is_an_error() {
    let server = Server::start(Duration::ZERO);
    let plan = plan(server.address, "500ms", "arrivals = { constant = \"1/s\" }");
    assert!(matches!(run(&plan, Watch::default()), Err(RunError::Nothing(_))));
}
