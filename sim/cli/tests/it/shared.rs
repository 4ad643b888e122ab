//! Load tests that several processes share, and how they are joined.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faas_lab_model::metrics::result::RunResult;

use crate::{Desk, stderr};

/// A server that answers every request with 200, as long as the test runs.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut bytes = [0; 4096];
                // Requests without a body, each in one piece.
                while stream.read(&mut bytes).is_ok_and(|read| read > 0) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

const SCENARIO: &str = r#"
name = "shared"
duration = "2s"
warmup = "0s"
seed = 5
[edge]
client_timeout = "10s"
[function.a]
demand = "1ms"
[function.b]
demand = "1ms"
[[workload]]
function = "a"
arrivals = { poisson = "60/s" }
[[workload]]
function = "b"
arrivals = { batches = { size = 7, period = "300ms" } }
"#;

fn result(desk: &Desk, folder: &str) -> RunResult {
    let text = fs::read_to_string(desk.path(folder).join("result.json")).expect("a result");
    RunResult::read(&text).expect("a result of this version")
}

/// Workload, number and intended instant of each call, as written.
fn calls(desk: &Desk, folder: &str) -> BTreeSet<(String, String, String)> {
    let text = fs::read_to_string(desk.path(folder).join("requests.csv")).expect("a table");
    let mut lines = text.lines();
    let headings: Vec<&str> = lines.next().expect("headings").split(',').collect();
    let column = |name: &str| headings.iter().position(|heading| *heading == name).expect(name);
    let (number, workload, intended) = (column("number"), column("workload"), column("intended_seconds"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[workload].to_owned(), cells[number].to_owned(), cells[intended].to_owned())
    };
    let rows: Vec<_> = lines.map(row).collect();
    let set: BTreeSet<_> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), set.len(), "no call is made twice");
    set
}

/// Seconds since 1970, some from now.
fn in_seconds(secs: u64) -> String {
    let at = SystemTime::now() + Duration::from_secs(secs);
    at.duration_since(UNIX_EPOCH).expect("after 1970").as_secs().to_string()
}

#[test]
fn processes_make_the_calls_of_one() {
    let (desk, address) = (Desk::new(), server());
    desk.put("x.toml", SCENARIO);
    let words = |more: &[&'static str]| {
        let mut words = vec!["loadtest", "x.toml", "--platform", "http", "--requests", "--quiet"];
        words.extend_from_slice(more);
        words.iter().map(|word| (*word).to_owned()).chain(["--gateway".to_owned(), address.clone()]).collect::<Vec<_>>()
    };
    for (more, folder) in [(&["--out", "one"][..], "one"), (&["--processes", "3", "--out", "three"], "three")] {
        let words = words(more);
        let output = desk.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        // A busy machine may make the numbers doubtful, but not the calls.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", stderr(&output));
        assert_eq!(desk.names(folder).len(), 6, "{:?}", desk.names(folder));
    }
    assert_eq!(calls(&desk, "one"), calls(&desk, "three"));
    let (one, three) = (result(&desk, "one"), result(&desk, "three"));
    assert_eq!(one.summary["offered"].mean, three.summary["offered"].mean);
    let counts = |result: &RunResult| -> u64 {
        result.functions.iter().flat_map(|function| &function.outcomes).map(|outcome| outcome.count).sum()
    };
    assert_eq!(counts(&one), counts(&three));
    let histogram = |result: &RunResult| result.functions[0].responses[0].histogram.count;
    assert_eq!(histogram(&one), histogram(&three));
    let measurement = three.measurement.expect("measured");
    assert_eq!((measurement.shard, measurement.sent), (None, one.measurement.expect("measured").sent));
    // Only results are left of the parts.
    let hidden = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    assert!(!fs::read_dir(desk.path("")).expect("a folder").flatten().any(hidden));
}

/// Five users on two processes: three here, two there, and their calls have numbers of their own.
#[test]
fn users_are_shared_too() {
    let (desk, address) = (Desk::new(), server());
    let words =
        ["loadtest", "--platform", "http", "--gateway", &address, "--function", "f", "--users", "5", "--think", "20ms"];
    let more = ["--duration", "1s", "--processes", "2", "--requests", "--quiet", "--out", "users"];
    let output = desk.run(&[&words[..], &more].concat());
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", stderr(&output));
    let made = calls(&desk, "users");
    let measurement = result(&desk, "users").measurement.expect("measured");
    assert_eq!((measurement.cap, measurement.sent), (5, made.len() as u64));
    let odd = made.iter().filter(|(_, number, _)| number.parse::<u64>().is_ok_and(|number| number % 2 == 1)).count();
    assert!(odd > 0 && odd < made.len(), "{odd} of {}", made.len());
}

#[test]
fn parts_are_joined_and_what_is_missing_makes_the_whole_invalid() {
    let (desk, address) = (Desk::new(), server());
    desk.put("x.toml", SCENARIO);
    let start = in_seconds(4);
    let parts: Vec<_> = ["0/2", "1/2"]
        .map(|part| {
            let words = ["loadtest", "x.toml", "--platform", "http", "--gateway", &address, "--shard", part, "--quiet"];
            desk.command(&[&words[..], &["--start-at", &start, "--out", "parts"]].concat()).spawn().expect("it starts")
        })
        .into_iter()
        .map(|part| part.wait_with_output().expect("it ends"))
        .collect();
    assert!(parts.iter().all(|part| matches!(part.status.code(), Some(0 | 3))), "{parts:?}");
    assert_eq!(desk.names("parts"), ["shard-0-of-2", "shard-1-of-2"]);
    assert!(desk.names("parts/shard-0-of-2").contains(&"ledger.json".to_owned()));

    let joined = desk.run(&["merge", "parts", "--out", "joined"]);
    assert!(matches!(joined.status.code(), Some(0 | 3)), "{}", stderr(&joined));
    let (whole, halves) = (result(&desk, "joined"), [0, 1].map(|k| result(&desk, &format!("parts/shard-{k}-of-2"))));
    let offered = |result: &RunResult| result.summary["offered"].mean;
    assert_eq!(offered(&whole), halves.iter().map(offered).sum::<f64>());
    assert!(halves.iter().all(|half| offered(half) > 0.0));

    let half = desk.run(&["merge", "parts/shard-1-of-2", "--out", "half", "--json"]);
    assert_eq!(half.status.code(), Some(3));
    let half = result(&desk, "half").measurement.expect("measured");
    assert!(half.reasons.iter().any(|reason| reason.code == "missing-part" && reason.text.contains("part 0 of 2")));

    for (words, word) in [
        (&["merge", "parts", "parts/shard-0-of-2"][..], "the same part"),
        (&["merge", "joined"], "no part"),
        (&["merge", "nowhere"], "nowhere"),
    ] {
        let refused = desk.run(words);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains(word), "{}", stderr(&refused));
    }
    let ledger = desk.path("parts/shard-0-of-2/ledger.json");
    let text = fs::read_to_string(&ledger).expect("a ledger");
    for torn in [text[..text.len() / 2].to_owned(), text.replacen("\"offered\":", "\"offered\":1", 1)] {
        fs::write(&ledger, torn).expect("written");
        let refused = desk.run(&["merge", "parts", "--out", "torn"]);
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(!desk.path("torn").exists());
    }
}

#[test]
fn a_part_that_comes_too_late_sends_nothing() {
    let (desk, address) = (Desk::new(), server());
    desk.put("x.toml", SCENARIO);
    let words = ["loadtest", "x.toml", "--platform", "http", "--gateway", &address, "--shard", "0/2", "--out", "late"];
    for (start, word) in [("2026-01-01T00:00:00Z", "ago"), ("2100-01-01T00:00:00Z", "clock"), ("soon", "2026-01-31")] {
        let output = desk.run(&[&words[..], &["--start-at", start]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
        assert!(!desk.path("late").exists());
    }
}

#[test]
fn a_job_has_all_that_its_pods_need() {
    let desk = Desk::new();
    desk.put("x.toml", &SCENARIO.replace("60/s", "61/s"));
    desk.put("photo.jpg", "not really");
    let emit = ["loadtest", "x.toml", "--gateway", "http://gateway.openfaas:8080", "--emit", "kubernetes"];
    let job = desk.say(
        &[
            &emit[..],
            &[
                "--shards",
                "5",
                "--data-binary",
                "@photo.jpg",
                "-H",
                "X: $(HOME)",
                "--set",
                "workload.a.arrivals.poisson=62/s",
            ],
        ]
        .concat(),
    );
    for part in [
        "completionMode: Indexed",
        "completions: 5",
        "backoffLimit: 0",
        "\"--header=X: $$(HOME)\"",
        "not really",
        "62/s",
    ] {
        assert!(job.contains(part), "{part} is not in\n{job}");
    }
    for (words, word) in [
        (&["loadtest", "x.toml", "--emit", "kubernetes"][..], "gateway.openfaas"),
        (&[&emit[..], &["--login", "a:b"]].concat(), "faas-lab-login"),
    ] {
        let refused = desk.run(words);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains(word), "{}", stderr(&refused));
    }
}

/// What people type who know other tools.
#[test]
fn a_load_test_that_cannot_be_says_what_to_write() {
    let desk = Desk::new();
    for (words, told) in [
        (&["loadtest"][..], "--function hello --rate 10"),
        (&["loadtest", "http://127.0.0.1:8080/function/hello"], "--function hello --rate 10"),
        (&["loadtest", "--function", "f"], "--users 10"),
        (&["loadtest", "--function", "f", "--rate", "5", "--duration", "10"], "--duration"),
        (&["loadtest", "--function", "f", "--rate", "5", "--timeout", "5x"], "units are"),
        (&["loadtest", "--function", "f", "--rate", "5", "--objective", "p95<500"], "p95<500ms"),
    ] {
        let output = desk.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(stderr(&output).contains(told), "{words:?}: {}", stderr(&output));
    }
}

/// Nobody is there: the summary says so in words, and a validation refuses to judge.
#[test]
fn nobody_there_is_told_by_load_tests_too() {
    let desk = Desk::new();
    let address = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let address = address.to_string();
    let words = ["loadtest", "--platform", "http", "--gateway", &address, "--function", "f", "--rate", "20"];
    let said = String::from_utf8_lossy(&desk.run(&[&words[..], &["--duration", "1s"]].concat()).stdout).into_owned();
    assert!(said.contains("What errors said") && said.contains("the connection was refused"), "{said}");

    let scenario = "duration = \"1s\"\nwarmup = \"0s\"\n[function.f]\ndemand = \"1ms\"\n[[workload]]\nfunction = \"f\"\n\
                    arrivals = { constant = \"20/s\" }\n";
    desk.put("x.toml", scenario);
    let output = desk.run(&["validate", "x.toml", "--platform", "http", "--gateway", &address]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("nothing answered at") && told.contains("faas-lab ping"), "{told}");
}
