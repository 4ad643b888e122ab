//! What would never end, or fill the memory, is refused with the thing to change.

use faas_lab_model::scenario::{BuiltIn, Need, Scenario, ScenarioErrors};

const SMALL: &str = r#"duration = "1h"
node = [{ cores = 4, memory = "4GiB" }]
[function.f]
demand = "1s"
cpu_request = 0.1
[[workload]]
function = "f"
arrivals = { poisson = "1/s" }
"#;

fn with(overrides: &[&str]) -> Result<Scenario, ScenarioErrors> {
    let overrides: Vec<String> = overrides.iter().map(|over| (*over).to_owned()).collect();
    Scenario::parse("s.toml", SMALL, &overrides, &BuiltIn)
}

#[test]
fn what_happens_too_often_is_refused() {
    for (over, message) in [
        ("workload.0.arrivals={ poisson = \"1e10/s\" }", "above one in a nanosecond"),
        ("workload.0.arrivals={ poisson = \"1e9/s\" }", "about 3.6e12 requests in 1h"),
        ("workload.0.arrivals={ renewal = { empirical = [\"0s\", \"0s\"] } }", "never let time pass"),
        ("workload.0.arrivals={ renewal = { normal = { mean = \"0s\", sd = \"0s\" } } }", "never let time pass"),
        ("workload.0.arrivals={ batches = { size = 1000000, period = \"1ns\" } }", "requests in 1h"),
        (
            "workload.0.arrivals={ mmpp = [{ rate = \"0/s\", mean_stay = \"1ns\" }, { rate = \"0/s\", mean_stay = \"1ns\" }] }",
            "requests in 1h",
        ),
        ("workload.0.arrivals={ ramp = { from = \"0/s\", to = \"1e9/s\", over = \"1m\" } }", "requests in 1h"),
        ("function.f.scaling={ hpa = { period = \"1ns\" } }", "looks, one every 1ns, in 2h"),
        ("function.f.scaling={ hpa = { period = \"1ms\", down_window = \"1h\" } }", "more than 100000 samples"),
        ("function.f.scaling={ hpa = { metric_resolution = \"1ns\" } }", "looks, one every 1ns, in 2h"),
        ("function.f.scaling={ hpa = { housekeeping_interval = \"1ns\" } }", "looks, one every 1ns, in 2h"),
        ("function.f.scaling={ capacity = { period = \"10ns\" } }", "looks, one every 10ns"),
        ("function.f.scaling={ ce-alert = { scrape = \"1ns\" } }", "looks, one every 1ns"),
        ("function.f.scale_to_zero={ reconcile = \"1ns\" }", "looks, one every 1ns"),
        ("node.0.random_failures={ time_between = \"1us\", repair = \"0s\" }", "failures of machines in 1h"),
        ("queue.ack_wait=1us", "at least 1ms"),
        ("queue.attempts=1000000", "between 1 and 1000"),
        ("gateway.replicas=1000000", "between 1 and 1000"),
        ("node.0.count=1000000", "machines are more than 10000"),
        ("function.f.replicas=1000000", ""),
        ("function.f.memory_per_call=1025TiB", "above 1024TiB"),
    ] {
        match with(&[over]) {
            Ok(_) => assert_eq!(message, "", "{over} is allowed"),
            Err(errors) => {
                let printed = errors.to_string();
                assert!(!message.is_empty() && printed.contains(message), "{over}: {printed}");
                assert!(errors.problems.iter().all(|problem| problem.help.is_some()), "{over}: {printed}");
            }
        }
    }
    let together: [(&[&str], &str); 4] = [
        (&["function.f.crashes=0s", "cluster.crash_backoff=0s"], "never let time pass"),
        (&["node.0.count=10000", "function.f.replicas=1000000"], "pairs of a machine and a replica"),
        (&["queue.workers=1000000", "queue.max_inflight=1000000"], "deliveries at once"),
        (&["function.f.scaling={ capacity = { period = \"1s\" } }", "drain=213503d"], "shorter duration or drain"),
    ];
    for (overrides, message) in together {
        let printed = with(overrides).expect_err(message).to_string();
        assert!(printed.contains(message), "{printed}");
    }
}

#[test]
fn too_many_functions_and_variants_are_refused_at_once() {
    let many: String = (0..6000).map(|k| format!("[function.f{k}]\ndemand = \"1s\"\n")).collect();
    let text = SMALL.replace("[function.f]\n", &format!("{many}[function.f]\n"));
    let printed = Scenario::parse("s.toml", &text, &[], &BuiltIn).expect_err("too many").to_string();
    assert!(printed.contains("6001 functions are more than 5000"), "{printed}");
    let many: String = (0..300).map(|k| format!("[variant.v{k}]\nseed = {k}\n")).collect();
    let printed =
        Scenario::parse("s.toml", &format!("{SMALL}{many}"), &[], &BuiltIn).expect_err("too many").to_string();
    assert!(printed.contains("300 variants are more than 200"), "{printed}");
}

#[test]
fn a_flood_of_problems_is_cut_short() {
    let many: String = (0..100_000).map(|k| format!("k{k} = 1\n")).collect();
    let printed =
        Scenario::parse("s.toml", &format!("{many}{SMALL}"), &[], &BuiltIn).expect_err("unknown keys").to_string();
    assert!(printed.ends_with("… and 99950 more problems\n"), "{}", &printed[printed.len() - 200..]);
}

#[test]
fn a_key_without_end_is_no_key() {
    let over = format!("{}=1", vec!["a"; 100_000].join("."));
    assert!(with(&[&over]).expect_err("no key is that deep").to_string().contains("this is not a key"));
}

#[test]
fn tables_without_end_are_no_toml() {
    for text in [
        format!("{}x = 1\n", "a.".repeat(200_000)),
        format!("[{}a]\n", "a.".repeat(200_000)),
        format!("x = {}1{}\n", "[".repeat(200_000), "]".repeat(200_000)),
        format!("[variant.v]\n{}x = 1\n", "a.".repeat(200_000)),
    ] {
        let errors = Scenario::parse("s.toml", &format!("{text}{SMALL}"), &[], &BuiltIn).expect_err("too deep");
        let _ = errors.to_string();
    }
}

#[test]
fn control_characters_reach_no_terminal() {
    let text = SMALL.replace("\"1/s\"", "\"\\u001b[31m1\"").replace("# ", "");
    let raw = SMALL.replace("demand = \"1s\"", "demand = 1 # \u{7f}");
    for text in [text, raw] {
        let printed = Scenario::parse("s.toml", &text, &[], &BuiltIn).expect_err("a bad value").to_string();
        assert!(printed.chars().all(|c| c == '\n' || !c.is_control()), "{printed:?}");
    }
}

#[test]
fn a_trace_may_be_long_but_not_endless() {
    let long = "1\n".repeat(20_000_001);
    let loader = |_: Need<'_>| Ok(Some(long.clone()));
    let text = SMALL.replace("poisson = \"1/s\"", "trace = \"t.csv\"");
    let printed = Scenario::parse("s.toml", &text, &[], &loader).expect_err("too long").to_string();
    assert!(printed.contains("t.csv:20000001:1: a trace holds at most 20000000 arrivals"), "{}", &printed[..200]);
}
