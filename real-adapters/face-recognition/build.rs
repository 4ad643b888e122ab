//! Finds the SeetaFace model in the sources of the `rustface` crate, which ships it, and tells the compiler where it is.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const MODEL: &str = "model/seeta_fd_frontal_v1.0.bin";

/// A package that depends on nothing but that crate. This one belongs to a workspace, and cargo tells where the sources
/// of a workspace are only if all of them are on this machine, which a build of one member does not need.
const SEEKER: &str = r#"[package]
name = "seeker"
version = "0.0.0"
edition = "2024"

[dependencies]
rustface = { version = "0.1.7", default-features = false }

[workspace]
"#;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SEETA_MODEL");
    let model = match env::var_os("SEETA_MODEL") {
        Some(path) => PathBuf::from(path),
        None => rustface_folder().join(MODEL),
    };
    assert!(
        model.is_file(),
        "{} is not there: set SEETA_MODEL to the file {MODEL} of the rustface crate",
        model.display()
    );
    println!("cargo::rerun-if-changed={}", model.display());
    println!("cargo::rustc-env=SEETA_MODEL={}", model.display());
}

/// Where cargo keeps the sources of the crate: it is among the build dependencies, so they are there.
fn rustface_folder() -> PathBuf {
    let variable = |name: &str| env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"));
    let seeker = Path::new(&variable("OUT_DIR")).join("seeker");
    fs::create_dir_all(seeker.join("src")).expect("OUT_DIR can be written to");
    fs::write(seeker.join("Cargo.toml"), SEEKER).expect("OUT_DIR can be written to");
    fs::write(seeker.join("src/lib.rs"), "").expect("OUT_DIR can be written to");
    let output = Command::new(variable("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform"])
        .arg(variable("HOST"))
        .arg("--manifest-path")
        .arg(seeker.join("Cargo.toml"))
        // Whatever settings cargo has here, such as where its sources are, count there too.
        .current_dir(variable("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata can be started");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    let manifest = packages
        .iter()
        .find(|package| package["name"] == "rustface")
        .and_then(|package| package["manifest_path"].as_str())
        .expect("the dependency is in the metadata");
    PathBuf::from(manifest).parent().expect("a manifest lies in a folder").to_owned()
}
