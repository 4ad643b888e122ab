//! What a comparison rests on: every figure, what was set differently, what to be careful about, and how to run it again.

use std::collections::BTreeMap;

use faas_lab_model::metrics::result::{Basis, METRICS, Warning};
use maud::{Markup, html};

use super::swatch;
use super::view::{Seen, View};
use crate::format;
use crate::words;

/// Parameters without a good source that are listed.
const MOST_WEAK: usize = 60;

/// Every metric that any result has.
pub(super) fn all_figures(view: &View<'_>) -> Markup {
    let metrics: Vec<_> =
        METRICS.iter().filter(|metric| view.ranked.iter().any(|seen| seen.of(metric.key).is_some())).collect();
    html! {
        @if metrics.is_empty() {
            p .quiet { "No result has a summary." }
        } @else {
            details {
                summary { (words::plural(metrics.len() as u64, "figure")) " of each result" }
                div .scroll tabindex="0" role="region" aria-label="All figures" {
                    table .sortable {
                        caption { "Means with 95 % intervals" }
                        thead {
                            tr {
                                th scope="col" { "result" }
                                @for metric in &metrics { th .n .way scope="col" title=(metric.about) { (words::metric_words(metric.key)) } }
                            }
                        }
                        tbody {
                            @for seen in &view.ranked {
                                tr data-e=(seen.index) {
                                    th scope="row" { (swatch(seen.look)) span .label { (seen.label()) } }
                                    @for metric in &metrics {
                                        td .n data-v=[seen.of(metric.key).map(|estimate| format!("{:.9}", estimate.mean))] { (seen.text(metric.key)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What the comparison and its results warn of; a warning that several results have is said once.
pub(super) fn warnings(view: &View<'_>) -> Vec<Warning> {
    let mut all = view.comparison.warnings.clone();
    let mut of_results: Vec<(&Warning, Vec<&str>)> = Vec::new();
    for seen in &view.ranked {
        for warning in &seen.entry.result.warnings {
            match of_results.iter_mut().find(|(known, _)| *known == warning) {
                Some((_, labels)) => labels.push(seen.label()),
                None => of_results.push((warning, vec![seen.label()])),
            }
        }
    }
    // What misleads about timeouts comes first: it is what a comparison of them is about.
    of_results.sort_by_key(|(warning, _)| warning.code != "timeout-chain");
    for (warning, labels) in of_results {
        // The comparison may have said it already, with names before it.
        if all.iter().any(|known| known.code == warning.code && known.text.ends_with(&warning.text)) {
            continue;
        }
        let whose = match labels.as_slice() {
            labels if labels.len() == view.ranked.len() && labels.len() > 1 => "All results".to_owned(),
            [one] => (*one).to_owned(),
            [one, two] => format!("{one} and {two}"),
            [one, rest @ ..] => format!("{one} and {} others", rest.len()),
            [] => String::new(),
        };
        all.push(Warning { code: warning.code.clone(), text: format!("{whose}: {}", warning.text) });
    }
    all
}

/// Settings in which results differ, and parameters without a good source.
pub(super) fn settings(view: &View<'_>) -> Markup {
    let differing = differing(view);
    let prefix = common_prefix(differing.keys());
    let weak = weak(view);
    html! {
        @if differing.is_empty() {
            p { "The scenarios of all results say the same, so that only what made the results differs." }
        } @else {
            div .scroll tabindex="0" role="region" aria-label="Settings that differ" {
                table {
                    caption { "Settings in which results differ" @if !prefix.is_empty() { ", below " code { (prefix.trim_end_matches('.')) } } }
                    thead { tr { th scope="col" { "result" } @for key in differing.keys() { th scope="col" { code { (breakable(&key[prefix.len()..])) } } } } }
                    tbody {
                        @for (row, seen) in view.ranked.iter().enumerate() {
                            tr data-e=(seen.index) {
                                th scope="row" { (swatch(seen.look)) span .label { (seen.label()) } }
                                @for values in differing.values() {
                                    td .words { (values[row].as_deref().map_or(format::NONE.to_owned(), words::value_words)) }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if weak.is_empty() {
            p { "No parameter is assumed or taken over from elsewhere." }
        } @else {
            details {
                summary { (words::plural(weak.len() as u64, "parameter")) " assumed or taken over from another machine" }
                div .scroll tabindex="0" role="region" aria-label="Parameters without a good source" {
                    table {
                        caption { "What depends on these is no better than they are" }
                        thead { tr { th scope="col" { "parameter" } th scope="col" { "value" } th scope="col" { "basis" } th scope="col" { "source" } } }
                        tbody {
                            @for ((parameter, value), (basis, source)) in weak.iter().take(MOST_WEAK) {
                                tr {
                                    th scope="row" { code { (parameter) } }
                                    td { (value) }
                                    td class={ "basis " (words::basis_words(*basis)) } { (words::basis_words(*basis)) }
                                    td .words { @if source.is_empty() { (format::NONE) } @else { (source) } }
                                }
                            }
                        }
                    }
                }
                @if weak.len() > MOST_WEAK { p .quiet { "and " (weak.len() - MOST_WEAK) " more." } }
            }
        }
    }
}

/// A key that may be broken into lines after its dots and before its underscores.
fn breakable(key: &str) -> Markup {
    let parts = key.split_inclusive('.').flat_map(|part| {
        let places = part.match_indices('_').map(|(at, _)| at).filter(|at| *at > 0);
        let ends: Vec<usize> = places.chain([part.len()]).collect();
        let mut from = 0;
        ends.into_iter().map(move |to| &part[std::mem::replace(&mut from, to)..to]).collect::<Vec<_>>()
    });
    html! { @for (index, part) in parts.enumerate() { @if index > 0 { wbr; } (part) } }
}

/// Each setting that is not the same in all, with its value in each. How a value is known is no setting.
fn differing(view: &View<'_>) -> BTreeMap<String, Vec<Option<String>>> {
    let scenarios: Vec<BTreeMap<String, String>> = view.ranked.iter().map(settings_of).collect();
    let mut keys: Vec<&String> = scenarios.iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    let column = |key: &String| scenarios.iter().map(|scenario| scenario.get(key).cloned()).collect::<Vec<_>>();
    let about_a_value = |key: &str| {
        let value = key.strip_suffix(".basis").or_else(|| key.strip_suffix(".source"));
        value.is_some_and(|value| keys.iter().any(|other| other.starts_with(value) && other.as_str() != key))
    };
    keys.iter()
        .filter(|key| !about_a_value(key))
        .map(|key| ((*key).clone(), column(key)))
        .filter(|(_, column)| column.iter().any(|value| *value != column[0]))
        .take(12)
        .collect()
}

/// What all keys begin with, up to a full stop.
fn common_prefix<'k>(mut keys: impl Iterator<Item = &'k String>) -> &'k str {
    let Some(first) = keys.next() else { return "" };
    let mut prefix = first.rfind('.').map_or("", |dot| &first[..=dot]);
    for key in keys {
        while !key.starts_with(prefix) {
            prefix = prefix[..prefix.len() - 1].rfind('.').map_or("", |dot| &prefix[..=dot]);
        }
    }
    prefix
}

/// The settings of a result's scenario by their keys. Names, variants and numbers of replications are no settings.
fn settings_of(seen: &Seen<'_>) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    if let Ok(scenario) = seen.entry.result.scenario.toml.parse::<toml::Table>() {
        for (key, value) in
            scenario.iter().filter(|(key, _)| !["name", "variant", "seed", "replications"].contains(&key.as_str()))
        {
            flatten(key, value, &mut settings);
        }
    }
    settings
}

fn flatten(key: &str, value: &toml::Value, settings: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(name, value)| flatten(&format!("{key}.{name}"), value, settings))
        }
        toml::Value::Array(items) if items.iter().all(toml::Value::is_table) => {
            items.iter().enumerate().for_each(|(index, item)| flatten(&format!("{key}.{index}"), item, settings));
        }
        other => drop(settings.insert(key.to_owned(), other.to_string())),
    }
}

type Known = BTreeMap<(String, String), (Basis, String)>;

/// Parameters without a good source in any of the results.
fn weak(view: &View<'_>) -> Known {
    let all = view.ranked.iter().flat_map(|seen| &seen.entry.result.provenance);
    all.filter(|known| matches!(known.basis, Basis::Assumed | Basis::Transferred))
        .map(|known| ((known.parameter.clone(), known.value.clone()), (known.basis, known.source.clone())))
        .collect()
}

/// All it takes to make the comparison again.
pub(super) fn again(view: &View<'_>) -> Markup {
    let base = view.baseline();
    html! {
        @if !view.comparison.command.is_empty() { pre .command tabindex="0" { code { (view.comparison.command) } } }
        details {
            summary { "The command of each result" }
            div .scroll tabindex="0" role="region" aria-label="Commands" {
                table {
                    caption { "Each result on its own" }
                    thead { tr { th scope="col" { "result" } th scope="col" { "command" } th scope="col" { "covers" } } }
                    tbody {
                        @for seen in &view.ranked {
                            tr data-e=(seen.index) {
                                th scope="row" { (seen.label()) @if seen.name != seen.entry.label { small { (seen.entry.label) } } }
                                td .words { code { (seen.entry.result.command) } }
                                td .words { (words::window_words(&seen.entry.result)) "; " (words::seed_words(&seen.entry.result)) }
                            }
                        }
                    }
                }
            }
        }
        @if !base.entry.result.scenario.toml.is_empty() {
            details {
                summary { "The scenario of " (base.label()) ", " (base.entry.result.scenario.path) }
                pre tabindex="0" { code { (base.entry.result.scenario.toml) } }
            }
        }
    }
}
