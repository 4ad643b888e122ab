//! Scenarios that can be opened: those that come with the program, and the files of a few folders. What a scenario names
//! is looked for beside it and nowhere else, whatever path it writes.

use std::fs;
use std::path::{Path, PathBuf};

use faas_lab_model::scenario::{BuiltIn, Folder, Loader, Need, Scenario, ScenarioErrors};
use serde::{Deserialize, Serialize};

/// Files of one folder that are listed.
const MOST_FILES: usize = 300;

/// Largest scenario that is read.
const MOST_BYTES: u64 = 4 << 20;

macro_rules! shipped {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../../scenarios/", $name, ".toml")))),*]
    };
}

/// Scenarios that come with the program.
const SHIPPED: [(&str, &str); 14] = shipped!(
    "pi4-k3s",
    "local-face",
    "printr-timeouts",
    "retry-storm",
    "async-queue",
    "scale-to-zero",
    "k3s-hpa",
    "aws-lambda-simfaas",
    "aws-lambda-calibrated",
    "mm1",
    "mmc",
    "mmck",
    "md1",
    "mg1-ps"
);

/// A scenario as a page names it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Named {
    /// One of the list.
    Listed(String),
    /// Pasted or uploaded: a name and the text.
    Text(String, String),
}

/// One line of the list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Listed {
    /// What a page sends back.
    pub(crate) id: String,
    /// What a reader sees.
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) group: String,
}

/// Folders whose scenarios may be opened.
#[derive(Debug)]
pub(crate) struct Shelf {
    folders: Vec<PathBuf>,
}

impl Shelf {
    /// A shelf of these folders, as far as they exist.
    pub(crate) fn new(folders: impl IntoIterator<Item = PathBuf>) -> Shelf {
        let mut real: Vec<PathBuf> = Vec::new();
        for folder in folders.into_iter().filter_map(|folder| fs::canonicalize(folder).ok()) {
            if !real.contains(&folder) {
                real.push(folder);
            }
        }
        Shelf { folders: real }
    }

    /// The id of a file that lies in one of the folders.
    pub(crate) fn id_of(&self, path: &Path) -> Option<String> {
        let path = fs::canonicalize(path).ok()?;
        let place = self.folders.iter().position(|folder| Some(folder.as_path()) == path.parent())?;
        Some(format!("{place}/{}", path.file_name()?.to_str()?))
    }

    /// Everything that can be opened.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let mut all = Vec::new();
        for (place, folder) in self.folders.iter().enumerate() {
            let group = folder.display().to_string();
            let listed = |name: String| Listed { id: format!("{place}/{name}"), name, group: group.clone() };
            all.extend(scenarios_in(folder).into_iter().map(listed));
        }
        let shipped = |(name, _): &(&str, &str)| Listed {
            id: format!("shipped/{name}"),
            name: (*name).to_owned(),
            group: "shipped with faas-lab".to_owned(),
        };
        all.extend(SHIPPED.iter().map(shipped));
        all
    }

    /// Reads a scenario with overrides laid over it.
    pub(crate) fn load(&self, named: &Named, overrides: &[String]) -> Result<Scenario, LoadError> {
        match named {
            Named::Text(name, text) => Ok(Scenario::parse(name, text, overrides, &BuiltIn)?),
            Named::Listed(id) => {
                let (name, text, folder) = self.text(id)?;
                match folder {
                    None => Ok(Scenario::parse(&name, &text, overrides, &BuiltIn)?),
                    Some(folder) => Ok(Scenario::parse(&name, &text, overrides, &Fenced(folder))?),
                }
            }
        }
    }

    /// A listed scenario: the path or name that messages use, its text, and its folder.
    fn text(&self, id: &str) -> Result<(String, String, Option<&Path>), LoadError> {
        let unknown = || LoadError::Unknown(id.to_owned());
        let (shelf, name) = id.split_once('/').ok_or_else(unknown)?;
        if shelf == "shipped" {
            let (name, text) = SHIPPED.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
            return Ok((format!("{name}.toml"), (*text).to_owned(), None));
        }
        let folder = shelf.parse::<usize>().ok().and_then(|place| self.folders.get(place)).ok_or_else(unknown)?;
        // Only names that the folder itself lists, so that no path leads out of it.
        if !scenarios_in(folder).iter().any(|listed| listed == name) {
            return Err(unknown());
        }
        let path = folder.join(name);
        let text =
            fs::read_to_string(&path).map_err(|error| LoadError::Unreadable(name.to_owned(), error.to_string()))?;
        Ok((name.to_owned(), text, Some(folder)))
    }
}

/// Names of the scenario files of a folder, in order.
fn scenarios_in(folder: &Path) -> Vec<String> {
    let inside = |path: &Path| fs::canonicalize(path).is_ok_and(|real| real.parent() == Some(folder));
    let small = |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= MOST_BYTES);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let files =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "toml") && small(path) && inside(path));
    let mut names: Vec<String> =
        files.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).take(MOST_FILES).collect();
    names.sort();
    names
}

/// Files of a folder and of folders in it; paths that lead out of it are refused.
struct Fenced<'a>(&'a Path);

impl Loader for Fenced<'_> {
    fn load(&self, need: Need<'_>) -> Result<Option<String>, String> {
        let outside =
            |what: &str| Err(format!("{what} lies outside the folder of the scenario, which this page does not read"));
        let path = match need {
            Need::Profile(name) => self.0.join("profiles").join(format!("{name}.toml")),
            Need::Prices(name) => self.0.join("prices").join(format!("{name}.toml")),
            Need::Trace(path) => self.0.join(path),
        };
        match (fs::canonicalize(&path), need) {
            (Ok(real), _) if real.starts_with(self.0) => Folder(self.0.to_path_buf()).load(need),
            (Ok(_), Need::Profile(name) | Need::Prices(name)) => outside(name),
            // Whether there is such a file is nothing that a page may find out.
            (_, Need::Trace(written)) if !stays_inside(written) => outside(written),
            (Ok(_), Need::Trace(written)) => outside(written),
            (Err(_), _) => Folder(self.0.to_path_buf()).load(need),
        }
    }
}

/// Whether a relative path does not climb.
fn stays_inside(path: &str) -> bool {
    Path::new(path)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir))
}

/// Why a scenario cannot be opened.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// It is not in the list.
    Unknown(String),
    /// It is, but the file cannot be read.
    Unreadable(String, String),
    /// It is no valid scenario.
    Invalid(ScenarioErrors),
}

impl From<ScenarioErrors> for LoadError {
    fn from(errors: ScenarioErrors) -> LoadError {
        LoadError::Invalid(errors)
    }
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Unknown(id) => write!(f, "there is no scenario {id:?} in the list; reload the page"),
            LoadError::Unreadable(name, why) => write!(f, "{name} cannot be read: {why}"),
            LoadError::Invalid(errors) => errors.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_program_opens() {
        let shelf = Shelf::new([]);
        for listed in shelf.list() {
            shelf.load(&Named::Listed(listed.id.clone()), &[]).unwrap_or_else(|error| panic!("{}: {error}", listed.id));
        }
        assert_eq!(shelf.list().len(), SHIPPED.len());
    }

    #[test]
    fn nothing_outside_a_folder_is_read() {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("mine");
        fs::create_dir(&folder).expect("a folder");
        fs::write(outer.path().join("secret.csv"), "1\n2\n").expect("a file");
        fs::write(folder.join("near.csv"), "1\n2\n").expect("a file");
        let scenario = |trace: &str| {
            format!(
                "duration = \"10s\"\n[function.f]\ndemand = \"1ms\"\n[[workload]]\nfunction = \"f\"\narrivals = {{ trace = \"{trace}\" }}\n"
            )
        };
        fs::write(folder.join("good.toml"), scenario("near.csv")).expect("a file");
        fs::write(folder.join("bad.toml"), scenario("../secret.csv")).expect("a file");
        fs::write(outer.path().join("outer.toml"), scenario("secret.csv")).expect("a file");
        let shelf = Shelf::new([folder.clone()]);
        let load = |id: &str, overrides: &[String]| shelf.load(&Named::Listed(id.to_owned()), overrides);
        assert!(load("0/good.toml", &[]).is_ok());
        for id in ["0/bad.toml", "0/../outer.toml", "0/outer.toml", "1/good.toml", "shipped/../good", "good.toml", ""] {
            assert!(load(id, &[]).is_err(), "{id}");
        }
        let secret = outer.path().join("secret.csv").display().to_string();
        for trace in ["../secret.csv", "/etc/passwd", "../nothing.csv", &secret] {
            let change = format!("workload.0.arrivals={{ trace = \"{trace}\" }}");
            let error = load("0/good.toml", &[change]).expect_err("it lies outside").to_string();
            assert!(error.contains("lies outside"), "{error}");
        }
        assert!(shelf.load(&Named::Text("x".to_owned(), scenario("near.csv")), &[]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_out() {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("mine");
        fs::create_dir(&folder).expect("a folder");
        fs::write(outer.path().join("secret.toml"), faas_lab_model::scenario::template()).expect("a file");
        std::os::unix::fs::symlink(outer.path().join("secret.toml"), folder.join("link.toml")).expect("a link");
        assert!(Shelf::new([folder]).load(&Named::Listed("0/link.toml".to_owned()), &[]).is_err());
    }
}
