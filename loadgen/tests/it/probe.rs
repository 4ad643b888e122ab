//! Looking at gateways of several kinds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use faas_lab_loadgen::client::{ClientOptions, Connections};
use faas_lab_loadgen::experiment::Admin;
use faas_lab_loadgen::probe::{Course, Probe, ProbeOptions, Sight, Watching};
use faas_lab_loadgen::target::{Credentials, System};
use faas_lab_model::time::{SimTime, Span};
use url::Url;

async fn up(app: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    Url::parse(&format!("http://{address}")).expect("a URL")
}

fn probe(gateway: &Url, metrics: Option<Url>) -> Probe {
    let credentials = Some(Credentials::basic("admin", "secret"));
    let system = System { gateway: gateway.clone(), credentials, namespace: None };
    let functions = vec!["hello".to_owned(), "absent".to_owned()];
    Probe::new(&ProbeOptions { system, metrics, functions, interval: Duration::from_millis(20), insecure: false })
        .expect("a probe")
}

fn authorized(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| *value == Credentials::basic("admin", "secret").header())
}

const LIVE: &str = r#"[{"name":"hello","namespace":"openfaas-fn","image":"x","desired":3,"min":1,"max":5,"inFlight":4,
  "waiting":2,"queued":7,"invocations":9,"replicas":[{"instance":"hello-1","state":"ready","restarts":0,"ageSeconds":1},
  {"instance":"hello-2","state":"starting","restarts":1,"ageSeconds":0.1}]}]"#;

#[tokio::test]
async fn our_gateway_says_everything_at_once() {
    let app =
        Router::new().route(
            "/system/live",
            get(|headers: HeaderMap| async move {
                if authorized(&headers) { Ok(LIVE) } else { Err(StatusCode::UNAUTHORIZED) }
            }),
        );
    let mut probe = probe(&up(app).await, None);
    let seen = probe.look().await.expect("seen");
    let expected = Sight {
        desired: Some(3),
        starting: Some(1),
        ready: Some(1),
        live: Some(2),
        in_flight: Some(4),
        waiting: Some(2),
        queued: Some(7),
        names: ["hello-1/0", "hello-2/1"].map(str::to_owned).into(),
    };
    assert_eq!(seen, [expected, Sight::default()]);
    assert!(probe.notices().is_empty());
}

/// A gateway as the originals are: a list that leaves zeros out, and metrics on another port.
#[tokio::test]
async fn other_gateways_say_it_in_two_places() {
    let list = r#"[{"name":"hello","image":"x","replicas":2,"createdAt":"0001-01-01T00:00:00Z"}]"#;
    let gateway = up(Router::new().route("/system/functions", get(move || async move { list }))).await;
    let text = "gateway_function_invocation_inflight{function_name=\"hello.openfaas-fn\"} 5\n\
                gateway_service_count{function_name=\"hello.openfaas-fn\"} 9\nother 1\n";
    let mut metrics = up(Router::new().route("/metrics", get(move || async move { text }))).await;
    metrics.set_path("/metrics");
    let mut with_metrics = probe(&gateway, Some(metrics));
    let seen = with_metrics.look().await.expect("seen");
    assert_eq!((seen[0].desired, seen[0].ready, seen[0].starting), (Some(2), Some(0), Some(2)));
    assert_eq!((seen[0].in_flight, seen[0].queued), (Some(5), None));
    assert!(with_metrics.notices().is_empty());

    let mut nowhere = gateway.clone();
    nowhere.set_path("/no-metrics");
    let mut without = probe(&gateway, Some(nowhere));
    for _ in 0..3 {
        assert!(without.look().await.is_some());
    }
    let notices = without.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("--metrics") && notices[0].contains("404"), "{notices:?}");
}

#[tokio::test]
async fn a_platform_that_says_nothing_is_no_trouble() {
    let refused = up(Router::new().fallback(|| async { StatusCode::UNAUTHORIZED })).await;
    let garbage = up(Router::new().fallback(|| async { "<html>" })).await;
    for (gateway, word) in [(refused, "--login"), (garbage, "something else")] {
        let mut probe = probe(&gateway, Some(gateway.clone()));
        assert!(probe.look().await.is_none());
        let notices = probe.notices();
        assert!(notices.iter().any(|notice| notice.contains(word)), "{notices:?}");
    }
}

#[tokio::test]
async fn looks_go_on_until_they_are_stopped() {
    let replicas = Arc::new(AtomicU64::new(0));
    let said = replicas.clone();
    let app = Router::new().route(
        "/system/functions",
        get(move || async move {
            format!(r#"[{{"name":"hello","replicas":1,"availableReplicas":{}}}]"#, said.load(Ordering::Relaxed))
        }),
    );
    let gateway = up(app).await;
    let course = Course::new(2, Span::from_millis(100), 1000);
    let began = std::time::Instant::now();
    let now = Arc::new(move || SimTime::ZERO + Span::from(began.elapsed()));
    let watching =
        Watching::start(probe(&gateway, Some(gateway.clone())), course, Duration::from_millis(20), now).await;
    let course = watching.course();
    let ready = || course.lock().expect("not poisoned").ready(0);
    assert_eq!(ready(), Some(0));
    assert_eq!(course.lock().expect("not poisoned").was_resting(0, SimTime::ZERO), Some(true));
    replicas.store(3, Ordering::Relaxed);
    for _ in 0..2000 {
        if ready() == Some(3) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (course, _) = watching.stop().await;
    assert_eq!((course.ready(0), course.starts(0)), (Some(3), Some(3)));
    assert!(course.looks() >= 2);
}

/// The gateway's own words about a namespace are the answer.
#[tokio::test]
async fn a_namespace_that_is_refused_is_named() {
    let refuse = || async { (StatusCode::BAD_REQUEST, "namespace mars is not permitted\n") };
    let gateway = up(Router::new().fallback(refuse)).await;
    let client = ClientOptions::default().builder(&Arc::new(Connections::default())).build().expect("a client");
    let ask = async |namespace: Option<&str>| {
        let system = System { gateway: gateway.clone(), credentials: None, namespace: namespace.map(str::to_owned) };
        Admin::new(system, client.clone()).status("hello").await.expect_err("refused").to_string()
    };
    let told = ask(Some("mars")).await;
    assert!(told.contains("refuses the namespace \"mars\": namespace mars is not permitted"), "{told}");
    assert!(ask(None).await.contains("answers 400"));
}
