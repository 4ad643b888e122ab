//! Independent replications on several threads, a set number of them or until the means are narrow enough.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;

use faas_lab_model::metrics::RunRecord;
use faas_lab_model::metrics::result::{Estimate, RESPONSE_MEAN, RESPONSE_P95};
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::Scenario;
use faas_lab_model::time::Span;
use faas_lab_sim::{RequestRecord, RunOptions};

/// The metrics that [`Precision`] is about.
const WATCHED: [&str; 2] = [RESPONSE_MEAN, RESPONSE_P95];

/// Fewest replications that a precision is judged by: a standard deviation from fewer is too uncertain to stop on.
const LEAST_JUDGED: u32 = 5;

/// Takes each request of the first replication when it has ended.
pub type RequestSink<'a> = &'a mut (dyn FnMut(&RequestRecord) + Send);

/// Plays one replication: the engine's [`run`](faas_lab_sim::run), or a stand-in for it in a test.
pub(crate) type Engine<'e> = dyn for<'a> Fn(&'a Scenario, Seed, RunOptions<'a>) -> RunRecord + Sync + 'e;

/// How to replicate; nothing in here can change a replication.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// Left out of statistics at the start.
    pub warm_up: Span,
    /// Steps of the time series; 0 takes the engine's default.
    pub steps: usize,
    /// Replications that run at once.
    pub threads: NonZeroUsize,
    /// Go on beyond the scenario's number of replications until this is reached.
    pub precision: Option<Precision>,
    /// Set from outside to end early.
    pub stop: &'a AtomicBool,
    /// Called now and then from any thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// How narrow the means of the response time and its 95th percentile have to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// Half-width of the 95 % interval over the mean, > 0: 0.02 for ± 2 %.
    pub relative: f64,
    /// Replications after which it is given up.
    pub at_most: u32,
}

/// How far replications have come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Replications that have ended.
    pub finished: u32,
    /// Replications planned so far; grows in a run to a [`Precision`].
    pub planned: u32,
    /// Scenario time played in all replications together, in seconds.
    pub simulated_secs: f64,
    /// Share of the planned work that is done, in [0, 1].
    pub share: f64,
}

/// Why replicating came to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ended {
    /// All replications of the scenario are there.
    Planned,
    /// The precision is reached; the widest relative half-width found.
    Precise(f64),
    /// The limit of replications came first; the widest relative half-width found, if there is one.
    Limit(Option<f64>),
    /// Stopped from outside.
    Stopped,
    /// More requests were in flight at once than memory should hold: see [`faas_lab_sim::MOST_IN_FLIGHT`].
    Overfull,
}

/// What replicating yields.
#[derive(Clone, Debug)]
pub struct Replicated {
    /// In the order of their seeds. After a stop: those that had ended, or else what the unfinished ones had seen.
    pub records: Vec<RunRecord>,
    /// Why there are no more.
    pub ended: Ended,
}

/// Plays `scenario` again and again, each time with the next seed.
///
/// `requests` is handed each request of the first replication. The records depend on the scenario and, with a
/// precision, on that; never on the number of threads.
pub fn replicate(scenario: &Scenario, plan: Plan<'_>, requests: Option<RequestSink<'_>>) -> Replicated {
    replicate_with(&faas_lab_sim::run, scenario, plan, requests)
}

pub(crate) fn replicate_with(
    engine: &Engine<'_>,
    scenario: &Scenario,
    plan: Plan<'_>,
    requests: Option<RequestSink<'_>>,
) -> Replicated {
    let requests = Mutex::new(requests);
    let first = scenario.replications.max(1);
    let mut planned = match plan.precision {
        Some(precision) => first.max(LEAST_JUDGED).min(precision.at_most.max(1)),
        None => first,
    };
    let mut records: Vec<RunRecord> = Vec::new();
    loop {
        let done = records.len() as u32;
        let batch = run_batch(engine, scenario, &plan, done..planned, &requests);
        records.extend(batch);
        if plan.stop.load(Ordering::Relaxed) {
            return Replicated { records: worth_keeping(records), ended: Ended::Stopped };
        }
        if records.iter().any(|record| record.partial) {
            return Replicated { records: worth_keeping(records), ended: Ended::Overfull };
        }
        let Some(precision) = plan.precision else { return Replicated { records, ended: Ended::Planned } };
        let width = widest(&records);
        if width.is_some_and(|width| width <= precision.relative) {
            return Replicated { records, ended: Ended::Precise(width.unwrap_or_default()) };
        }
        if planned >= precision.at_most {
            return Replicated { records, ended: Ended::Limit(width) };
        }
        planned = next_target(planned, width, precision);
    }
}

/// The widest relative half-width of the watched metrics; `None` where one has none.
fn widest(records: &[RunRecord]) -> Option<f64> {
    let widths = WATCHED.iter().map(|metric| {
        let values: Vec<f64> = records.iter().filter_map(|record| record.metrics.get(metric).copied()).collect();
        // A metric that does not vary has half-width zero, whatever its mean.
        let estimate = Estimate::from_replications(&values)?;
        if estimate.half_width == Some(0.0) { Some(0.0) } else { estimate.relative_half_width() }
    });
    widths.collect::<Option<Vec<f64>>>().map(|widths| widths.into_iter().fold(0.0, f64::max))
}

/// As many replications as the width so far asks for (it shrinks with their root), but at most twice as many as there
/// are, since the spread itself is still uncertain; and at least a few more.
fn next_target(planned: u32, width: Option<f64>, precision: Precision) -> u32 {
    let ratio = width.map_or(2.0, |width| width / precision.relative);
    let wanted = (f64::from(planned) * ratio * ratio).ceil() as u32;
    wanted.clamp(planned + LEAST_JUDGED, planned.saturating_mul(2).max(planned + LEAST_JUDGED)).min(precision.at_most)
}

/// Plays the replications numbered `numbers`; those that a stop kept from starting are missing.
fn run_batch(
    engine: &Engine<'_>,
    scenario: &Scenario,
    plan: &Plan<'_>,
    numbers: std::ops::Range<u32>,
    requests: &Mutex<Option<RequestSink<'_>>>,
) -> Vec<RunRecord> {
    let next = AtomicU32::new(numbers.start);
    let board = Board::new(scenario, plan, &numbers);
    let finished: Mutex<Vec<(u32, RunRecord)>> = Mutex::new(Vec::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end || plan.stop.load(Ordering::Relaxed) {
                return;
            }
            let mut sink = (number == 0).then(|| lock(requests).take()).flatten();
            let mut forward = |request: &RequestRecord| sink.as_mut().map_or((), |sink| sink(request));
            let progress = |reached| board.reached(number, reached);
            let options = RunOptions {
                warm_up: plan.warm_up,
                steps: plan.steps,
                stop: Some(plan.stop),
                progress: Some(&progress),
                requests: if number == 0 { Some(&mut forward) } else { None },
            };
            let seed = scenario.seed.replication(number);
            let named = NamedIfItFails(seed);
            let record = engine(scenario, seed, options);
            drop(named);
            lock(&finished).push((number, record));
            board.finished(number);
        }
    };
    let threads = plan.threads.get().min(numbers.len());
    if threads <= 1 {
        work();
    } else {
        thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    }
    let mut finished = finished.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    finished.sort_by_key(|(number, _)| *number);
    finished.into_iter().map(|(_, record)| record).collect()
}

/// Replications that were cut short cover other windows than whole ones: they count only if there is nothing better.
fn worth_keeping(records: Vec<RunRecord>) -> Vec<RunRecord> {
    if records.iter().all(|record| record.partial) {
        return records;
    }
    records.into_iter().filter(|record| !record.partial).collect()
}

/// A panic in another thread ends the scope anyway, so its lock may be taken over.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Says which seed broke an invariant of the engine, so that the failure can be played again.
pub(crate) struct NamedIfItFails(pub(crate) Seed);

impl Drop for NamedIfItFails {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("The replication with seed {} broke an invariant: please report it with its scenario.", self.0.0);
        }
    }
}

/// Adds up what the threads of one batch report.
struct Board<'a> {
    progress: &'a (dyn Fn(Progress) + Sync),
    /// Number of the batch's first replication.
    start: u32,
    planned: u32,
    length: Span,
    ended: AtomicU32,
    /// Nanoseconds that each replication of the batch has reached.
    reached: Vec<AtomicU64>,
}

impl<'a> Board<'a> {
    fn new(scenario: &Scenario, plan: &Plan<'a>, numbers: &std::ops::Range<u32>) -> Board<'a> {
        Board {
            progress: plan.progress,
            start: numbers.start,
            planned: numbers.end,
            length: scenario.duration,
            ended: AtomicU32::new(numbers.start),
            reached: numbers.clone().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn reached(&self, number: u32, time: faas_lab_model::time::SimTime) {
        // What follows after the end of arrivals is not part of the plan, and short.
        let nanos = time.as_nanos().min(self.length.as_nanos());
        self.reached[(number - self.start) as usize].store(nanos, Ordering::Relaxed);
        self.report();
    }

    fn finished(&self, number: u32) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.reached[(number - self.start) as usize].store(self.length.as_nanos(), Ordering::Relaxed);
        self.report();
    }

    fn report(&self) {
        let length = self.length.as_secs_f64();
        let of_batch: f64 = self.reached.iter().map(|nanos| nanos.load(Ordering::Relaxed) as f64 / 1e9).sum();
        let simulated_secs = f64::from(self.start) * length + of_batch;
        (self.progress)(Progress {
            finished: self.ended.load(Ordering::Relaxed),
            planned: self.planned,
            simulated_secs,
            share: (simulated_secs / (f64::from(self.planned) * length)).min(1.0),
        });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use faas_lab_model::fixtures;
    use faas_lab_model::rng::Uniforms;
    use faas_lab_model::time::SimTime;

    use super::*;

    /// An engine whose response times are uniform in 1 ± `spread`, by the seed.
    pub(crate) fn noisy(spread: f64) -> impl Fn(&Scenario, Seed, RunOptions<'_>) -> RunRecord + Sync {
        move |scenario, seed, options| {
            if let Some(progress) = options.progress {
                progress(SimTime::ZERO + scenario.duration / 2);
            }
            let draw = seed.stream("test").uniform();
            let mut record = fixtures::record(scenario, seed.0, 1.0 + spread * (2.0 * draw - 1.0));
            record.partial = options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
            record
        }
    }

    fn plan(threads: usize, stop: &AtomicBool) -> Plan<'_> {
        Plan {
            warm_up: Span::ZERO,
            steps: 0,
            threads: NonZeroUsize::new(threads).expect("some"),
            precision: None,
            stop,
            progress: &|_| (),
        }
    }

    fn seeds(replicated: &Replicated) -> Vec<Seed> {
        replicated.records.iter().map(|record| record.seed).collect()
    }

    #[test]
    fn threads_change_nothing() {
        let mut scenario = fixtures::scenario();
        scenario.replications = 9;
        let stop = AtomicBool::new(false);
        let alone = replicate_with(&noisy(0.1), &scenario, plan(1, &stop), None);
        let together = replicate_with(&noisy(0.1), &scenario, plan(4, &stop), None);
        assert_eq!(alone.ended, Ended::Planned);
        assert_eq!(seeds(&alone), (0..9).map(|k| scenario.seed.replication(k)).collect::<Vec<_>>());
        assert_eq!(seeds(&alone), seeds(&together));
    }

    #[test]
    fn a_precision_adds_replications_until_it_is_reached() {
        let scenario = fixtures::scenario();
        let stop = AtomicBool::new(false);
        let to = |relative, at_most, threads| {
            let plan = Plan { precision: Some(Precision { relative, at_most }), ..plan(threads, &stop) };
            replicate_with(&noisy(0.2), &scenario, plan, None)
        };
        let precise = to(0.02, 1000, 1);
        let Ended::Precise(width) = precise.ended else { panic!("{:?}", precise.ended) };
        assert!(width <= 0.02 && precise.records.len() > 50, "{width} after {}", precise.records.len());
        assert_eq!(seeds(&precise), seeds(&to(0.02, 1000, 3)));

        let limited = to(0.0001, 30, 2);
        assert_eq!(limited.records.len(), 30);
        assert!(matches!(limited.ended, Ended::Limit(Some(width)) if width > 0.0001));
    }

    #[test]
    fn what_never_varies_is_precise_at_once() {
        let stop = AtomicBool::new(false);
        let plan = Plan { precision: Some(Precision { relative: 0.01, at_most: 100 }), ..plan(1, &stop) };
        let replicated = replicate_with(&noisy(0.0), &fixtures::scenario(), plan, None);
        assert_eq!((replicated.ended, replicated.records.len()), (Ended::Precise(0.0), 5));
    }

    #[test]
    fn a_stop_keeps_whole_replications_and_drops_the_cut_one() {
        let mut scenario = fixtures::scenario();
        scenario.replications = 5;
        let stop = AtomicBool::new(false);
        let third = scenario.seed.replication(2);
        let engine = |scenario: &Scenario, seed: Seed, options: RunOptions<'_>| {
            if seed == third {
                stop.store(true, Ordering::Relaxed);
            }
            noisy(0.1)(scenario, seed, options)
        };
        let replicated = replicate_with(&engine, &scenario, plan(1, &stop), None);
        assert_eq!(replicated.ended, Ended::Stopped);
        assert_eq!(seeds(&replicated), [scenario.seed, scenario.seed.replication(1)]);
    }

    #[test]
    fn a_stop_in_the_first_replication_leaves_what_it_has_seen() {
        let scenario = fixtures::scenario();
        let stop = AtomicBool::new(false);
        let engine = |scenario: &Scenario, seed: Seed, options: RunOptions<'_>| {
            stop.store(true, Ordering::Relaxed);
            noisy(0.1)(scenario, seed, options)
        };
        let replicated = replicate_with(&engine, &scenario, plan(1, &stop), None);
        assert_eq!(replicated.records.len(), 1);
        assert!(replicated.records[0].partial);
    }

    #[test]
    fn a_replication_that_ends_itself_ends_them_all() {
        let mut scenario = fixtures::scenario();
        scenario.replications = 3;
        let stop = AtomicBool::new(false);
        let engine = |scenario: &Scenario, seed: Seed, options: RunOptions<'_>| {
            let mut record = noisy(0.1)(scenario, seed, options);
            record.partial = true;
            record
        };
        let replicated = replicate_with(&engine, &scenario, plan(1, &stop), None);
        assert_eq!((replicated.ended, replicated.records.len()), (Ended::Overfull, 3));
    }

    #[test]
    fn progress_ends_at_the_whole() {
        let scenario = fixtures::scenario();
        let stop = AtomicBool::new(false);
        let seen = Mutex::new(Vec::new());
        let note = |progress: Progress| lock(&seen).push((progress.finished, progress.share));
        replicate_with(&noisy(0.1), &scenario, Plan { progress: &note, ..plan(1, &stop) }, None);
        assert_eq!(*lock(&seen), [(0, 0.25), (1, 0.5), (1, 0.75), (2, 1.0)]);
    }
}
