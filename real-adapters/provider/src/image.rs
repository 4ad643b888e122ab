//! Images: what a deployment's `image` stands for. A built-in function's name, or a folder with a `function.toml`.
//!
//! Names as they stand in stack files are understood: `ghcr.io/x/figlet:latest` is the built-in `figlet`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::quantity;

/// The manifest of a folder that is an image.
pub const MANIFEST_FILE: &str = "function.toml";
/// A manifest beyond this size is a mistake.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// How an image's function is run: a built-in's, or the content of a folder's `function.toml`.
///
/// ```toml
/// fprocess = "python3 index.py"     # split at single spaces, without quoting; relative to the folder
/// mode = "http"                     # http, streaming, serializing, static or classic
/// listen = "port"                   # mode http: "port" ($PORT), "socket" ($UPSTREAM_SOCKET), or a fixed port: 5000
/// memory = "128Mi"                  # limits of a deployment that states none
/// work = "scalar"                   # the class of its work, for --emulate
/// [environment]
/// GREETING = "hello"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageManifest {
    /// The process that the watchdog runs; needed unless the mode is static.
    pub fprocess: Option<String>,
    /// The watchdog's mode; streaming if nothing is said, as with of-watchdog.
    pub mode: Option<Mode>,
    /// Where an `http` function listens.
    pub listen: Option<Listen>,
    /// The folder that mode `static` serves, relative to the image's.
    pub static_path: Option<PathBuf>,
    /// Memory limit of a deployment that states none, as in `128Mi`.
    pub memory: Option<String>,
    /// CPU limit of a deployment that states none, as in `500m`.
    pub cpu: Option<String>,
    /// The class of its work, such as `scalar` or `cascade`: how much slower an emulated machine does it.
    pub work: Option<String>,
    /// How many threads a replica keeps busy at a time; an emulated machine gives it that many cores. Left out, they are
    /// counted as it runs.
    pub threads: Option<u32>,
    /// Environment; a deployment's `envVars` win.
    pub environment: BTreeMap<String, String>,
}

/// The watchdog's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One process that serves HTTP.
    Http,
    /// A process per call, its output sent as it comes.
    Streaming,
    /// A process per call, its output sent at its end.
    Serializing,
    /// Files of a folder.
    Static,
    /// A process per call, as the classic watchdog runs it.
    Classic,
}

impl Mode {
    /// As the watchdog's `mode` wants it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Http => "http",
            Mode::Streaming => "streaming",
            Mode::Serializing => "serializing",
            Mode::Static => "static",
            Mode::Classic => "classic",
        }
    }
}

/// Where an `http` function listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum Listen {
    /// On the loopback port that `PORT` names.
    Port,
    /// On the Unix socket whose path is in `UPSTREAM_SOCKET`.
    Socket,
    /// Always on this loopback port, so that there can be one replica only.
    Fixed(u16),
}

impl TryFrom<toml::Value> for Listen {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Listen, String> {
        match &value {
            toml::Value::String(text) if text == "port" => Ok(Listen::Port),
            toml::Value::String(text) if text == "socket" => Ok(Listen::Socket),
            toml::Value::Integer(port) if (1..=65535).contains(port) => Ok(Listen::Fixed(*port as u16)),
            _ => Err(format!("listen is {value}: write \"port\", \"socket\", or a port's number")),
        }
    }
}

/// An image that was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Image {
    pub(crate) manifest: ImageManifest,
    /// `None` for a built-in.
    pub(crate) folder: Option<PathBuf>,
}

/// Where images come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Images {
    pub(crate) built_in: BTreeMap<String, ImageManifest>,
    /// The folder under which relative names are looked up.
    pub(crate) functions_folder: Option<PathBuf>,
}

impl Images {
    /// What `reference` stands for; the error is for the deployer.
    pub(crate) fn find(&self, reference: &str) -> Result<Image, String> {
        if let Some(manifest) = self.built_in.get(reference) {
            return Ok(Image { manifest: manifest.clone(), folder: None });
        }
        if reference.contains('\0') {
            return Err("the image's name has a NUL in it".to_owned());
        }
        let path = Path::new(reference);
        if path.is_absolute() {
            return read_folder(path);
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(format!("image \"{reference}\" leads out of the folder of functions: leave \"..\" out"));
        }
        if let Some(manifest) = self.built_in.get(short_name(reference)) {
            return Ok(Image { manifest: manifest.clone(), folder: None });
        }
        let Some(functions_folder) = &self.functions_folder else {
            return Err(self.unknown(reference));
        };
        for candidate in [reference, short_name(reference)] {
            let folder = functions_folder.join(candidate);
            if !candidate.is_empty() && folder.join(MANIFEST_FILE).is_file() {
                return self.beneath(functions_folder, &folder, reference);
            }
        }
        Err(self.unknown(reference))
    }

    /// The image in `folder`, unless symbolic links lead it out of the folder of functions.
    fn beneath(&self, functions_folder: &Path, folder: &Path, reference: &str) -> Result<Image, String> {
        let canonical = |path: &Path| path.canonicalize().map_err(|e| format!("image \"{reference}\": {e}"));
        if !canonical(folder)?.starts_with(canonical(functions_folder)?) {
            return Err(format!("image \"{reference}\" leads out of the folder of functions through a symbolic link"));
        }
        read_folder(folder)
    }

    fn unknown(&self, reference: &str) -> String {
        let built_in = match self.built_in.is_empty() {
            true => "none".to_owned(),
            false => self.built_in.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        };
        let folder = match &self.functions_folder {
            Some(folder) => format!("there is no {} below {}", MANIFEST_FILE, folder.join(reference).display()),
            None => "no folder of functions is set, so that a folder must be named by its absolute path".to_owned(),
        };
        format!(
            "image \"{reference}\" is neither a built-in function nor a folder with a {MANIFEST_FILE}: {folder}; built in are: {built_in}"
        )
    }
}

/// The last segment of an image's name, without tag and digest: `ghcr.io/x/figlet:latest` → `figlet`.
fn short_name(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(':').next().unwrap_or(name)
}

/// Reads a folder's manifest and checks what can be checked without a deployment.
fn read_folder(folder: &Path) -> Result<Image, String> {
    let file = folder.join(MANIFEST_FILE);
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let length = std::fs::metadata(&file).map_err(|e| fail(&e))?.len();
    if length > MANIFEST_BYTES_MAX {
        return Err(fail(&format_args!("{length} bytes, a manifest has at most {MANIFEST_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(&file).map_err(|e| fail(&e))?;
    let mut manifest: ImageManifest = toml::from_str(&text).map_err(|e| fail(&e))?;
    let folder = folder.canonicalize().map_err(|e| fail(&e))?;
    check(&manifest).map_err(|e| fail(&e))?;
    if let Some(path) = &manifest.static_path {
        let inside = folder.join(path).canonicalize().map_err(|e| fail(&format_args!("static_path: {e}")))?;
        if !inside.starts_with(&folder) {
            return Err(fail(&format_args!("static_path {} leads out of the folder", path.display())));
        }
        manifest.static_path = Some(inside);
    }
    Ok(Image { manifest, folder: Some(folder) })
}

fn check(manifest: &ImageManifest) -> Result<(), String> {
    if let Some(memory) = &manifest.memory {
        quantity::memory_bytes(memory)?;
    }
    if let Some(cpu) = &manifest.cpu {
        quantity::cpu_cores(cpu)?;
    }
    if manifest.threads == Some(0) {
        return Err("threads is 0: a function keeps at least 1 busy".to_owned());
    }
    if manifest.listen.is_some() && manifest.mode != Some(Mode::Http) {
        return Err("listen belongs to mode = \"http\"".to_owned());
    }
    if manifest.static_path.is_some() && manifest.mode != Some(Mode::Static) {
        return Err("static_path belongs to mode = \"static\"".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(functions_folder: Option<&Path>) -> Images {
        let figlet = ImageManifest { fprocess: Some("figlet".to_owned()), ..ImageManifest::default() };
        Images {
            built_in: BTreeMap::from([("figlet".to_owned(), figlet)]),
            functions_folder: functions_folder.map(Path::to_path_buf),
        }
    }

    #[test]
    fn a_built_in_is_found_by_the_names_of_stack_files() {
        for name in ["figlet", "figlet:latest", "x/figlet:0.1", "ghcr.io/x/figlet:latest", "reg:5000/figlet@sha256:ab"]
        {
            assert!(images(None).find(name).is_ok_and(|image| image.folder.is_none()), "{name}");
        }
        let error = images(None).find("functions/alpine:latest").expect_err("not built in");
        assert!(error.contains("alpine") && error.contains("figlet"), "{error}");
    }

    #[test]
    fn a_folder_is_found_below_the_folder_of_functions_or_by_its_absolute_path() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("greet");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join(MANIFEST_FILE), "fprocess = \"cat\"\nmode = \"http\"\nlisten = 5000\n")
            .expect("file");
        let images = images(Some(root.path()));
        for name in ["greet", "./greet", "x/greet:latest", folder.to_str().expect("UTF-8")] {
            let image = images.find(name).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(image.manifest.listen, Some(Listen::Fixed(5000)));
        }
        assert!(images.find("../greet").is_err_and(|e| e.contains("..")));
        assert!(images.find("a/../../greet").is_err_and(|e| e.contains("..")));
        assert!(images.find("").is_err());
    }

    #[test]
    fn a_symbolic_link_does_not_lead_out_of_the_folder_of_functions() {
        let root = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        std::fs::write(elsewhere.path().join(MANIFEST_FILE), "fprocess = \"cat\"\n").expect("file");
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join("link")).expect("link");
        assert!(images(Some(root.path())).find("link").is_err_and(|e| e.contains("symbolic link")));
    }

    #[test]
    fn a_mistake_in_a_manifest_is_named_with_its_file() {
        let root = tempfile::tempdir().expect("a folder");
        for (text, word) in [
            ("fproces = \"cat\"", "fproces"),
            ("mode = \"inproc\"", "inproc"),
            ("mode = \"http\"\nlisten = \"sokket\"", "sokket"),
            ("mode = \"http\"\nlisten = 70000", "70000"),
            ("memory = \"lots\"", "lots"),
            ("listen = \"port\"", "http"),
            ("mode = \"static\"\nstatic_path = \"/etc\"", "leads out"),
            ("threads = 0", "threads"),
        ] {
            std::fs::write(root.path().join(MANIFEST_FILE), text).expect("file");
            let error = images(None).find(root.path().to_str().expect("UTF-8")).expect_err(text);
            assert!(error.contains(word) && error.contains(MANIFEST_FILE), "{text}: {error}");
        }
    }
}
