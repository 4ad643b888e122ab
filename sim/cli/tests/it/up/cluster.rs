//! A platform as a process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::client::{self, Reply, request};

/// A running `faas-lab up` with a folder of its own; it is ended when it is dropped.
pub(crate) struct Platform {
    folder: TempDir,
    child: Child,
    address: String,
    metrics: String,
    password: String,
    said: Arc<Mutex<String>>,
    listener: Option<thread::JoinHandle<()>>,
}

impl Platform {
    pub(crate) fn start(words: &[&str]) -> Platform {
        Platform::with_file("nothing", "", words)
    }

    /// Starts beside a file with this text.
    pub(crate) fn with_file(name: &str, text: &str, words: &[&str]) -> Platform {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(name), text).expect("written");
        let child = Command::new("true").spawn().expect("a process that ends");
        let mut platform = Platform {
            folder,
            child,
            address: String::new(),
            metrics: String::new(),
            password: String::new(),
            said: Arc::default(),
            listener: None,
        };
        platform.start_again(words);
        platform
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faas-lab"));
        command.arg("up").args(words).current_dir(self.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts in the same folder, once the one before has ended.
    pub(crate) fn start_again(&mut self, words: &[&str]) {
        self.child.wait().expect("it has ended");
        let state = self.state();
        let mut command = self.command(words);
        command.args(["--port", "0", "--metrics-port", "0", "--state"]).arg(&state);
        self.child = command.spawn().expect("it starts");
        let said: Arc<Mutex<String>> = Arc::default();
        let stderr = BufReader::new(self.child.stderr.take().expect("piped"));
        let log = said.clone();
        self.listener = Some(thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log.lock().expect("no panic").push_str(&format!("{line}\n"));
            }
        }));
        self.said = said;
        let mut banner = BufReader::new(self.child.stdout.take().expect("piped"));
        let mut lines = String::new();
        while !lines.contains("The gateway waits") {
            if banner.read_line(&mut lines).expect("UTF-8") == 0 {
                panic!("it did not start:\n{lines}{}", self.said.lock().expect("no panic"));
            }
        }
        // What it says later has to go somewhere.
        thread::spawn(move || banner.read_to_end(&mut Vec::new()));
        let row = |name: &str| {
            let line = lines.lines().find(|line| line.trim_start().starts_with(name)).expect("a row");
            line.trim_start()[name.len()..].trim().to_owned()
        };
        self.address = row("Gateway").trim_start_matches("http://").to_owned();
        self.metrics = row("Metrics").trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
        self.password = fs::read_to_string(state.join("basic-auth-password")).expect("a password");
        assert!(!lines.contains(&self.password), "the password is in a log:\n{lines}");
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn metrics_address(&self) -> &str {
        &self.metrics
    }

    pub(crate) fn get(&self, target: &str) -> Reply {
        request(&self.address, "GET", target, "", b"").unwrap_or_else(|error| panic!("GET {target}: {error}"))
    }

    /// What comes of an answer in chunks that is cut.
    pub(crate) fn cut(&self, target: &str) -> String {
        client::cut(&self.address, target).unwrap_or_else(|error| panic!("GET {target}: {error}"))
    }

    pub(crate) fn post(&self, target: &str, headers: &str, body: &[u8]) -> Reply {
        client::post(&self.address, target, headers, body)
    }

    /// As faas-cli does it, logged in.
    pub(crate) fn system(&self, method: &str, target: &str, body: &[u8]) -> Reply {
        self.system_as(method, target, &format!("admin:{}", self.password), body)
    }

    pub(crate) fn system_as(&self, method: &str, target: &str, user: &str, body: &[u8]) -> Reply {
        let basic = base64::engine::general_purpose::STANDARD.encode(user);
        let headers = format!(
            "\r\nAuthorization: Basic {basic}\r\nUser-Agent: faas-cli/0.18.12\r\nContent-Type: application/json"
        );
        let reply = request(&self.address, method, target, &headers, body);
        reply.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    pub(crate) fn metrics(&self) -> String {
        request(&self.metrics, "GET", "/metrics", "", b"").expect("metrics").text().to_owned()
    }

    /// Ctrl-C; its exit code and what it said.
    pub(crate) fn interrupt(&mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
        let code = self.child.wait().expect("it was started").code();
        self.listener.take().expect("it was started").join().expect("no panic");
        (code, self.said.lock().expect("no panic").clone())
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started");
    }

    /// What another one says that is started beside this one and must fail.
    pub(crate) fn refused(&self, words: &[&str]) -> String {
        let mut command = self.command(words);
        if !words.contains(&"--state") {
            command.arg("--state").arg(self.folder.path().join("another"));
        }
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        said
    }

    /// This process and all that descend from it.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let all: Vec<Process> = fs::read_dir("/proc")
            .expect("Linux")
            .flatten()
            .filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?))
            .collect();
        let mut family = vec![Process::read(self.child.id()).expect("it runs")];
        let mut at = 0;
        while at < family.len() {
            let children: Vec<Process> = all.iter().filter(|child| child.parent == family[at].id).cloned().collect();
            family.extend(children);
            at += 1;
        }
        family
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
            let deadline = Instant::now() + Duration::from_secs(30);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            eprintln!("the platform said:\n{}", self.said.lock().expect("no panic"));
        }
    }
}

/// A process, told from later ones of the same number by its start.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    id: u32,
    parent: u32,
    started: u64,
}

impl Process {
    fn read(id: u32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in brackets, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let alive = fields.first().is_some_and(|state| *state != "Z");
        alive.then_some(Process { id, parent: fields.get(1)?.parse().ok()?, started: fields.get(19)?.parse().ok()? })
    }

    /// A variable of its environment.
    pub(crate) fn environment(&self, name: &str) -> Option<String> {
        let all = fs::read(format!("/proc/{}/environ", self.id)).ok()?;
        let text = String::from_utf8_lossy(&all).into_owned();
        let mut pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    pub(crate) fn lives(&self) -> bool {
        Process::read(self.id).is_some_and(|now| now.started == self.started)
    }
}

/// Polls until it is so.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        thread::sleep(Duration::from_millis(20));
    }
}
