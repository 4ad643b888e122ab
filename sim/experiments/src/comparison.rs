//! From results to a comparison: who is best by which rule, what differs for certain, and what to beware of.

mod fit;
mod ranking;

use faas_lab_model::metrics::comparison::{Axis, Comparison, Entry};
use faas_lab_model::metrics::result::{self, RunResult, Warning};

use crate::significance::{FAMILY_ERROR, differences};

pub use ranking::{Ranking, rank};

/// What a comparison is made of.
#[derive(Clone, Debug)]
pub struct Material {
    /// What is compared, in words.
    pub name: String,
    /// The command that makes it again.
    pub command: String,
    /// What was varied.
    pub axes: Vec<Axis>,
    /// The results. Never empty.
    pub entries: Vec<Entry>,
    /// Index of the entry that the others are held against.
    pub baseline: usize,
    /// What is known already to make a reader careful.
    pub warnings: Vec<Warning>,
}

/// Puts results side by side. What cannot be compared becomes a warning, and the rest goes on. The answer in one sentence is
/// left empty: `faas_lab_reports::answer` knows the words.
///
/// # Panics
/// Without entries, or if `baseline` is none of them.
pub fn juxtapose(material: Material) -> Comparison {
    let Material { name, command, axes, entries, baseline, mut warnings } = material;
    assert!(baseline < entries.len(), "the baseline is one of the entries");
    let results: Vec<&RunResult> = entries.iter().map(|entry| &entry.result).collect();
    let fit = fit::check(&entries, &axes, baseline);
    let skipped: &[&str] = if fit.costs_compare { &[] } else { &[result::COST] };
    let differences = differences(&results, baseline, skipped);
    let Ranking { order, rule } = rank(&results, fit.costs_compare);
    let pareto = ranking::pareto(&results, fit.costs_compare);
    warnings.extend(fit.warnings);
    Comparison {
        name,
        command,
        answer: String::new(),
        axes,
        entries,
        baseline,
        ranking: order,
        ranked_by: rule,
        pareto,
        differences,
        family_error: FAMILY_ERROR,
        warnings,
    }
}

#[cfg(test)]
mod tests;
