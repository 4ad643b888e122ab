//! Tables: their known keys, what stands in for those that are absent, and what is said about others.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::{Alternative, At, Findings, Mode, listed, meant};
use crate::scenario::error::{Place, Problem, Source};
use crate::scenario::tree::{self, Node, Value};

/// The fields of a table, asked for one by one.
pub(in crate::scenario) struct Fields<'t, 'a> {
    at: &'t mut At<'a>,
    known: BTreeSet<&'static str>,
    pub(super) properties: Map<String, Json>,
    pub(super) required: Vec<&'static str>,
}

impl<'t, 'a> Fields<'t, 'a> {
    pub(super) fn new(at: &'t mut At<'a>) -> Fields<'t, 'a> {
        Fields { at, known: BTreeSet::new(), properties: Map::new(), required: Vec::new() }
    }
}

impl<'a> Fields<'_, 'a> {
    /// A field that may be absent.
    pub(in crate::scenario) fn optional<T>(
        &mut self,
        name: &'static str,
        about: &str,
        read: impl FnOnce(&mut At<'_>) -> Option<T>,
    ) -> Option<T> {
        self.known.insert(name);
        let Some(node) = self.at.node() else {
            self.describe(name, about, None, read);
            return None;
        };
        let entry = node.table()?.iter().find(|entry| entry.key == name)?;
        self.at.step(name, &entry.node, Some(&entry.key_place), read)
    }

    /// A field with a default, which is given as one would write it.
    pub(in crate::scenario) fn or<T>(
        &mut self,
        name: &'static str,
        about: &str,
        default: &str,
        read: impl Fn(&mut At<'_>) -> Option<T>,
    ) -> T {
        self.known.insert(name);
        match self.at.node() {
            None => self.describe(name, about, Some(default), &read),
            Some(node) if node.get(name).is_some() => {
                if let Some(value) = self.optional(name, about, &read) {
                    return value;
                }
            }
            Some(_) => {}
        }
        // Absent, or wrong and said so: the default keeps the rest readable.
        let node = tree::parse_bare(&Source::new("default", default), 0..default.len());
        let mut unseen = Findings::default();
        let value = read(&mut At { path: String::new(), mode: Mode::Read { node: &node, findings: &mut unseen } });
        value.unwrap_or_else(|| panic!("the default {default} of {name} does not read: {:?}", unseen.problems))
    }

    /// A field that must be there; `example` is what to write.
    pub(in crate::scenario) fn required<T>(
        &mut self,
        name: &'static str,
        about: &str,
        example: &str,
        read: impl FnOnce(&mut At<'_>) -> Option<T>,
    ) -> Option<T> {
        if self.at.node().is_some_and(|node| node.get(name).is_none()) {
            self.known.insert(name);
            let whose = if self.at.path.is_empty() { "the scenario".to_owned() } else { format!("`{}`", self.at.path) };
            return self
                .refuse(format!("{whose} has no `{name}`"), format!("add {name} = {example}: {}", lower_first(about)));
        }
        self.required.push(name);
        self.optional(name, about, read)
    }

    /// Reads one of several alternatives, whose names are keys of this table beside those asked for before.
    pub(in crate::scenario) fn choice<T>(&mut self, what: &str, alternatives: &[Alternative<T>]) -> Option<T> {
        let Some(node) = self.at.node() else {
            for alternative in alternatives {
                self.describe(alternative.name, alternative.about, None, alternative.read);
            }
            return None;
        };
        let known = std::mem::take(&mut self.known);
        let entries = node.table()?;
        let mut chosen = entries
            .iter()
            .filter_map(|entry| Some((entry, alternatives.iter().find(|alternative| alternative.name == entry.key)?)));
        let (first, second) = (chosen.next(), chosen.next());
        self.known = known.into_iter().chain(alternatives.iter().map(|alternative| alternative.name)).collect();
        match (first, second) {
            (Some((entry, alternative)), None) => {
                self.at.step(&entry.key, &entry.node, Some(&entry.key_place), alternative.read)
            }
            (Some((one, _)), Some((other, _))) => {
                let problem = Problem::at(
                    other.key_place.clone(),
                    format!("both `{}` and `{}` are given: one is needed", one.key, other.key),
                )
                .see(Some(one.key_place.clone()), "the other one")
                .help(format!(
                    "leave out one of them; to replace a choice as a whole, set `{}` to the new one's name first",
                    self.at.path
                ));
                self.at.report(problem)
            }
            // An unknown key is reported as such by `finish`.
            (None, _) if entries.iter().any(|entry| !self.known.contains(entry.key.as_str())) => None,
            (None, _) => {
                let names: Vec<&str> = alternatives.iter().map(|alternative| alternative.name).collect();
                self.refuse(format!("{what} is missing"), format!("add one of {}", listed(&names)))
            }
        }
    }

    /// Leaves a problem with the table as a whole.
    pub(in crate::scenario) fn refuse<T>(&mut self, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        let place = self.place();
        place.and_then(|place| self.at.report(Problem::at(place, message).help(help)))
    }

    /// Leaves a problem with one field of the table, or with the table where the field is absent.
    pub(in crate::scenario) fn refuse_field<T>(
        &mut self,
        name: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        let path = if self.at.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at.path) };
        let Mode::Read { findings, .. } = &self.at.mode else { return None };
        let place = findings.written(&path).or_else(|| self.place())?;
        self.at.report(Problem::at(place, message).help(help))
    }

    /// Whether the table has this key.
    pub(in crate::scenario) fn has(&self, name: &str) -> bool {
        self.at.node().is_some_and(|node| node.get(name).is_some())
    }

    /// Where the table is named.
    fn place(&self) -> Option<Place> {
        let Mode::Read { node, findings } = &self.at.mode else { return None };
        Some(findings.written(&self.at.path).unwrap_or_else(|| node.place.clone()))
    }

    fn describe<T>(
        &mut self,
        name: &str,
        about: &str,
        default: Option<&str>,
        read: impl FnOnce(&mut At<'_>) -> Option<T>,
    ) {
        let Mode::Describe { shared, .. } = &mut self.at.mode else { return };
        let mut schema = json!({});
        read(&mut At { path: String::new(), mode: Mode::Describe { schema: &mut schema, shared } });
        schema["description"] = json!(about);
        if let Some(default) = default {
            schema["default"] = default_json(default);
        }
        self.properties.insert(name.to_owned(), schema);
    }

    /// Says which keys have not been asked for, or describes the table.
    pub(super) fn finish(self) {
        let known: Vec<&str> = self.known.iter().copied().collect();
        match &mut self.at.mode {
            Mode::Describe { schema, .. } => {
                **schema = json!({ "type": "object", "additionalProperties": false, "properties": self.properties });
                if !self.required.is_empty() {
                    schema["required"] = json!(self.required);
                }
            }
            Mode::Read { node, findings } => {
                for entry in node.table().into_iter().flatten().filter(|entry| !self.known.contains(entry.key.as_str()))
                {
                    let whose =
                        if self.at.path.is_empty() { "a scenario".to_owned() } else { format!("`{}`", self.at.path) };
                    findings.problems.push(
                        Problem::at(entry.key_place.clone(), format!("`{}` is not a key of {whose}", entry.key))
                            .help(meant(&entry.key, &known)),
                    );
                }
            }
        }
    }
}

/// A sentence as the end of another one: `CPU` and other abbreviations stay as they are.
fn lower_first(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().to_string() + chars.as_str()
        }
        _ => text.to_owned(),
    }
}

/// A default as the schema shows it.
fn default_json(default: &str) -> Json {
    fn convert(node: &Node) -> Json {
        match &node.value {
            Value::Text(text) => json!(text),
            Value::Integer(number) => json!(*number as i64),
            Value::Float(number) => json!(number),
            Value::Boolean(value) => json!(value),
            Value::DateTime => Json::Null,
            Value::List(nodes) => nodes.iter().map(convert).collect(),
            Value::Table(entries) => entries.iter().map(|entry| (entry.key.clone(), convert(&entry.node))).collect(),
        }
    }
    convert(&tree::parse_bare(&Source::new("default", default), 0..default.len()))
}
