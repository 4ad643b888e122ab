//! `faas-lab calibrate --requests`: from request logs to a scenario whose every value says how sure it is.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use faas_lab_calibration::calibration::{Calibration, LearnOptions, learn};
use faas_lab_calibration::fit::{Estimate, Fitted};
use faas_lab_calibration::holdout::{HoldOut, hold_out, mean_error};
use faas_lab_calibration::logs::{self, Log};
use faas_lab_calibration::write::{Traffic, rule_name, scenario};
use faas_lab_model::rng::Seed;

use crate::args::CalibrateArguments;
use crate::failure::{Failure, Outcome};
use crate::terminal;

pub(super) fn run(arguments: &CalibrateArguments) -> Result<Outcome, Failure> {
    let out = arguments.out.as_deref().unwrap_or(Path::new("calibrated.toml"));
    let logs = arguments.requests.iter().map(|path| read(path)).collect::<Result<Vec<Log>, Failure>>()?;
    for remark in logs.iter().flat_map(|log| &log.remarks) {
        terminal::complain(&format!("note: {remark}"));
    }
    let seed = Seed(arguments.seed);
    let resamples = if arguments.quick { 0 } else { LearnOptions::default().resamples };
    let teachers: Vec<&Log> = logs.iter().collect();
    let calibration =
        learn(&teachers, LearnOptions { resamples, seed }).map_err(|error| Failure::new(error.to_string()))?;
    let held = hold_out(&logs, arguments.leave_one_out, seed).map_err(|error| Failure::new(error.to_string()))?;
    let duration = logs.iter().filter_map(|log| log.arrivals()?.last().copied()).fold(0.0, f64::max);
    let duration = if duration > 0.0 { duration.ceil() } else { 3600.0 };
    let text = scenario(
        &calibration,
        arguments.function.first().map_or("measured", String::as_str),
        Traffic::Measured,
        duration,
        0,
    );
    let text = format!("{text}\n{}", comments(&held));
    if let Some(folder) = out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| Failure::with_path("create", folder, &error))?;
    }
    fs::write(out, text).map_err(|error| Failure::with_path("write", out, &error))?;
    let mut shown = String::new();
    // Writing into a text cannot fail.
    let _ = show(&mut shown, &calibration, &held, out);
    terminal::print(&shown)?;
    Ok(Outcome::Done)
}

fn read(path: &Path) -> Result<Log, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::with_path("read", path, &error)
            .help("name logs such as requests.csv, or the output of hey, oha, k6 or Prometheus")
    })?;
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    logs::read(&name, &text).map_err(|error| Failure::new(error.to_string()))
}

fn show(out: &mut String, calibration: &Calibration, held: &[HoldOut], path: &Path) -> std::fmt::Result {
    writeln!(out, "{:<34} {:>12}   {:<24} {:>6}", "fitted", "estimate", "95 % interval", "n")?;
    for arrivals in &calibration.arrivals {
        row(out, &arrivals.rate)?;
        let poisson = match (arrivals.is_poisson(), arrivals.poisson_p) {
            (_, None) => "too few to tell whether it is a Poisson process".to_owned(),
            (true, Some(p)) => format!("a Poisson process, as far as can be told (p = {p:.2})"),
            (false, _) if arrivals.shape.is_some() => "the rate moves by more than chance".to_owned(),
            (false, Some(p)) => format!("no Poisson process (p = {p:.3})"),
        };
        writeln!(out, "  {}: gaps vary by {:.2} of their mean; {poisson}", arrivals.rate.source, arrivals.gap_cv)?;
    }
    law(out, if calibration.cold.is_some() { "warm response" } else { "response" }, &calibration.warm)?;
    if let Some(cold) = &calibration.cold {
        law(out, "cold response", cold)?;
    }
    if let Some(platform) = &calibration.platform {
        let routing = &platform.routing;
        writeln!(out, "idle replica used: {}", rule_name(routing.rule))?;
        for score in &routing.scores {
            writeln!(
                out,
                "  {:<32} {:>10.1} %   of {} choices; log-likelihood {:.0}",
                rule_name(score.rule),
                100.0 * score.agreement,
                routing.choices,
                score.log_likelihood
            )?;
        }
        if !routing.is_trusted() {
            writeln!(out, "  not to be trusted: too few choices, or no rule explains them")?;
        }
        match &platform.risks {
            Some(risks) => {
                writeln!(out, "ends of replicas")?;
                risks.estimates.iter().try_for_each(|estimate| row(out, estimate))?;
                writeln!(out, "  {} replicas are known to be gone; those not missed are censored", risks.ends)?;
            }
            None => writeln!(out, "no replica is known to have ended")?,
        }
    }
    for one in held {
        writeln!(out, "held back, fitted to {}", one.split)?;
        for cold in &one.cold_starts {
            writeln!(
                out,
                "  {:<34} cold starts {:>5}, predicted {:>7.1} ± {:.1}{}; the usual rule {:.0}{}",
                cold.log,
                cold.observed,
                cold.predicted,
                cold.deviation,
                percent(cold.error()),
                cold.usual,
                percent(cold.usual_error())
            )?;
        }
        for quantile in &one.quantiles {
            writeln!(
                out,
                "  {:<34} {} {:.4} s, predicted {:.4} s{}",
                quantile.log,
                quantile.name,
                quantile.observed,
                quantile.predicted,
                percent(quantile.error())
            )?;
        }
        summary(out, one, "  ")?;
    }
    if held.is_empty() {
        writeln!(out, "nothing was held back: there are too few requests")?;
    }
    writeln!(out, "wrote {}: play it with `faas-lab simulate {}`", path.display(), path.display())
}

/// The hold-out error as comments at the foot of the scenario.
fn comments(held: &[HoldOut]) -> String {
    let mut text = String::new();
    for one in held {
        let mut words = String::new();
        // Writing into a text cannot fail.
        let _ = summary(&mut words, one, "");
        let words: String = words.lines().map(|line| format!("# {line}\n")).collect();
        text.push_str(&format!("# Held back, fitted to {}:\n{words}", one.split.replace(['\n', '\r'], " ")));
    }
    text
}

fn summary(out: &mut String, one: &HoldOut, indent: &str) -> std::fmt::Result {
    let cold = mean_error(one.cold_starts.iter().map(|cold| cold.error()));
    let usual = mean_error(one.cold_starts.iter().map(|cold| cold.usual_error()));
    if let (Some(cold), Some(usual)) = (cold, usual) {
        writeln!(
            out,
            "{indent}mean error of cold-start counts {:.1} %; of the usual rule (newest, 600 s) {:.1} %",
            100.0 * cold,
            100.0 * usual
        )?;
    }
    match mean_error(one.quantiles.iter().map(|quantile| quantile.error())) {
        Some(error) => writeln!(out, "{indent}mean error of response quantiles {:.1} %", 100.0 * error),
        None => Ok(()),
    }
}

fn law(out: &mut String, what: &str, fitted: &Fitted) -> std::fmt::Result {
    let trust = if fitted.is_trusted() { "" } else { ", not to be trusted" };
    writeln!(out, "{what}: {} law{trust}", fitted.chosen.family.name())?;
    fitted.estimates.iter().try_for_each(|estimate| row(out, estimate))?;
    if let Some(goodness) = fitted.chosen.goodness {
        let ad = goodness.ad.map_or(String::new(), |(a2, p)| format!("; Anderson-Darling {a2:.2}, p = {p:.2}"));
        writeln!(out, "  Kolmogorov-Smirnov {:.3}, p = {:.2}{ad}", goodness.ks, goodness.ks_p)?;
    }
    fitted.doubts.iter().try_for_each(|doubt| writeln!(out, "  {doubt}"))
}

fn row(out: &mut String, estimate: &Estimate) -> std::fmt::Result {
    let interval =
        estimate.interval.map_or_else(|| "none".to_owned(), |(low, high)| format!("{} to {}", short(low), short(high)));
    writeln!(out, "  {:<32} {:>12}   {:<24} {:>6}", estimate.name, short(estimate.value), interval, estimate.n)
}

fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        1000.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.3}"),
        0.001.. => format!("{value:.5}"),
        _ => format!("{value:.2e}"),
    }
}

fn percent(error: Option<f64>) -> String {
    error.map_or_else(String::new, |error| format!(" ({:.1} % off)", 100.0 * error))
}
