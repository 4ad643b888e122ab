//! A run from start to result.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use faas_lab_model::metrics::measurement::{CallbackCounts, MeasuredTarget, ShardOf};
use faas_lab_model::metrics::result::{self, HistogramData, RunResult, Source, Warning, Window};
use faas_lab_model::metrics::{Ledger, RunRecord, assemble};
use faas_lab_model::scenario::{Arrivals, Invocation, Scenario, WarmUp};
use faas_lab_model::time::{SimTime, Span};
use goose::goose::GooseUser;
use thiserror::Error;

use crate::alarm::{Alarm, Waiting};
use crate::attack::{self, AttackError, GooseOptions};
use crate::book::{Book, Observer, STEPS, Seen};
use crate::call::Caller;
use crate::callbacks::{CallbackError, CallbackOptions, Callbacks, Tally};
use crate::client::{ClientOptions, Connections};
use crate::clock::Clock;
use crate::machine::Usage;
use crate::measure::{Facts, measurement};
use crate::pacer;
use crate::payload::{Calls, PayloadError, PayloadOptions};
use crate::probe::{Course, Probe, ProbeError, ProbeOptions, Watching};
use crate::schedule::Schedule;
use crate::shard::Shard;
use crate::target::Platform;
use crate::users::Crowd;

/// The window over which the default of [`Plan::in_flight`] is counted: a stall of the target as long as this still finds
/// a free user for every arrival.
const STALL: Span = Span::from_secs(5);

/// Bounds of that default.
const FEWEST: usize = 64;
const MOST: usize = 4096;

/// Goose starts so many users per second when nobody waits for them.
const AT_ONCE: f64 = 50_000.0;

/// From the last user's readiness to the first possible arrival.
const LEAD: Duration = Duration::from_millis(100);

/// Between two looks at how a run goes.
const TICK: Duration = Duration::from_millis(20);

/// What remains is given up, and Goose left alone, after so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// When the schedule starts.
#[derive(Clone, Copy, Debug, Default)]
pub enum Start {
    /// As soon as everything is ready.
    #[default]
    Ready,
    /// At an instant of the wall clock, so that several machines start together.
    At(SystemTime),
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario: functions, arrivals, objectives, and what it says of clients.
    pub scenario: Scenario,
    /// The command that makes the result again.
    pub command: String,
    /// The platform that is driven.
    pub platform: Arc<dyn Platform>,
    /// Its address, without credentials.
    pub address: String,
    /// How calls are made.
    pub payload: PayloadOptions,
    /// How connections are made.
    pub client: ClientOptions,
    /// Most requests in flight, of workloads with a schedule; default: most arrivals in any five seconds, from 64 to 4096.
    pub in_flight: Option<usize>,
    /// How it waits for what comes next.
    pub waiting: Waiting,
    /// What of Goose itself is wanted.
    pub goose: GooseOptions,
    /// When it starts.
    pub start: Start,
    /// Which part of the whole schedule is played here.
    pub shard: Shard,
    /// What of the gateway is looked at during the run.
    pub probe: Option<ProbeOptions>,
    /// Where the answers of asynchronous invocations come in; nowhere if there are none of those.
    pub callbacks: Option<CallbackOptions>,
}

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Time since the start of the schedule.
    pub elapsed: Duration,
    /// Length of the schedule.
    pub duration: Duration,
    /// Calls under way.
    pub in_flight: u64,
    /// Calls that have ended, in all.
    pub ended: u64,
    /// Failures, in all.
    pub errors: u64,
    /// Replicas that are ready, where a probe knows.
    pub replicas: Option<u64>,
    /// Since the last report of progress: its length, calls that ended, the median and the 99th percentile of successful
    /// ones' response times in seconds.
    pub lately: Lately,
}

/// What happened of late.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lately {
    /// Calls that ended, per second.
    pub rate: f64,
    /// Median response time of successful calls, in seconds.
    pub p50: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Failures.
    pub errors: u64,
}

/// Who looks on.
#[derive(Default)]
pub struct Watch<'a> {
    /// Set from outside to end the run with what is done.
    pub stop: Option<&'a AtomicBool>,
    /// Called about twice a second.
    pub progress: Option<&'a (dyn Fn(&Progress) + Sync)>,
    /// Given every call.
    pub observers: Vec<Box<dyn Observer>>,
}

/// What came of it.
#[derive(Debug)]
pub struct Measured {
    /// The result.
    pub result: RunResult,
    /// Whether it was ended from outside.
    pub stopped: bool,
    /// What the result was made of, which several parts of a run are joined by.
    pub ledger: Ledger,
}

/// Why nothing could be measured.
#[derive(Debug, Error)]
pub enum RunError {
    /// There is nothing to send.
    #[error("{0} has no arrivals within its duration, and no users: there is nothing to send")]
    Nothing(String),
    /// The client cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// Calls cannot be made as they are described.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The runtime cannot be started.
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    /// The gateway cannot be looked at.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Callbacks cannot be taken.
    #[error(transparent)]
    Callbacks(#[from] CallbackError),
    /// Goose refused.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// Users did not come up.
    #[error("only {0} of {1} users were ready after {2} s: ask for fewer in flight")]
    Users(usize, usize, u64),
    /// It was ended from outside while users came up.
    #[error("ended before anything was sent; nothing is written")]
    Stopped,
    /// The instant to start at is over.
    #[error("the run was to start {0:.1} s ago; name a later instant, so that every machine is ready by then")]
    TooLate(f64),
}

/// Plays `plan` against its target, once every run that was begun before in this process is over.
///
/// # Errors
/// What kept it from starting. Whatever the target does ends in a result.
pub fn run(plan: &Plan, watch: Watch<'_>) -> Result<Measured, RunError> {
    // Goose has one switch for all that run in a process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = match plan.waiting {
        Waiting::Asleep => std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        // Connections are looked at by one thread at a time: a second one would take that from who polls, and sleep.
        Waiting::Polling => 1,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("loadtest")
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    let measured = runtime.block_on(play(plan, watch, threads));
    // Calls that were given up may still hold connections: nobody waits for them.
    runtime.shutdown_background();
    measured
}

async fn play(plan: &Plan, watch: Watch<'_>, threads: usize) -> Result<Measured, RunError> {
    let scenario = &plan.scenario;
    let (warm_up, warm_up_rule) = warm_up(scenario);
    let schedule = plan.shard.of(Schedule::new(scenario, scenario.seed));
    let open = Schedule::new(scenario, scenario.seed).next().is_some();
    if !open && !scenario.workloads.iter().any(|workload| matches!(workload.arrivals, Arrivals::Users(_))) {
        return Err(RunError::Nothing(scenario.name.clone()));
    }
    let pool = if open { plan.in_flight.unwrap_or_else(|| default_in_flight(scenario, plan.shard)) } else { 0 };
    let files = crate::limits::raise();

    let never = AtomicBool::new(false);
    let stop = watch.stop.unwrap_or(&never);
    let (copies, copied) = match watch.observers.is_empty() {
        true => (None, None),
        false => Some(mpsc::channel()).unzip(),
    };
    let calls = scenario.workloads.iter().map(|workload| {
        let function = &scenario.functions[workload.function];
        Calls::new(&*plan.platform, function, workload, &plan.payload, scenario.seed)
    });
    let calls = calls.collect::<Result<Vec<Calls>, PayloadError>>()?;
    let connections = Arc::new(Connections::default());
    let client = plan.client.builder(&connections).build()?;
    let caller = Caller::new(scenario, plan.platform.clone(), calls, client, connections);
    let book = Book::new(scenario, warm_up, threads, copies);
    let shown = plan.goose.shown();
    let crowd = Arc::new(Crowd::new(scenario.clone(), scenario.seed, plan.shard, caller, book, pool, shown));
    await_callbacks(plan, &crowd).await?;
    let watching = watch_gateway(plan, &crowd).await?;

    let polled = Arc::new(AtomicU64::new(0));
    let alarm = Alarm::new(plan.waiting, polled.clone()).map_err(RunError::Runtime)?;
    let mut attacking = launch(plan, &crowd);
    let clock = match ready(&crowd, plan.start, stop, &mut attacking).await {
        Ok(clock) => clock,
        Err(error) => {
            crowd.stop();
            attack::end();
            return Err(error);
        }
    };
    let observing = copied.map(|copied| observe(watch.observers, clock.wall(), copied)).transpose()?;
    let before = Usage::now();
    let pacing = {
        let crowd = crowd.clone();
        tokio::spawn(async move { pacer::pace(schedule, clock, &crowd.gate, alarm).await })
    };

    let ended = follow(&crowd, &clock, stop, watch.progress).await;
    let used = Usage::now().since(&before, Duration::from_nanos(polled.load(Ordering::Relaxed)), threads);
    crowd.stop();
    crowd.give_up();
    pacing.abort();
    let deadline = Instant::now() + PATIENCE;
    while crowd.left() < crowd.ready() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let over = clock.now();
    let unsent = crowd.enter_rest(over);
    if ended.stopped || !shown {
        attack::end();
    }
    let goose = tokio::time::timeout(PATIENCE, &mut attacking).await;
    if goose.is_err() {
        attacking.abort();
    }

    let tally = match crowd.caller.take_callbacks() {
        // As long as calls under way are followed, so long may a callback take.
        Some(desk) => {
            let patience = if ended.stopped { Duration::ZERO } else { Duration::from_nanos(scenario.drain.as_nanos()) };
            Some(desk.close(patience).await)
        }
        None => None,
    };
    let (course, notices) = match watching {
        Some(watching) => watching.stop().await,
        None => (Course::new(0, Span::MAX, 0), Vec::new()),
    };

    let end = if ended.stopped { ended.at } else { SimTime::ZERO + scenario.duration };
    let total = crowd.book.total();
    let mut record = total.ledger.clone().close(end, scenario.seed, ended.stopped);
    if course.looks() > 0 {
        add_course(&mut record, &course);
    }
    if let Some(tally) = &tally {
        record.metrics.insert(result::DUPLICATES, tally.duplicates as f64);
    }
    // One run is one replication, however many the scenario has for the simulator.
    let single = Scenario { replications: 1, ..scenario.clone() };
    let window = Window {
        warm_up_seconds: warm_up.as_secs_f64(),
        warm_up_rule,
        duration_seconds: end.min(SimTime::ZERO + scenario.duration).as_secs_f64(),
        drain_seconds: scenario.drain.as_secs_f64(),
    };
    let mut result = assemble(&single, plan.command.clone(), vec![record], window, Vec::new());
    result.source = Source::Measured;
    let facts = Facts {
        target: MeasuredTarget {
            url: plan.address.clone(),
            platform: plan.platform.name().to_owned(),
            http: if plan.client.http2 { "2" } else { "1.1" }.to_owned(),
            keep_alive: plan.client.keep_alive,
        },
        clock,
        unsent,
        used,
        callbacks: tally.as_ref().map(counts),
        shard: plan.shard.is_part().then(|| ShardOf { index: plan.shard.index(), count: plan.shard.count() }),
    };
    let measured = measurement(scenario, &crowd, &total, facts);
    result.warnings.extend(
        measured
            .reasons
            .iter()
            .map(|reason| Warning { code: format!("invalid-{}", reason.code), text: reason.text.clone() }),
    );
    result.warnings.extend(files.filter(|most| *most < crowd.users() as u64 + 64).map(|most| Warning {
        code: "open-files".into(),
        text: format!(
            "this process may have {most} files and connections open, and has {} users: raise the limit (ulimit -n).",
            crowd.users()
        ),
    }));
    result.warnings.extend(notices.into_iter().map(|text| Warning { code: "probe".into(), text }));
    if let Ok(Ok(Err(error))) = goose {
        result.warnings.push(Warning { code: "goose".into(), text: error.to_string() });
    }
    result.measurement = Some(Box::new(measured));
    crowd.book.end_copies();
    if let Some(observing) = observing {
        // What is still to be written is written, however long the disk takes.
        let _ = tokio::task::spawn_blocking(move || observing.join()).await;
    }
    Ok(Measured { result, stopped: ended.stopped, ledger: total.ledger })
}

/// Where the measured window begins, and by which rule.
pub fn warm_up(scenario: &Scenario) -> (Span, String) {
    match scenario.warm_up {
        WarmUp::Given(warm_up) => (warm_up, "given".into()),
        WarmUp::Auto => (scenario.duration / 10, "a tenth of the duration".into()),
    }
}

fn default_in_flight(scenario: &Scenario, shard: Shard) -> usize {
    let most = Schedule::new(scenario, scenario.seed).most_within(STALL);
    most.div_ceil(shard.count() as usize).clamp(FEWEST, MOST)
}

/// Opens the desk for callbacks, if any will come.
async fn await_callbacks(plan: &Plan, crowd: &Arc<Crowd>) -> Result<(), RunError> {
    let any = plan.scenario.workloads.iter().any(|workload| workload.invocation == Invocation::Async);
    let Some(options) = plan.callbacks.as_ref().filter(|_| any) else { return Ok(()) };
    let (timed, told) = (Arc::downgrade(crowd), Arc::downgrade(crowd));
    let now = move || timed.upgrade().and_then(|crowd| crowd.clock()).map_or(SimTime::ZERO, |clock| clock.now());
    let sink = move |returned: &crate::callbacks::Returned| {
        if let Some(crowd) = told.upgrade() {
            let function = crowd.scenario.workloads[returned.workload].function;
            crowd.book.queue_delay(function, returned.accepted, returned.at.since(returned.accepted));
        }
    };
    let run = uuid::Uuid::new_v4().simple().to_string();
    crowd.caller.await_callbacks(Callbacks::start(options, &run, Arc::new(now), sink).await?);
    Ok(())
}

/// Looks at the gateway from now on.
async fn watch_gateway(plan: &Plan, crowd: &Arc<Crowd>) -> Result<Option<Watching>, RunError> {
    let Some(options) = &plan.probe else { return Ok(None) };
    let timed = Arc::downgrade(crowd);
    let now = move || timed.upgrade().and_then(|crowd| crowd.clock()).map_or(SimTime::ZERO, |clock| clock.now());
    let step = Span::from_nanos(plan.scenario.duration.as_nanos().div_ceil(STEPS as u64).max(1));
    let course = Course::new(plan.scenario.functions.len(), step, STEPS);
    let watching = Watching::start(Probe::new(options)?, course, options.interval, Arc::new(now)).await;
    crowd.watch(watching.course());
    Ok(Some(watching))
}

/// What the probe has seen joins the record.
fn add_course(record: &mut RunRecord, course: &Course) {
    let (from, to) = record.window;
    let mut sums = [(result::REPLICAS_READY_MEAN, 0.0), (result::REPLICA_STARTS, 0.0)];
    let mut known = [true; 2];
    for (index, function) in record.functions.iter_mut().enumerate() {
        let seen = [course.ready_mean(index, from, to), course.starts(index).map(|starts| starts as f64)];
        for ((sum, value), known) in sums.iter_mut().zip(seen).zip(&mut known) {
            match value {
                Some(value) => {
                    function.metrics.insert(sum.0, value);
                    sum.1 += value;
                }
                None => *known = false,
            }
        }
    }
    let complete = sums.into_iter().zip(known).filter(|(_, known)| *known).map(|(sum, _)| sum);
    record.metrics.extend(complete);
    // Series of one result have as many steps each.
    let steps = record.series.first().map_or(0, |series| series.values.len());
    record.series.extend(course.series(to).into_iter().filter(|series| series.values.len() == steps));
}

fn counts(tally: &Tally) -> CallbackCounts {
    CallbackCounts {
        accepted: tally.accepted,
        returned: tally.returned,
        lost: tally.lost,
        duplicates: tally.duplicates,
        failures: tally.failures,
        delays: HistogramData::of(&tally.delays),
    }
}

type Attacking = tokio::task::JoinHandle<Result<(), AttackError>>;

fn launch(plan: &Plan, crowd: &Arc<Crowd>) -> Attacking {
    // With a schedule, all must be there when it starts. Users of closed workloads may come up as Goose's users do.
    let ramp_up = crowd.ramp_up().as_secs_f64();
    let rate = if crowd.pool() > 0 || ramp_up <= 0.0 { AT_ONCE } else { crowd.users() as f64 / ramp_up * 1.05 };
    let (name, users, options) = (plan.scenario.name.clone(), crowd.users(), plan.goose.clone());
    let host = plan.platform.url(&plan.scenario.functions[0].name, Default::default());
    let host = host.origin().ascii_serialization();
    let crowd = crowd.clone();
    let job = attack::job(move |user: &mut GooseUser| {
        let crowd = crowd.clone();
        Box::pin(async move {
            crowd.turn(user).await;
            Ok(())
        })
    });
    tokio::spawn(async move { attack::attack(&name, &host, users, rate, &options, job).await })
}

/// Waits until the users are there, and says when the schedule starts.
async fn ready(crowd: &Crowd, start: Start, stop: &AtomicBool, attacking: &mut Attacking) -> Result<Clock, RunError> {
    let needed = crowd.pool().max(1);
    let began = Instant::now();
    while crowd.ready() < needed {
        if attacking.is_finished() {
            let lost = AttackError::lost();
            return Err(attacking.await.unwrap_or(Err(lost)).err().unwrap_or_else(AttackError::lost).into());
        }
        if stop.load(Ordering::Relaxed) {
            return Err(RunError::Stopped);
        }
        if began.elapsed() > PATIENCE * 3 {
            return Err(RunError::Users(crowd.ready(), crowd.users(), began.elapsed().as_secs()));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let clock = match start {
        Start::Ready => Clock::starting_in(LEAD),
        Start::At(at) => match SystemTime::now().duration_since(at) {
            Ok(late) if !late.is_zero() => return Err(RunError::TooLate(late.as_secs_f64())),
            _ => Clock::starting_at(at),
        },
    };
    crowd.start(clock);
    Ok(clock)
}

/// How following a run ended.
struct Followed {
    stopped: bool,
    at: SimTime,
}

/// Waits for the end: all users done, the drain over, or a wish to stop.
async fn follow(
    crowd: &Crowd,
    clock: &Clock,
    stop: &AtomicBool,
    progress: Option<&(dyn Fn(&Progress) + Sync)>,
) -> Followed {
    let duration = crowd.scenario.duration;
    let last = SimTime::ZERO + duration + crowd.scenario.drain;
    let (mut ended, mut errors) = (0, 0);
    let mut told = SimTime::ZERO;
    loop {
        let now = clock.now();
        if stop.load(Ordering::Relaxed) {
            return Followed { stopped: now < SimTime::ZERO + duration, at: now };
        }
        let all_left = crowd.ready() == crowd.users() && crowd.left() == crowd.users();
        if all_left || now >= last {
            return Followed { stopped: false, at: now };
        }
        let since = now.since(told).as_secs_f64();
        if let (true, Some(progress)) = (since >= 0.5, progress) {
            told = now;
            let live = crowd.book.live();
            ended += live.ended;
            errors += live.errors;
            progress(&Progress {
                elapsed: Duration::from_nanos(now.as_nanos()),
                duration: Duration::from_nanos(duration.as_nanos()),
                in_flight: crowd.in_flight(),
                ended,
                errors,
                replicas: crowd.replicas(),
                lately: Lately {
                    rate: live.ended as f64 / since,
                    p50: live.responses.quantile(0.5),
                    p99: live.responses.quantile(0.99),
                    errors: live.errors,
                },
            });
        }
        tokio::time::sleep(TICK).await;
    }
}

type Observing = std::thread::JoinHandle<()>;

/// A thread that hands every call to whoever wants it.
fn observe(
    mut observers: Vec<Box<dyn Observer>>,
    start: SystemTime,
    calls: Receiver<Seen>,
) -> Result<Observing, RunError> {
    let work = move || {
        observers.iter_mut().for_each(|observer| observer.begin(start));
        // It looks now and then rather than being woken for each call, which would cost the callers time.
        loop {
            match calls.try_recv() {
                Ok(seen) => observers.iter_mut().for_each(|observer| observer.see(&seen)),
                Err(mpsc::TryRecvError::Empty) => std::thread::sleep(Duration::from_millis(5)),
                Err(mpsc::TryRecvError::Disconnected) => break,
            }
        }
        observers.iter_mut().for_each(|observer| observer.end());
    };
    std::thread::Builder::new().name("observers".into()).spawn(work).map_err(RunError::Runtime)
}
