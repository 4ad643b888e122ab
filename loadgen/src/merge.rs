//! Joins what the parts of a shared run have measured: exactly, as if one client had seen every call.
//!
//! Each part leaves its ledger beside its result. Ledgers add up, and the result is made of the sum as it is of a single
//! run's; percentiles are never averaged. What each part sampled of the same platform (replicas, queues) is averaged.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use faas_lab_model::metrics::measurement::{
    CallbackCounts, ClientUse, ErrorReason, Invalidity, LoadMode, Measurement, ShardOf,
};
use faas_lab_model::metrics::result::{self, HistogramData, RunResult, Series, Source, Warning, Window, metric};
use faas_lab_model::metrics::{Ledger, assemble};
use faas_lab_model::scenario::{Loader, Need, Recorded, Scenario};
use faas_lab_model::time::{SimTime, Span};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Version of the file of a ledger.
pub const LEDGER_VERSION: u32 = 1;

/// Parts started together if the starts of their schedules are as near as this, in seconds.
const TOGETHER: f64 = 0.001;

/// What a part leaves beside its result.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerFile {
    /// [`LEDGER_VERSION`] of the program that wrote it.
    pub version: u32,
    /// What it has seen.
    pub ledger: Ledger,
}

/// One part.
#[derive(Debug)]
pub struct Part {
    /// Where it was read, for messages.
    pub name: String,
    /// Its result.
    pub result: RunResult,
    /// Its ledger.
    pub ledger: Ledger,
}

/// Why parts cannot be joined.
#[derive(Debug, Error)]
pub enum MergeError {
    /// There is nothing.
    #[error("there is no part to join")]
    Nothing,
    /// It was not measured, or as a whole.
    #[error("{0} is no part of a shared run: it was {1}")]
    NoPart(String, &'static str),
    /// It is part of something else.
    #[error("{name} is of another run than {first}: {what} differs")]
    OtherRun {
        /// The one.
        name: String,
        /// The other.
        first: String,
        /// What tells.
        what: &'static str,
    },
    /// A part is there twice.
    #[error("{0} and {1} are the same part")]
    Twice(String, String),
    /// Its numbers contradict each other.
    #[error("{0}: its ledger contradicts itself; was it edited, or only half copied?")]
    Unsound(String),
    /// A histogram that cannot be read.
    #[error("{0}: a histogram cannot be read")]
    Histogram(String),
    /// The scenario in it cannot be read.
    #[error("{0}: its scenario cannot be read: {1}")]
    Scenario(String, String),
}

/// Joins parts into the result of the whole; `command` says how it was made.
///
/// # Errors
/// If they are not parts of one run.
pub fn merge(mut parts: Vec<Part>, command: String) -> Result<RunResult, MergeError> {
    parts.sort_by_key(|part| shard(part).map(|shard| shard.index));
    let (first, count) = check(&parts)?;
    let scenario = scenario(first)?;
    let measured: Vec<&Measurement> = parts.iter().filter_map(|part| part.result.measurement.as_deref()).collect();

    let mut ledger = first.ledger.clone();
    parts[1..].iter().for_each(|part| ledger.merge(&part.ledger));
    let stopped = parts.iter().any(|part| part.result.partial);
    let windows = parts.iter().map(|part| part.result.window.duration_seconds);
    let duration = windows.fold(f64::INFINITY, f64::min);
    let end = SimTime::ZERO + Span::from_secs_f64(duration);
    let mut record = ledger.close(end, scenario.seed, stopped);
    let duplicates = measured.iter().filter_map(|it| Some(it.callbacks.as_ref()?.duplicates)).reduce(|a, b| a + b);
    record.metrics.extend(duplicates.map(|duplicates| (result::DUPLICATES, duplicates as f64)));
    // What the ledger cannot know, the parts have sampled of the same platform.
    let sampled = |of: &dyn Fn(&Part) -> Option<BTreeMap<String, f64>>, own: &mut BTreeMap<&'static str, f64>| {
        for (key, value) in means(parts.iter().filter_map(of)) {
            if let Some(metric) = metric(&key).filter(|metric| !own.contains_key(metric.key)) {
                own.insert(metric.key, value);
            }
        }
    };
    sampled(&|part| Some(part.result.replications.first()?.metrics.clone()), &mut record.metrics);
    for (function, seen) in scenario.functions.iter().zip(&mut record.functions) {
        let of = |part: &Part| part.result.replications.first()?.functions.get(&function.name).cloned();
        sampled(&of, &mut seen.metrics);
    }

    let window = Window { duration_seconds: duration, ..first.result.window.clone() };
    let single = Scenario { replications: 1, ..scenario };
    let mut whole = assemble(&single, command, vec![record], window, Vec::new());
    whole.source = Source::Measured;
    whole.timeline.series.extend(platform_series(&parts, &whole.timeline.series));
    let measurement = measurement(&parts, &measured, count)?;
    let known: BTreeSet<String> = whole.warnings.iter().map(|warning| warning.text.clone()).collect();
    let mut added = BTreeSet::new();
    for warning in parts.iter().flat_map(|part| &part.result.warnings) {
        // Those of the parts' invalidity are told again below, with the part's number.
        if !warning.code.starts_with("invalid-") && !known.contains(&warning.text) && added.insert(&warning.text) {
            whole.warnings.push(warning.clone());
        }
    }
    whole.warnings.extend(
        measurement
            .reasons
            .iter()
            .map(|reason| Warning { code: format!("invalid-{}", reason.code), text: reason.text.clone() }),
    );
    whole.measurement = Some(Box::new(measurement));
    Ok(whole)
}

fn shard(part: &Part) -> Option<ShardOf> {
    part.result.measurement.as_ref()?.shard
}

/// The first part, and how many there should be.
fn check(parts: &[Part]) -> Result<(&Part, u32), MergeError> {
    let first = parts.first().ok_or(MergeError::Nothing)?;
    for part in parts {
        match &part.result.measurement {
            None => return Err(MergeError::NoPart(part.name.clone(), "not measured")),
            Some(measurement) if measurement.shard.is_none() => {
                return Err(MergeError::NoPart(part.name.clone(), "measured as a whole"));
            }
            Some(_) => {}
        }
        if !part.ledger.is_sound() {
            return Err(MergeError::Unsound(part.name.clone()));
        }
    }
    let count = |part: &Part| shard(part).map_or(0, |shard| shard.count);
    for (before, part) in parts.iter().zip(&parts[1..]) {
        let other = |what| MergeError::OtherRun { name: part.name.clone(), first: first.name.clone(), what };
        let target = |part: &Part| part.result.measurement.as_ref().map(|measurement| measurement.target.clone());
        if part.result.seed != first.result.seed {
            return Err(other("the seed"));
        }
        if part.result.scenario.toml != first.result.scenario.toml
            || part.result.scenario.profiles != first.result.scenario.profiles
            || part.result.scenario.traces != first.result.scenario.traces
        {
            return Err(other("the scenario"));
        }
        if count(part) != count(first) {
            return Err(other("the number of parts"));
        }
        if target(part) != target(first) {
            return Err(other("the target"));
        }
        if !part.ledger.is_like(&first.ledger) {
            return Err(other("the form of the ledger"));
        }
        if shard(part) == shard(before) {
            return Err(MergeError::Twice(before.name.clone(), part.name.clone()));
        }
    }
    Ok((first, count(first)))
}

/// The scenario as the part carries it. Traces may be elsewhere by now, and their arrivals are not needed any more.
fn scenario(part: &Part) -> Result<Scenario, MergeError> {
    let record = &part.result.scenario;
    let recorded = Recorded { record, folder: std::path::PathBuf::new() };
    let loader = |need: Need<'_>| match need {
        Need::Trace(_) => Ok(Some("0\n".to_owned())),
        need => recorded.load(need),
    };
    let scenario = Scenario::parse(&record.path, &record.toml, &[], &loader)
        .map_err(|errors| MergeError::Scenario(part.name.clone(), errors.to_string()))?;
    Ok(Scenario { record: record.clone(), ..scenario })
}

/// The mean of each key over those that have it.
fn means(of: impl Iterator<Item = BTreeMap<String, f64>>) -> BTreeMap<String, f64> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (key, value) in of.flatten() {
        values.entry(key).or_default().push(value);
    }
    values.into_iter().map(|(key, values)| (key, values.iter().sum::<f64>() / values.len() as f64)).collect()
}

/// Series that only the parts' probes have, step by step the mean of what they saw.
fn platform_series(parts: &[Part], own: &[Series]) -> Vec<Series> {
    let same = |a: &Series, b: &Series| a.name == b.name && a.function == b.function;
    let mut joined: Vec<Series> = Vec::new();
    for series in parts.iter().flat_map(|part| &part.result.timeline.series) {
        if own.iter().chain(&joined).any(|known| same(known, series)) {
            continue;
        }
        let all =
            || parts.iter().filter_map(|part| part.result.timeline.series.iter().find(|other| same(other, series)));
        let steps = all().map(|series| series.mean.len()).max().unwrap_or(0);
        let at = |step: usize| all().filter_map(move |series| series.mean.get(step).copied());
        joined.push(Series {
            name: series.name.clone(),
            unit: series.unit.clone(),
            function: series.function.clone(),
            mean: (0..steps).map(|step| at(step).sum::<f64>() / at(step).count() as f64).collect(),
            low: (0..steps).map(|step| at(step).fold(f64::INFINITY, f64::min)).collect(),
            high: (0..steps).map(|step| at(step).fold(f64::NEG_INFINITY, f64::max)).collect(),
        });
    }
    joined
}

fn measurement(parts: &[Part], measured: &[&Measurement], count: u32) -> Result<Measurement, MergeError> {
    let Some(first) = measured.first() else { return Err(MergeError::Nothing) };
    let sum = |of: fn(&Measurement) -> u64| measured.iter().map(|it| of(it)).sum::<u64>();
    let histograms = |of: fn(&Measurement) -> Option<&HistogramData>| {
        let all = parts.iter().zip(measured).filter_map(|(part, it)| Some((part.name.as_str(), of(it)?)));
        add(all)
    };
    let reasons = reasons(measured, count);
    let step = measured.iter().map(|it| it.clock_step_seconds).max_by(|a, b| a.abs().total_cmp(&b.abs()));
    Ok(Measurement {
        target: first.target.clone(),
        mode: if measured.iter().all(|it| it.mode == first.mode) { first.mode } else { LoadMode::Mixed },
        started_at: measured.iter().map(|it| it.started_at.clone()).min().unwrap_or_default(),
        clock_step_seconds: step.unwrap_or(0.0),
        valid: reasons.is_empty(),
        reasons,
        offered: sum(|it| it.offered),
        sent: sum(|it| it.sent),
        late_starts: sum(|it| it.late_starts),
        cap_hits: sum(|it| it.cap_hits),
        cap: sum(|it| it.cap),
        // At the most: the parts may have had theirs at different times.
        in_flight_max: sum(|it| it.in_flight_max),
        connections: sum(|it| it.connections),
        client: client(measured),
        lateness: histograms(|it| it.lateness.as_ref())?,
        first_byte: histograms(|it| it.first_byte.as_ref())?,
        connecting: histograms(|it| it.connecting.as_ref())?,
        from_sending: histograms(|it| it.from_sending.as_ref())?,
        cold_told_by: told_by(measured),
        errors: errors(measured),
        callbacks: callbacks(parts, measured)?,
        shard: None,
    })
}

/// The whole is as valid as its parts together.
fn reasons(measured: &[&Measurement], count: u32) -> Vec<Invalidity> {
    let mut reasons = Vec::new();
    let there: BTreeSet<u32> = measured.iter().filter_map(|it| Some(it.shard?.index)).collect();
    let missing: Vec<String> =
        (0..count).filter(|index| !there.contains(index)).map(|index| index.to_string()).collect();
    if !missing.is_empty() {
        let (parts, are) = if missing.len() == 1 { ("part", "is") } else { ("parts", "are") };
        let text = format!(
            "{parts} {} of {count} {are} missing: their requests were not sent, or not counted. Join again with them.",
            missing.join(", ")
        );
        reasons.push(Invalidity { code: "missing-part".into(), text });
    }
    let starts: Vec<f64> = measured.iter().filter_map(|it| seconds(&it.started_at)).collect();
    let (least, most) =
        starts.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), at| (least.min(*at), most.max(*at)));
    if most - least > TOGETHER {
        let text = format!(
            "parts started {:.3} s apart: start them with the same --start-at, so that they play one schedule.",
            most - least
        );
        reasons.push(Invalidity { code: "apart".into(), text });
    }
    for it in measured {
        let index = it.shard.map_or(0, |shard| shard.index);
        reasons.extend(it.reasons.iter().map(|reason| Invalidity {
            code: reason.code.clone(),
            text: format!("part {index} of {count}: {}", reason.text),
        }));
    }
    reasons
}

fn seconds(rfc3339: &str) -> Option<f64> {
    let at: jiff::Timestamp = rfc3339.parse().ok()?;
    Some(at.as_millisecond() as f64 * 1e-3)
}

fn client(measured: &[&Measurement]) -> ClientUse {
    let most = |of: fn(&ClientUse) -> Option<f64>| measured.iter().filter_map(|it| of(&it.client)).reduce(f64::max);
    ClientUse {
        cpu_seconds: measured.iter().map(|it| it.client.cpu_seconds).sum(),
        cpu_share: most(|it| Some(it.cpu_share)).unwrap_or(0.0),
        cores: measured.iter().map(|it| it.client.cores).max().unwrap_or(0),
        machine_busy_share: most(|it| it.machine_busy_share),
        steal_share: most(|it| it.steal_share),
        memory_bytes_max: measured.iter().filter_map(|it| it.client.memory_bytes_max).max(),
    }
}

/// The least sure way of all.
fn told_by(measured: &[&Measurement]) -> String {
    const SUREST_FIRST: [&str; 4] = ["platform", "first-answer", "replicas", "nothing"];
    let rank = |it: &&&Measurement| SUREST_FIRST.iter().position(|way| *way == it.cold_told_by);
    measured.iter().max_by_key(rank).map(|it| it.cold_told_by.clone()).unwrap_or_default()
}

fn errors(measured: &[&Measurement]) -> Vec<ErrorReason> {
    let mut errors: Vec<ErrorReason> = Vec::new();
    for error in measured.iter().flat_map(|it| &it.errors) {
        let same = |known: &&mut ErrorReason| {
            (&known.function, known.status, &known.fault, &known.reason)
                == (&error.function, error.status, &error.fault, &error.reason)
        };
        match errors.iter_mut().find(same) {
            Some(known) => known.count += error.count,
            None => errors.push(error.clone()),
        }
    }
    errors.sort_by_key(|error| std::cmp::Reverse(error.count));
    errors
}

fn callbacks(parts: &[Part], measured: &[&Measurement]) -> Result<Option<CallbackCounts>, MergeError> {
    let all = || parts.iter().zip(measured).filter_map(|(part, it)| Some((part.name.as_str(), it.callbacks.as_ref()?)));
    if all().next().is_none() {
        return Ok(None);
    }
    let sum = |of: fn(&CallbackCounts) -> u64| all().map(|(_, counts)| of(counts)).sum();
    Ok(Some(CallbackCounts {
        accepted: sum(|it| it.accepted),
        returned: sum(|it| it.returned),
        lost: sum(|it| it.lost),
        duplicates: sum(|it| it.duplicates),
        failures: sum(|it| it.failures),
        delays: add(all().filter_map(|(name, counts)| Some((name, counts.delays.as_ref()?))))?,
    }))
}

/// The sum of histograms; `None` of none.
fn add<'a>(
    histograms: impl Iterator<Item = (&'a str, &'a HistogramData)>,
) -> Result<Option<HistogramData>, MergeError> {
    let mut sum: Option<(Histogram<u64>, HistogramData)> = None;
    for (name, data) in histograms {
        let wrong = || MergeError::Histogram(name.to_owned());
        let bytes = STANDARD.decode(&data.hdr_v2_base64).map_err(|_| wrong())?;
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|_| wrong())?;
        let Some((histogram, known)) = &mut sum else {
            let mut histogram = Histogram::new(read.sigfig()).map_err(|_| wrong())?;
            histogram.add(&read).map_err(|_| wrong())?;
            sum = Some((histogram, data.clone()));
            continue;
        };
        histogram.add(&read).map_err(|_| wrong())?;
        let total = known.mean_seconds * known.count as f64 + data.mean_seconds * data.count as f64;
        known.count += data.count;
        known.mean_seconds = total / known.count.max(1) as f64;
        known.min_seconds = known.min_seconds.min(data.min_seconds);
        known.max_seconds = known.max_seconds.max(data.max_seconds);
    }
    Ok(sum.map(|(histogram, data)| {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&histogram, &mut bytes).expect("writing to memory cannot fail");
        HistogramData { hdr_v2_base64: STANDARD.encode(bytes), ..data }
    }))
}
