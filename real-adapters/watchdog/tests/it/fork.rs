//! Modes streaming and serializing.

use super::*;

const STREAMING: (&str, &str) = ("mode", "streaming");
const SERIALIZING: (&str, &str) = ("mode", "serializing");

#[tokio::test]
async fn a_call_runs_the_process() {
    let streaming = Watchdog::start(&[("fprocess", "cat"), STREAMING]);
    let answer = streaming.post("/", "hello").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "hello"));
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("x-duration-seconds"), "", "streams begin before they end");
    let serializing = Watchdog::start(&[("fprocess", "cat"), SERIALIZING, ("content_type", "text/x-test")]);
    let answer = serializing.post("/", "hello").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str(), answer.length), (200, "hello", Some(5)));
    assert_eq!(answer.header("content-type"), "text/x-test");
    let seconds = answer.header("x-duration-seconds");
    assert!(seconds.parse::<f64>().is_ok() && seconds.len() == 8, "six decimals: {seconds}");
}

#[tokio::test]
async fn the_process_learns_of_its_request() {
    let watchdog = Watchdog::start(&[("fprocess", "env"), ("OWN", "kept"), ("watchdog_x", "hidden")]);
    let request = Request::put("/a%20b?q=1%202").header("X-Call-Id", "7").header("Path", "/fake");
    let body = watchdog.call(request, Body::full("12345")).await.body;
    let lines: Vec<_> = body.lines().collect();
    let expected = [
        "Http_Method=PUT",
        "Http_Path=/a b",
        "Http_Query=q=1%202",
        "Http_X_Call_Id=7",
        "Http_Content_Length=5",
        "OWN=kept",
    ];
    for line in expected {
        assert!(lines.contains(&line), "{line} in {lines:#?}");
    }
    assert!(!body.contains("Http_Host") && !body.contains("watchdog_x"), "{body}");
    assert_eq!(watchdog.get("/%00").await.status, 400);
}

#[tokio::test]
async fn an_exit_with_an_error() {
    let script = "echo partial; echo broken >&2; exit 3";
    let mut streaming = Watchdog::script(script, &[STREAMING]);
    let answer = streaming.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str(), answer.whole), (200, "partial\n", true));
    streaming.logs("exit status 3");
    streaming.logs("stderr: broken");
    let mut serializing = Watchdog::script(script, &[SERIALIZING]);
    let answer = serializing.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, "exit status 3"));
    assert_eq!(answer.header("x-openfaas-internal"), "");
    serializing.logs("stderr: broken");
}

#[tokio::test]
async fn a_missing_program() {
    let streaming = Watchdog::start(&[("fprocess", "no-such-program"), STREAMING]);
    let answer = streaming.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    let serializing = Watchdog::start(&[("fprocess", "no-such-program"), SERIALIZING]);
    let answer = serializing.get("/").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body, "exec: \"no-such-program\": executable file not found in $PATH");
}

#[tokio::test]
async fn at_exec_timeout_the_whole_process_group_is_killed() {
    // The grandchild holds stdout, and would hold the call for ten minutes.
    let script = "echo begun; sleep 600 & echo $! > $TMPDIR/pid; wait";
    for mode in [STREAMING, SERIALIZING] {
        let mut watchdog = Watchdog::script(script, &[mode, ("exec_timeout", "2s")]);
        let answer = watchdog.get("/").await;
        match mode {
            STREAMING => {
                assert_eq!((answer.status.as_u16(), answer.body.as_str(), answer.whole), (200, "begun\n", true))
            }
            _ => {
                assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, "signal: killed"));
                assert_eq!(answer.header("x-openfaas-internal"), "of-watchdog", "no 500 of the function's");
            }
        }
        dies(number_in(&watchdog.folder.path().join("pid")));
        watchdog.logs("signal: killed");
        watchdog.logs("GET / - 500");
    }
}

#[tokio::test]
async fn a_grandchild_that_outlives_its_parent_ends_at_exec_timeout() {
    let script = "sleep 600 & echo $! > $TMPDIR/pid; exit 0";
    let watchdog = Watchdog::script(script, &[SERIALIZING, ("exec_timeout", "2s")]);
    assert_eq!(watchdog.get("/").await.body, "signal: killed");
    dies(number_in(&watchdog.folder.path().join("pid")));
}

#[tokio::test]
async fn after_write_timeout_the_connection_closes_at_the_end_of_the_call() {
    let script = "sleep 1; echo done > $TMPDIR/done; echo late";
    for mode in [STREAMING, SERIALIZING] {
        let watchdog = Watchdog::script(script, &[mode, ("write_timeout", "300ms")]);
        assert_eq!(watchdog.talk(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await, "");
        let done = std::fs::read_to_string(watchdog.folder.path().join("done"));
        assert_eq!(done.expect("the function was not killed"), "done\n");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time() {
    let watchdog = Watchdog::start(&[("fprocess", "cat"), SERIALIZING, ("read_timeout", "1s")]);
    let answer = watchdog.talk(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.ends_with("i/o timeout"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_or_is_too_long() {
    let watchdog = Watchdog::start(&[("fprocess", "cat"), ("read_timeout", "200ms")]);
    assert_eq!(watchdog.talk(b"GET / HTTP/1.1\r\nHos").await, "");
    let watchdog = Watchdog::start(&[("fprocess", "cat")]);
    let head = format!("GET / HTTP/1.1\r\nHost: t\r\nX: {}\r\n\r\n", "x".repeat(1_100_000));
    let mut stream = watchdog.endpoint.connect().await.expect("a connection");
    // It may answer before it has read all.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 431");
}

#[tokio::test]
async fn no_more_calls_at_a_time_than_allowed() {
    for mode in [STREAMING, SERIALIZING] {
        let watchdog = Watchdog::script("read line; echo $line; cat", &[mode, ("max_inflight", "1")]);
        let (sender, body) = Body::channel(1, None);
        sender.send("go\n").await.expect("a reader");
        let first = {
            let client = watchdog.client();
            let request = Request::post("/").header("host", "t").body(body).expect("a request");
            tokio::spawn(async move { client.send(request).await.map(|response| response.status()) })
        };
        let began = Instant::now();
        while watchdog.get("/_/ready").await.status != 429 {
            assert!(began.elapsed() < PATIENCE, "never full");
        }
        let refused = watchdog.get("/").await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("x-openfaas-internal"), "faas-middleware");
        assert_eq!(refused.body, "Concurrent request limit exceeded. Max concurrent requests: 1\n");
        assert!(refused.header("content-type").starts_with("text/plain"));
        assert_eq!(watchdog.get("/_/health").await.status, 200);
        drop(sender);
        assert_eq!(first.await.expect("a task").expect("a response"), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_stream_arrives_as_it_is_written() {
    let script = "echo first; while [ ! -e $TMPDIR/go ]; do sleep 0.01; done; echo second";
    let watchdog = Watchdog::script(script, &[STREAMING]);
    let request = Request::get("/").header("host", "t").body(Body::empty()).expect("a request");
    let mut body = watchdog.client().send(request).await.expect("a response").into_body();
    let first = body.data().await.expect("data").expect("no error");
    assert_eq!(&first[..], b"first\n");
    std::fs::write(watchdog.folder.path().join("go"), "").expect("written");
    assert_eq!(&body.collect(100).await.expect("the rest")[..], b"second\n");
}

/// printr of ten seconds in a half: the client gets what Go's buffers let through, whenever between the 2681st and the
/// 3496th line the cut falls.
#[tokio::test]
async fn with_the_originals_buffering_a_cut_stream_ends_where_it_did() {
    // Writes 3000 lines and stands still past the write timeout; then there is something to send, and the connection breaks.
    let script = "seq 1 3000; sleep 3.2; seq 3001 9000";
    let watchdog = Watchdog::script(script, &[STREAMING, ("stream_buffer", "4096"), ("write_timeout", "3s")]);
    let answer = watchdog.talk(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await;
    let (head, chunked) = answer.split_once("\r\n\r\n").expect("a head");
    assert_eq!(head.len() + 4, 124, "{head}");
    let body = unchunk(chunked);
    assert_eq!(body.len(), 12_124);
    assert!(body.ends_with("2645\n2646\n2"), "{}", &body[12_100..]);
    // Without a cut all of it arrives.
    let watchdog = Watchdog::script("seq 1 3000", &[STREAMING, ("stream_buffer", "4096")]);
    assert!(watchdog.get("/").await.body.ends_with("2999\n3000\n"));
}

/// The data of whole chunks and of one that breaks off.
fn unchunk(mut text: &str) -> String {
    let mut data = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        let end = size.min(rest.len());
        data.push_str(&rest[..end]);
        text = rest.get(end + 2..).unwrap_or("");
    }
    data
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions_with_little_memory() {
    let size: usize = 64 << 20;
    for mode in [STREAMING, SERIALIZING] {
        let watchdog = Watchdog::start(&[("fprocess", "cat"), mode]);
        let (sender, body) = Body::channel(1, Some(size as u64));
        tokio::spawn(async move {
            let piece = bytes::Bytes::from(vec![b'x'; 1 << 16]);
            for _ in 0..size >> 16 {
                sender.send(piece.clone()).await.expect("a reader");
            }
        });
        let request = Request::post("/").header("host", "t").body(body).expect("a request");
        let response = watchdog.client().send(request).await.expect("a response");
        let mut body = response.into_body();
        let mut arrived = 0;
        while let Some(data) = body.data().await {
            arrived += data.expect("data").len();
        }
        assert_eq!(arrived, size);
        let status = std::fs::read_to_string(format!("/proc/{}/status", watchdog.child.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(peak < 40_000, "{peak} kB at its peak");
    }
}

#[tokio::test]
async fn no_line_of_stderr_is_lost() {
    let mut watchdog = Watchdog::script("echo line-$Http_Query >&2", &[SERIALIZING, ("prefix_logs", "false")]);
    for i in 0..30 {
        assert_eq!(watchdog.get(&format!("/?{i}")).await.status, 200);
    }
    watchdog.logs("GET /?29");
    let log = watchdog.log.lock().expect("unpoisoned").clone();
    for i in 0..30 {
        assert!(log.contains(&format!("line-{i}")), "line-{i} is missing in {log:#?}");
    }
}

#[tokio::test]
async fn the_access_log_has_the_originals_form() {
    let mut watchdog = Watchdog::start(&[("fprocess", "cat"), SERIALIZING, ("log_callid", "true")]);
    watchdog.post("/p?q", "hello").await;
    let line = watchdog.logs("POST /p?q - 200 - ContentLength: 5B (0.");
    assert!(line.ends_with("s) [none]"), "{line}");
    let (date, _) = line.split_at("2006/01/02 15:04:05 ".len());
    assert!(date.chars().filter(char::is_ascii_digit).count() == 14, "{line}");
    watchdog.call(Request::get("/id").header("x-call-id", "abc"), Body::empty()).await;
    assert!(watchdog.logs("GET /id").ends_with("[abc]"));
    watchdog.call(Request::get("/probe").header("user-agent", "kube-probe/1.30"), Body::empty()).await;
    watchdog.get("/after").await;
    watchdog.logs("GET /after");
    assert!(!watchdog.log.lock().expect("unpoisoned").iter().any(|line| line.contains("/probe")));
}

#[tokio::test]
async fn lines_that_are_too_long_are_logged_in_pieces() {
    let mut watchdog = Watchdog::script(
        "printf 'aaaaaaaaaabbbbb\\nccc' >&2",
        &[SERIALIZING, ("log_buffer_size", "10"), ("prefix_logs", "false")],
    );
    watchdog.get("/").await;
    watchdog.logs("GET /");
    let log = watchdog.log.lock().expect("unpoisoned").clone();
    for line in ["aaaaaaaaaa", "bbbbb", "ccc"] {
        assert!(log.iter().any(|l| l == line), "{line} in {log:#?}");
    }
}

#[tokio::test]
async fn input_that_is_not_read_is_no_error() {
    for mode in [STREAMING, SERIALIZING] {
        let watchdog = Watchdog::start(&[("fprocess", "true"), mode]);
        let answer = watchdog.post("/", vec![b'x'; 1 << 20]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    }
}
