//! Reading `result.json`, which may come from another version of this program, or from somebody's editor.

use serde::Deserialize;

use super::result::{RunResult, SCHEMA_VERSION};

/// Why a text is not a result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON, or not JSON of this form.
    #[error("not a result: {0}")]
    Form(#[from] serde_json::Error),
    /// It holds a number that JSON does not know.
    #[error("not a result: {word} in line {line} is no number in JSON; what has no value is left out")]
    NotFinite {
        /// What stands there.
        word: &'static str,
        /// The line, from 1.
        line: usize,
    },
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
        let Versioned { schema_version } = serde_json::from_str(json).map_err(|error| told(error, json))?;
        if schema_version != SCHEMA_VERSION {
            return Err(ReadError::Version { found: schema_version });
        }
        serde_json::from_str(json).map_err(|error| told(error, json))
    }
}

/// Other programs write NaN into what they call JSON; a reader's complaint about an "expected value" would not help.
fn told(error: serde_json::Error, json: &str) -> ReadError {
    let line = error.line();
    let from = json.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    // The column is where the reader gave up: at the word, or a letter into it.
    let at = error.column().saturating_sub(2);
    let rest = from.get(at..).unwrap_or_default().trim_start_matches([' ', ':', '-', '[', ',']);
    let word = ["NaN", "Infinity", "nan", "inf"].into_iter().find(|word| rest.starts_with(word));
    match word {
        Some(word) if error.is_syntax() => ReadError::NotFinite { word, line },
        _ => ReadError::Form(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_does_not_know_are_named() {
        for (json, word, line) in [
            ("{\"schema_version\": 1, \"seed\": NaN}", "NaN", 1),
            ("{\n\"schema_version\": 1,\n\"values\": [1, -Infinity]}", "Infinity", 3),
        ] {
            match RunResult::read(json) {
                Err(ReadError::NotFinite { word: found, line: at }) => assert_eq!((found, at), (word, line)),
                other => panic!("{json}: {other:?}"),
            }
        }
        assert!(matches!(RunResult::read("{\"schema_version\": 1, \"name\": NaNa}"), Err(ReadError::NotFinite { .. })));
        assert!(matches!(RunResult::read("{\"schema_version\": one}"), Err(ReadError::Form(_))));
        assert!(matches!(
            RunResult::read("{\"schema_version\": 2, \"more\": []}"),
            Err(ReadError::Version { found: 2 })
        ));
    }
}
