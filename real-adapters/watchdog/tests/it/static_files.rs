//! Mode static: files of a folder.

use super::*;

#[tokio::test]
async fn serves_files_and_nothing_beside_them() {
    let site = tempfile::tempdir().expect("a folder");
    let public = site.path().join("public");
    std::fs::create_dir_all(public.join("sub")).expect("a folder");
    std::fs::write(public.join("index.html"), "<p>home</p>").expect("written");
    std::fs::write(public.join("sub/a.css"), "p {}").expect("written");
    std::fs::write(site.path().join("secret"), "secret").expect("written");
    let mut watchdog = Watchdog::start(&[("mode", "static"), ("static_path", public.to_str().expect("text"))]);
    let home = watchdog.get("/").await;
    assert_eq!((home.status.as_u16(), home.body.as_str(), home.length), (200, "<p>home</p>", Some(11)));
    assert!(home.header("content-type").starts_with("text/html"));
    let style = watchdog.get("/sub/a.css").await;
    assert_eq!((style.body.as_str(), style.header("content-type")), ("p {}", "text/css"));
    let part = watchdog.call(Request::get("/index.html").header("range", "bytes=3-6"), Body::empty()).await;
    assert_eq!((part.status.as_u16(), part.body.as_str()), (206, "home"));
    let since = home.header("last-modified").to_owned();
    let same = watchdog.call(Request::get("/").header("if-modified-since", since), Body::empty()).await;
    assert_eq!(same.status, 304);
    let none = watchdog.get("/none").await;
    assert_eq!((none.status.as_u16(), none.body.as_str()), (404, "404 page not found\n"));
    for path in ["/../secret", "/..%2fsecret", "/%2e%2e/secret", "/sub/../../secret", "//etc/passwd", "/%00"] {
        let answer = watchdog.get(path).await;
        assert_ne!(answer.status, 200, "{path}");
        assert!(!answer.body.contains("secret") && !answer.body.contains("root:"), "{path}");
    }
    watchdog.logs("GET /none - 404 Not Found");
    let health = watchdog.get("/_/health").await;
    assert_eq!((health.status.as_u16(), health.body.as_str()), (200, "OK"));
}
