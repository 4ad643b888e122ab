//! The comparison on a terminal: the answer, a ranked table, and what differs from the baseline for certain.

use std::collections::BTreeSet;

use faas_lab_model::metrics::comparison::{Comparison, Difference, Verdict};
use faas_lab_model::metrics::result::{self, Estimate, RunResult};
use faas_lab_reports::format;
use faas_lab_reports::text::TextOptions;

/// Columns in their order, with the order in which they give way on a narrow terminal.
const COLUMNS: [(&str, &str, u32); 9] = [
    (result::RESPONSE_P50, "median", 5),
    (result::RESPONSE_P95, "p95", 1),
    (result::RESPONSE_P99, "p99", 3),
    (result::ERROR_RATE, "errors", 0),
    (result::GOODPUT, "goodput", 7),
    (result::COLD_SHARE, "cold", 6),
    (result::REPLICAS_MEAN, "replicas", 4),
    (result::ENERGY, "energy", 8),
    (result::COST, "cost", 2),
];

/// Entries whose differences are told; the report has all.
const MOST_TOLD: usize = 6;

/// Metrics whose differences are told; the report has all.
const TOLD: [&str; 6] = [
    result::RESPONSE_P50,
    result::RESPONSE_P95,
    result::RESPONSE_P99,
    result::ERROR_RATE,
    result::REPLICAS_MEAN,
    result::COST,
];

/// Short names for sentences.
fn short(key: &str) -> &str {
    COLUMNS.iter().find(|(known, ..)| *known == key).map_or(key, |(_, name, _)| name)
}

/// The summary, ending in a line break.
pub(super) fn summary(comparison: &Comparison, options: &TextOptions) -> String {
    let width = options.width.max(60);
    let bold = |text: &str| if options.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() };
    let mut out = format!("{}\n\n{}\n", bold(&comparison.name), wrapped(&comparison.answer, "", width));
    out.push_str(&table(comparison, width, &bold));
    if !is_validation(comparison) {
        out.push_str(&wrapped(&format!("Ranked by {}.", comparison.ranked_by), "", width));
        out.push('\n');
    }
    if let front @ [_, _, ..] = comparison.pareto.as_slice() {
        let labels: Vec<&str> = front.iter().map(|entry| comparison.entries[*entry].label.as_str()).collect();
        let text = format!("No other is both cheaper and faster (p99): {}.", labels.join("; "));
        out.push_str(&wrapped(&text, "", width));
        out.push('\n');
    }
    let base = &comparison.entries[comparison.baseline].label;
    out.push_str(&format!("\n{}\n", bold(&format!("Held against {base}"))));
    let others: Vec<&usize> = comparison.ranking.iter().filter(|entry| **entry != comparison.baseline).collect();
    for entry in others.iter().take(MOST_TOLD) {
        let text = format!("{}: {}.", comparison.entries[**entry].label, differences(comparison, **entry));
        out.push_str(&wrapped(&text, "  ", width));
        out.push('\n');
    }
    if others.len() > MOST_TOLD {
        out.push_str(&format!("  … and {} more: see the report.\n", others.len() - MOST_TOLD));
    }
    if !comparison.warnings.is_empty() {
        out.push('\n');
    }
    for warning in &comparison.warnings {
        out.push_str(&wrapped(&format!("{}: {}", warning.code, warning.text), "! ", width));
        out.push('\n');
    }
    out
}

/// Whether a simulation stands beside its measurement, and nothing else: there is nothing to choose from.
fn is_validation(comparison: &Comparison) -> bool {
    let [one, other] = comparison.entries.as_slice() else { return false };
    let (one, other) = (&one.result, &other.result);
    let functions = |result: &RunResult| -> BTreeSet<String> {
        result.functions.iter().map(|function| function.name.clone()).collect()
    };
    one.source != other.source && (one.name == other.name || functions(one) == functions(other))
}

fn table(comparison: &Comparison, width: usize, bold: &dyn Fn(&str) -> String) -> String {
    let cell = |result: &RunResult, key: &str| {
        let unit = result::metric(key).map_or("count", |metric| metric.unit);
        let found = result.summary.get(key);
        found.map_or_else(|| format::NONE.to_owned(), |e| format::estimate_in(e, unit, &result.cost.currency))
    };
    let has = |key: &str| comparison.entries.iter().any(|entry| entry.result.summary.contains_key(key));
    let label = |entry: &usize| clipped(&comparison.entries[*entry].label, width / 2);
    let labels = comparison.ranking.iter().map(|entry| letters(&label(entry))).max().unwrap_or(0);
    let wide = |key: &str, name: &str| {
        let cells = comparison.entries.iter().map(|entry| letters(&cell(&entry.result, key)));
        cells.max().unwrap_or(0).max(letters(name))
    };
    let mut shown: Vec<(usize, u32, usize)> = COLUMNS
        .iter()
        .enumerate()
        .filter(|(_, (key, ..))| has(key))
        .map(|(index, (key, name, gives))| (index, *gives, wide(key, name)))
        .collect();
    let total = |shown: &[(usize, u32, usize)]| 4 + labels + shown.iter().map(|(.., wide)| wide + 2).sum::<usize>();
    while total(&shown) > width && shown.len() > 1 {
        let Some(last) = shown.iter().enumerate().max_by_key(|(_, (_, gives, _))| *gives) else { break };
        let index = last.0;
        shown.remove(index);
    }
    let right = |text: &str, wide: usize| format!("{}{text}", " ".repeat(wide.saturating_sub(letters(text))));
    let head: String = shown.iter().map(|(index, _, wide)| format!("  {}", right(COLUMNS[*index].1, *wide))).collect();
    let mut out = format!("\n{}\n", bold(format!("{:1$}{head}", "", 4 + labels).as_str()));
    for (rank, entry) in comparison.ranking.iter().enumerate() {
        let cells = shown.iter().map(|(index, _, wide)| {
            format!("  {}", right(&cell(&comparison.entries[*entry].result, COLUMNS[*index].0), *wide))
        });
        let cells: String = cells.collect();
        let label = label(entry);
        let pad = " ".repeat(labels - letters(&label));
        let rank = if is_validation(comparison) { String::new() } else { (rank + 1).to_string() };
        out.push_str(&format!("{rank:>2}  {label}{pad}{cells}\n"));
    }
    out
}

/// `p95 worse by 240 ± 30 ms (+38 %), cost better by …; may be chance: errors; the same: …`.
fn differences(comparison: &Comparison, entry: usize) -> String {
    let of = |wanted: &[Verdict]| -> Vec<&Difference> {
        let own = comparison.differences.iter().filter(|difference| difference.entry == entry);
        let own = own.filter(|difference| TOLD.contains(&difference.metric.as_str()));
        own.filter(|difference| wanted.contains(&difference.verdict)).collect()
    };
    let currency = &comparison.entries[entry].result.cost.currency;
    let real = of(&[Verdict::Better, Verdict::Worse, Verdict::Different]);
    let unclear = of(&[Verdict::Unclear]);
    let mut parts = Vec::new();
    match real.is_empty() {
        true if unclear.is_empty() && !of(&[Verdict::Same]).is_empty() => parts.push("exactly the same".to_owned()),
        true => parts.push("nothing differs for certain".to_owned()),
        false => {
            let across =
                comparison.entries[entry].result.source != comparison.entries[comparison.baseline].result.source;
            parts
                .push(real.iter().map(|difference| words(difference, currency, across)).collect::<Vec<_>>().join(", "));
        }
    }
    let names = |found: &[&Difference]| found.iter().map(|d| short(&d.metric)).collect::<Vec<_>>().join(", ");
    if !unclear.is_empty() {
        parts.push(format!("may be chance: {}", names(&unclear)));
    }
    parts.join("; ")
}

/// A simulation is not better or worse than what was measured, it is off: `across` says that one is held against the other.
fn words(difference: &Difference, currency: &str, across: bool) -> String {
    let unit = result::metric(&difference.metric).map_or("count", |metric| metric.unit);
    let mut size = difference.estimate;
    let way = match difference.verdict {
        Verdict::Better if !across => "better",
        Verdict::Worse if !across => "worse",
        _ if size.mean > 0.0 => "higher",
        _ => "lower",
    };
    size.mean = size.mean.abs();
    let relative = difference.relative.map_or_else(String::new, |relative| format!(" ({})", signed(relative)));
    format!("{} {way} by {}{relative}", short(&difference.metric), amount(&size, unit, currency))
}

/// The size of a difference. That of two shares is in percentage points, as it is no share of anything.
pub(super) fn amount(size: &Estimate, unit: &str, currency: &str) -> String {
    let text = format::estimate_in(size, unit, currency);
    if unit == "share" { text.replace(" %", " points") } else { text }
}

/// `+38 %`, `−4.2 %`.
pub(super) fn signed(relative: f64) -> String {
    let percent = relative.abs() * 100.0;
    let places = if percent < 10.0 { 1 } else { 0 };
    format!("{}{percent:.places$} %", if relative < 0.0 { "−" } else { "+" })
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Broken into lines after words; `mark` opens the first line, its width indents the others.
pub(crate) fn wrapped(text: &str, mark: &str, width: usize) -> String {
    let indent = " ".repeat(letters(mark));
    let (mut out, mut line) = (String::new(), mark.to_owned());
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && letters(&line) + 1 + letters(word) > width {
            out.push_str(line.trim_end());
            out.push('\n');
            line = indent.clone();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out + line.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_shares_is_in_points() {
        let size = Estimate { mean: 0.604, half_width: Some(0.07), sd: None, n: 10 };
        assert_eq!(amount(&size, "share", ""), "60 ± 7 points");
        assert_eq!(amount(&size, "s", ""), "600 ± 70 ms");
    }
}
