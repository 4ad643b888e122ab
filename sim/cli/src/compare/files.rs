//! Results that were written before: found, read and given names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use faas_lab_model::metrics::ReadError;
use faas_lab_model::metrics::comparison::Entry;
use faas_lab_model::metrics::result::{RunResult, Source, Warning};

use crate::failure::Failure;
use crate::output::{POINTS, RESULT};

/// A result that was found.
struct Found {
    /// A name given on the command line.
    name: Option<String>,
    path: PathBuf,
    result: RunResult,
}

/// Reads what the words of the command line name. What cannot be read as a result is a warning, unless too little is left.
pub(super) fn read(inputs: &[PathBuf]) -> Result<(Vec<Entry>, Vec<Warning>), Failure> {
    let (mut found, mut refused, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for input in inputs {
        let (name, path) = named(input);
        for path in result_files(&path)? {
            match read_one(&path) {
                Ok(result) => found.push(Found { name: name.clone(), path, result }),
                Err(why) => refused.push(format!("{}: {why}", path.display())),
            }
        }
    }
    if found.len() < 2 {
        let message = match refused.is_empty() {
            true => "a comparison needs two results at least".to_owned(),
            false => format!("a comparison needs two results at least, but\n  {}", refused.join("\n  ")),
        };
        return Err(Failure::new(message)
            .help("name result.json files or their folders, or one scenario (*.toml) with --vary or variants"));
    }
    warnings.extend(
        refused
            .into_iter()
            .map(|text| Warning { code: "not-compared".into(), text: format!("{text}. It is left out.") }),
    );
    let labels = labels(&found);
    let entries = found.into_iter().zip(labels);
    Ok((entries.map(|(found, label)| Entry { label, values: Vec::new(), result: found.result }).collect(), warnings))
}

/// `NAME=PATH`, if there is no file of the whole name.
fn named(input: &Path) -> (Option<String>, PathBuf) {
    let split = input.to_str().and_then(|text| text.split_once('='));
    match split {
        Some((name, path)) if !input.exists() && !name.is_empty() && Path::new(path).exists() => {
            (Some(name.to_owned()), PathBuf::from(path))
        }
        _ => (None, input.to_owned()),
    }
}

/// The file itself; the folder's result; or the results of a comparison's points.
fn result_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let missing = |error| {
        Failure::with_path("read", path, &error)
            .help("name a result.json as `faas-lab simulate` writes it, or its folder")
    };
    if !fs::metadata(path).map_err(missing)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let own = path.join(RESULT);
    if own.is_file() {
        return Ok(vec![own]);
    }
    let points = if path.join(POINTS).is_dir() { path.join(POINTS) } else { path.to_owned() };
    let entries = fs::read_dir(&points).map_err(missing)?;
    let mut below: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path().join(RESULT)).filter(|file| file.is_file()).collect();
    below.sort();
    match below.is_empty() {
        true => Err(Failure::new(format!("{} holds no {RESULT}, nor does a folder in it", path.display()))
            .help("name a result.json as `faas-lab simulate` writes it, or its folder")),
        false => Ok(below),
    }
}

fn read_one(path: &Path) -> Result<RunResult, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let result = RunResult::read(&text).map_err(|error| match error {
        ReadError::Version { .. } => format!("{error}; run its `command` again with this version"),
        ReadError::Form(_) | ReadError::NotFinite { .. } => error.to_string(),
    })?;
    match faas_lab_reports::check(&result) {
        Ok(()) => Ok(result),
        Err(error) => Err(error.to_string()),
    }
}

/// The shortest kind of name that tells all results apart, for those that were not given one.
fn labels(found: &[Found]) -> Vec<String> {
    let alike = found.iter().all(|other| other.result.name == found[0].result.name);
    let source = |found: &Found| match alike {
        true => source_word(&found.result).to_owned(),
        false => format!("{} ({})", found.result.name, source_word(&found.result)),
    };
    let kinds: [&dyn Fn(&Found) -> String; 4] = [
        &|found| found.result.name.clone(),
        &source,
        &|found| setting(found).unwrap_or_else(|| folder(found)),
        &folder,
    ];
    let label = |kind: &dyn Fn(&Found) -> String| -> Vec<String> {
        found.iter().map(|found| plain(&found.name.clone().unwrap_or_else(|| kind(found)))).collect()
    };
    let apart = |labels: &Vec<String>| labels.iter().collect::<BTreeSet<_>>().len() == labels.len();
    kinds.into_iter().map(label).find(apart).unwrap_or_else(|| {
        let paths = label(&|found: &Found| found.path.display().to_string());
        paths.iter().enumerate().map(|(k, path)| format!("{path} #{}", k + 1)).collect()
    })
}

fn source_word(result: &RunResult) -> &'static str {
    match result.source {
        Source::Simulated => "simulated",
        Source::Measured => "measured",
    }
}

/// The settings laid over the scenario, by the end of their keys.
fn setting(found: &Found) -> Option<String> {
    let overrides = &found.result.scenario.overrides;
    let short = overrides.iter().filter(|text| !text.starts_with("seed=") && !text.starts_with("replications="));
    let short: Vec<String> = short
        .map(|text| {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            format!("{}={}", key.rsplit('.').next().unwrap_or(key), value.trim_matches('"'))
        })
        .collect();
    (!short.is_empty()).then(|| short.join(", "))
}

/// The folder that the result is in; or the file's name if that says more.
fn folder(found: &Found) -> String {
    let stem = found.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if stem != "result" {
        return stem;
    }
    let parent = found.path.parent().and_then(Path::file_name);
    parent.map_or(stem, |name| name.to_string_lossy().into_owned())
}

/// Without control characters.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
