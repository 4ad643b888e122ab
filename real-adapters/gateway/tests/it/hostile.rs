//! What clients must not be able to do, and that others do not notice.

use std::time::Duration;

use faas_lab_gateway::Options;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::lab::{Lab, PATIENCE};

async fn lab() -> Lab {
    let lab = Lab::with(Options { read_timeout: Duration::from_millis(400), ..Options::default() }).await;
    lab.deploy("hello", "echo", &[]).await;
    lab
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("")
}

#[tokio::test]
async fn slow_heads_and_bodies_are_cut_off_and_others_served() {
    let lab = lab().await;
    let mut slow = Vec::new();
    for start in [
        "GET /function/hello HTTP/1.1\r\nhost",
        "POST /function/hello HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nx",
    ] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(lab.address).await.unwrap();
            stream.write_all(start.as_bytes()).await.unwrap();
            slow.push(stream);
        }
    }
    assert_eq!(lab.get("/function/hello").await.status, StatusCode::OK);
    for mut stream in slow {
        let mut answer = Vec::new();
        // What is said before the end does not matter, but that it ends.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is cut off");
    }
    assert_eq!(lab.get("/function/hello").await.status, StatusCode::OK);
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let lab = lab().await;
    let long = "x".repeat(2 << 20);
    let answer = lab.raw(format!("GET /function/hello HTTP/1.1\r\nhost: a\r\nx-long: {long}\r\n\r\n").as_bytes()).await;
    assert!(matches!(status(&answer), "431" | ""), "{answer}");
    let answer = lab.raw(format!("GET /function/hello/{long} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await;
    assert!(matches!(status(&answer), "414" | "431" | ""), "{answer}");
    let many: String = (0..2000).map(|number| format!("x-{number}: y\r\n")).collect();
    let answer = lab.raw(format!("GET /function/hello HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes()).await;
    assert_eq!(status(&answer), "431", "{answer}");
}

#[tokio::test]
async fn one_request_cannot_be_made_to_look_like_two() {
    let lab = lab().await;
    let inner = "GET /system/functions HTTP/1.1\r\nhost: a\r\n\r\n";
    for smuggle in [
        format!(
            "POST /function/hello HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!("POST /function/hello HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx{inner}"),
        format!("POST /function/hello HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n{inner}"),
        format!("POST /function/hello HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n{inner}"),
        format!("POST /function/hello HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\n{inner}"),
        format!("GET /function/hello HTTP/1.1\r\n continued: x\r\nhost: a\r\n\r\n{inner}"),
        format!("GET /function/hello\0 HTTP/1.1\r\nhost: a\r\n\r\n{inner}"),
    ] {
        let answer = lab.raw(smuggle.as_bytes()).await;
        // Of two lengths the chunks count (RFC 9112, section 6.3), and the connection ends with them.
        let closes = status(&answer) == "200" && answer.contains("\r\nconnection: close\r\n");
        assert!(answer.is_empty() || status(&answer) == "400" || closes, "{smuggle}\n{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), usize::from(!answer.is_empty()), "{answer}");
    }
}

#[tokio::test]
async fn paths_do_not_lead_out_of_where_they_are() {
    let lab = lab().await;
    for (path, expected) in [
        ("/function/hello/../../system/functions", "301"),
        ("/function/hello/%2e%2e/%2e%2e/system/functions", "301"),
        ("/ui/../../../etc/passwd", "301"),
        ("//evil.example/%2e%2e", "301"),
        ("/function/..%2fhello", "301"),
        ("/ui/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "301"),
        ("/ui/etc/passwd", "404"),
        ("/function/hello%00", "404"),
        ("/function/%ff", "400"),
        ("/function/hello/%zz", "400"),
    ] {
        let answer = lab.raw(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).await;
        assert_eq!(status(&answer), expected, "{path}: {answer}");
        assert!(!answer.contains("location: //"), "{answer}");
    }
    let answer = lab.get("/function/hello/a%2Fb%0d%0ax").await;
    assert_eq!(answer.json()["told"]["path"], "/a/b%0D%0Ax");
}

#[tokio::test]
async fn garbage_is_refused_and_nothing_leaks() {
    let lab = lab().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /function/hello HTTP/1.1\r\nhost: a\r\nbad header: x\r\n\r\n",
        b"GET /function/hello HTTP/1.1\r\nhost: a\r\nx: \x01\x02\r\n\r\n",
        b"POST /function/hello HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    ] {
        let answer = lab.raw(garbage).await;
        let code = status(&answer);
        assert!(code.is_empty() || matches!(code, "400" | "404" | "431" | "505"), "{garbage:?}: {answer}");
        assert!(!answer.contains("panicked") && !answer.contains("/src/"), "{answer}");
    }
    for odd in [
        "OPTIONS * HTTP/1.1",
        "GET http://other.example/function/hello HTTP/1.1",
        "CONNECT a:1 HTTP/1.1",
        "BREW /function/hello HTTP/1.1",
    ] {
        let answer = lab.raw(format!("{odd}\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).await;
        assert!(matches!(status(&answer), "200" | "400" | "404" | "405"), "{odd}: {answer}");
    }
    assert_eq!(lab.get("/function/hello").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_broken_upload_disturbs_nobody() {
    let lab = lab().await;
    lab.deploy("mirror", "mirror", &[]).await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(lab.address).await.unwrap();
        stream
            .write_all(b"POST /function/mirror HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nbegin")
            .await
            .unwrap();
        drop(stream);
    }
    lab.until(|| async {
        lab.scrape().await.contains("gateway_function_invocation_inflight{function_name=\"mirror.openfaas-fn\"} 0")
    })
    .await;
    assert_eq!(lab.post("/function/mirror", "whole").await.text(), "whole");
}
