//! `faas-lab ping`: a gateway that is there, one that is not, and stack files.

use std::io::{BufRead as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use crate::up::cluster::Platform;
use crate::{Desk, stderr};

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn our_own_gateway_says_who_it_is_and_how_long_it_waits() {
    let platform = Platform::start(&["--functions", "hello,sleep"]);
    let desk = Desk::new();
    let (gateway, metrics) = (platform.address().to_owned(), format!("http://{}/metrics", platform.metrics_address()));
    let password = platform.state().join("basic-auth-password");
    let password = password.to_str().expect("UTF-8");
    let words = ["ping", "--gateway", &gateway, "--password-file", password, "--metrics", &metrics];
    let text = desk.say(&words);
    for part in ["is there", "faas-lab", "hello", "of 1 ready", "upstream_timeout  5m5s", "Each hop waits longer"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json: Value = serde_json::from_str(&desk.say(&[&words[..], &["--json"]].concat())).expect("JSON");
    assert_eq!(json["consistent"], true);
    assert_eq!(json["gateway"]["timeouts"]["upstream_timeout"], "5m5s");
    assert_eq!(json["functions"][0]["name"], "hello");

    let impatient = desk.run(&[&words[..], &["--client-timeout", "20s"]].concat());
    assert_eq!(impatient.status.code(), Some(1));
    assert!(stdout(&impatient).contains("clients wait 20s"), "{}", stdout(&impatient));

    let stranger = desk.run(&["ping", "--gateway", &gateway, "--login", "admin:wrong", "--metrics", &metrics]);
    assert_eq!(stranger.status.code(), Some(1));
    assert!(stdout(&stranger).contains("--login"), "{}", stdout(&stranger));
}

#[test]
fn nobody_there_is_told_in_a_line() {
    let address = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").to_string();
    let output = Desk::new().run(&["ping", "--gateway", &address]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("does not answer") && stderr(&output).contains("faas-lab up"),
        "{}",
        stderr(&output)
    );
    let output = Desk::new().run(&["ping", "--platform", "http", "--gateway", &address]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_stack_file_is_checked_before_anything_is_deployed() {
    let desk = Desk::new();
    let stack = "functions:\n  slow:\n    image: x\n    environment: {exec_timeout: 2m, write_timeout: 2m}\n  \
                 fine:\n    image: x\n    environment_file: [more.yml]\n  odd:\n    image: x\n    \
                 environment: {exec_timeout: 1 minute}\n";
    desk.put("stack.yml", stack);
    desk.put("more.yml", "environment:\n  exec_timeout: 20s\n");
    let output = desk.run(&["ping", "--stack", "stack.yml", "--upstream-timeout", "60s", "--write-timeout", "65s"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["slow: the gateway waits 1m", "odd: exec_timeout: \"1 minute\"", "fine  exec 20s", "2 things"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("fine: "), "{text}");
    desk.put("stack.yml", &stack.replace("{exec_timeout: 1 minute}", "{exec_timeout: 1m, write_timeout: 65s}"));
    desk.say(&["ping", "--stack", "stack.yml", "--upstream-timeout", "3m", "--write-timeout", "4m"]);
    let missing = desk.run(&["ping", "--stack", "no.yml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("no.yml"), "{}", stderr(&missing));
}

/// A server that is no gateway answers, and is no gateway with a hundred faults.
#[test]
fn another_server_is_told_from_a_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = std::io::BufReader::new(stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                if line == "\r\n" {
                    let _ = reader.get_mut().write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                }
                line.clear();
            }
        }
    });
    let output = Desk::new().run(&["ping", "--gateway", &address]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.contains("not as an OpenFaaS-compatible gateway") && told.contains("--platform http"), "{told}");
}
