use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const CLOSE: &str = "Host: t\r\nConnection: close\r\n";

#[tokio::test]
async fn answers_and_keeps_a_known_length() {
    let server = start(Limits::default(), echo).await;
    let answer =
        talk(&server.endpoint, format!("POST /a?b=c HTTP/1.1\r\n{CLOSE}Content-Length: 2\r\n\r\nhi").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-length: 14\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nPOST /a?b=c hi"), "{answer}");
}

#[tokio::test]
async fn refuses_heads_that_two_parsers_could_read_in_two_ways() {
    let server = start(Limits::default(), echo).await;
    for head in [
        "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: +1\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 1, 2\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: t\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: t\r\n\r\n",
        "nonsense\r\n\r\n",
        "\x16\x03\x01 a TLS hello\r\n\r\n",
    ] {
        let answer = talk(&server.endpoint, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(), "{head:?} gave {answer:?}");
    }
}

/// Length and chunks together: only the chunks count, the length is gone for whoever is next, and nothing that follows
/// them is taken for a request of its own by one side only.
#[tokio::test]
async fn chunks_beat_a_length_and_the_length_is_dropped() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    let server = start(Limits::default(), move |request: Request<Body>| {
        counter.fetch_add(1, Ordering::SeqCst);
        let length = request.headers().contains_key("content-length");
        async move {
            let body = request.into_body().collect(100).await.expect("a body");
            Response::new(Body::full(format!("{length} {}", String::from_utf8_lossy(&body))))
        }
    })
    .await;
    for framing in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"]
    {
        let head = format!(
            "POST / HTTP/1.1\r\n{CLOSE}{framing}\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
        );
        let answer = talk(&server.endpoint, head.as_bytes()).await;
        assert!(status_of(&answer) == "400" || answer.ends_with("false ab"), "{answer}");
    }
    assert!(seen.load(Ordering::SeqCst) <= 2, "the smuggled request was answered");
}

#[tokio::test]
async fn refuses_heads_that_are_too_long() {
    let server = start(Limits { head_bytes: 16_384, headers: 50, ..Limits::default() }, echo).await;
    let long = format!("GET / HTTP/1.1\r\n{CLOSE}X: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(status_of(&talk(&server.endpoint, long.as_bytes()).await), "431");
    let many = format!("GET / HTTP/1.1\r\n{CLOSE}{}\r\n", "x: y\r\n".repeat(60));
    assert_eq!(status_of(&talk(&server.endpoint, many.as_bytes()).await), "431");
    let fits = format!("GET / HTTP/1.1\r\n{CLOSE}X: {}\r\n\r\n", "x".repeat(10_000));
    assert_eq!(status_of(&talk(&server.endpoint, fits.as_bytes()).await), "200");
}

#[tokio::test]
async fn closes_silently_on_a_head_that_does_not_come() {
    let server = start(Limits { read_timeout: Some(Duration::from_millis(100)), ..Limits::default() }, echo).await;
    assert_eq!(talk(&server.endpoint, b"GET / HTTP/1.1\r\nHos").await, "");
    assert_eq!(talk(&server.endpoint, b"").await, "");
}

/// A byte now and then does not prolong the deadline.
#[tokio::test]
async fn closes_on_a_head_that_drips() {
    let server = start(Limits { read_timeout: Some(Duration::from_millis(200)), ..Limits::default() }, echo).await;
    let mut stream = server.endpoint.connect().await.expect("a connection");
    let began = tokio::time::Instant::now();
    while stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < Duration::from_secs(10), "it may drip for ever");
    }
}

#[tokio::test]
async fn the_handler_reads_an_error_from_a_body_that_does_not_come() {
    let server = start(Limits { read_timeout: Some(Duration::from_secs(1)), ..Limits::default() }, echo).await;
    let answer = talk(&server.endpoint, b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe").await;
    assert_eq!(status_of(&answer), "500", "{answer}");
    assert!(answer.ends_with("i/o timeout"), "{answer}");
}

#[tokio::test]
async fn a_read_timeout_does_not_cut_a_long_call() {
    let limits = Limits { read_timeout: Some(Duration::from_secs(1)), ..Limits::default() };
    let server = start(limits, |request| async {
        let answer = echo(request).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        answer
    })
    .await;
    // The connection stays open after it: closed by the idle timeout, which is the read timeout.
    let answer = talk(&server.endpoint, b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi").await;
    assert!(answer.ends_with("POST / hi"), "{answer}");
}

#[tokio::test]
async fn after_the_write_timeout_nothing_is_written_but_the_handler_ends() {
    let ended = Arc::new(AtomicUsize::new(0));
    let counter = ended.clone();
    let limits = Limits { write_timeout: Some(Duration::from_millis(100)), ..Limits::default() };
    let server = start(limits, move |request| {
        let counter = counter.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            counter.fetch_add(1, Ordering::SeqCst);
            echo(request).await
        }
    })
    .await;
    assert_eq!(talk(&server.endpoint, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await, "");
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_is_flushed_as_it_comes_and_cut_at_the_write_timeout() {
    let limits = Limits { write_timeout: Some(Duration::from_millis(1500)), ..Limits::default() };
    let server = start(limits, |_| async {
        let (sender, body) = Body::channel(1, None);
        tokio::spawn(async move {
            let _ = sender.send("first\n").await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let _ = sender.send("late\n").await;
        });
        Response::new(body)
    })
    .await;
    let mut stream = server.endpoint.connect().await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("room");
    let mut seen = String::new();
    while !seen.contains("first") {
        let mut some = [0; 1024];
        let n = stream.read(&mut some).await.expect("bytes");
        assert!(n > 0, "closed after {seen:?}");
        seen.push_str(&String::from_utf8_lossy(&some[..n]));
    }
    let end = rest(&mut stream).await;
    assert!(!end.contains("late") && !seen.contains("\r\n0\r\n"), "{seen}{end}");
}

/// The client does not read: the server's writes stand still, and the write timeout must wake it.
#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_at_the_write_timeout() {
    let limits = Limits { write_timeout: Some(Duration::from_millis(200)), ..Limits::default() };
    let (gone, is_gone) = oneshot::channel();
    let gone = Arc::new(std::sync::Mutex::new(Some(gone)));
    let server = start(limits, move |_| {
        let gone = gone.lock().expect("unpoisoned").take();
        async move {
            let (sender, body) = Body::channel(1, None);
            tokio::spawn(async move {
                while sender.send(vec![0; 65_536]).await.is_ok() {}
                gone.map(|gone| gone.send(()))
            });
            Response::new(body)
        }
    })
    .await;
    let mut stream = server.endpoint.connect().await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("room");
    tokio::time::timeout(Duration::from_secs(10), is_gone).await.expect("given up").expect("the body's reader is gone");
}

#[tokio::test]
async fn finishes_calls_and_refuses_new_ones_when_it_ends() {
    let (begin, mut begun) = tokio::sync::mpsc::channel(1);
    let server = start(Limits::default(), move |request| {
        let begin = begin.clone();
        async move {
            begin.send(()).await.expect("a test");
            tokio::time::sleep(Duration::from_millis(200)).await;
            echo(request).await
        }
    })
    .await;
    let endpoint = server.endpoint.clone();
    let call = tokio::spawn({
        let endpoint = endpoint.clone();
        async move { talk(&endpoint, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await }
    });
    let idle = endpoint.connect().await.expect("a connection");
    begun.recv().await.expect("a call");
    server.stop.send(()).expect("a running server");
    assert!(call.await.expect("a call").ends_with("GET / "), "a call under way is finished");
    assert_eq!(server.task.await.expect("an end"), Drained::All);
    assert!(endpoint.connect().await.is_err(), "nobody listens any more");
    drop(idle);
}

#[tokio::test]
async fn cuts_calls_that_do_not_end_in_time() {
    let (begin, mut begun) = tokio::sync::mpsc::channel(1);
    let limits = Limits { drain: Some(Duration::from_millis(50)), ..Limits::default() };
    let server = start(limits, move |_| {
        let begin = begin.clone();
        async move {
            begin.send(()).await.expect("a test");
            std::future::pending().await
        }
    })
    .await;
    let endpoint = server.endpoint.clone();
    let call = tokio::spawn(async move { talk(&endpoint, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await });
    begun.recv().await.expect("a call");
    server.stop.send(()).expect("a running server");
    assert_eq!(server.task.await.expect("an end"), Drained::Cut(1));
    assert_eq!(call.await.expect("a call"), "");
}

#[tokio::test]
async fn holds_to_its_number_of_connections() {
    let server = start(Limits { connections: 1, ..Limits::default() }, echo).await;
    let mut first = server.endpoint.connect().await.expect("a connection");
    first.write_all(format!("GET /1 HTTP/1.1\r\n{CLOSE}\r\n").as_bytes()).await.expect("room");
    assert!(rest(&mut first).await.ends_with("GET /1 "));
    let answer = talk(&server.endpoint, format!("GET /2 HTTP/1.1\r\n{CLOSE}\r\n").as_bytes()).await;
    assert!(answer.ends_with("GET /2 "), "the place of a closed connection is free again");
}

#[tokio::test]
async fn a_handler_that_panics_takes_only_its_own_connection_along() {
    let server = start(Limits::default(), |request: Request<Body>| async move {
        assert!(request.uri() != "/panic", "on purpose");
        echo(request).await
    })
    .await;
    assert_eq!(talk(&server.endpoint, b"GET /panic HTTP/1.1\r\nHost: t\r\n\r\n").await, "");
    assert!(talk(&server.endpoint, format!("GET /ok HTTP/1.1\r\n{CLOSE}\r\n").as_bytes()).await.ends_with("GET /ok "));
}

#[tokio::test]
async fn serves_on_a_unix_socket_and_replaces_a_dead_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = Endpoint::Unix(folder.path().join("a.sock"));
    drop(
        std::os::unix::net::UnixListener::bind(folder.path().join("a.sock")).expect("a socket that nobody listens on"),
    );
    let server = start_at(&at, Limits::default(), echo).await;
    let answer = talk(&at, format!("GET /x HTTP/1.1\r\n{CLOSE}\r\n").as_bytes()).await;
    assert!(answer.ends_with("GET /x "), "{answer}");
    assert!(at.bind().await.is_err(), "a living socket is not taken away");
    server.stop.send(()).expect("a running server");
    assert_eq!(server.task.await.expect("an end"), Drained::All);
    assert!(!folder.path().join("a.sock").exists(), "its file goes with it");
}

/// A body that nobody wants does not make a connection old: after it the idle timeout holds, not the body's read timeout.
#[tokio::test]
async fn a_body_left_unread_does_not_shorten_the_idle_time() {
    let limits = Limits {
        read_timeout: Some(Duration::from_secs(1)),
        idle_timeout: Some(Duration::from_secs(60)),
        ..Limits::default()
    };
    let server = start(limits, |_unread: Request<Body>| async { Response::new(Body::full("no")) }).await;
    let mut stream = server.endpoint.connect().await.expect("a connection");
    stream.write_all(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi").await.expect("room");
    let mut first = Vec::new();
    while !first.ends_with(b"\r\n\r\nno") {
        first.push(stream.read_u8().await.expect("an answer"));
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stream.write_all(format!("GET / HTTP/1.1\r\n{CLOSE}\r\n").as_bytes()).await.expect("an open connection");
    assert!(rest(&mut stream).await.ends_with("\r\n\r\nno"));
}

/// The write timeout of a call before must not swallow the refusal of the next head.
#[tokio::test]
async fn a_bad_head_is_refused_however_late_it_comes() {
    let limits = Limits {
        read_timeout: Some(Duration::from_secs(30)),
        write_timeout: Some(Duration::from_secs(1)),
        ..Limits::default()
    };
    let server = start(limits, |_| async { Response::new(Body::full("yes")) }).await;
    let mut stream = server.endpoint.connect().await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("room");
    let mut first = Vec::new();
    while !first.ends_with(b"\r\n\r\nyes") {
        first.push(stream.read_u8().await.expect("an answer"));
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stream.write_all(b"nonsense\r\n\r\n").await.expect("an open connection");
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
}

/// Many clients write all of a request before they read: a refusal must not be lost to the reset of a closed connection.
#[tokio::test]
async fn a_client_that_is_refused_in_mid_upload_gets_to_know_why() {
    let limits = Limits { head_bytes: 16_384, ..Limits::default() };
    let server = start(limits, |_unread: Request<Body>| async { Response::new(Body::full("no")) }).await;
    let upload = format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n{}", 4 << 20, "x".repeat(4 << 20));
    let head = format!("GET / HTTP/1.1\r\nHost: t\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    for (request, status) in [(&upload, "200"), (&head, "431")] {
        for _ in 0..20 {
            let mut stream = server.endpoint.connect().await.expect("a connection");
            stream.write_all(request.as_bytes()).await.expect("somebody takes it, if only to throw it away");
            let answer = rest(&mut stream).await;
            assert_eq!(status_of(&answer), status, "{answer:?}");
        }
    }
}

/// One that never stops sending is not listened to for ever.
#[tokio::test]
async fn a_refused_client_is_parted_with_in_the_end() {
    let server = start(Limits::default(), |_unread: Request<Body>| async { Response::new(Body::full("no")) }).await;
    let mut stream = server.endpoint.connect().await.expect("a connection");
    stream.write_all(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n").await.expect("room");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let sending = async { while stream.write_all(chunk.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), sending).await.expect("the connection is closed");
}

/// A client that has written all of a refused request takes the connection for free: so it is, or the answer says that it
/// will be closed.
#[tokio::test]
async fn after_a_body_that_nobody_read_a_connection_is_free_or_said_to_close() {
    let server = start(Limits::default(), |_unread: Request<Body>| async { Response::new(Body::full("no")) }).await;
    let length = |bytes: usize| format!("Content-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes));
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n30000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x30000));
    let expecting = "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n".to_owned();
    for (body, kept) in
        [(length(2), true), (length(200_000), true), (chunked, true), (length(300_000), false), (expecting, false)]
    {
        let mut stream = server.endpoint.connect().await.expect("a connection");
        let mut head = String::new();
        for _ in 0..2 {
            stream.write_all(format!("POST / HTTP/1.1\r\nHost: t\r\n{body}").as_bytes()).await.expect("room");
            head.clear();
            while !head.ends_with("\r\n\r\nno") {
                head.push(stream.read_u8().await.expect("an answer").into());
            }
            if !kept {
                break;
            }
        }
        let what = &body[..body.len().min(60)];
        assert_eq!(!head.contains("connection: close"), kept, "{what}: {head:?}");
        if !kept {
            assert_eq!(rest(&mut stream).await, "", "{what}");
        }
    }
}
