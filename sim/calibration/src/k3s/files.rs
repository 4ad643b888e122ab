//! The raw files: `hey -o csv`, one row per request; pods and when they were ready; replicas and when they were there.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why the data cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder that cannot be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file without a single usable row.
    #[error("{path} holds no {what}")]
    Empty {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
}

/// A request as `hey` writes it, in seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Response {
    /// From sending to the end of the answer.
    #[serde(rename = "response-time")]
    pub(super) secs: f64,
    /// Since the start of the run.
    pub(super) offset: f64,
}

/// The requests of a run, in the order of the file.
pub(super) fn responses(path: &Path) -> Result<Vec<Response>, DataError> {
    rows(path, "requests")
}

/// Their response times.
pub(super) fn times(path: &Path) -> Result<Vec<f64>, DataError> {
    Ok(responses(path)?.iter().map(|response| response.secs).collect())
}

/// A pod and the whole seconds from being scheduled to being ready.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PodStart {
    /// The function.
    pub(super) app: String,
    /// Seconds.
    #[serde(rename = "delay")]
    pub(super) secs: f64,
}

pub(super) fn pod_starts(path: &Path) -> Result<Vec<PodStart>, DataError> {
    rows(path, "starts of pods")
}

/// A change of the number of pods.
#[derive(Clone, Debug, Deserialize)]
struct Change {
    replicas: u32,
    timestamp: String,
    load: u32,
}

/// When there were so many pods first, in seconds since the file's first line, on the way up.
pub(super) fn steps(path: &Path) -> Result<Vec<(u32, f64)>, DataError> {
    let changes: Vec<Change> = rows(path, "changes of the number of replicas")?;
    let unreadable = |text: &str| DataError::Unreadable {
        path: path.to_owned(),
        why: format!("{text:?} is not a time such as 2021-12-10 08:27:33"),
    };
    let mut first = None;
    let mut steps = Vec::new();
    for change in changes.iter().filter(|change| change.load > 0) {
        let at = second_of_day(&change.timestamp).ok_or_else(|| unreadable(&change.timestamp))?;
        let first = *first.get_or_insert(at);
        if change.replicas > 1 {
            // A run may go on past midnight.
            steps.push((change.replicas, (at - first).rem_euclid(86_400.0)));
        }
    }
    Ok(steps)
}

fn second_of_day(timestamp: &str) -> Option<f64> {
    let (_, clock) = timestamp.split_once(' ')?;
    let parts: Option<Vec<f64>> = clock.split(':').map(|part| part.parse().ok()).collect();
    match parts?[..] {
        [hours, minutes, seconds] => Some(3600.0 * hours + 60.0 * minutes + seconds),
        _ => None,
    }
}

fn rows<T: serde::de::DeserializeOwned>(path: &Path, what: &'static str) -> Result<Vec<T>, DataError> {
    let unreadable = |why: String| DataError::Unreadable { path: path.to_owned(), why };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| unreadable(error.to_string()))?;
    let rows: Result<Vec<T>, _> = reader.deserialize().collect();
    let rows = rows.map_err(|error| unreadable(error.to_string()))?;
    if rows.is_empty() { Err(DataError::Empty { path: path.to_owned(), what }) } else { Ok(rows) }
}

/// Functions that have a file in a folder, in the order of their names.
pub(super) fn functions(folder: &Path) -> Result<Vec<String>, DataError> {
    let unreadable = |error: std::io::Error| DataError::Unreadable { path: folder.to_owned(), why: error.to_string() };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "csv")
            && let Some(stem) = path.file_stem()
        {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file.csv");
        fs::write(&path, text).expect("a file");
        (folder, path)
    }

    #[test]
    fn columns_are_found_by_name() {
        let (_kept, path) = file("response-time,DNS,status-code,offset\n1.5,0.1,200,0.25\n2.5,0.1,200,3\n");
        let found: Vec<(f64, f64)> = responses(&path).unwrap().iter().map(|row| (row.secs, row.offset)).collect();
        assert_eq!(found, [(1.5, 0.25), (2.5, 3.0)]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let (_kept, path) = file("response-time,offset\n");
        assert!(responses(&path).unwrap_err().to_string().ends_with("file.csv holds no requests"));
        let (_kept, path) = file("response-time,offset\nfast,0\n");
        assert!(responses(&path).unwrap_err().to_string().contains("line: 2"), "{:?}", responses(&path));
        let missing = responses(Path::new("nowhere.csv")).unwrap_err().to_string();
        assert!(missing.starts_with("nowhere.csv cannot be read"), "{missing}");
    }

    #[test]
    fn steps_count_from_the_first_line_and_only_upwards() {
        let (_kept, path) = file(
            "test_name, replicas, timestamp, load\nf, 1, 2021-12-10 23:59:50, 4\nf, 2, 2021-12-11 00:00:20, 4\n\
             f, 3, 2021-12-11 00:01:00, 8\nf, 2, 2021-12-11 00:09:00, 0\n",
        );
        assert_eq!(steps(&path).unwrap(), [(2, 30.0), (3, 70.0)]);
    }
}
