//! Targets that misbehave end in a report.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use faas_lab_model::metrics::measurement::ErrorReason;
use faas_lab_model::metrics::result::{self, OutcomeCount};
use faas_lab_model::time::Span;

use crate::target::{plan, play};

/// Treats every connection in the same way, in threads of its own.
fn server(treat: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || treat(stream));
        }
    });
    address
}

/// Reads a request's head.
fn head(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut byte = [0; 1];
    while !seen.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        seen.push(byte[0]);
    }
}

/// The endings and errors of a few calls; each is given up after 400 ms.
fn endings(address: SocketAddr) -> (Vec<OutcomeCount>, Vec<ErrorReason>) {
    let mut plan = plan(address, "500ms", "arrivals = { constant = \"20/s\" }");
    plan.scenario.edge.client_timeout = Some(Span::from_millis(400));
    let began = Instant::now();
    let measured = play(&plan);
    assert!(began.elapsed() < Duration::from_secs(60), "it took {:?}", began.elapsed());
    assert_eq!(measured.result.summary[result::OFFERED].mean, 9.0);
    assert_eq!(measured.result.summary[result::ERROR_RATE].mean, 1.0);
    let outcomes = measured.result.functions[0].outcomes.clone();
    assert_eq!(outcomes.iter().map(|outcome| outcome.count).sum::<u64>(), 9, "each ends once");
    (outcomes, measured.result.measurement.expect("it was measured").errors)
}

fn fault(errors: &[ErrorReason]) -> Option<&str> {
    errors[0].fault.as_deref()
}

#[test]
fn one_that_refuses() {
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let (_, errors) = endings(address);
    assert_eq!(fault(&errors), Some("connect"));
}

#[test]
fn one_that_closes_without_an_answer() {
    let (_, errors) = endings(server(|mut stream| head(&mut stream)));
    assert_eq!(fault(&errors), Some("closed"));
}

#[test]
fn one_that_hangs() {
    let (outcomes, errors) = endings(server(|mut stream| {
        head(&mut stream);
        std::thread::sleep(Duration::from_secs(30));
    }));
    assert_eq!(fault(&errors), Some("client-timeout"));
    assert_eq!(outcomes[0].hop.as_deref(), Some("client"));
}

#[test]
fn one_that_drips() {
    let (outcomes, _) = endings(server(|mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
        while stream.write_all(b".").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }));
    assert_eq!(outcomes[0].hop.as_deref(), Some("client"));
}

#[test]
fn one_that_breaks_off() {
    let (outcomes, errors) = endings(server(|mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nonly this");
    }));
    assert_eq!(fault(&errors), Some("cut"));
    assert_eq!(outcomes[0].outcome, result::OutcomeKind::Truncated);
}

#[test]
fn one_that_speaks_no_http() {
    let (_, errors) = endings(server(|mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"\x00\x01 220 smtp ready \xff\r\n\r\n");
    }));
    assert_eq!(fault(&errors), Some("garbage"));
}

#[test]
fn one_that_gives_reasons() {
    let (outcomes, errors) = endings(server(|mut stream| {
        head(&mut stream);
        let _ = stream.write_all(
            b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 23\r\nconnection: close\r\n\r\nexit status 1\nsomething",
        );
    }));
    assert_eq!((outcomes[0].status, errors[0].status), (Some(500), Some(500)));
    assert_eq!(errors[0].reason.as_deref(), Some("exit status 1"));
    assert_eq!(errors[0].count, 9);
}
