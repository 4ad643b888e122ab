//! The front of the asynchronous queue, and delivery through the synchronous path.

use std::time::{Duration, SystemTime};

use faas_lab_gateway::{Limits, Options};
use faas_lab_http::Body;
use faas_lab_queue::DeadLetter;
use http::{Method, Request, StatusCode};

use crate::lab::Lab;

#[tokio::test]
async fn an_invocation_is_accepted_whole() {
    let lab = Lab::start().await;
    let request = Request::builder()
        .method(Method::POST)
        .uri("/async-function/hello.openfaas-fn/a%20b?x=1")
        .header("host", "lab")
        .header("x-callback-url", "http://127.0.0.1:9/done?x")
        .header("content-type", "text/plain")
        .header("authorization", "Basic abc")
        .body(Body::full("payload"))
        .unwrap();
    let answer = lab.request(request).await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::ACCEPTED, ""));
    let pushed = lab.queue.pushed.lock().unwrap().remove(0);
    assert_eq!(answer.header("x-call-id"), Some(pushed.call_id.as_str()));
    assert!(answer.header("x-start-time").is_some());
    assert_eq!(
        (pushed.function.as_str(), pushed.path.as_str(), pushed.query.as_str()),
        ("hello.openfaas-fn", "/a b", "x=1")
    );
    assert_eq!(pushed.callback.as_deref(), Some("http://127.0.0.1:9/done?x"));
    assert_eq!((&pushed.body[..], pushed.method), (&b"payload"[..], Method::POST));
    assert_eq!(pushed.headers["authorization"], "Basic abc");
    assert_eq!(pushed.headers["x-call-id"], pushed.call_id.as_str());
    assert!(pushed.headers.get("x-callback-url").is_none());
}

#[tokio::test]
async fn what_cannot_be_queued_is_refused() {
    let limits = Limits { async_body: 1000, ..Limits::default() };
    let lab = Lab::with(Options { limits, ..Options::default() }).await;
    assert_eq!(lab.get("/async-function/hello").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let large = lab.post("/async-function/hello", vec![1u8; 1001]).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(large.text().contains("1000 bytes"));
    for bad in ["nonsense", "ftp://host/x", "http://", "/relative", "file:///etc/passwd"] {
        let request = Request::builder().method(Method::POST).uri("/async-function/hello").header("host", "a");
        let request = request.header("x-callback-url", bad).body(Body::empty()).unwrap();
        assert_eq!(lab.request(request).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert!(lab.queue.pushed.lock().unwrap().is_empty());
    *lab.queue.full.lock().unwrap() = true;
    let full = lab.post("/async-function/hello", "x").await;
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(full.text().starts_with("Error queuing request: "), "{}", full.text());
}

#[tokio::test]
async fn an_invocation_can_be_taken_back() {
    let lab = Lab::start().await;
    let call_id = lab.post("/async-function/hello", "x").await.header("x-call-id").unwrap().to_owned();
    let path = format!("/async-function/{call_id}");
    assert_eq!(lab.send(Method::DELETE, &path, "").await.status, StatusCode::ACCEPTED);
    assert_eq!(lab.send(Method::DELETE, &path, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn dead_letters_are_listed_sent_again_and_forgotten() {
    let lab = Lab::start().await;
    assert_eq!(lab.get("/system/dead-letters").await.text(), "[]");
    let letter = |call_id: &str| DeadLetter {
        call_id: call_id.to_owned(),
        function: "hello.dev".to_owned(),
        reason: "all 3 attempts failed".to_owned(),
        last_status: Some(StatusCode::BAD_GATEWAY),
        attempts: 3,
        accepted_at: SystemTime::UNIX_EPOCH,
        died_at: SystemTime::UNIX_EPOCH + Duration::from_secs(60),
        bytes: 77,
    };
    lab.queue.dead.lock().unwrap().extend(["plain", "a caller's own/id"].map(letter));
    let listed = lab.get("/system/dead-letters").await.json();
    let expected = serde_json::json!({
        "callId": "plain", "name": "hello", "namespace": "dev", "reason": "all 3 attempts failed", "lastStatus": 502,
        "attempts": 3, "acceptedAt": "1970-01-01T00:00:00Z", "diedAt": "1970-01-01T00:01:00Z", "bytes": 77,
    });
    assert_eq!(listed[0], expected);
    let own = "/system/dead-letters/a%20caller's%20own%2Fid";
    assert_eq!(lab.send(Method::POST, own, "").await.status, StatusCode::ACCEPTED);
    assert_eq!(lab.send(Method::DELETE, "/system/dead-letters/plain", "").await.status, StatusCode::ACCEPTED);
    let gone = lab.send(Method::DELETE, "/system/dead-letters/plain", "").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "{}", gone.text());
    assert_eq!(lab.send(Method::PUT, own, "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(lab.get("/system/dead-letters").await.text(), "[]");
}

#[tokio::test]
async fn delivery_goes_the_way_of_every_call() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[]).await;
    lab.post("/async-function/hello/a%20b?x=1", "payload").await;
    let invocation = lab.queue.pushed.lock().unwrap().remove(0);
    let answer = lab.gateway.invoker().invoke(&invocation, 1).await;
    assert_eq!(answer.status, StatusCode::OK);
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["body"], "payload");
    assert_eq!((&told["told"]["method"], &told["told"]["path"]), (&"POST".into(), &"/a%20b?x=1".into()));
    assert_eq!(told["told"]["headers"]["x-call-id"], invocation.call_id.as_str());
    assert!(answer.headers.contains_key("x-replica") && !answer.headers.contains_key("x-openfaas-internal"));
    assert!(
        lab.scrape()
            .await
            .contains("gateway_function_invocation_total{code=\"200\",function_name=\"hello.openfaas-fn\"} 1")
    );

    let mut lost = invocation.clone();
    lost.function = "nobody.openfaas-fn".into();
    let answer = lab.gateway.invoker().invoke(&lost, 1).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.headers["x-openfaas-internal"], "gateway");
}
