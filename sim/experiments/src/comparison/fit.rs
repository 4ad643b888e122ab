//! Whether results fit together, and what each of them warns of.

use std::collections::BTreeSet;

use faas_lab_model::metrics::comparison::{Axis, Entry};
use faas_lab_model::metrics::result::{self, RunResult, Source, Warning};

/// What was found.
pub(super) struct Fit {
    /// Whether costs are in one currency.
    pub(super) costs_compare: bool,
    pub(super) warnings: Vec<Warning>,
}

/// Compares what the entries are about.
pub(super) fn check(entries: &[Entry], axes: &[Axis], baseline: usize) -> Fit {
    let mut fit = Fit { costs_compare: true, warnings: Vec::new() };
    fit.incomplete(entries);
    fit.about_other_things(entries, baseline);
    fit.costs(entries);
    fit.own_warnings(entries, axes);
    fit
}

impl Fit {
    fn warn(&mut self, code: &str, text: String) {
        self.warnings.push(Warning { code: code.to_owned(), text });
    }

    fn incomplete(&mut self, entries: &[Entry]) {
        let named = |wanted: &dyn Fn(&RunResult) -> bool| listed(entries.iter().filter(|entry| wanted(&entry.result)));
        if let Some(empty) = named(&is_empty) {
            self.warn("empty", format!("{empty}: holds no measurements, so nothing can be said of it."));
        }
        if let Some(partial) = named(&|result| result.partial) {
            self.warn("partial", format!("{partial}: ended early, and covers only what was done by then."));
        }
        let single = |result: &RunResult, source| result.source == source && result.replications.len() == 1;
        if let Some(single) = named(&|result| single(result, Source::Simulated)) {
            self.warn(
                "single-run",
                format!(
                    "{single}: a single run, whose spread is unknown, so no difference from it can be called real. Repeat it with other seeds."
                ),
            );
        }
        if let Some(single) = named(&|result| single(result, Source::Measured)) {
            self.warn(
                "single-run",
                format!(
                    "{single}: a single measured run, whose spread is unknown, so no difference from it can be called real. Measure again, with other seeds."
                ),
            );
        }
    }

    fn about_other_things(&mut self, entries: &[Entry], baseline: usize) {
        let base = &entries[baseline];
        let others: Vec<&Entry> =
            entries.iter().enumerate().filter(|(index, _)| *index != baseline).map(|(_, entry)| entry).collect();
        let named =
            |wanted: &dyn Fn(&RunResult) -> bool| listed(others.iter().copied().filter(|entry| wanted(&entry.result)));
        let functions = |result: &RunResult| -> BTreeSet<String> {
            result.functions.iter().map(|function| function.name.clone()).collect()
        };
        if let Some(other) = named(&|result| !is_empty(result) && functions(result) != functions(&base.result)) {
            self.warn(
                "functions",
                format!("{other}: not the same functions as {}; totals over all functions are compared.", base.label),
            );
        }
        let length = |result: &RunResult| result.window.duration_seconds - result.window.warm_up_seconds;
        let differs = |result: &RunResult| {
            !result.partial && (length(result) - length(&base.result)).abs() > 0.01 * length(&base.result).abs()
        };
        if !base.result.partial
            && let Some(other) = named(&differs)
        {
            self.warn(
                "durations",
                format!(
                    "{other}: does not cover as long a time as {}. Counts, energy and cost of the window are not comparable; shares, rates and response times are, where the load is the same.",
                    base.label
                ),
            );
        }
        let offered = |result: &RunResult| Some(result.summary.get(result::OFFERED)?.mean / length(result));
        let loaded = |result: &RunResult| match (offered(result), offered(&base.result)) {
            (Some(mine), Some(theirs)) => mine.max(theirs) > 1.2 * mine.min(theirs),
            _ => false,
        };
        if let Some(other) = named(&loaded) {
            let text = format!("{other}: was not offered the same load as {} (more than 20 % apart).", base.label);
            self.warn("loads", text);
        }
        let sources: BTreeSet<bool> = entries.iter().map(|entry| entry.result.source == Source::Measured).collect();
        if sources.len() > 1 {
            self.warn(
                "sources",
                "Simulated and measured results stand side by side: differences between them are those of model and reality together.".to_owned(),
            );
        }
    }

    fn costs(&mut self, entries: &[Entry]) {
        let with = |entry: &&Entry| entry.result.summary.contains_key(result::COST);
        let currencies: BTreeSet<&str> =
            entries.iter().filter(with).map(|entry| entry.result.cost.currency.as_str()).collect();
        if currencies.len() > 1 {
            self.costs_compare = false;
            let currencies = currencies.into_iter().collect::<Vec<_>>().join(", ");
            self.warn("currencies", format!("Costs are in {currencies} and are not compared."));
        } else if currencies.len() == 1 {
            let without = |source| {
                let lacks = |entry: &&Entry| !with(entry) && entry.result.source == source && !is_empty(&entry.result);
                listed(entries.iter().filter(lacks))
            };
            if let Some(without) = without(Source::Simulated) {
                let text =
                    format!("{without}: has no cost, and ranks after those that do. Give its scenario [prices].");
                self.warn("no-cost", text);
            }
            if let Some(without) = without(Source::Measured) {
                self.warn("no-cost", format!("{without}: no cost was measured, so there is none to compare."));
            }
        }
    }

    /// What the results warn of themselves, once for all entries that share it.
    fn own_warnings(&mut self, entries: &[Entry], axes: &[Axis]) {
        let mut told: Vec<&Warning> = Vec::new();
        for warning in entries.iter().flat_map(|entry| &entry.result.warnings) {
            if told.contains(&warning) {
                continue;
            }
            told.push(warning);
            let share = |entry: &&Entry| entry.result.warnings.contains(warning);
            let whose = match entries.iter().filter(share).count() {
                count if count == entries.len() => format!("all {count}"),
                _ => of_one_value(entries, axes, &|entry| share(&entry))
                    .or_else(|| listed(entries.iter().filter(share)))
                    .unwrap_or_default(),
            };
            self.warn(&warning.code, format!("{whose}: {}", warning.text));
        }
    }
}

fn is_empty(result: &RunResult) -> bool {
    result.replications.iter().all(|run| run.metrics.is_empty())
}

/// `all 4 with exec_timeout=60s`, if the wanted entries are all those that have one value of one setting.
fn of_one_value(entries: &[Entry], axes: &[Axis], wanted: &dyn Fn(&Entry) -> bool) -> Option<String> {
    let whole = |axis: usize, value: &str| {
        entries.iter().all(|entry| wanted(entry) == entry.values.get(axis).is_some_and(|own| own == value))
    };
    let found = axes
        .iter()
        .enumerate()
        .find_map(|(index, axis)| axis.values.iter().find(|value| whole(index, value)).map(|value| (&axis.key, value)));
    let (key, value) = found?;
    let count = entries.iter().filter(|entry| wanted(entry)).count();
    let last = key.rsplit('.').next().unwrap_or(key);
    (count > 1).then(|| format!("all {count} with {last}={}", value.trim_matches('"')))
}

/// The labels of some entries; `None` for none. Labels may hold commas.
fn listed<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<String> {
    /// Names that fit into a sentence.
    const MOST: usize = 4;
    let labels: Vec<&str> = entries.map(|entry| entry.label.as_str()).collect();
    let shown = labels[..labels.len().min(MOST)].join("; ");
    match labels.len() {
        0 => None,
        count if count > MOST => Some(format!("{shown}; and {} more", count - MOST)),
        _ => Some(shown),
    }
}
