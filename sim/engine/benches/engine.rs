//! How fast the engine is, and how much memory it takes: simulated invocations per second of CPU time.
//!
//! `cargo bench -p faas-lab-sim` prints the table of the README. Each case runs five times; the median counts. CPU time and
//! peak memory come from the kernel's own accounting (Linux); elsewhere wall time stands in for CPU time. A word after
//! `--` picks the cases whose names contain it: `cargo bench -p faas-lab-sim -- 0.9/s`.

#[path = "../tests/it/support.rs"]
mod support;

use std::sync::OnceLock;
use std::time::Instant;

use faas_lab_model::distributions::Distribution;
use faas_lab_model::metrics::result;
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::{Demand, NodeGroup, Scenario, WorkClass};
use faas_lab_model::units::{ByteRate, Bytes};
use faas_lab_sim::{RunOptions, run};
use support::{exponential, per_request};

const REPEATS: usize = 5;

fn main() {
    // `cargo test --benches` only wants to know that it builds and runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let scale = if quick { 1e-3 } else { 1.0 };
    println!("| case | invocations | M invocations per CPU second, median (min–max) | peak memory so far |");
    println!("|---|---:|---:|---:|");
    for (rate, invocations) in [(0.9, 1e7), (10.0, 1e7), (100.0, 1e7)] {
        let scenario = per_request(rate, 2.0, 2.2, 600.0, 10_000, invocations * scale / rate);
        measure(&format!("one function, {rate}/s, service 2 s, keep-alive 600 s"), &scenario);
    }
    measure("1000 functions on 100 machines that share their cores, 100/s", &many_functions(2e4 * scale.max(0.01)));
}

fn measure(case: &str, scenario: &Scenario) {
    if std::env::args().skip(1).any(|argument| !argument.starts_with("--") && !case.contains(&argument)) {
        return;
    }
    let mut speeds = Vec::new();
    let mut invocations = 0.0;
    for _ in 0..REPEATS {
        let before = cpu_secs();
        let record = run(scenario, Seed(1), RunOptions::default());
        invocations = record.metrics[result::OFFERED];
        speeds.push(invocations / (cpu_secs() - before) / 1e6);
    }
    speeds.sort_by(f64::total_cmp);
    println!(
        "| {case} | {invocations:.0} | {:.2} ({:.2}–{:.2}) | {} |",
        speeds[REPEATS / 2],
        speeds[0],
        speeds[REPEATS - 1],
        peak_memory().unwrap_or_else(|| "unknown".to_owned())
    );
}

/// A thousand functions, each called every ten seconds, on a hundred four-core machines: half of the cores are busy.
fn many_functions(duration: f64) -> Scenario {
    let mut scenario = per_request(0.1, 2.0, 2.0, 600.0, 100, duration);
    let (function, workload) = (scenario.functions[0].clone(), scenario.workloads[0].clone());
    scenario.functions.clear();
    scenario.workloads.clear();
    for index in 0..1000 {
        let mut function = function.clone();
        function.name = format!("f{index}");
        function.cold_demand = None;
        function.demand = Demand { class: Some("integer".to_owned()), law: exponential(2.0) };
        scenario.functions.push(function);
        let mut workload = workload.clone();
        (workload.name, workload.function) = (format!("w{index}"), index);
        scenario.workloads.push(workload);
    }
    scenario.nodes = vec![NodeGroup {
        name: "machine".to_owned(),
        count: 100,
        cores: 4,
        reserved_cores: 0.1,
        memory: Bytes(64 << 30),
        reserved_memory: Bytes(0),
        pod_start: Distribution::Constant(0.0),
        classes: vec![WorkClass {
            name: "integer".to_owned(),
            slowdown: Distribution::Constant(1.0),
            full_speedup: 3.4,
        }],
        link: ByteRate(1e8),
        disk_write: ByteRate(1e8),
        idle_watts: 3.0,
        watts_per_busy_core: 1.0,
        price: 0.0,
        failures: Vec::new(),
        random_failures: None,
    }];
    scenario
}

/// CPU time of this process in seconds.
#[expect(clippy::disallowed_methods, reason = "a benchmark is about wall time")]
fn cpu_secs() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    match std::fs::read_to_string("/proc/self/schedstat") {
        Ok(text) => text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) * 1e-9,
        Err(_) => start.elapsed().as_secs_f64(),
    }
}

/// The most memory that this process has held, as the kernel writes it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    Some(format!("{:.1} MB", kilobytes.parse::<f64>().ok()? / 1e3))
}
