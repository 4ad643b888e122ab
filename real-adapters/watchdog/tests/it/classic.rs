//! Mode classic: what the older watchdog did differently.

use super::*;

const CLASSIC: (&str, &str) = ("mode", "classic");

#[tokio::test]
async fn runs_a_process_and_logs_what_the_certifier_looks_for() {
    let mut watchdog = Watchdog::start(&[("fprocess", "cat"), CLASSIC]);
    let request = Request::post("/").header("content-type", "text/x-own");
    let answer = watchdog.call(request, Body::full("hello")).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str(), answer.length), (200, "hello", Some(5)));
    assert_eq!(answer.header("content-type"), "text/x-own");
    assert!(answer.header("x-duration-seconds").parse::<f64>().is_ok());
    watchdog.logs("Forking fprocess.");
    watchdog.logs("Wrote 5 Bytes - Duration: 0.");
}

#[tokio::test]
async fn has_no_time_limit_unless_told() {
    let watchdog = Watchdog::script("exec sleep 600", &[CLASSIC, ("exec_timeout", "300ms")]);
    let answer = watchdog.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (408, "Killed process.\n"));
    assert_eq!(answer.header("x-openfaas-internal"), "of-watchdog");
}

#[tokio::test]
async fn an_error_comes_with_the_output() {
    let watchdog = Watchdog::script("echo out; echo err >&2; exit 2", &[CLASSIC]);
    let answer = watchdog.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, "exit status 2\nout\nerr\n"));
}

#[tokio::test]
async fn stderr_is_part_of_the_response_or_of_the_log() {
    let script = "echo out; echo err >&2";
    assert_eq!(Watchdog::script(script, &[CLASSIC]).get("/").await.body, "out\nerr\n");
    let mut apart = Watchdog::script(script, &[CLASSIC, ("combine_output", "false")]);
    assert_eq!(apart.get("/").await.body, "out\n");
    apart.logs("stderr: err");
}

#[tokio::test]
async fn knows_its_verbs_and_tells_more() {
    let watchdog = Watchdog::start(&[("fprocess", "env"), CLASSIC]);
    let options = watchdog.call(Request::builder().method("OPTIONS").uri("/"), Body::empty()).await;
    assert_eq!((options.status.as_u16(), options.body.as_str()), (405, ""));
    let told = watchdog.post("/", "12345").await.body;
    assert!(told.contains("Http_Host=test\n") && told.contains("Http_ContentLength=5\n"), "{told}");
    let silent = Watchdog::start(&[("fprocess", "env"), CLASSIC, ("cgi_headers", "false")]);
    assert!(!silent.post("/", "12345").await.body.contains("Http_"));
}
