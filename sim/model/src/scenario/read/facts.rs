//! Facts: values that may carry where they come from.

use serde_json::{Map, Value as Json, json};

use super::{At, Fields, Mode, Word};
use crate::metrics::result::{Basis, Provenance};
use crate::scenario::error::Problem;
use crate::scenario::tree::Value;

/// Reads a value that is a fact: it may carry its source, as `{ value = …, basis = "published", source = "…" }`, or with
/// `basis` and `source` beside the keys of its own table. Where it came from is noted.
pub(in crate::scenario) fn fact<T>(read: impl Fn(&mut At<'_>) -> Option<T>) -> impl Fn(&mut At<'_>) -> Option<T> {
    move |at| {
        if let Mode::Describe { schema, shared } = &mut at.mode {
            let mut inner = json!({});
            read(&mut At { path: String::new(), mode: Mode::Describe { schema: &mut inner, shared } });
            let mut sourced = json!({});
            provenance_of(&mut At::describe(&mut sourced, shared), |fields| {
                fields.properties.insert("value".to_owned(), inner.clone());
                fields.required.push("value");
            });
            let about = [sourced["properties"]["basis"].clone(), sourced["properties"]["source"].clone()];
            name_source(&mut inner, shared, &about);
            **schema = json!({ "anyOf": [inner, sourced] });
            return None;
        }
        let node = at.node()?;
        let sourced = ["value", "basis", "source"].iter().any(|key| node.get(key).is_some());
        if !sourced {
            let value = node.place.text().to_owned();
            note(at, Provenance { parameter: at.path.clone(), value, basis: Basis::Choice, source: String::new() });
            return read(at);
        }
        let (mut about, mut plain) = (node.clone(), node.clone());
        let (Value::Table(kept), Value::Table(rest)) = (&mut about.value, &mut plain.value) else { return None };
        kept.retain(|entry| entry.key == "basis" || entry.key == "source");
        rest.retain(|entry| entry.key != "basis" && entry.key != "source");
        if let Some(value) = node.get("value") {
            if let Some(other) = rest.iter().find(|entry| entry.key != "value") {
                let problem = Problem::at(other.key_place.clone(), format!("`{}` stands beside `value`", other.key));
                return at.report(
                    problem.help("beside `value` only `basis` and `source` have a meaning; the rest belongs inside it"),
                );
            }
            plain = value.clone();
        }
        let value = node.get("value").unwrap_or(node).place.text().to_owned();
        let (basis, source) = at.instead(&about, |at| provenance_of(at, |_| ()))?;
        note(at, Provenance { parameter: at.path.clone(), value, basis, source });
        at.instead(&plain, |at| read(at))
    }
}

fn note(at: &mut At<'_>, provenance: Provenance) {
    if let Mode::Read { findings, .. } = &mut at.mode {
        findings.provenance.push(provenance);
    }
}

/// Lets each table that `schema` may be have `basis` and `source` beside its own keys, shared forms too.
fn name_source(schema: &mut Json, shared: &mut Map<String, Json>, about: &[Json; 2]) {
    if let Some(name) = schema.get("$ref").and_then(Json::as_str).and_then(|path| path.strip_prefix("#/$defs/")) {
        let name = name.to_owned();
        let mut form = shared.remove(&name).expect("a form is described before it is named");
        name_source(&mut form, shared, about);
        shared.insert(name, form);
    }
    for option in schema.get_mut("anyOf").and_then(Json::as_array_mut).into_iter().flatten() {
        name_source(option, shared, about);
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        for (key, about) in ["basis", "source"].into_iter().zip(about) {
            properties.entry(key).or_insert_with(|| about.clone());
        }
    }
}

/// The words for how a value is known.
const BASES: &[Word<Basis>] = &[
    ("published", "Published by the named source.", Basis::Published),
    ("measured", "Measured by you or by this project.", Basis::Measured),
    ("derived", "Computed from published or measured values.", Basis::Derived),
    ("transferred", "Taken over from another machine or system.", Basis::Transferred),
    ("assumed", "Without a source.", Basis::Assumed),
    ("choice", "A setting, not a fact.", Basis::Choice),
];

fn provenance_of(at: &mut At<'_>, more: impl FnOnce(&mut Fields<'_, '_>)) -> Option<(Basis, String)> {
    at.table(|fields| {
        let basis =
            fields.optional("basis", "How the value is known; default: published if a source is named.", |at| {
                at.word("a basis", BASES)
            });
        let source = fields.optional("source", "Where the value comes from, in words.", |at| at.text("a source"));
        more(fields);
        let basis = basis.unwrap_or(if source.is_some() { Basis::Published } else { Basis::Choice });
        let needs_source = matches!(basis, Basis::Published | Basis::Derived | Basis::Transferred | Basis::Measured);
        if needs_source && source.as_deref().is_none_or(|source| source.trim().is_empty()) {
            return fields.refuse_field(
                "basis",
                "this value names no source",
                "add source = \"…\", or write basis = \"assumed\"",
            );
        }
        Some((basis, source.unwrap_or_default()))
    })
}
