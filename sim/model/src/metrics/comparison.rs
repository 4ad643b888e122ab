//! Several results side by side: what was varied, how they differ from one of them, and how sure that is.

use serde::{Deserialize, Serialize};

use super::result::{Estimate, RunResult, Warning};

/// Several results side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What is compared, in words.
    pub name: String,
    /// The command that makes it again.
    pub command: String,
    /// What was found, in one sentence.
    pub answer: String,
    /// What was varied, in the order given; empty when results or named variants are compared.
    pub axes: Vec<Axis>,
    /// The results, in the order given. Never empty.
    pub entries: Vec<Entry>,
    /// Index of the entry that the others are held against.
    pub baseline: usize,
    /// Indices of `entries`, best first.
    pub ranking: Vec<usize>,
    /// By which rule the ranking was made, in words.
    pub ranked_by: String,
    /// Entries that no other beats in both cost and p99; empty without costs.
    pub pareto: Vec<usize>,
    /// Differences of the other entries from the baseline, entry by entry and metric by metric.
    pub differences: Vec<Difference>,
    /// Probability that any difference is called real by mistake, over all of them together: 0.05.
    pub family_error: f64,
    /// What should make a reader careful: results that do not fit together, timeouts that contradict each other.
    pub warnings: Vec<Warning>,
}

/// A setting that was varied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// Key of the scenario.
    pub key: String,
    /// Its values, as written.
    pub values: Vec<String>,
}

/// One result among others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Short and unique name.
    pub label: String,
    /// Its value on each axis, in the order of [`Comparison::axes`].
    pub values: Vec<String>,
    /// The result.
    pub result: RunResult,
}

/// How one entry differs from the baseline in one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Index of the entry.
    pub entry: usize,
    /// Key of the metric.
    pub metric: String,
    /// Entry minus baseline, in the metric's unit; its interval is the plain 95 % one.
    pub estimate: Estimate,
    /// The difference over the baseline's mean; `None` where that is zero.
    pub relative: Option<f64>,
    /// Whether replications were paired by seed.
    pub paired: bool,
    /// Probability of a difference at least this large by chance, for this metric alone; `None` when it cannot be known.
    pub p_value: Option<f64>,
    /// What can be said of it when all comparisons are taken together.
    pub verdict: Verdict,
}

/// What can be said of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Real, and for the better.
    Better,
    /// Real, and for the worse.
    Worse,
    /// Real, in a metric that is neither good nor bad.
    Different,
    /// May be chance.
    Unclear,
    /// The two are equal in every replication.
    Same,
}
