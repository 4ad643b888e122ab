//! From the records of replications to the one result that is written and shown.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::serialization::{Serializer as _, V2Serializer};

use super::TimeHistogram;
use super::cost::{Charge, charges};
use super::record::{Ending, FunctionRecord, Hop, PhaseRecord, RunRecord, SeriesRecord};
use super::result::{
    self, CostItem, CostResult, Estimate, FunctionResult, HistogramData, NodeResult, ObjectiveResult, OutcomeCount,
    OutcomeKind, PartResult, PhaseResult, Replication, ResponseHistogram, RunResult, SCHEMA_VERSION, Series, Source,
    TheoryCheck, Timeline, TimeoutMark, Tool, Warning, Window,
};
use crate::scenario::{Objective, Scenario};
use crate::statistics::BatchMeans;

/// Batches of a single run (Schmeiser 1982 finds little use in more than 30).
const BATCHES: usize = 20;

/// Which series is the course of which metric, so that a single run's batches can say how sure the metric is.
const SERIES_OF_METRICS: &[(&str, &str)] = &[
    (result::IN_SYSTEM_MEAN, "in flight"),
    (result::QUEUE_MEAN, "waiting"),
    (result::GOODPUT, "successes"),
    (result::REPLICAS_READY_MEAN, "replicas ready"),
    (result::REPLICAS_BUSY_MEAN, "replicas busy"),
];

/// Joins the `records` of one scenario's replications, in their order, into a result.
///
/// `command` makes the result again; `window` is what the statistics cover. Intervals are Student's over replications.
/// A single replication has them only for time averages, from 20 batches of their series.
pub fn assemble(
    scenario: &Scenario,
    command: String,
    records: Vec<RunRecord>,
    window: Window,
    checks: Vec<TheoryCheck>,
) -> RunResult {
    let bills: Vec<Vec<Charge>> = records.iter().map(|record| charges(scenario, record)).collect();
    let metrics: Vec<Metrics> = records.iter().zip(&bills).map(|(record, bill)| metrics(record, bill)).collect();
    let mut summary = summarize(&metrics.iter().collect::<Vec<_>>());
    add_batch_intervals(&mut summary, &records, None);

    RunResult {
        schema_version: SCHEMA_VERSION,
        source: Source::Simulated,
        tool: Tool { name: "faas-lab".into(), version: env!("CARGO_PKG_VERSION").into() },
        name: scenario.name.clone(),
        about: scenario.about.clone(),
        command,
        partial: records.len() < scenario.replications as usize || records.iter().any(|record| record.partial),
        seed: scenario.seed.0,
        window,
        scenario: scenario.record.clone(),
        functions: functions(scenario, &records),
        timeline: timeline(scenario, &records),
        nodes: nodes(scenario, &records),
        timeouts: timeouts(scenario),
        cost: cost(scenario, &bills),
        objectives: scenario.objectives.iter().map(|objective| judge(objective, &summary)).collect(),
        checks,
        provenance: scenario.provenance.clone(),
        warnings: warnings(scenario, &records),
        replications: replications(scenario, &records, metrics),
        measurement: None,
        summary,
    }
}

type Metrics = BTreeMap<&'static str, f64>;

/// A replication's metrics, with energy and cost.
fn metrics(record: &RunRecord, bill: &[Charge]) -> Metrics {
    let mut metrics = record.metrics.clone();
    if !record.nodes.is_empty() {
        metrics.insert(result::ENERGY, record.nodes.iter().map(|node| node.energy_joules).sum());
    }
    if !bill.is_empty() {
        let cost: f64 = bill.iter().map(|charge| charge.amount).sum();
        metrics.insert(result::COST, cost);
        let successes = successes(&record.functions);
        if successes > 0 {
            metrics.insert(result::COST_PER_MILLION, cost / successes as f64 * 1e6);
        }
    }
    metrics
}

fn successes<'a>(functions: impl IntoIterator<Item = &'a FunctionRecord>) -> u64 {
    let outcomes = functions.into_iter().flat_map(|function| &function.outcomes);
    outcomes.filter(|(ending, _)| ending.kind == OutcomeKind::Ok).map(|(_, count)| count).sum()
}

fn replications(scenario: &Scenario, records: &[RunRecord], metrics: Vec<Metrics>) -> Vec<Replication> {
    let owned = |metrics: &Metrics| metrics.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
    let rows = (0u32..).zip(records).zip(metrics);
    rows.map(|((index, record), metrics)| Replication {
        index,
        seed: record.seed.0,
        metrics: owned(&metrics),
        functions: scenario
            .functions
            .iter()
            .zip(&record.functions)
            .map(|(function, seen)| (function.name.clone(), owned(&seen.metrics)))
            .collect(),
    })
    .collect()
}

/// Each metric over the replications that have it.
fn summarize(replications: &[&Metrics]) -> BTreeMap<String, Estimate> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (key, value) in replications.iter().flat_map(|metrics| metrics.iter()) {
        values.entry(key).or_default().push(*value);
    }
    let estimates = values.into_iter().filter_map(|(key, values)| Some((key, Estimate::from_replications(&values)?)));
    estimates.map(|(key, estimate)| (key.to_owned(), estimate)).collect()
}

/// Gives the time averages of a single run the spread of its batches; the mean stays the exact one.
fn add_batch_intervals(summary: &mut BTreeMap<String, Estimate>, records: &[RunRecord], function: Option<usize>) {
    let [record] = records else { return };
    for (metric, name) in SERIES_OF_METRICS {
        let Some(found) = summary.get_mut(*metric) else { continue };
        let Some(series) = record.series.iter().find(|s| s.name == *name && s.function == function) else { continue };
        if let Some(batches) = batches(record, series) {
            *found = Estimate { mean: found.mean, ..batches };
        }
    }
}

/// Batch means over the whole steps in the measured window; `None` where there are too few or they are correlated.
fn batches(record: &RunRecord, series: &SeriesRecord) -> Option<Estimate> {
    let step = record.step.as_nanos().max(1);
    let first = record.window.0.as_nanos().div_ceil(step) as usize;
    let end = ((record.window.1.as_nanos() / step) as usize).min(series.values.len());
    let batches = BatchMeans::new(series.values.get(first..end)?, BATCHES)?;
    (!batches.correlated()).then_some(batches.estimate)
}

fn functions(scenario: &Scenario, records: &[RunRecord]) -> Vec<FunctionResult> {
    let of = |index: usize| -> Vec<&FunctionRecord> { records.iter().map(|record| &record.functions[index]).collect() };
    let functions = scenario.functions.iter().enumerate();
    functions
        .map(|(index, function)| {
            let seen = of(index);
            let mut summary = summarize(&seen.iter().map(|record| &record.metrics).collect::<Vec<_>>());
            add_batch_intervals(&mut summary, records, Some(index));
            FunctionResult {
                name: function.name.clone(),
                summary,
                outcomes: outcomes(&seen),
                responses: responses(&seen),
                parts: parts(&seen),
                cold_phases: cold_phases(&seen),
            }
        })
        .collect()
}

/// Most frequent first.
fn outcomes(seen: &[&FunctionRecord]) -> Vec<OutcomeCount> {
    let mut counts: BTreeMap<Ending, u64> = BTreeMap::new();
    for (ending, count) in seen.iter().flat_map(|record| &record.outcomes) {
        *counts.entry(*ending).or_default() += count;
    }
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    counts.sort_by_key(|(ending, count)| (std::cmp::Reverse(*count), *ending));
    let named = |(ending, count): (Ending, u64)| OutcomeCount {
        outcome: ending.kind,
        hop: ending.hop.map(|hop| hop.name().to_owned()),
        status: ending.status,
        count,
    };
    counts.into_iter().map(named).collect()
}

fn responses(seen: &[&FunctionRecord]) -> Vec<ResponseHistogram> {
    let mut merged: BTreeMap<(bool, OutcomeKind), TimeHistogram> = BTreeMap::new();
    for (kind, histogram) in seen.iter().flat_map(|record| &record.responses) {
        merged.entry(*kind).or_default().merge(histogram);
    }
    let kinds = merged.iter();
    kinds
        .filter_map(|(&(cold, outcome), times)| {
            Some(ResponseHistogram { cold, outcome, histogram: HistogramData::of(times)? })
        })
        .collect()
}

impl HistogramData {
    /// The times as files carry them; `None` for an empty histogram.
    pub fn of(times: &TimeHistogram) -> Option<HistogramData> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&times.histogram(), &mut bytes).expect("writing to memory cannot fail");
        Some(HistogramData {
            count: times.count(),
            mean_seconds: times.mean()?,
            min_seconds: times.min()?.as_secs_f64(),
            max_seconds: times.max()?.as_secs_f64(),
            hdr_v2_base64: BASE64.encode(bytes),
        })
    }
}

/// Means over all successful requests. A share is of the parts' sum, which is the response time if none is missing.
fn parts(seen: &[&FunctionRecord]) -> Vec<PartResult> {
    let mut totals: Vec<(&str, f64)> = Vec::new();
    for (part, secs) in seen.iter().flat_map(|record| &record.parts) {
        match totals.iter_mut().find(|(name, _)| name == part) {
            Some((_, total)) => *total += secs,
            None => totals.push((part, *secs)),
        }
    }
    let successes = successes(seen.iter().copied());
    let sum: f64 = totals.iter().map(|(_, secs)| secs).sum();
    if successes == 0 || sum <= 0.0 {
        return Vec::new();
    }
    let part = |(part, secs): (&str, f64)| PartResult {
        part: part.to_owned(),
        mean_seconds: secs / successes as f64,
        share: secs / sum,
    };
    totals.into_iter().map(part).collect()
}

fn cold_phases(seen: &[&FunctionRecord]) -> Vec<PhaseResult> {
    let mut phases: Vec<PhaseRecord> = Vec::new();
    for phase in seen.iter().flat_map(|record| &record.phases) {
        match phases.iter_mut().find(|known| known.name == phase.name) {
            Some(known) => {
                known.count += phase.count;
                known.total_secs += phase.total_secs;
                known.max_secs = known.max_secs.max(phase.max_secs);
            }
            None => phases.push(phase.clone()),
        }
    }
    let seen_phases = phases.into_iter().filter(|phase| phase.count > 0);
    seen_phases
        .map(|phase| PhaseResult {
            phase: phase.name.to_owned(),
            count: phase.count,
            mean_seconds: phase.total_secs / phase.count as f64,
            max_seconds: phase.max_secs,
        })
        .collect()
}

fn timeline(scenario: &Scenario, records: &[RunRecord]) -> Timeline {
    let Some(first) = records.first() else { return Timeline::default() };
    let series = first.series.iter().map(|series| {
        let same = |other: &&SeriesRecord| other.name == series.name && other.function == series.function;
        let courses: Vec<&[f64]> =
            records.iter().filter_map(|r| r.series.iter().find(same)).map(|s| s.values.as_slice()).collect();
        let steps = courses.iter().map(|course| course.len()).max().unwrap_or(0);
        // A replication that was ended early says nothing about the steps it did not reach.
        let at = |step: usize| courses.iter().filter_map(move |course| course.get(step).copied());
        Series {
            name: series.name.to_owned(),
            unit: series.unit.to_owned(),
            function: series.function.map(|index| scenario.functions[index].name.clone()),
            mean: (0..steps).map(|step| at(step).sum::<f64>() / at(step).count() as f64).collect(),
            low: (0..steps).map(|step| at(step).fold(f64::INFINITY, f64::min)).collect(),
            high: (0..steps).map(|step| at(step).fold(f64::NEG_INFINITY, f64::max)).collect(),
        }
    });
    Timeline {
        step_seconds: first.step.as_secs_f64(),
        series: series.collect(),
        cold_starts: first.cold_starts.iter().map(|at| at.as_secs_f64()).collect(),
    }
}

fn nodes(scenario: &Scenario, records: &[RunRecord]) -> Vec<NodeResult> {
    let cores = scenario.nodes.iter().flat_map(|group| (0..group.count).map(|_| group.cores));
    // A measured run knows nothing of the machines.
    let seen = records.first().map_or(0, |record| record.nodes.len());
    let nodes = cores.enumerate().take(seen).filter_map(|(index, cores)| {
        let over = |value: &dyn Fn(&RunRecord) -> f64| -> Option<Estimate> {
            let values: Vec<f64> = records.iter().map(value).filter(|value| value.is_finite()).collect();
            Estimate::from_replications(&values)
        };
        let seconds = |record: &RunRecord| record.window.1.since(record.window.0).as_secs_f64();
        let node = |record: &RunRecord| record.nodes[index].clone();
        Some(NodeResult {
            name: node(records.first()?).name,
            cores,
            utilization: over(&|record| {
                let node = node(record);
                // A node that was never up was not busy.
                if node.up_secs > 0.0 { node.busy_core_secs / (node.up_secs * f64::from(cores)) } else { 0.0 }
            })?,
            watts: over(&|record| node(record).energy_joules / seconds(record))?,
            energy_joules: over(&|record| node(record).energy_joules)?,
        })
    });
    nodes.collect()
}

fn timeouts(scenario: &Scenario) -> Vec<TimeoutMark> {
    let gateway = &scenario.gateway;
    let shared = [
        (Hop::Client, scenario.edge.client_timeout),
        (Hop::GatewayRead, gateway.read_timeout),
        (Hop::GatewayWrite, gateway.write_timeout),
        (Hop::GatewayUpstream, gateway.upstream_timeout),
        (Hop::Provider, gateway.provider_timeout),
    ];
    let of_functions = scenario.functions.iter().flat_map(|function| {
        let watchdog = &function.watchdog;
        [
            (Hop::WatchdogRead, watchdog.read_timeout),
            (Hop::WatchdogWrite, watchdog.write_timeout),
            (Hop::WatchdogExec, watchdog.exec_timeout),
        ]
        .map(|(hop, length)| (hop, Some(function.name.clone()), length))
    });
    let all = shared.into_iter().map(|(hop, length)| (hop, None, length)).chain(of_functions);
    all.filter_map(|(hop, function, length)| {
        Some(TimeoutMark { hop: hop.name().to_owned(), function, seconds: length?.as_secs_f64() })
    })
    .collect()
}

fn cost(scenario: &Scenario, bills: &[Vec<Charge>]) -> CostResult {
    let Some(first) = bills.first().filter(|bill| !bill.is_empty()) else { return CostResult::default() };
    let over = |amount: &dyn Fn(&Vec<Charge>) -> f64| {
        Estimate::from_replications(&bills.iter().map(amount).collect::<Vec<_>>())
    };
    let item = |charge: &Charge| {
        let amount = over(&|bill| bill.iter().filter(|c| c.name == charge.name).map(|c| c.amount).sum())?;
        Some(CostItem { name: charge.name.to_owned(), basis: charge.basis.clone(), amount })
    };
    CostResult {
        currency: scenario.prices.currency.clone(),
        items: first.iter().filter_map(item).collect(),
        total: over(&|bill| bill.iter().map(|charge| charge.amount).sum()),
    }
}

/// An objective about something that was never seen, such as the p95 of no successes, is not met.
fn judge(objective: &Objective, summary: &BTreeMap<String, Estimate>) -> ObjectiveResult {
    let found = summary.get(&objective.metric).copied();
    let margin = found.map(|found| objective.at_most - found.mean);
    ObjectiveResult {
        text: objective.text.clone(),
        metric: objective.metric.clone(),
        at_most: objective.at_most,
        found,
        met: margin.is_some_and(|margin| margin >= 0.0),
        certain: found
            .and_then(|found| found.half_width)
            .zip(margin)
            .is_some_and(|(half_width, margin)| margin.abs() >= half_width),
    }
}

/// The scenario's warnings and the runs'. Those that differ between replications in numbers only are told once, with
/// the numbers of the first.
fn warnings(scenario: &Scenario, records: &[RunRecord]) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = Vec::new();
    for warning in &scenario.warnings {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    let mut found: Vec<(&Warning, (&str, String), usize)> = Vec::new();
    for record in records {
        let mut told = Vec::new();
        for warning in &record.warnings {
            let key = (warning.code.as_str(), without_numbers(&warning.text));
            if told.contains(&key) || warnings.contains(warning) {
                continue;
            }
            match found.iter_mut().find(|(_, known, _)| *known == key) {
                Some((_, _, times)) => *times += 1,
                None => found.push((warning, key.clone(), 1)),
            }
            told.push(key);
        }
    }
    let several = records.len() > 1;
    let runs = found.into_iter().map(|(warning, _, times)| Warning {
        code: warning.code.clone(),
        text: match several {
            true => format!("{} (in {times} of {} replications)", warning.text, records.len()),
            false => warning.text.clone(),
        },
    });
    warnings.extend(runs);
    warnings
}

/// `text` with each word that begins with a digit replaced.
fn without_numbers(text: &str) -> String {
    let word =
        |word: &str| if word.starts_with(|c: char| c.is_ascii_digit()) { "#".to_owned() } else { word.to_owned() };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;

    use super::*;
    use crate::fixtures;
    use crate::rng::Seed;
    use crate::time::Span;

    fn window(scenario: &Scenario) -> Window {
        Window {
            warm_up_seconds: 0.0,
            warm_up_rule: "given".into(),
            duration_seconds: scenario.duration.as_secs_f64(),
            drain_seconds: scenario.drain.as_secs_f64(),
        }
    }

    fn joined(scenario: &Scenario, records: Vec<RunRecord>) -> RunResult {
        assemble(scenario, "faas-lab simulate x.toml".into(), records, window(scenario), Vec::new())
    }

    fn two_runs() -> (Scenario, Vec<RunRecord>) {
        let scenario = fixtures::scenario();
        let records = vec![fixtures::record(&scenario, 7, 2.0), fixtures::record(&scenario, 8, 4.0)];
        (scenario, records)
    }

    #[test]
    fn replications_give_means_with_students_intervals() {
        let (scenario, records) = two_runs();
        let result = joined(&scenario, records);
        let response = result.summary[result::RESPONSE_MEAN];
        assert_eq!((response.mean, response.n), (3.0, 2));
        // t(0.975, 1) = 12.706, and the standard error of 2 and 4 is 1.
        assert!((response.half_width.expect("two values") - 12.706).abs() < 1e-3);
        assert_eq!(result.replications[1].metrics[result::RESPONSE_MEAN], 4.0);
        assert_eq!(result.replications[1].seed, 8);
        assert!(!result.partial);
    }

    #[test]
    fn a_single_run_has_intervals_for_time_averages_only() {
        let mut scenario = fixtures::scenario();
        scenario.replications = 1;
        let result = joined(&scenario, vec![fixtures::record(&scenario, 7, 2.0)]);
        assert_eq!(result.summary[result::RESPONSE_MEAN].half_width, None);
        let in_system = result.summary[result::IN_SYSTEM_MEAN];
        assert_eq!((in_system.mean, in_system.n), (1.6, 20));
        assert!(in_system.half_width.is_some());
    }

    #[test]
    fn a_missing_or_cut_replication_makes_the_result_partial() {
        let (mut scenario, mut records) = two_runs();
        records[0].partial = true;
        assert!(joined(&scenario, records.clone()).partial);
        records[0].partial = false;
        scenario.replications = 3;
        assert!(joined(&scenario, records).partial);
    }

    #[test]
    fn histograms_merge_and_can_be_read_back() {
        let (scenario, records) = two_runs();
        let result = joined(&scenario, records);
        let warm_ok = &result.functions[0].responses[0];
        assert_eq!((warm_ok.cold, warm_ok.outcome, warm_ok.histogram.count), (false, OutcomeKind::Ok, 140));
        assert_eq!(warm_ok.histogram.mean_seconds, 3.0);
        let bytes = BASE64.decode(&warm_ok.histogram.hdr_v2_base64).expect("base64");
        let histogram: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a V2 histogram");
        assert_eq!(histogram.len(), 140);
        assert!(histogram.equivalent(histogram.max(), 4_000_000));
    }

    #[test]
    fn outcomes_come_by_frequency_and_parts_add_up() {
        let (scenario, records) = two_runs();
        let function = joined(&scenario, records).functions.remove(0);
        let counts: Vec<_> = function.outcomes.iter().map(|o| (o.outcome, o.hop.as_deref(), o.count)).collect();
        assert_eq!(counts, [(OutcomeKind::Ok, None, 144), (OutcomeKind::Refused, Some("admission"), 16)]);
        let parts: Vec<_> = function.parts.iter().map(|p| (p.part.as_str(), p.mean_seconds, p.share)).collect();
        assert_eq!(parts, [("waiting", 2.25, 0.75), ("service", 0.75, 0.25)]);
        assert_eq!(function.cold_phases[0].count, 4);
        assert_eq!(function.cold_phases[0].mean_seconds, 1.5);
    }

    #[test]
    fn the_timeline_spans_the_replications() {
        let (scenario, mut records) = two_runs();
        records[1].series[0].values.truncate(50);
        let timeline = joined(&scenario, records).timeline;
        let series = &timeline.series[0];
        assert_eq!((timeline.step_seconds, series.mean.len()), (10.0, 100));
        assert_eq!(series.high[1], 2.0 * series.low[1]);
        assert_eq!(series.high[99], series.low[99]);
    }

    #[test]
    fn nodes_have_utilization_and_power() {
        let mut scenario = fixtures::scenario();
        scenario.nodes = vec![fixtures::node_group("pi4", 2)];
        let result = joined(&scenario, vec![fixtures::record(&scenario, 7, 2.0), fixtures::record(&scenario, 8, 2.0)]);
        assert_eq!(result.nodes[1].name, "pi4-2");
        assert!((result.nodes[1].utilization.mean - 0.5).abs() < 1e-12);
        assert!((result.nodes[1].watts.mean - 2.5).abs() < 1e-12);
        assert_eq!(result.summary[result::ENERGY].mean, 5000.0);
        assert_eq!(result.cost, CostResult::default());
    }

    #[test]
    fn costs_have_a_total_and_a_price_per_million() {
        let (mut scenario, _) = two_runs();
        scenario.nodes = vec![fixtures::node_group("pi4", 1)];
        scenario.prices.per_kwh = 3.6;
        let result = joined(&scenario, vec![fixtures::record(&scenario, 7, 2.0)]);
        assert!((result.cost.total.expect("a price").mean - 0.0025).abs() < 1e-15);
        assert!((result.summary[result::COST_PER_MILLION].mean - 0.0025 / 72.0 * 1e6).abs() < 1e-9);
    }

    #[test]
    fn objectives_say_whether_they_are_met_and_how_surely() {
        let (mut scenario, records) = two_runs();
        let objective = |metric: &str, at_most: f64| Objective { text: String::new(), metric: metric.into(), at_most };
        scenario.objectives = vec![
            objective(result::RESPONSE_MEAN, 3.5),
            objective(result::RESPONSE_MEAN, 100.0),
            objective(result::OFFERED, 79.0),
            objective(result::COST, 1.0),
        ];
        let judged: Vec<_> = joined(&scenario, records).objectives.iter().map(|o| (o.met, o.certain)).collect();
        assert_eq!(judged, [(true, false), (true, true), (false, true), (false, false)]);
    }

    #[test]
    fn timeouts_are_marks() {
        let (mut scenario, records) = two_runs();
        scenario.gateway.upstream_timeout = Some(Span::from_secs(60));
        scenario.functions[0].watchdog.exec_timeout = Some(Span::from_secs(10));
        let marks = joined(&scenario, records).timeouts;
        assert_eq!((marks[0].hop.as_str(), marks[0].function.as_deref()), ("gateway upstream", None));
        assert_eq!((marks[1].hop.as_str(), marks[1].seconds), ("watchdog exec", 10.0));
    }

    #[test]
    fn warnings_that_differ_in_numbers_are_told_once() {
        let (mut scenario, mut records) = two_runs();
        let warning = |code: &str, text: &str| Warning { code: code.into(), text: text.into() };
        scenario.warnings = vec![warning("timeout-chain", "the client gives up first")];
        records[0].warnings = vec![warning("unfinished", "f1: 12 requests of 80"), scenario.warnings[0].clone()];
        records[1].warnings =
            vec![warning("unfinished", "f1: 9 requests of 80"), warning("unfinished", "f2: 1 request")];
        let texts: Vec<String> = joined(&scenario, records).warnings.into_iter().map(|warning| warning.text).collect();
        assert_eq!(
            texts,
            [
                "the client gives up first",
                "f1: 12 requests of 80 (in 2 of 2 replications)",
                "f2: 1 request (in 1 of 2 replications)",
            ]
        );
    }

    #[test]
    fn the_same_records_give_the_same_bytes() {
        let (scenario, records) = two_runs();
        let bytes = |records| serde_json::to_vec(&joined(&scenario, records)).expect("a result");
        assert_eq!(bytes(records.clone()), bytes(records));
        assert_eq!(scenario.seed, Seed(7));
    }
}
