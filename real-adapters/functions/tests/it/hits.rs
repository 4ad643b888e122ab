//! `hits` with a real Redis.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::get;
use crate::process::Function;

struct Redis(Child);

impl Redis {
    /// `None` where redis-server is not installed.
    fn start(port: u16) -> Option<Redis> {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let redis = Redis(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Some(redis)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

#[test]
fn without_redis_it_says_so() {
    let url = format!("redis://127.0.0.1:{}", port());
    let hits = Function::start("hits", &[("REDIS_URL", &url)]);
    let reply = get(&hits.address, "/");
    assert!(reply.status == 503 && reply.text().contains("Redis does not answer"), "{}", reply.text());
}

#[test]
fn calls_are_counted_across_replicas_and_when_redis_comes_back() {
    let port = port();
    let Some(redis) = Redis::start(port) else {
        eprintln!("SKIPPED: redis-server is not installed");
        return;
    };
    let url = format!("redis://127.0.0.1:{port}");
    let replicas = [(); 2].map(|()| Function::start("hits", &[("REDIS_URL", &url)]));
    let hits = |replica: usize| get(&replicas[replica].address, "/");
    assert_eq!(hits(0).text(), "1 hit so far\n");
    assert_eq!(hits(1).text(), "2 hits so far\n");
    assert_eq!(hits(0).text(), "3 hits so far\n");
    drop(redis);
    assert_eq!((hits(0).status, hits(1).status), (503, 503));
    let _redis = Redis::start(port);
    assert_eq!(hits(1).text(), "1 hit so far\n");
    assert_eq!(hits(0).text(), "2 hits so far\n");
}
