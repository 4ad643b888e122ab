//! Callbacks over real sockets, in every order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faas_lab_loadgen::callbacks::{CallbackError, CallbackOptions, Callbacks, Returned};
use faas_lab_model::time::{SimTime, Span};

struct Desk {
    callbacks: Callbacks,
    millis: Arc<AtomicU64>,
    returned: Arc<Mutex<Vec<Returned>>>,
    client: reqwest::Client,
}

fn at(millis: u64) -> SimTime {
    SimTime::ZERO + Span::from_millis(millis)
}

impl Desk {
    async fn open() -> Desk {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let millis = Arc::new(AtomicU64::new(0));
        let returned: Arc<Mutex<Vec<Returned>>> = Arc::default();
        let (clock, sink) = (millis.clone(), returned.clone());
        let options = CallbackOptions { bind: ([127, 0, 0, 1], 0).into(), advertised: None };
        let callbacks =
            Callbacks::start(&options, "run7", Arc::new(move || at(clock.load(Ordering::Relaxed))), move |it| {
                sink.lock().expect("not poisoned").push(it.clone())
            })
            .await
            .expect("listening");
        Desk { callbacks, millis, returned, client: reqwest::Client::new() }
    }

    /// As a queue worker posts an answer back.
    async fn post(&self, call_id: &str, millis: u64) {
        self.millis.store(millis, Ordering::Relaxed);
        let url = self.callbacks.url().to_str().expect("a URL");
        let request = self.client.post(url).header("X-Call-Id", call_id).header("X-Function-Status", "200");
        let answer = request.header("X-Duration-Seconds", "0.250000").body("grey").send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn delays_losses_and_duplicates_are_told_apart() {
    let desk = Desk::open().await;
    let id = |number| desk.callbacks.call_id(1, number);
    for number in 0..5 {
        desk.callbacks.sent(1, number);
    }
    desk.callbacks.accepted(1, 0, at(10));
    desk.post(&id(0), 260).await;
    desk.post(&id(0), 300).await;
    // Faster than its 202.
    desk.post(&id(1), 310).await;
    desk.callbacks.accepted(1, 1, at(320));
    // Never comes.
    desk.callbacks.accepted(1, 2, at(330));
    // Was accepted after all, but nobody heard.
    desk.callbacks.failed(1, 3);
    desk.post(&id(3), 340).await;
    // Was not accepted.
    desk.callbacks.failed(1, 4);
    desk.post("run6-1-0", 350).await;
    assert_eq!(desk.callbacks.awaited(), 1);

    let first = desk.returned.lock().expect("not poisoned")[0].clone();
    let expected = Returned {
        workload: 1,
        number: 0,
        accepted: at(10),
        at: at(260),
        status: Some(200),
        inside: Some(Span::from_millis(250)),
        bytes: 4,
    };
    assert_eq!(first, expected);
    assert_eq!(desk.returned.lock().expect("not poisoned").len(), 2);
    let tally = desk.callbacks.close(Duration::from_millis(50)).await;
    assert_eq!((tally.accepted, tally.returned, tally.lost), (3, 2, 1));
    assert_eq!((tally.duplicates, tally.unheard, tally.foreign, tally.failures), (1, 1, 1, 0));
    assert_eq!((tally.delays.max(), tally.delays.min()), (Some(Span::from_millis(250)), Some(Span::ZERO)));
}

#[tokio::test]
async fn the_last_callback_ends_the_wait() {
    let desk = Desk::open().await;
    desk.callbacks.sent(0, 0);
    desk.callbacks.accepted(0, 0, at(0));
    let url = desk.callbacks.url().to_str().expect("a URL").to_owned();
    let id = desk.callbacks.call_id(0, 0);
    let client = desk.client.clone();
    tokio::spawn(async move {
        let sent = client.post(url).header("X-Call-Id", id).send().await;
        assert!(sent.is_ok_and(|answer| answer.status().is_success()));
    });
    let tally = desk.callbacks.close(Duration::from_secs(3600)).await;
    assert_eq!((tally.returned, tally.lost), (1, 0));
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_refused() {
    let start = |options: CallbackOptions| async move {
        Callbacks::start(&options, "r", Arc::new(|| SimTime::ZERO), |_| {}).await
    };
    let anywhere = CallbackOptions { bind: ([0, 0, 0, 0], 0).into(), advertised: None };
    assert!(matches!(start(anywhere.clone()).await, Err(CallbackError::Address(_))));
    let named = CallbackOptions { advertised: Some("http://10.0.0.7:9000/x".parse().expect("a URL")), ..anywhere };
    assert_eq!(start(named.clone()).await.expect("listening").url(), "http://10.0.0.7:9000/x");
    let other = CallbackOptions { advertised: Some("ftp://h/".parse().expect("a URL")), ..named };
    assert!(matches!(start(other).await, Err(CallbackError::Url(_))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let taken = CallbackOptions { bind: listener.local_addr().expect("bound"), advertised: None };
    assert!(matches!(start(taken).await, Err(CallbackError::Listen(..))));
}
