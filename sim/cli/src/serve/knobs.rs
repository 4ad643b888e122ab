//! What of a scenario can be moved: its times, rates, numbers and policies, found in the scenario as it is written, so
//! that a page needs no list of them. Every move is an override such as `--set` takes, with the same checks.

use faas_lab_model::policies::listings;
use faas_lab_model::scenario::Scenario;
use faas_lab_model::time::Span;
use faas_lab_model::units::Rate;
use serde::Serialize;
use toml::{Table, Value};

/// Most that a page shows.
const MOST: usize = 200;

/// Tables and keys that are no settings of the system.
const NO_SETTINGS: [&str; 8] = ["name", "seed", "replications", "variant", "prices", "objective", "warmup", "drain"];

/// Something that can be moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Knob {
    /// Key of the override.
    pub(crate) key: String,
    /// A few words.
    pub(crate) label: String,
    /// Which knobs stand together.
    pub(crate) group: Group,
    /// What it moves, and how far.
    #[serde(flatten)]
    pub(crate) kind: Kind,
}

/// Knobs that stand together, in the order a page shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Group {
    Policies,
    Timeouts,
    Replicas,
    Load,
    Work,
    Other,
}

/// What a knob moves.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A time in seconds, moved by factors.
    Time { value: f64, least: f64, most: f64 },
    /// Events per second, moved by factors.
    Rate { value: f64, least: f64, most: f64 },
    /// A whole number.
    Whole { value: i64, least: i64, most: i64 },
    /// A number, moved by factors.
    Number { value: f64, least: f64, most: f64 },
    /// All rates of a shape over time, moved by one factor: its corners as times and rates per second.
    Shape { points: Vec<(String, f64)> },
    /// One of several names; the present one may be a name with settings of its own.
    Choice { value: String, options: Vec<String> },
}

/// The knobs of a scenario, in the order of their groups.
pub(crate) fn knobs(scenario: &Scenario) -> Vec<Knob> {
    let Ok(written) = scenario.record.toml.parse::<Table>() else { return Vec::new() };
    let mut knobs = Vec::new();
    for (key, value) in written.iter().filter(|(key, _)| !NO_SETTINGS.contains(&key.as_str())) {
        walk(key, value, &mut knobs);
    }
    for function in &scenario.functions {
        add_absent(&function.name, &mut knobs);
    }
    knobs.sort_by_key(|knob| knob.group);
    knobs.truncate(MOST);
    knobs
}

/// Choices that every function has, written or not.
fn add_absent(function: &str, knobs: &mut Vec<Knob>) {
    for part in ["scaling", "dispatch"] {
        let key = format!("function.{}.{part}", quoted(function));
        if !knobs.iter().any(|knob| knob.key == key) {
            knobs.push(choice(key, String::new()));
        }
    }
}

fn walk(key: &str, value: &Value, knobs: &mut Vec<Knob>) {
    if is_policy(key) {
        let name = match value {
            Value::String(name) => name.clone(),
            Value::Table(table) => table.keys().next().cloned().unwrap_or_default(),
            _ => String::new(),
        };
        knobs.push(choice(key.to_owned(), name));
    }
    match value {
        Value::Table(table) => {
            for (name, value) in table.iter().filter(|(name, _)| !["basis", "source"].contains(&name.as_str())) {
                walk(&format!("{key}.{}", quoted(name)), value, knobs);
            }
        }
        Value::Array(items) if key.ends_with(".points") || key.ends_with(".steps") => {
            let points: Option<Vec<(String, f64)>> = items.iter().map(point).collect();
            knobs.extend(points.filter(|points| !points.is_empty()).map(|points| knob(key, Kind::Shape { points })));
        }
        Value::Array(items) if items.iter().all(Value::is_table) => {
            items.iter().enumerate().for_each(|(index, item)| walk(&format!("{key}.{index}"), item, knobs));
        }
        _ if is_policy(key) => {}
        value => knobs.extend(kind(value).map(|kind| knob(key, kind))),
    }
}

/// A corner of a shape: `["30m", "20/s"]`.
fn point(corner: &Value) -> Option<(String, f64)> {
    match corner.as_array()?.as_slice() {
        [Value::String(time), Value::String(rate)] => Some((time.clone(), rate.parse::<Rate>().ok()?.0)),
        _ => None,
    }
}

/// What kind of value can be moved.
fn kind(value: &Value) -> Option<Kind> {
    match value {
        Value::String(text) => {
            if let Ok(span) = text.parse::<Span>() {
                let value = span.as_secs_f64();
                let (least, most) = if value > 0.0 { (value / 20.0, value * 20.0) } else { (0.001, 60.0) };
                return Some(Kind::Time { value, least, most });
            }
            let rate = text.parse::<Rate>().ok().filter(|rate| rate.0 > 0.0)?.0;
            Some(Kind::Rate { value: rate, least: rate / 10.0, most: rate * 10.0 })
        }
        Value::Integer(value) if (0..=1_000_000).contains(value) => {
            Some(Kind::Whole { value: *value, least: 0, most: (value * 4).max(10) })
        }
        Value::Float(value) if *value > 0.0 && value.is_finite() => {
            Some(Kind::Number { value: *value, least: value / 10.0, most: value * 10.0 })
        }
        _ => None,
    }
}

fn knob(key: &str, kind: Kind) -> Knob {
    Knob { key: key.to_owned(), label: label(key), group: group(key), kind }
}

fn choice(key: String, value: String) -> Knob {
    let part = key.rsplit('.').next().unwrap_or_default();
    let place = if part == "placement" { "cluster.placement".to_owned() } else { format!("function.NAME.{part}") };
    let all = listings();
    let options = all.iter().filter(|listing| listing.key == place).map(|listing| listing.name.to_owned()).collect();
    Knob { label: label(&key), group: Group::Policies, kind: Kind::Choice { value, options }, key }
}

fn is_policy(key: &str) -> bool {
    let depth = key.split('.').count();
    match key.rsplit('.').next() {
        Some("scaling" | "dispatch") => key.starts_with("function.") && depth == 3,
        Some("placement") => depth == 2,
        _ => false,
    }
}

fn group(key: &str) -> Group {
    let parts: Vec<&str> = key.split('.').collect();
    let last = parts.last().copied().unwrap_or_default();
    match () {
        () if last.ends_with("timeout") => Group::Timeouts,
        () if parts[0] == "workload" => Group::Load,
        () if parts.contains(&"scaling") => Group::Policies,
        () if parts.contains(&"replicas") || parts.contains(&"scale_to_zero") || last == "max_inflight" => {
            Group::Replicas
        }
        () if parts[0] == "node" && last == "count" => Group::Replicas,
        () if parts[0] == "function" => Group::Work,
        () => Group::Other,
    }
}

/// The parts of a key that say what it is: `watchdog exec timeout` of `function.f.watchdog.http.exec_timeout`.
fn label(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    let parts = match parts.as_slice() {
        ["function", _, rest @ ..] => rest,
        ["workload", _, rest @ ..] => rest,
        all => all,
    };
    let silent = ["http", "streaming", "serializing", "classic", "arrivals", "value", "lognormal", "normal"];
    let words: Vec<String> = parts
        .iter()
        .filter(|part| !silent.contains(part))
        .map(|part| part.trim_matches('"').replace('_', " "))
        .collect();
    if words.is_empty() { key.to_owned() } else { words.join(" ") }
}

/// A part of a key as overrides read it.
fn quoted(part: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !part.is_empty() && part.chars().all(plain) { part.to_owned() } else { format!("{part:?}") }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::scenario::BuiltIn;

    use super::*;

    fn flagship(overrides: &[&str]) -> Scenario {
        let text = include_str!("../../../../scenarios/pi4-k3s.toml");
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Scenario::parse("pi4-k3s.toml", text, &overrides, &BuiltIn).expect("a valid scenario")
    }

    fn found(knobs: &[Knob], key: &str) -> Knob {
        knobs.iter().find(|knob| knob.key == key).unwrap_or_else(|| panic!("no {key}")).clone()
    }

    #[test]
    fn timeouts_replicas_rates_and_policies_are_found() {
        let knobs = knobs(&flagship(&[]));
        let exec = found(&knobs, "function.face-recognition.watchdog.http.exec_timeout");
        assert_eq!((exec.label.as_str(), exec.group), ("watchdog exec timeout", Group::Timeouts));
        assert_eq!(exec.kind, Kind::Time { value: 10.0, least: 0.5, most: 200.0 });
        let most = found(&knobs, "function.face-recognition.replicas.max");
        assert_eq!(most.kind, Kind::Whole { value: 12, least: 0, most: 48 });
        let scaling = found(&knobs, "function.face-recognition.scaling");
        let Kind::Choice { value, options } = scaling.kind else { panic!("a choice") };
        assert_eq!(value, "capacity");
        assert!(["fixed", "hpa", "ce-alert"].iter().all(|name| options.iter().any(|option| option == name)));
        let shape = found(&knobs, "workload.0.arrivals.shape.points");
        let Kind::Shape { points } = shape.kind else { panic!("a shape") };
        assert_eq!(points[2], ("60m".to_owned(), 20.0));
    }

    #[test]
    fn every_knob_is_an_override_that_can_be_read() {
        for knob in knobs(&flagship(&[])) {
            let value = match &knob.kind {
                Kind::Time { value, .. } => format!("\"{value}s\""),
                Kind::Rate { value, .. } => format!("\"{value}/s\""),
                Kind::Whole { value, .. } => value.to_string(),
                Kind::Number { value, .. } => value.to_string(),
                Kind::Shape { points } => {
                    let corners: Vec<String> =
                        points.iter().map(|(at, rate)| format!("[\"{at}\", \"{rate}/s\"]")).collect();
                    format!("[{}]", corners.join(", "))
                }
                Kind::Choice { value, .. } => format!("{value:?}"),
            };
            flagship(&[&format!("{}={value}", knob.key)]);
        }
    }
}
