//! From a file to a [`Scenario`]: read, override, check, and keep what a result must carry.

use std::path::Path;

use serde_json::{Map, Value as Json, json};
use toml_edit::DocumentMut;

use super::error::{Place, Problem, ScenarioErrors, Source};
use super::library::{self, Folder, Library, Loader};
use super::overrides::{self, Override};
use super::read::{At, Findings};
use super::tree::{self, Node};
use super::{Scenario, file, validate, warnings};
use crate::metrics::result::ScenarioRecord;
use crate::policies::Listing;
use crate::time::Span;

/// Help for a file that cannot be read.
const NO_FILE: &str = "name a scenario in TOML; `faas-lab init` writes one to start from";

impl Scenario {
    /// Reads a scenario file; profiles, price lists and traces are looked for beside it. Each override is `KEY=VALUE`.
    ///
    /// # Errors
    /// All problems of the file and of what it names, each with its place and what to write instead.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Scenario, ScenarioErrors> {
        let name = path.to_string_lossy();
        let text = library::read_file(path, library::MAX_SCENARIO)
            .map_err(|why| ScenarioErrors::new(&name, vec![Problem::nowhere(why).help(NO_FILE)]))?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Scenario::parse(&name, &text, overrides, &Folder(folder))
    }

    /// Reads a scenario from its text; `name` is its path for messages, `loader` finds what it names.
    ///
    /// # Errors
    /// All problems of the text and of what it names.
    pub fn parse(
        name: &str,
        text: &str,
        overrides: &[String],
        loader: &dyn Loader,
    ) -> Result<Scenario, ScenarioErrors> {
        if text.len() as u64 > library::MAX_SCENARIO {
            let why = format!("a scenario of more than {} MiB is not read", library::MAX_SCENARIO >> 20);
            return Err(ScenarioErrors::new(name, vec![Problem::nowhere(why)]));
        }
        if text.trim().is_empty() {
            return Err(ScenarioErrors::new(name, vec![Problem::nowhere("the scenario is empty").help(NO_FILE)]));
        }
        let source = Source::new(name, text);
        let mut problems = Vec::new();
        let mut root = tree::parse(&source, &mut problems);
        if !problems.is_empty() {
            // With broken syntax whole sections may be missing: more messages would only mislead.
            return Err(ScenarioErrors::new(name, problems));
        }
        let mut file: Option<DocumentMut> = text.parse().ok();
        for written in overrides {
            let laid = overrides::read(written).and_then(|over| over.apply(&mut root, file.as_mut()));
            problems.extend(laid.err());
        }
        let library = Library::new(loader);
        let (scenario, findings) = read(&root, name, &library);
        problems.extend(findings.problems);
        let variants = overrides::variants(&root);
        if problems.is_empty() {
            for (variant, overrides) in &variants {
                problems.extend(variant_problems(&root, name, &library, variant, overrides));
            }
        }
        match scenario {
            Some(scenario) if problems.is_empty() => {
                let (profiles, traces) = library.record();
                let toml = if overrides.is_empty() {
                    text.to_owned()
                } else {
                    file.map_or_else(|| text.to_owned(), |file| file.to_string())
                };
                let record =
                    ScenarioRecord { path: name.to_owned(), toml, overrides: overrides.to_vec(), profiles, traces };
                let variants =
                    variants.iter().map(|(name, overrides)| overrides::as_written(name, overrides)).collect();
                Ok(Scenario { about: library::opening_comment(text), variants, record, ..scenario })
            }
            _ => Err(ScenarioErrors::new(name, problems)),
        }
    }
}

/// Reads and checks a document; the scenario is there whenever it could be put together, problems or not.
fn read(root: &Node, name: &str, library: &Library<'_>) -> (Option<Scenario>, Findings) {
    let stem =
        Path::new(name).file_stem().map_or_else(|| "scenario".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let mut findings = Findings::default();
    let scenario = file::scenario(&mut At::read(root, &mut findings), &stem, library);
    let scenario = scenario.map(|mut scenario| {
        if scenario.drain == Span::MAX {
            scenario.drain = validate::longest_timeout(&scenario).unwrap_or(scenario.duration);
        }
        let variants = root.get("variant").and_then(Node::table).map_or(0, Vec::len);
        let crossed = validate::check(&scenario, variants, &findings);
        // What follows from a problem that is named already is not named again.
        let new = |problem: &Problem| {
            let places = problem.place.iter().chain(problem.related.iter().map(|(place, _)| place));
            let known: Vec<&Place> = findings.problems.iter().filter_map(|problem| problem.place.as_ref()).collect();
            !places.into_iter().any(|place| known.iter().any(|known| known.overlaps(place)))
        };
        let crossed: Vec<Problem> = crossed.into_iter().filter(new).collect();
        findings.problems.extend(crossed);
        scenario.warnings = warnings::find(&scenario);
        scenario.provenance = std::mem::take(&mut findings.provenance);
        scenario
    });
    if scenario.is_none() && findings.problems.is_empty() {
        findings.problems.push(Problem::nowhere("the scenario could not be put together"));
    }
    (scenario, findings)
}

fn variant_problems(
    root: &Node,
    name: &str,
    library: &Library<'_>,
    variant: &str,
    overrides: &[Override],
) -> Vec<Problem> {
    let mut changed = root.clone();
    let laid: Vec<Problem> = overrides.iter().filter_map(|over| over.apply(&mut changed, None).err()).collect();
    let found = if laid.is_empty() { read(&changed, name, library).1.problems } else { laid };
    let named = |problem: Problem| Problem { message: format!("variant {variant:?}: {}", problem.message), ..problem };
    found.into_iter().map(named).collect()
}

/// The scenario format as JSON Schema (2020-12), for editors.
pub fn schema() -> Json {
    let (mut schema, mut shared) = (json!({}), Map::new());
    let library = Library::new(&library::BuiltIn);
    file::scenario(&mut At::describe(&mut schema, &mut shared), "scenario", &library);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("A faas-lab scenario");
    schema["$defs"] = Json::Object(shared);
    schema
}

/// A commented scenario to start from, which is valid as it is.
pub fn template() -> &'static str {
    include_str!("template.toml")
}

/// The machine profiles that come with the program, each with what it is.
pub fn profiles() -> Vec<(&'static str, String)> {
    library::PROFILES.iter().map(|(name, text)| (*name, library::opening_comment(text))).collect()
}

/// The price lists that come built in: name, and what they list.
pub fn price_lists() -> Vec<(&'static str, String)> {
    library::PRICES.iter().map(|(name, text)| (*name, library::opening_comment(text))).collect()
}

/// Every policy that a scenario can name, with its key and one line on what it does.
pub fn policies() -> Vec<Listing> {
    crate::policies::listings()
}
