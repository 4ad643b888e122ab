//! `bw` over HTTP and forked.

use std::fs;
use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

use crate::http::{get, post};
use crate::process::{Function, fork};

/// A folder of secrets with the key `sesame` in it, and its path.
fn secrets() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bw-api-key"), "sesame\n").expect("written");
    let path = folder.path().to_str().expect("UTF-8").to_owned();
    (folder, path)
}

fn photo(format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(200, 100, |x, y| Rgb([x as u8, y as u8, 120]));
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).expect("encoded");
    out.into_inner()
}

#[test]
fn a_photo_with_the_key_comes_back_grey() {
    let (_folder, path) = secrets();
    let bw = Function::start("bw", &[("secret_mount_path", &path)]);
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let reply = post(&bw.address, "/", "\r\nX-Api-Key: sesame", &photo(format));
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("image/jpeg")), "{format:?}");
        let grey = image::load_from_memory_with_format(&reply.body, ImageFormat::Jpeg).expect("a JPEG");
        assert_eq!((grey.color(), grey.width(), grey.height()), (image::ColorType::L8, 200, 100));
    }
    let output = fork(
        &["bw", "--stdin"],
        &[("secret_mount_path", &path), ("Http_X_Api_Key", "sesame")],
        &photo(ImageFormat::Jpeg),
    );
    assert!(output.stdout.starts_with(&[0xff, 0xd8]), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_the_key_nothing_is_done() {
    let (folder, path) = secrets();
    let bw = Function::start("bw", &[("secret_mount_path", &path)]);
    for headers in ["", "\r\nX-Api-Key: guess", "\r\nX-Api-Key: ", "\r\nAuthorization: Basic YTpi"] {
        let reply = post(&bw.address, "/", headers, &photo(ImageFormat::Jpeg));
        assert_eq!(reply.status, 401, "{headers}");
        assert!(!reply.text().contains("sesame"));
    }
    assert_eq!(fork(&["bw", "--stdin"], &[("secret_mount_path", &path)], b"").status.code(), Some(1));
    fs::remove_file(folder.path().join("bw-api-key")).expect("removed");
    let reply = post(&bw.address, "/", "\r\nX-Api-Key: sesame", b"");
    assert!(reply.status == 500 && reply.text().contains("secret bw-api-key"), "{}", reply.text());
}

#[test]
fn what_is_no_photo_is_refused_with_its_reason() {
    let (_folder, path) = secrets();
    let bw = Function::start("bw", &[("secret_mount_path", &path), ("MAX_PIXELS", "20000"), ("MAX_BYTES", "100000")]);
    let send = |body: &[u8]| post(&bw.address, "/", "\r\nX-Api-Key: sesame", body);
    let jpeg = photo(ImageFormat::Jpeg);
    for (body, status) in [
        (&b""[..], 400),
        (b"just text", 415),
        (b"GIF89a", 415),
        (&jpeg[..jpeg.len() / 4], 422),
        (&vec![0; 100_001][..], 413),
    ] {
        let reply = send(body);
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(reply.text().len() > 10);
    }
    let mut large = Cursor::new(Vec::new());
    RgbImage::new(201, 100).write_to(&mut large, ImageFormat::Png).expect("encoded");
    let reply = send(large.get_ref());
    assert!(reply.status == 413 && reply.text().contains("201"), "{}", reply.text());
    assert_eq!(get(&bw.address, "/").status, 401);
    assert_eq!(send(&jpeg).status, 200);
}
