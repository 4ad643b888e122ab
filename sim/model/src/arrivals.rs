//! Arrival schedules: a scenario and a seed give the same instants to the simulator and to the load tester.
//!
//! Instants come lazily, one at a time, in ascending order. Each request's CPU work and waits are drawn with it ("at
//! birth"), from streams of their own, so that a request is the same whatever policy serves it. Closed-loop users
//! ([`Arrivals::Users`]) have no schedule: when they come depends on the answers they get.

use crate::distributions::Distribution;
use crate::rng::{Seed, Stream, Uniforms};
use crate::scenario::{Arrivals, BatchSize, Cron, MmppState, ShapePoint};
use crate::time::{SimTime, Span};

/// Values drawn at once: enough for the draws of one kind to follow each other, few enough for a thousand functions' blocks
/// to stay in the cache.
const BLOCK: usize = 32;

/// Values of one law in order of birth.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The value, if they are all the same: then nothing is drawn.
    constant: Option<Span>,
    source: Box<Source>,
    next: usize,
}

#[derive(Clone, Debug)]
struct Source {
    block: [Span; BLOCK],
    law: Distribution,
    stream: Stream,
}

impl Drawn {
    /// The draws of `law` for the purpose `name` under `seed`.
    pub fn new(law: Distribution, seed: Seed, name: &str) -> Drawn {
        let constant = law.constant();
        let source = Source { block: [Span::ZERO; BLOCK], law, stream: seed.stream(name) };
        Drawn { constant, source: Box::new(source), next: BLOCK }
    }

    /// The next value.
    #[inline]
    pub fn draw(&mut self) -> Span {
        if let Some(constant) = self.constant {
            return constant;
        }
        if self.next == BLOCK {
            self.refill();
        }
        let value = self.source.block[self.next];
        self.next += 1;
        value
    }

    #[cold]
    fn refill(&mut self) {
        let Source { block, law, stream } = &mut *self.source;
        law.fill(stream, block);
        self.next = 0;
    }
}

/// The arrival instants of one workload, up to the end of arrivals.
#[derive(Clone, Debug)]
pub struct ArrivalSchedule {
    process: Process,
    last: SimTime,
    until: SimTime,
}

#[derive(Clone, Debug)]
enum Process {
    /// Independent gaps.
    Gaps(Drawn),
    /// A Poisson process with a varying rate, by inverting its cumulative rate.
    Modulated { units: Drawn, rate: Box<RateFunction> },
    /// So many at once on a grid.
    Batches { sizes: Vec<BatchSize>, step: usize, sent: u32, period: Span },
    /// Minutes of a week.
    Cron { cron: Cron, next_minute: u64 },
    /// Given instants.
    Trace { instants: Vec<SimTime>, next: usize },
    /// Closed loop: nothing to schedule.
    None,
}

impl ArrivalSchedule {
    /// The schedule of the workload called `name`, from time zero to `duration` (not included).
    pub fn new(arrivals: &Arrivals, name: &str, seed: Seed, duration: Span) -> ArrivalSchedule {
        let stream_name = format!("workload/{name}/arrivals");
        let gaps = |law| Process::Gaps(Drawn::new(law, seed, &stream_name));
        let modulated = |rate| Process::Modulated {
            units: Drawn::new(Distribution::Exponential { mean: 1.0 }, seed, &stream_name),
            rate: Box::new(rate),
        };
        let process = match arrivals {
            Arrivals::Constant(rate) if rate.0 > 0.0 => gaps(Distribution::Constant(1.0 / rate.0)),
            Arrivals::Poisson(rate) if rate.0 > 0.0 => gaps(Distribution::Exponential { mean: 1.0 / rate.0 }),
            Arrivals::Constant(_) | Arrivals::Poisson(_) | Arrivals::Users(_) => Process::None,
            Arrivals::Renewal(law) => gaps(law.clone()),
            Arrivals::Mmpp(states) => modulated(RateFunction::Mmpp {
                states: states.clone(),
                stays: Box::new(seed.stream(&format!("workload/{name}/states"))),
                state: 0,
                ends: SimTime::ZERO,
                started: false,
            }),
            Arrivals::Shape(points) => modulated(RateFunction::Shape { points: points.clone(), segment: 0 }),
            Arrivals::Batches { sizes, period } => {
                Process::Batches { sizes: sizes.clone(), step: 0, sent: u32::MAX, period: *period }
            }
            Arrivals::Cron(cron) => Process::Cron { cron: cron.clone(), next_minute: 0 },
            Arrivals::Trace(instants) => Process::Trace { instants: instants.clone(), next: 0 },
        };
        ArrivalSchedule { process, last: SimTime::ZERO, until: SimTime::ZERO + duration }
    }
}

impl Iterator for ArrivalSchedule {
    type Item = SimTime;

    /// The next arrival; `None` when there is none before the end.
    #[inline]
    fn next(&mut self) -> Option<SimTime> {
        let at = match &mut self.process {
            Process::Gaps(gaps) => self.last + gaps.draw(),
            other => other.next_after(self.last, self.until)?,
        };
        self.last = at;
        (at < self.until).then_some(at)
    }
}

impl Process {
    fn next_after(&mut self, last: SimTime, until: SimTime) -> Option<SimTime> {
        match self {
            Process::Gaps(gaps) => Some(last + gaps.draw()),
            Process::Modulated { units, rate } => rate.advance(last, units.draw().as_secs_f64(), until),
            Process::Batches { sizes, step, sent, period } => {
                if sizes.get(*step).is_some_and(|present| *sent < present.size) {
                    *sent += 1;
                    return Some(last);
                }
                let mut at = last;
                loop {
                    at += *period;
                    if at >= until {
                        return None;
                    }
                    while sizes.get(*step + 1).is_some_and(|next| next.at <= at) {
                        *step += 1;
                    }
                    if sizes.get(*step).is_some_and(|present| present.at <= at && present.size > 0) {
                        *sent = 1;
                        return Some(at);
                    }
                }
            }
            Process::Cron { cron, next_minute } => {
                let last_minute = until.as_nanos() / MINUTE.as_nanos();
                while *next_minute <= last_minute {
                    let minute = *next_minute;
                    *next_minute += 1;
                    if cron.fires(minute) {
                        return Some(SimTime::ZERO + MINUTE * minute);
                    }
                }
                None
            }
            Process::Trace { instants, next } => {
                let at = instants.get(*next).copied();
                *next += 1;
                at
            }
            Process::None => None,
        }
    }
}

const MINUTE: Span = Span::from_secs(60);

impl Cron {
    /// Whether it fires at the start of the `minute`-th minute of the run, which starts at 00:00 on a Monday.
    pub fn fires(&self, minute: u64) -> bool {
        let (hour, day) = (minute / 60, minute / (60 * 24));
        let weekday = (day + 1) % 7;
        self.minutes >> (minute % 60) & 1 == 1
            && self.hours >> (hour % 24) & 1 == 1
            && self.weekdays >> weekday & 1 == 1
    }
}

/// A rate over time whose integral can be inverted.
#[derive(Clone, Debug)]
enum RateFunction {
    Shape { points: Vec<ShapePoint>, segment: usize },
    Mmpp { states: Vec<MmppState>, stays: Box<Stream>, state: usize, ends: SimTime, started: bool },
}

impl RateFunction {
    /// The instant after `from` at which the integral of the rate since `from` reaches `units`.
    fn advance(&mut self, from: SimTime, units: f64, until: SimTime) -> Option<SimTime> {
        let mut left = units;
        let mut at = from;
        loop {
            // A piece of the rate function: linear from `rate` now to `end_rate` at `ends`.
            let (rate, end_rate, ends) = self.piece(at)?;
            let span = ends.since(at).as_secs_f64();
            let area = (rate + end_rate) / 2.0 * span;
            if left < area {
                let slope = (end_rate - rate) / span;
                // The smaller root of rate·x + slope·x²/2 = left, in the form that does not cancel.
                let x = 2.0 * left / (rate + (rate * rate + 2.0 * slope * left).max(0.0).sqrt());
                return Some(at + Span::from_secs_f64(x));
            }
            left -= area;
            at = ends;
            if at >= until {
                return None;
            }
        }
    }

    fn piece(&mut self, at: SimTime) -> Option<(f64, f64, SimTime)> {
        match self {
            RateFunction::Shape { points, segment } => {
                while points.get(*segment).is_some_and(|point| point.at <= at) {
                    *segment += 1;
                }
                // Before the first corner the rate is the first corner's; after the last it is the last one's.
                let after = points.get(*segment);
                let before = segment.checked_sub(1).and_then(|i| points.get(i));
                match (before, after) {
                    (Some(b), Some(a)) => {
                        let share = at.since(b.at).as_secs_f64() / a.at.since(b.at).as_secs_f64();
                        Some((b.rate.0 + (a.rate.0 - b.rate.0) * share, a.rate.0, a.at))
                    }
                    (None, Some(a)) => Some((a.rate.0, a.rate.0, a.at)),
                    (Some(b), None) => (b.rate.0 > 0.0).then_some((b.rate.0, b.rate.0, SimTime::NEVER)),
                    (None, None) => None,
                }
            }
            RateFunction::Mmpp { states, stays, state, ends, started } => {
                while *ends <= at || !*started {
                    if *started {
                        *state = (*state + 1) % states.len();
                    }
                    *started = true;
                    let stay = -states[*state].mean_stay.as_secs_f64() * libm::log(stays.uniform());
                    *ends += Span::from_secs_f64(stay);
                }
                let rate = states[*state].rate.0;
                Some((rate, rate, *ends))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Rate;

    fn count(arrivals: &Arrivals, seed: u64, secs: u64) -> usize {
        ArrivalSchedule::new(arrivals, "w", Seed(seed), Span::from_secs(secs)).count()
    }

    fn corner(secs: u64, rate: f64) -> ShapePoint {
        ShapePoint { at: SimTime::ZERO + Span::from_secs(secs), rate: Rate(rate) }
    }

    #[test]
    fn the_same_seed_gives_the_same_ascending_instants() {
        let arrivals = Arrivals::Shape(vec![corner(0, 1.0), corner(50, 20.0), corner(50, 0.0), corner(100, 0.0)]);
        let schedule =
            |seed| ArrivalSchedule::new(&arrivals, "w", Seed(seed), Span::from_secs(100)).collect::<Vec<_>>();
        assert_eq!(schedule(1), schedule(1));
        assert_ne!(schedule(1), schedule(2));
        assert!(schedule(1).is_sorted());
        assert!(schedule(1).iter().all(|at| at.as_secs_f64() < 50.0), "nothing arrives where the rate is zero");
    }

    /// The number of arrivals of a modulated Poisson process is Poisson with the integral of its rate as its mean.
    #[test]
    fn shapes_integrate_to_the_right_number_of_arrivals() {
        let shape = Arrivals::Shape(vec![
            corner(0, 2.0),
            corner(100, 12.0),
            corner(100, 40.0),
            corner(110, 40.0),
            corner(150, 0.0),
        ]);
        let mean = 700.0 + 400.0 + 800.0;
        let runs = 400;
        let total: usize = (0..runs).map(|seed| count(&shape, seed, 200)).sum();
        let z = (total as f64 - mean * runs as f64) / (mean * runs as f64).sqrt();
        assert!(z.abs() < 4.0, "z = {z}");
    }

    #[test]
    fn mmpp_has_the_time_average_of_its_rates() {
        let state = |rate, secs| MmppState { rate: Rate(rate), mean_stay: Span::from_secs(secs) };
        let mmpp = Arrivals::Mmpp(vec![state(1.0, 30), state(21.0, 10)]);
        let rate = count(&mmpp, 5, 400_000) as f64 / 400_000.0;
        assert!((rate - 6.0).abs() < 0.2, "{rate}");
    }

    #[test]
    fn batches_and_traces_and_cron_come_when_they_say() {
        let batch = |secs, size| BatchSize { at: SimTime::ZERO + Span::from_secs(secs), size };
        let batches = Arrivals::Batches { sizes: vec![batch(0, 3)], period: Span::from_secs(10) };
        let instants: Vec<f64> =
            ArrivalSchedule::new(&batches, "w", Seed(1), Span::from_secs(21)).map(SimTime::as_secs_f64).collect();
        assert_eq!(instants, [10.0, 10.0, 10.0, 20.0, 20.0, 20.0]);
        // The batch at the instant of a step is the first of its size; a size of none is a pause.
        let steps = vec![batch(0, 1), batch(20, 2), batch(35, 0), batch(55, 1)];
        let stepped = Arrivals::Batches { sizes: steps, period: Span::from_secs(10) };
        let instants: Vec<f64> =
            ArrivalSchedule::new(&stepped, "w", Seed(1), Span::from_secs(71)).map(SimTime::as_secs_f64).collect();
        assert_eq!(instants, [10.0, 20.0, 20.0, 30.0, 30.0, 60.0, 70.0]);

        let every_quarter_hour_on_tuesdays =
            Cron { minutes: 1 | 1 << 15 | 1 << 30 | 1 << 45, hours: (1 << 24) - 1, weekdays: 1 << 2 };
        assert_eq!(count(&Arrivals::Cron(every_quarter_hour_on_tuesdays), 1, 7 * 86_400), 96);

        let trace = Arrivals::Trace((1..5).map(|s| SimTime::ZERO + Span::from_secs(s)).collect());
        assert_eq!(count(&trace, 1, 4), 3);
    }
}
