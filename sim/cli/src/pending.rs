//! What other packages will say here; each function becomes a plain call when its package has landed.

use std::io::{self, Write};
use std::path::Path;

use faas_lab_model::metrics::result::RunResult;
use faas_lab_model::scenario::Scenario;
use faas_lab_sim::RequestRecord;

use crate::failure::Failure;

pub(crate) fn load(path: &Path, overrides: &[String]) -> Result<Scenario, Failure> {
    let _ = overrides;
    Err(Failure::new(format!("{}: scenarios cannot be read yet", path.display())))
}

pub(crate) fn template() -> &'static str {
    "name = \"first\"\n"
}

pub(crate) fn profiles() -> Vec<(String, String)> {
    Vec::new()
}

/// Key, name, about.
pub(crate) fn policies() -> Vec<(String, String, String)> {
    Vec::new()
}

pub(crate) fn scenario_schema() -> serde_json::Value {
    serde_json::Value::Null
}

pub(crate) fn html(result: &RunResult) -> Result<String, Failure> {
    Ok(format!("<!doctype html><title>{}</title>", result.name))
}

pub(crate) fn timeline_csv(result: &RunResult) -> Result<String, Failure> {
    Ok(format!("{}\n", result.timeline.step_seconds))
}

pub(crate) fn summary(result: &RunResult) -> String {
    format!("{}\n", result.name)
}

pub(crate) struct RequestsCsv<W> {
    to: W,
}

impl<W: Write> RequestsCsv<W> {
    pub(crate) fn new(to: W, _: &Scenario) -> RequestsCsv<W> {
        RequestsCsv { to }
    }

    pub(crate) fn write(&mut self, request: &RequestRecord) -> io::Result<()> {
        writeln!(self.to, "{}", request.id)
    }

    pub(crate) fn finish(self) -> io::Result<W> {
        Ok(self.to)
    }
}
