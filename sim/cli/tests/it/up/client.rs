//! Just enough of HTTP to see what comes.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// An answer.
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
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// One request over a connection of its own. `headers` are whole lines, each after `\r\n`.
pub(crate) fn request(address: &str, method: &str, target: &str, headers: &str, body: &[u8]) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}{headers}\r\n\r\n",
        body.len()
    )?;
    // Whoever refuses a head need not read the body.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let mut reply = Reply { status, head, body: bytes.split_off(end + 4) };
    if reply.header("transfer-encoding") == Some("chunked") {
        reply.body = join(&reply.body).ok_or(io::ErrorKind::UnexpectedEof)?;
    }
    Ok(reply)
}

/// What came of a chunked body until the connection ended.
pub(crate) fn cut(address: &str, target: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut rest = &bytes[end + 4..];
    let mut body = String::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let length = std::str::from_utf8(&rest[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let length = length.ok_or(io::ErrorKind::InvalidData)?;
        let chunk = &rest[end + 2..];
        body += &String::from_utf8_lossy(&chunk[..length.min(chunk.len())]);
        rest = chunk.get(length + 2..).unwrap_or_default();
    }
    Ok(body)
}

/// The content of a chunked body; `None` if it was cut.
fn join(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        rest = &rest[end + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

pub(crate) fn try_post(address: &str, target: &str, headers: &str, body: &[u8]) -> io::Result<Reply> {
    request(address, "POST", target, headers, body)
}

pub(crate) fn post(address: &str, target: &str, headers: &str, body: &[u8]) -> Reply {
    try_post(address, target, headers, body).unwrap_or_else(|error| panic!("POST {target}: {error}"))
}

/// Answers 200 to every request and hands its head and body to `heard`; gives its address.
pub(crate) fn listen(heard: impl Fn(String, Vec<u8>) -> bool + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let heard = heard.clone();
            thread::spawn(move || while answer(&stream, &heard).is_some() {});
        }
    });
    address
}

/// One request of a connection that may carry more.
fn answer(mut stream: &TcpStream, heard: &impl Fn(String, Vec<u8>) -> bool) -> Option<()> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    let (head, body) = loop {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&buffer[..length]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let announced = head.to_ascii_lowercase();
        let announced = announced.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
        let announced: usize = announced.map_or(0, |length| length.parse().expect("a length"));
        if bytes.len() >= end + 4 + announced {
            break (head, bytes[end + 4..].to_vec());
        }
    };
    if !heard(head, body) {
        return None;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()
}
