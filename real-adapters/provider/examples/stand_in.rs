//! For tests: a watchdog and its function in one, whose calls say what it shall do; and, as `stand_in host STATE`, a
//! process that runs a platform until somebody kills it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::exit;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use faas_lab_provider::api::{FunctionDeployment, FunctionName};
use faas_lab_provider::{Embedded, ImageManifest, Options, Provider as _, WatchdogCommand};
use rustix::process::Signal;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("host") => host(PathBuf::from(&arguments[2])),
        Some("sleep") => thread::sleep(Duration::from_secs(600)),
        _ => watchdog(),
    }
}

/// As the real one: joins its control groups, dies with its parent, listens on its socket.
fn watchdog() {
    for group in env::var("watchdog_cgroups").unwrap_or_default().split(':').filter(|group| !group.is_empty()) {
        fs::write(format!("{group}/cgroup.procs"), std::process::id().to_string()).expect("a group to join");
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).expect("a signal on the parent's death");
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().to_string());
    assert_eq!(env::var("watchdog_parent").ok(), parent);
    println!("secret: {}", secret_names().join(","));

    if let Ok(text) = env::var("AT_START") {
        eprintln!("at start: {text}");
        act(&text);
    }
    let listener = UnixListener::bind(env::var("watchdog_socket").expect("a socket")).expect("a free socket");
    let calls = Arc::new(std::sync::Mutex::new(0));
    drain_on_term(Arc::clone(&calls));
    for stream in listener.incoming().flatten() {
        let calls = Arc::clone(&calls);
        *calls.lock().expect("a count") += 1;
        thread::spawn(move || {
            answer(stream);
            *calls.lock().expect("a count") -= 1;
        });
    }
}

/// SIGTERM by its default ends the process: here a thread waits for it instead, and for the calls to end.
fn drain_on_term(calls: Arc<std::sync::Mutex<i32>>) {
    let (heeding, heeds) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let kind = tokio::signal::unix::SignalKind::terminate();
            let mut signal = tokio::signal::unix::signal(kind).expect("a signal");
            heeding.send(()).expect("the main thread waits");
            signal.recv().await;
        });
        if env::var("IGNORE_TERM").is_ok() {
            return;
        }
        say("draining");
        while *calls.lock().expect("a count") > 0 {
            thread::sleep(Duration::from_millis(1));
        }
        say("last words");
        exit(0);
    });
    heeds.recv().expect("the thread says when the signal is heeded");
}

/// Even if nobody listens any more.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn answer(mut stream: UnixStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or("/");
    let (status, body) = match path {
        "/_/ready" => (200, String::new()),
        path => (200, act(path.trim_start_matches('/'))),
    };
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {status} OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}

fn secret_names() -> Vec<String> {
    let folder = env::var("secret_mount_path").unwrap_or_default();
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Does as it is told: `exit:3`, `eat:64` (MiB), `spin:200` (ms of CPU time), `wait:200`, `print:text`, `lines:1000`,
/// `giant:100000`, `environment`, `secret:name`, `child`.
fn act(order: &str) -> String {
    let (verb, object) = order.split_once(':').unwrap_or((order, ""));
    let number = || object.parse::<u64>().unwrap_or_else(|e| panic!("{order}: {e}"));
    match verb {
        "exit" => {
            println!("going");
            exit(number() as i32)
        }
        "eat" => {
            // Written to, byte by byte of each page: reserved memory is not used memory.
            let eaten = vec![1u8; (number() << 20) as usize];
            std::hint::black_box(&eaten).len().to_string()
        }
        "spin" => spin(Duration::from_millis(number())),
        "wait" => {
            println!("waiting");
            thread::sleep(Duration::from_millis(number()));
            "waited".to_owned()
        }
        "print" => {
            println!("{object}");
            String::new()
        }
        "lines" => {
            for n in 0..number() {
                println!("line {n}");
            }
            String::new()
        }
        "giant" => {
            println!("{}", "x".repeat(number() as usize));
            String::new()
        }
        "environment" => env::vars().map(|(name, value)| format!("{name}={value}\n")).collect(),
        "secret" => {
            let folder = env::var("secret_mount_path").expect("a folder of secrets");
            fs::read_to_string(format!("{folder}/{object}")).unwrap_or_else(|error| error.to_string())
        }
        "child" => {
            let child = std::process::Command::new(env::current_exe().expect("own path")).arg("sleep").spawn();
            child.expect("a child").id().to_string()
        }
        other => panic!("unknown order {other}"),
    }
}

/// A loop of known length: so many rounds as this thread's CPU needs on the reference scale of rounds per millisecond.
/// Answers the wall time in microseconds.
fn spin(wanted: Duration) -> String {
    let begin = Instant::now();
    let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let start = cpu();
    let burnt = |now: rustix::time::Timespec| {
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32) - Duration::new(start.tv_sec as u64, start.tv_nsec as u32)
    };
    while burnt(cpu()) < wanted {
        for n in 0..1000u64 {
            std::hint::black_box(n.wrapping_mul(6364136223846793005));
        }
    }
    begin.elapsed().as_micros().to_string()
}

/// Runs two replicas of a function that has a child of its own, says so, and stays.
fn host(state: PathBuf) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut options = Options::new(state, WatchdogCommand::new(env::current_exe().expect("own path")));
        let manifest = ImageManifest { fprocess: Some("x".to_owned()), ..ImageManifest::default() };
        options.images = BTreeMap::from([("stand-in".to_owned(), manifest)]);
        if env::var("WITHOUT_CGROUPS").is_ok() {
            options.cgroups = faas_lab_provider::CgroupUse::Never;
        }
        let provider = Embedded::open(options).await.expect("a platform");
        let mut deployment = FunctionDeployment {
            service: "hello".to_owned(),
            image: "stand-in".to_owned(),
            ..FunctionDeployment::default()
        };
        // A watchdog that does not heed the signal, and a child that it has forgotten: the worst to clean up after.
        if env::var("HEED_TERM").is_err() {
            deployment.env_vars.insert("IGNORE_TERM".to_owned(), "1".to_owned());
            deployment.env_vars.insert("AT_START".to_owned(), "child".to_owned());
        }
        let name = FunctionName::parse("hello");
        provider.deploy(deployment).await.expect("a function");
        provider.start(&name, 2).await.expect("replicas");
        let mut watch = provider.watch();
        let all_ready =
            |all: &Arc<faas_lab_provider::Replicas>| all[&name].replicas.iter().all(|r| r.ready_at.is_some());
        watch.wait_for(all_ready).await.expect("the provider lives");
        println!("ready");
        std::future::pending::<()>().await;
    });
}
