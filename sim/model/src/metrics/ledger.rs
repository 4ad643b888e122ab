//! Measures a live run, whose requests are seen when they end, out of the order in which they arrived.
//!
//! The [`Recorder`](super::Recorder) of simulated runs moves along with its clock. Here each request is entered once, with
//! its arrival and its end, and adds what it was to the steps that it touched: ledgers of several threads or machines
//! add up. Memory does not grow with the number of requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cohort::{Cohort, PARTS};
use super::record::{Ending, FunctionRecord, RunRecord, SeriesRecord, Usage};
use super::result::{self, OutcomeKind};
use crate::rng::Seed;
use crate::time::{SimTime, Span};

/// Cold starts whose instants are kept for the timeline.
const MOST_COLD_STARTS: usize = 5000;

/// Functions with a timeline of their own; beyond this many only the whole system has one.
const MOST_FUNCTION_SERIES: usize = 8;

/// A request as its client met it.
#[derive(Clone, Copy, Debug)]
pub struct Met {
    /// When it arrived: when it was meant to be sent.
    pub born: SimTime,
    /// When it ended, or was given up.
    pub ended: SimTime,
    /// How it ended.
    pub ending: Ending,
    /// Whether it waited for a replica to start.
    pub cold: bool,
    /// Whether a replica answered it.
    pub served: bool,
    /// Attempts beyond the first.
    pub retries: u32,
    /// Time in each [`Part`](super::Part), where the platform tells of it.
    pub parts: Option<[Span; PARTS]>,
    /// How long its replica worked on it, where the platform tells of it.
    pub inside: Option<Span>,
}

/// What was seen of a run's requests. It can be written to a file, so that several machines' ledgers become one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger {
    functions: Vec<Page>,
    warm_up: SimTime,
    duration: SimTime,
    step: Span,
    cold_starts: Vec<SimTime>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Page {
    cohort: Cohort,
    usage: Usage,
    /// Sum of the overlaps of requests' stays with the measured window, in nanoseconds.
    stay: u128,
    steps: Steps,
}

/// Counts and areas, step by step.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Steps {
    arrivals: Vec<u64>,
    successes: Vec<u64>,
    errors: Vec<u64>,
    /// Nanoseconds of stays that cover a step in part.
    edges: Vec<u64>,
    /// Change of the number of stays that cover a whole step.
    whole: Vec<i64>,
}

impl Steps {
    fn new(steps: usize) -> Steps {
        let zeros = || vec![0; steps];
        Steps { arrivals: zeros(), successes: zeros(), errors: zeros(), edges: zeros(), whole: vec![0; steps + 1] }
    }

    /// A stay from `born` to `ended`; what is beyond the last step is left out.
    fn stay(&mut self, born: u64, ended: u64, step: u64) {
        let last = self.edges.len() as u64;
        let ended = ended.min(last * step);
        if ended <= born {
            return;
        }
        let (first, end) = (born / step, ended / step);
        if first == end {
            self.edges[first as usize] += ended - born;
            return;
        }
        self.edges[first as usize] += (first + 1) * step - born;
        if end < last {
            self.edges[end as usize] += ended - end * step;
        }
        self.whole[first as usize + 1] += 1;
        self.whole[end as usize] -= 1;
    }

    fn add(&mut self, other: &Steps) {
        fn sum<T: Copy + std::ops::AddAssign>(mine: &mut [T], theirs: &[T]) {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += *theirs);
        }
        sum(&mut self.arrivals, &other.arrivals);
        sum(&mut self.successes, &other.successes);
        sum(&mut self.errors, &other.errors);
        sum(&mut self.edges, &other.edges);
        sum(&mut self.whole, &other.whole);
    }

    fn series(&self, function: Option<usize>, lengths: &[f64], step: u64) -> Vec<SeriesRecord> {
        let rates = |name, counts: &[u64]| SeriesRecord {
            name,
            unit: "1/s",
            function,
            values: counts.iter().zip(lengths).map(|(count, secs)| *count as f64 / secs).collect(),
        };
        let mut covering = 0;
        let in_flight = self.edges.iter().zip(&self.whole).zip(lengths).map(|((edge, change), secs)| {
            covering += change;
            (*edge as f64 + covering as f64 * step as f64) * 1e-9 / secs
        });
        vec![
            rates("arrivals", &self.arrivals),
            rates("successes", &self.successes),
            rates("errors", &self.errors),
            SeriesRecord { name: "in flight", unit: "count", function, values: in_flight.collect() },
        ]
    }
}

impl Ledger {
    /// For so many functions, with the measured window from `warm_up` to `duration`, and series in `steps` steps.
    pub fn new(functions: usize, warm_up: SimTime, duration: Span, steps: usize) -> Ledger {
        let steps = steps.max(1);
        let page = Page { cohort: Cohort::default(), usage: Usage::default(), stay: 0, steps: Steps::new(steps) };
        Ledger {
            functions: vec![page; functions],
            warm_up,
            duration: SimTime::ZERO + duration,
            step: Span::from_nanos(duration.as_nanos().div_ceil(steps as u64).max(1)),
            cold_starts: Vec::new(),
        }
    }

    /// Length of a step of the series.
    pub fn step(&self) -> Span {
        self.step
    }

    /// Whether a request born at this instant counts.
    pub fn in_cohort(&self, born: SimTime) -> bool {
        born >= self.warm_up && born < self.duration
    }

    /// Enters a request that has ended.
    pub fn enter(&mut self, function: usize, met: &Met) {
        if met.cold && self.cold_starts.len() < MOST_COLD_STARTS {
            self.cold_starts.push(met.born);
        }
        let in_cohort = self.in_cohort(met.born);
        let (born, ended, step) = (met.born.as_nanos(), met.ended.as_nanos().max(met.born.as_nanos()), self.step);
        let page = &mut self.functions[function];
        page.steps.stay(born, ended, step.as_nanos());
        let (from, to) = (born.max(self.warm_up.as_nanos()), ended.min(self.duration.as_nanos()));
        page.stay += u128::from(to.saturating_sub(from));
        let at = |nanos: u64| (nanos / step.as_nanos()) as usize;
        if let Some(count) = page.steps.arrivals.get_mut(at(born)) {
            *count += 1;
        }
        let unfinished = met.ending.kind == OutcomeKind::Unfinished;
        let ok = met.ending.kind == OutcomeKind::Ok;
        let ends = if ok { &mut page.steps.successes } else { &mut page.steps.errors };
        if let (false, Some(count)) = (unfinished, ends.get_mut(at(ended))) {
            *count += 1;
        }
        if !in_cohort {
            return;
        }
        page.cohort.offered += 1;
        (0..met.retries).for_each(|_| page.cohort.retry());
        if unfinished {
            page.cohort.ended += 1;
            page.cohort.count(met.ending);
            return;
        }
        page.cohort.end(Span::from_nanos(ended - born), met.ending, met.cold);
        if met.served {
            page.cohort.serve(met.cold);
            page.usage.calls += 1;
        }
        if let Some(inside) = met.inside {
            page.usage.call_secs += inside.as_nanos().div_ceil(1_000_000) as f64 * 1e-3;
        }
        if let (true, Some(parts)) = (ok, &met.parts) {
            page.cohort.divide(parts);
        }
    }

    /// An asynchronous invocation of a request born at `born` has ended this long after its 202.
    pub fn queue_delay(&mut self, function: usize, born: SimTime, delay: Span) {
        if self.in_cohort(born) {
            self.functions[function].cohort.queue_delay(delay);
        }
    }

    /// Whether its counts agree with each other; one that was read from a file may have been edited.
    pub fn is_sound(&self) -> bool {
        !self.step.is_zero() && self.functions.iter().all(|page| page.cohort.is_sound())
    }

    /// Whether another ledger can be of the same run: it has as many functions, and the same window and steps.
    pub fn is_like(&self, other: &Ledger) -> bool {
        let shape = |ledger: &Ledger| {
            let steps: Vec<usize> = ledger.functions.iter().map(Page::steps).collect();
            (steps, ledger.step, ledger.warm_up, ledger.duration)
        };
        shape(self) == shape(other)
    }

    /// Adds what another ledger of the same run has.
    ///
    /// # Panics
    /// If it is of another run: see [`is_like`](Ledger::is_like).
    pub fn merge(&mut self, other: &Ledger) {
        assert!(self.is_like(other), "ledgers of one run");
        for (mine, theirs) in self.functions.iter_mut().zip(&other.functions) {
            mine.cohort.merge(&theirs.cohort);
            mine.usage.calls += theirs.usage.calls;
            mine.usage.call_secs += theirs.usage.call_secs;
            mine.stay += theirs.stay;
            mine.steps.add(&theirs.steps);
        }
        self.cold_starts.extend(&other.cold_starts);
    }

    /// The record of the run. `end` is where arrivals ended: the run's duration, or earlier if it was ended early.
    pub fn close(mut self, end: SimTime, seed: Seed, partial: bool) -> RunRecord {
        let end = end.min(self.duration);
        let window_secs = end.since(self.warm_up).as_secs_f64();
        // The last step may be shorter than the others, and after an early end there are fewer of them.
        let step = self.step.as_nanos();
        let reached = (end.as_nanos().div_ceil(step) as usize).min(self.functions.first().map_or(0, Page::steps));
        let lengths: Vec<f64> = (0..reached as u64)
            .map(|k| ((k + 1) * step).min(end.as_nanos()) - k * step)
            .map(|n| n as f64 * 1e-9)
            .collect();

        let mut whole = Cohort::default();
        let mut steps = Steps::new(self.functions.first().map_or(1, Page::steps));
        let mut stay = 0;
        for page in &self.functions {
            whole.merge(&page.cohort);
            steps.add(&page.steps);
            stay += page.stay;
        }
        let mut series = steps.series(None, &lengths, step);
        if (2..=MOST_FUNCTION_SERIES).contains(&self.functions.len()) {
            for (index, page) in self.functions.iter().enumerate() {
                series.extend(page.steps.series(Some(index), &lengths, step));
            }
        }
        self.cold_starts.sort_unstable();
        self.cold_starts.truncate(MOST_COLD_STARTS);
        RunRecord {
            seed,
            partial,
            window: (self.warm_up.min(end), end),
            metrics: metrics(&whole, stay, window_secs),
            functions: self.functions.into_iter().map(|page| page.record(window_secs)).collect(),
            nodes: Vec::new(),
            step: self.step,
            series,
            cold_starts: self.cold_starts,
            warnings: Vec::new(),
        }
    }
}

impl Page {
    fn steps(&self) -> usize {
        self.steps.edges.len()
    }

    fn record(mut self, window_secs: f64) -> FunctionRecord {
        FunctionRecord {
            metrics: metrics(&self.cohort, self.stay, window_secs),
            outcomes: self.cohort.outcomes(),
            responses: self.cohort.take_responses(),
            parts: self.cohort.parts(),
            phases: Vec::new(),
            usage: self.usage,
        }
    }
}

fn metrics(cohort: &Cohort, stay: u128, window_secs: f64) -> BTreeMap<&'static str, f64> {
    let mut metrics = BTreeMap::new();
    cohort.metrics(window_secs, &mut metrics);
    if window_secs > 0.0 {
        metrics.insert(result::IN_SYSTEM_MEAN, stay as f64 * 1e-9 / window_secs);
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + Span::from_millis(millis)
    }

    fn met(born: u64, ended: u64) -> Met {
        let ending = Ending::OK;
        let (born, ended) = (at(born), at(ended));
        Met { born, ended, ending, cold: false, served: true, retries: 0, parts: None, inside: None }
    }

    fn ledger() -> Ledger {
        Ledger::new(1, at(2000), Span::from_secs(10), 10)
    }

    fn series<'a>(record: &'a RunRecord, name: &str) -> &'a [f64] {
        &record.series.iter().find(|series| series.name == name).expect("a series").values
    }

    /// Little's law: the time average of the number in the system is the sum of the stays over the time.
    #[test]
    fn stays_add_up_over_steps_and_window_in_any_order() {
        let stays = [(9_500, 12_000), (500, 2_500), (2_100, 2_200), (3_000, 6_000), (4_250, 4_750)];
        let mut ledger = ledger();
        stays.iter().for_each(|(born, ended)| ledger.enter(0, &met(*born, *ended)));
        let record = ledger.close(at(10_000), Seed(1), false);
        let in_flight = series(&record, "in flight");
        let expected = [0.5, 1.0, 0.6, 1.0, 1.5, 1.0, 0.0, 0.0, 0.0, 0.5];
        assert!(in_flight.iter().zip(expected).all(|(found, area)| (found - area).abs() < 1e-12), "{in_flight:?}");
        assert_eq!(in_flight.len(), 10);
        let after_warm_up: f64 = in_flight[2..].iter().sum();
        assert!((record.metrics[result::IN_SYSTEM_MEAN] - after_warm_up / 8.0).abs() < 1e-12);
        assert_eq!(series(&record, "arrivals").iter().sum::<f64>(), 5.0);
        // One came in the warm-up, one ended after the last step.
        assert_eq!(record.metrics[result::OFFERED], 4.0);
        assert_eq!(series(&record, "successes").iter().sum::<f64>(), 4.0);
    }

    #[test]
    fn ledgers_of_threads_add_up_to_one() {
        let entries: Vec<Met> = (0..9000).map(|k| met(k, k + 5 + k % 700)).collect();
        let (mut one, mut two, mut all) = (ledger(), ledger(), ledger());
        for (k, entry) in entries.iter().enumerate() {
            all.enter(0, entry);
            if k % 3 == 0 { &mut one } else { &mut two }.enter(0, entry);
        }
        one.merge(&two);
        let (joined, all) = (one.close(at(10_000), Seed(1), false), all.close(at(10_000), Seed(1), false));
        assert_eq!(joined.metrics, all.metrics);
        assert_eq!(joined.series, all.series);
    }

    /// What another machine writes is read as if it had been entered here, to the bit.
    #[test]
    fn a_ledger_survives_being_written() {
        for count in [0, 10, 9_000] {
            let mut ledger = ledger();
            (0..count).for_each(|k| ledger.enter(0, &Met { cold: k % 7 == 0, ..met(k, k + 5 + k % 700) }));
            let text = serde_json::to_string(&ledger).expect("a ledger is JSON");
            let read: Ledger = serde_json::from_str(&text).expect("what was written");
            assert!(read.is_like(&ledger));
            let (read, ledger) = (read.close(at(10_000), Seed(1), false), ledger.close(at(10_000), Seed(1), false));
            assert_eq!(
                (read.metrics, read.series, read.cold_starts),
                (ledger.metrics, ledger.series, ledger.cold_starts)
            );
            for (read, written) in read.functions.iter().zip(&ledger.functions) {
                assert_eq!(
                    (&read.outcomes, &read.usage, &read.parts),
                    (&written.outcomes, &written.usage, &written.parts)
                );
            }
        }
        let torn = r#"{"functions":[],"warm_up":0,"duration":1,"step":1}"#;
        assert!(serde_json::from_str::<Ledger>(torn).is_err());
    }

    #[test]
    fn what_did_not_end_is_an_error_without_a_time() {
        let mut ledger = ledger();
        let unfinished = Ending::new(OutcomeKind::Unfinished, None, None);
        ledger.enter(0, &met(3_000, 3_100));
        ledger.enter(0, &Met { ending: unfinished, served: false, retries: 2, ..met(3_500, 5_000) });
        let record = ledger.close(at(5_000), Seed(1), true);
        assert_eq!(record.metrics[result::ERROR_RATE], 0.5);
        assert_eq!(record.metrics[result::RESPONSE_MAX], 0.1);
        assert_eq!(record.metrics[result::RETRIES_PER_REQUEST], 1.0);
        assert_eq!(record.window, (at(2_000), at(5_000)));
        assert_eq!(series(&record, "arrivals"), [0.0, 0.0, 0.0, 2.0, 0.0]);
    }

    #[test]
    fn instants_may_lie_before_and_after_everything() {
        let mut ledger = ledger();
        ledger.enter(0, &met(50_000, 60_000));
        ledger.enter(0, &Met { cold: true, ..met(4_000, 3_000) });
        let record = ledger.close(at(10_000), Seed(1), false);
        assert_eq!(record.metrics[result::OFFERED], 1.0);
        assert_eq!(record.metrics[result::RESPONSE_MAX], 0.0);
        assert_eq!(record.cold_starts, [at(4_000)]);
    }
}
