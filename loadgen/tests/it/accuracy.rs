//! What is reported beside what a server did. The bounds leave room for a busy machine; README.md has the commands that
//! measure on a quiet one.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use faas_lab_loadgen::{Observer, Plan, Seen, Waiting, Watch, run};
use faas_lab_model::metrics::result;

use crate::target::{Server, plan, play_and_keep};

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1]
}

/// A server that takes 5 ms. A client's time is the server's and the way: so it is never less, and the two medians are close.
#[test]
fn a_known_service_time_is_reported() {
    is_reported_by(Waiting::Asleep);
}

#[test]
fn a_known_service_time_is_reported_by_a_client_that_polls() {
    is_reported_by(Waiting::Polling);
}

fn is_reported_by(waiting: Waiting) {
    let server = Server::start(Duration::from_millis(5));
    let plan = Plan { waiting, ..plan(server.address, "2s", "arrivals = { constant = \"200/s\" }") };
    let (measured, calls) = play_and_keep(&plan);
    let stamps = server.stamps();
    let planned = 399;
    assert_eq!((stamps.len(), calls.len()), (planned, planned), "each is sent once");
    let measurement = measured.result.measurement.expect("it was measured");
    assert_eq!((measurement.offered, measurement.sent), (planned as u64, planned as u64));
    assert!(measurement.connections >= 1 && measurement.connections <= planned as u64);

    let mut truth: Vec<f64> = stamps.iter().map(|(began, ended)| (*ended - *began).as_secs_f64()).collect();
    truth.sort_by(f64::total_cmp);
    let reported = |key: &str| measured.result.summary[key].mean;
    let late = calls.iter().map(|seen| (seen.observed.sent.since(seen.observed.intended)).as_secs_f64());
    let mut late: Vec<f64> = late.collect();
    late.sort_by(f64::total_cmp);
    let p50 = reported(result::RESPONSE_P50);
    assert!(p50 > quantile(&truth, 0.5) - 1e-4, "{p50} is less than the server's own {}", quantile(&truth, 0.5));
    let way = p50 - quantile(&truth, 0.5) - quantile(&late, 0.5);
    assert!(way < 0.02, "half of all requests spent {way} s on the way");
    // What the client says of its lateness is what the server saw of the schedule, but for the way there.
    let gaps: f64 = stamps.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64()).sum();
    assert!((gaps - 398.0 * 0.005).abs() < 0.5, "{gaps} s from the first to the last");
}

/// A server that stands still for 600 ms. Whoever was to be sent then waited for what was left of it, and a client that
/// counts from sending, or sends less meanwhile, would not see it (coordinated omission).
#[test]
fn a_stall_is_seen_by_everyone_it_met() {
    const FROM: Duration = Duration::from_millis(1500);
    const LENGTH: Duration = Duration::from_millis(600);
    struct Begin(Arc<OnceLock<(Instant, Instant)>>);
    impl Observer for Begin {
        fn begin(&mut self, at: std::time::SystemTime) {
            let ahead = at.duration_since(std::time::SystemTime::now()).unwrap_or_default();
            let from = Instant::now() + ahead + FROM;
            self.0.set((from, from + LENGTH)).expect("a run begins once");
        }
        fn see(&mut self, _: &Seen) {}
        fn end(&mut self) {}
    }
    let server = Server::start(Duration::ZERO);
    let plan = plan(server.address, "4s", "arrivals = { constant = \"250/s\" }");
    let watch = Watch { observers: vec![Box::new(Begin(server.stall.clone()))], ..Watch::default() };
    let measured = run(&plan, watch).expect("it runs");

    let (stall_start, stall_end) = (FROM.as_secs_f64(), (FROM + LENGTH).as_secs_f64());
    let mut truth: Vec<f64> = (1..1000)
        .map(|k| f64::from(k) * 0.004)
        .map(|at| if at >= stall_start && at < stall_end { stall_end - at } else { 0.0 })
        .collect();
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    truth.sort_by(f64::total_cmp);
    for (key, expected) in [
        (result::RESPONSE_P90, quantile(&truth, 0.9)),
        (result::RESPONSE_P99, quantile(&truth, 0.99)),
        (result::RESPONSE_MEAN, mean),
    ] {
        let found = measured.result.summary[key].mean;
        // 5 %, and 30 ms for what else this machine is doing.
        assert!((found - expected).abs() < 0.05 * expected + 0.03, "{key}: {found} instead of {expected}");
    }
    let measurement = measured.result.measurement.expect("it was measured");
    assert!(measurement.in_flight_max > 100, "they were all sent, and not held back");
}
