//! One description of the format for three uses: reading a document, naming every problem in it, and the JSON Schema.
//!
//! A part of the format is an ordinary function `fn(&mut At) -> Option<T>`. Given a value it reads it; given none it
//! describes what it would read. So a field is declared once, with name, meaning and default side by side, and format,
//! messages, documentation and schema cannot drift apart.
//!
//! A reader that fails leaves a problem and returns `None`; its caller goes on, so that all problems come out at once.

mod facts;
mod fields;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value as Json, json};

use super::error::{Place, Problem};
use super::nearest::nearest;
use super::tree::{Node, Value};
use crate::metrics::result::Provenance;
use crate::units::QuantityError;

pub(super) use facts::fact;
pub(super) use fields::Fields;

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
        let mut fields = Fields::new(self);
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
