//! A calibration as a scenario: each value with its interval, the number of observations, the method and the source.

use std::fmt::Write;

use faas_lab_model::distributions::Distribution;
use faas_lab_model::policies::dispatch::IdleRouting;

use crate::calibration::{Calibration, PlatformFit};
use crate::fit::{Estimate, Fitted};
use crate::platform::Risks;

/// How arrivals are written.
#[derive(Clone, Copy, Debug)]
pub enum Traffic<'a> {
    /// A Poisson process with the measured rate, or its shape where the rate moves.
    Measured,
    /// The arrivals of a trace of this name.
    Trace(&'a str),
}

/// The scenario as a text; `function` names the function.
pub fn scenario(
    calibration: &Calibration,
    function: &str,
    traffic: Traffic<'_>,
    duration: f64,
    initial: usize,
) -> String {
    let mut text = String::new();
    // Writing into a text cannot fail.
    let _ = write_scenario(&mut text, calibration, function, traffic, duration, initial);
    text
}

fn write_scenario(
    out: &mut String,
    calibration: &Calibration,
    function: &str,
    traffic: Traffic<'_>,
    duration: f64,
    initial: usize,
) -> std::fmt::Result {
    let name = key(function);
    writeln!(out, "# Calibrated by `faas-lab calibrate` from {}.", comment(&calibration.sources.join(", ")))?;
    writeln!(out, "#\n# Times are responses as the client saw them, so no network or gateway is added to them.\n")?;
    writeln!(out, "duration = {}\nseed = 1\nreplications = 10\n", seconds(duration))?;
    writeln!(out, "[function.{name}]")?;
    writeln!(out, "{}", fitted("demand", &calibration.warm))?;
    match &calibration.platform {
        Some(platform) => {
            if let Some(cold) = &calibration.cold {
                writeln!(out, "{}", fitted("cold_demand", cold))?;
            }
            write_platform(out, platform, initial)?;
        }
        None => {
            writeln!(
                out,
                "# How many calls a replica takes at once, and how it scales, is not in the logs: set these."
            )?;
            writeln!(out, "replicas = 1")?;
        }
    }
    writeln!(out, "\n[[workload]]\nfunction = {}", quoted(function))?;
    match (traffic, calibration.arrivals.first()) {
        (Traffic::Trace(path), _) => writeln!(out, "arrivals = {{ trace = {} }}", quoted(path)),
        (Traffic::Measured, Some(arrivals)) => match &arrivals.shape {
            Some(shape) => {
                let steps: Vec<String> =
                    shape.iter().map(|(at, rate)| format!("[{}, \"{rate:.6}/s\"]", seconds(*at))).collect();
                writeln!(out, "# The rate moves by more than chance: counts of equal pieces of the log.")?;
                writeln!(out, "arrivals = {{ steps = [{}] }}", steps.join(", "))
            }
            None => {
                writeln!(
                    out,
                    "# {}; gaps vary by {:.2} of their mean.",
                    comment(&basis(&arrivals.rate)),
                    arrivals.gap_cv
                )?;
                writeln!(out, "arrivals = {{ poisson = \"{:.6}/s\" }}", arrivals.rate.value)
            }
        },
        (Traffic::Measured, None) => {
            writeln!(out, "# When requests arrived is not in the logs: set this.\narrivals = {{ poisson = \"1/s\" }}")
        }
    }
}

fn write_platform(out: &mut String, platform: &PlatformFit, initial: usize) -> std::fmt::Result {
    let routing = &platform.routing;
    let best = &routing.scores[0];
    writeln!(
        out,
        "# {:.1} % of {} choices among idle replicas are as this rule would have them.",
        100.0 * best.agreement,
        routing.choices
    )?;
    writeln!(out, "scaling = {{ per-request = {{ routing = \"{}\" }} }}", rule_name(routing.rule))?;
    match &platform.risks {
        Some(fitted) => {
            let Risks { replica_idle, function_idle, .. } = fitted.risks;
            let uniform = |(low, high): (f64, f64)| law(&Distribution::Uniform { low, high });
            let source = quoted(&bases(&fitted.estimates, "idle"));
            let keep_alive = match (replica_idle, function_idle) {
                (Some(replica), Some(function)) => format!(
                    "fleet = {{ replica = {{ {} }}, function = {{ {} }} }}",
                    uniform(replica),
                    uniform(function)
                ),
                (Some(limit), None) | (None, Some(limit)) => format!("survival = {{ {} }}", uniform(limit)),
                (None, None) => "value = \"forever\"".to_owned(),
            };
            let source = if replica_idle.or(function_idle).is_some() {
                source
            } else {
                quoted("no replica was lost for being idle")
            };
            writeln!(out, "keep_alive = {{ {keep_alive}, basis = \"measured\", source = {source} }}")?;
            if let Some(lifetime) = fitted.risks.lifetime_law() {
                let source =
                    quoted(&[bases(&fitted.estimates, "sudden"), bases(&fitted.estimates, "lifetime")].join("; "));
                writeln!(out, "lifetime = {{ {}, basis = \"measured\", source = {source} }}", law(&lifetime))?;
            }
        }
        None => writeln!(out, "# No replica is known to have ended while the log ran.\nkeep_alive = \"forever\"")?,
    }
    writeln!(out, "replicas = {{ min = 0, max = 1000, initial = {initial} }}")
}

/// The name of a rule in scenarios.
pub fn rule_name(rule: IdleRouting) -> &'static str {
    match rule {
        IdleRouting::Newest => "newest",
        IdleRouting::MostRecentlyUsed => "most-recently-used",
        IdleRouting::LeastRecentlyUsed => "least-recently-used",
        IdleRouting::Random => "random",
    }
}

/// `demand = { law, basis, source }`, doubts in comments above.
pub(crate) fn fitted(key: &str, fitted: &Fitted) -> String {
    let mut text = String::new();
    for doubt in &fitted.doubts {
        let word = if doubt.is_serious() { "Not to be trusted" } else { "Mind" };
        text.push_str(&format!("# {word}: {doubt}.\n"));
    }
    let family = fitted.chosen.family.name();
    let median = fitted.estimate("p50").map(basis).unwrap_or_default();
    let source = quoted(&format!("{family} law; {median}"));
    text.push_str(&format!("{key} = {{ {}, basis = \"measured\", source = {source} }}", law(fitted.law())));
    text
}

/// One estimate in words: value, interval, n, method, source.
pub fn basis(estimate: &Estimate) -> String {
    let interval =
        estimate.interval.map_or(String::new(), |(low, high)| format!(" ({} to {})", digits(low), digits(high)));
    format!(
        "{} {}{interval}, n = {}, {}, {}",
        estimate.name,
        digits(estimate.value),
        estimate.n,
        estimate.method.name(),
        estimate.source
    )
}

/// The estimates whose names contain a word, method and source said once.
fn bases(estimates: &[Estimate], word: &str) -> String {
    let chosen: Vec<&Estimate> = estimates.iter().filter(|estimate| estimate.name.contains(word)).collect();
    let Some(last) = chosen.last() else { return String::new() };
    let interval = |estimate: &Estimate| {
        estimate.interval.map_or(String::new(), |(low, high)| format!(" ({} to {})", digits(low), digits(high)))
    };
    let values: Vec<String> = chosen
        .iter()
        .map(|estimate| format!("{} {}{}", estimate.name, digits(estimate.value), interval(estimate)))
        .collect();
    format!("{}; n = {}, {}, {}", values.join(", "), last.n, last.method.name(), last.source)
}

/// The fields of a law as a scenario has them, without braces.
pub fn law(distribution: &Distribution) -> String {
    match distribution {
        Distribution::Constant(value) => format!("constant = {}", seconds(*value)),
        Distribution::Exponential { mean } => format!("exponential = {}", seconds(*mean)),
        Distribution::Uniform { low, high } => {
            format!("uniform = {{ low = {}, high = {} }}", seconds(*low), seconds(*high))
        }
        Distribution::Normal { mean, sd } => format!("normal = {{ mean = {}, sd = {} }}", seconds(*mean), seconds(*sd)),
        Distribution::Lognormal { median, sigma } => {
            format!("lognormal = {{ median = {}, sigma = {} }}", seconds(*median), digits(*sigma))
        }
        Distribution::Gamma { mean, cv } => format!("gamma = {{ mean = {}, cv = {} }}", seconds(*mean), digits(*cv)),
        Distribution::Weibull { scale, shape } => {
            format!("weibull = {{ scale = {}, shape = {} }}", seconds(*scale), digits(*shape))
        }
        Distribution::Hyperexponential { mean, cv } => {
            format!("hyperexponential = {{ mean = {}, cv = {} }}", seconds(*mean), digits(*cv))
        }
        Distribution::Pareto { minimum, shape, maximum } => {
            let maximum = maximum.map_or(String::new(), |maximum| format!(", maximum = {}", seconds(maximum)));
            format!("pareto = {{ minimum = {}, shape = {}{maximum} }}", seconds(*minimum), digits(*shape))
        }
        Distribution::Empirical(values) => {
            let values: Vec<String> = values.iter().map(|value| seconds(*value)).collect();
            format!("empirical = [{}]", values.join(", "))
        }
        Distribution::Quantiles(points) => {
            let points: Vec<String> =
                points.iter().map(|(share, value)| format!("[{}, {}]", digits(*share), seconds(*value))).collect();
            format!("quantiles = [{}]", points.join(", "))
        }
        Distribution::Shifted { offset, law: inner } => format!("offset = {}, {}", seconds(*offset), law(inner)),
        Distribution::Truncated { law: inner, low, high } => {
            let high = high.map_or(String::new(), |high| format!(", at_most = {}", seconds(high)));
            format!("at_least = {}{high}, {}", seconds(*low), law(inner))
        }
        Distribution::Mixture(parts) => {
            let parts: Vec<String> = parts
                .iter()
                .map(|(weight, inner)| format!("{{ weight = {}, {} }}", digits(*weight), law(inner)))
                .collect();
            format!("mixture = [{}]", parts.join(", "))
        }
    }
}

/// Six digits: more than any fit supports, few enough to read.
fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let places = (5 - libm::log10(value.abs()).floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

pub(crate) fn seconds(value: f64) -> String {
    format!("\"{}s\"", digits(value))
}

/// A text as TOML has it in quotes.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.replace(['\n', '\r'], " ")).to_string()
}

pub(crate) fn key(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if bare { name.to_owned() } else { quoted(name) }
}

fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use faas_lab_model::scenario::{BuiltIn, Scenario};

    use super::*;

    #[test]
    fn a_law_that_is_written_is_read_as_itself() {
        let lognormal = Distribution::Lognormal { median: 0.2, sigma: 0.5 };
        let laws = [
            Distribution::Constant(1.5),
            Distribution::Exponential { mean: 1e-6 },
            Distribution::Uniform { low: 0.0, high: 3e5 },
            Distribution::Normal { mean: 1.0, sd: 0.25 },
            Distribution::Gamma { mean: 1.0, cv: 0.5 },
            Distribution::Weibull { scale: 1.0, shape: 2.5 },
            Distribution::Hyperexponential { mean: 1.0, cv: 2.0 },
            Distribution::Pareto { minimum: 1.0, shape: 1.5, maximum: Some(9.0) },
            Distribution::Empirical(vec![1.0, 2.0]),
            Distribution::Quantiles(vec![(0.0, 1.0), (0.25, 2.0), (1.0, 4.0)]),
            Distribution::Shifted { offset: 2.0, law: Box::new(lognormal.clone()) },
            Distribution::Truncated { law: Box::new(lognormal.clone()), low: 0.125, high: Some(2.0) },
            Distribution::Mixture(vec![(0.25, lognormal.clone()), (0.75, Distribution::Constant(4.0))]),
            lognormal,
        ];
        for written in laws {
            let text = format!(
                "duration = \"1h\"\n[function.f]\ndemand = {{ {} }}\n[[workload]]\nfunction = \"f\"\narrivals = {{ poisson = \"1/s\" }}\n",
                law(&written)
            );
            let scenario =
                Scenario::parse("written", &text, &[], &BuiltIn).unwrap_or_else(|error| panic!("{text}{error}"));
            assert_eq!(scenario.functions[0].demand.law, written, "{text}");
        }
    }

    #[test]
    fn digits_are_few_and_right() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (1587.654321, "1587.65"),
            (0.000123456789, "0.000123457"),
            (12345678.0, "12345678"),
        ] {
            assert_eq!(digits(value), text);
        }
    }
}
