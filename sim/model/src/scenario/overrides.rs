//! Overrides: `function.f.replicas.max=4`, from the command line or from a `[variant.NAME]`.
//!
//! An override is laid over the document as it was read, so that messages about it point at it, and over the file's text,
//! comments kept, so that a result carries a scenario that can be run as it is.

use std::ops::Range;
use std::sync::Arc;

use toml_edit::{DocumentMut, InlineTable, Item};

use super::Variant;
use super::error::{Place, Problem, Source};
use super::nearest::nearest;
use super::read::listed;
use super::tree::{self, Entry, Node, Value};

/// A key and the value it is to have.
#[derive(Clone, Debug)]
pub(super) struct Override {
    segments: Vec<(String, Place)>,
    value: Node,
}

/// A key or an index on the way to a value.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// Reads `KEY=VALUE`; a value that is not TOML is taken as a text.
pub(super) fn read(text: &str) -> Result<Override, Problem> {
    let source = Source::new(&format!("--set {text}"), text);
    let whole = Place::new(&source, 0..text.len());
    let help = "write KEY=VALUE, such as function.NAME.replicas.max=4";
    let Some(equals) = unquoted(text, '=') else {
        return Err(Problem::at(whole, "an override needs an `=`").help(help));
    };
    let segments = segments(&source, 0..equals)
        .ok_or_else(|| Problem::at(Place::new(&source, 0..equals), "this is not a key").help(help))?;
    let after = text[equals + 1..].len() - text[equals + 1..].trim_start().len();
    let range = equals + 1 + after..text.trim_end().len().max(equals + 1 + after);
    if text[range.clone()].is_empty() {
        return Err(Problem::at(whole, "an override needs a value").help(help));
    }
    if text[range.clone()].starts_with(['[', '{', '"', '\'']) && tree::parse_value(&source, range.clone()).is_none() {
        return Err(
            Problem::at(Place::new(&source, range), "this value is not TOML").help("check its quotes and brackets")
        );
    }
    Ok(Override { segments, value: tree::parse_bare(&source, range) })
}

/// The byte of the first `wanted` that is not within quotes.
fn unquoted(text: &str, wanted: char) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == wanted => return Some(at),
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
        None
    })
}

/// Parts of a key; no key of the format has half as many.
const MOST_SEGMENTS: usize = 30;

/// Splits a key at its dots; quotes keep dots together.
fn segments(source: &Arc<Source>, range: Range<usize>) -> Option<Vec<(String, Place)>> {
    let mut segments = Vec::new();
    let mut start = range.start;
    loop {
        let rest = &source.text()[start..range.end];
        let end = start + unquoted(rest, '.').unwrap_or(rest.len());
        let written = source.text()[start..end].trim();
        let name = match written.chars().next() {
            Some(quote @ ('"' | '\'')) if written.len() > 1 && written.ends_with(quote) => {
                &written[1..written.len() - 1]
            }
            Some('"' | '\'') | None => return None,
            Some(_) => written,
        };
        let from = start + source.text()[start..end].find(written).unwrap_or(0);
        segments.push((name.to_owned(), Place::new(source, from..from + written.len())));
        if end == range.end {
            return Some(segments);
        }
        if segments.len() == MOST_SEGMENTS {
            return None;
        }
        start = end + 1;
    }
}

/// The settings of each `[variant.NAME]`; every value that is not the header of a table is one override.
pub(super) fn variants(root: &Node) -> Vec<(String, Vec<Override>)> {
    fn collect(entries: &[Entry], before: &[(String, Place)], into: &mut Vec<Override>) {
        for entry in entries {
            let mut path = before.to_vec();
            path.extend(entry.key.split('.').map(|part| (part.to_owned(), entry.key_place.clone())));
            match &entry.node.value {
                Value::Table(entries) if !entry.node.place.text().starts_with('{') => collect(entries, &path, into),
                _ => into.push(Override { segments: path, value: entry.node.clone() }),
            }
        }
    }
    let tables = root.get("variant").and_then(Node::table);
    let named = tables.into_iter().flatten().map(|entry| {
        let mut overrides = Vec::new();
        collect(entry.node.table().map_or(&[], Vec::as_slice), &[], &mut overrides);
        (entry.key.clone(), overrides)
    });
    named.collect()
}

impl Override {
    /// As one would write it on the command line.
    pub(super) fn text(&self) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let key = |(name, _): &(String, Place)| if name.chars().all(bare) { name.clone() } else { format!("{name:?}") };
        let keys: Vec<String> = self.segments.iter().map(key).collect();
        format!("{}={}", keys.join("."), self.value.place.text())
    }

    /// Lays the value over `root` and, when that succeeds, over the file's text.
    pub(super) fn apply(&self, root: &mut Node, file: Option<&mut DocumentMut>) -> Result<(), Problem> {
        let steps = self.lay_over(root)?;
        if let Some(file) = file {
            let text = self.value.place.text();
            let value = text.parse().unwrap_or_else(|_| toml_edit::Value::from(text));
            edit(file.as_item_mut(), &steps, Item::Value(value));
        }
        Ok(())
    }

    fn lay_over(&self, root: &mut Node) -> Result<Vec<Step>, Problem> {
        self.check_function(root)?;
        let mut steps = Vec::new();
        set(root, &self.segments, &self.value, &mut steps)?;
        Ok(steps)
    }

    /// A setting of a function belongs to one that is there: a misspelt name would make a new one, which then lacks all else.
    fn check_function(&self, root: &Node) -> Result<(), Problem> {
        let [(table, _), (name, place), _, ..] = self.segments.as_slice() else { return Ok(()) };
        let Some(functions) = root.get("function").and_then(Node::table).filter(|_| table == "function") else {
            return Ok(());
        };
        let known: Vec<&str> = functions.iter().map(|entry| entry.key.as_str()).collect();
        if known.is_empty() || known.contains(&name.as_str()) {
            return Ok(());
        }
        let help = nearest(name, &known)
            .map_or_else(|| format!("the scenario has {}", listed(&known)), |meant| format!("did you mean `{meant}`?"));
        Err(Problem::at(place.clone(), format!("there is no function `{name}`")).help(help))
    }
}

/// Sets a value in the tree, tables in between made as needed, and notes the way taken.
fn set(node: &mut Node, segments: &[(String, Place)], value: &Node, steps: &mut Vec<Step>) -> Result<(), Problem> {
    let Some(((name, place), rest)) = segments.split_first() else {
        *node = value.clone();
        return Ok(());
    };
    if let Value::List(nodes) = &mut node.value {
        let (index, named) = element(nodes, name).ok_or_else(|| no_element(nodes, name, place))?;
        steps.push(Step::Index(index));
        return set(&mut nodes[index], if named { rest } else { segments }, value, steps);
    }
    if node.table().is_none() {
        // A bare name or value gives way to a table.
        *node = Node::empty(place.clone());
    }
    let Value::Table(entries) = &mut node.value else { return Ok(()) };
    steps.push(Step::Key(name.clone()));
    if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *name) {
        if rest.is_empty() {
            entry.key_place = place.clone();
        }
        return set(&mut entry.node, rest, value, steps);
    }
    let mut node = Node::empty(place.clone());
    set(&mut node, rest, value, steps)?;
    entries.push(Entry { key: name.clone(), key_place: place.clone(), node });
    Ok(())
}

/// The element that `name` means: an index, or the element of that name; or the only element, if `name` is one of its
/// keys or could be (then `false`: the name is not used up).
fn element(nodes: &[Node], name: &str) -> Option<(usize, bool)> {
    let called = |node: &Node, key: &str| node.get(key).and_then(Node::text) == Some(name);
    let by_index = name.parse().ok().filter(|index: &usize| *index < nodes.len());
    by_index
        .or_else(|| nodes.iter().position(|node| called(node, "name")))
        .or_else(|| {
            nodes
                .iter()
                .position(|node| node.get("name").is_none() && (called(node, "function") || called(node, "profile")))
        })
        .map(|index| (index, true))
        .or_else(|| {
            (nodes.len() == 1 && nodes[0].table().is_some() && name.parse::<usize>().is_err()).then_some((0, false))
        })
}

fn no_element(nodes: &[Node], name: &str, place: &Place) -> Problem {
    let names =
        nodes.iter().filter_map(|node| ["name", "function", "profile"].iter().find_map(|key| node.get(key)?.text()));
    let names: Vec<&str> = names.collect();
    let help = if names.is_empty() {
        format!("write an index below {}", nodes.len())
    } else {
        format!("it can be an index below {}, or {}", nodes.len(), listed(&names))
    };
    Problem::at(place.clone(), format!("{name:?} is none of the {} elements", nodes.len())).help(help)
}

/// Sets a value in the text of a file, tables in between made as needed.
fn edit(item: &mut Item, steps: &[Step], value: Item) {
    let Some((step, rest)) = steps.split_first() else {
        *item = value;
        return;
    };
    match step {
        Step::Key(key) => {
            if !item.is_table_like() {
                *item = Item::Value(InlineTable::new().into());
            }
            let inline = item.is_inline_table();
            let Some(table) = item.as_table_like_mut() else { return };
            if table.get(key).is_none() {
                let empty =
                    if inline || rest.is_empty() { Item::Value(InlineTable::new().into()) } else { toml_edit::table() };
                table.insert(key, empty);
            }
            if let Some(next) = table.get_mut(key) {
                edit(next, rest, value);
            }
        }
        Step::Index(index) => {
            if let Some(tables) = item.as_array_of_tables_mut() {
                let Some(table) = tables.get_mut(*index) else { return };
                let mut next = Item::Table(std::mem::take(table));
                edit(&mut next, rest, value);
                if let Ok(changed) = next.into_table() {
                    *table = changed;
                }
            } else if let Some(array) = item.as_array_mut() {
                let Some(old) = array.get(*index).cloned() else { return };
                let mut next = Item::Value(old);
                edit(&mut next, rest, value);
                if let Ok(changed) = next.into_value() {
                    array.replace(*index, changed);
                }
            }
        }
    }
}

/// A variant as the scenario keeps it.
pub(super) fn as_written(name: &str, overrides: &[Override]) -> Variant {
    Variant { name: name.to_owned(), overrides: overrides.iter().map(Override::text).collect() }
}
