//! A comparison as the page shows it: who stands where, in which colour and dash, and what can be read off each result.

use std::collections::BTreeMap;

use faas_lab_model::metrics::comparison::{Comparison, Difference, Entry};
use faas_lab_model::metrics::result::{self, Estimate, OutcomeKind, RunResult, Source};

use crate::ReportError;
use crate::charts::{DASHES, Ink, Look};
use crate::format;
use crate::responses::{Responses, Times};
use crate::words;

/// Entries whose curves are in the page; a reader can choose among these.
pub(super) const MOST_DRAWN: usize = 36;

/// Entries that panels show until a reader chooses others.
pub(super) const MOST_PANELS: usize = 12;

/// Entries that share one chart until a reader chooses others.
pub(super) const MOST_LINES: usize = 6;

/// One result with what the page needs of it.
pub(super) struct Seen<'c> {
    /// Its index in the comparison.
    pub index: usize,
    pub entry: &'c Entry,
    /// What it is called on this page.
    pub name: String,
    pub look: Look,
    /// Response times of requests answered in full, over all functions and replications.
    pub answered: Times,
    /// Requests over all functions and replications.
    pub requests: u64,
    /// The metric that counts its replicas, the same for all results of the page.
    replicas: &'static str,
}

/// The comparison with its entries in the order of their rank.
pub(super) struct View<'c> {
    pub comparison: &'c Comparison,
    /// Best first; every entry once, whatever the ranking says.
    pub ranked: Vec<Seen<'c>>,
    /// The index of the baseline, an entry that exists.
    pub baseline: usize,
    /// Whether a colour means a policy; otherwise it means nothing but the entry.
    pub policies: bool,
}

impl<'c> View<'c> {
    /// Colours by policy, where policies tell entries apart.
    pub(super) fn new(comparison: &'c Comparison) -> Result<View<'c>, ReportError> {
        let policies = policy_names(comparison);
        View::with_hues(comparison, policies.is_some(), policies.unwrap_or_else(|| own_hues(comparison)))
    }

    /// A colour for each entry by its place, so that it stays the same while policies change.
    pub(super) fn by_place(comparison: &'c Comparison) -> Result<View<'c>, ReportError> {
        View::with_hues(comparison, false, own_hues(comparison))
    }

    fn with_hues(comparison: &'c Comparison, policies: bool, hues: Vec<String>) -> Result<View<'c>, ReportError> {
        let (looks, names) = (looks(&hues), names(comparison));
        // A measured result knows only its ready replicas: then like is held against like.
        let knows_all = |entry: &Entry| entry.result.summary.contains_key(result::REPLICAS_MEAN);
        let all_known = comparison.entries.iter().all(knows_all);
        let replicas = if all_known { result::REPLICAS_MEAN } else { result::REPLICAS_READY_MEAN };
        let mut order: Vec<usize> = Vec::new();
        for index in comparison.ranking.iter().copied().chain(0..comparison.entries.len()) {
            if index < comparison.entries.len() && !order.contains(&index) {
                order.push(index);
            }
        }
        let see = |index: usize| {
            let entry = &comparison.entries[index];
            let mut answered = Times::none();
            for function in &entry.result.functions {
                answered = answered.and(&Responses::of(function)?.answered);
            }
            let name = names[index].clone();
            let requests = words::requests(&entry.result);
            Ok(Seen { index, entry, name, look: looks[index], answered, requests, replicas })
        };
        let ranked = order.into_iter().map(see).collect::<Result<Vec<_>, ReportError>>()?;
        let baseline = comparison.baseline.min(comparison.entries.len().saturating_sub(1));
        Ok(View { comparison, ranked, baseline, policies })
    }

    pub(super) fn baseline(&self) -> &Seen<'c> {
        self.ranked.iter().find(|seen| seen.index == self.baseline).expect("every entry has a rank")
    }

    /// Entries whose curves are in the page: the best, and the baseline.
    pub(super) fn drawn(&self) -> impl Iterator<Item = &Seen<'c>> {
        let baseline = self.baseline;
        self.ranked
            .iter()
            .enumerate()
            .filter(move |(rank, seen)| *rank < MOST_DRAWN || seen.index == baseline)
            .map(|(_, seen)| seen)
    }

    /// The first `most` by rank, one of which is the baseline: what is shown until a reader chooses.
    pub(super) fn first(&self, most: usize) -> Vec<usize> {
        let mut first: Vec<usize> = self.ranked.iter().take(most).map(|seen| seen.index).collect();
        if !first.contains(&self.baseline) {
            first.truncate(most.saturating_sub(1));
            first.push(self.baseline);
        }
        first
    }

    /// The currency that all results with a cost share; `None` without costs or where currencies differ.
    pub(super) fn currency(&self) -> Option<&str> {
        let mut currencies = self
            .ranked
            .iter()
            .filter(|seen| seen.of(result::COST).is_some())
            .map(|seen| seen.entry.result.cost.currency.as_str());
        let first = currencies.next()?;
        currencies.all(|other| other == first).then_some(first)
    }

    /// The difference of an entry from the baseline in one metric.
    pub(super) fn difference(&self, index: usize, metric: &str) -> Option<&'c Difference> {
        self.comparison.differences.iter().find(|difference| {
            difference.entry == index && difference.metric == metric && difference.estimate.mean.is_finite()
        })
    }

    /// Metrics in which entries were held against the baseline, those that decide first.
    pub(super) fn compared_metrics(&self) -> Vec<&'c str> {
        let mut found: Vec<&str> = Vec::new();
        for difference in &self.comparison.differences {
            if !found.contains(&difference.metric.as_str()) {
                found.push(&difference.metric);
            }
        }
        let place = |metric: &&str| CHIEF.iter().position(|chief| chief == metric).unwrap_or(CHIEF.len());
        found.sort_by_key(place);
        found
    }

    /// Whether simulated and measured results are both there.
    pub(super) fn is_mixed(&self) -> bool {
        let measured = |seen: &Seen<'_>| seen.entry.result.source == Source::Measured;
        self.ranked.iter().any(measured) && !self.ranked.iter().all(measured)
    }
}

/// Metrics that a decision is made by, in the order one asks for them.
const CHIEF: [&str; 9] = [
    result::RESPONSE_P95,
    result::RESPONSE_P99,
    result::ERROR_RATE,
    result::COST,
    result::GOODPUT,
    result::RESPONSE_P50,
    result::ENERGY,
    result::REPLICAS_MEAN,
    result::COLD_STARTS,
];

impl Seen<'_> {
    /// A metric, if the result has a finite one.
    pub(super) fn of(&self, key: &str) -> Option<&Estimate> {
        self.entry.result.summary.get(key).filter(|estimate| estimate.mean.is_finite())
    }

    pub(super) fn label(&self) -> &str {
        &self.name
    }

    /// Whether replicas in any state are counted, or only those that are ready.
    pub(super) fn counts_all_replicas(&self) -> bool {
        self.replicas == result::REPLICAS_MEAN
    }

    /// Hours of replicas in the measured window, per replication.
    pub(super) fn replica_hours(&self) -> Option<Estimate> {
        let window = &self.entry.result.window;
        let hours = (window.duration_seconds - window.warm_up_seconds) / 3600.0;
        let replicas = self.of(self.replicas)?;
        let scaled = |value: f64| value * hours;
        (hours.is_finite() && hours > 0.0).then(|| Estimate {
            mean: scaled(replicas.mean),
            half_width: replicas.half_width.map(scaled),
            sd: replicas.sd.map(scaled),
            n: replicas.n,
        })
    }

    /// Requests of one ending, over all functions and replications, as a share of all.
    pub(super) fn share_of(&self, kind: OutcomeKind) -> Option<f64> {
        let outcomes = self.entry.result.functions.iter().flat_map(|function| &function.outcomes);
        let count: u64 = outcomes.filter(|outcome| outcome.outcome == kind).map(|outcome| outcome.count).sum();
        (self.requests > 0).then(|| count as f64 / self.requests as f64)
    }

    /// Shares of requests lost by ending and hop, such as `timed out at watchdog exec`.
    pub(super) fn losses(&self) -> BTreeMap<(OutcomeKind, Option<&str>), u64> {
        let mut losses = BTreeMap::new();
        for outcome in self.entry.result.functions.iter().flat_map(|function| &function.outcomes) {
            if outcome.outcome != OutcomeKind::Ok && outcome.count > 0 {
                *losses.entry((outcome.outcome, outcome.hop.as_deref())).or_default() += outcome.count;
            }
        }
        losses
    }

    /// Share of requests that did not get a full answer, over all functions and replications.
    pub(super) fn lost(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.losses().values().sum::<u64>() as f64 / self.requests as f64)
    }

    /// Whether it has objectives, each with a value and met.
    pub(super) fn meets(&self) -> bool {
        let objectives = &self.entry.result.objectives;
        !objectives.is_empty() && objectives.iter().all(|objective| objective.met && objective.found.is_some())
    }

    /// Whether it is certain that the objectives are met, or that they are not: one that is clearly missed is enough.
    pub(super) fn is_certain(&self) -> bool {
        let objectives = &self.entry.result.objectives;
        let missed =
            objectives.iter().any(|objective| objective.found.is_some() && !objective.met && objective.certain);
        missed || objectives.iter().all(|objective| objective.certain)
    }

    /// A metric in words, or the sign for none.
    pub(super) fn text(&self, key: &str) -> String {
        let unit = words::unit_of(key);
        self.of(key).map_or_else(
            || format::NONE.to_owned(),
            |estimate| format::estimate_in(estimate, unit, &self.entry.result.cost.currency),
        )
    }
}

/// What entries are called: by their values, the policy first, where that tells them apart; `capacity, 5 s` reads
/// better at the end of a line than `exec_timeout=5s, scaling=capacity`.
fn names(comparison: &Comparison) -> Vec<String> {
    let axes = &comparison.axes;
    let mut order: Vec<usize> = (0..axes.len()).collect();
    order.sort_by_key(|axis| !is_policy(&axes[*axis].key));
    let by_values = |entry: &Entry| -> Option<String> {
        let values: Option<Vec<String>> =
            order.iter().map(|axis| entry.values.get(*axis).map(|value| words::value_words(value))).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.join(", "))
    };
    let short: Option<Vec<String>> = comparison.entries.iter().map(by_values).collect();
    let unique = |names: &Vec<String>| {
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort();
        sorted.windows(2).all(|pair| pair[0] != pair[1])
    };
    let long = || comparison.entries.iter().map(|entry| entry.label.clone()).collect();
    let telling = axes.iter().any(|axis| is_policy(&axis.key));
    short.filter(|names| telling && unique(names)).unwrap_or_else(long)
}

/// One hue for each entry.
fn own_hues(comparison: &Comparison) -> Vec<String> {
    (0..comparison.entries.len()).map(|index| index.to_string()).collect()
}

/// A colour for each hue, in the order of their first use; dashes tell entries of one colour apart. Where no two have one
/// hue, each has a dash of its own too, so that of lines that coincide both are seen.
fn looks(hues: &[String]) -> Vec<Look> {
    let mut inks: Vec<&str> = Vec::new();
    for hue in hues {
        if !inks.contains(&hue.as_str()) {
            inks.push(hue);
        }
    }
    let alone = inks.len() == hues.len();
    let mut used = [0; Ink::SERIES.len()];
    hues.iter()
        .map(|hue| {
            let place = inks.iter().position(|ink| ink == hue).expect("each hue was listed") % Ink::SERIES.len();
            used[place] += 1;
            let turn = used[place] - 1 + if alone { place } else { 0 };
            Look { ink: Ink::SERIES[place], dash: turn % DASHES }
        })
        .collect()
}

/// The policy of each entry, if there are several and each has a colour of its own.
fn policy_names(comparison: &Comparison) -> Option<Vec<String>> {
    let axis = comparison.axes.iter().position(|axis| is_policy(&axis.key));
    let name = |entry: &Entry| match axis {
        Some(axis) => entry.values.get(axis).cloned().unwrap_or_default(),
        None => scaling_of(&entry.result),
    };
    let names: Vec<String> = comparison.entries.iter().map(name).collect();
    let mut distinct: Vec<&String> = names.iter().collect();
    distinct.sort();
    distinct.dedup();
    ((2..=Ink::SERIES.len()).contains(&distinct.len())).then_some(names)
}

/// Whether a key of the scenario chooses a scaling policy.
pub(super) fn is_policy(key: &str) -> bool {
    key.rsplit('.').next() == Some("scaling")
}

/// The scaling policies that a result's scenario names, function by function.
fn scaling_of(result: &RunResult) -> String {
    let Ok(scenario) = result.scenario.toml.parse::<toml::Table>() else { return String::new() };
    let functions = scenario.get("function").and_then(toml::Value::as_table);
    let policy = |function: &toml::Value| match function.get("scaling")? {
        toml::Value::String(name) => Some(name.clone()),
        toml::Value::Table(table) => table.keys().next().cloned(),
        _ => None,
    };
    let names: Vec<String> =
        functions.into_iter().flat_map(|functions| functions.values()).filter_map(policy).collect();
    names.join(", ")
}
