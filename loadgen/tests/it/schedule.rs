//! The load tester's arrivals are the simulator's.

use faas_lab_loadgen::schedule::Schedule;
use faas_lab_model::scenario::{BuiltIn, Scenario};
use faas_lab_model::time::{SimTime, Span};
use faas_lab_sim::{RequestRecord, RunOptions};

const SCENARIO: &str = r#"
    duration = "200s"
    warmup = "0s"
    seed = 99
    [function.f]
    demand = { exponential = "10ms" }
    [[workload]]
    name = "steady"
    function = "f"
    arrivals = { constant = "3/s" }
    [[workload]]
    name = "random"
    function = "f"
    arrivals = { poisson = "10/s" }
    [[workload]]
    name = "renewal"
    function = "f"
    arrivals = { renewal = { lognormal = { median = "200ms", sigma = 1.0 } } }
    [[workload]]
    name = "shape"
    function = "f"
    arrivals = { shape = { points = [["0s", "1/s"], ["100s", "20/s"], ["100s", "0/s"]] } }
    [[workload]]
    name = "batches"
    function = "f"
    arrivals = { batches = { size = 5, period = "7s" } }
"#;

#[test]
fn they_are_those_of_the_simulators_first_replication() {
    let scenario = Scenario::parse("x.toml", SCENARIO, &[], &BuiltIn).expect("valid");
    let mut simulated: Vec<(usize, SimTime)> = Vec::new();
    let mut note = |request: &RequestRecord| simulated.push((request.workload, request.arrived));
    let options = RunOptions { warm_up: Span::ZERO, requests: Some(&mut note), ..RunOptions::default() };
    faas_lab_sim::run(&scenario, scenario.seed.replication(0), options);
    simulated.sort();
    let schedule = Schedule::new(&scenario, scenario.seed);
    let mut planned: Vec<(usize, SimTime)> = schedule.map(|arrival| (arrival.workload, arrival.at)).collect();
    planned.sort();
    assert!(planned.len() > 4000, "{}", planned.len());
    assert_eq!(planned, simulated);
}
