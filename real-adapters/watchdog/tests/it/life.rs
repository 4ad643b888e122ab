//! Start, health, metrics, and every way to end.

use super::*;
use rustix::process::Signal;

fn run(variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = command(folder.path(), variables).args(arguments).output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("no signal"), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn says_what_is_wrong_with_its_environment() {
    for (variables, code, text) in [
        (&[][..], 1, "fprocess"),
        (&[("fprocess", "cat"), ("mode", "fast")], 2, "unknown watchdog mode: `fast`"),
        (&[("fprocess", "cat"), ("mode", "http")], 1, "upstream_url"),
        (&[("fprocess", "cat"), ("write_timeout", "0")], 1, "write timeout must be over 0s"),
        (&[("fprocess", "cat"), ("port", "many")], 1, "port=many"),
        (&[("fprocess", "cat"), ("TMPDIR", "/no/such/folder")], 1, "cannot write /no/such/folder/.lock"),
        (&[("fprocess", "cat"), ("watchdog_parent", "1")], 1, "parent process 1 is gone"),
    ] {
        let (exit, said) = run(variables, &[]);
        assert_eq!(exit, code, "{variables:?}: {said}");
        assert!(said.contains(text), "{variables:?}: {said}");
    }
}

#[test]
fn has_the_originals_flags() {
    let (exit, said) = run(&[], &["-version"]);
    assert!(exit == 0 && said.contains("Version: ") && said.contains("\tSHA: "), "{said}");
    let (exit, said) = run(&[("fprocess", "cat")], &["-run-healthcheck"]);
    assert_eq!((exit, said.trim()), (1, "unable to find lock file."));
    let watchdog = Watchdog::start(&[("fprocess", "cat")]);
    let check = command(watchdog.folder.path(), &[("fprocess", "cat")]).arg("--run-healthcheck").output();
    assert!(check.expect("it starts").status.success());
    assert_eq!(run(&[], &["-run-healthcheck"]).0, 1, "the environment is read first");
}

#[tokio::test]
async fn begins_with_the_originals_lines() {
    let mut watchdog = Watchdog::start(&[("fprocess", "cat -u"), ("write_timeout", "1m"), ("exec_timeout", "0")]);
    watchdog.logs("Version: ");
    watchdog.logs("Watchdog mode: streaming\tfprocess: \"cat -u\"");
    watchdog.logs("Timeouts: read: 30s write: 1m0s hard: 0s health: 1m0s");
    watchdog.logs("Writing lock-file to: ");
}

#[tokio::test]
async fn health_is_the_lock_file() {
    let watchdog = Watchdog::start(&[("fprocess", "cat")]);
    let health = watchdog.get("/_/health").await;
    assert_eq!((health.status.as_u16(), health.body.as_str()), (200, "OK"));
    assert_eq!(watchdog.post("/_/health", "").await.status, 405);
    let ready = watchdog.get("/_/ready").await;
    assert_eq!((ready.status.as_u16(), ready.body.as_str()), (200, ""));
    std::fs::remove_file(watchdog.folder.path().join(".lock")).expect("removed");
    assert_eq!(watchdog.get("/_/health").await.status, 503);
    assert_eq!(watchdog.get("/_/ready").await.status, 503);
}

#[tokio::test]
async fn a_suppressed_lock_does_not_make_it_ill() {
    let watchdog = Watchdog::start(&[("fprocess", "cat"), ("suppress_lock", "true")]);
    assert!(!watchdog.folder.path().join(".lock").exists());
    assert_eq!(watchdog.get("/_/health").await.status, 200);
    assert_eq!(watchdog.get("/_/ready").await.status, 200);
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

#[tokio::test]
async fn counts_calls_but_not_probes() {
    let port = free_port();
    let watchdog =
        Watchdog::start(&[("fprocess", "cat"), ("mode", "serializing"), ("metrics_port", &port.to_string())]);
    watchdog.post("/", "x").await;
    watchdog.get("/_/health").await;
    watchdog.get("/_/ready").await;
    let metrics = Client::new(Endpoint::Tcp(([127, 0, 0, 1], port).into()), ClientOptions::default());
    let scrape = async |path: &str| {
        let request = Request::get(path).header("host", "t").body(Body::empty()).expect("a request");
        let response = metrics.send(request).await.expect("an answer");
        let status = response.status();
        (
            status,
            String::from_utf8(response.into_body().collect(1 << 20).await.expect("a body").to_vec()).expect("text"),
        )
    };
    let wanted = "http_requests_total{code=\"200\",method=\"post\"} 1";
    let began = Instant::now();
    let mut text = scrape("/metrics").await.1;
    // A call is counted when its response has been taken from our hands, which may be after the client has it.
    while !text.contains(wanted) && began.elapsed() < PATIENCE {
        text = scrape("/metrics").await.1;
    }
    assert!(text.contains(wanted), "{text}");
    assert!(text.contains("http_request_duration_seconds_count{code=\"200\",method=\"post\"} 1"), "{text}");
    assert!(text.contains("http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"0.005\"}"), "{text}");
    assert!(text.contains("http_requests_in_flight 0") && !text.contains("method=\"get\""), "{text}");
    assert_eq!(scrape("/other").await.0, 404);
}

#[tokio::test]
async fn a_metrics_port_that_is_taken_is_said_and_gone_without() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let mut watchdog = Watchdog::start(&[("fprocess", "cat"), ("metrics_port", &port)]);
    watchdog.logs("Set metrics_port to a free port");
    assert_eq!(watchdog.post("/", "on").await.body, "on");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (exit, said) = run(&[("fprocess", "cat"), ("port", &port)], &[]);
    assert!(exit == 1 && said.contains("cannot listen on 127.0.0.1:"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_takes_calls_for_a_while_and_then_finishes_them() {
    let script = "echo $$ > $TMPDIR/pid; while [ ! -e $TMPDIR/go ]; do sleep 0.01; done; echo done";
    let mut watchdog =
        Watchdog::script(script, &[("mode", "serializing"), ("healthcheck_interval", "3s"), ("write_timeout", "20s")]);
    watchdog.signal(Signal::TERM);
    watchdog.logs("SIGTERM");
    assert!(!watchdog.folder.path().join(".lock").exists());
    assert_eq!(watchdog.get("/_/health").await.status, 503);
    let late = {
        let client = watchdog.client();
        let request = Request::get("/").header("host", "t").body(Body::empty()).expect("a request");
        tokio::spawn(async move { client.send(request).await.expect("a response").into_body().collect(100).await })
    };
    number_in(&watchdog.folder.path().join("pid"));
    watchdog.until("end of listening", |w| !w.is_answering());
    assert!(watchdog.child.try_wait().expect("a child").is_none(), "it waits for the call");
    std::fs::write(watchdog.folder.path().join("go"), "").expect("written");
    assert_eq!(&late.await.expect("a task").expect("a body")[..], b"done\n");
    assert_eq!(watchdog.ends().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_in_time_is_cut_and_leaves_no_process() {
    let script = "echo $$ > $TMPDIR/pid; exec sleep 600";
    let mut watchdog = Watchdog::script(script, &[("healthcheck_interval", "0"), ("write_timeout", "300ms")]);
    let call = {
        let client = watchdog.client();
        let request = Request::get("/").header("host", "t").body(Body::empty()).expect("a request");
        tokio::spawn(async move { client.send(request).await.is_err() })
    };
    let pid = number_in(&watchdog.folder.path().join("pid"));
    watchdog.signal(Signal::TERM);
    assert_eq!(watchdog.ends().code(), Some(0));
    assert!(call.await.expect("a task"), "the call was cut");
    dies(pid);
}

#[tokio::test]
async fn functions_die_with_a_watchdog_that_is_killed() {
    let script = "echo $$ > $TMPDIR/pid; exec sleep 600";
    let watchdog = Watchdog::script(script, &[("mode", "http"), ("upstream_url", "http://127.0.0.1:1")]);
    let pid = number_in(&watchdog.folder.path().join("pid"));
    assert!(lives(pid));
    watchdog.signal(Signal::KILL);
    dies(pid);
}

#[tokio::test]
async fn a_function_is_asked_to_end_after_the_last_call() {
    let script = "trap 'echo asked; exit 0' TERM; echo $$ > $TMPDIR/pid; while true; do sleep 0.02; done";
    let variables = [("mode", "http"), ("upstream_url", "http://127.0.0.1:1"), ("healthcheck_interval", "0")];
    let mut watchdog = Watchdog::script(script, &variables);
    number_in(&watchdog.folder.path().join("pid"));
    watchdog.signal(Signal::TERM);
    watchdog.logs("stdout: asked");
    assert_eq!(watchdog.ends().code(), Some(0));
}

#[tokio::test]
async fn the_watchdog_ends_with_a_function_that_fails() {
    let script = "echo last words >&2; while [ ! -e $TMPDIR/go ]; do sleep 0.01; done; exit 4";
    let mut watchdog = Watchdog::script(script, &[("mode", "http"), ("upstream_url", "http://127.0.0.1:1")]);
    watchdog.logs("stderr: last words");
    std::fs::write(watchdog.folder.path().join("go"), "").expect("written");
    watchdog.logs("Forked function has terminated: exit status 4");
    assert_eq!(watchdog.ends().code(), Some(1));
}

#[tokio::test]
async fn after_a_function_that_ended_well_calls_are_refused_at_once() {
    let mut watchdog = Watchdog::script("exit 0", &[("mode", "http"), ("upstream_url", "http://127.0.0.1:1")]);
    watchdog.logs("ended by itself");
    let answer = watchdog.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-openfaas-internal")), (500, "of-watchdog"));
    assert_eq!(watchdog.get("/_/health").await.status, 200);
    assert_eq!(watchdog.get("/_/ready").await.status, 503);
}

/// The watchdog's parent is a shell that is killed.
#[tokio::test]
async fn it_ends_with_its_parent() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("parent.sh");
    let binary = env!("CARGO_BIN_EXE_faas-lab-watchdog");
    let script = format!("export watchdog_parent=$$; {binary} & echo $! > {}/pid; wait", folder.path().display());
    std::fs::write(&file, script).expect("written");
    let parent = command(folder.path(), &[("fprocess", "cat"), ("healthcheck_interval", "0")]);
    let mut shell = Command::new("sh");
    shell.arg(&file).envs(parent.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut shell = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
    let pid = number_in(&folder.path().join("pid"));
    let began = Instant::now();
    while !folder.path().join(".lock").exists() {
        assert!(began.elapsed() < PATIENCE, "it does not start");
        std::thread::sleep(Duration::from_millis(2));
    }
    shell.kill().expect("a shell");
    shell.wait().expect("a shell");
    dies(pid);
    assert!(!folder.path().join(".lock").exists(), "gracefully");
}

#[tokio::test]
async fn joins_control_groups_and_goes_on_without_those_it_cannot_have() {
    let group = tempfile::tempdir().expect("a folder");
    let groups = format!("{}:/no/such/group", group.path().display());
    let mut watchdog = Watchdog::start(&[("fprocess", "cat"), ("watchdog_cgroups", &groups)]);
    let joined = std::fs::read_to_string(group.path().join("cgroup.procs")).expect("written");
    assert_eq!(joined, watchdog.child.id().to_string());
    watchdog.logs("cannot join the control group /no/such/group");
    assert_eq!(watchdog.post("/", "on").await.body, "on");
}

/// The folder stands for a control group: its counter moves while the function is being killed, as the kernel's would.
#[tokio::test]
async fn out_of_memory_is_told_apart() {
    let group = tempfile::tempdir().expect("a folder");
    std::fs::write(group.path().join("memory.events"), "oom_kill 0\n").expect("written");
    let script = "echo 'oom_kill 1' > $GROUP/memory.events; kill -9 $$";
    let path = group.path().to_str().expect("text");
    let mut watchdog =
        Watchdog::script(script, &[("mode", "serializing"), ("watchdog_cgroups", path), ("GROUP", path)]);
    let answer = watchdog.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, "out of memory"));
    watchdog.logs("out of memory");
    let answer = watchdog.get("/").await;
    assert_eq!(answer.body, "signal: killed", "the counter did not move this time");
    let http = [("mode", "http"), ("upstream_url", "http://127.0.0.1:1"), ("watchdog_cgroups", path), ("GROUP", path)];
    std::fs::write(group.path().join("memory.events"), "oom_kill 0\n").expect("written");
    let mut watchdog = Watchdog::script(&format!("sleep 0.3; {script}"), &http);
    watchdog.logs("Forked function has terminated: out of memory");
    assert_eq!(watchdog.ends().code(), Some(1));
}
