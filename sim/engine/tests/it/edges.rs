//! Scenarios at the edges of what may be written. Whatever passes validation plays to its end, in bounded memory and with
//! time moving on, and conserves its requests ([`Recorder::close`](faas_lab_model::metrics::Recorder::close) asserts that).
//!
//! Edits are drawn from the schema, so that a key that is added to the format is tried at once, and laid over a small
//! scenario. The fuzz target `run` uses this file too, with bytes in the place of a random generator.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use faas_lab_model::metrics::RunRecord;
use faas_lab_model::scenario::{Arrivals, BuiltIn, Scenario, ScenarioErrors, schema};
use faas_lab_model::time::{SimTime, Span};
use faas_lab_sim::{RunOptions, run};
use serde_json::Value;

const BASE: &str = r#"duration = "5s"
replications = 1
node = [{ profile = "raspberry-pi-4", count = 2 }]

[gateway]

[function.f]
demand = "100ms"
cpu_request = 0.1
cold_start = { boot = "200ms" }

[[workload]]
function = "f"
arrivals = { poisson = "20/s" }
"#;

/// Laid over every edited scenario, so that one case takes a moment.
const SHORT: [&str; 2] = ["duration=5s", "replications=1"];

/// What is edited, by weight; the rest of the format changes nothing in a run.
const SECTIONS: [&str; 13] = [
    "function", "function", "function", "function", "workload", "workload", "node", "edge", "gateway", "queue",
    "cluster", "warmup", "drain",
];

const TIMES: [&str; 12] = ["0s", "1ns", "1us", "999us", "1ms", "100ms", "1s", "7s", "1h", "365d", "73000d", "213503d"];
const RATES: [&str; 8] = ["0/s", "1e-300/s", "1/d", "1/s", "50/s", "2000/s", "1e9/s", "1e300/s"];
const SIZES: [&str; 6] = ["0B", "1B", "128MiB", "4GiB", "1000TiB", "18446744073709551615B"];
const DATA_RATES: [&str; 4] = ["0.000001B/s", "1B/s", "1Gbit/s", "1e300TiB/s"];
const SHARES: [&str; 5] = ["0", "1e-300", "0.5", "\"99%\"", "1"];
const NUMBERS: [&str; 7] = ["0", "1e-300", "0.1", "1", "50", "1e9", "1e300"];
const COUNTS: [&str; 6] = ["0", "1", "2", "7", "1000", "1000000"];

/// A row of choices. Once it has run out each further one is the first.
pub(crate) struct Choices<'a> {
    left: &'a [u8],
}

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices { left: bytes }
    }

    fn below(&mut self, most: usize) -> usize {
        let Some((first, rest)) = self.left.split_first() else { return 0 };
        self.left = rest;
        usize::from(*first) % most.max(1)
    }

    fn one_of<'t, T: ?Sized>(&mut self, all: &[&'t T]) -> &'t T {
        all[self.below(all.len())]
    }
}

/// Follows a reference.
fn resolved<'s>(part: &'s Value, root: &'s Value) -> &'s Value {
    match part["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        Some(name) => &root["$defs"][name],
        None => part,
    }
}

/// The keys of a table that has some.
fn filled(part: &Value) -> Option<&serde_json::Map<String, Value>> {
    part["properties"].as_object().filter(|properties| !properties.is_empty())
}

/// The long form of a fact, with its source: it says the same as the short one.
fn is_sourced(form: &Value) -> bool {
    let properties = &form["properties"];
    properties["value"].is_object() && properties["basis"].is_object()
}

/// A value of this part of the format, mostly valid by itself.
fn value(part: &Value, root: &Value, choices: &mut Choices<'_>, depth: u32) -> String {
    let quoted = |text: &str| format!("{text:?}");
    match part["$ref"].as_str() {
        Some("#/$defs/time") => return quoted(choices.one_of(&TIMES)),
        Some("#/$defs/rate") => return quoted(choices.one_of(&RATES)),
        Some("#/$defs/size") => return quoted(choices.one_of(&SIZES)),
        Some("#/$defs/data-rate") => return quoted(choices.one_of(&DATA_RATES)),
        Some("#/$defs/share") => return choices.one_of(&SHARES).to_owned(),
        _ => {}
    }
    let part = resolved(part, root);
    if let Some(forms) = part["anyOf"].as_array().or(part["oneOf"].as_array()) {
        let forms: Vec<&Value> = forms.iter().filter(|form| !is_sourced(form)).collect();
        return value(forms[choices.below(forms.len())], root, choices, depth);
    }
    if let Some(word) = part["const"].as_str() {
        return quoted(word);
    }
    match part["type"].as_str() {
        Some("integer") => choices.one_of(&COUNTS).to_owned(),
        Some("number") => choices.one_of(&NUMBERS).to_owned(),
        Some("boolean") => choices.one_of(&["true", "false"]).to_owned(),
        Some("string") => {
            quoted(choices.one_of(&["f", "raspberry-pi-4", "aws-lambda-x86", "cascade", "*/5 * * * *", "auto"]))
        }
        Some("array") if depth < 6 => {
            let items: Vec<String> =
                (0..choices.below(4)).map(|_| value(&part["items"], root, choices, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        Some("object") if depth < 6 => {
            let Some(properties) = filled(part) else { return "{}".to_owned() };
            let required: Vec<&str> =
                part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let mut keys = required.clone();
            let names: Vec<&String> = properties.keys().collect();
            // Where nothing is required one key is the choice.
            let more = choices.below(3).max(usize::from(required.is_empty()));
            for _ in 0..more {
                let key = names[choices.below(names.len())].as_str();
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            let written =
                keys.iter().map(|key| format!("{key:?} = {}", value(&properties[*key], root, choices, depth + 1)));
            format!("{{ {} }}", written.collect::<Vec<_>>().join(", "))
        }
        _ => "{}".to_owned(),
    }
}

/// An override somewhere in the format.
fn edit(root: &Value, choices: &mut Choices<'_>) -> String {
    let first = choices.one_of(&SECTIONS);
    let mut path: Vec<String> = vec![first.to_owned()];
    let mut part = &root["properties"][first];
    loop {
        part = resolved(part, root);
        if let Some(forms) = part["anyOf"].as_array() {
            let tables: Vec<&Value> = forms
                .iter()
                .filter(|form| filled(resolved(form, root)).is_some())
                .filter(|form| !is_sourced(form))
                .collect();
            if !tables.is_empty() && choices.below(4) > 0 {
                part = tables[choices.below(tables.len())];
                continue;
            }
        } else if let Some(properties) = filled(part) {
            if choices.below(6) > 0 {
                let names: Vec<&String> = properties.keys().collect();
                let name = names[choices.below(names.len())];
                path.push(name.clone());
                part = &properties[name.as_str()];
                continue;
            }
        } else if part["additionalProperties"].is_object() {
            path.push("f".to_owned());
            part = &part["additionalProperties"];
            continue;
        } else if matches!(path.last().map(String::as_str), Some("node" | "workload")) {
            path.push("0".to_owned());
            part = &part["items"];
            continue;
        }
        return format!("{}={}", path.join("."), value(part, root, choices, 0));
    }
}

/// The base with these overrides, cut short.
pub(crate) fn with(overrides: &[impl AsRef<str>]) -> Result<Scenario, ScenarioErrors> {
    let overrides: Vec<String> =
        overrides.iter().map(|over| over.as_ref().to_owned()).chain(SHORT.map(str::to_owned)).collect();
    Scenario::parse("edges.toml", BASE, &overrides, &BuiltIn)
}

/// A legal scenario with up to five edits, if they make one that is small enough for a test; and what was edited.
pub(crate) fn edited(root: &Value, choices: &mut Choices<'_>) -> (Vec<String>, Option<Scenario>) {
    let overrides: Vec<String> = (0..1 + choices.below(5)).map(|_| edit(root, choices)).collect();
    let scenario = with(&overrides).ok().filter(small);
    (overrides, scenario)
}

fn small(scenario: &Scenario) -> bool {
    let crowd = |arrivals: &Arrivals| match arrivals {
        Arrivals::Users(users) => users.count,
        Arrivals::Batches { sizes, .. } => sizes.iter().map(|step| step.size).max().unwrap_or(0),
        _ => 0,
    };
    scenario.nodes.iter().map(|node| node.count).sum::<u32>() <= 100
        && scenario.functions.iter().map(|function| function.replicas.max).sum::<u32>() <= 1000
        && scenario.workloads.iter().all(|workload| crowd(&workload.arrivals) <= 1000)
}

/// Plays it once, but not for longer than a test may take. Panics when time stands still.
pub(crate) fn played(scenario: &Scenario) -> RunRecord {
    /// Looks at the clock before the run is stopped; the engine offers one every 32768 events.
    const MOST_LOOKS: u32 = 20;
    let stop = AtomicBool::new(false);
    let (last, looks, still) = (AtomicU64::new(u64::MAX), AtomicU32::new(0), AtomicU32::new(0));
    let progress = |at: SimTime| {
        if last.swap(at.as_nanos(), Ordering::Relaxed) == at.as_nanos() {
            let looks = still.fetch_add(1, Ordering::Relaxed);
            assert!(looks < MOST_LOOKS - 4, "time stands still at {at:?}");
        }
        if looks.fetch_add(1, Ordering::Relaxed) >= MOST_LOOKS {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let options =
        RunOptions { warm_up: Span::ZERO, stop: Some(&stop), progress: Some(&progress), ..RunOptions::default() };
    run(scenario, scenario.seed, options)
}

/// The schema that edits are drawn from.
pub(crate) fn format() -> Value {
    schema()
}
