use super::*;
use faas_lab_http::{Client, ClientError, ClientOptions};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

type Peers = Arc<Mutex<BTreeSet<Option<SocketAddr>>>>;

/// A server that notes its connections.
async fn counting() -> (Endpoint, Peers) {
    let listener = "127.0.0.1:0".parse::<Endpoint>().expect("an endpoint").bind().await.expect("a free port");
    let endpoint = listener.endpoint().expect("an address");
    let peers = Peers::default();
    let seen = peers.clone();
    tokio::spawn(serve(
        listener,
        Limits::default(),
        move |request, peer| {
            seen.lock().expect("unpoisoned").insert(peer);
            echo(request)
        },
        std::future::pending(),
    ));
    (endpoint, peers)
}

#[tokio::test]
async fn keeps_a_connection_for_the_next_request() {
    let (endpoint, peers) = counting().await;
    let client = Client::new(endpoint, ClientOptions::default());
    for i in 0..20 {
        let response = client.send(get(&format!("/{i}"))).await.expect("a response");
        assert_eq!(text_of(response).await, format!("GET /{i} "));
    }
    assert_eq!(peers.lock().expect("unpoisoned").len(), 1);
    client.forget_idle();
    client.send(get("/")).await.expect("a response");
    assert_eq!(peers.lock().expect("unpoisoned").len(), 2);
}

#[tokio::test]
async fn a_call_is_woken_by_its_answer_and_by_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    for at in ["127.0.0.1:0".parse().expect("an endpoint"), Endpoint::Unix(folder.path().join("a.sock"))] {
        let server = start_at(&at, Limits::default(), echo).await;
        let client = Client::new(server.endpoint.clone(), ClientOptions::default());
        let mut calls = pin!(async {
            for _ in 0..100 {
                assert_eq!(text_of(client.send(get("/")).await.expect("a response")).await, "GET / ");
            }
        });
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            calls.as_mut().poll(cx)
        })
        .await;
        // Once for each answer; connecting takes a few more.
        assert!((100..=110).contains(&polls), "{polls}");
    }
}

#[tokio::test]
async fn passes_a_body_on_with_its_length_or_in_chunks() {
    let server = start(Limits::default(), |request: Request<Body>| async move {
        let header = |name| request.headers().get(name).map(|v| v.to_str().unwrap_or("?").to_owned());
        let text = format!("{:?} {:?} ", header("content-length"), header("transfer-encoding"));
        let body = request.into_body().collect(100).await.expect("a body");
        Response::new(Body::full(format!("{text}{}", String::from_utf8_lossy(&body))))
    })
    .await;
    let client = Client::new(server.endpoint.clone(), ClientOptions::default());
    let post = |body| Request::post("/").header("host", "t").body(body).expect("a request");
    let known = client.send(post(Body::full("hello"))).await.expect("a response");
    assert_eq!(text_of(known).await, "Some(\"5\") None hello");
    let (sender, body) = Body::channel(1, None);
    tokio::spawn(async move {
        for part in ["a", "b"] {
            sender.send(part).await.expect("a reader");
        }
    });
    let unknown = client.send(post(body)).await.expect("a response");
    assert_eq!(text_of(unknown).await, "None Some(\"chunked\") ab");
}

#[tokio::test]
async fn tells_its_errors_apart() {
    let vacant = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let client = Client::new(Endpoint::Tcp(vacant), ClientOptions::default());
    assert!(matches!(client.send(get("/")).await, Err(ClientError::Refused { .. })));
    let client = Client::new(Endpoint::Unix("/nowhere/x.sock".into()), ClientOptions::default());
    assert!(matches!(client.send(get("/")).await, Err(ClientError::Refused { .. })));
    let (endpoint, _) = scripted(vec![vec![""]]).await;
    let client = Client::new(endpoint, ClientOptions::default());
    assert!(matches!(client.send(get("/")).await, Err(ClientError::Closed { .. })));
    let (endpoint, _) = scripted(vec![vec!["rubbish\r\n\r\n"]]).await;
    let client = Client::new(endpoint, ClientOptions::default());
    assert!(matches!(client.send(get("/")).await, Err(ClientError::Malformed { .. })));
}

/// A server that answers each connection with these texts, one per request, and then closes it.
async fn scripted(script: Vec<Vec<&'static str>>) -> (Endpoint, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = Endpoint::Tcp(listener.local_addr().expect("an address"));
    let served = Arc::new(Mutex::new(Vec::new()));
    let log = served.clone();
    tokio::spawn(async move {
        for answers in script {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            for answer in answers {
                let mut head = [0; 4096];
                let n = stream.read(&mut head).await.expect("a request");
                log.lock().expect("unpoisoned").push(n);
                stream.write_all(answer.as_bytes()).await.expect("room");
            }
        }
    });
    (endpoint, served)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The kept connection takes the request and closes without a byte: what may be repeated is, over a new connection.
#[tokio::test]
async fn repeats_what_a_stale_connection_swallowed() {
    let (endpoint, served) = scripted(vec![vec![OK, ""], vec![OK]]).await;
    let client = Client::new(endpoint, ClientOptions::default());
    assert_eq!(text_of(client.send(get("/1")).await.expect("a response")).await, "ok");
    assert_eq!(text_of(client.send(get("/2")).await.expect("a response")).await, "ok");
    assert_eq!(served.lock().expect("unpoisoned").len(), 3);
}

#[tokio::test]
async fn does_not_repeat_what_may_have_been_carried_out() {
    let (endpoint, served) = scripted(vec![vec![OK, ""], vec![OK]]).await;
    let client = Client::new(endpoint, ClientOptions::default());
    assert_eq!(text_of(client.send(get("/1")).await.expect("a response")).await, "ok");
    let post = Request::post("/2").header("host", "t").body(Body::full("x")).expect("a request");
    assert!(matches!(client.send(post).await, Err(ClientError::Closed { .. })));
    assert_eq!(served.lock().expect("unpoisoned").len(), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_not_used() {
    let (endpoint, _) = scripted(vec![vec![OK], vec![OK]]).await;
    let client = Client::new(endpoint, ClientOptions::default());
    for i in 0..2 {
        let post = Request::post(format!("/{i}")).header("host", "t").body(Body::full("x")).expect("a request");
        assert_eq!(text_of(client.send(post).await.expect("a response")).await, "ok");
        let seen = async {
            while client.idle_connections() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), seen).await.expect("the client sees the server close");
    }
}

#[tokio::test]
async fn closes_connections_that_idle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = Endpoint::Tcp(listener.local_addr().expect("an address"));
    let options = ClientOptions { idle_timeout: Duration::from_millis(50), ..ClientOptions::default() };
    let client = Client::new(endpoint, options);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = [0; 4096];
        assert!(stream.read(&mut head).await.expect("a request") > 0);
        stream.write_all(OK.as_bytes()).await.expect("room");
        stream.read(&mut head).await.expect("an end")
    });
    assert_eq!(text_of(client.send(get("/")).await.expect("a response")).await, "ok");
    let end = tokio::time::timeout(Duration::from_secs(10), server).await.expect("it closes").expect("a server");
    assert_eq!(end, 0);
}

/// A long answer is read by a task of its own connection, which then takes short calls again.
#[tokio::test]
async fn a_connection_that_streamed_is_used_again() {
    let (endpoint, peers) = counting().await;
    let client = Client::new(endpoint, ClientOptions::default());
    let post = |body| Request::post("/").header("host", "t").body(body).expect("a request");
    for _ in 0..3 {
        let long = client.send(post(Body::full(vec![b'x'; 1 << 20]))).await.expect("a response");
        assert_eq!(long.into_body().collect(2 << 20).await.expect("all of it").len(), "POST / ".len() + (1 << 20));
        let free = async {
            while client.idle_connections() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), free).await.expect("the connection is free again");
        assert_eq!(text_of(client.send(get("/")).await.expect("a response")).await, "GET / ");
    }
    assert_eq!(peers.lock().expect("unpoisoned").len(), 1);
}

/// Many calls at once, each given up or answered: none gets another's answer, and none waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn calls_that_are_given_up_disturb_no_other() {
    let (endpoint, _) = counting().await;
    let client = Client::new(endpoint, ClientOptions::default());
    let calls = (0..16).map(|caller| {
        let client = client.clone();
        tokio::spawn(async move {
            for call in 0..200 {
                let path = format!("/{caller}/{call}");
                let answer = client.send(get(&path));
                if call % 5 == 0 {
                    let _ = tokio::time::timeout(Duration::from_micros(caller * 20), answer).await;
                } else {
                    assert_eq!(text_of(answer.await.expect("a response")).await, format!("GET {path} "));
                }
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        tokio::time::timeout(Duration::from_secs(60), call).await.expect("no call waits for ever").expect("no panic");
    }
}

/// An answer that is given up half-read must not be mixed up with the next one.
#[tokio::test]
async fn an_unread_answer_closes_its_connection() {
    let server = start(Limits::default(), |_| async {
        let (sender, body) = Body::channel(1, None);
        tokio::spawn(async move { while sender.send(vec![b'x'; 10_000]).await.is_ok() {} });
        Response::new(body)
    })
    .await;
    let client = Client::new(server.endpoint.clone(), ClientOptions::default());
    let mut body = client.send(get("/")).await.expect("a response").into_body();
    assert!(body.data().await.is_some());
    drop(body);
    let mut body = client.send(get("/")).await.expect("another response").into_body();
    assert!(body.data().await.is_some_and(|data| data.is_ok()));
    drop(body);
    server.stop.send(()).expect("a running server");
    let end = tokio::time::timeout(Duration::from_secs(10), server.task).await;
    assert_eq!(end.expect("both connections are closed").expect("an end"), Drained::All);
}

#[tokio::test]
async fn a_promised_length_that_does_not_come_breaks_off() {
    let server = start(Limits::default(), |_| async {
        let (sender, body) = Body::channel(1, Some(10));
        tokio::spawn(async move { sender.send("short").await });
        Response::new(body)
    })
    .await;
    let client = Client::new(server.endpoint.clone(), ClientOptions::default());
    let response = client.send(get("/")).await.expect("a response");
    assert_eq!(response.headers()["content-length"], "10");
    assert!(response.into_body().collect(100).await.is_err());
}

/// A refusal of a large upload: the answer comes and the connection closes while the request is being written.
#[tokio::test]
async fn an_answer_is_heard_though_the_server_stops_listening() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    // On a thread of its own, so that it closes in the middle of a write, not between two.
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 64];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(b"HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno");
        }
    });
    let client = Client::new(Endpoint::Unix(path), ClientOptions::default());
    for _ in 0..500 {
        let request = Request::builder().method("POST").uri("/").header("host", "t");
        let body = Body::full(vec![b'x'; 134_126]);
        let response = client.send(request.body(body).expect("a request")).await.expect("the refusal");
        assert_eq!(response.status(), 401);
        assert_eq!(text_of(response).await, "no");
    }
}

/// And nobody goes on reading what nobody takes.
#[tokio::test]
async fn an_upload_to_a_server_that_stops_listening_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = Endpoint::Tcp(listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 64];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno").await;
        }
    });
    let client = Client::new(endpoint, ClientOptions::default());
    for _ in 0..20 {
        let (sender, body) = Body::channel(1, None);
        let upload = tokio::spawn(async move { while sender.send(vec![b'x'; 100_000]).await.is_ok() {} });
        let request = Request::builder().method("POST").uri("/").header("host", "t").body(body);
        let response = client.send(request.expect("a request")).await.expect("the refusal");
        assert_eq!(text_of(response).await, "no");
        tokio::time::timeout(Duration::from_secs(60), upload).await.expect("an end").expect("no panic");
    }
}

#[tokio::test]
async fn a_server_that_closes_without_an_answer_is_an_error_whatever_was_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = Endpoint::Tcp(listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 64];
            let _ = stream.read(&mut head).await;
        }
    });
    let client = Client::new(endpoint, ClientOptions::default());
    for _ in 0..20 {
        let request = Request::builder().method("POST").uri("/").header("host", "t");
        let request = request.body(Body::full(vec![b'x'; 4 << 20])).expect("a request");
        let failed = client.try_send(Box::new(request)).await.expect_err("no answer");
        assert!(matches!(failed.error, ClientError::Closed { .. }), "{failed:?}");
        assert!(failed.unsent.is_none(), "bytes of it were sent");
    }
}
