//! A platform whose laws are known: it is simulated, its log is learnt from, and the laws must come back.

use faas_lab_calibration::calibration::{Calibration, LearnOptions, learn};
use faas_lab_calibration::holdout::hold_out;
use faas_lab_calibration::logs::{Format, Log, Request};
use faas_lab_calibration::write::{Traffic, scenario};
use faas_lab_model::policies::dispatch::IdleRouting;
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::{BuiltIn, Scenario};
use faas_lab_sim::{RequestRecord, RunOptions, run};

/// Requests of two days, at two rates: one that needs a replica now and then, one that needs a few.
fn platform(rate: f64, routing: &str, seed: u64) -> Log {
    let text = format!(
        r#"duration = "2d"
        [function.f]
        demand = {{ gamma = {{ mean = "2s", cv = 0.1 }} }}
        cold_demand = {{ gamma = {{ mean = "3s", cv = 0.1 }} }}
        scaling = {{ per-request = {{ routing = "{routing}" }} }}
        keep_alive = {{ fleet = {{ replica = {{ uniform = {{ low = "1500s", high = "1600s" }} }}, function = {{ uniform = {{ low = "300s", high = "330s" }} }} }} }}
        lifetime = {{ uniform = {{ low = "5000s", high = "6000s" }} }}
        replicas = {{ min = 0, max = 100 }}
        [[workload]]
        function = "f"
        arrivals = {{ poisson = "{rate}/s" }}"#
    );
    let scenario = Scenario::parse("known", &text, &[], &BuiltIn).unwrap_or_else(|error| panic!("{error}"));
    let mut requests = Vec::new();
    let mut see = |record: &RequestRecord| {
        requests.push(Request {
            arrived: Some(record.arrived.as_secs_f64()),
            response: record.ended.since(record.arrived).as_secs_f64(),
            ok: true,
            cold: Some(record.cold),
            replica: record.replica.map(|replica| replica.to_string()),
            ..Request::default()
        });
    };
    run(&scenario, Seed(seed), RunOptions { requests: Some(&mut see), ..RunOptions::default() });
    requests.sort_by(|a, b| a.arrived.partial_cmp(&b.arrived).expect("a time"));
    Log { name: format!("log {seed}"), format: Format::Requests, requests, buckets: Vec::new(), remarks: Vec::new() }
}

fn learnt(logs: &[Log]) -> Calibration {
    learn(&logs.iter().collect::<Vec<_>>(), LearnOptions { resamples: 0, seed: Seed(1) }).expect("a calibration")
}

#[test]
fn the_rule_of_choice_is_found() {
    for (written, rule) in [
        ("newest", IdleRouting::Newest),
        ("most-recently-used", IdleRouting::MostRecentlyUsed),
        ("least-recently-used", IdleRouting::LeastRecentlyUsed),
        ("random", IdleRouting::Random),
    ] {
        let found = learnt(&[platform(0.1, written, 3)]).platform.unwrap().routing;
        assert_eq!(found.rule, rule, "{found:?}");
        assert!(found.is_trusted(), "{found:?}");
    }
}

#[test]
fn the_limits_come_back_from_a_log_and_predict_the_next() {
    let logs = [platform(0.1, "most-recently-used", 5), platform(0.005, "most-recently-used", 6)];
    let calibration = learnt(&logs);
    let risks = calibration.platform.as_ref().unwrap().risks.as_ref().unwrap().risks;
    let near = |found: Option<(f64, f64)>, truth: (f64, f64), tolerance: f64| {
        let (low, high) = found.unwrap_or_else(|| panic!("missing in {risks:?}"));
        assert!(
            (low - truth.0).abs() < tolerance && (high - truth.1).abs() < tolerance,
            "{low} to {high} of {risks:?}"
        );
    };
    near(risks.function_idle, (300.0, 330.0), 25.0);
    near(risks.lifetime, (5000.0, 6000.0), 500.0);
    near(risks.replica_idle, (1500.0, 1600.0), 250.0);
    // As a scenario it can be played; on logs of the same platform it predicts cold starts.
    let text = scenario(&calibration, "a function", Traffic::Measured, 3600.0, 0);
    Scenario::parse("written", &text, &[], &BuiltIn).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let more = [logs, [platform(0.1, "most-recently-used", 7), platform(0.005, "most-recently-used", 8)]].concat();
    for cold in hold_out(&more, false, Seed(1)).unwrap().iter().flat_map(|held| &held.cold_starts) {
        assert!(cold.error().unwrap() < 0.25, "{cold:?}");
    }
}
