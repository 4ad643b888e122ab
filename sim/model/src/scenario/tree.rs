//! The document as a tree in which each value knows where it was written.
//!
//! Scenario, profiles and overrides become one tree, yet a message about any part of it points into the text that the
//! part came from.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Place, Problem, Source};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    DateTime,
    List(Vec<Node>),
    Table(Table),
}

/// Entries of a table in the order of the file.
pub(super) type Table = Vec<Entry>;

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

impl Node {
    /// An empty table that stands at `place`.
    pub(super) fn empty(place: Place) -> Node {
        Node { place, value: Value::Table(Vec::new()) }
    }

    /// The entries, if this is a table.
    pub(super) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of `key`, if this is a table that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.table()?.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// What kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::DateTime => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// Puts `over` over this table: keys of `over` win, and tables below are merged the same way down to `depth` levels.
    pub(super) fn overlay(&mut self, over: &Node, depth: u32) {
        match (&mut self.value, &over.value) {
            (Value::Table(base), Value::Table(entries)) if depth > 0 => {
                for entry in entries {
                    match base.iter_mut().find(|old| old.key == entry.key) {
                        Some(old) => {
                            old.node.overlay(&entry.node, depth - 1);
                            old.key_place = entry.key_place.clone();
                        }
                        None => base.push(entry.clone()),
                    }
                }
                self.place = over.place.clone();
            }
            _ => *self = over.clone(),
        }
    }
}

/// Reads a document; on errors of syntax, what could be understood is still returned.
pub(super) fn parse(source: &Arc<Source>, problems: &mut Vec<Problem>) -> Node {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        problems.push(
            Problem::at(Place::new(source, span), format!("not TOML: {}", error.message().trim().replace('\n', ", ")))
                .help("texts and quantities stand in quotes: duration = \"2h\""),
        );
    }
    let span = table.span();
    Node { place: Place::new(source, span), value: convert_table(table.into_inner(), source, 0) }
}

/// Reads one value, such as the right side of an override; `None` when it is not TOML.
pub(super) fn parse_value(source: &Arc<Source>, at: Range<usize>) -> Option<Node> {
    let value = DeValue::parse(source.text().get(at.clone())?).ok()?;
    Some(convert(value, source, at.start))
}

/// Reads one value; what is not TOML is a text without its quotes, so that `10s` and `capacity` need none.
pub(super) fn parse_bare(source: &Arc<Source>, at: Range<usize>) -> Node {
    parse_value(source, at.clone()).unwrap_or_else(|| {
        let place = Place::new(source, at);
        Node { value: Value::Text(place.text().trim().to_owned()), place }
    })
}

fn convert_table(table: DeTable<'_>, source: &Arc<Source>, shift: usize) -> Value {
    let mut entries: Table = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_place: Place::new(source, moved(key.span(), shift)),
            key: key.into_inner().into_owned(),
            node: convert(value, source, shift),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_place.span.start);
    Value::Table(entries)
}

fn convert(value: Spanned<DeValue<'_>>, source: &Arc<Source>, shift: usize) -> Node {
    let place = Place::new(source, moved(value.span(), shift));
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Float(f64::INFINITY),
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(_) => Value::DateTime,
        DeValue::Array(values) => Value::List(values.into_iter().map(|value| convert(value, source, shift)).collect()),
        DeValue::Table(table) => convert_table(table, source, shift),
    };
    Node { place, value }
}

fn moved(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}
