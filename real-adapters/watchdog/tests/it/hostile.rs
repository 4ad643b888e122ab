//! Functions and clients that do what they should not: nothing cut off may look whole, nothing may slip past.

use super::*;
use std::sync::OnceLock;
use tokio::net::TcpListener;

/// A function that reads a request's head (and what comes with it), answers these bytes, and hangs up. What it read is
/// kept.
async fn raw(answer: &'static str) -> (String, Arc<OnceLock<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let seen = Arc::new(OnceLock::new());
    let read = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let read = read.clone();
            // The watchdog knocks without a word.
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut some = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut some).await {
                    request.extend_from_slice(&some[..n]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head
                        .lines()
                        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
                    let whole = match head.contains("chunked") {
                        true => body.ends_with("0\r\n\r\n"),
                        false => body.len() >= length.unwrap_or(0),
                    };
                    if whole {
                        let _ = read.set(text);
                        let _ = stream.write_all(answer.as_bytes()).await;
                        return;
                    }
                }
            });
        }
    });
    (url, seen)
}

fn start(url: &str, variables: &[(&str, &str)]) -> Watchdog {
    let mut all = vec![("mode", "http"), ("fprocess", "sleep 600"), ("upstream_url", url)];
    all.extend_from_slice(variables);
    Watchdog::start(&all)
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ] {
        let (url, _) = raw(cut).await;
        for buffer in ["0", "4096"] {
            let watchdog = start(&url, &[("stream_buffer", buffer)]);
            let answer = watchdog.talk(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await;
            let lower = answer.to_lowercase();
            let whole = lower.contains("content-length: 0\r\n")
                || lower.contains("content-length: 3\r\n")
                || answer.ends_with("0\r\n\r\n");
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 5") || !whole, "{cut:?} became {answer:?}");
        }
    }
}

/// Chunks beat a length in answers too; what follows an answer is never the next one.
#[tokio::test]
async fn answers_that_two_parsers_could_read_in_two_ways() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
    ] {
        let (url, _) = raw(answer).await;
        let watchdog = start(&url, &[]);
        let got = watchdog.get("/").await;
        assert!(got.status == 500 || got.body == "hello world" || !got.whole, "{:?}", got.body);
    }
    let (url, _) =
        raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await;
    let watchdog = start(&url, &[]);
    for _ in 0..3 {
        let got = watchdog.get("/").await;
        assert!(got.status == 500 || got.body == "hi", "{:?}", got.body);
    }
}

#[tokio::test]
async fn trailers_do_not_cost_the_body() {
    // More than the first block of the original's buffer.
    let body = "x".repeat(0x1770);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n1770\r\n{body}\r\n0\r\nX-T: 1\r\n\r\n"
    );
    let (url, seen) = raw(answer.leak()).await;
    for buffer in ["0", "4096"] {
        let watchdog = start(&url, &[("stream_buffer", buffer)]);
        for te in ["", "TE: trailers\r\n"] {
            let request = format!(
                "POST / HTTP/1.1\r\nHost: t\r\nConnection: close, te\r\n{te}Trailer: X-R\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-R: 1\r\n\r\n"
            );
            let answer = watchdog.talk(request.as_bytes()).await;
            assert!(answer.ends_with("x\r\n0\r\n\r\n"), "buffer {buffer}: {answer:?}");
            let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert_eq!(body.matches('x').count(), 0x1770, "buffer {buffer}");
        }
    }
    let seen = seen.get().expect("a request");
    assert!(seen.ends_with("2\r\nhi\r\n0\r\n\r\n"), "{seen:?}");
}

/// In HTTP/2 the client could speak to the function past the gateway's and the watchdog's rules.
#[tokio::test]
async fn no_upgrade_but_to_a_web_socket() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nsecret";
    let (url, seen) = raw(answer).await;
    let watchdog = start(&url, &[("exec_timeout", "2s")]);
    let request = "GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let got = watchdog.talk(request.as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 5") && !got.contains("secret"), "{got:?}");
    let seen = seen.get().expect("a request").to_lowercase();
    assert!(!seen.contains("upgrade") && !seen.contains("http2-settings"), "{seen:?}");
}

#[tokio::test]
async fn a_function_is_always_told_a_host() {
    let (url, seen) = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let watchdog = start(&url, &[]);
    let got = watchdog.talk(b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(got.ends_with("\r\n\r\nhi"), "{got:?}");
    let seen = seen.get().expect("a request").to_lowercase();
    assert!(seen.contains("\r\nhost: 127.0.0.1:"), "{seen:?}");
    let (url, seen) = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let watchdog = start(&url, &[]);
    watchdog.talk(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close, Host\r\n\r\n").await;
    assert!(seen.get().expect("a request").to_lowercase().contains("\r\nhost: t\r\n"));
}

/// As Go reads it: without a unit it is no span of time.
#[tokio::test]
async fn a_bare_number_is_no_x_timeout() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(1..) = stream.read(&mut [0; 4096]).await else { return };
                    tokio::time::sleep(Duration::from_millis(1500)).await;
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
                });
            }
        });
        url
    };
    let watchdog = start(&url, &[]);
    let answer = watchdog.call(Request::get("/").header("x-timeout", "1"), Body::empty()).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "hi"));
}

/// A client that does not read while the function is killed gets a stream that is cut, not one with a hole in it.
#[tokio::test]
async fn a_stream_that_is_cut_has_no_holes() {
    for buffer in ["0", "4096"] {
        let mut watchdog =
            Watchdog::script("exec seq 1 100000000", &[("exec_timeout", "2s"), ("stream_buffer", buffer)]);
        let mut stream = watchdog.endpoint.connect().await.expect("a connection");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await.expect("room");
        // Its end is logged when the client has not read a byte.
        watchdog.logs("signal: killed");
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("in time").expect("an answer");
        let answer = String::from_utf8(answer).expect("digits");
        let (_, mut chunks) = answer.split_once("\r\n\r\n").expect("a head");
        let mut body = String::new();
        while let Some((size, rest)) = chunks.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).expect("a size");
            body.push_str(&rest[..size]);
            chunks = &rest[size + 2..];
        }
        let lines: Vec<&str> = body.lines().collect();
        assert!(lines.len() > 1000, "{} lines", lines.len());
        // The last line may be cut.
        for (i, line) in lines[..lines.len() - 1].iter().enumerate() {
            assert_eq!(line.parse(), Ok(i + 1), "a hole with stream_buffer={buffer}");
        }
    }
}

/// Work whose caller has gone is work all the same.
#[tokio::test]
async fn a_call_without_a_caller_is_finished_before_the_end() {
    let script = "echo $$ > $TMPDIR/pid; while [ ! -e $TMPDIR/go ]; do sleep 0.01; done; echo done > $TMPDIR/done";
    let variables = [("mode", "serializing"), ("healthcheck_interval", "0"), ("write_timeout", "15s")];
    let mut watchdog = Watchdog::script(script, &variables);
    let mut stream = watchdog.endpoint.connect().await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("room");
    let pid = number_in(&watchdog.folder.path().join("pid"));
    drop(stream);
    watchdog.signal(rustix::process::Signal::TERM);
    watchdog.until("end of listening", |w| !w.is_answering());
    // Long enough to see the closed connection.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(lives(pid), "the function was killed");
    std::fs::write(watchdog.folder.path().join("go"), "").expect("written");
    assert_eq!(watchdog.ends().code(), Some(0));
    assert_eq!(std::fs::read_to_string(watchdog.folder.path().join("done")).expect("it ran to its end"), "done\n");
}

/// Not only the process that the watchdog started: those below it too.
#[tokio::test]
async fn what_is_cut_at_the_end_leaves_no_grandchild() {
    for mode in ["streaming", "serializing", "classic"] {
        let script = "sleep 600 & echo $! > $TMPDIR/pid; wait";
        let variables = [("mode", mode), ("healthcheck_interval", "0"), ("write_timeout", "300ms")];
        let mut watchdog = Watchdog::script(script, &variables);
        let mut stream = watchdog.endpoint.connect().await.expect("a connection");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("room");
        let pid = number_in(&watchdog.folder.path().join("pid"));
        watchdog.signal(rustix::process::Signal::TERM);
        assert_eq!(watchdog.ends().code(), Some(0));
        dies(pid);
    }
}

/// A watchdog is no proxy to elsewhere.
#[tokio::test]
async fn connect_is_refused() {
    let (url, seen) = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let watchdog = start(&url, &[]);
    let got = watchdog.talk(b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nConnection: close\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 405 "), "{got:?}");
    assert_eq!(seen.get(), None);
}

/// The rows of the reference's table that are the same for all modes.
#[tokio::test]
async fn every_mode_refuses_alike() {
    let (url, _) = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    for mode in ["streaming", "serializing", "classic", "http"] {
        let variables = [("mode", mode), ("fprocess", "cat"), ("upstream_url", url.as_str()), ("max_inflight", "1")];
        let fprocess = if mode == "http" { ("fprocess", "sleep 600") } else { ("fprocess", "cat") };
        let watchdog = Watchdog::start(&[&variables[..], &[fprocess, ("read_timeout", "3s")]].concat());

        // One call that waits for its body has the only place.
        let mut first = watchdog.endpoint.connect().await.expect("a connection");
        first.write_all(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe").await.expect("room");
        let began = Instant::now();
        while watchdog.get("/_/ready").await.status != 429 {
            assert!(began.elapsed() < Duration::from_secs(3), "{mode}: never full");
        }
        let refused = watchdog.post("/", "more").await;
        assert_eq!(refused.status, 429, "{mode}");
        assert_eq!(refused.header("x-openfaas-internal"), "faas-middleware", "{mode}");
        assert_eq!(refused.body, "Concurrent request limit exceeded. Max concurrent requests: 1\n", "{mode}");
        drop(first);

        let head = format!("GET / HTTP/1.1\r\nHost: t\r\nX: {}\r\n\r\n", "x".repeat(1_100_000));
        let mut long = watchdog.endpoint.connect().await.expect("a connection");
        // It may answer before it has read all.
        let _ = long.write_all(head.as_bytes()).await;
        let mut status = [0; 12];
        long.read_exact(&mut status).await.expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 431", "{mode}");

        assert_eq!(watchdog.talk(b"GET / HTTP/1.1\r\nHos").await, "", "{mode}: a head that does not come");
    }
}
