//! Detection, which needs nothing but the program.

use std::{io::Write, process::Stdio};

use crate::server::{Server, empty, group, program};

#[test]
fn faces_are_found_with_nothing_installed() {
    let server = Server::start(&[]);
    let reply = server.post("/?min_size=50", &group());
    assert_eq!(reply.status, 200);
    let report = reply.json();
    let faces = report["faces"].as_array().expect("a list of faces");
    assert!(faces.len() >= 15, "{} faces", faces.len());
    let (width, height) = (report["width"].as_f64().expect("a width"), report["height"].as_f64().expect("a height"));
    let mut last = f64::INFINITY;
    for face in faces {
        let side = |name: &str| face["box"][name].as_f64().expect("a box has four numbers");
        assert!(side("width") >= 50.0, "{face}");
        assert!(side("x") < width && side("y") < height && side("x") + side("width") > 0.0, "{face}");
        let score = face["score"].as_f64().expect("a score");
        assert!(score <= last, "best first");
        last = score;
    }
    let none = server.post("/", &empty(200, 100)).json();
    assert_eq!(none["faces"].as_array().map(Vec::len), Some(0));
    // Smaller than the detector's window.
    assert_eq!(server.post("/", &empty(3, 1)).status, 200);
}

#[test]
fn the_annotated_picture_comes_back_in_the_form_that_is_accepted() {
    let server = Server::start(&[]);
    let photo = group();
    for (accept, format) in [("image/png", image::ImageFormat::Png), ("image/jpeg", image::ImageFormat::Jpeg)] {
        let reply = server.send("POST", "/?min_size=50", &[("Accept", accept)], &photo);
        assert_eq!((reply.status, reply.content_type.as_str()), (200, accept));
        let drawn = image::load_from_memory_with_format(&reply.body, format).expect("a picture").into_rgb8();
        let plain = image::load_from_memory(&photo).expect("a picture").into_rgb8();
        assert_eq!(drawn.dimensions(), plain.dimensions());
        let changed =
            drawn.pixels().zip(plain.pixels()).filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 60));
        assert!(changed.count() > 1000, "boxes and labels are drawn");
    }
    assert_eq!(server.send("POST", "/", &[("Accept", "text/html")], &photo).status, 406);
}

#[test]
fn a_stream_of_frames_comes_back_annotated() {
    let server = Server::start(&[]);
    let photo = group();
    let mut body = Vec::new();
    for _ in 0..2 {
        body.extend_from_slice(b"--frame\r\nContent-Type: image/png\r\n\r\n");
        body.extend_from_slice(&photo);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--frame--\r\n");
    let headers = [("Content-Type", "multipart/x-mixed-replace; boundary=frame")];
    let reply = server.send("POST", "/stream?min_size=100", &headers, &body);
    assert_eq!(reply.status, 200);
    let boundary = reply.content_type.split("boundary=").nth(1).expect("a boundary").to_owned();
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(text.matches(&format!("--{boundary}\r\nContent-Type: image/jpeg")).count(), 2);
    assert!(text.ends_with(&format!("--{boundary}--\r\n")));

    let broken = server.send(
        "POST",
        "/stream",
        &headers,
        b"--frame\r\nContent-Type: image/jpeg\r\n\r\nno picture\r\n--frame--\r\n",
    );
    assert!(String::from_utf8_lossy(&broken.body).contains("this is no JPEG"), "the reason ends the stream");
    assert_eq!(server.post("/stream", b"x").status, 415);
}

#[test]
fn a_classic_watchdog_gets_the_answer_on_standard_output() {
    let run = |variables: &[(&str, &str)], body: &[u8]| {
        let mut process = program()
            .arg("--stdin")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        process.stdin.take().expect("it is piped").write_all(body).expect("it reads its input");
        process.wait_with_output().expect("it ends")
    };
    let output = run(&[("Http_Method", "POST"), ("Http_Query", "min_size=50&output=jpeg")], &group());
    assert!(output.status.success());
    assert!(image::guess_format(&output.stdout).is_ok_and(|format| format == image::ImageFormat::Jpeg));

    let refused = run(&[], b"not a picture");
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("415"), "{:?}", refused.stderr);
}

#[test]
fn a_unix_socket_serves_as_well() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("face.sock");
    let mut process =
        program().env("UPSTREAM_SOCKET", &socket).stderr(Stdio::piped()).spawn().expect("the program can be started");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(process.stderr.take().expect("it is piped")), &mut line)
        .expect("it says where it listens");
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).expect("it listens");
    stream.write_all(b"GET /_/health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    process.kill().expect("it runs");
    process.wait().expect("it ends");
}
