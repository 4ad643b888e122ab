//! Reading `result.json`, which may come from another version of this program, or from somebody's editor.

use serde::Deserialize;

use super::result::{RunResult, SCHEMA_VERSION};

/// Why a text is not a result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON, or not JSON of this form.
    #[error("not a result: {0}")]
    Form(#[from] serde_json::Error),
    /// It is a result of another version.
    #[error("schema version {found}, but this program reads {SCHEMA_VERSION}")]
    Version {
        /// The version that it names.
        found: u32,
    },
}

impl RunResult {
    /// Reads what `result.json` holds.
    ///
    /// # Errors
    /// What is wrong with the text; another version is told apart before its form is judged.
    pub fn read(json: &str) -> Result<RunResult, ReadError> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Versioned {
            schema_version: u32,
        }
        let Versioned { schema_version } = serde_json::from_str(json)?;
        if schema_version != SCHEMA_VERSION {
            return Err(ReadError::Version { found: schema_version });
        }
        Ok(serde_json::from_str(json)?)
    }
}
