//! Which entry is best: what meets the objectives first, then cost, then the 99th percentile; and the front of those that
//! no other beats in both.

use std::cmp::Ordering;

use faas_lab_model::metrics::result::{self, RunResult};

/// An order and the rule that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// Indices of the results, best first.
    pub order: Vec<usize>,
    /// The rule, in words.
    pub rule: String,
}

/// How a result stands to its objectives, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Met, and every interval is on that side.
    Met,
    /// Met by the means; an interval reaches across a bound.
    ProbablyMet,
    /// Missed, or nothing was seen to judge by.
    Missed,
}

pub(super) fn standing(result: &RunResult) -> Standing {
    match () {
        () if result.objectives.iter().any(|objective| !objective.met) => Standing::Missed,
        () if result.objectives.iter().any(|objective| !objective.certain) => Standing::ProbablyMet,
        () => Standing::Met,
    }
}

/// By how much the objective missed the most is missed, as a multiple of its bound; infinite where nothing was seen.
fn excess(result: &RunResult) -> f64 {
    let excess = result.objectives.iter().filter(|objective| !objective.met).map(|objective| {
        objective.found.map_or(f64::INFINITY, |found| found.mean / objective.at_most.max(f64::MIN_POSITIVE))
    });
    excess.fold(0.0, f64::max)
}

pub(super) fn mean(result: &RunResult, key: &str) -> Option<f64> {
    result.summary.get(key).map(|estimate| estimate.mean).filter(|mean| mean.is_finite())
}

/// Smaller first; what has no value comes last.
fn ascending(left: Option<f64>, right: Option<f64>) -> Ordering {
    left.unwrap_or(f64::INFINITY).total_cmp(&right.unwrap_or(f64::INFINITY))
}

/// Numbers the costs from the lowest, those within 1 % of each other alike: less is not worth a slower answer, and is
/// often noise. Without a cost: last.
fn cost_classes(results: &[&RunResult]) -> Vec<usize> {
    let costs: Vec<Option<f64>> = results.iter().map(|result| mean(result, result::COST)).collect();
    let mut sorted: Vec<f64> = costs.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let mut starts: Vec<f64> = Vec::new();
    for cost in sorted {
        if starts.last().is_none_or(|start| cost > start * 1.01) {
            starts.push(cost);
        }
    }
    let class = |cost: &Option<f64>| cost.map_or(usize::MAX, |cost| starts.partition_point(|start| *start <= cost));
    costs.iter().map(class).collect()
}

/// Orders `results`, best first. Costs count where they are comparable.
pub fn rank(results: &[&RunResult], costs_compare: bool) -> Ranking {
    let judged = results.iter().any(|result| !result.objectives.is_empty());
    let costed = costs_compare && results.iter().any(|result| mean(result, result::COST).is_some());
    let p99 = |a: &RunResult, b: &RunResult| ascending(mean(a, result::RESPONSE_P99), mean(b, result::RESPONSE_P99));
    let classes = cost_classes(results);
    let money = |a: usize, b: usize| if costed { classes[a].cmp(&classes[b]) } else { Ordering::Equal };
    // Shares that differ by less than a thousandth are not worth a slower or dearer answer.
    let errors = |result: &RunResult| mean(result, result::ERROR_RATE).map(|share| (share * 1000.0).round());
    let mut order: Vec<usize> = (0..results.len()).collect();
    order.sort_by(|&left, &right| {
        let (a, b) = (results[left], results[right]);
        if judged {
            let missed = standing(a).max(standing(b)) == Standing::Missed;
            let nearest = if missed { excess(a).total_cmp(&excess(b)) } else { Ordering::Equal };
            standing(a).cmp(&standing(b)).then(nearest).then_with(|| money(left, right)).then_with(|| p99(a, b))
        } else {
            ascending(errors(a), errors(b)).then_with(|| p99(a, b)).then_with(|| money(left, right))
        }
    });
    let rule = match (judged, costed) {
        (true, true) => {
            "what certainly meets the objectives first, then what probably does, each by cost (to 1 %) and then p99; \
             what misses them comes last, by how far"
        }
        (true, false) => {
            "what certainly meets the objectives first, then what probably does, each by p99, since no costs can be \
             compared; what misses them comes last, by how far"
        }
        (false, true) => {
            "error rate to a tenth of a percent, then p99, then cost (to 1 %), since there is no objective"
        }
        (false, false) => "error rate to a tenth of a percent, then p99, since there is no objective and no cost",
    };
    Ranking { order, rule: rule.to_owned() }
}

/// Results that no other beats in both cost and p99, cheapest first.
pub(super) fn pareto(results: &[&RunResult], costs_compare: bool) -> Vec<usize> {
    let place = |result: &RunResult| Some((mean(result, result::COST)?, mean(result, result::RESPONSE_P99)?));
    let places: Vec<Option<(f64, f64)>> = results.iter().map(|result| place(result)).collect();
    let beaten = |(cost, p99): (f64, f64)| {
        let others = places.iter().flatten();
        others.into_iter().any(|other| other.0 <= cost && other.1 <= p99 && *other != (cost, p99))
    };
    let mut front: Vec<(usize, (f64, f64))> = Vec::new();
    if costs_compare {
        let there = places.iter().enumerate().filter_map(|(index, place)| Some((index, (*place)?)));
        front.extend(there.filter(|(_, place)| !beaten(*place)));
    }
    front.sort_by(|(_, a), (_, b)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    front.into_iter().map(|(index, _)| index).collect()
}
