//! Every scenario that is shipped can be read, and says what it should.

use std::path::{Path, PathBuf};

use faas_lab_model::scenario::{self, BuiltIn, Recorded, Scenario};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn shipped() -> Vec<PathBuf> {
    let files =
        std::fs::read_dir(folder()).expect("the folder of scenarios").filter_map(|entry| Some(entry.ok()?.path()));
    let mut scenarios: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    scenarios.sort();
    scenarios
}

#[test]
fn every_shipped_scenario_reads_and_says_what_it_shows() {
    for path in shipped() {
        let scenario = Scenario::load(&path, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(scenario.about.len() > 40, "{} opens without a comment", path.display());
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(text.starts_with("#:schema ./scenario.schema.json\n"), "{} names no schema", path.display());
        println!("{}: {:#?}", path.display(), scenario.warnings);
    }
}

#[test]
fn the_template_is_a_valid_scenario() {
    let scenario =
        Scenario::parse("new.toml", scenario::template(), &[], &BuiltIn).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(scenario.variants.len(), 2);
    assert_eq!(scenario.warnings, []);
}

#[test]
fn a_cpu_limit_without_machines_is_told() {
    let codes = |more: &str| {
        let text = format!(
            "name = \"x\"\nduration = \"1m\"\n[function.f]\ndemand = \"1ms\"\ncpu_limit = 0.5\n\
            [[workload]]\nfunction = \"f\"\narrivals = {{ poisson = \"1/s\" }}\n{more}"
        );
        let scenario = Scenario::parse("x.toml", &text, &[], &BuiltIn).unwrap_or_else(|errors| panic!("{errors}"));
        scenario.warnings.into_iter().map(|warning| warning.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(""), ["no-cpu-to-limit"]);
    assert!(codes("[[node]]\ncores = 2\nmemory = \"64GB\"\n").is_empty());
}

#[test]
fn a_result_can_be_run_again_from_itself() {
    let overrides = ["replications=2".to_owned(), "edge.client_timeout=5s".to_owned()];
    for path in shipped() {
        let first = Scenario::load(&path, &overrides).unwrap_or_else(|errors| panic!("{errors}"));
        let loader = Recorded { record: &first.record, folder: folder() };
        let again = Scenario::parse(&first.record.path, &first.record.toml, &[], &loader)
            .unwrap_or_else(|errors| panic!("{errors}"));
        let same = Scenario { record: first.record.clone(), ..again };
        assert_eq!(same, first, "{}", path.display());
    }
}

/// Format and schema come from one declaration; this keeps the file that editors read up to date with it.
/// To refresh it: `FAAS_LAB_REFRESH=1 cargo test -p faas-lab-model --test it schema`.
#[test]
fn the_published_schema_is_that_of_the_reader() {
    let path = folder().join("scenario.schema.json");
    let current = serde_json::to_string_pretty(&scenario::schema()).expect("plain JSON") + "\n";
    if std::env::var_os("FAAS_LAB_REFRESH").is_some() {
        std::fs::write(&path, &current).expect("writable");
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(published == current, "refresh it: FAAS_LAB_REFRESH=1 cargo test -p faas-lab-model --test it schema");
}
