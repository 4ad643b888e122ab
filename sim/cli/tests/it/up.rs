//! `faas-lab up` as its users meet it: real processes, real sockets, and faas-cli's own sequences of requests.

mod client;
pub(crate) mod cluster;

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use client::{Reply, listen};
use cluster::{Platform, wait_for};

/// What `faas-cli` sends for `deploy`.
fn deployment(name: &str) -> Value {
    json!({
        "service": name,
        "image": "hello:latest",
        "envVars": { "exec_timeout": "30s", "write_debug": "true" },
        "constraints": ["node.platform.os=linux"],
        "labels": { "com.openfaas.scale.min": "1" },
        "annotations": { "topic": "nothing" },
        "limits": { "memory": "128Mi" },
        "requests": { "memory": "64Mi" },
    })
}

fn body(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[test]
fn every_built_in_function_answers() {
    // The default pace of printr makes half a minute of it, and nobody has a Redis at port 1.
    let stack = "functions:\n  \
        hello: {image: hello}\n  figlet: {image: figlet}\n  homepage: {image: homepage}\n  sleep: {image: sleep}\n  \
        cpu: {image: cpu}\n  chain: {image: chain}\n  url-search: {image: url-search}\n  \
        printr: {image: printr, environment: {PERIOD: 10us}}\n  \
        hits: {image: hits, environment: {REDIS_URL: 'redis://127.0.0.1:1'}}\n";
    let platform = Platform::with_file("stack.yml", stack, &["--functions", "stack.yml"]);
    let call = |name: &str, body: &[u8]| platform.post(&format!("/function/{name}"), "", body);

    assert_eq!(call("hello", b"Ada").text(), "Hello, Ada!\n");
    assert_eq!(call("figlet", b"I").text(), "###\n #\n #\n #\n###\n");
    let page = platform.get("/function/homepage/");
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
    assert!(platform.get("/function/homepage/style.css").text().contains("color-scheme"));
    assert_eq!(call("sleep?sleep=10ms", b"").text(), "{\"slept_seconds\":0.01}\n");
    assert!(call("cpu?ms=5", b"").text().contains("cpu_seconds"));
    assert_eq!(call("chain?function=hello,hello", b"Ada").text(), "Hello, Hello, Ada!!\n");
    let numbers: String = (1..=10_000).map(|number| format!("{number}\n")).collect();
    assert!(call("printr", b"").text() == numbers);
    let away = call("hits", b"");
    assert!(away.status == 503 && away.text().contains("Redis"), "{away:?}");
    assert_eq!(call("url-search", br#"{"url":"http://127.0.0.1/","term":"x"}"#).status, 403);
    assert_eq!(call("nobody", b"").status, 404);

    let store: Value = serde_json::from_slice(&platform.get("/store.json").body).expect("JSON");
    assert_eq!(store["functions"].as_array().map(Vec::len), Some(10));
    let metrics = platform.metrics();
    assert!(metrics.contains("gateway_function_invocation_total"), "{metrics}");
}

#[test]
fn faas_cli_works() {
    let platform =
        Platform::with_file("empty.yml", "functions: {first: {image: hello}}", &["--functions", "empty.yml"]);
    let cli = |method: &str, target: &str, sent: Value| {
        let sent = if sent.is_null() { Vec::new() } else { body(&sent) };
        platform.system(method, target, &sent)
    };
    let names = |reply: &Reply| -> Vec<String> {
        let list: Value = serde_json::from_slice(&reply.body).expect("JSON");
        list.as_array()
            .expect("a list")
            .iter()
            .map(|entry| entry["name"].as_str().expect("a name").to_owned())
            .collect()
    };

    // login
    assert_eq!(platform.get("/system/functions").status, 401);
    assert_eq!(platform.system_as("GET", "/system/functions", "admin:wrong", b"").status, 401);
    assert_eq!(cli("GET", "/system/functions", Value::Null).status, 200);
    // deploy -f stack.yml
    assert_eq!(cli("PUT", "/system/functions", deployment("hello")).status, 404);
    assert_eq!(cli("POST", "/system/functions", deployment("hello")).status, 202);
    assert_eq!(cli("PUT", "/system/functions", deployment("hello")).status, 202);
    // list, describe, ready
    assert_eq!(names(&cli("GET", "/system/functions", Value::Null)), ["first", "hello"]);
    wait_for("a replica of hello", || {
        let described = cli("GET", "/system/function/hello?usage=1", Value::Null);
        let described: Value = serde_json::from_slice(&described.body).expect("JSON");
        described["availableReplicas"].as_u64().is_some_and(|replicas| replicas > 0)
    });
    assert_eq!(platform.get("/healthz").status, 200);
    // invoke, invoke --async
    let invoked = platform.post("/function/hello.openfaas-fn", "\r\nContent-Type: text/plain", b"hi\n");
    assert_eq!(invoked.text(), "Hello, hi!\n");
    assert!(invoked.header("x-call-id").is_some() && invoked.header("x-duration-seconds").is_some(), "{invoked:?}");
    assert_eq!(platform.post("/async-function/hello.openfaas-fn?a=1", "", b"hi\n").status, 202);
    // logs
    let logs = cli("GET", "/system/logs?name=hello&tail=-1&follow=false", Value::Null);
    assert!(logs.text().lines().any(|line| line.contains("hello listens on")), "{}", logs.text());
    // secret create, list, update, remove
    let secret = |value: &str| json!({ "name": "token", "value": value });
    assert_eq!(cli("POST", "/system/secrets", secret("one")).status, 202);
    let listed = cli("GET", "/system/secrets", Value::Null);
    assert_eq!(names(&listed), ["token"]);
    assert!(!listed.text().contains("one"));
    assert_eq!(cli("PUT", "/system/secrets", secret("two")).status, 202);
    assert_eq!(cli("DELETE", "/system/secrets", json!({ "name": "token" })).status, 202);
    // namespaces, version
    assert_eq!(cli("GET", "/system/namespaces", Value::Null).text().trim(), r#"["openfaas-fn"]"#);
    assert_eq!(cli("GET", "/system/info", Value::Null).status, 200);
    // remove
    assert_eq!(cli("DELETE", "/system/functions", json!({ "functionName": "hello" })).status, 202);
    assert_eq!(names(&cli("GET", "/system/functions", Value::Null)), ["first"]);
    assert_eq!(platform.post("/function/hello", "", b"").status, 404);
}

#[test]
fn a_photo_is_made_grey_and_called_back() {
    let platform = Platform::start(&["--functions", "bw"]);
    let key = fs::read_to_string(platform.state().join("platform/secrets/openfaas-fn/bw-api-key")).expect("a key");
    let (heard, answers) = mpsc::channel();
    let address = listen(move |head, body| heard.send((head, body)).is_ok());
    let picture = RgbImage::from_fn(64, 48, |x, y| Rgb([x as u8 * 3, y as u8 * 5, 90]));
    let mut photo = Cursor::new(Vec::new());
    picture.write_to(&mut photo, ImageFormat::Png).expect("encoded");

    assert_eq!(platform.post("/function/bw", "", photo.get_ref()).status, 401);
    let headers = format!("\r\nX-Api-Key: {key}\r\nX-Callback-Url: http://{address}/done\r\nX-Call-Id: photo-1");
    assert_eq!(platform.post("/async-function/bw", &headers, photo.get_ref()).status, 202);
    let (head, body) = answers.recv_timeout(Duration::from_secs(60)).expect("a callback");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("x-call-id: photo-1") && head.contains("x-function-status: 200"), "{head}");
    let grey = image::load_from_memory_with_format(&body, ImageFormat::Jpeg).expect("a JPEG");
    assert_eq!((grey.color(), grey.width(), grey.height()), (image::ColorType::L8, 64, 48));
}

#[test]
fn a_burst_finds_a_function_that_was_at_zero_and_loses_nothing() {
    let stack = "functions:\n  hello:\n    image: hello\n    labels:\n      com.openfaas.scale.zero: true\n";
    let platform = Platform::with_file("stack.yml", stack, &["--functions", "stack.yml"]);
    assert_eq!(platform.post("/function/hello", "", b"").status, 200);
    let scale = json!({ "serviceName": "hello", "replicas": 0 });
    assert_eq!(platform.system("POST", "/system/scale-function/hello", &body(&scale)).status, 202);
    wait_for("no replica of hello", || {
        let described: Value =
            serde_json::from_slice(&platform.system("GET", "/system/function/hello", b"").body).expect("JSON");
        described["availableReplicas"].as_u64().unwrap_or(0) == 0 && described["replicas"].as_u64().unwrap_or(0) == 0
    });
    thread::scope(|scope| {
        let calls: Vec<_> = (0..100).map(|_| scope.spawn(|| platform.post("/function/hello", "", b"Ada"))).collect();
        for call in calls {
            let reply = call.join().expect("no panic");
            assert_eq!((reply.status, reply.text()), (200, "Hello, Ada!\n"));
        }
    });
}

#[test]
fn ctrl_c_ends_everything_and_the_next_start_finds_its_functions() {
    let mut platform = Platform::start(&["--functions", "hello,figlet"]);
    assert_eq!(platform.post("/function/hello", "", b"").status, 200);
    let processes = platform.processes();
    assert!(processes.len() >= 3, "a platform, a watchdog and a function: {processes:?}");
    // A call under way is answered.
    let address = platform.address().to_owned();
    let call = thread::spawn(move || client::post(&address, "/function/hello", "", b"Ada").status);
    assert_eq!(call.join().expect("no panic"), 200);
    let (code, said) = platform.interrupt();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Stopping") && said.contains("no process is left"), "{said}");
    let left: Vec<_> = processes.iter().filter(|process| process.lives()).collect();
    assert!(left.is_empty(), "{left:?} are left");

    // Without --functions a known state folder keeps what it has.
    platform.start_again(&[]);
    assert_eq!(platform.post("/function/figlet", "", b"I").status, 200);
    assert_eq!(platform.post("/function/cpu", "", b"").status, 404);
}

#[test]
fn no_accepted_call_is_lost_when_the_platform_is_killed() {
    let (heard, answers) = mpsc::channel();
    let callbacks = listen(move |head, _| {
        let id = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("x-call-id: ").map(str::to_owned));
        heard.send(id.expect("a call id")).is_ok()
    });
    let mut platform = Platform::start(&["--functions", "hello"]);
    let mut accepted = BTreeSet::new();
    let mut number = 0;
    let mut killed = false;
    while accepted.len() < 1000 {
        if accepted.len() == 500 && !killed {
            killed = true;
            // In the middle of a load, and of deliveries: eight more clients are at it.
            let address = platform.address().to_owned();
            let more: Vec<_> = (0..8)
                .map(|client| {
                    let (address, callbacks) = (address.clone(), callbacks.clone());
                    thread::spawn(move || {
                        let mut accepted = Vec::new();
                        for call in 0..1000 {
                            let id = format!("load-{client}-{call}");
                            let headers = format!("\r\nX-Callback-Url: http://{callbacks}/\r\nX-Call-Id: {id}");
                            match client::try_post(&address, "/async-function/hello", &headers, b"Ada") {
                                Ok(reply) if reply.status == 202 => accepted.push(id),
                                _ => return accepted,
                            }
                        }
                        accepted
                    })
                })
                .collect();
            thread::sleep(Duration::from_millis(100));
            platform.kill();
            accepted.extend(more.into_iter().flat_map(|client| client.join().expect("no panic")));
            platform.start_again(&[]);
            continue;
        }
        number += 1;
        let id = format!("call-{number}");
        let headers = format!("\r\nX-Callback-Url: http://{callbacks}/\r\nX-Call-Id: {id}");
        assert_eq!(platform.post("/async-function/hello", &headers, b"Ada").status, 202);
        accepted.insert(id);
    }
    assert!(killed);
    let mut missing = accepted.clone();
    let mut deliveries = 0;
    while !missing.is_empty() {
        let id = answers.recv_timeout(Duration::from_secs(60));
        let id = id.unwrap_or_else(|_| panic!("{} of {} calls were not delivered", missing.len(), accepted.len()));
        missing.remove(&id);
        deliveries += 1;
    }
    eprintln!("{} accepted, {deliveries} callbacks until all were there", accepted.len());
}

#[test]
fn a_caller_is_told_whose_time_limit_it_was() {
    let stack = "functions:\n  \
        sleep: {image: sleep}\n  \
        short: {image: sleep, environment: {exec_timeout: 500ms}}\n  \
        late: {image: sleep, environment: {write_timeout: 500ms}}\n";
    let decisions = tempfile::tempdir().expect("a folder");
    let decisions = decisions.path().join("decisions.jsonl");
    let words = ["--functions", "stack.yml", "--upstream-timeout", "2s", "--record-decisions"];
    let words: Vec<&str> = words.into_iter().chain(decisions.to_str()).collect();
    let platform = Platform::with_file("stack.yml", stack, &words);
    for (called, status, who, body) in [
        ("sleep?sleep=60s", 502, "gateway", ""),
        ("short?sleep=60s", 504, "of-watchdog", ""),
        ("late?sleep=1s", 500, "gateway", "Can't reach service for: late."),
    ] {
        let answer = platform.post(&format!("/function/{called}"), "", b"");
        assert_eq!((answer.status, answer.text()), (status, body), "{answer:?}");
        assert_eq!(answer.header("x-openfaas-internal"), Some(who), "{answer:?}");
        let name = called.split('?').next().expect("a name");
        assert!(answer.header("x-replica").is_some_and(|replica| replica.starts_with(name)), "{answer:?}");
    }
    let recorded = fs::read_to_string(decisions).expect("a record");
    assert!(recorded.lines().any(|line| line.contains("sleep.openfaas-fn")), "{recorded}");
}

#[test]
fn a_refusal_of_a_large_upload_is_heard() {
    let platform = Platform::start(&["--functions", "bw"]);
    let photo = vec![b'x'; 1 << 20];
    for _ in 0..30 {
        assert_eq!(platform.post("/function/bw", "\r\nX-Api-Key: wrong", &photo).status, 401);
    }
}

#[test]
fn printr_is_cut_where_the_pi_cut_it() {
    let stack = "functions:\n  printr:\n    image: printr\n    environment:\n      \
        read_timeout: 10s\n      write_timeout: 10s\n      exec_timeout: 10s\n      stream_buffer: 4096\n";
    let platform = Platform::with_file("stack.yml", stack, &["--functions", "stack.yml"]);
    let mut lengths = Vec::new();
    // Where the machine is so busy that the process begins a second late, one block of 4096 bytes less comes.
    while lengths.len() < 5 && lengths.last() != Some(&12_124) {
        let body = platform.cut("/function/printr");
        lengths.push(body.len());
        assert!(body.len() != 12_124 || body.ends_with("\n2645\n2646\n2"), "{body}");
    }
    assert_eq!(lengths.last(), Some(&12_124), "{lengths:?}");
}

#[test]
fn an_emulated_pi_has_four_cores_for_what_computes() {
    let platform = Platform::start(&["--functions", "cpu", "--emulate", "raspberry-pi-4"]);
    assert_eq!(platform.post("/function/cpu?ms=1", "", b"").status, 200);
    let told = platform.processes().iter().filter(|process| process.environment("THREADS") == Some("4".into())).count();
    assert!(told >= 1, "the function knows of its cores");
}

#[test]
fn a_second_platform_is_told_what_is_in_its_way() {
    let platform = Platform::start(&["--functions", "hello"]);
    let port = platform.address().rsplit(':').next().expect("a port").to_owned();
    let busy = platform.refused(&["--port", &port, "--metrics-port", "0"]);
    assert!(busy.contains("is taken") && busy.contains("--port"), "{busy}");
    let state = platform.state().display().to_string();
    let locked = platform.refused(&["--port", "0", "--metrics-port", "0", "--state", &state]);
    assert!(locked.contains("--state"), "{locked}");
    let unknown = platform.refused(&["--functions", "helo", "--port", "0", "--metrics-port", "0"]);
    assert!(unknown.contains("helo") && unknown.contains("hello, printr"), "{unknown}");
    let slow = platform.refused(&["--emulate", "raspberry-pi-9", "--port", "0", "--metrics-port", "0"]);
    assert!(slow.contains("raspberry-pi-4"), "{slow}");
    // It was not disturbed.
    assert_eq!(platform.post("/function/hello", "", b"").status, 200);
}
