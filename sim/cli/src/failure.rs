//! How a command ends.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use faas_lab_model::scenario::ScenarioErrors;
use faas_lab_reports::ReportError;

/// A command that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As hoped.
    Done,
    /// An objective was missed, or theory.
    Missed,
    /// It was ended early: what it shows covers less than was asked for.
    EndedEarly,
    /// What was asked cannot be told from what there is.
    Undecided,
    /// It was measured in a way that cannot be trusted.
    Invalid,
}

impl Outcome {
    pub(crate) fn code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Missed => 1,
            Outcome::EndedEarly | Outcome::Undecided | Outcome::Invalid => 3,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(outcome.code())
    }
}

/// Why a command could not run, as it is shown.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), help: None }
    }

    /// Something that failed with a file or folder: `cannot write out/result.json: no space left on device`.
    pub(crate) fn with_path(doing: &str, path: &Path, error: &io::Error) -> Failure {
        Failure::new(format!("cannot {doing} {}: {error}", path.display()))
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }
}

impl From<ScenarioErrors> for Failure {
    fn from(errors: ScenarioErrors) -> Failure {
        Failure::new(errors.to_string())
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Failure {
        Failure::new(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message.trim_end())?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n  help: {help}"))
    }
}
