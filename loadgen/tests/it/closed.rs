//! Users who wait for their answers.

use std::time::Duration;

use faas_lab_model::metrics::measurement::LoadMode;
use faas_lab_model::metrics::result;

use crate::target::{Server, plan, play_and_keep};

/// Three users and 20 ms of service: never more than three in flight, and each call begins after the one before it.
#[test]
fn users_ask_again_when_they_are_answered() {
    let server = Server::start(Duration::from_millis(20));
    let (measured, calls) = play_and_keep(&plan(server.address, "1500ms", "users = { count = 3 }"));
    let measurement = measured.result.measurement.expect("it was measured");
    assert_eq!((measurement.mode, measurement.cap), (LoadMode::Closed, 3));
    assert_eq!(measurement.in_flight_max, 3);
    assert_eq!(server.stamps().len(), calls.len());
    assert_eq!(measurement.sent, calls.len() as u64);
    assert!(calls.len() > 15 && calls.len() <= 3 * 75, "{} calls", calls.len());
    let in_system = measured.result.summary[result::IN_SYSTEM_MEAN].mean;
    assert!(in_system > 1.5 && in_system <= 3.0, "{in_system}");
}

#[test]
fn users_think_and_come_one_by_one() {
    let server = Server::start(Duration::ZERO);
    let workload = "users = { count = 4, think = \"200ms\", ramp_up = \"1s\" }";
    let (_, calls) = play_and_keep(&plan(server.address, "2s", workload));
    // User k comes at k/4 s, and then asks about five times a second.
    assert!(calls.len() >= 12 && calls.len() <= 40, "{} calls", calls.len());
    let first_quarter = calls.iter().filter(|seen| seen.observed.intended.as_secs_f64() < 0.25).count();
    assert!(first_quarter <= 2, "one user alone: {first_quarter} calls");
}
