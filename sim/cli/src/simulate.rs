//! `faas-lab simulate`: from a scenario file to a folder of results.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use faas_lab_experiments::{Ended, Precision, Simulated, Simulation, simulate, too_far};
use faas_lab_model::metrics::result::{Estimate, ObjectiveResult, RunResult, TheoryCheck, Warning};
use faas_lab_model::scenario::Scenario;
use faas_lab_reports::csv::timeline_csv;
use faas_lab_reports::html;
use faas_lab_reports::text::summary;
use serde::Serialize;

use crate::args::SimulateArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{REPORT, REQUESTS, RESULT, Staging, TIMELINE};
use crate::progress::ProgressLine;
use crate::requests::RequestsFile;
use crate::{interrupt, terminal};

/// Where results go by default.
pub(crate) const RESULTS: &str = "faas-lab-results";

pub(crate) fn run(arguments: &SimulateArguments) -> Result<Outcome, Failure> {
    let scenario = load(arguments)?;
    let target = arguments.out.clone().unwrap_or_else(|| Path::new(RESULTS).join(&scenario.name));
    let staging = Staging::new(&target)?;

    let simulated = play(arguments, &scenario, &staging)?;
    let outcome = judge(&simulated);
    write(&simulated.result, &staging)?;
    let paths = Paths::new(staging.target(), arguments.requests);
    staging.publish()?;

    if arguments.json {
        let summary = Summary::new(&simulated, &paths, outcome);
        let json = serde_json::to_string_pretty(&summary).expect("a summary has string keys");
        terminal::print(&format!("{json}\n"))?;
    } else if !arguments.quiet {
        terminal::print(&text(&simulated, &paths))?;
    }
    Ok(outcome)
}

/// The scenario, or the variant of it that is asked for: that has a name of its own, so that results lie side by side.
fn load(arguments: &SimulateArguments) -> Result<Scenario, Failure> {
    let own = overrides(arguments);
    let scenario = Scenario::load(&arguments.scenario, &own)?;
    let Some(name) = &arguments.variant else { return Ok(scenario) };
    let Some(variant) = scenario.variants.iter().find(|variant| variant.name == *name) else {
        let known: Vec<&str> = scenario.variants.iter().map(|variant| variant.name.as_str()).collect();
        let known = match known.is_empty() {
            true => "it has none; write one as [variant.NAME]".to_owned(),
            false => format!("it has {}", known.join(", ")),
        };
        return Err(Failure::new(format!("{} has no variant {name:?}: {known}", arguments.scenario.display())));
    };
    let mut overrides = variant.overrides.clone();
    overrides.push(format!("name={:?}", format!("{}-{name}", scenario.name)));
    overrides.extend(own);
    Ok(Scenario::load(&arguments.scenario, &overrides)?)
}

/// Seed and replications are values of the scenario: overridden there, they are part of the result.
fn overrides(arguments: &SimulateArguments) -> Vec<String> {
    let mut overrides = arguments.set.clone();
    overrides.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    overrides.extend(arguments.replications.map(|replications| format!("replications={replications}")));
    overrides
}

fn play(arguments: &SimulateArguments, scenario: &Scenario, staging: &Staging) -> Result<Simulated, Failure> {
    let line = ProgressLine::new(arguments.quiet);
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let command = command(arguments);
    let how = Simulation {
        command: &command,
        threads,
        precision: arguments.precision.map(|relative| Precision { relative, at_most: arguments.max_replications }),
        check: arguments.check,
        stop: interrupt::flag(),
        progress: &|progress| line.show(progress),
    };
    let simulated = if arguments.requests {
        let mut table = RequestsFile::create(scenario, staging)?;
        let simulated = simulate(scenario, how, Some(&mut |request| table.add(request)));
        table.finish(staging)?;
        simulated
    } else {
        simulate(scenario, how, None)
    };
    line.clear();
    simulated.ok_or_else(|| Failure::new("ended before anything was seen; nothing is written"))
}

/// The command that makes the same numbers again; what only says where they go is left out.
fn command(arguments: &SimulateArguments) -> String {
    let mut words = vec!["faas-lab".to_owned(), "simulate".to_owned(), arguments.scenario.display().to_string()];
    words.extend(arguments.variant.as_ref().map(|variant| format!("--variant={variant}")));
    words.extend(arguments.seed.map(|seed| format!("--seed={seed}")));
    words.extend(arguments.replications.map(|replications| format!("--replications={replications}")));
    if let Some(precision) = arguments.precision {
        words.push(format!("--precision={precision}"));
        words.push(format!("--max-replications={}", arguments.max_replications));
    }
    words.extend(arguments.check.then(|| "--check".to_owned()));
    words.extend(arguments.set.iter().map(|assignment| format!("--set={assignment}")));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// `word` as a POSIX shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:%+,@".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn judge(simulated: &Simulated) -> Outcome {
    let missed = simulated.result.objectives.iter().any(|objective| !objective.met);
    let wrong = simulated.likeness.as_ref().is_some_and(|likeness| likeness.failed);
    match simulated.ended {
        Ended::Stopped | Ended::Overfull => Outcome::EndedEarly,
        _ if missed || wrong => Outcome::Missed,
        _ => Outcome::Done,
    }
}

fn write(result: &RunResult, staging: &Staging) -> Result<(), Failure> {
    let mut json = serde_json::to_string_pretty(result).expect("a result has string keys");
    json.push('\n');
    staging.write(RESULT, json.as_bytes())?;
    let mut table = Vec::new();
    timeline_csv(result, &mut table)?;
    staging.write(TIMELINE, &table)?;
    staging.write(REPORT, html::render(result)?.as_bytes())
}

/// Where the files are.
#[derive(Debug, Serialize)]
struct Paths {
    result: String,
    timeline: String,
    report: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<String>,
}

impl Paths {
    fn new(folder: &Path, requests: bool) -> Paths {
        let path = |name: &str| folder.join(name).display().to_string();
        Paths {
            result: path(RESULT),
            timeline: path(TIMELINE),
            report: path(REPORT),
            requests: requests.then(|| path(REQUESTS)),
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    name: &'a str,
    partial: bool,
    seed: u64,
    replications: usize,
    warm_up_seconds: f64,
    metrics: &'a BTreeMap<String, Estimate>,
    objectives: &'a [ObjectiveResult],
    checks: &'a [TheoryCheck],
    comments: &'a [String],
    warnings: &'a [Warning],
    files: &'a Paths,
    exit_code: u8,
}

impl<'a> Summary<'a> {
    fn new(simulated: &'a Simulated, files: &'a Paths, outcome: Outcome) -> Summary<'a> {
        let result = &simulated.result;
        Summary {
            name: &result.name,
            partial: result.partial,
            seed: result.seed,
            replications: result.replications.len(),
            warm_up_seconds: result.window.warm_up_seconds,
            metrics: &result.summary,
            objectives: &result.objectives,
            checks: &result.checks,
            comments: simulated.likeness.as_ref().map_or(&[], |likeness| &likeness.comments),
            warnings: &result.warnings,
            files,
            exit_code: outcome.code(),
        }
    }
}

fn text(simulated: &Simulated, paths: &Paths) -> String {
    let mut text = summary(&simulated.result, &terminal::options());
    if let Some(likeness) = &simulated.likeness {
        let far: Vec<&str> =
            likeness.checks.iter().filter(|check| too_far(check)).map(|check| check.quantity.as_str()).collect();
        if !far.is_empty() {
            text.push_str(&format!("\nFurther from theory than chance explains: {}.\n", far.join(", ")));
        }
        for comment in &likeness.comments {
            text.push_str(&format!("\n{comment}\n"));
        }
    }
    match simulated.ended {
        Ended::Planned | Ended::Limit(_) => {}
        Ended::Precise(width) => text.push_str(&format!(
            "\nPrecise to ± {:.2} % after {} replications.\n",
            100.0 * width,
            simulated.result.replications.len()
        )),
        Ended::Stopped => text.push_str("\nEnded early: this covers only what was done by then.\n"),
        Ended::Overfull => text.push_str("\nEnded early: more requests were in flight than memory should hold.\n"),
    }
    text.push_str(&format!("\nReport: {}\n", paths.report));
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Arguments, Command};

    fn parsed(words: &[&str]) -> SimulateArguments {
        let all = ["faas-lab", "simulate"].iter().chain(words);
        match Arguments::try_parse_from(all).expect("valid arguments").command {
            Command::Simulate(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_repeats_what_changes_numbers_and_nothing_else() {
        let arguments = parsed(&["a b.toml", "--seed", "7", "--threads", "2", "--out", "x", "--set", "name=\"it's\""]);
        assert_eq!(command(&arguments), r#"faas-lab simulate 'a b.toml' --seed=7 '--set=name="it'\''s"'"#);
        assert_eq!(overrides(&arguments), ["name=\"it's\"", "seed=7"]);
    }

    #[test]
    fn the_repeated_command_can_be_read_again() {
        let arguments = parsed(&["a.toml", "--precision", "2%", "--check"]);
        let command = command(&arguments);
        let again = parsed(&command.split(' ').skip(2).collect::<Vec<_>>());
        assert_eq!((again.precision, again.check), (Some(0.02), true));
    }
}
