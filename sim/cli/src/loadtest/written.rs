//! The scenario of a load test, from a file or from flags, and the command that repeats it.

use faas_lab_model::metrics::result::{METRICS, MetricInfo};
use faas_lab_model::scenario::{BuiltIn, Scenario};
use faas_lab_model::time::Span;

use crate::args::LoadtestArguments;
use crate::failure::Failure;
use crate::simulate::quoted;

/// The scenario that `arguments` name or describe. What flags change is part of it, and so of the result.
pub(super) fn scenario(arguments: &LoadtestArguments) -> Result<Scenario, Failure> {
    let given = match &arguments.scenario {
        Some(path) if path.to_string_lossy().contains("://") => {
            let message = format!("{} is an address, and no scenario", path.display());
            return Err(Failure::new(message).help(BY_FLAGS));
        }
        Some(path) => {
            let first = Scenario::load(path, &arguments.set)?;
            let overrides = overrides(arguments, &first)?;
            return Ok(Scenario::load(path, &overrides)?);
        }
        None => match arguments.function.as_deref() {
            Some(function) => function,
            None => return Err(Failure::new("it is not said what is to be called").help(BY_FLAGS)),
        },
    };
    if arguments.rate.is_none() && arguments.users.is_none() {
        return Err(Failure::new("it is not said how much is to be sent").help("add --rate 10, or --users 10"));
    }
    let text = text(given, arguments.users.is_some());
    let first = Scenario::parse("command-line.toml", &text, &arguments.set, &BuiltIn)?;
    let overrides = overrides(arguments, &first)?;
    Ok(Scenario::parse("command-line.toml", &text, &overrides, &BuiltIn)?)
}

/// How to do without a scenario.
const BY_FLAGS: &str = "name a scenario file; or say where and what: \
                        faas-lab loadtest --gateway http://127.0.0.1:8080 --function hello --rate 10";

/// What is not said otherwise. The function's work is its own business; arrivals come from the flags.
fn text(function: &str, users: bool) -> String {
    let name = toml::Value::String(function.to_owned());
    // A workload has the one or the other; how many is said by an override.
    let comes = if users { "users = { count = 1 }" } else { "arrivals = { poisson = \"1/s\" }" };
    format!(
        "# The function {function}, driven from the command line.\n\
         name = {name}\nduration = \"30s\"\nwarmup = \"0s\"\nseed = 1\n\n\
         [edge]\nclient_timeout = \"65s\"\n\n\
         [function.{name}]\ndemand = \"0s\"\n\n\
         [[workload]]\nfunction = {name}\n{comes}\n"
    )
}

fn overrides(arguments: &LoadtestArguments, scenario: &Scenario) -> Result<Vec<String>, Failure> {
    let mut overrides = arguments.set.clone();
    let mut put = |key: &str, value: &Option<String>| {
        overrides.extend(value.as_ref().map(|value| format!("{key}={}", toml::Value::String(value.clone()))));
    };
    put("duration", &arguments.duration);
    put("warmup", &arguments.warm_up);
    put("edge.client_timeout", &arguments.timeout);
    overrides.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    for text in &arguments.objective {
        overrides.push(objective(text)?);
    }
    let arrivals = match (arguments.rate, arguments.users) {
        (Some(rate), _) => {
            let law = if arguments.constant { "constant" } else { "poisson" };
            Some(("arrivals", format!("{{ {law} = \"{rate}/s\" }}")))
        }
        (None, Some(users)) => {
            let think = toml::Value::String(arguments.think.clone());
            Some(("users", format!("{{ count = {users}, think = {think} }}")))
        }
        (None, None) => None,
    };
    let Some((key, value)) = arrivals else { return Ok(overrides) };
    let [workload] = scenario.workloads.as_slice() else {
        let known: Vec<&str> = scenario.workloads.iter().map(|workload| workload.name.as_str()).collect();
        let message = format!("--rate and --users are for one workload, and this scenario has {}", known.join(", "));
        return Err(Failure::new(message).help("set each: --set 'workload.NAME.arrivals={ poisson = \"10/s\" }'"));
    };
    let name = toml::Value::String(workload.name.clone());
    overrides.push(format!("workload.{name}.{key}={value}"));
    Ok(overrides)
}

/// `p95<500ms` as an override: `objective.p95="500ms"`.
fn objective(text: &str) -> Result<String, Failure> {
    let wrong = |help: &str| Failure::new(format!("--objective {text:?} is no bound")).help(help.to_owned());
    let Some((metric, bound)) = text.split_once('<') else {
        return Err(wrong("write METRIC<BOUND, such as 'p95<500ms' or 'errors<1%'"));
    };
    let (metric, bound) = (metric.trim(), bound.trim_start_matches('=').trim());
    let key = match metric {
        "errors" | "error" => "error_rate",
        other => other.strip_prefix("response_").unwrap_or(other),
    };
    let same = |known: &&MetricInfo| known.key.strip_prefix("response_").unwrap_or(known.key) == key;
    let Some(known) = METRICS.iter().find(same) else {
        return Err(wrong("write a metric of result.json, such as p95, p99, mean, error_rate or cold_share"));
    };
    if known.unit == "s" && bound.parse::<Span>().is_err() {
        return Err(wrong("a time needs a unit: write it as in 'p95<500ms' or 'p95<2s'"));
    }
    let value = match bound.parse::<f64>() {
        Ok(number) => number.to_string(),
        Err(_) => toml::Value::String(bound.to_owned()).to_string(),
    };
    Ok(format!("objective.{key}={value}"))
}

/// The command that measures the same again. Secrets are left out.
pub(super) fn command(arguments: &LoadtestArguments) -> String {
    let mut words = vec!["faas-lab".to_owned(), "loadtest".to_owned()];
    words.extend(arguments.scenario.as_ref().map(|path| path.display().to_string()));
    let mut flag = |name: &str, value: Option<String>| words.extend(value.map(|value| format!("--{name}={value}")));
    flag("gateway", arguments.target.gateway.as_deref().map(without_password));
    flag("function", arguments.function.clone());
    flag("rate", arguments.rate.map(|rate| rate.to_string()));
    flag("users", arguments.users.map(|users| users.to_string()));
    flag("think", arguments.users.map(|_| arguments.think.clone()));
    flag("duration", arguments.duration.clone());
    flag("warm-up", arguments.warm_up.clone());
    flag("timeout", arguments.timeout.clone());
    flag("seed", arguments.seed.map(|seed| seed.to_string()));
    flag("method", arguments.call.method.clone());
    flag("path", arguments.call.path.clone());
    flag("data", arguments.call.data.clone());
    flag("data-binary", arguments.call.data_binary.clone());
    flag("in-flight", arguments.in_flight.map(|number| number.to_string()));
    for header in &arguments.call.header {
        let secret = header.split(':').next().is_some_and(|name| is_secret(name.trim()));
        flag("header", (!secret).then(|| header.clone()));
    }
    for bound in &arguments.objective {
        flag("objective", Some(bound.clone()));
    }
    for assignment in &arguments.set {
        flag("set", Some(assignment.clone()));
    }
    words.extend(arguments.constant.then(|| "--constant".to_owned()));
    words.extend(arguments.call.http2.then(|| "--http2".to_owned()));
    words.extend(arguments.call.no_keep_alive.then(|| "--no-keep-alive".to_owned()));
    words.extend(arguments.busy_poll.then(|| "--busy-poll".to_owned()));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "cookie", "proxy-authorization"].contains(&name.as_str())
        || name.contains("key")
        || name.contains("token")
        || name.contains("secret")
}

pub(super) fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            let _ = parsed.set_username("");
            let _ = parsed.set_password(None);
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}
