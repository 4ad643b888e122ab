//! `faas-lab validate SCENARIO --gateway URL`: the same arrivals simulated and sent, and how far the two are apart.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use faas_lab_calibration::{Bound, Row, Section, median};
use faas_lab_model::metrics::measurement::ErrorReason;
use faas_lab_model::metrics::result::{self, RunResult, metric};

use crate::args::{Arguments, Command, LoadtestArguments, SimulateArguments, ValidateArguments};
use crate::failure::{Failure, Outcome};
use crate::output::RESULT;
use crate::simulate::{RESULTS, quoted};
use crate::{compare, loadtest, simulate, terminal};

/// What is compared, under which name a tolerance is given for it, and the tolerance if none is.
const QUANTITIES: [(&str, &str, f64); 10] = [
    (result::RESPONSE_P50, "p50", 0.10),
    (result::RESPONSE_P95, "p95", 0.15),
    (result::RESPONSE_P99, "p99", 0.20),
    (result::GOODPUT, "throughput", 0.05),
    (result::COLD_STARTS, "cold-starts", 0.10),
    (result::REPLICAS_READY_MEAN, "replicas", 0.10),
    (result::TIMED_OUT_SHARE, "timeouts", 0.10),
    (result::REFUSED_SHARE, "refusals", 0.10),
    (result::TRUNCATED_SHARE, "truncations", 0.10),
    (result::ERROR_RATE, "errors", 0.10),
];

/// A quantity's bound, as `--tolerance` names it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tolerance {
    /// `p95`, …; all of them without a name.
    name: Option<String>,
    share: f64,
}

impl Tolerance {
    /// `15%` for all, or `p95=15%` for one.
    pub(crate) fn parse(text: &str) -> Result<Tolerance, String> {
        let (name, share) = text.split_once('=').map_or((None, text), |(name, share)| (Some(name.trim()), share));
        let (digits, unit) = share.trim().strip_suffix('%').map_or((share.trim(), 1.0), |digits| (digits.trim(), 0.01));
        let share = digits.parse::<f64>().map(|number| number * unit).ok().filter(|share| (0.0..=10.0).contains(share));
        let share = share.ok_or("write a share such as 15% or 0.15")?;
        match name {
            Some(name) if QUANTITIES.iter().all(|(_, known, _)| *known != name) => {
                let known: Vec<&str> = QUANTITIES.iter().map(|(_, known, _)| *known).collect();
                Err(format!("{name:?} is not compared; write one of {}", known.join(", ")))
            }
            name => Ok(Tolerance { name: name.map(str::to_owned), share }),
        }
    }
}

/// What came of it.
pub(super) struct Validated {
    /// The scenario's name.
    pub(super) name: String,
    pub(super) section: Section,
    pub(super) command: String,
    /// Whether a measurement was invalid or ended early: then no bound means anything.
    pub(super) worse: Option<Outcome>,
}

pub(super) fn run(arguments: &ValidateArguments, scenario: &Path) -> Result<Validated, Failure> {
    let folder = arguments.results.clone().unwrap_or_else(|| {
        let stem = scenario.file_stem().map_or("scenario".into(), |stem| stem.to_string_lossy().into_owned());
        Path::new(RESULTS).join(format!("{stem}-validation"))
    });
    let simulated = folder.join("simulated");
    tell(arguments, "simulating");
    simulate::run(&simulation(arguments, scenario, &simulated)?)?;
    let simulated = (read(&simulated)?, simulated);
    let mut worse = None;
    let mut measured: Vec<(RunResult, PathBuf)> = Vec::new();
    for run in 1..=arguments.repeat {
        tell(arguments, &format!("measuring, run {run} of {}", arguments.repeat));
        let out = folder.join(format!("measured-{run}"));
        let outcome = loadtest::run(&load(arguments, scenario, &out)?)?;
        measured.push((read(&out)?, out));
        if let Some(failure) = measured.last().and_then(|(result, _)| nobody(result)) {
            return Err(failure);
        }
        match outcome {
            Outcome::EndedEarly => {
                worse = Some(Outcome::EndedEarly);
                break;
            }
            Outcome::Invalid => worse = Some(Outcome::Invalid),
            _ => {}
        }
    }
    overlay(&simulated.1, &measured, &folder)?;
    let section = section(arguments, &simulated.0, &measured, &folder);
    Ok(Validated { name: simulated.0.name.clone(), section, command: command(arguments, scenario), worse })
}

fn tell(arguments: &ValidateArguments, text: &str) {
    if !arguments.quiet {
        terminal::complain(text);
    }
}

fn simulation(arguments: &ValidateArguments, scenario: &Path, out: &Path) -> Result<SimulateArguments, Failure> {
    match parsed("simulate", arguments, scenario, out)? {
        Command::Simulate(simulation) => Ok(SimulateArguments { threads: arguments.threads, ..simulation }),
        _ => Err(Failure::new("simulate is another command")),
    }
}

fn load(arguments: &ValidateArguments, scenario: &Path, out: &Path) -> Result<LoadtestArguments, Failure> {
    match parsed("loadtest", arguments, scenario, out)? {
        Command::Loadtest(load) => Ok(LoadtestArguments {
            target: arguments.target.clone(),
            call: arguments.call.clone(),
            probe: arguments.probe.clone(),
            requests: true,
            ..*load
        }),
        _ => Err(Failure::new("loadtest is another command")),
    }
}

/// The arguments of another command, with its own defaults.
fn parsed(command: &str, arguments: &ValidateArguments, scenario: &Path, out: &Path) -> Result<Command, Failure> {
    let mut words = vec!["faas-lab".into(), command.into(), scenario.as_os_str().to_owned()];
    words.extend(["--quiet".into(), "--out".into(), out.as_os_str().to_owned()]);
    words.extend(arguments.set.iter().map(|assignment| format!("--set={assignment}").into()));
    words.extend(arguments.seed.map(|seed| format!("--seed={seed}").into()));
    Arguments::try_parse_from(words).map(|parsed| parsed.command).map_err(|error| Failure::new(error.to_string()))
}

fn read(folder: &Path) -> Result<RunResult, Failure> {
    let path = folder.join(RESULT);
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::with_path("read", &path, &error))?;
    RunResult::read(&text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// A gateway from which no answer came at all is no gateway that a model could be held against.
fn nobody(result: &RunResult) -> Option<Failure> {
    let measurement = result.measurement.as_deref()?;
    let unanswered = |error: &&ErrorReason| error.status.is_none() && error.fault.is_some();
    let silent: u64 = measurement.errors.iter().filter(unanswered).map(|error| error.count).sum();
    let cause =
        measurement.errors.first().and_then(|error| error.fault.as_deref()).filter(|_| silent == measurement.sent)?;
    let message = format!("nothing answered at {}: all {silent} calls ended with {cause}", measurement.target.url);
    Some(Failure::new(message).help(match cause {
        "tls" => "--insecure takes any certificate",
        "client-timeout" => "the longest wait is edge.client_timeout of the scenario: --set edge.client_timeout=60s allows more",
        _ => "is it up, and is this its address? `faas-lab ping --gateway URL` asks it, `faas-lab up` starts one on this machine",
    }))
}

/// One page with the measured curves over the simulated ones.
fn overlay(simulated: &Path, measured: &[(RunResult, PathBuf)], folder: &Path) -> Result<(), Failure> {
    let mut words = vec!["faas-lab".to_owned(), "compare".to_owned(), format!("simulated={}", simulated.display())];
    let name = |run: usize| if measured.len() == 1 { "measured".to_owned() } else { format!("measured-{}", run + 1) };
    words.extend(measured.iter().enumerate().map(|(run, (_, path))| format!("{}={}", name(run), path.display())));
    words.extend(["--quiet".to_owned(), "--out".to_owned(), folder.join("overlay").display().to_string()]);
    match Arguments::try_parse_from(words).map(|parsed| parsed.command) {
        Ok(Command::Compare(arguments)) => compare::run(&arguments).map(|_| ()),
        Ok(_) => Err(Failure::new("compare is another command")),
        Err(error) => Err(Failure::new(error.to_string())),
    }
}

fn section(
    arguments: &ValidateArguments,
    simulated: &RunResult,
    measured: &[(RunResult, PathBuf)],
    folder: &Path,
) -> Section {
    let mut section = Section::new(&format!("{} on a live gateway", simulated.name), &[]);
    let runs: Vec<&RunResult> = measured.iter().map(|(run, _)| run).collect();
    section.about.push(format!(
        "{} of the same arrivals, the median of each quantity; in brackets its lowest and highest. Simulated is the \
         replication with the same seed. {}",
        match runs.len() {
            1 => "One run".to_owned(),
            many => format!("{many} runs"),
        },
        circumstances(&runs)
    ));
    section.about.push(format!("The curves over each other: `{}`.", folder.join("overlay/report.html").display()));
    for (key, name, default) in QUANTITIES {
        let values: Vec<f64> = runs.iter().filter_map(|run| Some(run.summary.get(key)?.mean)).collect();
        let predicted = simulated.replications.first().and_then(|first| first.metrics.get(key)).copied();
        // A platform may not tell its replicas; a response time that one side lacks is a finding, and within no bound.
        let (found, predicted) = match (median(&values), predicted) {
            (None, None) => continue,
            (None, _) if key == result::REPLICAS_READY_MEAN => continue,
            (found, predicted) => (found.unwrap_or(f64::NAN), predicted.unwrap_or(f64::NAN)),
        };
        let is_loss = metric(key).is_some_and(|info| info.unit == "share");
        let offered = simulated.summary.get(result::OFFERED).map_or(1.0, |offered| offered.mean).max(1.0);
        if (is_loss || key == result::COLD_STARTS) && found == 0.0 && predicted == 0.0 {
            continue;
        }
        let share = tolerance(arguments, name, default);
        // A count cannot be off by less than one.
        let one = match key {
            result::COLD_STARTS => 1.0,
            _ if is_loss => 1.0 / offered,
            _ => 0.0,
        };
        let spread = match (values.len(), least(&values), most(&values)) {
            (2.., Some(least), Some(most)) => format!(" ({} to {})", figure(least, key), figure(most, key)),
            _ => String::new(),
        };
        let bound = if share * found.abs() < one { Bound::Distance(one) } else { Bound::Share(share) };
        let unit = metric(key).map_or("", |info| if info.unit == "s" { "s" } else { "" });
        section.rows.push(
            Row::new(simulated.name.clone(), format!("{name}{spread}"), unit)
                .published(found, None)
                .simulated(predicted)
                .within(bound),
        );
    }
    section
}

fn figure(value: f64, key: &str) -> String {
    let unit = metric(key).map_or("", |info| info.unit);
    faas_lab_reports::format::quantity(value, unit)
}

/// How quiet the machine was, and whether the measurements can be trusted.
fn circumstances(runs: &[&RunResult]) -> String {
    let measurements: Vec<_> = runs.iter().filter_map(|run| run.measurement.as_deref()).collect();
    let steal: Vec<f64> = measurements.iter().filter_map(|measured| measured.client.steal_share).collect();
    let invalid = measurements.iter().filter(|measured| !measured.valid).count();
    let mut text = match most(&steal) {
        Some(most) => format!("Other machines took at the most {:.1} % of the processors' time.", 100.0 * most),
        None => String::new(),
    };
    if invalid > 0 {
        text.push_str(&format!(" {invalid} of the measurements cannot be trusted: their reports say why."));
    }
    text
}

fn tolerance(arguments: &ValidateArguments, name: &str, default: f64) -> f64 {
    let named = |tolerance: &&Tolerance| tolerance.name.as_deref() == Some(name);
    let any = |tolerance: &&Tolerance| tolerance.name.is_none();
    let given = &arguments.tolerance;
    given.iter().rfind(named).or_else(|| given.iter().rfind(any)).map_or(default, |tolerance| tolerance.share)
}

fn least(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

fn most(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}

/// The command that repeats it, without secrets.
fn command(arguments: &ValidateArguments, scenario: &Path) -> String {
    let mut words = vec!["faas-lab".to_owned(), "validate".to_owned(), scenario.display().to_string()];
    words.extend(
        arguments.target.gateway.as_ref().map(|gateway| format!("--gateway={}", loadtest::without_password(gateway))),
    );
    words.extend(arguments.call.data.as_ref().map(|data| format!("--data={data}")));
    words.extend(arguments.call.path.as_ref().map(|path| format!("--path={path}")));
    words.extend(arguments.set.iter().map(|assignment| format!("--set={assignment}")));
    words.push(format!("--repeat={}", arguments.repeat));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_a_share_for_one_quantity_or_for_all() {
        let one = |name: &str, share| Ok(Tolerance { name: Some(name.to_owned()), share });
        assert_eq!(Tolerance::parse("p95=15%"), one("p95", 0.15));
        assert_eq!(Tolerance::parse("0.2"), Ok(Tolerance { name: None, share: 0.2 }));
        assert!(Tolerance::parse("p96=15%").is_err_and(|error| error.contains("p95")));
        assert!(Tolerance::parse("p95=-1").is_err() && Tolerance::parse("lots").is_err());
    }
}
