//! What the rules of `--fail-if` say, on the terminal and as JUnit XML.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use faas_lab_experiments::gate::{Decision, Judgement, Rule, judge};
use faas_lab_model::metrics::comparison::Comparison;
use faas_lab_reports::format;
use serde::Serialize;

use super::text::{amount, signed};
use crate::failure::{Failure, Outcome};

/// All rules held against all entries.
pub(super) struct Verdict<'a> {
    rules: &'a [Rule],
    judgements: Vec<Judgement>,
}

/// A judgement as `--json` prints it.
#[derive(Serialize)]
pub(super) struct Told {
    rule: String,
    label: String,
    decision: &'static str,
    about: String,
    p_adjusted: Option<f64>,
}

impl<'a> Verdict<'a> {
    pub(super) fn new(rules: &'a [Rule], comparison: &Comparison) -> Verdict<'a> {
        Verdict { rules, judgements: judge(rules, &comparison.entries, comparison.baseline) }
    }

    pub(super) fn outcome(&self) -> Outcome {
        let any = |decision| self.judgements.iter().any(|judgement| judgement.decision == decision);
        match () {
            () if any(Decision::Failed) => Outcome::Missed,
            () if any(Decision::Undecided) => Outcome::Undecided,
            () => Outcome::Done,
        }
    }

    pub(super) fn told(&self, comparison: &Comparison) -> Vec<Told> {
        let judgements = self.judgements.iter();
        judgements
            .map(|judgement| Told {
                rule: self.rules[judgement.rule].text.clone(),
                label: comparison.entries[judgement.entry].label.clone(),
                decision: word(judgement.decision),
                about: self.about(judgement, comparison),
                p_adjusted: judgement.adjusted,
            })
            .collect()
    }

    /// A line for each judgement; nothing without rules.
    pub(super) fn text(&self, comparison: &Comparison) -> String {
        let mut out = String::new();
        for judgement in &self.judgements {
            let (rule, label) = (&self.rules[judgement.rule].text, &comparison.entries[judgement.entry].label);
            let about = self.about(judgement, comparison);
            let _ = write!(out, "\n{}: {rule}: {label}: {about}", word(judgement.decision));
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }

    fn about(&self, judgement: &Judgement, comparison: &Comparison) -> String {
        let metric = self.rules[judgement.rule].metric;
        let (entry, base) =
            (&comparison.entries[judgement.entry].result, &comparison.entries[comparison.baseline].result);
        if let Some(currencies) = self.rules[judgement.rule].currencies(entry, base) {
            return format!("{currencies} cannot be compared");
        }
        let Some(contrast) = &judgement.contrast else {
            return format!("{} is not there to be compared", metric.key);
        };
        let (estimate, currency) = (contrast.estimate, &comparison.entries[judgement.entry].result.cost.currency);
        if contrast.same {
            return "exactly the same".to_owned();
        }
        let way = if estimate.mean < 0.0 { "lower" } else { "higher" };
        let mut size = estimate;
        size.mean = size.mean.abs();
        let relative = contrast.relative().map_or_else(String::new, |relative| format!(" ({})", signed(relative)));
        let partial = comparison.entries[judgement.entry].result.partial
            || comparison.entries[comparison.baseline].result.partial;
        let sure = match judgement.adjusted {
            _ if partial && judgement.decision == Decision::Undecided => "but a run was ended early".to_owned(),
            None => "but single runs cannot tell whether that is chance".to_owned(),
            Some(p) if p < 0.0001 => "p < 0.0001 for all rules together".to_owned(),
            Some(p) => format!("p = {} for all rules together", format::significant(p, 2)),
        };
        format!("{way} by {}{relative}, {sure}", amount(&size, metric.unit, currency))
    }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Passed => "passed",
        Decision::Failed => "FAILED",
        Decision::Undecided => "undecided",
    }
}

/// Writes a test case for each rule and entry, as CI systems read them.
pub(super) fn write_junit(file: &Path, verdict: &Verdict<'_>, comparison: &Comparison) -> Result<(), Failure> {
    let count = |decision| verdict.judgements.iter().filter(|judgement| judgement.decision == decision).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        verdict.judgements.len(),
        count(Decision::Failed),
        count(Decision::Undecided)
    );
    let name = escaped(&comparison.name);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites {counts}>\n  <testsuite name=\"{name}\" {counts}>");
    for judgement in &verdict.judgements {
        let rule = escaped(&verdict.rules[judgement.rule].text);
        let label = escaped(&comparison.entries[judgement.entry].label);
        let about = escaped(&verdict.about(judgement, comparison));
        let base = escaped(&comparison.entries[comparison.baseline].label);
        let _ = write!(xml, "    <testcase classname=\"{label} against {base}\" name=\"{rule}\">");
        let _ = match judgement.decision {
            Decision::Passed => write!(xml, "<system-out>{about}</system-out>"),
            Decision::Failed => write!(xml, "<failure message=\"{about}\"/>"),
            Decision::Undecided => write!(xml, "<error message=\"{about}\"/>"),
        };
        xml.push_str("</testcase>\n");
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    fs::write(file, xml).map_err(|error| Failure::with_path("write", file, &error))
}

/// As XML 1.0 allows it within an attribute: without control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
