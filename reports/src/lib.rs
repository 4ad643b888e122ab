//! Reports: what a run found, as one self-contained HTML page, as tables for spreadsheets and as a few lines on a
//! terminal. They read nothing but a [`RunResult`](faas_lab_model::metrics::result::RunResult).

mod charts;
mod compare;
pub mod csv;
pub mod format;
pub mod html;
mod page;
mod responses;
#[doc(hidden)]
pub mod sample;
pub mod serve;
pub mod text;
mod words;

pub use compare::{answer, compare, live};

/// Whether every histogram of a result can be read: the one thing that its form does not tell.
///
/// # Errors
/// Whose histogram is damaged, and how.
pub fn check(result: &faas_lab_model::metrics::result::RunResult) -> Result<(), ReportError> {
    result.functions.iter().try_for_each(|function| responses::Responses::of(function).map(drop))
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A histogram in the result is damaged.
    #[error("a histogram of response times of {function} cannot be read: {reason}")]
    Histogram {
        /// Whose it is.
        function: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A table could not be written.
    #[error("a table could not be written")]
    Table(#[from] ::csv::Error),
}
