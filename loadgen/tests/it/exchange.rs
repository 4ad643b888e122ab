//! What a call comes back with, whatever the server does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use faas_lab_loadgen::answer::Fault;
use faas_lab_loadgen::client::{ClientOptions, Connections};
use faas_lab_loadgen::exchange::{Exchange, exchange};
use faas_lab_loadgen::target::{OpenFaas, Platform as _, Timeouts, settle};
use faas_lab_model::metrics::Hop;
use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::time::{SimTime, Span};
use tokio::io::AsyncWriteExt as _;

use crate::server::{nobody, read_head, says, serve};

struct Caller {
    client: reqwest::Client,
    connections: Arc<Connections>,
    began: Instant,
}

impl Caller {
    fn new(options: &ClientOptions) -> Caller {
        let connections = Arc::new(Connections::default());
        let client = options.builder(&connections).build().expect("a client");
        Caller { client, connections, began: Instant::now() }
    }

    async fn call(&self, url: &str, limit: Option<Duration>) -> Exchange {
        let request = self.client.post(url).body("x").build().expect("a request");
        let began = self.began;
        let now = move || SimTime::ZERO + Span::from(began.elapsed());
        exchange(&self.client, request, limit, &OpenFaas::default(), &now).await
    }

    async fn at(&self, address: SocketAddr) -> Exchange {
        self.call(&format!("http://{address}/"), Some(Duration::from_secs(20))).await
    }
}

fn caller() -> Caller {
    Caller::new(&ClientOptions::default())
}

fn kind(exchange: &Exchange) -> (OutcomeKind, Option<Hop>, Option<u16>) {
    let ending = settle(&OpenFaas::default(), &exchange.answer, &Timeouts::default());
    (ending.kind, ending.hop, ending.status)
}

#[tokio::test]
async fn a_whole_answer_is_counted_to_the_byte_and_timed_in_order() {
    let address = says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Replica: f-1\r\n\r\nhello").await;
    let seen = caller().at(address).await;
    assert_eq!((seen.answer.received, seen.answer.expected, seen.answer.fault), (5, Some(5), None));
    assert_eq!(seen.answer.signs.replica.as_deref(), Some("f-1"));
    let first_byte = seen.first_byte.expect("a head came");
    assert!(seen.sent <= first_byte && first_byte <= seen.ended);
    assert_eq!(seen.answer.took, seen.ended.since(seen.sent));
    assert!(seen.connecting.expect("a connection was opened") <= seen.answer.took);
    assert_eq!(kind(&seen), (OutcomeKind::Ok, None, Some(200)));
}

#[tokio::test]
async fn answers_that_break_say_how() {
    let cases: [(&[u8], Fault, OutcomeKind); 8] = [
        (b"", Fault::Closed, OutcomeKind::Failed),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Fault::Closed, OutcomeKind::Failed),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Fault::Garbage, OutcomeKind::Failed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", Fault::Cut, OutcomeKind::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Fault::Cut, OutcomeKind::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", Fault::Cut, OutcomeKind::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", Fault::Garbage, OutcomeKind::Truncated),
        (b"HTTP/1.1 503 No\r\nContent-Length: 10\r\n\r\nbusy", Fault::Cut, OutcomeKind::Unavailable),
    ];
    for (bytes, fault, expected) in cases {
        let seen = caller().at(says(bytes).await).await;
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(seen.answer.fault, Some(fault), "{text}");
        assert_eq!(kind(&seen).0, expected, "{text}");
        if expected == OutcomeKind::Truncated {
            assert_eq!(seen.answer.received, if fault == Fault::Garbage { 0 } else { 5 }, "{text}");
        }
    }
}

#[tokio::test]
async fn no_way_there_is_told_apart() {
    assert_eq!(caller().at(nobody().await).await.answer.fault, Some(Fault::Connect));
    let limit = Some(Duration::from_secs(60));
    let no_name = caller().call("http://no-such-host.invalid/", limit).await;
    assert_eq!(no_name.answer.fault, Some(Fault::Name));
    let no_tls = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        read_head(&mut stream).await;
    });
    let no_tls = caller().call(&format!("https://{}/", no_tls.await), limit).await;
    assert_eq!(no_tls.answer.fault, Some(Fault::Tls));
    let reset = serve(|stream| async move {
        // With unread bytes, closing resets.
        stream.readable().await.expect("readable");
        drop(stream);
    });
    let reset = caller().at(reset.await).await;
    assert_eq!((reset.answer.fault, reset.answer.status), (Some(Fault::Closed), None));
}

#[tokio::test]
async fn a_client_gives_up_before_or_within_an_answer() {
    let limit = Some(Duration::from_millis(100));
    let hangs = serve(|mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    });
    let seen = caller().call(&format!("http://{}/", hangs.await), limit).await;
    assert_eq!((seen.answer.fault, seen.answer.status), (Some(Fault::ClientTimeout), None));
    assert!(seen.answer.took >= Span::from_millis(100));
    assert_eq!(kind(&seen), (OutcomeKind::TimedOut, Some(Hop::Client), None));

    let drips = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let seen = caller().call(&format!("http://{}/", drips.await), Some(Duration::from_millis(300))).await;
    assert_eq!(seen.answer.fault, Some(Fault::ClientTimeout));
    assert!((1..100).contains(&seen.answer.received), "{}", seen.answer.received);
}

#[tokio::test]
async fn a_refusal_brings_its_reason() {
    let address = says(
        b"HTTP/1.1 429 Too Many Requests\r\nX-OpenFaaS-Internal: faas-middleware\r\nContent-Length: 54\r\n\r\n\
          Concurrent request limit exceeded. Max concurrent: 2.\n",
    )
    .await;
    let seen = caller().at(address).await;
    assert_eq!(seen.answer.reason.as_deref(), Some("Concurrent request limit exceeded. Max concurrent: 2."));
    assert_eq!(kind(&seen), (OutcomeKind::Refused, Some(Hop::Replica), Some(429)));
}

/// Answers every request on a connection, and counts connections.
async fn polite(count: Arc<AtomicU64>) -> SocketAddr {
    serve(move |mut stream| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            while read_head(&mut stream).await.ends_with("\r\n\r\n") {
                let mut body = [0];
                let _ = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut body).await;
                if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn connections_are_counted_timed_and_kept_or_not() {
    for keep_alive in [true, false] {
        let count = Arc::new(AtomicU64::new(0));
        let address = polite(count.clone()).await;
        let caller = Caller::new(&ClientOptions { keep_alive, ..ClientOptions::default() });
        let mut opened_for = Vec::new();
        for _ in 0..5 {
            let seen = caller.at(address).await;
            assert_eq!(seen.answer.fault, None);
            opened_for.push(seen.connecting.is_some());
        }
        let expected = if keep_alive { 1 } else { 5 };
        assert_eq!((caller.connections.opened(), count.load(Ordering::Relaxed)), (expected, expected));
        assert_eq!(opened_for.iter().filter(|opened| **opened).count() as u64, expected);
        assert!(opened_for[0] && caller.connections.mean().is_some());
    }
    let refused = caller();
    refused.at(nobody().await).await;
    assert_eq!((refused.connections.opened(), refused.connections.failed(), refused.connections.mean()), (0, 1, None));
}

#[tokio::test]
async fn redirects_are_not_followed_and_bodies_not_unpacked() {
    let address = says(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n").await;
    let seen = caller().at(address).await;
    assert_eq!((seen.answer.status, kind(&seen).0), (Some(302), OutcomeKind::Failed));
    let packed = says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nrubb").await;
    let seen = caller().at(packed).await;
    assert_eq!((seen.answer.received, seen.answer.fault), (4, None));
}

#[tokio::test]
async fn http2_is_spoken_without_asking_first() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut preface = [0; 24];
        let _ = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut preface).await;
        let _ = tell.send(preface.to_vec());
    });
    let caller = Caller::new(&ClientOptions { http2: true, ..ClientOptions::default() });
    let seen = caller.at(address).await;
    assert_eq!(told.await.expect("a preface"), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(seen.answer.fault, Some(Fault::Closed), "the server hung up");
    assert_eq!(OpenFaas::default().ending(&seen.answer).kind, OutcomeKind::Failed);
}
