//! Functions that need nothing but themselves.

use std::os::unix::net::UnixStream;
use std::thread;

use crate::http::{exchange, get, post, server};
use crate::process::{Function, fork};

/// All that `printr` prints.
fn numbers(count: u32) -> Vec<u8> {
    (1..=count).flat_map(|number| format!("{number}\n").into_bytes()).collect()
}

#[test]
fn hello_answers_over_tcp_and_over_a_unix_socket() {
    let hello = Function::start("hello", &[]);
    let reply = get(&hello.address, "/");
    assert_eq!((reply.status, reply.text()), (200, "Hello, world!\n"));
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(post(&hello.address, "/any/path?x=y", "", b"Ada\n").text(), "Hello, Ada!\n");

    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("hello.sock");
    let path = socket.to_str().expect("UTF-8");
    let hello = Function::start_with(&["hello"], &[("UPSTREAM_SOCKET", path), ("PORT", "1")]);
    assert_eq!(hello.address, format!("unix:{path}"));
    let reply = exchange(UnixStream::connect(&socket).expect("connected"), "GET / HTTP/1.1", b"");
    assert_eq!(reply.text(), "Hello, world!\n");
    assert_eq!(fork(&["hello", "--stdin"], &[], b"Ada").stdout, b"Hello, Ada!\n");
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let hello = Function::start("hello", &[]);
    let reply = post(&hello.address, "/", "", &vec![b'x'; (1 << 20) + 1]);
    assert_eq!(reply.status, 413, "{}", reply.text());
    assert_eq!(get(&hello.address, "/").status, 200);
}

#[test]
fn printr_prints_every_line_in_both_ways() {
    let quick = [("PERIOD", "10us"), ("COUNT", "10000")];
    let printr = Function::start("printr", &quick);
    let reply = get(&printr.address, "/");
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert!(reply.body == numbers(10_000));
    assert!(fork(&["printr", "--stdin"], &quick, b"").stdout == numbers(10_000));
}

#[test]
fn a_wrong_setting_is_told() {
    let output = fork(&["printr", "--stdin"], &[("PERIOD", "slow")], b"");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("PERIOD=\"slow\"") && said.contains("3.3ms"), "{said}");
    assert!(String::from_utf8_lossy(&fork(&["printer"], &[], b"").stderr).contains("printr"));
    assert!(!fork(&["sleep", "--stdin"], &[], b"").status.success());
}

#[test]
fn figlet_writes_large() {
    let figlet = Function::start("figlet", &[]);
    assert_eq!(post(&figlet.address, "/", "", b"I").text(), "###\n #\n #\n #\n###\n");
    assert_eq!(fork(&["figlet", "--stdin"], &[], b"I").stdout, b"###\n #\n #\n #\n###\n");
}

#[test]
fn homepage_has_its_files_and_no_others() {
    let homepage = Function::start("homepage", &[]);
    for (target, kind) in [("/", "text/html"), ("/style.css", "text/css"), ("/lab.svg", "image/svg+xml")] {
        let reply = get(&homepage.address, target);
        assert!(reply.status == 200 && reply.header("content-type").is_some_and(|is| is.starts_with(kind)), "{target}");
    }
    assert_eq!(get(&homepage.address, "/../../etc/passwd").status, 404);
}

#[test]
fn sleep_and_cpu_take_what_they_are_told_to() {
    let sleep = Function::start("sleep", &[("SLEEP", "0")]);
    let reply = get(&sleep.address, "/?sleep=20ms");
    assert_eq!(reply.text(), "{\"slept_seconds\":0.02}\n");
    assert_eq!(get(&sleep.address, "/?sleep=long").status, 400);

    let cpu = Function::start("cpu", &[("THREADS", "1")]);
    let reply: serde_json::Value = serde_json::from_slice(&get(&cpu.address, "/?ms=20").body).expect("JSON");
    let seconds = |name: &str| reply[name].as_f64().expect("a number");
    assert!(seconds("cpu_seconds") >= 0.02 && seconds("wall_seconds") >= seconds("cpu_seconds") * 0.99, "{reply}");
    assert_eq!(get(&cpu.address, "/?ms=much").status, 400);
}

#[test]
fn a_function_that_is_asked_to_end_finishes_its_calls() {
    let mut sleep = Function::start("sleep", &[]);
    let address = sleep.address.clone();
    let mut stream = std::net::TcpStream::connect(&address).expect("connected");
    std::io::Write::write_all(
        &mut stream,
        b"GET /?sleep=500ms HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
    )
    .expect("sent");
    // The interim answer says that the call has begun.
    let mut first = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut first).expect("an interim answer");
    assert!(first.starts_with(b"HTTP/1.1 100"));
    sleep.ask_to_end();
    std::io::Write::write_all(&mut stream, b" ").expect("sent");
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut stream, &mut reply).expect("an answer");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("{\"slept_seconds\":0.5}\n"), "{reply}");
    assert_eq!(sleep.ended(), Some(0));
}

#[test]
fn url_search_finds_terms_where_it_may_look() {
    let page = server(|_, _| "<p>a needle in the hay</p>".to_owned());
    let ask = |search: &Function, term: &str| {
        post(&search.address, "/", "", format!(r#"{{"url":"http://{page}/","term":"{term}"}}"#).as_bytes())
    };
    let open = Function::start("url-search", &[("ALLOW_PRIVATE_URLS", "true")]);
    assert_eq!(ask(&open, "needle").text(), "{\"found\":true}\n");
    assert_eq!(ask(&open, "thimble").text(), "{\"found\":false}\n");
    assert_eq!(post(&open.address, "/", "", b"{}").status, 400);
    let closed = Function::start("url-search", &[]);
    let refused = ask(&closed, "needle");
    assert!(refused.status == 403 && refused.text().contains("ALLOW_PRIVATE_URLS"), "{}", refused.text());
}

#[test]
fn chain_hands_bodies_and_the_call_id_on() {
    let gateway = server(|head, body| {
        let id = head.lines().find_map(|line| line.strip_prefix("x-call-id: ")).unwrap_or("none");
        let path = head.split(' ').nth(1).expect("a path");
        format!("{path}[{id}]({})", String::from_utf8_lossy(body))
    });
    let url = format!("http://{gateway}");
    let chain = Function::start("chain", &[("GATEWAY_URL", &url), ("CHAIN", "a")]);
    let reply = post(&chain.address, "/", "\r\nX-Call-Id: 7", b"x");
    assert_eq!(reply.text(), "/function/a[7](x)");
    let reply = post(&chain.address, "/?function=a,b", "", b"x");
    assert_eq!(reply.text(), "/function/b[none](/function/a[none](x))");
    assert!(reply.header("x-chain").is_some_and(|steps| steps.starts_with("a;status=200;dur=")), "{reply:?}");
    assert_eq!(post(&chain.address, "/?async=true", "", b"x").text(), "/async-function/a[none](x)");
    assert_eq!(post(&chain.address, "/?function=../system", "", b"x").status, 400);

    let nobody = Function::start("chain", &[("GATEWAY_URL", "http://127.0.0.1:1")]);
    let reply = post(&nobody.address, "/", "", b"x");
    assert!(reply.status == 502 && reply.text().contains("127.0.0.1:1"), "{}", reply.text());
}

/// Threads of the two ways to wait do not stand in each other's way: calls overlap.
#[test]
fn calls_overlap() {
    let sleep = Function::start("sleep", &[]);
    let start = std::time::Instant::now();
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let address = sleep.address.clone();
            thread::spawn(move || get(&address, "/?sleep=500ms").status)
        })
        .collect();
    assert!(calls.into_iter().all(|call| call.join().expect("no panic") == 200));
    // One after the other they would take 20 s.
    assert!(start.elapsed().as_secs() < 15);
}
