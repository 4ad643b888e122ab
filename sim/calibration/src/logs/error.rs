//! What can be wrong with a log.

use thiserror::Error;

/// Largest log that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 30;

/// Why a log cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LogError {
    /// Nothing in it.
    #[error("{name}: there are no requests in it")]
    Empty {
        /// The log.
        name: String,
    },
    /// Beyond what is read.
    #[error("{name} is larger than {limit} MiB: cut it into pieces")]
    TooLarge {
        /// The log.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// A table without what is needed.
    #[error("{name}:1: no column for {what}; it has {has}. Name one of them {expected}")]
    NoColumn {
        /// The log.
        name: String,
        /// What is missing.
        what: &'static str,
        /// The columns there are.
        has: String,
        /// Names that are known.
        expected: String,
    },
    /// A value that does not read.
    #[error("{name}:{line}:{column}: {found:?} is not {expected}")]
    Value {
        /// The log.
        name: String,
        /// Line, from 1.
        line: u64,
        /// Column of a table or character of a line, from 1.
        column: usize,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// The text is not what its beginning promises.
    #[error("{name}:{line}:{column}: {why}")]
    Syntax {
        /// The log.
        name: String,
        /// Line, from 1.
        line: u64,
        /// Character, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
}

impl LogError {
    pub(super) fn value(name: &str, line: u64, column: usize, found: &str, expected: &'static str) -> LogError {
        let found = found.chars().take(60).collect();
        LogError::Value { name: name.to_owned(), line, column, found, expected }
    }

    pub(super) fn csv(name: &str, error: &csv::Error) -> LogError {
        let line = error.position().map_or(1, csv::Position::line);
        LogError::Syntax { name: name.to_owned(), line, column: 1, why: error.to_string() }
    }

    pub(super) fn json(name: &str, first_line: u64, error: &serde_json::Error) -> LogError {
        let line = first_line + (error.line().max(1) as u64 - 1);
        LogError::Syntax { name: name.to_owned(), line, column: error.column().max(1), why: error.to_string() }
    }
}
