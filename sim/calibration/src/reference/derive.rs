//! From rates to a profile: the built-in one of a Raspberry Pi 4 with the factors of this machine.

use crate::reference::{Measured, Program};
use crate::show::figure;

const PROFILE: &str = include_str!("../../../../scenarios/profiles/raspberry-pi-4.toml");

/// Classes whose programs are not at hand, and how far apart factors of related classes lie on different machines, as a
/// standard deviation of the logarithm: an assumption, from the spread of published pairs of machines.
const CARRIED_OVER: [(&str, f64); 2] = [("cascade", 0.2), ("convnet", 0.3)];
/// What they are carried over by.
const RELATED: [&str; 2] = ["integer", "scalar"];

/// A factor of the profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// The class.
    pub class: String,
    /// Median.
    pub median: f64,
    /// Standard deviation of its logarithm.
    pub sigma: f64,
    /// What the built-in profile says.
    pub built_in: f64,
    /// How it was found.
    pub basis: &'static str,
    /// From what.
    pub source: String,
}

/// A profile and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The factors that differ from the built-in profile's, or were found again.
    pub factors: Vec<Factor>,
    /// The profile as TOML.
    pub profile: String,
}

/// The profile of a Raspberry Pi 4 against the machine, called `machine`, on which these rates were measured.
pub fn derive(measured: &[Measured], machine: &str) -> Derived {
    let mut factors: Vec<Factor> = measured.iter().filter_map(|measured| found(measured, machine)).collect();
    let change = |class: &str| {
        let factor = factors.iter().find(|factor| factor.class == class)?;
        Some(libm::log(factor.median / factor.built_in))
    };
    let changes: Vec<f64> = RELATED.iter().filter_map(|class| change(class)).collect();
    if !changes.is_empty() {
        let change = libm::exp(crate::runs::mean(&changes));
        let carried = CARRIED_OVER.iter().filter_map(|(class, spread)| carried_over(class, *spread, change, machine));
        factors.extend(carried.collect::<Vec<_>>());
    }
    let profile = profile(&factors, machine);
    Derived { factors, profile }
}

fn found(measured: &Measured, machine: &str) -> Option<Factor> {
    let Program { class, name, likeness, unit, pi: (pi, low, high), source, .. } = measured.program;
    let rate = measured.rate().filter(|rate| *rate > 0.0)?;
    let runs = measured.rates.len();
    Some(Factor {
        class: class.to_owned(),
        median: rate / pi,
        // The published values are taken for the middle 95 %.
        sigma: libm::log(high / low) / 3.92,
        built_in: built_in(class)?.0,
        basis: "derived",
        source: format!(
            "{name} ({likeness}): {} {unit} of CPU time on {machine}, the low decile of {runs} runs; {} {unit} on a Pi 4 ({source})",
            figure(rate),
            figure(pi)
        ),
    })
}

fn carried_over(class: &str, spread: f64, change: f64, machine: &str) -> Option<Factor> {
    let (median, sigma) = built_in(class)?;
    Some(Factor {
        class: class.to_owned(),
        median: median * change,
        sigma: (sigma * sigma + spread * spread).sqrt(),
        built_in: median,
        basis: "transferred",
        source: format!(
            "the built-in profile's {}, by as much as integer and scalar work differ on {machine} ({}); its programs were not run",
            figure(median),
            figure(change)
        ),
    })
}

/// Median and spread of a class in the built-in profile.
fn built_in(class: &str) -> Option<(f64, f64)> {
    let profile: toml::Table = PROFILE.parse().ok()?;
    let slowdown = profile.get("class")?.get(class)?.get("slowdown")?;
    let number = |value: &toml::Value| value.as_float().or_else(|| value.as_integer().map(|value| value as f64));
    match slowdown.get("lognormal") {
        Some(law) => Some((number(law.get("median")?)?, number(law.get("sigma")?)?)),
        None => Some((number(slowdown.get("value").unwrap_or(slowdown))?, 0.0)),
    }
}

/// The built-in profile with these factors in the places of its own; everything else stays, with its source.
fn profile(factors: &[Factor], machine: &str) -> String {
    let mut text = format!(
        "# Raspberry Pi 4 Model B with 4 GB, against {machine}: demands are times on that machine. Made by\n\
         # `faas-lab calibrate --reference` from the built-in profile raspberry-pi-4, whose opening follows.\n#\n"
    );
    let mut class = "";
    for line in PROFILE.lines() {
        if let Some(name) = line.strip_prefix("[class.").and_then(|rest| rest.strip_suffix(']')) {
            class = name;
        }
        let factor = factors.iter().find(|factor| factor.class == class);
        match factor {
            Some(factor) if line.starts_with("slowdown = ") => text.push_str(&slowdown(factor)),
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

fn slowdown(factor: &Factor) -> String {
    let Factor { median, sigma, basis, source, .. } = factor;
    let law = match *sigma > 0.0 {
        true => format!("lognormal = {{ median = {}, sigma = {} }}", figure(*median), figure(*sigma)),
        false => format!("value = {}", figure(*median)),
    };
    // A basic string of TOML: what a machine is called may hold anything.
    let source = toml::Value::String(source.clone());
    format!("slowdown = {{ {law}, basis = \"{basis}\", source = {source} }}")
}

#[cfg(test)]
mod tests {
    use faas_lab_model::scenario::{Need, Scenario};

    use super::*;
    use crate::reference::programs;

    fn measured(class: &str, times_the_pi: f64) -> Measured {
        let program = programs().into_iter().find(|program| program.class == class).expect("a class");
        // Runs that were disturbed are slower; the low decile of the times is not.
        let rates = (0..20).map(|run| program.pi.0 * times_the_pi * if run < 15 { 1.0 } else { 0.5 }).collect();
        Measured { program, rates }
    }

    #[test]
    fn factors_are_quotients_and_the_rest_stays() {
        let derived = derive(&[measured("scalar", 6.86), measured("memory", 4.5)], "a \"test\" machine");
        let factor = |class: &str| derived.factors.iter().find(|factor| factor.class == class).expect("a factor");
        assert!((factor("scalar").median - 6.86).abs() < 1e-9);
        // Twice the built-in factor of scalar work, 3.43: the cascade's, 4.52, goes along.
        assert!((factor("cascade").median - 2.0 * 4.52).abs() < 1e-9);
        assert_eq!(factor("cascade").basis, "transferred");
        assert!(factor("cascade").sigma > 0.2);
        assert!(derived.factors.iter().all(|factor| factor.class != "crypto"), "it was not measured");
    }

    #[test]
    fn the_profile_can_be_used_as_it_is() {
        let derived = derive(&[measured("scalar", 5.0)], "a \"test\" machine");
        let text = "duration = \"1m\"\n[[node]]\nprofile = \"mine\"\n[function.f]\ndemand = { work = \"scalar\", constant = \"1ms\" }\n\
                    [[workload]]\nfunction = \"f\"\narrivals = { constant = \"1/s\" }\n";
        let loader = |need: Need<'_>| Ok((need == Need::Profile("mine")).then(|| derived.profile.clone()));
        let scenario = Scenario::parse("test", text, &[], &loader).expect("a scenario");
        let class = |name: &str| scenario.nodes[0].classes.iter().find(|class| class.name == name).expect("a class");
        assert_eq!(class("scalar").slowdown.mean(), Some(5.0));
        assert_eq!(class("crypto").slowdown.mean(), Some(32.0));
        let provenance = scenario.provenance.iter().find(|fact| fact.source.contains("a \"test\" machine"));
        assert!(provenance.is_some(), "the profile says where its factor is from");
    }
}
