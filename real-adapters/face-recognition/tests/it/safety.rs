//! What is refused, and with what reason.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use image::ImageEncoder;

use crate::server::{Server, empty, group};

/// A server of one answer per connection, in order.
fn web(answers: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
        }
    });
    port
}

fn ok(body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn found(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

#[test]
fn a_url_leads_nowhere_private() {
    let server = Server::start(&[]);
    let port = server.address().rsplit(':').next().expect("an address has a port");
    for host in
        ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "169.254.169.254", "10.0.0.1"]
    {
        let reply = server.post("/", format!("{{\"url\": \"http://{host}:{port}/\"}}").as_bytes());
        assert_eq!(reply.status, 403, "{host}: {}", reply.error());
        assert!(reply.error().contains("no public address"), "{}", reply.error());
    }
    for url in ["file:///etc/passwd", "ftp://example.org/x.jpg", "gopher://x", "//x", "x"] {
        assert_eq!(server.post("/", format!("{{\"url\": \"{url}\"}}").as_bytes()).status, 400, "{url}");
    }
    assert_eq!(server.post("/", b"http://127.0.0.1/").status, 403, "the address alone");
}

#[test]
fn pictures_are_fetched_within_limits_where_that_is_allowed() {
    let limit = group().len() + 10;
    let server =
        Server::start(&[("ALLOW_PRIVATE_URLS", "true"), ("MAX_BYTES", &limit.to_string()), ("MAX_REDIRECTS", "2")]);
    let fetch =
        |port: u16| server.post("/?min_size=100", format!("{{\"url\": \"http://127.0.0.1:{port}/\"}}").as_bytes());

    let direct = fetch(web(vec![ok(&group())]));
    assert_eq!(direct.status, 200, "{}", String::from_utf8_lossy(&direct.body));
    let picture = web(vec![ok(&group())]);
    assert_eq!(fetch(web(vec![found(&format!("http://localhost:{picture}/x"))])).status, 200, "one redirect");
    assert_eq!(fetch(web(vec![found("/a"), found("/b"), found("/c"), found("/d")])).status, 422, "on and on");
    assert_eq!(fetch(web(vec![found("file:///etc/passwd")])).status, 400);
    assert_eq!(fetch(web(vec![ok(&vec![0; limit + 1])])).status, 413);
    let mut endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    endless.resize(limit * 2, 0);
    assert_eq!(fetch(web(vec![endless])).status, 413, "the length is not told before");
    assert_eq!(fetch(web(vec![b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()])).status, 422);
    assert_eq!(fetch(web(vec![ok(b"<html>")])).status, 415);
    assert_eq!(fetch(1).status, 422, "nobody listens");
}

#[test]
fn bodies_that_are_no_picture_are_refused_with_the_reason() {
    let server = Server::start(&[("MAX_PIXELS", "1000000"), ("MAX_BYTES", "5000000")]);
    let photo = group();
    let cases: [(&[u8], u16, &str); 6] = [
        (b"", 400, "no picture in the request"),
        (b"hello", 415, "it begins with `hello`"),
        (&photo[..photo.len() / 2], 413, "1666 × 1136 pixels"),
        (b"{\"uri\": \"x\"}", 400, "unknown field"),
        (&empty(1000, 1001), 413, "1000 × 1001 pixels"),
        (&empty(500, 500)[..300], 400, "cannot be decoded"),
    ];
    for (body, status, reason) in cases {
        let reply = server.post("/", body);
        assert_eq!(reply.status, status, "{}", reply.error());
        assert!(reply.error().contains(reason), "{}", reply.error());
    }
    assert_eq!(server.post("/", &vec![0; 5_000_001]).status, 413);
    assert_eq!(server.post("/?min_size=big", &photo).status, 400);
    assert_eq!(server.post("/nothing", &photo).status, 404);
    assert_eq!(server.send("DELETE", "/", &[], b"").status, 405);
}

/// A PNG of a few kilobytes that says it has 30 000 × 30 000 pixels, and one that has.
#[test]
fn a_decompression_bomb_is_refused_by_its_size() {
    let server = Server::start(&[]);
    let bomb = {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::GrayImage::new(30_000, 3_000)
            .write_to(&mut bytes, image::ImageFormat::Png)
            .expect("encoding into memory");
        bytes.into_inner()
    };
    assert!(bomb.len() < 1_000_000, "{} bytes", bomb.len());
    let reply = server.post("/", &bomb);
    assert_eq!(reply.status, 413, "{}", reply.error());
    assert!(reply.error().contains("30000 × 3000"), "{}", reply.error());
}

/// A small PNG whose colour profile unpacks to 200 MB.
#[test]
fn a_bomb_in_the_metadata_takes_no_memory() {
    let server = Server::start(&[]);
    let mut bomb = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bomb);
    encoder.set_icc_profile(vec![0; 200 << 20]).expect("PNG has room for a profile");
    encoder.write_image(&[0; 300], 10, 10, image::ExtendedColorType::Rgb8).expect("encoding into memory");
    assert!(bomb.len() < 1_000_000, "{} bytes", bomb.len());
    let reply = server.post("/", &bomb);
    assert!([200, 400].contains(&reply.status), "{}", reply.status);
    let memory = server.memory_at_most();
    assert!(memory < 100 << 20, "{memory} bytes");
}

/// A frame whose headers never end.
#[test]
fn a_stream_without_frames_takes_no_memory() {
    let server = Server::start(&[("MAX_BYTES", "1000000")]);
    let mut body = b"--frame\r\nX: ".to_vec();
    body.resize(150 << 20, b'x');
    let headers = [("Content-Type", "multipart/x-mixed-replace; boundary=frame")];
    // It hangs up on the sender, who may have no time to read why.
    server.try_send("POST", "/stream", &headers, &body);
    let memory = server.memory_at_most();
    assert!(memory < 60 << 20, "{memory} bytes");
    let frame = [&b"--frame\r\nX: y\r\n\r\n"[..], &vec![b'x'; 1_000_001], b"\r\n--frame--\r\n"].concat();
    let reply = server.send("POST", "/stream", &headers, &frame);
    let text = String::from_utf8_lossy(&reply.body);
    assert!(text.contains("exceeded the size limit: 1000000 bytes"), "{text}");
}

/// Nine senders that stop before the end of a picture as large as allowed: there is no room for all of theirs.
#[test]
fn large_bodies_wait_in_a_room_with_walls() {
    let server = Server::start(&[("MAX_BYTES", "1000000")]);
    let head = "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n";
    let mut senders: Vec<TcpStream> = (0..9)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).expect("it listens");
            stream.write_all(head.as_bytes()).expect("it reads");
            stream.write_all(&[b'x'; 900_000]).expect("it reads");
            stream
        })
        .collect();
    let answered = |stream: &TcpStream| {
        stream.set_nonblocking(true).expect("a socket");
        let came = stream.peek(&mut [0]).is_ok();
        stream.set_nonblocking(false).expect("a socket");
        came
    };
    let refused = (0..3000).find_map(|_| {
        thread::sleep(Duration::from_millis(10));
        senders.iter().position(answered)
    });
    let mut refused = senders.swap_remove(refused.expect("one is answered before it sent everything"));
    let mut answer = String::new();
    refused.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("8000000 bytes"), "{answer}");
    for mut stream in senders {
        stream.write_all(&[b'x'; 100_000]).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    }
    assert_eq!(server.post("/", &vec![b'x'; 1_000_000]).status, 415, "there is room again");
}

#[test]
fn what_is_looked_at_counts_as_pixels() {
    let server = Server::start(&[("MAX_PIXELS", "2000000")]);
    let reply = server.post("/?min_size=20", &group());
    assert_eq!(reply.status, 413);
    assert!(
        reply.error().contains("7570304 pixels") && reply.error().contains("min_size=39 or more"),
        "{}",
        reply.error()
    );
    assert_eq!(server.post("/?min_size=39", &group()).status, 200);
}

#[test]
fn recognition_without_models_names_the_command_that_brings_them() {
    let server = Server::start(&[]);
    for path in [
        "/?descriptor=true",
        "/?landmarks=true",
        "/?recognize=true",
        "/?detector=tiny",
        "/?detector=ssd",
        "/enroll/Ada",
        "/compare",
    ] {
        for picture in [group(), empty(60, 60)] {
            let reply = server.post(path, &picture);
            assert_eq!(reply.status, 501, "{path}");
            assert!(reply.error().contains("`faas-lab-face fetch-models`"), "{}", reply.error());
        }
    }
    assert_eq!(server.send("GET", "/people", &[], b"").json(), serde_json::json!([]));
    assert_eq!(server.send("DELETE", "/people/Nobody", &[], b"").status, 404);
    assert_eq!(server.send("DELETE", "/people/..%2Fx", &[], b"").status, 400);
    assert!(!server.people().exists(), "nothing was written");
}
