//! `faas-lab calibrate --gateway`: a designed experiment on a live gateway, and the scenario that it yields.

use std::cell::RefCell;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use faas_lab_calibration::fit::{Doubt, Fitted};
use faas_lab_calibration::live::{Design, Fits, HeldOut, Measurements, Part, Sharing, Written, fit_live, held_out};
use faas_lab_loadgen::client::{ClientOptions, Connections};
use faas_lab_loadgen::experiment::{Admin, Experiment, ExperimentError};
use faas_lab_model::scenario::{BuiltIn, Scenario};
use faas_lab_provider::api::FunctionDeployment;
use faas_lab_reports::format;

use crate::args::CalibrateArguments;
use crate::failure::{Failure, Outcome};
use crate::simulate::quoted;
use crate::terminal;

pub(super) fn run(arguments: &CalibrateArguments) -> Result<Outcome, Failure> {
    let target = arguments.target.target()?;
    let Some(system) = target.system else {
        return Err(Failure::new("only an OpenFaaS-compatible gateway can be told to scale a function")
            .help("leave --platform out; other platforms are calibrated from their logs, with --requests"));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("threads cannot be started: {error}")))?;
    let options = ClientOptions { insecure: arguments.target.insecure, ..ClientOptions::default() };
    let client = options.builder(&std::sync::Arc::new(Connections::default())).build();
    let client = client.map_err(|error| Failure::new(format!("cannot make an HTTP client: {error}")))?;
    let admin = Admin::new(system, client.clone());
    let design = Design { budget: arguments.budget, ..Design::default() };
    let design = if arguments.no_cold { Design { cold: 0, ..design } } else { design };

    let mut functions = Vec::new();
    let mut policies = Vec::new();
    for name in functions_of(arguments, &runtime, &admin)? {
        let line = RefCell::new(Line { name: &name, shown: None });
        let tell = std::sync::Mutex::new(line);
        let experiment = Experiment {
            platform: &*target.platform,
            admin: &admin,
            client: client.clone(),
            function: &name,
            body: Bytes::from(arguments.data.clone().unwrap_or_default()),
            design: &design,
            progress: &|part, share| {
                if let Ok(line) = tell.lock() {
                    line.borrow_mut().show(part, share);
                }
            },
        };
        let seen = interruptible(&runtime, &experiment)?;
        if let Ok(line) = tell.lock() {
            line.borrow_mut().clear();
        }
        let asked = arguments.service_time.map(|asked| asked.as_secs_f64());
        if let Some(fastest) =
            seen.warm.iter().map(|call| call.total).reduce(f64::min).filter(|least| asked > Some(*least))
        {
            return Err(Failure::new(format!(
                "{name} answered within {}: its calls do not ask for a service time of {}",
                format::time(fastest),
                format::time(asked.unwrap_or_default())
            ))
            .help("leave --service-time out, or give it what --data asks for"));
        }
        let fits = fit_live(&seen, asked, &target.address).map_err(|error| Failure::new(error.to_string()))?;
        policies.extend(policy(&name, &seen));
        functions.push((seen, fits));
    }
    write(arguments, &target.address, &functions, &policies)
}

/// Those that are named, or all there are.
fn functions_of(
    arguments: &CalibrateArguments,
    runtime: &tokio::runtime::Runtime,
    admin: &Admin,
) -> Result<Vec<String>, Failure> {
    if !arguments.function.is_empty() {
        return Ok(arguments.function.clone());
    }
    let known = runtime.block_on(admin.functions()).map_err(|error| Failure::new(error.to_string()))?;
    let known: Vec<String> = known.into_iter().map(|function| function.name).collect();
    match known.as_slice() {
        [] => Err(Failure::new(format!("{} has no function to measure", admin.gateway()))),
        [one] => Ok(vec![one.clone()]),
        _ => Err(Failure::new("it is not said which function is to be measured")
            .help(format!("add --function NAME, once or several times: {}", known.join(", ")))),
    }
}

/// Runs the experiment; Ctrl-C ends it, and the replicas are put back all the same.
fn interruptible(runtime: &tokio::runtime::Runtime, experiment: &Experiment<'_>) -> Result<Measurements, Failure> {
    let failed = |error: ExperimentError| match error {
        ExperimentError::NoAnswer { .. } => Failure::new(error.to_string())
            .help("give it a body that it answers, such as --data 20ms for the function sleep"),
        other => Failure::new(other.to_string()),
    };
    runtime.block_on(async {
        let before = experiment.admin.status(experiment.function).await.map_err(|error| Failure::new(error.to_string()))?;
        tokio::select! {
            seen = experiment.run() => seen.map_err(failed),
            _ = tokio::signal::ctrl_c() => {
                let _ = experiment.admin.scale(experiment.function, before.replicas).await;
                Err(Failure::new(format!("ended early: {} has its {} replicas back; nothing is written", before.name, before.replicas)))
            }
        }
    })
}

/// The function's policies as its labels name them, in a scenario's words.
fn policy(function: &str, seen: &Measurements) -> Vec<String> {
    let deployment = FunctionDeployment {
        service: function.to_owned(),
        labels: seen.settings.iter().filter(|(name, _)| name.starts_with("com.")).cloned().collect(),
        ..FunctionDeployment::default()
    };
    let default = faas_lab_gateway::Options::default().default_policy;
    let own = faas_lab_gateway::Settings::scenario_keys(&deployment, &default).unwrap_or_default();
    // What a replica requests is a default here, not seen: only a scaler by CPU is told, for it counts shares of it.
    let by_cpu = own.iter().any(|(key, value)| key.starts_with("scaling") && value.contains("hpa"));
    // In quotes, for a name may have dots.
    let function = toml::Value::String(function.to_owned());
    let told = own.into_iter().filter(|(key, _)| by_cpu || key != "cpu_request");
    told.map(|(key, value)| format!("function.{function}.{key}={value}")).collect()
}

fn write(
    arguments: &CalibrateArguments,
    address: &str,
    functions: &[(Measurements, Fits)],
    policies: &[String],
) -> Result<Outcome, Failure> {
    let out = arguments.out.as_deref().unwrap_or(Path::new("calibrated.toml"));
    let name = out.file_stem().and_then(|stem| stem.to_str()).filter(|_| out != Path::new("-"));
    let day = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let written = Written {
        name: name.unwrap_or("calibrated"),
        command: &command(arguments, address),
        gateway: address,
        day: &day,
        functions,
    };
    let toml = written.toml();
    let scenario = Scenario::parse("calibrated.toml", &toml, policies, &BuiltIn)?;
    let toml = scenario.record.toml.clone();

    for (seen, fits) in functions {
        terminal::complain(&table(seen, fits));
        let held = held_out(seen, fits, &toml).unwrap_or_default();
        terminal::complain(&kept_back(&held));
        for unseen in &seen.unseen {
            terminal::complain(&format!("not seen: {unseen}"));
        }
    }
    if out == Path::new("-") {
        terminal::print(&toml)?;
    } else {
        fs::write(out, &toml).map_err(|error| Failure::with_path("write", out, &error))?;
        terminal::complain(&format!("\nWritten: {0}\nPlay it: faas-lab simulate {0}", out.display()));
    }
    Ok(Outcome::Done)
}

/// The command that repeats it, without passwords.
fn command(arguments: &CalibrateArguments, address: &str) -> String {
    let mut words = vec!["faas-lab".to_owned(), "calibrate".to_owned(), format!("--gateway={address}")];
    words.extend(arguments.function.iter().map(|name| format!("--function={name}")));
    words.extend(arguments.data.as_ref().map(|data| format!("--data={data}")));
    words.extend(arguments.service_time.map(|asked| format!("--service-time={}s", asked.as_secs_f64())));
    words.extend(arguments.no_cold.then(|| "--no-cold".to_owned()));
    words.push(format!("--budget={}s", arguments.budget.as_secs()));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn table(seen: &Measurements, fits: &Fits) -> String {
    let mut text = format!(
        "\n{}\n{:<20}{:>12}  {:<26}{:>6}  {:<22}trust\n",
        seen.function, "", "p50", "95 % interval", "n", "law"
    );
    for (what, fitted) in fits.named() {
        text.push_str(&row(what, fitted));
    }
    match &fits.sharing {
        Sharing::None => {
            text.push_str("calls at once       do not hinder each other: the function waits rather than works\n")
        }
        Sharing::Unknown => {
            text.push_str("calls at once       say nothing: replicas came or went meanwhile, or it was not looked at\n")
        }
        Sharing::Cores { cores } => {
            let interval = cores.interval.map_or(String::new(), |(low, high)| format!("{low:.2} to {high:.2}"));
            text.push_str(&format!(
                "{:<20}{:>12}  {interval:<26}{:>6}\n",
                "cores shared",
                format!("{:.2}", cores.value),
                cores.n
            ));
        }
    }
    if fits.waking > 0.0 {
        text.push_str(&format!("{:<20}{:>12}  after pauses\n", "waking", format::time(fits.waking)));
    }
    if let Some(rate) = &fits.bandwidth {
        text.push_str(&format!(
            "{:<20}{:>12}  {:<26}{:>6}\n",
            "bodies",
            format!("{:.1} MB/s", rate.value / 1e6),
            "",
            rate.n
        ));
    }
    text
}

fn row(what: &str, fitted: &Fitted) -> String {
    let p50 = fitted.estimate("p50");
    let value = p50.map_or_else(|| format::time(fitted.law().quantile(0.5)), |found| format::time(found.value));
    let interval = p50.and_then(|found| found.interval);
    let interval =
        interval.map_or(String::new(), |(low, high)| format!("{} to {}", format::time(low), format::time(high)));
    let serious: Vec<String> = fitted.doubts.iter().filter(|doubt| doubt.is_serious()).map(Doubt::to_string).collect();
    let trust = if serious.is_empty() { "yes".to_owned() } else { format!("NO: {}", serious.join("; ")) };
    format!("{what:<20}{value:>12}  {interval:<26}{:>6}  {:<22}{trust}\n", fitted.n, fitted.chosen.family.name())
}

fn kept_back(held: &[HeldOut]) -> String {
    let mut text = format!("{:<32}{:>12}{:>12}{:>9}{:>7}\n", "kept back", "predicted", "measured", "error", "n");
    for one in held {
        let error = format!("{:+.1} %", 100.0 * one.error());
        let (predicted, measured) = (format::time(one.predicted), format::time(one.measured));
        text.push_str(&format!("{:<32}{predicted:>12}{measured:>12}{error:>9}{:>7}\n", one.what, one.n));
    }
    text
}

/// What is going on, on a terminal.
struct Line<'a> {
    name: &'a str,
    shown: Option<(Part, u64)>,
}

impl Line<'_> {
    fn show(&mut self, part: Part, share: f64) {
        let now = (part, (share * 100.0) as u64);
        if !io::stderr().is_terminal() || terminal::is_dumb() || self.shown == Some(now) {
            return;
        }
        self.shown = Some(now);
        let _ = write!(io::stderr().lock(), "\r\x1b[K{}: {} ({} % of the budget)", self.name, part.name(), now.1);
    }

    fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// A budget of time, at least ten seconds.
pub(crate) fn budget(text: &str) -> Result<Duration, String> {
    let span = faas_lab_http::go::parse_duration(text).ok_or("write a span such as 2m or 90s")?;
    if span < Duration::from_secs(10) { Err("a calibration needs at least 10s".to_owned()) } else { Ok(span) }
}
