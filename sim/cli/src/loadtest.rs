//! `faas-lab loadtest`: from a scenario, or flags, and a gateway to a folder of results.

mod emit;
mod files;
pub(crate) mod groups;
mod line;
mod merge;
mod processes;
mod written;

pub(crate) use merge::{MergeArguments, run as merge};

use std::collections::BTreeMap;
use std::path::Path;

use faas_lab_loadgen::callbacks::CallbackOptions;
use faas_lab_loadgen::client::ClientOptions;
use faas_lab_loadgen::merge::{LEDGER_VERSION, LedgerFile};
use faas_lab_loadgen::probe::ProbeOptions;
use faas_lab_loadgen::target::Target;
use faas_lab_loadgen::{GooseOptions, Measured, Plan, RunError, Waiting, Watch, prometheus};
use faas_lab_model::metrics::measurement::Measurement;
use faas_lab_model::metrics::result::{Estimate, ObjectiveResult, RunResult, Warning};
use faas_lab_model::scenario::Scenario;
use faas_lab_reports::csv::timeline_csv;
use faas_lab_reports::html;
use faas_lab_reports::text::summary;
use serde::Serialize;

use crate::args::LoadtestArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{LEDGER, LOG, METRICS, REPORT, REQUESTS, RESULT, Staging, TIMELINE};
use crate::simulate::RESULTS;
use crate::{interrupt, terminal};
use files::Files;
use line::Line;

pub(crate) fn without_password(url: &str) -> String {
    written::without_password(url)
}

pub(crate) fn run(arguments: &LoadtestArguments) -> Result<Outcome, Failure> {
    let scenario = written::scenario(arguments)?;
    let target = arguments.target.target()?;
    let folder = arguments.out.clone().unwrap_or_else(|| Path::new(RESULTS).join(format!("{}-live", scenario.name)));
    if arguments.share.emit.is_some() {
        return emit::run(arguments, &scenario, &target);
    }
    if let Some(count) = arguments.share.processes.filter(|count| *count > 1) {
        return processes::run(arguments, count, &folder);
    }
    let part = arguments.share.part()?;
    let folder = if part.is_part() { groups::part_folder(&folder, part) } else { folder };
    let plan = plan(arguments, scenario, &target)?;
    let staging = Staging::new(&folder)?;

    let files = Files::create(&plan.scenario, &staging, arguments.requests)?;
    let line = Line::new(arguments.quiet);
    let watch = Watch {
        stop: Some(interrupt::flag()),
        progress: Some(&|progress| line.show(progress)),
        observers: files.observers(),
    };
    let measured = faas_lab_loadgen::run(&plan, watch);
    line.clear();
    let measured = measured.map_err(refused)?;
    files.finish(&staging)?;
    write(&measured.result, &staging)?;
    if part.is_part() {
        write_ledger(&measured, &staging)?;
    }
    let paths = Paths::new(staging.target(), arguments.requests);
    staging.publish()?;

    let outcome = judge(&measured);
    if arguments.json {
        let summary = Summary::new(&measured.result, &paths, outcome);
        let json = serde_json::to_string_pretty(&summary).map_err(|error| Failure::new(error.to_string()))?;
        terminal::print(&format!("{json}\n"))?;
    } else if !arguments.quiet {
        terminal::print(&text(&measured, &paths))?;
    }
    Ok(outcome)
}

fn plan(arguments: &LoadtestArguments, scenario: Scenario, target: &Target) -> Result<Plan, Failure> {
    let functions = scenario.functions.iter().map(|function| function.name.clone()).collect();
    let probe = target.system.clone().filter(|_| !arguments.probe.probe.is_zero()).map(|system| ProbeOptions {
        system,
        metrics: arguments.probe.metrics.clone(),
        functions,
        interval: arguments.probe.probe,
        insecure: arguments.target.insecure,
    });
    Ok(Plan {
        command: written::command(arguments),
        platform: target.platform.clone(),
        address: target.address.clone(),
        payload: arguments.call.payload(),
        client: ClientOptions {
            insecure: arguments.target.insecure,
            http2: arguments.call.http2,
            keep_alive: !arguments.call.no_keep_alive,
            connect_timeout: Some(arguments.call.connect_timeout),
        },
        in_flight: arguments.in_flight,
        waiting: if arguments.busy_poll { Waiting::Polling } else { Waiting::Asleep },
        goose: GooseOptions { report: arguments.goose_report.clone(), dashboard: arguments.dashboard },
        start: arguments.share.start()?,
        shard: arguments.share.part()?,
        probe,
        callbacks: Some(CallbackOptions {
            bind: arguments.callbacks.callback_listen,
            advertised: arguments.callbacks.callback_url.clone(),
        }),
        scenario,
    })
}

fn refused(error: RunError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        RunError::Nothing(_) => failure.help("lengthen --duration, or give --rate or --users"),
        _ => failure,
    }
}

fn judge(measured: &Measured) -> Outcome {
    let invalid = measured.result.measurement.as_ref().is_some_and(|measurement| !measurement.valid);
    match measured.result.objectives.iter().any(|objective| !objective.met) {
        _ if measured.stopped => Outcome::EndedEarly,
        _ if invalid => Outcome::Invalid,
        true => Outcome::Missed,
        false => Outcome::Done,
    }
}

fn write(result: &RunResult, staging: &Staging) -> Result<(), Failure> {
    let mut json = serde_json::to_string_pretty(result).map_err(|error| Failure::new(error.to_string()))?;
    json.push('\n');
    staging.write(RESULT, json.as_bytes())?;
    let mut table = Vec::new();
    timeline_csv(result, &mut table)?;
    staging.write(TIMELINE, &table)?;
    staging.write(METRICS, prometheus::text(result).as_bytes())?;
    staging.write(REPORT, html::render(result)?.as_bytes())
}

fn write_ledger(measured: &Measured, staging: &Staging) -> Result<(), Failure> {
    let file = LedgerFile { version: LEDGER_VERSION, ledger: measured.ledger.clone() };
    let json = serde_json::to_string(&file).map_err(|error| Failure::new(error.to_string()))?;
    staging.write(LEDGER, json.as_bytes())
}

/// Where the files are.
#[derive(Debug, Serialize)]
struct Paths {
    result: String,
    timeline: String,
    report: String,
    log: String,
    metrics: String,
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
            log: path(LOG),
            metrics: path(METRICS),
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
    warm_up_seconds: f64,
    metrics: &'a BTreeMap<String, Estimate>,
    objectives: &'a [ObjectiveResult],
    measurement: Option<&'a Measurement>,
    warnings: &'a [Warning],
    files: &'a Paths,
    exit_code: u8,
}

impl<'a> Summary<'a> {
    fn new(result: &'a RunResult, files: &'a Paths, outcome: Outcome) -> Summary<'a> {
        Summary {
            name: &result.name,
            partial: result.partial,
            seed: result.seed,
            warm_up_seconds: result.window.warm_up_seconds,
            metrics: &result.summary,
            objectives: &result.objectives,
            measurement: result.measurement.as_deref(),
            warnings: &result.warnings,
            files,
            exit_code: outcome.code(),
        }
    }
}

fn text(measured: &Measured, paths: &Paths) -> String {
    let mut text = summary(&measured.result, &terminal::options());
    if measured.stopped {
        text.push_str("\nEnded early: this covers only what was done by then.\n");
    }
    text.push_str(&format!("\nReport: {}\n", paths.report));
    text
}
