//! One description of the format for three uses: reading a document, naming every problem in it, and the JSON Schema.
//!
//! A part of the format is an ordinary function `fn(&mut At) -> Option<T>`. Given a value it reads it; given none it
//! describes what it would read. So a field is declared once, with name, meaning and default side by side, and format,
//! messages, documentation and schema cannot drift apart.
//!
//! A reader that fails leaves a problem and returns `None`; its caller goes on, so that all problems come out at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value as Json, json};

use super::error::{Place, Problem, Source};
use super::nearest::nearest;
use super::tree::{self, Node, Value};
use crate::metrics::result::{Basis, Provenance};
use crate::units::QuantityError;

/// What reading a document leaves behind beside the values.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    /// Where each value and key that was read stands, by its path.
    pub(super) places: BTreeMap<String, Place>,
    pub(super) provenance: Vec<Provenance>,
}

impl Findings {
    /// Where `path` stands, or else the nearest part of the document that holds it.
    pub(super) fn place(&self, path: &str) -> Option<Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return Some(place.clone());
            }
            path = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            if path.is_empty() {
                return self.places.get("").cloned();
            }
        }
    }

    /// Where exactly `path` stands, if it was written.
    pub(super) fn written(&self, path: &str) -> Option<Place> {
        self.places.get(path).cloned()
    }
}

/// A point of the format: a value to be read, or a schema to be filled in.
pub(super) struct At<'a> {
    path: String,
    mode: Mode<'a>,
}

enum Mode<'a> {
    Read { node: &'a Node, findings: &'a mut Findings },
    Describe { schema: &'a mut Json, shared: &'a mut Map<String, Json> },
}

/// A named choice: how it is called, what it means, and how its table is read.
pub(crate) struct Alternative<T> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether the bare name is a complete choice.
    pub(super) bare: bool,
    pub(super) read: fn(&mut At<'_>) -> Option<T>,
}

/// A choice whose settings all have defaults: its bare name will do.
pub(super) const fn named<T>(
    name: &'static str,
    about: &'static str,
    read: fn(&mut At<'_>) -> Option<T>,
) -> Alternative<T> {
    Alternative { name, about, bare: true, read }
}

/// A choice that needs a value.
pub(super) const fn valued<T>(
    name: &'static str,
    about: &'static str,
    read: fn(&mut At<'_>) -> Option<T>,
) -> Alternative<T> {
    Alternative { name, about, bare: false, read }
}

/// A word that stands for a value: the word, its meaning, the value.
pub(crate) type Word<T> = (&'static str, &'static str, T);

impl<'a> At<'a> {
    /// Reads `node`, the document's root.
    pub(super) fn read(node: &'a Node, findings: &'a mut Findings) -> At<'a> {
        findings.places.insert(String::new(), Place::new(&node.place.source, 0..0));
        At { path: String::new(), mode: Mode::Read { node, findings } }
    }

    /// Describes into `schema`; what is used more than once goes to `shared`.
    pub(super) fn describe(schema: &'a mut Json, shared: &'a mut Map<String, Json>) -> At<'a> {
        At { path: String::new(), mode: Mode::Describe { schema, shared } }
    }

    /// The value to be read, if this is not a description.
    pub(super) fn node(&self) -> Option<&'a Node> {
        match self.mode {
            Mode::Read { node, .. } => Some(node),
            Mode::Describe { .. } => None,
        }
    }

    /// Leaves a problem with this value and returns `None`.
    pub(super) fn refuse<T>(&mut self, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        if let Mode::Read { node, findings } = &mut self.mode {
            findings.problems.push(Problem::at(node.place.clone(), message).help(help));
        }
        None
    }

    /// Leaves a ready-made problem and returns `None`.
    pub(super) fn report<T>(&mut self, problem: Problem) -> Option<T> {
        if let Mode::Read { findings, .. } = &mut self.mode {
            findings.problems.push(problem);
        }
        None
    }

    /// Reads another value, such as a profile laid under this one, as if it stood here.
    pub(super) fn instead<T>(&mut self, node: &Node, read: impl FnOnce(&mut At<'_>) -> Option<T>) -> Option<T> {
        match &mut self.mode {
            Mode::Read { findings, .. } => {
                read(&mut At { path: self.path.clone(), mode: Mode::Read { node, findings } })
            }
            Mode::Describe { schema, shared } => {
                read(&mut At { path: self.path.clone(), mode: Mode::Describe { schema, shared } })
            }
        }
    }

    /// Where `key` is given, a table needs none of the keys that are otherwise required: they come from elsewhere.
    pub(super) fn requires_unless(&mut self, key: &str) {
        if let Mode::Describe { schema, .. } = &mut self.mode
            && let Some(required) = schema.as_object_mut().and_then(|schema| schema.remove("required"))
        {
            schema["anyOf"] = json!([{ "required": [key] }, { "required": required }]);
        }
    }

    /// Describes this part once, under a name, however often it is used.
    pub(super) fn shared<T>(&mut self, name: &str, read: impl FnOnce(&mut At<'_>) -> Option<T>) -> Option<T> {
        let Mode::Describe { schema, shared } = &mut self.mode else { return read(self) };
        **schema = json!({ "$ref": format!("#/$defs/{name}") });
        if !shared.contains_key(name) {
            shared.insert(name.to_owned(), Json::Null);
            let mut part = json!({});
            read(&mut At { path: String::new(), mode: Mode::Describe { schema: &mut part, shared } });
            shared.insert(name.to_owned(), part);
        }
        None
    }

    fn described(&mut self, what: Json) -> bool {
        match &mut self.mode {
            Mode::Describe { schema, .. } => {
                **schema = what;
                true
            }
            Mode::Read { .. } => false,
        }
    }

    /// A text.
    pub(super) fn text(&mut self, what: &str) -> Option<String> {
        if self.described(json!({ "type": "string" })) {
            return None;
        }
        let node = self.node()?;
        match node.text() {
            Some(text) => Some(text.to_owned()),
            None => self.refuse(format!("expected {what}, found {}", node.kind()), "write a text in quotes"),
        }
    }

    /// A quantity in words, such as `"250ms"`.
    pub(super) fn quantity<T: FromStr<Err = QuantityError>>(
        &mut self,
        what: &str,
        pattern: &str,
        examples: &[&str],
    ) -> Option<T> {
        if self.described(json!({ "type": "string", "pattern": pattern, "examples": examples })) {
            return None;
        }
        let node = self.node()?;
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            // A bare number gets the hint that a text with that number would.
            Value::Integer(_) | Value::Float(_) => node.place.text().to_owned(),
            _ => {
                let help = format!("write {what} in quotes, such as {:?}", examples.first().unwrap_or(&""));
                return self.refuse(format!("expected {what}, found {}", node.kind()), help);
            }
        };
        match text.parse() {
            Ok(value) => Some(value),
            Err(QuantityError { problem, instead }) => self.refuse(problem, instead),
        }
    }

    /// A whole number within `range`.
    pub(super) fn whole(&mut self, what: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = (*range.start(), *range.end());
        let mut schema = json!({ "type": "integer", "minimum": low });
        if high < u64::MAX {
            schema["maximum"] = json!(high);
        }
        if self.described(schema) {
            return None;
        }
        let node = self.node()?;
        match &node.value {
            Value::Integer(number) => match u64::try_from(*number).ok().filter(|number| range.contains(number)) {
                Some(number) => Some(number),
                None if high == u64::MAX => {
                    self.refuse(format!("{what} must be at least {low}"), format!("write {low} or more"))
                }
                None => self.refuse(
                    format!("{what} must be between {low} and {high}"),
                    format!("write a number from {low} to {high}"),
                ),
            },
            _ => self.refuse(
                format!("expected {what}, found {}", node.kind()),
                format!("write a whole number without quotes, such as {}", low.max(1)),
            ),
        }
    }

    /// A finite number within `range`.
    pub(super) fn number(&mut self, what: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let (low, high) = (*range.start(), *range.end());
        let mut schema = json!({ "type": "number", "minimum": low });
        if high.is_finite() {
            schema["maximum"] = json!(high);
        }
        if self.described(schema) {
            return None;
        }
        let node = self.node()?;
        let number = match node.value {
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => {
                return self.refuse(format!("expected {what}, found {}", node.kind()), "write a number without quotes");
            }
        };
        if number.is_finite() && range.contains(&number) {
            return Some(number);
        }
        let within =
            if high.is_finite() { format!("between {low} and {high}") } else { format!("at least {low}, and finite") };
        self.refuse(format!("{what} must be {within}"), format!("write a number {within}"))
    }

    /// A finite number above zero.
    pub(super) fn positive(&mut self, what: &str) -> Option<f64> {
        if self.described(json!({ "type": "number", "exclusiveMinimum": 0 })) {
            return None;
        }
        match self.number(what, 0.0..=f64::INFINITY)? {
            0.0 => self.refuse(format!("{what} must be more than zero"), "write a number above zero"),
            number => Some(number),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self) -> Option<bool> {
        if self.described(json!({ "type": "boolean" })) {
            return None;
        }
        let node = self.node()?;
        match node.value {
            Value::Boolean(value) => Some(value),
            _ => self
                .refuse(format!("expected true or false, found {}", node.kind()), "write true or false without quotes"),
        }
    }

    /// A table of anything, read elsewhere.
    pub(super) fn anything(&mut self, about: &str) -> Option<()> {
        if self.described(json!({ "type": "object", "description": about })) {
            return None;
        }
        let node = self.node()?;
        if node.table().is_some() {
            return Some(());
        }
        self.refuse(
            format!("expected a table, found {}", node.kind()),
            "write keys and values below a header in brackets",
        )
    }

    /// One of a few words.
    pub(super) fn word<T: Clone>(&mut self, what: &str, words: &[Word<T>]) -> Option<T> {
        let meanings: Vec<Json> =
            words.iter().map(|(word, about, _)| json!({ "const": word, "description": about })).collect();
        if self.described(json!({ "oneOf": meanings })) {
            return None;
        }
        let node = self.node()?;
        let text = node.text();
        if let Some((.., value)) = words.iter().find(|(word, ..)| Some(*word) == text) {
            return Some(value.clone());
        }
        let names: Vec<&str> = words.iter().map(|(word, ..)| *word).collect();
        let message = match text {
            Some(text) => format!("{text:?} is not {what}"),
            None => format!("expected {what}, found {}", node.kind()),
        };
        let help = meant(text.unwrap_or(""), &names);
        self.refuse(message, help)
    }

    /// `word` for none, or a value.
    pub(super) fn or_word<T>(&mut self, word: &str, read: impl FnOnce(&mut At<'_>) -> Option<T>) -> Option<Option<T>> {
        if let Mode::Describe { schema, shared } = &mut self.mode {
            let mut inner = json!({});
            read(&mut At { path: self.path.clone(), mode: Mode::Describe { schema: &mut inner, shared } });
            **schema = json!({ "anyOf": [{ "const": word }, inner] });
            return None;
        }
        if self.node()?.text() == Some(word) {
            return Some(None);
        }
        read(self).map(Some)
    }

    /// One of several forms, told apart by `is_first`: a shorthand, or the full form.
    pub(super) fn either<T>(
        &mut self,
        is_first: impl FnOnce(&Value) -> bool,
        first: impl FnOnce(&mut At<'_>) -> Option<T>,
        second: impl FnOnce(&mut At<'_>) -> Option<T>,
    ) -> Option<T> {
        if let Mode::Describe { schema, shared } = &mut self.mode {
            let (mut one, mut other) = (json!({}), json!({}));
            first(&mut At { path: self.path.clone(), mode: Mode::Describe { schema: &mut one, shared } });
            second(&mut At { path: self.path.clone(), mode: Mode::Describe { schema: &mut other, shared } });
            **schema = json!({ "anyOf": [one, other] });
            return None;
        }
        if is_first(&self.node()?.value) { first(self) } else { second(self) }
    }

    /// One of several named alternatives: a bare name, or a table with the name as its only key.
    pub(super) fn choice<T>(&mut self, what: &str, alternatives: &[Alternative<T>]) -> Option<T> {
        if let Mode::Describe { .. } = self.mode {
            let bare: Vec<Json> = alternatives
                .iter()
                .filter(|alternative| alternative.bare)
                .map(|alternative| json!({ "const": alternative.name, "description": alternative.about }))
                .collect();
            self.table(|table| table.choice(what, alternatives));
            if let Mode::Describe { schema, .. } = &mut self.mode
                && !bare.is_empty()
            {
                let table = schema.take();
                **schema = json!({ "anyOf": [{ "oneOf": bare }, table] });
            }
            return None;
        }
        let node = self.node()?;
        let Value::Text(name) = &node.value else {
            return self.table(|table| table.choice(what, alternatives));
        };
        match alternatives.iter().find(|alternative| alternative.name == name) {
            Some(Alternative { bare: true, read, .. }) => self.instead(&Node::empty(node.place.clone()), read),
            Some(_) => self.refuse(format!("{what} {name:?} needs a value"), format!("write {{ {name} = … }}")),
            None => {
                let names: Vec<&str> = alternatives.iter().map(|alternative| alternative.name).collect();
                self.refuse(format!("{name:?} is not {what}"), meant(name, &names))
            }
        }
    }

    /// A list of values of one form.
    pub(super) fn list<T>(&mut self, mut read: impl FnMut(&mut At<'_>) -> Option<T>) -> Option<Vec<T>> {
        if let Mode::Describe { schema, shared } = &mut self.mode {
            let mut items = json!({});
            read(&mut At { path: self.path.clone(), mode: Mode::Describe { schema: &mut items, shared } });
            **schema = json!({ "type": "array", "items": items });
            return None;
        }
        let node = self.node()?;
        let Value::List(nodes) = &node.value else {
            let help = if node.table().is_some() {
                format!("write [[{}]]", self.path)
            } else {
                "write a list in brackets".to_owned()
            };
            return self.refuse(format!("expected a list, found {}", node.kind()), help);
        };
        let read_one = |(index, node): (usize, &Node)| self.step(&index.to_string(), node, None, &mut read);
        let values: Vec<Option<T>> = nodes.iter().enumerate().map(read_one).collect();
        values.into_iter().collect()
    }

    /// A table whose keys are names.
    pub(super) fn map<T>(&mut self, mut read: impl FnMut(&str, &mut At<'_>) -> Option<T>) -> Option<Vec<T>> {
        if let Mode::Describe { schema, shared } = &mut self.mode {
            let mut values = json!({});
            read("NAME", &mut At { path: self.path.clone(), mode: Mode::Describe { schema: &mut values, shared } });
            **schema = json!({ "type": "object", "additionalProperties": values });
            return None;
        }
        let node = self.node()?;
        let Some(entries) = node.table() else {
            let help = format!("write [{}.NAME]", self.path);
            return self.refuse(format!("expected a table of names, found {}", node.kind()), help);
        };
        let values: Vec<Option<T>> = entries
            .iter()
            .map(|entry| self.step(&entry.key, &entry.node, Some(&entry.key_place), |at| read(&entry.key, at)))
            .collect();
        values.into_iter().collect()
    }

    /// A table with known keys. `None` when it is none, or when a field that it needs is missing or wrong.
    pub(super) fn table<T>(&mut self, read: impl FnOnce(&mut Fields<'_, 'a>) -> Option<T>) -> Option<T> {
        if let Some(node) = self.node()
            && node.table().is_none()
        {
            return self.refuse(format!("expected a table, found {}", node.kind()), "write { key = value, … }");
        }
        let mut fields = Fields { at: self, known: BTreeSet::new(), properties: Map::new(), required: Vec::new() };
        let value = read(&mut fields);
        fields.finish();
        value
    }

    /// Goes to a value below this one.
    fn step<T>(
        &mut self,
        key: &str,
        node: &Node,
        key_place: Option<&Place>,
        read: impl FnOnce(&mut At<'_>) -> Option<T>,
    ) -> Option<T> {
        let Mode::Read { findings, .. } = &mut self.mode else { return None };
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        // A table is found by its key, as its own span may be that of a header far away or of all its lines.
        let place = key_place.filter(|_| node.table().is_some()).unwrap_or(&node.place);
        findings.places.insert(path.clone(), place.clone());
        read(&mut At { path, mode: Mode::Read { node, findings } })
    }
}

/// The fields of a table, asked for one by one.
pub(super) struct Fields<'t, 'a> {
    at: &'t mut At<'a>,
    known: BTreeSet<&'static str>,
    properties: Map<String, Json>,
    required: Vec<&'static str>,
}

impl<'a> Fields<'_, 'a> {
    /// A field that may be absent.
    pub(super) fn optional<T>(
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
    pub(super) fn or<T>(
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
    pub(super) fn required<T>(
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
    pub(super) fn choice<T>(&mut self, what: &str, alternatives: &[Alternative<T>]) -> Option<T> {
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
    pub(super) fn refuse<T>(&mut self, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        let place = self.place();
        place.and_then(|place| self.at.report(Problem::at(place, message).help(help)))
    }

    /// Leaves a problem with one field of the table, or with the table where the field is absent.
    pub(super) fn refuse_field<T>(
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
    pub(super) fn has(&self, name: &str) -> bool {
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

    fn finish(self) {
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

/// Reads a value that is a fact: it may carry its source, as `{ value = …, basis = "published", source = "…" }`, or with
/// `basis` and `source` beside the keys of its own table. Where it came from is noted.
pub(super) fn fact<T>(read: impl Fn(&mut At<'_>) -> Option<T>) -> impl Fn(&mut At<'_>) -> Option<T> {
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
pub(super) const BASES: &[Word<Basis>] = &[
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

/// "did you mean" when a known name is near, else the list of names.
pub(super) fn meant(written: &str, known: &[&str]) -> String {
    match nearest(written, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "leave it out".to_owned(),
        None => format!("it can be {}", listed(known)),
    }
}

/// `a`, `b` or `c`.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + chars.as_str().trim_end_matches('.')
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
