//! `faas-lab schema`: the JSON Schema of scenario files or of `result.json`, for editors and other programs.

use faas_lab_model::metrics::result::RunResult;
use faas_lab_model::scenario;

use crate::args::{SchemaArguments, SchemaOf};
use crate::failure::{Failure, Outcome};
use crate::terminal;

pub(crate) fn run(arguments: &SchemaArguments) -> Result<Outcome, Failure> {
    let schema = match arguments.of {
        SchemaOf::Scenario => scenario::schema(),
        SchemaOf::Result => schemars::schema_for!(RunResult).into(),
    };
    let json = serde_json::to_string_pretty(&schema).expect("a schema has string keys");
    terminal::print(&format!("{json}\n"))?;
    Ok(Outcome::Done)
}
