//! Recognition, with the face-api models where they are installed.

use std::{env, fs, path::PathBuf};

use faas_lab_face::models::{self, Models};

use crate::server::{Server, group};

/// The folder of models, or `None` and a word about it.
fn models(test: &str) -> Option<String> {
    let folder = env::var_os("FACE_MODELS").map_or_else(models::default_folder, PathBuf::from);
    if Models::new(&folder).are_installed() {
        return Some(folder.display().to_string());
    }
    eprintln!("{test}: skipped, the face-api models are not in {} (faas-lab-face fetch-models)", folder.display());
    None
}

/// One face of the picture with several people, three times as large.
fn one_of(server: &Server, which: usize) -> Vec<u8> {
    let report = server.post("/?detector=seeta&recognize=false", &group()).json();
    let area = &report["faces"][which]["box"];
    let side = |name: &str| area[name].as_f64().expect("a box has four numbers");
    let margin = side("width") * 0.4;
    let (x, y, length) = (side("x") - margin, side("y") - margin, side("width") + 2.0 * margin);
    let photo = image::load_from_memory(&group()).expect("a picture");
    let cut = photo.crop_imm(x as u32, y as u32, length as u32, length as u32);
    let (size, filter) = (3 * length as u32, image::imageops::FilterType::CatmullRom);
    let mut bytes = std::io::Cursor::new(Vec::new());
    cut.resize_exact(size, size, filter).write_to(&mut bytes, image::ImageFormat::Png).expect("encoding into memory");
    bytes.into_inner()
}

#[test]
fn enrolled_people_are_named_also_after_a_restart() {
    let Some(folder) = models("enrolled_people_are_named_also_after_a_restart") else { return };
    let people = tempfile::tempdir().expect("a temporary folder");
    let start =
        || Server::start(&[("FACE_MODELS", &folder), ("FACE_PEOPLE", people.path().to_str().expect("a plain path"))]);
    let server = start();
    let (ada, grace) = (one_of(&server, 0), one_of(&server, 1));
    assert_eq!(server.post("/enroll/Ada?min_size=100", &ada).status, 201);
    assert_eq!(server.post("/enroll/Grace%20H.?min_size=100", &grace).status, 201);
    let two = server.post("/enroll/Both", &group());
    assert_eq!(two.status, 422, "a picture of several people enrolls nobody");
    drop(server);

    let server = start();
    let listed = server.send("GET", "/people", &[], b"").json();
    assert_eq!(listed, serde_json::json!([{"name": "Ada", "pictures": 1}, {"name": "Grace H.", "pictures": 1}]));
    let report = server.post("/", &group()).json();
    let names: Vec<&str> = report["faces"]
        .as_array()
        .expect("a list of faces")
        .iter()
        .filter_map(|face| face["match"]["name"].as_str())
        .collect();
    assert!(names.contains(&"Ada") && names.contains(&"Grace H."), "{report}");

    let form = |left: &[u8], right: &[u8]| {
        let mut body = Vec::new();
        for part in [left, right] {
            body.extend_from_slice(b"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n");
            body.extend_from_slice(part);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--x--\r\n");
        server
            .send("POST", "/compare?min_size=100", &[("Content-Type", "multipart/form-data; boundary=x")], &body)
            .json()
    };
    assert_eq!(form(&ada, &ada)["same"], true);
    assert_eq!(form(&ada, &grace)["same"], false);

    assert_eq!(server.send("DELETE", "/people/Ada", &[], b"").status, 200);
    let files = fs::read_dir(people.path()).expect("the folder is there").map(|entry| entry.expect("readable").path());
    assert_eq!(files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).count(), 1);
}

#[test]
fn landmarks_and_descriptors_are_part_of_the_answer_on_request() {
    let Some(folder) = models("landmarks_and_descriptors_are_part_of_the_answer_on_request") else { return };
    let server = Server::start(&[("FACE_MODELS", &folder)]);
    for detector in ["seeta", "tiny", "ssd"] {
        let path = format!("/?max_faces=3&detector={detector}&landmarks=true&descriptor=true");
        let reply = server.post(&path, &group());
        assert_eq!(reply.status, 200, "{detector}");
        let report = reply.json();
        let faces = report["faces"].as_array().expect("a list of faces");
        // The tiny detector finds none of the small faces of this picture; `scripts/compare.mjs` has larger ones.
        assert_eq!(faces.len(), if detector == "tiny" { 0 } else { 3 }, "{detector}");
        for face in faces {
            assert_eq!(face["landmarks"].as_array().map(Vec::len), Some(68));
            assert_eq!(face["descriptor"].as_array().map(Vec::len), Some(128));
            // The tip of the nose lies in the face.
            let (nose, area) = (&face["landmarks"][30], &face["box"]);
            let number = |value: &serde_json::Value| value.as_f64().expect("a number");
            assert!(number(&nose["x"]) > number(&area["x"]));
            assert!(number(&nose["x"]) < number(&area["x"]) + number(&area["width"]));
        }
    }
}
