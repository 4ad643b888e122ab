//! What was fitted, as a scenario that `faas-lab simulate` plays and `faas-lab validate` holds against the gateway.

use std::fmt::Write as _;

use super::{Fits, Measurements, Sharing};
use crate::fit::{Estimate, Fitted};
use crate::write::{basis, fitted, key, quoted as text, seconds};

/// What a scenario is written from.
#[derive(Clone, Debug)]
pub struct Written<'a> {
    /// The scenario's name.
    pub name: &'a str,
    /// The command that made the measurements.
    pub command: &'a str,
    /// The gateway.
    pub gateway: &'a str,
    /// The day, as `2026-01-31`.
    pub day: &'a str,
    /// Function by function: what was seen, and what was made of it.
    pub functions: &'a [(Measurements, Fits)],
}

impl Written<'_> {
    /// The scenario's text. Its workload is a placeholder that its reader changes.
    pub fn toml(&self) -> String {
        let mut out = String::new();
        let line = &mut out;
        let Written { name, command, gateway, day, functions } = self;
        let _ = writeln!(line, "# Measured on {day} at {gateway}:");
        let _ = writeln!(line, "#     {command}");
        let _ = writeln!(line, "# Facts carry what they rest on. The workload and the policies are yours to change.");
        for doubt in functions.iter().flat_map(|(_, fits)| fits.doubts()) {
            let _ = writeln!(line, "# Not to be trusted: {doubt}.");
        }
        let _ = writeln!(line, "\nname = {}\nduration = \"5m\"\nreplications = 10", text(&folder_name(name)));
        if let Some(cores) = functions.iter().find_map(|(_, fits)| cores(fits)) {
            self.node(line, cores);
        }
        let first = functions.first().map(|(_, fits)| fits);
        // Their variation is in the warm calls already: see `fit.rs`.
        let known = |name: &str, part: fn(&Fits) -> Option<&Fitted>| {
            let middle = first.and_then(part)?.estimate("p50")?;
            let (value, source) = (seconds(middle.value), text(&basis(middle)));
            Some(format!("{name} = {{ value = {value}, basis = \"measured\", source = {source} }}"))
        };
        let bandwidth = first.and_then(|fits| fits.bandwidth.as_ref());
        let _ = writeln!(line, "\n[edge]");
        if let Some(rtt) = known("rtt", |fits| fits.rtt.as_ref()) {
            let _ = writeln!(line, "{rtt}");
        }
        if let Some(rate) = bandwidth {
            let value = text(&format!("{:.3}MB/s", rate.value / 1e6));
            let _ = writeln!(
                line,
                "bandwidth = {{ value = {value}, basis = \"measured\", source = {} }}",
                text(&said(rate, |v| format!("{:.1} MB/s", v / 1e6)))
            );
        }
        let _ = writeln!(line, "client_timeout = \"60s\"\n\n[gateway]");
        if let Some(overhead) = known("overhead", |fits| fits.gateway.as_ref()) {
            let _ = writeln!(line, "{overhead}");
        }
        let _ =
            writeln!(line, "# The wait for a replica is part of the measured start; polling must not be added to it.");
        let _ = writeln!(line, "scale_from_zero = {{ cache = \"0s\", poll = \"1ms\", polls = 100000 }}");
        for (seen, fits) in *functions {
            function(line, seen, fits);
        }
        for (_, fits) in *functions {
            let mean = fits.service.estimate("p50").map_or(1.0, |found| found.value).max(1e-3);
            let _ = writeln!(line, "\n[[workload]]\nfunction = {}", text(&fits.function));
            let _ = writeln!(line, "arrivals = {{ poisson = \"{:.3}/s\" }}", (0.2 / mean).clamp(0.01, 20.0));
        }
        out
    }

    /// The machine behind the gateway, if calls were seen to share its cores.
    fn node(&self, line: &mut String, cores: &Estimate) {
        let whole = cores.value.ceil().max(1.0);
        let source = text(&said(cores, |value| format!("{value:.2} cores")));
        let _ = writeln!(line, "\n[[node]]\nname = \"measured\"");
        let _ = writeln!(line, "cores = {{ value = {whole:.0}, basis = \"derived\", source = {source} }}");
        let reserved = whole - cores.value;
        let _ = writeln!(line, "reserved_cores = {{ value = {reserved:.4}, basis = \"measured\", source = {source} }}");
        let _ = writeln!(line, "memory = {{ value = \"64GB\", basis = \"assumed\", source = \"not measured\" }}");
    }
}

fn cores(fits: &Fits) -> Option<&Estimate> {
    match &fits.sharing {
        Sharing::Cores { cores } => Some(cores),
        Sharing::None | Sharing::Unknown => None,
    }
}

fn said(estimate: &Estimate, number: impl Fn(f64) -> String) -> String {
    let interval = estimate.interval.map(|(low, high)| format!(" (95 % interval {} to {})", number(low), number(high)));
    format!("{}, n = {}, {}{}", estimate.source, estimate.n, estimate.method.name(), interval.unwrap_or_default())
}

fn function(line: &mut String, seen: &Measurements, fits: &Fits) {
    let _ = writeln!(line, "\n[function.{}]", key(&fits.function));
    match fits.sharing {
        Sharing::Cores { .. } => {
            let _ = writeln!(line, "# Calls share cores: this is work.\n{}", fitted("demand", &fits.service));
            if fits.waking > 0.0 {
                let source = text("median of warm calls after pauses less that of calls without");
                let value = seconds(fits.waking);
                let _ = writeln!(
                    line,
                    "# Until all that slept is awake.\nwait = {{ value = {value}, basis = \"measured\", source = {source} }}"
                );
            }
        }
        Sharing::None | Sharing::Unknown => {
            let _ = writeln!(
                line,
                "# Calls do not hinder each other: this is time, not work. That a call which is given up ends there is assumed.\n\
                 demand = \"0s\"\n{}\ncancellable = true",
                fitted("wait", &fits.service)
            );
        }
    }
    let setting = |name: &str| seen.settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mode = match setting("mode") {
        Some("streaming") => "streaming",
        Some("serializing") => "serializing",
        Some("classic") => "classic",
        _ => "http",
    };
    let _ = writeln!(line, "\n[function.{}.watchdog.{mode}]", key(&fits.function));
    if let Some(watchdog) = &fits.watchdog {
        let _ = writeln!(line, "{}", fitted("overhead", watchdog));
    }
    for name in ["read_timeout", "write_timeout", "exec_timeout"] {
        if let Some(value) = setting(name) {
            let _ = writeln!(line, "{name} = {}", timeout(value));
        }
    }
    if let Some(limit) = setting("max_inflight").and_then(|value| value.trim().parse::<u32>().ok()).filter(|n| *n > 0) {
        let _ = writeln!(line, "max_inflight = {limit}");
    }
    if let Some(cold) = &fits.cold {
        let _ = writeln!(line, "\n[function.{}.cold_start]", key(&fits.function));
        let _ = writeln!(line, "# From outside, its phases cannot be told apart.\n{}", fitted("boot", cold));
    }
}

/// A timeout as watchdogs are given it: Go's spans, or seconds alone; zero is none.
fn timeout(value: &str) -> String {
    match value.trim().parse::<f64>() {
        Ok(secs) if secs > 0.0 => seconds(secs),
        Ok(_) => text("none"),
        Err(_) => text(value.trim()),
    }
}

/// A name that can also name a folder, as scenarios want it.
fn folder_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).take(100).collect();
    let name = name.trim_matches(['.', '-']);
    if name.is_empty() { "calibrated".to_owned() } else { name.to_owned() }
}
