//! What the shipped scenarios say today, in small files to be reviewed as a diff.
//!
//! To refresh them: `FAAS_LAB_REFRESH=1 cargo test -p faas-lab --test it golden`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use faas_lab_model::metrics::result::RunResult;
use faas_lab_model::scenario::Scenario;
use faas_lab_model::time::Span;

use crate::Desk;

const REFRESH: &str = "FAAS_LAB_REFRESH=1 cargo test -p faas-lab --test it golden";

/// Longer scenarios are cut to this, which a debug build plays in a moment.
const LONGEST: Span = Span::from_secs(2 * 3600);

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Holds `text` against the golden file of that name, or writes it there.
fn compare(name: &str, text: &str) -> Result<(), String> {
    let path = project("sim/cli/tests/golden").join(name);
    if std::env::var_os("FAAS_LAB_REFRESH").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("writable");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    if golden == text { Ok(()) } else { Err(format!("{name}:\n{}", difference(&golden, text))) }
}

/// Lines that are only in the golden file (-) or only in what is said now (+), in order.
fn difference(golden: &str, now: &str) -> String {
    let only = |sign: char, these: &str, others: &str| -> Vec<(usize, char, String)> {
        let missing = |(_, line): &(usize, &str)| !others.lines().any(|other| other == *line);
        these.lines().enumerate().filter(missing).map(|(at, line)| (at, sign, line.to_owned())).collect()
    };
    let mut lines = only('-', golden, now);
    lines.extend(only('+', now, golden));
    lines.sort_by_key(|(at, sign, _)| (*at, *sign == '+'));
    lines.iter().map(|(at, sign, line)| format!("{sign} {:>4} {line}\n", at + 1)).collect()
}

/// Nine digits: what is beyond may depend on the order of a sum.
fn rounded(value: f64) -> f64 {
    format!("{value:.8e}").parse().expect("a number")
}

/// Outcomes and metrics, one to a line.
fn told(result: &RunResult, overrides: &[String]) -> String {
    let mut text = format!("# {} with {}\n", result.name, overrides.join(" "));
    for function in &result.functions {
        for outcome in &function.outcomes {
            let status = outcome.status.map_or("-".to_owned(), |status| status.to_string());
            let hop = outcome.hop.as_deref().unwrap_or("-");
            text += &format!("{}: {} {} {} {}\n", function.name, outcome.count, outcome.outcome.name(), status, hop);
        }
    }
    let means: BTreeMap<&str, f64> =
        result.summary.iter().map(|(key, estimate)| (key.as_str(), estimate.mean)).collect();
    means.iter().for_each(|(key, mean)| text += &format!("{key} = {}\n", rounded(*mean)));
    for warning in &result.warnings {
        text += &format!("warning {}\n", warning.code);
    }
    text
}

#[test]
fn golden_summaries_of_the_shipped_scenarios() {
    let desk = Desk::new();
    let mut files: Vec<PathBuf> =
        fs::read_dir(project("scenarios")).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    assert!(files.len() > 8, "{files:?}");
    let mut differences = Vec::new();
    for file in files {
        let scenario = Scenario::load(&file, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        let mut overrides = vec!["seed=1".to_owned(), "replications=2".to_owned()];
        if scenario.duration > LONGEST {
            overrides.extend([format!("duration={LONGEST}"), "warmup=0s".to_owned()]);
        }
        let path = file.to_string_lossy();
        let mut words = vec!["simulate", &path, "--quiet", "--out", "out"];
        words.extend(overrides.iter().flat_map(|over| ["--set", over]));
        let output = desk.run(&words);
        // A missed objective is part of what some scenarios show.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{path}: {}", crate::stderr(&output));
        let json = fs::read_to_string(desk.path("out/result.json")).expect("written");
        let result = RunResult::read(&json).expect("our own");
        let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
        differences.extend(compare(&format!("{stem}.txt"), &told(&result, &overrides)).err());
    }
    assert!(differences.is_empty(), "{}\nIf that is meant, refresh: {REFRESH}", differences.join("\n"));
}

#[test]
fn golden_terminal_summary() {
    let desk = Desk::new();
    let path = project("scenarios/pi4-k3s.toml");
    let words = ["--seed", "1", "--replications", "2"];
    let output = desk.command(&["simulate", &path.to_string_lossy()]).args(words).output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    compare("terminal.txt", &text)
        .unwrap_or_else(|difference| panic!("{difference}\nIf that is meant, refresh: {REFRESH}"));
}
