//! Threads that work through runs of many scenarios, one run at a time each.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use faas_lab_model::metrics::RunRecord;
use faas_lab_model::scenario::Scenario;
use faas_lab_model::time::{SimTime, Span};
use faas_lab_sim::RunOptions;

use crate::replicate::{NamedIfItFails, Progress};

/// Who plays the runs; nothing in here can change a number.
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    /// Runs at once.
    pub threads: NonZeroUsize,
    /// Set from outside to end early.
    pub stop: &'a AtomicBool,
    /// Called now and then from any thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// One replication of one scenario.
#[derive(Clone, Copy)]
pub(crate) struct Run<'s> {
    pub(crate) scenario: &'s Scenario,
    /// Left out of statistics at the start.
    pub(crate) warm_up: Span,
    /// Number of the replication.
    pub(crate) number: u32,
}

impl Crew<'_> {
    /// Works through `jobs`, in their order as far as threads are free, and hands each one's outcome to `done`, one at a
    /// time. After a stop the rest is left undone.
    pub fn each<T: Send>(
        &self,
        jobs: usize,
        work: &(dyn Fn(usize, usize) -> T + Sync),
        done: &mut (dyn FnMut(usize, T) + Send),
    ) {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(done);
        let hands = self.threads.get().min(jobs);
        let labour = |hand: usize| {
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= jobs || self.stop.load(Ordering::Relaxed) {
                    return;
                }
                let outcome = work(hand, job);
                // A panic in another thread ends the scope anyway, so its lock may be taken over.
                let mut done = done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                done(job, outcome);
            }
        };
        if hands <= 1 {
            labour(0);
        } else {
            let labour = &labour;
            thread::scope(|scope| (0..hands).for_each(|hand| drop(scope.spawn(move || labour(hand)))));
        }
    }

    /// Plays all `runs`. Records cut short by a stop are not handed on; one that ended itself is.
    pub(crate) fn play(&self, runs: &[Run<'_>], done: &mut (dyn FnMut(usize, RunRecord) + Send)) {
        let board = Board::new(self, runs);
        let work = |hand: usize, job: usize| {
            let Run { scenario, warm_up, number } = runs[job];
            let progress = |reached: SimTime| board.reached(hand, reached, scenario.duration);
            let options =
                RunOptions { warm_up, steps: 0, stop: Some(self.stop), progress: Some(&progress), requests: None };
            let seed = scenario.seed.replication(number);
            let named = NamedIfItFails(seed);
            let record = faas_lab_sim::run(scenario, seed, options);
            drop(named);
            board.finished(hand, scenario.duration);
            record
        };
        self.each(runs.len(), &work, &mut |job, record| {
            if !(record.partial && self.stop.load(Ordering::Relaxed)) {
                done(job, record);
            }
        });
    }
}

/// Adds up how far the hands are.
struct Board<'a> {
    progress: &'a (dyn Fn(Progress) + Sync),
    planned: u32,
    total_secs: f64,
    finished: AtomicUsize,
    /// Milliseconds of finished runs: sums of nanoseconds could overflow.
    settled: AtomicU64,
    /// Milliseconds that each hand's present run has reached.
    under_way: Vec<AtomicU64>,
}

fn millis(span: Span) -> u64 {
    span.as_nanos() / 1_000_000
}

impl<'a> Board<'a> {
    fn new(crew: &Crew<'a>, runs: &[Run<'_>]) -> Board<'a> {
        Board {
            progress: crew.progress,
            planned: u32::try_from(runs.len()).unwrap_or(u32::MAX),
            total_secs: runs.iter().map(|run| run.scenario.duration.as_secs_f64()).sum(),
            finished: AtomicUsize::new(0),
            settled: AtomicU64::new(0),
            under_way: (0..crew.threads.get()).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn reached(&self, hand: usize, time: SimTime, duration: Span) {
        self.under_way[hand].store(time.as_nanos().min(duration.as_nanos()) / 1_000_000, Ordering::Relaxed);
        self.report();
    }

    fn finished(&self, hand: usize, duration: Span) {
        self.under_way[hand].store(0, Ordering::Relaxed);
        self.settled.fetch_add(millis(duration), Ordering::Relaxed);
        self.finished.fetch_add(1, Ordering::Relaxed);
        self.report();
    }

    fn report(&self) {
        let under_way: u64 = self.under_way.iter().map(|reached| reached.load(Ordering::Relaxed)).sum();
        let simulated_secs = (self.settled.load(Ordering::Relaxed) + under_way) as f64 / 1e3;
        (self.progress)(Progress {
            finished: u32::try_from(self.finished.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            planned: self.planned,
            simulated_secs,
            share: if self.total_secs > 0.0 { (simulated_secs / self.total_secs).min(1.0) } else { 1.0 },
        });
    }
}
