//! A running function, and one that answers on standard output.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use image::{ImageFormat, RgbImage};
use serde_json::Value;

/// The program, on a port of its own.
pub(crate) struct Server {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
}

/// What it answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Server {
    /// Starts the program with some environment variables.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut process = program()
            .args(["--port", "0", "--address", "127.0.0.1"])
            .env("FACE_PEOPLE", folder.path().join("people"))
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let errors = process.stderr.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(errors).read_line(&mut line).expect("it says where it listens");
        let address = line
            .split("listening on ")
            .nth(1)
            .and_then(|rest| rest.split(';').next())
            .unwrap_or_else(|| panic!("it says where it listens, not `{line}`"))
            .to_owned();
        Self { process, address, folder }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn people(&self) -> PathBuf {
        self.folder.path().join("people")
    }

    /// The most memory that it held so far, in bytes.
    pub(crate) fn memory_at_most(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs on Linux");
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        kilobytes.and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("the kernel says so") * 1024
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Reply {
        self.send("POST", path, &[], body)
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        Reply::parse(&self.try_send(method, path, headers, body))
    }

    /// Sends a request, and returns what comes back before the connection ends, if anything.
    pub(crate) fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.write_all(head.as_bytes()).expect("it reads the head");
        // A body that is refused may not be read to its end.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Reply {
    fn parse(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a head has a status");
        let header = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default().to_owned()
        };
        let mut body = answer[end + 4..].to_vec();
        if header("transfer-encoding") == "chunked" {
            body = unchunked(&body);
        }
        Self { status, content_type: header("content-type"), body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().expect("a refusal has a reason").to_owned()
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(&String::from_utf8_lossy(&body[..end]), 16).expect("a chunk has a length");
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    whole
}

/// The program without any settings of ours around it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faas-lab-face"));
    command.env_clear().env("FACE_MODELS", "/nonexistent");
    command
}

/// The picture of several people that the `rustface` crate ships.
pub(crate) fn group() -> Vec<u8> {
    let model = Path::new(env!("SEETA_MODEL"));
    let picture =
        model.parent().and_then(Path::parent).expect("the model lies in a folder of the crate").join("test.png");
    std::fs::read(picture).expect("the crate ships a picture")
}

/// A picture of nothing.
pub(crate) fn empty(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::new(width, height).write_to(&mut bytes, ImageFormat::Png).expect("encoding into memory");
    bytes.into_inner()
}
