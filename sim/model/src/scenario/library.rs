//! Where the texts come from that a scenario names: profiles of machines, price lists, traces.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Problem, Source};
use crate::metrics::result::ScenarioRecord;

/// A text that a scenario names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need<'a> {
    /// A machine's profile, by name.
    Profile(&'a str),
    /// A price list, by name.
    Prices(&'a str),
    /// A trace, by its path as written.
    Trace(&'a str),
}

/// Finds the texts that a scenario names. `Ok(None)` means there is none of that name, so that a built-in one is used.
pub trait Loader {
    /// The text, or why it cannot be had.
    fn load(&self, need: Need<'_>) -> Result<Option<String>, String>;
}

impl<F: Fn(Need<'_>) -> Result<Option<String>, String>> Loader for F {
    fn load(&self, need: Need<'_>) -> Result<Option<String>, String> {
        self(need)
    }
}

/// No files at all: built-in profiles and price lists only.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn;

impl Loader for BuiltIn {
    fn load(&self, _: Need<'_>) -> Result<Option<String>, String> {
        Ok(None)
    }
}

/// Files beside a scenario: `profiles/NAME.toml`, `prices/NAME.toml`, traces by their path.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Loader for Folder {
    fn load(&self, need: Need<'_>) -> Result<Option<String>, String> {
        let path = match need {
            Need::Profile(name) => self.0.join("profiles").join(format!("{name}.toml")),
            Need::Prices(name) => self.0.join("prices").join(format!("{name}.toml")),
            Need::Trace(path) => return read_file(&self.0.join(path), MAX_TRACE).map(Some),
        };
        if path.exists() { read_file(&path, MAX_SCENARIO).map(Some) } else { Ok(None) }
    }
}

/// The texts that a result carries, so that it can be run again from itself; traces come from `folder`.
#[derive(Clone, Debug)]
pub struct Recorded<'a> {
    /// The record.
    pub record: &'a ScenarioRecord,
    /// Where trace paths start.
    pub folder: PathBuf,
}

impl Loader for Recorded<'_> {
    fn load(&self, need: Need<'_>) -> Result<Option<String>, String> {
        match need {
            Need::Profile(name) | Need::Prices(name) => Ok(self.record.profiles.get(name).cloned()),
            Need::Trace(_) => Folder(self.folder.clone()).load(need),
        }
    }
}

/// Largest scenario, profile or price list, in bytes.
pub(super) const MAX_SCENARIO: u64 = 4 << 20;
/// Largest trace, in bytes.
pub(super) const MAX_TRACE: u64 = 512 << 20;

/// The text of a file, or why it cannot be read.
pub(super) fn read_file(path: &Path, most: u64) -> Result<String, String> {
    let shown = path.display();
    let why = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file {shown}"),
        std::io::ErrorKind::PermissionDenied => format!("the file {shown} may not be read"),
        _ => format!("{shown} cannot be read: {error}"),
    };
    if fs::metadata(path).map_err(why)?.is_dir() {
        return Err(format!("{shown} is a folder, not a file"));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large, even one that has no size, such as a pipe.
    fs::File::open(path).map_err(why)?.take(most + 1).read_to_end(&mut bytes).map_err(why)?;
    if bytes.len() as u64 > most {
        return Err(format!("{shown} is larger than {} MiB", most >> 20));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{shown} is not UTF-8 text (line {line})")
    })
}

macro_rules! built_in {
    ($folder:literal: $($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../../scenarios/", $folder, "/", $name, ".toml")))),*]
    };
}

/// Profiles that come with the program.
pub(super) const PROFILES: &[(&str, &str)] = built_in!("profiles": "raspberry-pi-4", "reference");
/// Price lists that come with the program.
pub(super) const PRICES: &[(&str, &str)] =
    built_in!("prices": "aws-lambda-x86", "aws-lambda-arm64", "cloud-run", "azure-consumption");

/// The texts that one scenario has used, each loaded once.
pub(super) struct Library<'a> {
    loader: &'a dyn Loader,
    used: RefCell<BTreeMap<String, Arc<Source>>>,
    digests: RefCell<BTreeMap<String, String>>,
}

impl<'a> Library<'a> {
    pub(super) fn new(loader: &'a dyn Loader) -> Library<'a> {
        Library { loader, used: RefCell::default(), digests: RefCell::default() }
    }

    /// A profile's text.
    pub(super) fn profile(&self, name: &str) -> Result<Arc<Source>, Problem> {
        self.text(name, Need::Profile(name), "profile", "profiles", PROFILES)
    }

    /// A price list's text.
    pub(super) fn prices(&self, name: &str) -> Result<Arc<Source>, Problem> {
        self.text(name, Need::Prices(name), "price list", "prices", PRICES)
    }

    /// A trace's text; not kept, as it may be large.
    pub(super) fn trace(&self, path: &str) -> Result<String, Problem> {
        let text = match self.loader.load(Need::Trace(path)) {
            Ok(Some(text)) => text,
            Ok(None) => {
                return Err(Problem::nowhere(format!("there is no trace {path:?}"))
                    .help("traces are looked for from the scenario's folder"));
            }
            Err(why) => return Err(Problem::nowhere(why).help("paths of traces start at the scenario's folder")),
        };
        self.digests.borrow_mut().entry(path.to_owned()).or_insert_with(|| digest(&text));
        Ok(text)
    }

    /// What was used: texts by name, digests of traces by path.
    pub(super) fn record(&self) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        let texts = self.used.borrow().iter().map(|(name, source)| (name.clone(), source.text().to_owned())).collect();
        (texts, self.digests.borrow().clone())
    }

    fn text(
        &self,
        name: &str,
        need: Need<'_>,
        kind: &str,
        folder: &str,
        built_in: &[(&str, &str)],
    ) -> Result<Arc<Source>, Problem> {
        if let Some(source) = self.used.borrow().get(name) {
            return Ok(source.clone());
        }
        let names: Vec<&str> = built_in.iter().map(|(name, _)| *name).collect();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
        if name.is_empty() || !name.chars().all(is_name) || name.starts_with('.') {
            let problem = Problem::nowhere(format!("{name:?} is not the name of a {kind}"));
            return Err(problem.help(format!(
                "write the name of a file in `{folder}` without its ending, or {}",
                super::read::listed(&names)
            )));
        }
        let text = self.loader.load(need).map_err(Problem::nowhere)?;
        let known = built_in.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let Some(text) = text.or(known) else {
            let problem = Problem::nowhere(format!("there is no {kind} {name:?}"));
            let near = super::read::meant(name, &names);
            return Err(
                problem.help(format!("{near}; one of your own would be {folder}/{name}.toml beside the scenario"))
            );
        };
        let source = Source::new(&format!("{folder}/{name}.toml"), &text);
        self.used.borrow_mut().insert(name.to_owned(), source.clone());
        Ok(source)
    }
}

/// FNV-1a with 128 bits: tells whether a trace is the same file, not whether someone forged it.
fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    format!("fnv1a128:{hash:032x}")
}

/// The comment that opens a text, as one paragraph.
pub(super) fn opening_comment(text: &str) -> String {
    let comments = text.lines().map(str::trim).skip_while(|line| line.is_empty() || line.starts_with("#:schema"));
    let words = comments.map_while(|line| line.strip_prefix('#')).map(str::trim).take_while(|line| !line.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
