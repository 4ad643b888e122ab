//! The web UI as a browser gets it: its files, their headers, what it may do, and what other sites' pages may not.

use faas_lab_gateway::{Asset, Credentials, Options};
use faas_lab_http::Body;
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::lab::{Lab, basic};

fn credentials() -> Option<Credentials> {
    Some(Credentials { user: "admin".into(), password: "pw".into() })
}

#[tokio::test]
async fn the_page_and_its_files_are_open_and_strict() {
    let lab = Lab::with(Options { credentials: credentials(), ..Options::default() }).await;
    for path in ["/", "/ui"] {
        let root = lab.get(path).await;
        assert_eq!((root.status, root.header("location")), (StatusCode::TEMPORARY_REDIRECT, Some("/ui/")), "{path}");
    }
    let page = lab.get("/ui/").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, Some("text/html; charset=utf-8")));
    assert!(!page.text().contains("<script>"), "scripts are files");
    let script = lab.get("/ui/app.js").await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    for answer in [&page, &script] {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
    assert_eq!(lab.get("/ui/access.json").await.json(), json!({ "password": true }));
    assert_eq!(lab.send(Method::HEAD, "/ui/", "").await.text(), "");
    assert_eq!(lab.get("/ui/none.js").await.status, StatusCode::NOT_FOUND);
    assert_eq!(lab.post("/ui/", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_program_may_bring_its_own_page() {
    const UI: &[Asset] = &[Asset { path: "index.html", content_type: "text/html", body: b"<title>lab" }];
    let lab = Lab::with(Options { ui: UI, ..Options::default() }).await;
    assert_eq!(lab.get("/ui/").await.text(), "<title>lab");
    assert_eq!(lab.get("/ui/app.js").await.status, StatusCode::NOT_FOUND);
    assert_eq!(lab.get("/ui/access.json").await.json(), json!({ "password": false }));
}

#[tokio::test]
async fn changes_are_not_taken_from_other_sites_pages() {
    let lab = Lab::with(Options { credentials: credentials(), ..Options::default() }).await;
    // As a form of another site would send it: with the password that the browser knows, and without asking first.
    let deploy = |name: &str, extra: &[(&str, &str)]| {
        let mut request = Request::builder().method(Method::POST).uri("/system/functions").header("host", "lab:8080");
        request = request.header("authorization", basic("admin", "pw")).header("content-type", "text/plain");
        for (header, value) in extra {
            request = request.header(*header, *value);
        }
        request.body(Body::full(json!({ "service": name, "image": "echo" }).to_string())).unwrap()
    };
    for foreign in [
        &[("origin", "http://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "http://lab:8080"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ] {
        let refused = lab.request(deploy("forged", foreign)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{foreign:?}");
        assert!(refused.text().contains("another site"), "{}", refused.text());
    }
    assert!(lab.fake.replicas("forged").is_empty());
    for (name, ours) in [
        ("curl", &[][..]),
        ("page", &[("origin", "http://lab:8080"), ("sec-fetch-site", "same-origin")]),
        ("plain", &[("origin", "http://lab:8080")]),
    ] {
        assert_eq!(lab.request(deploy(name, ours)).await.status, StatusCode::ACCEPTED, "{name}");
    }
    // Reading needs no such care: a foreign page is not given the answer. Functions are for everybody.
    let read =
        Request::builder().uri("/system/functions").header("host", "lab").header("origin", "http://evil.example");
    let read = read.header("authorization", basic("admin", "pw")).body(Body::empty()).unwrap();
    let read = lab.request(read).await;
    assert_eq!((read.status, read.header("access-control-allow-origin")), (StatusCode::OK, None));
    let call = Request::builder().method(Method::POST).uri("/function/curl").header("host", "lab");
    let call = call.header("origin", "http://evil.example").body(Body::empty()).unwrap();
    assert_eq!(lab.request(call).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_functions_do_is_shown_live() {
    let lab = Lab::start().await;
    lab.deploy("hello", "echo", &[("com.openfaas.scale.min", "2"), ("com.openfaas.scale.max", "4")]).await;
    assert_eq!(lab.get("/function/hello").await.status, StatusCode::OK);
    let live = lab.get("/system/live").await.json();
    let hello = &live[0];
    for (field, expected) in [
        ("name", json!("hello")),
        ("namespace", json!("openfaas-fn")),
        ("image", json!("echo")),
        ("desired", json!(2)),
        ("min", json!(2)),
        ("max", json!(4)),
        ("inFlight", json!(0)),
        ("waiting", json!(0)),
        ("queued", json!(0)),
        ("invocations", json!(1)),
    ] {
        assert_eq!(hello[field], expected, "{field}");
    }
    let replicas = hello["replicas"].as_array().unwrap();
    assert_eq!(replicas.len(), 2);
    assert!(replicas.iter().all(|it| it["state"] == "ready" && it["ageSeconds"].is_number()), "{replicas:?}");
}

#[tokio::test]
async fn a_call_under_way_is_seen() {
    let lab = Lab::start().await;
    lab.deploy("sleep", "sleep", &[]).await;
    let request = Request::builder().uri("/function/sleep?ms=20000").header("host", "lab");
    let call = lab.open(request.body(Body::empty()).unwrap());
    let seen = lab.until(|| async { lab.get("/system/live").await.json()[0]["inFlight"] == 1 });
    tokio::select! {
        _ = call => panic!("it sleeps longer than this test"),
        () = seen => {}
    }
}

#[tokio::test]
async fn the_list_shows_what_waits_and_what_is_under_way() {
    let lab = Lab::start().await;
    lab.deploy("sleep", "sleep", &[]).await;
    let idle = lab.describe("sleep").await.expect("it is there");
    assert!(
        ["inFlight", "waiting", "queued"].iter().all(|field| idle.get(field).is_none()),
        "as OpenFaaS has it: {idle}"
    );
    *lab.queue.depth.lock().unwrap() = 3;
    let request = Request::builder().uri("/function/sleep?ms=20000").header("host", "lab");
    let call = lab.open(request.body(Body::empty()).unwrap());
    let seen = lab.until(|| async {
        let listed = lab.get("/system/functions").await.json();
        listed[0]["inFlight"] == 1 && listed[0]["queued"] == 3
    });
    tokio::select! {
        _ = call => panic!("it sleeps longer than this test"),
        () = seen => {}
    }
}
