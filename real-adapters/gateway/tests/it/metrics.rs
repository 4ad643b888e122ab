//! Metrics as a real Prometheus reads them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use faas_lab_http::{Body, Client, ClientOptions, Endpoint};
use http::Request;
use serde_json::Value;

use crate::lab::{Lab, until};

#[tokio::test]
async fn gauges_and_counters_follow_a_functions_life() {
    let lab = Lab::start().await;
    lab.deploy("hello", "status", &[("com.openfaas.scale.type", "capacity"), ("com.openfaas.scale.target", "5")]).await;
    lab.get("/function/hello").await;
    lab.get("/function/hello?code=500").await;
    lab.get("/function/nobody").await;
    *lab.queue.depth.lock().unwrap() = 3;
    let text = lab.scrape().await;
    for line in [
        r#"gateway_function_invocation_total{code="200",function_name="hello.openfaas-fn"} 1"#,
        r#"gateway_function_invocation_total{code="500",function_name="hello.openfaas-fn"} 1"#,
        r#"gateway_function_invocation_started{function_name="hello.openfaas-fn"} 2"#,
        r#"gateway_function_invocation_inflight{function_name="hello.openfaas-fn"} 0"#,
        r#"gateway_service_count{function_name="hello.openfaas-fn"} 1"#,
        r#"gateway_service_ready_count{function_name="hello.openfaas-fn"} 1"#,
        r#"gateway_service_min{function_name="hello.openfaas-fn"} 1"#,
        r#"gateway_service_target_load{function_name="hello.openfaas-fn",scaling_type="capacity"} 5"#,
        "gateway_queue_accepted_total 0",
        r#"gateway_queue_depth{function_name="hello.openfaas-fn"} 3"#,
        r#"gateway_queue_inflight{function_name="hello.openfaas-fn"} 0"#,
        r#"gateway_functions_seconds_count{code="200",function_name="hello.openfaas-fn"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("nobody"), "what does not exist is not counted");
}

/// Ends the process when the test does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_real_prometheus_reads_them() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[]).await;
    for _ in 0..7 {
        lab.get("/function/hello").await;
    }
    let folder = tempfile::tempdir().unwrap();
    let configuration = folder.path().join("prometheus.yml");
    let text = format!(
        "scrape_configs:\n- job_name: gateway\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['{}']\n",
        lab.metrics
    );
    std::fs::write(&configuration, text).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Command::new("prometheus")
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _running = match started {
        Ok(child) => Running(child),
        Err(why) => return eprintln!("SKIPPED: prometheus cannot be started ({why}); its Debian package brings it"),
    };
    let client = Client::new(Endpoint::Tcp(([127, 0, 0, 1], port).into()), ClientOptions::default());
    let ask = async |query: &str| -> Option<Value> {
        let uri = format!("/api/v1/query?query={query}");
        let request = Request::builder().uri(uri).header("host", "a").body(Body::empty()).unwrap();
        let answer = client.send(request).await.ok()?;
        let body = answer.into_body().collect(1 << 20).await.ok()?;
        serde_json::from_slice::<Value>(&body).ok()
    };
    until(|| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let Some(answer) = ask("sum(gateway_function_invocation_total)by(function_name)").await else { return false };
        let result = &answer["data"]["result"][0];
        result["metric"]["function_name"] == "hello.openfaas-fn" && result["value"][1] == "7"
    })
    .await;
    for (query, value) in [
        ("gateway_service_count", "1"),
        ("gateway_function_invocation_started", "7"),
        ("gateway_functions_seconds_count", "7"),
        ("gateway_functions_seconds_bucket%7Ble=%22%2BInf%22%7D", "7"),
        ("up", "1"),
    ] {
        let answer = ask(query).await.expect("Prometheus answers");
        assert_eq!(answer["data"]["result"][0]["value"][1], value, "{query}: {answer}");
    }
}
