//! Ticks under paused time, messages over a real NATS server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use faas_lab_queue::Answer;
use futures_util::StreamExt;
use http::StatusCode;
use tokio::time::Instant;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn functions(deployed: &[(&str, &[(&str, &str)])]) -> Annotations {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    deployed.iter().map(|(name, annotations)| (FunctionName::parse(name), owned(annotations))).collect()
}

/// 2026-11-21 10:00:30 UTC.
fn base() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_255_230)
}

/// Remembers its calls, and answers each with its own body in capitals.
struct Function {
    began: Instant,
    service: Duration,
    calls: Mutex<Vec<(u64, Invocation)>>,
}

impl Function {
    fn new(service: Duration) -> Arc<Function> {
        Arc::new(Function { began: Instant::now(), service, calls: Mutex::default() })
    }

    /// (seconds since the start, name)
    fn calls(&self) -> Vec<(u64, String)> {
        self.calls.lock().unwrap().iter().map(|(at, call)| (*at, call.function.clone())).collect()
    }
}

#[async_trait]
impl Invoker for Function {
    async fn invoke(&self, invocation: &Invocation, _attempt: u32) -> Answer {
        self.calls.lock().unwrap().push((self.began.elapsed().as_secs(), invocation.clone()));
        tokio::time::sleep(self.service).await;
        let body = Bytes::from(invocation.body.to_ascii_uppercase());
        Answer { status: StatusCode::OK, headers: HeaderMap::new(), body, took: self.service }
    }
}

struct Clockwork {
    deployed: watch::Sender<Arc<Annotations>>,
    problems: Arc<Mutex<Vec<String>>>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start(function: &Arc<Function>, deployed: Annotations) -> Clockwork {
    let (deployed, functions) = watch::channel(Arc::new(deployed));
    let problems: Arc<Mutex<Vec<String>>> = Arc::default();
    let (told, began, shutdown) = (problems.clone(), Instant::now(), CancellationToken::new());
    let cron =
        Cron::new(move || base() + began.elapsed(), move |problem| told.lock().unwrap().push(problem.to_string()));
    let task = tokio::spawn(cron.run(functions, function.clone(), shutdown.clone()));
    Clockwork { deployed, problems, shutdown, task }
}

#[tokio::test(start_paused = true)]
async fn functions_are_called_when_their_schedule_says() {
    let function = Function::new(Duration::ZERO);
    let clockwork = start(
        &function,
        functions(&[
            ("every-minute", &[("topic", "cron-function"), ("schedule", "* * * * *")]),
            ("at-seconds", &[("topic", "other, cron-function"), ("schedule", "20,40 * * * * *")]),
            ("no-topic", &[("schedule", "* * * * *")]),
        ]),
    );
    tokio::time::sleep(Duration::from_secs(95)).await;
    let name = |name: &str| format!("{name}.openfaas-fn");
    // It is 10:00:30 at the start.
    let expected =
        [(10, "at-seconds"), (30, "every-minute"), (50, "at-seconds"), (70, "at-seconds"), (90, "every-minute")];
    assert_eq!(function.calls(), expected.map(|(at, function)| (at, name(function))));
    let call = function.calls.lock().unwrap()[0].1.clone();
    assert_eq!((call.method, call.path.as_str()), (Method::POST, "/"));
    assert_eq!(call.headers["x-topic"], "cron-function");

    // A new schedule holds at once, and a removed function is left alone.
    clockwork.deployed.send_replace(Arc::new(functions(&[(
        "every-minute",
        &[("topic", "cron-function"), ("schedule", "*/10 * * * *")],
    )])));
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(function.calls()[5..], [(570, name("every-minute"))]);
    clockwork.shutdown.cancel();
    clockwork.task.await.unwrap();
    assert_eq!(*clockwork.problems.lock().unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_schedule_is_reported_once_and_hurts_nobody_else() {
    let function = Function::new(Duration::ZERO);
    let cron = ("topic", "cron-function");
    let bad: &[_] = &[
        ("never", &[cron, ("schedule", "0 0 30 2 *")][..]),
        ("none", &[cron]),
        ("rubbish", &[cron, ("schedule", "every day")]),
        ("works", &[cron, ("schedule", "* * * * *")]),
    ];
    let clockwork = start(&function, functions(bad));
    tokio::time::sleep(MINUTE).await;
    // The same deployments again, and one of them with another mistake.
    clockwork.deployed.send_replace(Arc::new(functions(bad)));
    tokio::time::sleep(MINUTE).await;
    let mut changed = bad.to_vec();
    let mistake = [cron, ("schedule", "61 * * * *")];
    changed[2] = ("rubbish", &mistake);
    clockwork.deployed.send_replace(Arc::new(functions(&changed)));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(function.calls().len(), 3);
    let problems = clockwork.problems.lock().unwrap().clone();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert_eq!(problems[0], "never.openfaas-fn: the schedule `0 0 30 2 *` never comes");
    assert!(
        problems[1].starts_with("none.openfaas-fn: its topic is cron-function, but it has no annotation `schedule`")
    );
    assert!(problems[2].starts_with("rubbish.openfaas-fn: the schedule `every day` cannot be read"), "{}", problems[2]);
    assert!(problems[3].contains("`61 * * * *`"), "{}", problems[3]);
}

#[tokio::test(start_paused = true)]
async fn ticks_do_not_wait_for_calls_but_are_bounded() {
    let function = Function::new(20 * MINUTE);
    let clockwork = start(&function, functions(&[("f", &[("topic", "cron-function"), ("schedule", "* * * * *")])]));
    tokio::time::sleep(19 * MINUTE).await;
    assert_eq!(function.calls().len(), 16);
    assert_eq!(clockwork.problems.lock().unwrap().len(), 3);
    tokio::time::sleep(4 * MINUTE).await;
    assert_eq!(function.calls().len(), 19, "slots are free again");
}

#[test]
fn missed_ticks_are_not_made_up_for() {
    let mut timetable = Timetable::default();
    let deployed = functions(&[("f", &[("topic", "cron-function"), ("schedule", "* * * * *")])]);
    assert_eq!(timetable.update(&deployed, base()), []);
    assert_eq!(timetable.next(), Some(base() + MINUTE / 2));
    assert_eq!(timetable.take_due(base()), []);
    let late = base() + 60 * MINUTE;
    assert_eq!(timetable.take_due(late), [FunctionName::parse("f")]);
    assert_eq!(timetable.take_due(late), []);
    assert_eq!(timetable.next(), Some(late + MINUTE / 2));
}

#[test]
fn subjects_are_checked() {
    for good in ["a", "a.b", "a.*.c", "a.>", ">", "*", "ä.b"] {
        assert_eq!(check_subject(good), Ok(()), "{good}");
    }
    for bad in ["", ".", "a..b", "a.b.", "a b", "a.>.b", "a*", "a.b>", "a\r\nPUB x"] {
        assert!(check_subject(bad).is_err(), "{bad}");
    }
}

/// A NATS server; `None`, and a word about it, where there is no such program.
struct Server(Child, u16);

impl Server {
    async fn start() -> Option<Server> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let started = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string()])
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            println!("skipped: nats-server is not installed");
            return None;
        };
        let server = Server(process, port);
        server.await_port().await;
        Some(server)
    }

    async fn await_port(&self) {
        let listens = || std::net::TcpStream::connect(("127.0.0.1", self.1)).is_ok();
        eventually("the NATS server", listens).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + MINUTE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "{what} did not come about within a minute");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn messages_invoke_the_functions_of_their_subject_and_requests_are_answered() {
    let Some(server) = Server::start().await else { return };
    let url = format!("nats://127.0.0.1:{}", server.1);
    let nats = Nats::connect(&url).await.unwrap();
    let client = async_nats::connect(&url).await.unwrap();
    let function = Function::new(Duration::ZERO);
    let (deployed, receiver) = watch::channel(Arc::new(functions(&[
        ("orders", &[("topic", "orders.*,cron-function, bad..one")]),
        ("also", &[("topic", "orders.new")]),
    ])));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(nats.run(receiver, function.clone(), shutdown.clone()));

    // Messages are not kept: they are sent until the subscription is there.
    let mut answers = client.subscribe("answers").await.unwrap();
    let mut asked = 0;
    let answer = loop {
        client.publish_with_reply("orders.old", "answers", "some text".into()).await.unwrap();
        asked += 1;
        assert!(asked < 600, "nobody answers");
        let answer = tokio::time::timeout(Duration::from_millis(100), answers.next()).await;
        if let Ok(Some(answer)) = answer
            && answer.status != Some(async_nats::StatusCode::NO_RESPONDERS)
        {
            break answer;
        }
    };
    assert_eq!(answer.payload, "SOME TEXT");
    let headers = answer.headers.unwrap();
    assert_eq!(headers.get("X-Function-Status").unwrap().as_str(), "200");
    assert_eq!(headers.get("X-Function-Name").unwrap().as_str(), "orders.openfaas-fn");
    let call = function.calls.lock().unwrap().last().unwrap().1.clone();
    assert_eq!((call.headers["x-topic"].to_str().unwrap(), call.body), ("orders.old", Bytes::from("some text")));

    // Both functions get it, one by a wildcard, whose subscription is there already.
    let called = |name: &str| {
        let calls = function.calls.lock().unwrap();
        let new = calls.iter().filter(|(_, call)| call.headers["x-topic"] == "orders.new");
        new.filter(|(_, call)| call.function.starts_with(name)).count()
    };
    let mut sent = 0;
    eventually("the call of the other", || {
        sent += 1;
        let client = client.clone();
        tokio::spawn(async move { client.publish("orders.new", "x".into()).await });
        called("also") > 0
    })
    .await;
    eventually("a call by the wildcard for each", || called("orders") == sent).await;

    // What is removed is not called any more; what is new is.
    deployed.send_replace(Arc::new(functions(&[("late", &[("topic", "late")])])));
    eventually("the new function's call", || {
        let (client, calls) = (client.clone(), function.calls());
        tokio::spawn(async move { client.publish("late", "x".into()).await });
        calls.iter().any(|call| call.1.starts_with("late"))
    })
    .await;
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_clear_error() {
    let Err(error) = Nats::connect("nats://127.0.0.1:1").await else { panic!("nothing listens there") };
    assert!(error.to_string().contains("is it running"), "{error}");
}

/// A machine that began in the future must not wait for it; one whose clock is corrected a little must not call twice.
#[test]
fn ticks_follow_a_clock_that_is_set_back() {
    let mut timetable = Timetable::default();
    let hourly = functions(&[("f", &[("topic", "cron-function"), ("schedule", "0 * * * *")])]);
    let year = 365 * 24 * 60 * MINUTE;
    timetable.update(&hourly, base() + year);
    assert!(timetable.take_due(base() + year).is_empty());
    assert!(timetable.take_due(base()).is_empty());
    // 11:00:00, not a year later.
    let next = timetable.next().unwrap();
    assert_eq!(next, base() + Duration::from_secs(59 * 60 + 30));
    assert_eq!(timetable.take_due(next).len(), 1);
    assert!(timetable.take_due(next - Duration::from_secs(1)).is_empty());
    assert!(timetable.take_due(next).is_empty(), "a second call for the same tick");
}
