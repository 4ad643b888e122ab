//! `faas-lab serve` over a real socket: what it answers, and whom it refuses.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::Desk;

/// A server of its own, ended with its owner.
struct Served {
    desk: Desk,
    child: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer: its status, its head, its body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

impl Served {
    fn new(desk: Desk, words: &[&str]) -> Served {
        let all: Vec<&str> = ["serve", "--port", "0"].iter().chain(words).copied().collect();
        let mut child = desk.command(&all).stdout(Stdio::piped()).spawn().expect("the program runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("http://").expect("an address").trim_end_matches('/').to_owned();
        Served { desk, child, address }
    }

    /// One request, as it is written here.
    fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut text = Vec::new();
        stream.read_to_end(&mut text).expect("it answers");
        let text = String::from_utf8_lossy(&text).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        self.post_with(path, "X-Faas-Lab: 1\r\nContent-Type: application/json\r\n", body)
    }

    fn post_with(&self, path: &str, headers: &str, body: &str) -> Answer {
        let host = &self.address;
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    fn run(&self, turn: u64, scenario: &Value, overrides: &[&str], beside: &Value) -> Answer {
        let asked = json!({
            "page": "test", "turn": turn, "scenario": scenario, "overrides": overrides, "replications": 2, "beside": beside
        });
        self.post("/api/run", &asked.to_string())
    }
}

const QUEUE: &str = r#"
name = "queue"
duration = "200s"
replications = 3
gateway.upstream_timeout = "20s"
[function.f]
demand = { exponential = "500ms" }
[[workload]]
function = "f"
arrivals = { poisson = "1/s" }
"#;

fn served() -> Served {
    let desk = Desk::new();
    desk.put("mine/queue.toml", QUEUE);
    desk.put("secret.toml", QUEUE);
    Served::new(desk, &["mine/queue.toml"])
}

#[test]
fn a_scenario_opens_runs_and_changes() {
    let served = served();
    for (path, says) in [("/", "faas-lab"), ("/serve.css", "--paper"), ("/serve.js", "valuesOnHover")] {
        let answer = served.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains(says), "{path}");
        assert!(answer.head.contains("content-security-policy: default-src 'none'"), "{}", answer.head);
    }
    let list = served.get("/api/scenarios").json();
    let first = list["first"].as_str().expect("the scenario given").to_owned();
    assert!(list["scenarios"].as_array().expect("a list").iter().any(|listed| listed["id"] == "shipped/pi4-k3s"));

    let scenario = json!({ "listed": first });
    let opened = served.post("/api/open", &json!({ "scenario": scenario }).to_string()).json();
    assert_eq!((opened["name"].as_str(), opened["replications"].as_u64()), (Some("queue"), Some(3)));
    let keys: Vec<&str> =
        opened["knobs"].as_array().expect("knobs").iter().filter_map(|knob| knob["key"].as_str()).collect();
    assert!(keys.contains(&"gateway.upstream_timeout") && keys.contains(&"workload.0.arrivals.poisson"), "{keys:?}");

    let before = served.run(1, &scenario, &[], &json!([])).json();
    let after = served.run(2, &scenario, &["function.f.demand={ exponential = \"100ms\" }"], &json!([])).json();
    assert_eq!(before["replications"], 2);
    assert_ne!(before["html"], after["html"]);
    assert!(before["html"].as_str().is_some_and(|html| html.contains("<svg")));
    assert!(after["toml"].as_str().is_some_and(|toml| toml.contains("100ms")));

    // Pinned, it stands beside the next run and in the report.
    assert_eq!(served.post("/api/pin", &json!({ "id": before["id"] }).to_string()).status, 204);
    let beside = json!([{ "id": before["id"], "label": "as written" }]);
    let both = served.run(3, &scenario, &["function.f.demand={ exponential = \"100ms\" }"], &beside).json();
    assert!(both["html"].as_str().is_some_and(|html| html.contains("as written")));
    let report =
        served.post("/api/report", &json!({ "id": both["id"], "label": "faster", "beside": beside }).to_string());
    assert!(report.body.contains("<!DOCTYPE html>") && report.body.contains("held against as written"));
    assert!(report.head.contains("attachment"));
    let alone = served.post("/api/report", &json!({ "id": both["id"], "label": "faster", "beside": [] }).to_string());
    assert!(alone.body.contains("Run it again"));
    assert_eq!(served.post("/api/unpin", &json!({ "id": before["id"] }).to_string()).status, 204);
}

#[test]
fn what_is_wrong_is_told_as_on_the_command_line() {
    let served = served();
    let scenario = json!({ "listed": served.get("/api/scenarios").json()["first"] });
    let answer = served.run(1, &scenario, &["gateway.upstream_timeout=\"soon\""], &json!([]));
    assert_eq!(answer.status, 422);
    let error = answer.json()["error"].as_str().expect("words").to_owned();
    assert!(error.contains("--set gateway.upstream_timeout") && error.contains("help:"), "{error}");
    let broken = served.post("/api/open", &json!({ "scenario": { "text": ["mine.toml", "duration = "] } }).to_string());
    assert_eq!(broken.status, 422);
    assert!(broken.body.contains("mine.toml:1:"), "{}", broken.body);
    for (path, body) in [("/api/run", "{}"), ("/api/run", "not json"), ("/api/open", "[]"), ("/api/results", "{}")] {
        let status = served.post(path, body).status;
        assert!((400..500).contains(&status), "{path} {body}: {status}");
    }
    let gone = served.post("/api/pin", &json!({ "id": 12345 }).to_string());
    assert_eq!(gone.status, 410);
    assert_eq!(served.get("/api/nothing").status, 404);
}

#[test]
fn a_pasted_scenario_and_an_uploaded_result_stand_side_by_side() {
    let served = served();
    served.desk.say(&["simulate", "mine/queue.toml", "--quiet"]);
    let result = fs::read_to_string(served.desk.path("faas-lab-results/queue/result.json")).expect("a result");
    let measured = result.replacen("\"source\": \"simulated\"", "\"source\": \"measured\"", 1);
    let kept = served.post_with("/api/results", "X-Faas-Lab: 1\r\nContent-Type: text/plain\r\n", &measured).json();
    assert_eq!((kept["name"].as_str(), kept["measured"].as_bool()), (Some("queue"), Some(true)));
    let beside = json!([{ "id": kept["id"], "label": "on the Pis" }]);
    let ran = served.run(1, &json!({ "text": ["pasted.toml", QUEUE] }), &[], &beside).json();
    assert!(ran["html"].as_str().is_some_and(|html| html.contains("on the Pis") && html.contains("measured")));
}

#[test]
fn no_other_file_can_be_read() {
    let served = served();
    for id in
        ["0/../secret.toml", "0/secret.toml", "../secret.toml", "0//etc/passwd", "shipped/../secret", "7/queue.toml"]
    {
        let answer = served.post("/api/open", &json!({ "scenario": { "listed": id } }).to_string());
        assert_eq!(answer.status, 404, "{id}");
    }
    for path in ["/../secret.toml", "/mine/queue.toml", "/etc/passwd", "/%2e%2e/secret.toml"] {
        assert_eq!(served.get(path).status, 404, "{path}");
    }
    let scenario = json!({ "listed": served.get("/api/scenarios").json()["first"] });
    let trace = "workload.0.arrivals={ trace = \"/etc/passwd\" }";
    let answer = served.run(1, &scenario, &[trace], &json!([]));
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("lies outside") && !answer.body.contains("root"), "{}", answer.body);
}

#[test]
fn other_pages_and_other_names_are_refused() {
    let served = served();
    let open = json!({ "scenario": { "listed": "shipped/mm1" } }).to_string();
    let json_type = "Content-Type: application/json\r\n";
    let ours = "X-Faas-Lab: 1\r\n";
    let own = format!("Origin: http://{}\r\n", served.address);
    assert_eq!(served.post_with("/api/open", &format!("{json_type}{ours}{own}"), &open).status, 200);
    for headers in [
        json_type.to_owned(),
        format!("{json_type}{own}"),
        format!("{json_type}{ours}Origin: http://evil.example\r\n"),
        format!("{json_type}{ours}Origin: null\r\n"),
    ] {
        assert_eq!(served.post_with("/api/open", &headers, &open).status, 403, "{headers}");
    }
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example"] {
        let answer = served.send(&format!("GET /api/scenarios HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert_eq!(answer.status, 403, "{host}");
    }
    // A preflight is never granted.
    let preflight = served.send(&format!(
        "OPTIONS /api/run HTTP/1.1\r\nHost: {}\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Headers: x-faas-lab\r\nConnection: close\r\n\r\n",
        served.address
    ));
    assert_eq!(preflight.status, 403);
    assert!(!preflight.head.contains("access-control-allow"));
}

#[test]
fn a_newer_run_takes_the_place_of_an_older_one() {
    let served = served();
    // Hours of work, if nobody stopped it.
    let endless = QUEUE.replace("200s", "30000d");
    let scenario = json!({ "text": ["endless.toml", endless] });
    std::thread::scope(|scope| {
        let old = scope.spawn(|| served.run(1, &scenario, &[], &json!([])));
        let new = loop {
            // Once the old run has begun, it must give way to a newer one at once.
            let answer = served.run(2, &json!({ "text": ["queue.toml", QUEUE] }), &[], &json!([]));
            if old.is_finished() || answer.status == 200 {
                break answer;
            }
        };
        assert_eq!(new.status, 200, "{}", new.body);
        let old = old.join().expect("no panic");
        // Stopped before anything was seen, or with what it had; or it came too late to begin.
        assert!(old.status == 409 || old.json()["partial"] == true, "{}", old.status);
    });
}

#[test]
fn requests_that_are_too_large_are_refused() {
    let served = served();
    let text = "#".repeat(9 << 20);
    let answer = served.post("/api/open", &json!({ "scenario": { "text": ["a.toml", text] } }).to_string());
    assert_eq!(answer.status, 413);
}

#[test]
fn arguments_that_cannot_be_served_are_told() {
    let desk = Desk::new();
    desk.put("bad.toml", "duration = 3\n");
    for (words, says) in [
        (vec!["serve", "nothing.toml"], "there is no file"),
        (vec!["serve", "bad.toml"], "bad.toml:1:"),
        (vec!["serve", "--listen", "nowhere"], "--listen"),
    ] {
        let output = desk.run(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{words:?}: {output:?}");
    }
}
