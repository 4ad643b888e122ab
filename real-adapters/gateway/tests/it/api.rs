//! The REST API, in the sequences that faas-cli sends.

use std::time::Duration;

use faas_lab_gateway::{Credentials, Limits, Options};
use faas_lab_http::Body;
use faas_lab_provider::api::Usage;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::lab::{Lab, PATIENCE, basic};

const FULL: &str = r#"{"service":"hello","image":"echo","envProcess":"cat","envVars":{"exec_timeout":"30s","write_debug":"true"},"constraints":["node.platform.os=linux"],"secrets":["s1"],"labels":{"com.openfaas.scale.min":"1"},"annotations":{"schedule":"*/5 * * * *","topic":"cron-function"},"limits":{"memory":"128Mi","cpu":"100m"},"requests":{"memory":"64Mi"},"readOnlyRootFilesystem":true}"#;

#[tokio::test]
async fn deploy_is_put_then_post_and_shows_every_field() {
    let lab = Lab::start().await;
    assert_eq!(lab.get("/system/functions").await.json(), json!([]));
    let missing = lab.send(Method::PUT, "/system/functions", FULL).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let refused = lab.post("/system/functions", FULL).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "the secret does not exist yet");
    assert!(refused.text().contains("unable to fetch secrets"));
    let made = lab.post("/system/secrets", r#"{"name":"s1","value":"v1"}"#).await;
    assert_eq!((made.status, made.text().as_str()), (StatusCode::ACCEPTED, ""));
    let deployed = lab.post("/system/functions", FULL).await;
    assert_eq!((deployed.status, deployed.text().as_str()), (StatusCode::ACCEPTED, ""));
    let again = lab.post("/system/functions", FULL).await;
    assert_eq!(again.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(again.text().ends_with("already exists"), "{}", again.text());
    assert_eq!(lab.send(Method::PUT, "/system/functions", FULL).await.status, StatusCode::ACCEPTED);

    lab.until(|| async { lab.available("hello").await == 1 }).await;
    for _ in 0..3 {
        lab.get("/function/hello").await;
    }
    let list = lab.get("/system/functions").await.json();
    let shown = &list[0];
    let sent: Value = serde_json::from_str(FULL).unwrap();
    for field in [
        "image",
        "envProcess",
        "envVars",
        "constraints",
        "secrets",
        "labels",
        "annotations",
        "limits",
        "requests",
        "readOnlyRootFilesystem",
    ] {
        assert_eq!(shown[field], sent[field], "{field}");
    }
    assert_eq!((&shown["name"], &shown["namespace"]), (&json!("hello"), &json!("openfaas-fn")));
    assert_eq!((&shown["replicas"], &shown["availableReplicas"]), (&json!(1), &json!(1)));
    assert_eq!(shown["invocationCount"], json!(3));
    assert!(shown["createdAt"].as_str().unwrap().ends_with('Z'));
    assert!(shown["service"].is_null() && shown["usage"].is_null());
}

#[tokio::test]
async fn describe_ready_and_remove() {
    let lab = Lab::start().await;
    assert_eq!(lab.get("/system/function/hello?usage=1").await.status, StatusCode::NOT_FOUND);
    lab.deploy("hello", "echo", &[]).await;
    lab.fake.set_usage(Usage { cpu: 12.5, total_memory_bytes: 1024.0, ..Usage::default() });
    let shown = lab.get("/system/function/hello?usage=1").await.json();
    assert_eq!(shown["usage"], json!({ "cpu": 12.5, "totalMemoryBytes": 1024.0 }));
    assert_eq!(lab.get("/system/function/hello?namespace=other").await.status, StatusCode::NOT_FOUND);

    let nobody = lab.send(Method::DELETE, "/system/functions", r#"{"functionName":"nobody"}"#).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let unnamed = lab.send(Method::DELETE, "/system/functions", "{}").await;
    assert_eq!(unnamed.status, StatusCode::BAD_REQUEST);
    let gone = lab.send(Method::DELETE, "/system/functions", r#"{"functionName":"hello"}"#).await;
    assert_eq!(gone.status, StatusCode::ACCEPTED);
    assert_eq!(lab.get("/function/hello").await.status, StatusCode::NOT_FOUND);
    assert_eq!(lab.get("/system/functions").await.json(), json!([]));
    lab.deploy("hello", "echo", &[]).await;
    assert_eq!(lab.get("/function/hello").await.status, StatusCode::OK);
}

#[tokio::test]
async fn deployments_that_make_no_sense_are_told_why() {
    let lab = Lab::start().await;
    for (body, tells) in [
        ("{", "failed to unmarshal request: "),
        ("7", "failed to unmarshal request: "),
        (r#"{"image":"echo"}"#, "validation failed: service: is required"),
        (r#"{"service":"Hello","image":"echo"}"#, "must be a valid DNS entry"),
        (r#"{"service":"../x","image":"echo"}"#, "must be a valid DNS entry"),
        (r#"{"service":"hello"}"#, "validation failed: image: is required"),
        (r#"{"service":"hello","image":"echo","namespace":"a.b"}"#, "must be a valid DNS entry"),
        (r#"{"service":"hello","image":"echo","labels":{"com.openfaas.scale.min":"x"}}"#, "com.openfaas.scale.min"),
        (r#"{"service":"hello","image":"echo","labels":{"com.openfaas.scale.type":"custom"}}"#, "rps, capacity"),
        (
            r#"{"service":"hello","image":"echo","annotations":{"topic":"cron-function","schedule":"*/5 * *"}}"#,
            "validation failed: annotations.schedule: the schedule `*/5 * *` cannot be read: ",
        ),
        (
            r#"{"service":"hello","image":"echo","annotations":{"topic":"cron-function","schedule":"99 * * * *"}}"#,
            "write five fields such as `*/5 * * * *`, or six with seconds first",
        ),
        (
            r#"{"service":"hello","image":"echo","annotations":{"topic":"cron-function","schedule":"0 0 30 2 *"}}"#,
            "the schedule `0 0 30 2 *` never comes",
        ),
        (
            r#"{"service":"hello","image":"echo","annotations":{"topic":"a,cron-function"}}"#,
            "annotations.schedule: its topic is cron-function, but it has no annotation `schedule`: write one such as",
        ),
    ] {
        for method in [Method::POST, Method::PUT] {
            let answer = lab.send(method, "/system/functions", body).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
            assert!(answer.text().contains(tells), "{body}: {}", answer.text());
        }
    }
    // What no clock is asked to read may say anything.
    let elsewhere = r#"{"service":"elsewhere","image":"echo","annotations":{"topic":"a.b","schedule":"daily"}}"#;
    assert_eq!(lab.post("/system/functions", elsewhere).await.status, StatusCode::ACCEPTED);
    let huge = format!(r#"{{"service":"hello","image":"{}"}}"#, "x".repeat(2 << 20));
    assert_eq!(lab.post("/system/functions", huge).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn scaling_takes_the_name_from_path_or_body() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[]).await;
    for (body, replicas) in [
        (r#"{"serviceName":"hello","replicas":2}"#, 2),
        (r#"{"service":"hello","replicas":3}"#, 3),
        (r#"{"replicas":1}"#, 1),
        (r#"{"serviceName":"hello","namespace":"openfaas-fn","replicas":0}"#, 0),
    ] {
        let answer = lab.post("/system/scale-function/hello", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{body}: {}", answer.text());
        lab.until(|| async { lab.available("hello").await == replicas && lab.fake.ready("hello") as u64 == replicas })
            .await;
    }
    let shown = lab.describe("hello").await.unwrap();
    assert!(shown["replicas"].is_null() && shown["availableReplicas"].is_null(), "zero is left out");
    for (path, body, status) in [
        ("hello", "{", StatusCode::BAD_REQUEST),
        ("hello", r#"{"replicas":-1}"#, StatusCode::BAD_REQUEST),
        ("hello", r#"{"replicas":100000}"#, StatusCode::BAD_REQUEST),
        ("hello", r#"{"serviceName":"other","replicas":1}"#, StatusCode::BAD_REQUEST),
        ("nobody", r#"{"serviceName":"nobody","replicas":1}"#, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(lab.post(&format!("/system/scale-function/{path}"), body).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn secrets_are_listed_by_name_only() {
    let lab = Lab::start().await;
    assert_eq!(lab.get("/system/secrets").await.json(), json!([]));
    let secret = |value: &str| json!({ "name": "key", "value": value }).to_string();
    assert_eq!(lab.send(Method::PUT, "/system/secrets", secret("a")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(lab.post("/system/secrets", secret("hush-hush")).await.status, StatusCode::ACCEPTED);
    assert_eq!(lab.post("/system/secrets", secret("b")).await.status, StatusCode::CONFLICT);
    assert_eq!(lab.send(Method::PUT, "/system/secrets", secret("c")).await.status, StatusCode::ACCEPTED);
    let listed = lab.get("/system/secrets?namespace=openfaas-fn").await;
    assert_eq!(listed.json(), json!([{ "name": "key", "namespace": "openfaas-fn" }]));
    assert_eq!(lab.get("/system/secrets?namespace=other").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(lab.post("/system/secrets", r#"{"value":"x"}"#).await.status, StatusCode::BAD_REQUEST);
    let broken = lab.post("/system/secrets", r#"{"name":"a","value":hush-hush}"#).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert!(!broken.text().contains("hush"), "{}", broken.text());
    let name = r#"{"name":"key"}"#;
    assert_eq!(lab.send(Method::DELETE, "/system/secrets", name).await.status, StatusCode::ACCEPTED);
    assert_eq!(lab.send(Method::DELETE, "/system/secrets", name).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn info_namespaces_health_and_store() {
    let store = json!([{ "title": "Hello", "name": "hello", "images": { "x86_64": "hello" } }]);
    let lab = Lab::with(Options { store: store.clone(), version: "1.2.3".into(), ..Options::default() }).await;
    assert_eq!(lab.get("/system/namespaces").await.json(), json!(["openfaas-fn"]));
    let info = lab.get("/system/info").await.json();
    assert_eq!(info["provider"]["provider"], "fake");
    assert_eq!(info["version"]["release"], "1.2.3");
    assert_eq!(info["arch"], std::env::consts::ARCH);
    assert_eq!(info["timeouts"], json!({ "read": "1m0s", "write": "1m0s", "upstream": "1m0s" }));
    let healthy = lab.get("/healthz").await;
    assert_eq!((healthy.status, healthy.text().as_str()), (StatusCode::OK, "OK"));
    assert_eq!(lab.get("/store.json").await.json(), store);
    assert_eq!(lab.get("/system/namespace/x").await.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(lab.get("/metrics").await.status, StatusCode::NOT_FOUND, "metrics have their own port");
}

#[tokio::test]
async fn only_the_right_password_opens_the_system() {
    let credentials = Some(Credentials { user: "admin".into(), password: "s3cret".into() });
    let lab = Lab::with(Options { credentials, ..Options::default() }).await;
    for (method, path) in [
        (Method::GET, "/system/functions"),
        (Method::POST, "/system/functions"),
        (Method::GET, "/system/function/x"),
        (Method::POST, "/system/scale-function/x"),
        (Method::GET, "/system/secrets"),
        (Method::GET, "/system/info"),
        (Method::GET, "/system/live"),
        (Method::GET, "/system/namespaces"),
        (Method::GET, "/system/logs?name=x"),
        (Method::POST, "/system/alert"),
    ] {
        for authorization in [None, Some(basic("admin", "wrong")), Some("Basic ???".to_owned())] {
            let mut request = Request::builder().method(method.clone()).uri(path).header("host", "a");
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = lab.request(request.body(Body::empty()).unwrap()).await;
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (StatusCode::UNAUTHORIZED, "invalid credentials"),
                "{path}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"Restricted\""));
        }
    }
    let request = Request::builder().uri("/system/functions").header("host", "a");
    let request = request.header("authorization", basic("admin", "s3cret")).body(Body::empty()).unwrap();
    assert_eq!(lab.request(request).await.status, StatusCode::OK);
    for open in ["/healthz", "/store.json"] {
        assert_eq!(lab.get(open).await.status, StatusCode::OK, "{open}");
    }
    assert_eq!(lab.get("/function/x").await.status, StatusCode::NOT_FOUND, "invocations need no password");
    assert_eq!(lab.post("/async-function/x", "").await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn logs_come_line_by_line_and_end_with_their_reader() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[]).await;
    for line in 1..=5 {
        lab.fake.write_log(&format!("line {line}"));
    }
    let all = lab.get("/system/logs?name=hello&tail=-1&follow=false").await;
    assert_eq!(all.header("content-type"), Some("text/plain; charset=utf-8"));
    let lines: Vec<Value> = all.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0]["text"], "line 1");
    for field in ["name", "namespace", "instance", "timestamp"] {
        assert!(lines[0][field].is_string(), "{field}");
    }
    assert_eq!(lab.get("/system/logs?name=hello&tail=2").await.text().lines().count(), 2);

    let request = Request::builder().uri("/system/logs?follow=true&name=hello&tail=1").header("host", "a");
    let mut body = lab.open(request.body(Body::empty()).unwrap()).await.into_body();
    let next = async |body: &mut Body| {
        let data = tokio::time::timeout(PATIENCE, body.data()).await.expect("flushed at once");
        String::from_utf8(data.unwrap().unwrap().to_vec()).unwrap()
    };
    assert!(next(&mut body).await.contains("line 5"));
    lab.fake.write_log("line 6");
    assert!(next(&mut body).await.contains("line 6"));
    assert_eq!(lab.fake.log_readers(), 1);
    drop(body);
    lab.until(|| async { lab.fake.log_readers() == 0 }).await;

    for bad in ["/system/logs", "/system/logs?name=hello&tail=x", "/system/logs?name=hello&since=yesterday"] {
        assert_eq!(lab.get(bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(lab.get("/system/logs?name=nobody").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn alerts_from_outside_step_up_and_fall_to_the_minimum() {
    let lab = Lab::start().await;
    let labels =
        [("com.openfaas.scale.max", "12"), ("com.openfaas.scale.factor", "20"), ("com.faas-lab.scale.policy", "fixed")];
    lab.deploy("hello", "echo", &labels).await;
    let alert = |status: &str, name: &str| {
        json!({ "status": status, "receiver": "scale-up", "alerts": [{ "status": status, "labels": { "alertname": "x", "function_name": name } }] })
            .to_string()
    };
    for (status, replicas) in [("firing", 4), ("firing", 7), ("firing", 10), ("firing", 12), ("resolved", 1)] {
        let answer = lab.post("/system/alert", alert(status, "hello.openfaas-fn")).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, ""));
        lab.until(|| async { lab.available("hello").await == replicas }).await;
    }
    assert_eq!(lab.post("/system/alert", alert("firing", "nobody")).await.status, StatusCode::OK);
    lab.deploy("steady", "echo", &[("com.openfaas.scale.factor", "0"), ("com.openfaas.scale.min", "2")]).await;
    assert_eq!(lab.post("/system/alert", alert("firing", "steady")).await.status, StatusCode::OK);
    assert_eq!(lab.describe("steady").await.expect("it is there")["replicas"], 2);
    let bad = lab.post("/system/alert", "x").await;
    assert_eq!((bad.status, bad.text().as_str()), (StatusCode::BAD_REQUEST, "Unable to parse alert, bad format."));
}

#[tokio::test]
async fn another_namespace_is_another_function() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[]).await;
    let body = json!({ "service": "hello", "image": "length", "namespace": "dev" }).to_string();
    assert_eq!(lab.post("/system/functions", body).await.status, StatusCode::ACCEPTED);
    lab.until(|| async { lab.available("hello.dev").await == 1 }).await;
    assert_eq!(lab.get("/function/hello.dev").await.text(), "xxxxxxxxxx");
    assert_eq!(lab.get("/function/hello").await.json()["told"]["method"], "GET");
    assert_eq!(lab.get("/system/functions?namespace=dev").await.json().as_array().unwrap().len(), 1);
    assert_eq!(lab.get("/system/functions").await.json().as_array().unwrap().len(), 1);
    assert_eq!(lab.get("/system/functions?namespace=none").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(lab.get("/system/namespaces").await.json(), json!(["dev", "openfaas-fn"]));
    let gone = lab.send(Method::DELETE, "/system/functions", r#"{"functionName":"hello","namespace":"dev"}"#).await;
    assert_eq!(gone.status, StatusCode::ACCEPTED);
    assert_eq!(lab.get("/function/hello").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_number_of_functions_has_a_bound() {
    let limits = Limits { functions: 1, ..Limits::default() };
    let lab = Lab::with(Options { limits, ..Options::default() }).await;
    lab.deploy("one", "echo", &[]).await;
    let refused = lab.post("/system/functions", r#"{"service":"two","image":"echo"}"#).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_gateway_ends_when_told_and_lets_calls_finish() {
    let lab = Lab::with(Options { drain: Duration::from_secs(20), ..Options::default() }).await;
    lab.deploy("sleep", "sleep", &[]).await;
    let request = Request::builder().uri("/function/sleep?ms=500").header("host", "a");
    let mut call = std::pin::pin!(lab.open(request.body(Body::empty()).unwrap()));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut call).await;
    assert!(early.is_err(), "the call is on its way");
    lab.shut_down();
    assert_eq!(call.await.status(), StatusCode::OK);
    lab.until(|| async { tokio::net::TcpStream::connect(lab.address).await.is_err() }).await;
}
