//! Synchronous invocations: what passes through, and what is added.

use std::time::Duration;

use faas_lab_gateway::Options;
use faas_lab_http::Body;
use http::{Method, Request, StatusCode};

use crate::lab::{Lab, PATIENCE};

#[tokio::test]
async fn a_call_goes_through_with_the_headers_of_the_reference() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[]).await;
    let request = Request::builder()
        .method(Method::PUT)
        .uri("/function/hello/a/b%20c?x=1&y=%2F")
        .header("host", "lab.example")
        .header("authorization", "Basic abc")
        .header("x-custom", "kept")
        .header("connection", "x-hop")
        .header("x-hop", "dropped")
        .header("te", "trailers")
        .header("proxy-authorization", "dropped")
        .body(Body::full("some text"))
        .unwrap();
    let answer = lab.request(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    let told = &answer.json()["told"];
    assert_eq!((told["method"].as_str(), told["path"].as_str()), (Some("PUT"), Some("/a/b%20c?x=1&y=%2F")));
    assert_eq!(answer.json()["body"], "some text");
    let headers = &told["headers"];
    for (name, value) in [
        ("host", "lab.example"),
        ("authorization", "Basic abc"),
        ("x-custom", "kept"),
        ("x-forwarded-host", "lab.example"),
        ("content-length", "9"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    for dropped in ["x-hop", "te", "proxy-authorization", "transfer-encoding"] {
        assert!(headers[dropped].is_null(), "{dropped}");
    }
    assert!(headers["x-forwarded-for"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(headers["x-call-id"], answer.header("x-call-id").unwrap());
    assert_eq!(headers["x-start-time"], answer.header("x-start-time").unwrap());
    assert!(answer.header("x-served-by").unwrap().starts_with("faas-lab/"));
    assert_eq!(answer.header("x-replica"), told["replica"].as_str());
    assert_eq!(answer.header("x-cold-start"), None);
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn what_the_caller_names_is_kept() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[]).await;
    let request = Request::builder()
        .uri("/function/hello.openfaas-fn")
        .header("host", "lab")
        .header("x-call-id", "mine")
        .header("x-forwarded-for", "10.1.2.3")
        .header("x-forwarded-host", "first.example")
        .body(Body::empty())
        .unwrap();
    let answer = lab.request(request).await;
    let told = &answer.json()["told"];
    assert_eq!(told["path"], "/");
    assert_eq!(told["headers"]["x-call-id"], "mine");
    assert_eq!(told["headers"]["x-forwarded-for"], "10.1.2.3");
    assert_eq!(told["headers"]["x-forwarded-host"], "first.example");
    assert_eq!(answer.header("x-call-id"), None, "only calls that the gateway named are told their name");
}

#[tokio::test]
async fn statuses_and_redirects_come_back_untouched() {
    let lab = Lab::start().await;
    lab.deploy("status", "status", &[]).await;
    for code in [201, 204, 301, 302, 404, 418, 500, 503] {
        let answer = lab.get(&format!("/function/status?code={code}")).await;
        assert_eq!(answer.status.as_u16(), code);
        assert_eq!(answer.header("location"), Some("http://127.0.0.1:1/elsewhere"));
        assert_eq!(answer.header("x-openfaas-internal"), None);
    }
}

#[tokio::test]
async fn lengths_are_kept_and_heads_have_no_body() {
    let lab = Lab::start().await;
    lab.deploy("length", "length", &[]).await;
    let answer = lab.get("/function/length?bytes=100000").await;
    assert_eq!((answer.header("content-length"), answer.text().len()), (Some("100000"), 100_000));
    assert_eq!(answer.header("content-type"), Some("text/plain"), "the default");
    let answer = lab.send(Method::HEAD, "/function/length", "").await;
    assert_eq!((answer.status, answer.header("content-length")), (StatusCode::OK, Some("77")));
    let raw = lab.raw(b"HEAD /function/length HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(raw.ends_with("\r\n\r\n"), "{raw}");
}

#[tokio::test]
async fn large_bodies_stream_both_ways_with_little_in_memory() {
    let lab = Lab::start().await;
    lab.deploy("mirror", "mirror", &[]).await;
    let pieces = 200;
    let (sender, body) = Body::channel(1, None);
    let request = Request::builder().method(Method::POST).uri("/function/mirror").header("host", "a");
    let response = lab.open(request.body(body).unwrap()).await;
    assert_eq!(response.headers().get("content-length"), None);
    let mut back = response.into_body();
    // The answer comes while the request is still being sent.
    sender.send("first").await.unwrap();
    let first = tokio::time::timeout(PATIENCE, back.data()).await.expect("flushed at once").unwrap().unwrap();
    assert_eq!(first, "first");
    let sending = tokio::spawn(async move {
        for _ in 0..pieces {
            sender.send(vec![7u8; 100_000]).await.unwrap();
        }
    });
    let mut total = 0;
    while let Some(data) = back.data().await {
        total += data.unwrap().len();
    }
    sending.await.unwrap();
    assert_eq!(total, pieces * 100_000);
}

#[tokio::test]
async fn a_stream_is_passed_on_as_it_comes() {
    let lab = Lab::start().await;
    lab.deploy("ticks", "ticks", &[]).await;
    let request = Request::builder().uri("/function/ticks?lines=100000&ms=20").header("host", "a");
    let response = lab.open(request.body(Body::empty()).unwrap()).await;
    let mut body = response.into_body();
    for line in 1..=3 {
        let data = tokio::time::timeout(PATIENCE, body.data()).await.expect("flushed at once").unwrap().unwrap();
        assert_eq!(data, format!("{line}\n"));
    }
    // The client goes; so does the call.
    drop(body);
    lab.until(|| async {
        lab.scrape().await.contains("gateway_function_invocation_inflight{function_name=\"ticks.openfaas-fn\"} 0")
    })
    .await;
}

#[tokio::test]
async fn the_upstream_timeout_is_an_empty_502() {
    let upstream_timeout = Duration::from_millis(200);
    let lab = Lab::with(Options { upstream_timeout, ..Options::default() }).await;
    lab.deploy("sleep", "sleep", &[]).await;
    let answer = lab.get("/function/sleep?ms=20000").await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::BAD_GATEWAY, ""));
    assert_eq!(answer.header("x-openfaas-internal"), Some("gateway"));
    assert!(answer.header("x-replica").is_some_and(|replica| replica.starts_with("sleep-")), "who did not answer");
    assert_eq!(answer.header("x-cold-start"), None);
    let answer = lab.get("/function/sleep?ms=1").await;
    assert_eq!(answer.status, StatusCode::OK);

    lab.scale("sleep", 0).await;
    lab.until(|| async { lab.available("sleep").await == 0 }).await;
    let answer = lab.get("/function/sleep?ms=20000").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.header("x-cold-start").is_some(), "that it was held is told of a call that failed, too");
    assert!(
        lab.scrape()
            .await
            .contains(r#"gateway_function_invocation_total{code="502",function_name="sleep.openfaas-fn"} 2"#)
    );
}

#[tokio::test]
async fn a_stream_past_the_upstream_timeout_does_not_look_whole() {
    let upstream_timeout = Duration::from_millis(300);
    let lab = Lab::with(Options { upstream_timeout, ..Options::default() }).await;
    lab.deploy("ticks", "ticks", &[]).await;
    let answer = lab.get("/function/ticks?lines=100000&ms=20").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.is_err(), "{:?}", answer.body);
}

#[tokio::test]
async fn past_the_write_timeout_the_connection_closes_without_an_answer() {
    let write_timeout = Duration::from_millis(200);
    let lab = Lab::with(Options { write_timeout, ..Options::default() }).await;
    lab.deploy("sleep", "sleep", &[]).await;
    let raw = lab.raw(b"GET /function/sleep?ms=1000 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(raw, "");
}

#[tokio::test]
async fn web_sockets_are_refused_and_other_upgrades_ignored() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[]).await;
    let raw = lab
        .raw(b"GET /function/hello HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n")
        .await;
    assert!(raw.starts_with("HTTP/1.1 501 ") && raw.contains("WebSocket"), "{raw}");
    let raw =
        lab.raw(b"GET /function/hello HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n").await;
    assert!(raw.starts_with("HTTP/1.1 200 ") && !raw.contains("h2c"), "{raw}");
}

#[tokio::test]
async fn a_call_that_nobody_took_is_tried_on_another_replica() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[("com.openfaas.scale.min", "3"), ("com.faas-lab.scale.policy", "fixed")]).await;
    let numbers: Vec<u64> = lab.fake.replicas("hello").into_iter().map(|(number, _)| number).collect();
    lab.fake.kill("hello", numbers[0]).await;
    lab.fake.kill("hello", numbers[1]).await;
    for call in 0..30 {
        let answer = lab.post("/function/hello", format!("call {call}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(answer.json()["body"], format!("call {call}"));
        assert_eq!(answer.header("x-replica"), Some(format!("hello-{}", numbers[2]).as_str()));
    }
}

#[tokio::test]
async fn calls_spread_over_the_replicas() {
    let lab = Lab::start().await;
    lab.deploy("sleep", "sleep", &[("com.openfaas.scale.min", "3")]).await;
    let calls = (0..9).map(|_| lab.get("/function/sleep?ms=300"));
    let answers = futures_util::future::join_all(calls).await;
    let mut by_replica = std::collections::BTreeMap::new();
    for answer in &answers {
        *by_replica.entry(answer.text()).or_insert(0) += 1;
    }
    assert_eq!(by_replica.into_values().collect::<Vec<_>>(), [3, 3, 3]);
}

#[tokio::test]
async fn a_function_that_does_not_read_is_heard() {
    let lab = Lab::start().await;
    lab.deploy("rude", "rude", &[]).await;
    let answer = lab.post("/function/rude", vec![1u8; 3_000]).await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "no"));
}

#[tokio::test]
async fn unknown_functions_and_verbs_are_refused() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[]).await;
    let answer = lab.get("/function/nobody.somewhere/x").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(
        answer.text().starts_with("error finding function nobody.somewhere: server returned non-200 status code (404)")
    );
    assert_eq!(answer.header("x-openfaas-internal"), Some("gateway"));
    let answer = lab.send(Method::TRACE, "/function/hello", "").await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::METHOD_NOT_ALLOWED, ""));
    let answer = lab.get("/nothing").await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::NOT_FOUND, "404 page not found\n"));
}
