//! The watchdog's binary, with real functions, over real sockets: one test per line of the table of what clients see.

mod classic;
mod fork;
mod hostile;
mod http_mode;
mod life;
mod static_files;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use faas_lab_http::{Body, Client, ClientOptions, Endpoint};
use http::{HeaderMap, Request, StatusCode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running watchdog; killed when dropped.
struct Watchdog {
    child: Child,
    endpoint: Endpoint,
    log: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
}

fn command(folder: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faas-lab-watchdog"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TMPDIR", folder).env("TZ", "UTC");
    command.env("port", "0").env("watchdog_address", "127.0.0.1").env("metrics_port", "0");
    command.envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Watchdog {
    fn start(variables: &[(&str, &str)]) -> Watchdog {
        Watchdog::start_in(tempfile::tempdir().expect("a folder"), variables)
    }

    /// With `fprocess` a shell script.
    fn script(script: &str, variables: &[(&str, &str)]) -> Watchdog {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("function.sh");
        std::fs::write(&file, script).expect("written");
        let process = format!("sh {}", file.display());
        let mut all = vec![("fprocess", process.as_str())];
        all.extend_from_slice(variables);
        Watchdog::start_in(folder, &all)
    }

    fn start_in(folder: TempDir, variables: &[(&str, &str)]) -> Watchdog {
        let mut child = command(folder.path(), variables).spawn().expect("the watchdog starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().expect("piped"), log.clone());
        collect(child.stderr.take().expect("piped"), log.clone());
        let any = Endpoint::Unix(PathBuf::new());
        let mut watchdog = Watchdog { child, endpoint: any, log, folder };
        let line = watchdog.logs("Listening on");
        let at = line.rsplit(' ').next().expect("a word");
        watchdog.endpoint = match at.parse::<u16>() {
            Ok(port) => Endpoint::Tcp(([127, 0, 0, 1], port).into()),
            Err(_) => at.parse().expect("an endpoint"),
        };
        // The lock file comes after the listener, and health with it.
        watchdog.until("its lock file", |w| w.suppressed() || w.folder.path().join(".lock").exists());
        watchdog
    }

    fn suppressed(&self) -> bool {
        self.log.lock().expect("unpoisoned").iter().all(|line| !line.contains("lock-file")) && self.is_answering()
    }

    fn is_answering(&self) -> bool {
        match &self.endpoint {
            Endpoint::Tcp(address) => std::net::TcpStream::connect(address).is_ok(),
            Endpoint::Unix(path) => std::os::unix::net::UnixStream::connect(path).is_ok(),
        }
    }

    /// Waits for a line that contains this text.
    fn logs(&mut self, text: &str) -> String {
        let log = self.log.clone();
        let mut found = None;
        self.until(text, |_| {
            found = log.lock().expect("unpoisoned").iter().find(|line| line.contains(text)).cloned();
            found.is_some()
        });
        found.expect("until it was found")
    }

    fn until(&mut self, what: &str, mut reached: impl FnMut(&mut Watchdog) -> bool) {
        let began = Instant::now();
        while !reached(self) {
            assert!(began.elapsed() < PATIENCE, "no {what} in {:#?}", self.log.lock().expect("unpoisoned"));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        self.until("end", |w| {
            status = w.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("until it ended")
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    fn client(&self) -> Client {
        Client::new(self.endpoint.clone(), ClientOptions::default())
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path), Body::empty()).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.call(Request::post(path), body.into()).await
    }

    async fn call(&self, request: http::request::Builder, body: Body) -> Answer {
        let request = request.header("host", "test").body(body).expect("a request");
        let response = tokio::time::timeout(PATIENCE, self.client().send(request)).await.expect("in time");
        let (head, body) = response.expect("a response").into_parts();
        let length = body.length();
        let body = tokio::time::timeout(PATIENCE, body.collect(1 << 28)).await.expect("in time");
        let (body, whole) = match body {
            Ok(body) => (String::from_utf8_lossy(&body).into_owned(), true),
            Err(_) => (String::new(), false),
        };
        Answer { status: head.status, headers: head.headers, body, length, whole }
    }

    /// Sends bytes and reads until the connection is closed.
    async fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = self.endpoint.connect().await.expect("a connection");
        stream.write_all(bytes).await.expect("room");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(read.is_ok(), "still open after {answer:?}");
        answer
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    length: Option<u64>,
    /// Whether the body came to its proper end.
    whole: bool,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

fn collect(from: impl Read + Send + 'static, into: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            into.lock().expect("unpoisoned").push(String::from_utf8_lossy(&line).into_owned());
        }
    });
}

/// Whether a process is there and no zombie.
fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}

/// The number that a script wrote to a file of its folder.
fn number_in(file: &Path) -> i32 {
    let began = Instant::now();
    loop {
        if let Some(number) = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()) {
            return number;
        }
        assert!(began.elapsed() < PATIENCE, "nothing in {}", file.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn dies(pid: i32) {
    let began = Instant::now();
    while lives(pid) {
        assert!(began.elapsed() < PATIENCE, "process {pid} lives on");
        std::thread::sleep(Duration::from_millis(2));
    }
}
