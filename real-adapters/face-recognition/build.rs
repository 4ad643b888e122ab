//! Finds the SeetaFace model in the sources of the `rustface` crate, which ships it, and tells the compiler where it is.

use std::{env, path::PathBuf, process::Command};

const MODEL: &str = "model/seeta_fd_frontal_v1.0.bin";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SEETA_MODEL");
    let model = match env::var_os("SEETA_MODEL") {
        Some(path) => PathBuf::from(path),
        None => crate_folder("rustface").join(MODEL),
    };
    assert!(
        model.is_file(),
        "{} is not there: set SEETA_MODEL to the file {MODEL} of the rustface crate",
        model.display()
    );
    println!("cargo::rerun-if-changed={}", model.display());
    println!("cargo::rustc-env=SEETA_MODEL={}", model.display());
}

/// Where cargo keeps the sources of a dependency.
fn crate_folder(name: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").expect("cargo says where it is");
    let folder = env::var_os("CARGO_MANIFEST_DIR").expect("cargo says what it builds");
    let target = env::var_os("TARGET").expect("cargo says what it builds for");
    // Only what this target needs: the sources of other platforms' dependencies may not be on this machine.
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform"])
        .arg(target)
        .current_dir(folder)
        .output()
        .expect("cargo metadata can be started");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    let manifest = packages
        .iter()
        .find(|package| package["name"] == name)
        .and_then(|package| package["manifest_path"].as_str())
        .expect("the dependency is in the metadata");
    PathBuf::from(manifest).parent().expect("a manifest lies in a folder").to_owned()
}
