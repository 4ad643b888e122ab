//! Just enough of an HTTP client and server to see bytes as they are.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).is_some();
        self.head.lines().find(|line| of(line)).map(|line| &line[name.len() + 2..])
    }
}

/// Sends one request and reads the reply to its end.
pub(crate) fn exchange(mut stream: impl Read + Write, head: &str, body: &[u8]) -> Reply {
    write!(stream, "{head}\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())
        .expect("sent");
    // A server that has refused the head need not read the body.
    let _ = stream.write_all(body);
    read(stream)
}

/// A request without a body.
pub(crate) fn get(address: &str, target: &str) -> Reply {
    exchange(TcpStream::connect(address).expect("connected"), &format!("GET {target} HTTP/1.1"), b"")
}

/// A request with a body and further header lines, each after `\r\n`.
pub(crate) fn post(address: &str, target: &str, headers: &str, body: &[u8]) -> Reply {
    let head = format!("POST {target} HTTP/1.1{headers}");
    exchange(TcpStream::connect(address).expect("connected"), &head, body)
}

fn read(mut stream: impl Read) -> Reply {
    let mut bytes = Vec::new();
    // What was refused before its body was read ends in a reset, after the answer.
    let ended = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("a whole head: {ended:?} {:?}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let mut reply = Reply { status, head, body: bytes.split_off(end + 4) };
    if reply.header("transfer-encoding") == Some("chunked") {
        reply.body = join(&reply.body);
    }
    reply
}

/// A chunked body's content; it must be whole.
fn join(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").expect("a chunk's length");
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).expect("hex"), 16).expect("hex");
        rest = &rest[end + 2..];
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[..length]);
        rest = &rest[length + 2..];
    }
}

/// Answers every request with what `answer` makes of its head and body; gives its address.
pub(crate) fn server(answer: impl Fn(&str, &[u8]) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            let (head, body) = loop {
                let length = stream.read(&mut buffer).expect("a request");
                bytes.extend_from_slice(&buffer[..length]);
                let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
                let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let announced: usize = announced.map_or(0, |length| length.parse().expect("a length"));
                if bytes.len() >= end + 4 + announced {
                    break (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes[end + 4..].to_vec());
                }
            };
            let body = answer(&head, &body);
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}
