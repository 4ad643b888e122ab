//! Scale from zero, replicas that come and go, updates, and scale per request.

use std::time::Duration;

use faas_lab_gateway::{Limits, Options};
use faas_lab_http::Body;
use faas_lab_provider::ReplicaState;
use futures_util::future::join_all;
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::lab::Lab;

const RESTING: [(&str, &str); 2] = [("com.openfaas.scale.min", "0"), ("com.faas-lab.scale.policy", "fixed")];

#[tokio::test]
async fn a_burst_on_a_function_at_rest_is_held_and_served_whole() {
    let lab = Lab::start().await;
    lab.fake.set_boot(Duration::from_millis(150));
    lab.deploy("hello", "echo", &RESTING).await;
    assert_eq!(lab.fake.started(), 0);
    let answers = join_all((0..100).map(|_| lab.get("/function/hello"))).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK);
        let held: f64 = answer.header("x-cold-start").expect("it was held").parse().unwrap();
        assert!(held > 0.0 && held < 30.0);
    }
    assert_eq!(lab.fake.started(), 1, "one replica for the whole burst");
    assert_eq!(lab.get("/function/hello").await.header("x-cold-start"), None, "warm");
    assert!(lab.scrape().await.contains("gateway_cold_start_seconds_count{function_name=\"hello.openfaas-fn\"} 100"));
}

#[tokio::test]
async fn nobody_is_held_for_ever() {
    let lab = Lab::with(Options { hold: Duration::from_millis(200), ..Options::default() }).await;
    lab.fake.set_broken(true);
    lab.deploy("hello", "echo", &RESTING).await;
    let answer = lab.get("/function/hello").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "No endpoints available for: hello.")
    );
    assert_eq!(answer.header("x-openfaas-internal"), Some("gateway"));
    lab.fake.set_broken(false);
    lab.until(|| async { lab.get("/function/hello").await.status == StatusCode::OK }).await;
}

#[tokio::test]
async fn more_than_a_bound_is_not_held() {
    let limits = Limits { waiting: 2, ..Limits::default() };
    let lab = Lab::with(Options { limits, ..Options::default() }).await;
    lab.fake.set_boot(Duration::from_millis(200));
    lab.deploy("hello", "echo", &RESTING).await;
    let answers = join_all((0..5).map(|_| lab.get("/function/hello"))).await;
    let served = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
    let refused = answers.iter().filter(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert_eq!((served, refused), (2, 3));
}

#[tokio::test]
async fn a_removal_answers_those_who_are_held() {
    let lab = Lab::start().await;
    lab.fake.set_boot(Duration::from_secs(3600));
    lab.deploy("hello", "echo", &RESTING).await;
    let removed = async {
        lab.until(|| async { lab.fake.started() == 1 }).await;
        lab.send(Method::DELETE, "/system/functions", r#"{"functionName":"hello"}"#).await
    };
    let (held, removed) = tokio::join!(lab.get("/function/hello"), removed);
    assert_eq!((held.status, removed.status), (StatusCode::NOT_FOUND, StatusCode::ACCEPTED));
}

#[tokio::test]
async fn a_running_call_outlives_its_replicas_removal() {
    let lab = Lab::start().await;
    lab.deploy("sleep", "sleep", &RESTING).await;
    lab.scale("sleep", 2).await;
    lab.until(|| async { lab.available("sleep").await == 2 }).await;
    let scaled = async {
        lab.until(|| async {
            lab.scrape().await.contains("gateway_function_invocation_inflight{function_name=\"sleep.openfaas-fn\"} 1")
        })
        .await;
        // The idle one goes first.
        lab.scale("sleep", 1).await;
        lab.until(|| async { lab.fake.replicas("sleep").len() == 1 }).await;
        let kept = lab.fake.replicas("sleep")[0].0;
        lab.scale("sleep", 0).await;
        lab.until(|| async { lab.available("sleep").await == 0 }).await;
        kept
    };
    let (answer, kept) = tokio::join!(lab.get("/function/sleep?ms=1500"), scaled);
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, format!("sleep-{kept}")));
    lab.until(|| async { lab.fake.replicas("sleep").is_empty() }).await;
    // Scaled while the last one was retiring: a new one is started.
    let answer = lab.get("/function/sleep?ms=1").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("x-cold-start").is_some());
}

#[tokio::test]
async fn a_crash_takes_the_replica_out_until_it_is_back() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[("com.openfaas.scale.min", "2"), ("com.faas-lab.scale.policy", "fixed")]).await;
    let numbers: Vec<u64> = lab.fake.replicas("hello").into_iter().map(|(number, _)| number).collect();
    lab.fake.show("hello", numbers[0], ReplicaState::Crashed { reason: "exit status 1".into() });
    lab.until(|| async { lab.available("hello").await == 1 }).await;
    for _ in 0..10 {
        let answer = lab.get("/function/hello").await;
        assert_eq!(answer.header("x-replica"), Some(format!("hello-{}", numbers[1]).as_str()));
    }
    assert_eq!(lab.fake.started(), 2, "the provider starts it again itself");
    lab.fake.show("hello", numbers[0], ReplicaState::Ready);
    lab.until(|| async { lab.available("hello").await == 2 }).await;
}

#[tokio::test]
async fn an_update_replaces_replicas_without_losing_a_call() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[("com.openfaas.scale.min", "2"), ("com.faas-lab.scale.policy", "fixed")]).await;
    lab.fake.set_boot(Duration::from_millis(200));
    let update = json!({ "service": "hello", "image": "length", "labels": { "com.openfaas.scale.min": "2", "com.faas-lab.scale.policy": "fixed" } });
    let answer = lab.send(Method::PUT, "/system/functions", update.to_string()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let mut old = 0;
    loop {
        let answer = lab.get("/function/hello").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-cold-start"), None, "somebody always serves");
        match answer.text().as_str() {
            "xxxxxxxxxx" => break,
            _ => old += 1,
        }
    }
    assert!(old > 0, "the old ones serve until a new one is ready");
    lab.until(|| async { lab.fake.replicas("hello").len() == 2 && lab.available("hello").await == 2 }).await;
    assert_eq!(lab.fake.started(), 4);
    for _ in 0..10 {
        assert_eq!(lab.get("/function/hello").await.text(), "xxxxxxxxxx");
    }
}

#[tokio::test]
async fn an_update_that_does_not_come_up_takes_nothing_down() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[("com.faas-lab.scale.policy", "fixed")]).await;
    lab.fake.set_boot(Duration::from_secs(3600));
    let update = r#"{"service":"hello","image":"length","labels":{"com.faas-lab.scale.policy":"fixed"}}"#;
    assert_eq!(lab.send(Method::PUT, "/system/functions", update).await.status, StatusCode::ACCEPTED);
    lab.until(|| async { lab.fake.started() == 2 }).await;
    for _ in 0..5 {
        assert_eq!(lab.get("/function/hello").await.json()["told"]["method"], "GET");
    }
}

#[tokio::test]
async fn per_request_each_call_has_a_replica_of_its_own() {
    let lab = Lab::start().await;
    lab.fake.set_boot(Duration::from_millis(50));
    let labels = [
        ("com.faas-lab.scale.policy", "per-request"),
        ("com.openfaas.scale.max", "3"),
        ("com.faas-lab.keep_alive", "300ms"),
    ];
    lab.deploy("sleep", "sleep", &labels).await;
    assert_eq!(lab.fake.started(), 0);
    let answers = join_all((0..3).map(|_| lab.get("/function/sleep?ms=200"))).await;
    let mut replicas: Vec<String> = answers.iter().map(|answer| answer.text()).collect();
    replicas.sort();
    replicas.dedup();
    assert_eq!(replicas.len(), 3);
    assert!(answers.iter().all(|answer| answer.header("x-cold-start").is_some()));
    let warm = lab.get("/function/sleep?ms=1").await;
    assert_eq!((warm.status, warm.header("x-cold-start")), (StatusCode::OK, None));
    // Idle replicas go after their keep-alive.
    lab.until(|| async { lab.fake.replicas("sleep").is_empty() }).await;
    assert_eq!(lab.available("sleep").await, 0);
    // Beyond the maximum there is no place to wait.
    let answers = join_all((0..4).map(|_| lab.get("/function/sleep?ms=500"))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn a_waiting_room_lines_calls_up_in_front_of_the_replicas() {
    let lab = Lab::start().await;
    let labels = [
        ("com.faas-lab.scale.policy", "fixed"),
        ("com.faas-lab.concurrency", "1"),
        ("com.faas-lab.waiting_room", "{ capacity = 2 }"),
    ];
    lab.deploy("sleep", "sleep", &labels).await;
    let answers = join_all((0..4).map(|_| lab.get("/function/sleep?ms=300"))).await;
    let served = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
    let refused = answers.iter().filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!((served, refused), (3, 1));
    assert!(
        answers.iter().all(|answer| answer.header("x-cold-start").is_none()),
        "waiting in line is not a cold start"
    );
}

#[tokio::test]
async fn a_client_that_leaves_while_held_leaves_nothing_behind() {
    let lab = Lab::start().await;
    lab.fake.set_boot(Duration::from_millis(300));
    lab.deploy("hello", "echo", &RESTING).await;
    let request = Request::builder().uri("/function/hello").header("host", "a").body(Body::empty()).unwrap();
    let held = tokio::time::timeout(Duration::from_millis(100), lab.open(request)).await;
    assert!(held.is_err());
    lab.until(|| async { lab.available("hello").await == 1 }).await;
    let text = lab.scrape().await;
    assert!(text.contains("gateway_function_invocation_started{function_name=\"hello.openfaas-fn\"} 0"), "{text}");
    assert_eq!(lab.get("/function/hello").await.status, StatusCode::OK);
}
