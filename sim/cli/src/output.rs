//! The folder of results. It appears as a whole or not at all, and takes the place of an older one only if that is ours.
//!
//! Files are first written into a hidden folder beside the final one, which also shows at once, before a long run,
//! whether writing is possible.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The result itself.
pub(crate) const RESULT: &str = "result.json";
/// Series over time.
pub(crate) const TIMELINE: &str = "timeline.csv";
/// The page to read.
pub(crate) const REPORT: &str = "report.html";
/// One line per request.
pub(crate) const REQUESTS: &str = "requests.csv";

/// Response times of a live run as an HdrHistogram interval log.
pub(crate) const LOG: &str = "responses.hlog";
/// The metrics of a live run for Prometheus.
pub(crate) const METRICS: &str = "metrics.prom";

/// What a part of a shared live run has seen, for joining it with the others.
pub(crate) const LEDGER: &str = "ledger.json";

/// A comparison with all its results.
pub(crate) const COMPARISON: &str = "comparison.json";
/// A row for each entry and metric of a comparison.
pub(crate) const TABLE: &str = "comparison.csv";
/// Folder with a folder for each point, and a [`RESULT`] in that.
pub(crate) const POINTS: &str = "points";

/// The best setting of a scenario, complete.
pub(crate) const BEST: &str = "best.toml";
/// A row for each setting that was searched.
pub(crate) const SETTINGS: &str = "settings.csv";

const OURS: [&str; 12] =
    [RESULT, TIMELINE, REPORT, REQUESTS, LOG, METRICS, LEDGER, COMPARISON, TABLE, POINTS, BEST, SETTINGS];

/// What shows that a folder is ours.
const PROOFS: [&str; 3] = [RESULT, COMPARISON, SETTINGS];

/// A results folder in the making; dropped without [`publish`](Staging::publish), it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Staging {
    target: PathBuf,
    hidden: PathBuf,
}

impl Staging {
    /// Prepares to replace `target`, which may be missing, empty, or an older result.
    pub(crate) fn new(target: &Path) -> Result<Staging, Failure> {
        let target = resolve(target)?;
        ensure_replaceable(&target)?;
        let (parent, name) = parts(&target)?;
        fs::create_dir_all(parent).map_err(|error| Failure::with_path("create the folder", parent, &error))?;
        let hidden = parent.join(format!(".{name}.{}.partial", std::process::id()));
        fs::create_dir(&hidden).map_err(|error| Failure::with_path("create the folder", &hidden, &error))?;
        Ok(Staging { target, hidden })
    }

    /// Where the results will be.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Creates a file of the folder.
    pub(crate) fn create(&self, name: &str) -> Result<File, Failure> {
        let path = self.hidden.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| self.failed(name, &error))?;
        }
        File::create(&path).map_err(|error| self.failed(name, &error))
    }

    /// Writes a whole file of the folder.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let mut file = self.create(name)?;
        // A disk may admit only now that it is full.
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| self.failed(name, &error))
    }

    /// A failure to write the file `name`, under the name it would have had.
    pub(crate) fn failed(&self, name: &str, error: &std::io::Error) -> Failure {
        Failure::with_path("write", &self.target.join(name), error)
    }

    /// Puts the folder under its final name.
    pub(crate) fn publish(self) -> Result<(), Failure> {
        let replace = |error| Failure::with_path("replace the folder", &self.target, &error);
        // It may have changed during the run.
        ensure_replaceable(&self.target)?;
        let older = self.hidden.with_extension("old");
        let replaced = match fs::rename(&self.target, &older) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(replace(error)),
        };
        if let Err(error) = fs::rename(&self.hidden, &self.target) {
            if replaced {
                let _ = fs::rename(&older, &self.target);
            }
            return Err(replace(error));
        }
        if replaced {
            fs::remove_dir_all(&older).map_err(|error| Failure::with_path("remove the folder", &older, &error))?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After `publish` there is nothing of this name any more.
        let _ = fs::remove_dir_all(&self.hidden);
    }
}

/// Follows links, so that the folder is replaced rather than the link to it.
fn resolve(target: &Path) -> Result<PathBuf, Failure> {
    match fs::canonicalize(target) {
        Ok(_) if std::env::current_dir().is_ok_and(|here| is_above(target, &here)) => {
            Err(Failure::new(format!("{} cannot be replaced while working in it", target.display()))
                .help("name a folder inside it, such as `--out results`"))
        }
        Ok(real) if fs::symlink_metadata(target).is_ok_and(|meta| meta.is_symlink()) => Ok(real),
        Ok(_) => Ok(target.to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(target.to_owned()),
        Err(error) => Err(Failure::with_path("read", target, &error)),
    }
}

fn is_above(folder: &Path, here: &Path) -> bool {
    match (fs::canonicalize(folder), fs::canonicalize(here)) {
        (Ok(folder), Ok(here)) => here.starts_with(folder),
        _ => false,
    }
}

fn parts(target: &Path) -> Result<(&Path, String), Failure> {
    let name = target.file_name().ok_or_else(|| Failure::new(format!("{} names no folder", target.display())))?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((parent, name.to_string_lossy().into_owned()))
}

/// Nothing is deleted that we did not write.
fn ensure_replaceable(target: &Path) -> Result<(), Failure> {
    let elsewhere = "choose another folder with `--out`, or empty this one";
    let entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(Failure::new(format!("{} is not a folder", target.display())).help("choose another `--out`"));
        }
        Err(error) => return Err(Failure::with_path("read the folder", target, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Failure::with_path("read the folder", target, &error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let foreign = names.iter().find(|name| !OURS.contains(&name.as_str()));
    if let Some(name) = foreign {
        let message = format!("{} holds {name}, which is not part of a result", target.display());
        return Err(Failure::new(message).help(elsewhere));
    }
    if !names.is_empty() && !names.iter().any(|name| PROOFS.contains(&name.as_str())) {
        let message = format!("{} holds {} but no {RESULT}: it is not a result of ours", target.display(), names[0]);
        return Err(Failure::new(message).help(elsewhere));
    }
    if names.iter().any(|name| name == POINTS)
        && let Some(foreign) = foreign_point(&target.join(POINTS))
    {
        let message = format!("{} is not part of a result", foreign.display());
        return Err(Failure::new(message).help(elsewhere));
    }
    Ok(())
}

/// Something below the folder of points that is no result of a point.
fn foreign_point(points: &Path) -> Option<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    if !points.is_dir() {
        return Some(points.to_owned());
    }
    entries(points).find_map(|point| match point.is_dir() {
        true => entries(&point).find(|file| !file.ends_with(RESULT)),
        false => Some(point),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str) {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join(name), "old").expect("a file");
    }

    #[test]
    fn a_result_appears_as_a_whole() {
        let home = tempfile::tempdir().expect("a folder");
        let target = home.path().join("deep/er/out");
        let staging = Staging::new(&target).expect("prepared");
        staging.write(RESULT, b"new").expect("written");
        assert!(!target.exists());
        staging.publish().expect("published");
        assert_eq!(fs::read(target.join(RESULT)).expect("there"), b"new");
        assert_eq!(fs::read_dir(target.parent().expect("a parent")).expect("a folder").count(), 1);
    }

    #[test]
    fn an_older_result_goes_and_a_given_up_one_leaves_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        let target = home.path().join("out");
        put(&target, RESULT);
        put(&target, REQUESTS);
        drop(Staging::new(&target).expect("prepared"));
        assert_eq!(fs::read(target.join(RESULT)).expect("there"), b"old");
        let staging = Staging::new(&target).expect("prepared");
        staging.write(RESULT, b"new").expect("written");
        staging.publish().expect("published");
        assert!(!target.join(REQUESTS).exists());
        assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_is_not_ours_stays() {
        let home = tempfile::tempdir().expect("a folder");
        for names in [&["thesis.tex"][..], &[RESULT, "notes.md"], &[REPORT]] {
            let target = home.path().join(names.join("-"));
            names.iter().for_each(|name| put(&target, name));
            let failure = Staging::new(&target).expect_err("refused").to_string();
            assert!(failure.contains("help:"), "{failure}");
            assert_eq!(fs::read_dir(&target).expect("a folder").count(), names.len());
        }
        let points = home.path().join("comparison");
        put(&points, COMPARISON);
        put(&points.join(POINTS).join("01-a"), RESULT);
        assert!(Staging::new(&points).is_ok());
        put(&points.join(POINTS).join("01-a"), "notes.md");
        assert!(Staging::new(&points).expect_err("refused").to_string().contains("notes.md"));
        put(home.path(), "file");
        assert!(Staging::new(&home.path().join("file")).is_err());
    }

    #[test]
    fn a_file_that_came_during_the_run_stays() {
        let home = tempfile::tempdir().expect("a folder");
        let target = home.path().join("out");
        let staging = Staging::new(&target).expect("prepared");
        put(&target, "thesis.tex");
        assert!(staging.publish().is_err());
        assert!(target.join("thesis.tex").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_keeps_pointing_to_the_new_result() {
        let home = tempfile::tempdir().expect("a folder");
        put(&home.path().join("real"), RESULT);
        let link = home.path().join("latest");
        std::os::unix::fs::symlink("real", &link).expect("a link");
        let staging = Staging::new(&link).expect("prepared");
        staging.write(RESULT, b"new").expect("written");
        staging.publish().expect("published");
        assert_eq!(fs::read(home.path().join("real").join(RESULT)).expect("there"), b"new");
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    }
}
