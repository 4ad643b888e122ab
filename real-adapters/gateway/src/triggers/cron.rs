//! Functions with `topic: cron-function` are invoked when their `schedule` says, in UTC. A deployment whose schedule cannot
//! be kept is refused; one that was stored by somebody else, or whose years have passed since, is reported.
//!
//! Ticks that were missed, because the machine slept or the gateway was not running, are not made up for. A tick comes
//! whether or not the call before it has ended, up to a bound.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds};
use faas_lab_provider::api::FunctionName;
use faas_lab_queue::Invoker;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Annotations, CRON_TOPIC, invocation, topics};

/// The most calls of one function under way; ticks beyond are left out.
const MAX_INFLIGHT: usize = 16;
/// The wall clock is looked at this often, in case someone sets it.
const LOOK: Duration = Duration::from_secs(30);
/// A clock that is corrected by less goes on.
const SET_BACK: Duration = Duration::from_secs(60);
/// No sensible schedule is longer.
const LONGEST_SCHEDULE: usize = 200;

/// A function whose schedule cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The function.
    pub function: FunctionName,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.function, self.reason)
    }
}

/// A schedule of five fields (minute to weekday), or six with seconds first.
pub fn parse_schedule(text: &str) -> Result<croner::Cron, String> {
    let hint = "write five fields such as `*/5 * * * *`, or six with seconds first";
    if text.len() > LONGEST_SCHEDULE {
        return Err(format!("the schedule is longer than {LONGEST_SCHEDULE} characters; {hint}"));
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).build();
    parser
        .parse(text)
        .map_err(|error| format!("the schedule `{}` cannot be read: {error}; {hint}", text.escape_debug()))
}

/// Whether a function with these annotations can be invoked by the clock, if it asks for that at all; why not, otherwise.
pub(crate) fn check(annotations: &BTreeMap<String, String>, now: SystemTime) -> Result<(), String> {
    match schedule(annotations) {
        Some(schedule) => Job::new(schedule, now).map(drop).map_err(|reason| format!("annotations.schedule: {reason}")),
        None => Ok(()),
    }
}

/// The annotation `schedule` of a function that the clock is to invoke; empty if it is missing.
fn schedule(annotations: &BTreeMap<String, String>) -> Option<String> {
    topics(annotations)
        .any(|topic| topic == CRON_TOPIC)
        .then(|| annotations.get("schedule").map_or("", |schedule| schedule.trim()).to_owned())
}

struct Job {
    schedule: String,
    cron: croner::Cron,
    next: DateTime<Utc>,
}

/// Which function is due when. No clock: times come in.
#[derive(Default)]
pub struct Timetable {
    jobs: BTreeMap<FunctionName, Job>,
    /// Schedules that were complained about, so that each is once.
    reported: BTreeMap<FunctionName, String>,
    /// When the clock was looked at last.
    looked: Option<SystemTime>,
}

impl Timetable {
    /// Takes over what is deployed at `now`. A schedule that has not changed goes on; one that cannot be kept is reported
    /// the first time that it is seen.
    pub fn update(&mut self, functions: &Annotations, now: SystemTime) -> Vec<Problem> {
        self.looked.get_or_insert(now);
        let mut problems = Vec::new();
        let mut jobs = BTreeMap::new();
        let mut reported = BTreeMap::new();
        for (name, annotations) in functions {
            let Some(schedule) = schedule(annotations) else { continue };
            let job = match self.jobs.remove(name) {
                Some(job) if job.schedule == schedule => Ok(job),
                _ => Job::new(schedule.clone(), now),
            };
            match job {
                Ok(job) => _ = jobs.insert(name.clone(), job),
                Err(reason) => {
                    if self.reported.get(name) != Some(&schedule) {
                        problems.push(Problem { function: name.clone(), reason });
                    }
                    reported.insert(name.clone(), schedule);
                }
            }
        }
        self.jobs = jobs;
        self.reported = reported;
        problems
    }

    /// When the next function is due.
    pub fn next(&self) -> Option<SystemTime> {
        self.jobs.values().map(|job| job.next).min().map(SystemTime::from)
    }

    /// The functions that are due at `now`, each once; their next times are after `now`.
    ///
    /// If the clock has been set back by more than a minute, the next times are those of the new time. By less they stay:
    /// a clock that is being kept right steps back a little, and must not make ticks come twice.
    pub fn take_due(&mut self, now: SystemTime) -> Vec<FunctionName> {
        let set_back = self.looked.replace(now).and_then(|looked| looked.duration_since(now).ok());
        let set_back = set_back.is_some_and(|by| by > SET_BACK);
        let now = DateTime::<Utc>::from(now);
        let mut due = Vec::new();
        self.jobs.retain(|name, job| {
            if set_back && let Ok(next) = job.cron.find_next_occurrence(&now, false) {
                job.next = next;
            }
            if job.next > now {
                return true;
            }
            due.push(name.clone());
            // A schedule that names a year can come to its end.
            match job.cron.find_next_occurrence(&now, false) {
                Ok(next) => {
                    job.next = next;
                    true
                }
                Err(_) => false,
            }
        });
        due
    }
}

impl Job {
    fn new(schedule: String, now: SystemTime) -> Result<Job, String> {
        if schedule.is_empty() {
            return Err(
                "its topic is cron-function, but it has no annotation `schedule`: write one such as `*/5 * * * *`"
                    .to_owned(),
            );
        }
        let cron = parse_schedule(&schedule)?;
        let next = cron.find_next_occurrence(&DateTime::<Utc>::from(now), false);
        let next = next.map_err(|_| format!("the schedule `{}` never comes", schedule.escape_debug()))?;
        Ok(Job { schedule, cron, next })
    }
}

/// Invokes functions by the clock.
pub struct Cron {
    now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    report: Box<dyn Fn(&Problem) + Send + Sync>,
}

impl Cron {
    /// With a clock, and someone to tell about schedules that cannot be kept.
    pub fn new(
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
        report: impl Fn(&Problem) + Send + Sync + 'static,
    ) -> Cron {
        Cron { now: Box::new(now), report: Box::new(report) }
    }

    /// Invokes until `shutdown`; then waits for calls under way.
    pub async fn run(
        self,
        mut functions: watch::Receiver<Arc<Annotations>>,
        invoker: Arc<dyn Invoker>,
        shutdown: CancellationToken,
    ) {
        let mut timetable = Timetable::default();
        let mut slots: BTreeMap<FunctionName, Arc<Semaphore>> = BTreeMap::new();
        let calls = TaskTracker::new();
        let update = |timetable: &mut Timetable, functions: &mut watch::Receiver<Arc<Annotations>>| {
            let deployed = functions.borrow_and_update().clone();
            timetable.update(&deployed, (self.now)()).iter().for_each(|problem| (self.report)(problem));
            deployed
        };
        update(&mut timetable, &mut functions);
        loop {
            let wait = timetable.next().map(|next| next.duration_since((self.now)()).unwrap_or_default());
            tokio::select! {
                () = shutdown.cancelled() => break,
                changed = functions.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let deployed = update(&mut timetable, &mut functions);
                    slots.retain(|name, _| deployed.contains_key(name));
                }
                () = tokio::time::sleep(wait.unwrap_or(LOOK).min(LOOK)) => {
                    for function in timetable.take_due((self.now)()) {
                        let slots = slots.entry(function.clone());
                        let slots = slots.or_insert_with(|| Arc::new(Semaphore::new(MAX_INFLIGHT)));
                        let Ok(slot) = slots.clone().try_acquire_owned() else {
                            let reason = format!("a tick is left out: {MAX_INFLIGHT} calls are under way");
                            (self.report)(&Problem { function, reason });
                            continue;
                        };
                        let invoker = invoker.clone();
                        calls.spawn(async move {
                            let call = invocation(&function, "cron-connector", CRON_TOPIC, Bytes::new());
                            invoker.invoke(&call, 1).await;
                            drop(slot);
                        });
                    }
                }
            }
        }
        calls.close();
        calls.wait().await;
    }
}
