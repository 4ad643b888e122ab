//! Where the face-api models come from: the npm package, named and pinned, its files checked against the sums below.
//!
//! A network is loaded when it is first needed.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::nets::{Describer, Landmarker, ModelError, Ssd, Tiny};

/// The npm package that the models come with.
pub const PACKAGE: &str = "@vladmandic/face-api";

/// Its version.
pub const VERSION: &str = "1.7.15";

/// The files used here, with their SHA-256.
const FILES: [(&str, &str); 8] = [
    (
        "tiny_face_detector_model-weights_manifest.json",
        "5d1af4849ac48d5b985f4a9b16010c512353ddd6fcc63d50fd0bc9e9e64296e5",
    ),
    ("tiny_face_detector_model.bin", "b7503ce7df31039b1c43316a9b865cab6a70dd748cc602d3fa28b551503c3871"),
    ("ssd_mobilenetv1_model-weights_manifest.json", "888f744dffbc84f5f060d1f8427d9742341943a2dfaaf9205d10029b7e7a2955"),
    ("ssd_mobilenetv1_model.bin", "2835640602d53718aa6ae9a42896327eaa21beefed056c218d32ca7d79e1e2f8"),
    (
        "face_landmark_68_model-weights_manifest.json",
        "ca4886639f86e99b39fed0c155f81b63317225773bd9616716e887b0153389c9",
    ),
    ("face_landmark_68_model.bin", "4611ef65c87d836d03d684b30eec4d195d8b219fa1dd58fc58945831c6b9299b"),
    (
        "face_recognition_model-weights_manifest.json",
        "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
    ),
    ("face_recognition_model.bin", "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589"),
];

/// The networks, each loaded when first asked for.
#[derive(Default)]
pub struct Models {
    folder: PathBuf,
    landmarker: OnceLock<Landmarker>,
    describer: OnceLock<Describer>,
    ssd: OnceLock<Ssd>,
    tiny: Mutex<BTreeMap<usize, Arc<Tiny>>>,
    /// One network is loaded at a time, and once.
    loading: Mutex<()>,
}

impl Models {
    /// The models in `folder`, which need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), ..Self::default() }
    }

    /// Whether the models are there.
    pub fn are_installed(&self) -> bool {
        FILES.iter().all(|(name, _)| self.folder.join(name).is_file())
    }

    /// Where they are looked for.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The landmark network.
    pub fn landmarker(&self) -> Result<&Landmarker, ModelError> {
        self.load(&self.landmarker, Landmarker::load)
    }

    /// The descriptor network.
    pub fn describer(&self) -> Result<&Describer, ModelError> {
        self.load(&self.describer, Describer::load)
    }

    pub(crate) fn ssd(&self) -> Result<&Ssd, ModelError> {
        self.load(&self.ssd, Ssd::load)
    }

    pub(crate) fn tiny(&self, size: usize) -> Result<Arc<Tiny>, ModelError> {
        let mut sizes = self.tiny.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tiny) = sizes.get(&size) {
            return Ok(tiny.clone());
        }
        let tiny = Arc::new(Tiny::load(&self.folder, size)?);
        sizes.insert(size, tiny.clone());
        Ok(tiny)
    }

    fn load<'a, T>(
        &self,
        place: &'a OnceLock<T>,
        load: impl FnOnce(&Path) -> Result<T, ModelError>,
    ) -> Result<&'a T, ModelError> {
        if let Some(network) = place.get() {
            return Ok(network);
        }
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = place.get() {
            return Ok(network);
        }
        let network = load(&self.folder)?;
        Ok(place.get_or_init(|| network))
    }
}

/// Why the models could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchModelsError {
    /// npm is not there, or failed.
    #[error(
        "npm could not fetch {PACKAGE}@{VERSION}: {0}\nInstall Node.js with npm, or copy the package's folder `model` from elsewhere and name it in FACE_MODELS"
    )]
    Npm(String),
    /// A file is not the one that was meant.
    #[error("{0} is not the file of {PACKAGE}@{VERSION}: its SHA-256 differs")]
    WrongSum(String),
    /// A file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Installs the package with npm in a temporary folder, checks the model files, and copies them and nothing else to
/// `folder`. Nothing of the package is run.
pub fn fetch(folder: &Path) -> Result<(), FetchModelsError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| FetchModelsError::File { path, source }
    };
    let scratch = tempfile::tempdir().map_err(file(&env::temp_dir()))?;
    let output = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"])
        .arg(scratch.path())
        .arg(format!("{PACKAGE}@{VERSION}"))
        .output()
        .map_err(|error| FetchModelsError::Npm(error.to_string()))?;
    if !output.status.success() {
        return Err(FetchModelsError::Npm(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let package = scratch.path().join("node_modules").join(PACKAGE);
    fs::create_dir_all(folder).map_err(file(folder))?;
    for (name, sum) in FILES {
        let source = package.join("model").join(name);
        let bytes = fs::read(&source).map_err(file(&source))?;
        if hex(&Sha256::digest(&bytes)) != sum {
            return Err(FetchModelsError::WrongSum(name.to_owned()));
        }
        let target = folder.join(name);
        fs::write(&target, bytes).map_err(file(&target))?;
    }
    let (licence, copy) = (package.join("LICENSE"), folder.join("LICENSE"));
    fs::copy(licence, &copy).map_err(file(&copy))?;
    Ok(())
}

/// Where models are kept unless FACE_MODELS says otherwise: the user's folder for data.
pub fn default_folder() -> PathBuf {
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    data.or_else(home).unwrap_or_else(|| PathBuf::from(".")).join("faas-lab/face-models")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
