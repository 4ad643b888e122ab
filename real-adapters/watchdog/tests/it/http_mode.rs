//! Mode http. The test is the function: the process that the watchdog starts only sleeps.

use super::*;
use faas_lab_http::{Limits, serve};
use http::Response;
use std::future::Future;

/// A function that answers on a port of its own.
async fn function<R>(handler: impl Fn(Request<Body>) -> R + Clone + Send + Sync + 'static) -> String
where
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = "127.0.0.1:0".parse::<Endpoint>().expect("an endpoint").bind().await.expect("a port");
    let url = format!("http://{}", listener.endpoint().expect("an address"));
    tokio::spawn(serve(listener, Limits::default(), move |request, _| handler(request), std::future::pending()));
    url
}

fn start(url: &str, variables: &[(&str, &str)]) -> Watchdog {
    let mut all = vec![("mode", "http"), ("fprocess", "sleep 600"), ("upstream_url", url)];
    all.extend_from_slice(variables);
    Watchdog::start(&all)
}

async fn echo(request: Request<Body>) -> Response<Body> {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    let body = request.into_body().collect(1 << 20).await.expect("a body");
    Response::new(Body::full([text.as_bytes(), b"\n", &body[..]].concat()))
}

#[tokio::test]
async fn a_call_reaches_the_function_as_it_came() {
    let url = function(echo).await;
    let mut watchdog = start(&url, &[]);
    let request = Request::put("/a%2Fb?c=%20").header("x-own", "1").header("connection", "x-hop").header("x-hop", "1");
    let answer = watchdog.call(request, Body::full("hello")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with("PUT /a%2Fb?c=%20\n") && answer.body.ends_with("\n\nhello"), "{}", answer.body);
    assert!(
        answer.body.contains("content-length: 5\n") && !answer.body.contains("transfer-encoding"),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("host: test\n") && answer.body.contains("x-own: 1\n"), "{}", answer.body);
    assert!(!answer.body.contains("x-hop"), "{}", answer.body);
    assert_eq!(answer.length, Some(answer.body.len() as u64));
    assert!(answer.header("x-duration-seconds").parse::<f64>().is_ok());
    watchdog.logs("PUT /a%2Fb?c=%20 - 200 OK - ContentLength: ");
}

#[tokio::test]
async fn status_headers_and_redirects_come_back_as_they_are() {
    let url = function(|_| async {
        let response = Response::builder().status(301).header("location", "/x").header("set-cookie", "a");
        response.header("set-cookie", "b").body(Body::full("moved")).expect("a response")
    })
    .await;
    let mut watchdog = start(&url, &[]);
    let answer = watchdog.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.header("location"), answer.body.as_str()), (301, "/x", "moved"));
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
    watchdog.logs("GET / - 301 Moved Permanently - ContentLength: 5B (0.0");
}

#[tokio::test]
async fn the_answer_to_head_keeps_its_length() {
    let url = function(|_| async {
        Response::builder().header("content-length", "1234").body(Body::empty()).expect("a response")
    })
    .await;
    let watchdog = start(&url, &[]);
    let answer = watchdog.call(Request::head("/"), Body::empty()).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-length")), (200, "1234"));
}

#[tokio::test]
async fn a_base_path_stands_before_every_path() {
    let url = function(echo).await;
    let watchdog = start(&format!("{url}/base/"), &[]);
    assert!(watchdog.get("/x?y").await.body.starts_with("GET /base/x?y\n"));
}

#[tokio::test]
async fn a_function_that_takes_too_long() {
    let url = function(|_| std::future::pending()).await;
    let mut watchdog = start(&url, &[("exec_timeout", "300ms")]);
    let answer = watchdog.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (504, ""));
    assert_eq!(answer.header("x-openfaas-internal"), "of-watchdog");
    watchdog.logs("GET / - 504 Gateway Timeout");
    assert!(watchdog.child.try_wait().expect("a child").is_none(), "the function goes on");
}

#[tokio::test]
async fn a_caller_may_ask_for_less_time_but_not_for_more() {
    let url = function(|_| std::future::pending()).await;
    let patient = start(&url, &[("exec_timeout", "10m")]);
    let asked = |watchdog: &Watchdog, time: &str| {
        let request = Request::get("/").header("x-timeout", time).header("host", "t").body(Body::empty());
        let client = watchdog.client();
        async move { client.send(request.expect("a request")).await.expect("a response").status() }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, asked(&patient, "200ms")).await.expect("in time"), 504);
    let hasty = start(&url, &[("exec_timeout", "200ms")]);
    for ignored in ["10m", "soon", "-1s"] {
        assert_eq!(tokio::time::timeout(PATIENCE, asked(&hasty, ignored)).await.expect("in time"), 504, "{ignored}");
    }
}

/// Of unknown length it ends properly, of known length it breaks off.
#[tokio::test]
async fn a_body_that_takes_too_long() {
    let url = function(|request: Request<Body>| async move {
        let length = (request.uri().path() == "/known").then_some(10);
        let (sender, body) = Body::channel(1, length);
        tokio::spawn(async move {
            let _ = sender.send("part").await;
            sender.closed().await;
        });
        Response::new(body)
    })
    .await;
    let watchdog = start(&url, &[("exec_timeout", "1500ms")]);
    let chunked = watchdog.get("/chunked").await;
    assert_eq!((chunked.status.as_u16(), chunked.body.as_str(), chunked.whole), (200, "part", true));
    let known = watchdog.get("/known").await;
    assert_eq!((known.status.as_u16(), known.whole), (200, false));
}

#[tokio::test]
async fn after_write_timeout_the_connection_closes_at_the_end_of_the_call() {
    let url = function(|_| async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        Response::new(Body::full("late"))
    })
    .await;
    let watchdog = start(&url, &[("write_timeout", "200ms")]);
    assert_eq!(watchdog.talk(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await, "");
}

#[tokio::test]
async fn a_function_that_closes_without_an_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    let mut watchdog = start(&url, &[]);
    let answer = watchdog.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, ""));
    assert_eq!(answer.header("x-openfaas-internal"), "of-watchdog");
    watchdog.logs("GET / - 500 Internal Server Error");
}

#[tokio::test]
async fn it_is_ready_when_the_function_listens_and_calls_wait_for_that() {
    let vacant = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let watchdog = start(&format!("http://{vacant}"), &[]);
    assert_eq!(watchdog.get("/_/health").await.status, 200);
    assert_eq!(watchdog.get("/_/ready").await.status, 503);
    let early = {
        let request = Request::get("/early").header("host", "t").body(Body::empty()).expect("a request");
        let client = watchdog.client();
        tokio::spawn(async move { client.send(request).await.expect("a response").status() })
    };
    let listener = Endpoint::Tcp(vacant).bind().await.expect("the port is still free");
    tokio::spawn(serve(listener, Limits::default(), |request, _| echo(request), std::future::pending()));
    assert_eq!(early.await.expect("a task"), 200);
    assert_eq!(watchdog.get("/_/ready").await.status, 200);
}

#[tokio::test]
async fn a_call_that_waits_in_vain_times_out() {
    let vacant = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let watchdog = start(&format!("http://{vacant}"), &[("exec_timeout", "200ms")]);
    assert_eq!(watchdog.get("/").await.status, 504);
}

#[tokio::test]
async fn the_function_may_listen_on_a_unix_socket_and_so_may_the_watchdog() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = Endpoint::Unix(folder.path().join("fn.sock"));
    let listener = at.bind().await.expect("a socket");
    tokio::spawn(serve(listener, Limits::default(), |request, _| echo(request), std::future::pending()));
    let own = folder.path().join("watchdog.sock");
    let watchdog = start(&at.to_string(), &[("watchdog_socket", own.to_str().expect("text"))]);
    assert!(matches!(watchdog.endpoint, Endpoint::Unix(_)));
    assert!(watchdog.get("/x").await.body.starts_with("GET /x\n"));
}

#[tokio::test]
async fn the_ready_path_asks_the_function() {
    let url = function(|request: Request<Body>| async move {
        let status = if request.uri().path() == "/am-i" { 418 } else { 200 };
        Response::builder().status(status).body(Body::empty()).expect("a response")
    })
    .await;
    let watchdog = start(&url, &[("ready_path", "/am-i")]);
    let mut status = watchdog.get("/_/ready").await.status;
    while status == 503 {
        status = watchdog.get("/_/ready").await.status;
    }
    assert_eq!(status, 418);
}

#[tokio::test]
async fn events_flow_without_a_time_limit() {
    let url = function(|_| async {
        let (sender, body) = Body::channel(1, None);
        tokio::spawn(async move {
            for event in ["data: 1\n\n", "data: 2\n\n"] {
                let _ = sender.send(event).await;
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
        });
        Response::new(body)
    })
    .await;
    let watchdog = start(&url, &[("exec_timeout", "200ms")]);
    for kind in ["text/event-stream", "application/x-ndjson"] {
        let answer = watchdog.call(Request::get("/").header("accept", kind), Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "data: 1\n\ndata: 2\n\n"));
        assert_eq!(answer.header("x-duration-seconds"), "");
    }
}

#[tokio::test]
async fn a_web_socket_passes_through_and_outlives_the_timeouts() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut head = vec![0; 4096];
                let Ok(n @ 1..) = stream.read(&mut head).await else { return };
                let head = String::from_utf8_lossy(&head[..n]).to_lowercase();
                assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
                let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.expect("room");
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let watchdog = start(&url, &[("write_timeout", "1s"), ("read_timeout", "1s"), ("exec_timeout", "1s")]);
    let mut stream = watchdog.endpoint.connect().await.expect("a connection");
    let request = "GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("room");
    let mut seen = String::new();
    while !seen.ends_with("\r\n\r\n") {
        seen.push(char::from(stream.read_u8().await.expect("an answer")));
    }
    assert!(seen.starts_with("HTTP/1.1 101 "), "{seen}");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stream.write_all(b"ping").await.expect("an open tunnel");
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).await.expect("an echo");
    assert_eq!(&pong, b"ping");
}

#[tokio::test]
async fn with_the_originals_buffering_a_cut_stream_stops_at_a_block() {
    let url = function(|_| async {
        let (sender, body) = Body::channel(1, None);
        tokio::spawn(async move {
            for line in 1..=3000 {
                let _ = sender.send(format!("{line}\n")).await;
            }
            tokio::time::sleep(Duration::from_millis(3300)).await;
            let _ = sender.send(vec![b'x'; 20_000]).await;
        });
        Response::new(body)
    })
    .await;
    let watchdog = start(&url, &[("stream_buffer", "4096"), ("write_timeout", "3s")]);
    let answer = watchdog.talk(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").await;
    let (head, chunks) = answer.split_once("\r\n\r\n").expect("a head");
    let frames = chunks.matches("\r\n").count();
    assert!(frames > 0 && !chunks.contains('x'), "{head}");
    // Three blocks of 4096 in Go's framing; ours differs by the frames only.
    let body: usize = {
        let mut rest = chunks;
        let mut sum = 0;
        while let Some((size, after)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).expect("a size");
            sum += size;
            rest = after.get(size + 2..).unwrap_or("");
        }
        sum
    };
    let head = head.len() + 4;
    let go_frames = |body: usize| body.div_ceil(2048) * 5 + body / 2048 * 2;
    assert_eq!((head + body + go_frames(body)) % 4096, 0, "{body} bytes after a head of {head}");
}
