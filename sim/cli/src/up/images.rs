//! How this program runs the built-in functions, as the provider wants to know it.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use faas_lab_functions::{Builtin, Mode, catalogue};
use faas_lab_provider::{ImageManifest, Listen, Mode as WatchdogMode};

use super::state::State;
use crate::failure::Failure;
use crate::hidden;

/// The function that is a program of its own.
pub(crate) const FACE: &str = "face-recognition";

/// Its executable, looked for beside this one.
const FACE_PROGRAM: &str = "faas-lab-face";

/// Images by name. `gateway` is where functions that call others find them.
///
/// `cores` are those of an emulated machine. Functions that compute on as many threads as there are cores are told of them:
/// the quota that they run under would let them find one.
pub(crate) fn built_in(
    program: &Path,
    state: &State,
    gateway: &str,
    cores: Option<u32>,
) -> BTreeMap<String, ImageManifest> {
    let word = one_word(program);
    let of = |builtin: &Builtin| (builtin.name.to_owned(), manifest(builtin, &word, state, gateway));
    let mut images: BTreeMap<String, ImageManifest> = catalogue().iter().map(of).collect();
    images.extend(face(program).map(|path| (FACE.to_owned(), face_manifest(&path, state))));
    for (name, image) in &mut images {
        let variable = if name == FACE { "WORKERS" } else { "THREADS" };
        image.environment.extend(cores.map(|cores| (variable.to_owned(), cores.to_string())));
    }
    images
}

fn manifest(builtin: &Builtin, program: &str, state: &State, gateway: &str) -> ImageManifest {
    let arguments = builtin.arguments();
    let pairs = builtin.environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut environment: BTreeMap<String, String> = pairs.collect();
    environment.insert("GATEWAY_URL".to_owned(), gateway.to_owned());
    ImageManifest {
        fprocess: (!arguments.is_empty()).then(|| format!("{program} {} {}", hidden::FUNCTION, arguments.join(" "))),
        mode: Some(match builtin.mode {
            Mode::Http => WatchdogMode::Http,
            Mode::Streaming => WatchdogMode::Streaming,
            Mode::Static => WatchdogMode::Static,
        }),
        listen: (builtin.mode == Mode::Http).then_some(Listen::Socket),
        static_path: (builtin.mode == Mode::Static).then(|| state.homepage()),
        memory: Some(builtin.memory.to_owned()),
        work: Some(builtin.work.to_owned()),
        environment,
        ..ImageManifest::default()
    }
}

/// Large photos on small machines take long; people outlive replicas, which share them; models are looked for where
/// `faas-lab-face fetch-models` puts them.
fn face_manifest(program: &Path, state: &State) -> ImageManifest {
    let timeouts = ["read_timeout", "write_timeout", "exec_timeout"].map(|name| (name.to_owned(), "2m".to_owned()));
    let mut environment = BTreeMap::from(timeouts);
    environment.insert("FACE_PEOPLE".to_owned(), state.people().display().to_string());
    for name in ["FACE_MODELS", "XDG_DATA_HOME"] {
        let path = env::var_os(name).and_then(|path| std::path::absolute(path).ok());
        environment.extend(path.map(|path| (name.to_owned(), path.display().to_string())));
    }
    ImageManifest {
        environment,
        fprocess: Some(one_word(program)),
        mode: Some(WatchdogMode::Http),
        listen: Some(Listen::Socket),
        work: Some("cascade".to_owned()),
        ..ImageManifest::default()
    }
}

/// The program of face-recognition, if it was built.
pub(crate) fn face(program: &Path) -> Option<PathBuf> {
    let path = program.with_file_name(FACE_PROGRAM);
    path.is_file().then_some(path)
}

/// What to do where it is not.
pub(crate) fn no_face(program: &Path) -> Failure {
    let folder = program.parent().unwrap_or(Path::new(".")).display();
    Failure::new(format!("{FACE} is a program of its own, {FACE_PROGRAM}, and it is not in {folder}"))
        .help("build it with: cargo build --release --package faas-lab-face")
}

/// This program's file.
pub(crate) fn program() -> Result<PathBuf, Failure> {
    env::current_exe().map_err(|error| Failure::new(format!("this program cannot find its own file: {error}")))
}

/// Watchdogs split a command at its spaces. A link without spaces stands for a path that has some.
fn one_word(program: &Path) -> String {
    let path = program.display().to_string();
    if path.contains(char::is_whitespace) { "/proc/self/exe".to_owned() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_function_has_a_way_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(Some(folder.path())).unwrap();
        let images = built_in(Path::new("/bin/faas-lab"), &state, "http://127.0.0.1:1", None);
        let run = |name: &str| images[name].fprocess.as_deref();
        assert_eq!(run("hello"), Some("/bin/faas-lab function hello"));
        assert_eq!(run("printr"), Some("/bin/faas-lab function printr --stdin"));
        assert_eq!(run("homepage"), None);
        assert_eq!(images["chain"].environment["GATEWAY_URL"], "http://127.0.0.1:1");
        assert!(!images["cpu"].environment.contains_key("THREADS"));
        let emulated = built_in(Path::new("/bin/faas-lab"), &state, "http://127.0.0.1:1", Some(4));
        assert_eq!(emulated["cpu"].environment["THREADS"], "4");
        assert_eq!(one_word(Path::new("/my programs/faas-lab")), "/proc/self/exe");
        let face = face_manifest(Path::new("/bin/faas-lab-face"), &state);
        assert_eq!(face.environment["exec_timeout"], "2m");
        assert!(Path::new(&face.environment["FACE_PEOPLE"]).starts_with(folder.path()), "people outlive replicas");
        assert!(no_face(Path::new("/bin/faas-lab")).to_string().contains("cargo build"));
    }
}
