//! `optimize` as its users meet it.

use std::fs;

use serde_json::Value;

use super::{Desk, QUEUE, code, stderr};

/// At one request per second a replica with a service time of 1 s is lost, and two still wait for long.
const OVER: [&str; 6] = [
    "--minimize",
    "replicas",
    "--over",
    "function.f.replicas=1..6",
    "--set",
    "workload.0.arrivals={ poisson = \"1/s\" }",
];

fn desk() -> Desk {
    let desk = Desk::new();
    desk.put("queue.toml", QUEUE);
    desk
}

fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["optimize", "queue.toml"], &OVER[..], more].concat()
}

#[test]
fn the_cheapest_setting_that_keeps_its_bounds_is_found() {
    let desk = desk();
    // M/M/c at 1 erlang: mean response 1.333 s with two servers, 1.045 s with three.
    let told = desk.say(&words(&["--subject-to", "mean<1.2s", "--out", "o"]));
    assert!(told.starts_with("replicas=3 has the lowest replicas_mean with mean<1.2s: 3"), "{told}");
    assert!(told.contains("probability of at least 95"), "{told}");
    assert_eq!(desk.names("o"), ["best.toml", "comparison.json", "report.html", "settings.csv"]);
    let table = fs::read_to_string(desk.path("o/settings.csv")).expect("a table");
    assert!(table.contains("replicas=2,2,infeasible,mean<1.2s,"), "{table}");
    assert!(table.contains("replicas=6,6,beaten,replicas="), "{table}");

    let best = fs::read_to_string(desk.path("o/best.toml")).expect("a scenario");
    assert!(best.contains("replicas = 3") && best.contains("1/s"), "{best}");
    desk.say(&["simulate", "o/best.toml", "--quiet"]);

    let again = desk.say(&words(&["--subject-to", "mean<1.2s", "--out", "p", "--threads", "1"]));
    assert_eq!(told.replace("o/", "p/"), again);
}

#[test]
fn what_is_undecided_or_impossible_is_said() {
    let desk = desk();
    let none = desk.run(&words(&["--subject-to", "mean<0.1s"]));
    let told = String::from_utf8_lossy(&none.stdout).into_owned();
    assert!(code(&none) == 1 && told.contains("None of the 6 settings keeps mean<0.1s. Nearest is"), "{told}");
    // With six servers hardly anybody waits.
    assert!(told.contains("Nearest is replicas=6, with response_mean "), "{told}");

    let near = desk.run(&words(&["--subject-to", "mean<1.05s", "--budget", "61", "--indifference", "0.1%", "--json"]));
    let found: Value = serde_json::from_slice(&near.stdout).expect("JSON");
    assert!(code(&near) == 3 && found["decided"] == false, "{found}");
    assert!(found["runs"].as_u64().expect("a number") <= 61 && found["probability"].as_f64() < Some(0.95), "{found}");
}

#[test]
fn what_is_wrong_is_told() {
    let desk = desk();
    for (more, expected) in [
        (&["--subject-to", "p95"][..], "needs `<` or `>`"),
        (&["--subject-to", "p95<2"], "write a time such as 250ms"),
        (&["--over", "duration=soon,10s"], "--set duration=soon"),
        (&["--over", "function.f.cpu_limit=1,,2"], "--over function.f.cpu_limit=1,,2:1:"),
        (&["--confidence", "200%"], "below 100%"),
    ] {
        let refused = desk.run(&words(more));
        assert!(code(&refused) == 2 && stderr(&refused).contains(expected), "{more:?}: {}", stderr(&refused));
    }
    let refused = desk.run(&["optimize", "queue.toml", "--minimize", "cost", "--over", "function.f.replicas=1,2"]);
    assert!(code(&refused) == 2 && stderr(&refused).contains("[prices]"), "{}", stderr(&refused));
    let refused = desk.run(&["optimize", "queue.toml", "--minimize", "nonsense", "--over", "function.f.replicas=1,2"]);
    assert!(code(&refused) == 2 && stderr(&refused).contains("no metric"), "{}", stderr(&refused));
}
