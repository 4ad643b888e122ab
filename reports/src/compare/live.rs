//! A run beside others while its settings move: the same charts as in a comparison, as a part of a page that is replaced
//! with every move. Each run keeps its colour by its place, whatever its policy.

use faas_lab_model::metrics::comparison::{Comparison, Entry};
use faas_lab_model::metrics::result::{self, RunResult};
use maud::{Markup, html};

use super::view::View;
use super::{curves, heat, ranking};
use crate::charts::timeline;
use crate::page::{chart, warnings};
use crate::{ReportError, format, words};

/// The part of the page that shows `current`, with `others` under their names beside it.
///
/// Fails only if a histogram in a result is damaged.
pub fn live(current: &RunResult, others: &[(String, RunResult)]) -> Result<String, ReportError> {
    let entry = |(label, result): (&str, &RunResult)| Entry {
        label: label.to_owned(),
        values: Vec::new(),
        result: result.clone(),
    };
    let now = if others.is_empty() { "this run" } else { "now" };
    let all = std::iter::once((now, current)).chain(others.iter().map(|(label, result)| (label.as_str(), result)));
    let comparison = Comparison {
        name: current.name.clone(),
        command: String::new(),
        answer: String::new(),
        axes: Vec::new(),
        entries: all.map(entry).collect(),
        baseline: 0,
        ranking: Vec::new(),
        ranked_by: String::new(),
        pareto: Vec::new(),
        differences: Vec::new(),
        family_error: 0.05,
        warnings: Vec::new(),
    };
    let view = View::by_place(&comparison)?;
    Ok(body(&view, current).into_string())
}

fn body(view: &View<'_>, current: &RunResult) -> Markup {
    let (verdict, answer) = words::answer(current);
    let alone = view.ranked.len() == 1;
    html! {
        p class=(verdict.class()) { (words::tied(&answer)) }
        @if alone { (figures(current)) } @else { (ranking::side_by_side(view)) }
        (warnings(&current.warnings))
        (curves::lines(view))
        @if alone {
            @if let Some(found) = timeline::of(current, None) { (chart(&found)) }
        } @else {
            @if let Some(found) = curves::over_time(view) { (found) }
        }
        (heat::by_result(view))
    }
}

/// What one watches while settings move.
fn figures(current: &RunResult) -> Markup {
    let keys = [
        result::RESPONSE_P50,
        result::RESPONSE_P95,
        result::RESPONSE_P99,
        result::ERROR_RATE,
        result::GOODPUT,
        result::COLD_STARTS,
        result::REPLICAS_MEAN,
        result::COST,
    ];
    html! {
        dl .figures {
            @for key in keys {
                @if let Some(estimate) = current.summary.get(key).filter(|estimate| estimate.mean.is_finite()) {
                    @let text = format::estimate_in(estimate, words::unit_of(key), &current.cost.currency);
                    div {
                        dt { (words::metric_words(key)) }
                        dd .value { @match text.split_once(" ± ") { Some((mean, rest)) => { (mean) small { " ± " (rest) } }, None => (text) } }
                    }
                }
            }
        }
    }
}
