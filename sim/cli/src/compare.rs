//! `faas-lab compare`: settings of a scenario, or results, side by side.

mod files;
mod gate;
mod table;
mod text;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use faas_lab_experiments::comparison::{Material, juxtapose};
use faas_lab_experiments::gate::Rule;
use faas_lab_experiments::grid::{Combine, Grid};
use faas_lab_experiments::{Contest, Crew, contest};
use faas_lab_model::metrics::comparison::{Comparison, Difference, Entry};
use faas_lab_model::metrics::result::{RunResult, Warning};
use faas_lab_model::scenario::{Scenario, ScenarioErrors, WarmUp};
use serde::Serialize;

use crate::args::CompareArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{COMPARISON, POINTS, REPORT, RESULT, Staging, TABLE};
use crate::progress::ProgressLine;
use crate::simulate::{RESULTS, quoted};
use crate::{interrupt, terminal};

/// Points that one page can show.
const MOST_POINTS: usize = 500;

pub(crate) use table::number;
pub(crate) use text::wrapped;

pub(crate) fn run(arguments: &CompareArguments) -> Result<Outcome, Failure> {
    let rules = rules(&arguments.fail_if)?;
    let scenario = is_scenario(arguments)?;
    let (mut comparison, staging, stopped) = match scenario {
        true => of_scenario(arguments)?,
        false => of_results(arguments)?,
    };
    // Terminal, JSON and page say the same sentence.
    comparison.answer = faas_lab_reports::answer(&comparison)?;
    let verdict = gate::Verdict::new(&rules, &comparison);
    write(&comparison, scenario, &staging)?;
    if let Some(file) = &arguments.junit {
        gate::write_junit(file, &verdict, &comparison)?;
    }
    let folder = staging.target().to_owned();
    staging.publish()?;
    let outcome = match verdict.outcome() {
        _ if stopped => Outcome::EndedEarly,
        outcome => outcome,
    };
    if arguments.json {
        let summary = Summary::new(&comparison, &verdict, &folder, outcome);
        let json = serde_json::to_string_pretty(&summary).expect("a summary has string keys");
        terminal::print(&format!("{json}\n"))?;
    } else if !arguments.quiet {
        let mut told = text::summary(&comparison, &terminal::options());
        told.push_str(&verdict.text(&comparison));
        if stopped {
            told.push_str("\nEnded early: this covers only what was done by then.\n");
        }
        told.push_str(&format!("\nReport: {}\n", folder.join(REPORT).display()));
        terminal::print(&told)?;
    }
    Ok(outcome)
}

fn rules(written: &[String]) -> Result<Vec<Rule>, Failure> {
    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    for text in written {
        match Rule::parse(text) {
            Ok(rule) => rules.push(rule),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(rules),
        false => Err(ScenarioErrors { name: "--fail-if".into(), problems }.into()),
    }
}

/// Whether a scenario is to be played, rather than results compared.
fn is_scenario(arguments: &CompareArguments) -> Result<bool, Failure> {
    let toml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let inputs = &arguments.inputs;
    match inputs.iter().filter(|path| toml(path)).count() {
        1 if inputs.len() == 1 => return Ok(true),
        0 => {}
        _ => {
            return Err(Failure::new("a scenario is compared alone")
                .help("vary its settings with --vary, or simulate each scenario and compare the results"));
        }
    }
    let only_played = [
        ("--vary", !arguments.vary.is_empty()),
        ("--set", !arguments.set.is_empty()),
        ("--seed", arguments.seed.is_some()),
        ("--replications", arguments.replications.is_some()),
        ("--threads", arguments.threads.is_some()),
    ];
    match only_played.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::new(format!("{flag} needs a scenario, but {} is none", inputs[0].display()))
            .help("name one scenario file that ends in .toml")),
        None => Ok(false),
    }
}

/// The scenario's points, all read and checked.
pub(crate) fn points(
    path: &Path,
    vary: &[String],
    pairs: bool,
    own: &[String],
) -> Result<(Grid, Vec<Scenario>), Failure> {
    let grid = match vary.is_empty() {
        true => {
            let scenario = Scenario::load(path, own)?;
            Grid::of_variants(&scenario).ok_or_else(|| {
                Failure::new(format!("{} has no [variant.NAME], so there is nothing to compare", path.display()))
                    .help("vary a setting, such as --vary function.NAME.scaling=fixed,capacity")
            })?
        }
        false => Grid::read(vary, if pairs { Combine::Pairs } else { Combine::Grid })?,
    };
    if grid.points.len() > MOST_POINTS {
        let message = format!("{} points are more than the {MOST_POINTS} that one page can show", grid.points.len());
        return Err(Failure::new(message).help("vary less, or use `faas-lab sweep`"));
    }
    let scenarios = grid.load(path, own)?;
    Ok((grid, scenarios))
}

pub(crate) fn overrides(set: &[String], seed: Option<u64>, replications: Option<u32>) -> Vec<String> {
    let mut overrides = set.to_vec();
    overrides.extend(seed.map(|seed| format!("seed={seed}")));
    overrides.extend(replications.map(|replications| format!("replications={replications}")));
    overrides
}

pub(crate) fn threads(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

fn of_scenario(arguments: &CompareArguments) -> Result<(Comparison, Staging, bool), Failure> {
    let path = &arguments.inputs[0];
    let own = overrides(&arguments.set, arguments.seed, arguments.replications);
    let (grid, scenarios) = points(path, &arguments.vary, arguments.pairs, &own)?;
    let labels: Vec<&str> = grid.points.iter().map(|point| point.label.as_str()).collect();
    let baseline = baseline(arguments.baseline.as_deref(), &labels)?;
    let name = scenarios[0].name.clone();
    let folder = arguments.out.clone().unwrap_or_else(|| Path::new(RESULTS).join(format!("{name}-comparison")));
    let staging = Staging::new(&folder)?;

    let line = ProgressLine::new(arguments.quiet);
    let crew = Crew {
        threads: threads(arguments.threads),
        stop: interrupt::flag(),
        progress: &|progress| line.show(progress),
    };
    let commands = vec![String::new(); scenarios.len()];
    let Contest { results, stopped } = contest(&scenarios, &commands, &crew);
    line.clear();

    let mut warnings = Vec::new();
    let mut entries = Vec::new();
    let mut base = None;
    for (index, ((point, result), scenario)) in grid.points.iter().zip(results).zip(&scenarios).enumerate() {
        let Some(mut result) = result else {
            let text = format!("{}: not one replication was finished, so it is left out.", point.label);
            warnings.push(Warning { code: "stopped".into(), text });
            continue;
        };
        result.command = simulate_command(path, &point.overrides, &own, scenario, &result);
        base = if index == baseline { Some(entries.len()) } else { base };
        entries.push(Entry { label: point.label.clone(), values: point.values.clone(), result });
    }
    if entries.is_empty() {
        return Err(Failure::new("ended before anything was seen; nothing is written"));
    }
    let comparison = juxtapose(Material {
        name,
        command: command(arguments),
        axes: grid.axes,
        entries,
        baseline: base.unwrap_or(0),
        warnings,
    });
    Ok((comparison, staging, stopped))
}

/// The command that plays one point again, with the warm-up that all points shared.
fn simulate_command(path: &Path, point: &[String], own: &[String], scenario: &Scenario, result: &RunResult) -> String {
    let warm_up = (scenario.warm_up == WarmUp::Auto).then(|| format!("warmup={}s", result.window.warm_up_seconds));
    let sets = point.iter().chain(own).cloned().chain(warm_up).map(|set| format!("--set={set}"));
    let words = ["faas-lab".to_owned(), "simulate".to_owned(), path.display().to_string()].into_iter().chain(sets);
    words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

fn of_results(arguments: &CompareArguments) -> Result<(Comparison, Staging, bool), Failure> {
    let (entries, warnings) = files::read(&arguments.inputs)?;
    let labels: Vec<&str> = entries.iter().map(|entry| entry.label.as_str()).collect();
    let baseline = baseline(arguments.baseline.as_deref(), &labels)?;
    let folder = arguments.out.clone().unwrap_or_else(|| Path::new(RESULTS).join("comparison"));
    let staging = Staging::new(&folder)?;
    let names: Vec<&str> = entries.iter().map(|entry| entry.result.name.as_str()).collect();
    let name = match names.iter().all(|name| *name == names[0]) {
        true => names[0].to_owned(),
        false => format!("{} results", entries.len()),
    };
    let material = Material { name, command: command(arguments), axes: Vec::new(), entries, baseline, warnings };
    Ok((juxtapose(material), staging, false))
}

fn baseline(asked: Option<&str>, labels: &[&str]) -> Result<usize, Failure> {
    let Some(asked) = asked else { return Ok(0) };
    // A label's part will do where only one has it: `5s` for `exec_timeout=5s`.
    let exact = labels.iter().position(|label| *label == asked);
    let part = || {
        let mut with = labels.iter().enumerate().filter(|(_, label)| label.contains(asked));
        let found = with.next().map(|(index, _)| index);
        found.filter(|_| with.next().is_none() && !asked.is_empty())
    };
    exact.or_else(part).ok_or_else(|| {
        Failure::new(format!("no point is called {asked:?}")).help(format!("choose one of: {}", labels.join("; ")))
    })
}

/// The command that makes the same comparison again.
fn command(arguments: &CompareArguments) -> String {
    let mut words = vec!["faas-lab".to_owned(), "compare".to_owned()];
    words.extend(arguments.inputs.iter().map(|path| path.display().to_string()));
    words.extend(arguments.vary.iter().map(|vary| format!("--vary={vary}")));
    words.extend(arguments.pairs.then(|| "--pairs".to_owned()));
    words.extend(arguments.baseline.iter().map(|label| format!("--baseline={label}")));
    words.extend(arguments.seed.map(|seed| format!("--seed={seed}")));
    words.extend(arguments.replications.map(|replications| format!("--replications={replications}")));
    words.extend(arguments.set.iter().map(|assignment| format!("--set={assignment}")));
    words.extend(arguments.fail_if.iter().map(|rule| format!("--fail-if={rule}")));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn write(comparison: &Comparison, with_points: bool, staging: &Staging) -> Result<(), Failure> {
    staging.write(COMPARISON, &json(comparison))?;
    staging.write(TABLE, &table::csv(comparison)?)?;
    staging.write(REPORT, faas_lab_reports::compare(comparison)?.as_bytes())?;
    if with_points {
        for (index, entry) in comparison.entries.iter().enumerate() {
            let name = format!("{POINTS}/{:02}-{}/{RESULT}", index + 1, folder_name(&entry.label));
            staging.write(&name, &json(&entry.result))?;
        }
    }
    Ok(())
}

pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).expect("results have string keys");
    bytes.push(b'\n');
    bytes
}

/// A label as every system can name a folder.
fn folder_name(label: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.=".contains(c) { c } else { '-' };
    let name: String = label.chars().map(plain).take(80).collect();
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    name: &'a str,
    answer: &'a str,
    baseline: &'a str,
    ranking: Vec<&'a str>,
    ranked_by: &'a str,
    pareto: Vec<&'a str>,
    differences: Vec<Told<'a>>,
    gate: Vec<gate::Told>,
    warnings: &'a [Warning],
    folder: String,
    exit_code: u8,
}

/// A difference with its label.
#[derive(Serialize)]
struct Told<'a> {
    label: &'a str,
    #[serde(flatten)]
    difference: &'a Difference,
}

impl<'a> Summary<'a> {
    fn new(comparison: &'a Comparison, verdict: &gate::Verdict<'_>, folder: &Path, outcome: Outcome) -> Summary<'a> {
        let label = |entry: &usize| comparison.entries[*entry].label.as_str();
        let differences = comparison.differences.iter();
        Summary {
            name: &comparison.name,
            answer: &comparison.answer,
            baseline: label(&comparison.baseline),
            ranking: comparison.ranking.iter().map(label).collect(),
            ranked_by: &comparison.ranked_by,
            pareto: comparison.pareto.iter().map(label).collect(),
            differences: differences.map(|difference| Told { label: label(&difference.entry), difference }).collect(),
            gate: verdict.told(comparison),
            warnings: &comparison.warnings,
            folder: folder.display().to_string(),
            exit_code: outcome.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_folders() {
        assert_eq!(folder_name("exec_timeout=5s, scaling=capacity"), "exec_timeout=5s-scaling=capacity");
        assert_eq!(folder_name("../../etc"), "..-..-etc");
        assert_eq!(folder_name("größe / ü"), "gr-e");
    }

    #[test]
    fn a_baseline_is_named_by_its_label_or_a_part_of_it() {
        let labels = ["exec_timeout=5s", "exec_timeout=50s", "hpa"];
        assert_eq!(baseline(None, &labels).expect("the first"), 0);
        assert_eq!(baseline(Some("hpa"), &labels).expect("there"), 2);
        assert_eq!(baseline(Some("=50s"), &labels).expect("there"), 1);
        let error = baseline(Some("exec_timeout"), &labels).expect_err("two have it").to_string();
        assert!(error.contains("exec_timeout=5s; exec_timeout=50s; hpa"), "{error}");
    }
}
