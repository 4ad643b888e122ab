//! `faas-lab schema`: the JSON Schema of scenario files or of `result.json`, for editors and other programs.

use faas_lab_model::metrics::result::RunResult;

use crate::args::{SchemaArguments, SchemaOf};
use crate::failure::{Failure, Outcome};
use crate::{pending, terminal};

pub(crate) fn run(arguments: &SchemaArguments) -> Result<Outcome, Failure> {
    let schema = match arguments.of {
        SchemaOf::Scenario => pending::scenario_schema(),
        SchemaOf::Result => schemars::schema_for!(RunResult).into(),
    };
    let json = serde_json::to_string_pretty(&schema).expect("a schema has string keys");
    terminal::print(&format!("{json}\n"))?;
    Ok(Outcome::Done)
}
