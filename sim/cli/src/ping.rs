//! `faas-lab ping`: is a gateway there, what is it, and do the timeouts on the way to its functions agree?

mod chain;
mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use faas_lab_functions::stack;
use faas_lab_http::go::parse_duration;
use faas_lab_loadgen::ping::{self, Gateway, PingError};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::target::TargetArguments;
use crate::terminal;
use chain::{Chain, Finding, Known, Severity};

/// Ask a gateway who it is, and check that the timeouts on the way to functions agree
///
/// Nothing is invoked. Gateway, watchdog and function each have timeouts of their own, and each must wait longer than
/// what it waits for: the page says which do not, and what to change. With --stack, the timeouts of a stack file are
/// checked before anything is deployed. What a gateway does not say of itself can be said with flags.
#[derive(Args, Debug)]
pub(crate) struct PingArguments {
    #[command(flatten)]
    pub(crate) target: TargetArguments,

    /// Check the functions of this stack file; a gateway is then asked only if --gateway names one
    #[arg(long, value_name = "FILE")]
    pub(crate) stack: Option<PathBuf>,

    /// Where the gateway's metrics are [default: port 8082 of its host]
    #[arg(long, value_name = "URL")]
    pub(crate) metrics: Option<url::Url>,

    /// The gateway's upstream_timeout, if it does not say it
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) upstream_timeout: Option<Duration>,

    /// The gateway's write_timeout, if it does not say it
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) write_timeout: Option<Duration>,

    /// The provider's own timeout (its read_timeout), where it has one
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) provider_timeout: Option<Duration>,

    /// How long your clients wait, or a proxy before the gateway
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) client_timeout: Option<Duration>,

    /// After how long the queue delivers an invocation again (ack_wait), if it does so while one runs
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) ack_wait: Option<Duration>,

    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Go's duration, or seconds.
fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a span such as 30s or 1m30s, or seconds".to_owned())
}

/// What was found out.
#[derive(Debug, Serialize)]
struct Findings {
    /// The gateway, if one was asked.
    gateway: Option<GatewayFacts>,
    /// The stack file, if one was read.
    stack: Option<String>,
    functions: Vec<FunctionFacts>,
    findings: Vec<Finding>,
    /// Whether nothing has to be changed.
    consistent: bool,
}

#[derive(Debug, Serialize)]
struct GatewayFacts {
    url: String,
    round_trip_seconds: f64,
    provider: Option<String>,
    version: Option<String>,
    arch: Option<String>,
    asynchronous: bool,
    metrics: Option<String>,
    timeouts: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct FunctionFacts {
    name: String,
    image: String,
    /// Ready and wanted replicas, of deployed ones.
    replicas: Option<(u64, u64)>,
    /// The watchdog's timeouts: as set, or its defaults.
    timeouts: BTreeMap<String, String>,
}

/// A function, from wherever it is known.
struct Named {
    name: String,
    image: String,
    replicas: Option<(u64, u64)>,
    environment: BTreeMap<String, String>,
}

pub(crate) fn run(arguments: &PingArguments) -> Result<Outcome, Failure> {
    let in_stack = arguments.stack.as_deref().map(read_stack).transpose()?;
    let asks = in_stack.is_none() || arguments.target.gateway.is_some();
    let (gateway, url) = if asks { ask(arguments)? } else { (None, None) };
    if let Some(url) = url.as_ref().filter(|_| gateway.as_ref().is_some_and(|gateway| !gateway.is_one())) {
        return Err(Failure::new(format!(
            "{url} answers, but not as an OpenFaaS-compatible gateway: it has no /system/info"
        ))
        .help(
            "drive it as it is with `faas-lab loadtest --platform http`, or knative or lambda; ping asks gateways only",
        ));
    }
    let functions = in_stack.or_else(|| gateway.as_ref().map(deployed)).unwrap_or_default();
    let chain = chain(arguments, gateway.as_ref());
    let mut findings = gateway.as_ref().map(about).unwrap_or_default();
    for function in &functions {
        findings.extend(chain.check(&function.name, &function.environment));
    }
    findings.extend(chain.check_gateway(&functions.iter().map(|f| &f.environment).collect::<Vec<_>>()));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let consistent = findings.iter().all(|finding| finding.severity < Severity::Wrong);
    let found = Findings {
        gateway: gateway.map(|gateway| facts(&gateway, url.unwrap_or_default(), &chain)),
        stack: arguments.stack.as_ref().map(|path| path.display().to_string()),
        functions: functions.iter().map(Named::facts).collect(),
        findings,
        consistent,
    };
    if arguments.json {
        let json = serde_json::to_string_pretty(&found).map_err(|error| Failure::new(error.to_string()))?;
        terminal::print(&format!("{json}\n"))?;
    } else {
        terminal::print(&page::text(&found))?;
    }
    Ok(if consistent { Outcome::Done } else { Outcome::Missed })
}

/// Asks the gateway; another platform has nothing that could be asked.
fn ask(arguments: &PingArguments) -> Result<(Option<Gateway>, Option<String>), Failure> {
    let target = arguments.target.target()?;
    let Some(system) = target.system else {
        let message = format!("{} has no API that says what is there", target.platform.name());
        let help = "ping asks OpenFaaS-compatible gateways; `faas-lab loadtest` drives this one too, and --stack FILE asks nobody";
        return Err(Failure::new(message).help(help));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let asked = ping::ask(&system, arguments.metrics.clone(), arguments.target.insecure);
    let gateway = runtime.block_on(asked).map_err(|error| {
        let help = match error {
            PingError::Silent(_, _, true) => "--insecure takes any certificate",
            _ => "is it up, and is this its address? `faas-lab up` starts one on this machine",
        };
        Failure::new(error.to_string()).help(help)
    })?;
    Ok((Some(gateway), Some(target.address)))
}

fn chain(arguments: &PingArguments, gateway: Option<&Gateway>) -> Chain {
    let told = gateway.and_then(|gateway| gateway.about.as_ref().ok()).map(|about| &about.timeouts);
    let of = |flag: Option<Duration>, name: &str| {
        let told = told.and_then(|told| told.get(name)).and_then(|text| parse_duration(text));
        match (flag, told) {
            (Some(span), _) => Known::Said(span),
            (None, Some(span)) => Known::Told(span),
            (None, None) => Known::Assumed,
        }
    };
    Chain {
        upstream: of(arguments.upstream_timeout, "upstream"),
        write: of(arguments.write_timeout, "write"),
        provider: arguments.provider_timeout,
        client: arguments.client_timeout,
        ack_wait: arguments.ack_wait,
    }
}

fn deployed(gateway: &Gateway) -> Vec<Named> {
    let functions = gateway.functions.as_deref().unwrap_or_default();
    let named = |function: &ping::Function| Named {
        name: function.name.clone(),
        image: function.image.clone(),
        replicas: Some((function.ready, function.replicas)),
        environment: function.environment.clone(),
    };
    functions.iter().map(named).collect()
}

/// The functions of a stack file, with what their files of environment add.
fn read_stack(path: &Path) -> Result<Vec<Named>, Failure> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| Failure::with_path("read", path, &error));
    let wrong = |path: &Path, error: stack::StackError| Failure::new(format!("{}: {error}", path.display()));
    let functions = stack::parse(&read(path)?, &|name| std::env::var(name).ok()).map_err(|error| wrong(path, error))?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut named = Vec::new();
    for function in functions {
        let mut environment = function.deployment.env_vars;
        for file in &function.environment_files {
            let file = beside.join(file);
            environment.extend(stack::environment_file(&read(&file)?).map_err(|error| wrong(&file, error))?);
        }
        let (name, image) = (function.deployment.service, function.deployment.image);
        named.push(Named { name, image, replicas: None, environment });
    }
    Ok(named)
}

/// What the gateway itself should be told.
fn about(gateway: &Gateway) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |severity, code, what: String, change: &str| {
        findings.push(Finding { severity, code, function: None, what, change: change.to_owned() });
    };
    if gateway.health != 200 {
        let what = format!("/healthz says {}", gateway.health);
        add(Severity::Wrong, "health", what, "look at the gateway's log, and whether its provider is up");
    }
    if let Err(why) = &gateway.about {
        add(Severity::Note, "info", why.clone(), "log in, to see platform and version");
    }
    if let Err(why) = &gateway.functions {
        add(Severity::Wrong, "functions", why.clone(), "without the list of functions their timeouts are not known");
    }
    if let (url, Err(why)) = &gateway.metrics {
        // Why it is not there begins with where.
        let why = why.strip_prefix(url.as_str()).map_or(why.as_str(), str::trim_start);
        let what = format!("there are no metrics: {url} {why}");
        add(
            Severity::Note,
            "metrics",
            what,
            "say where they are with --metrics, to see queue and calls in flight in load tests",
        );
    }
    if !gateway.asynchronous {
        let what = "it takes no asynchronous invocations".to_owned();
        add(Severity::Note, "async", what, "start it with NATS if you need them");
    }
    findings
}

fn facts(gateway: &Gateway, url: String, chain: &Chain) -> GatewayFacts {
    let about = gateway.about.as_ref().ok();
    let words = |parts: [&str; 2]| {
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    GatewayFacts {
        url,
        round_trip_seconds: gateway.round_trip.as_secs_f64(),
        provider: about.and_then(|about| words([&about.provider, &about.provider_version])),
        version: about.and_then(|about| words([&about.version, ""])),
        arch: about.and_then(|about| words([&about.arch, ""])),
        asynchronous: gateway.asynchronous,
        metrics: gateway.metrics.1.is_ok().then(|| gateway.metrics.0.to_string()),
        timeouts: chain.shown(),
    }
}

impl Named {
    fn facts(&self) -> FunctionFacts {
        let timeouts = chain::watchdog(&self.environment);
        FunctionFacts {
            name: self.name.clone(),
            image: self.image.clone(),
            replicas: self.replicas,
            timeouts: timeouts.shown(),
        }
    }
}
