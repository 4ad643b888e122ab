//! The OpenFaaS Pro rule: enough replicas that each carries its target load.
//!
//! The product is closed; this is built from its documentation and the recording rules of its chart. What is simplified:
//!
//! * Every measure is read on the 5 s grid on which the chart's Prometheus scrapes the gateway, CPU too.
//! * Calls of all status codes make one counter, which begins with the first call that ends, as a Prometheus counter does.
//!   A function that never had a call has a load of zero.
//! * The replicas at the first decision open the down window, so that a run does not begin by scaling down.

use super::grid::Grid;
use super::series::Series;
use super::{Bounds, Scaler, ScalerSetup, Snapshot, Verdict};
use crate::policies::Listing;
use crate::time::{SimTime, Span};

/// How often the gateway and its replicas are scraped.
const SCRAPE: Span = Span::from_secs(5);
/// Window of the rate of calls.
const RPS_WINDOW: Span = Span::from_secs(30);
/// Window of the highest number of calls in flight.
const CAPACITY_WINDOW: Span = Span::from_secs(45);
/// Window in which the last two samples of CPU time must lie.
const CPU_WINDOW: Span = Span::from_secs(60);

/// What the load is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Completed calls per second over 30 s.
    Rps,
    /// Most calls in flight seen in 45 s, sampled each 5 s.
    Capacity,
    /// Milli-CPU over the last two samples of a minute.
    Cpu,
    /// Asynchronous invocations waiting.
    Queue,
}

/// Settings of the rule `ceil(ready · load per replica / (target · proportion))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pro {
    /// The measure.
    pub load: Load,
    /// Load that one replica should carry, in the measure's unit (50).
    pub target: f64,
    /// Share of the target at which to scale, in (0, 1] (0.90).
    pub proportion: f64,
    /// Within this window only scale down to its highest wish; zero: at once (0, at most 300 s).
    pub down_window: Span,
    /// How often it decides (5 s, *assumed*: the documentation names no interval).
    pub period: Span,
}

impl Pro {
    /// The documented defaults for a measure.
    pub fn new(load: Load) -> Pro {
        Pro { load, target: 50.0, proportion: 0.90, down_window: Span::ZERO, period: Span::from_secs(5) }
    }
}

impl Pro {
    /// How its four measures are listed.
    pub const LISTINGS: [Listing; 4] = [
        listing("rps", "OpenFaaS Pro: replicas by calls per second over 30 s"),
        listing("capacity", "OpenFaaS Pro: replicas by the most calls in flight seen in 45 s"),
        listing("cpu", "OpenFaaS Pro: replicas by CPU use in milli-CPU"),
        listing("queue", "OpenFaaS Pro: replicas by asynchronous invocations waiting"),
    ];
}

const fn listing(name: &'static str, about: &'static str) -> Listing {
    Listing { name, key: "function.NAME.scaling", about }
}

/// The autoscaler at work on one function.
#[derive(Clone, Debug)]
pub(super) struct ProScaler {
    settings: Pro,
    bounds: Bounds,
    scrapes: Grid,
    decisions: Grid,
    measured: Series<f64>,
    wishes: Series<u32>,
}

impl ProScaler {
    pub(super) fn new(settings: Pro, setup: ScalerSetup) -> ProScaler {
        ProScaler {
            bounds: setup.bounds,
            scrapes: Grid::new(SCRAPE),
            decisions: Grid::new(settings.period),
            measured: Series::keeping(CPU_WINDOW),
            wishes: Series::keeping(settings.down_window),
            settings,
        }
    }

    fn scrape(&mut self, seen: &Snapshot) {
        let value = match self.settings.load {
            Load::Rps => seen.completed_total as f64,
            Load::Capacity => f64::from(seen.in_flight),
            Load::Cpu => seen.cpu_seconds_total,
            Load::Queue => seen.queue_depth as f64,
        };
        let unborn = self.settings.load == Load::Rps && value == 0.0;
        if !unborn {
            self.measured.push(seen.at, value);
        }
    }

    /// The function's load now, in the measure's unit, rounded up as the recording rules do.
    ///
    /// `None` while a rate has only one sample.
    fn load(&self, now: SimTime) -> Option<f64> {
        let load = match self.settings.load {
            Load::Rps if self.measured.is_empty() => 0.0,
            Load::Rps => self.measured.rate(now, RPS_WINDOW)?,
            Load::Capacity => self.measured.within(now, CAPACITY_WINDOW).map(|(_, calls)| calls).fold(0.0, f64::max),
            Load::Cpu => self.measured.irate(now, CPU_WINDOW)? * 1000.0,
            Load::Queue => self.measured.within(now, CPU_WINDOW).next_back()?.1,
        };
        Some(load.ceil())
    }

    fn wish(&mut self, seen: &Snapshot) -> Option<u32> {
        if seen.ready == 0 {
            return None;
        }
        // The documented `ready · (load / ready) / (target · proportion)`; ready cancels, and with it a rounding error.
        let ideal = (self.load(seen.at)? / (self.settings.target * self.settings.proportion)).ceil();
        let ideal = (ideal as u32).clamp(self.bounds.min.max(1), self.bounds.max);

        if self.wishes.is_empty() {
            self.wishes.push(seen.at, seen.desired);
        }
        self.wishes.push(seen.at, ideal);
        let wish = if ideal < seen.desired {
            let highest = self.wishes.within(seen.at, self.settings.down_window).map(|(_, wish)| wish).max();
            highest.map_or(ideal, |highest| highest.min(seen.desired).max(ideal))
        } else {
            ideal
        };
        // What stands may lie outside the bounds; what is wished may not.
        let wish = wish.clamp(self.bounds.min.max(1), self.bounds.max);
        (wish != seen.desired).then_some(wish)
    }
}

impl Scaler for ProScaler {
    fn decide(&mut self, seen: &Snapshot) -> Verdict {
        if self.bounds.min == self.bounds.max {
            return Verdict { replicas: None, ask_again: SimTime::NEVER };
        }
        if self.scrapes.due(seen.at) {
            self.scrape(seen);
        }
        let replicas = if self.decisions.due(seen.at) { self.wish(seen) } else { None };
        Verdict { replicas, ask_again: self.scrapes.next().min(self.decisions.next()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> SimTime {
        SimTime::ZERO + Span::from_secs(secs)
    }

    fn scaler(settings: Pro) -> ProScaler {
        let bounds = Bounds { min: 1, max: 20, initial: 1 };
        ProScaler::new(settings, ScalerSetup::of(bounds, 0.1))
    }

    /// Plays `life` every 5 s to `until` seconds, obeying the scaler at once; the replicas after each decision.
    fn play(mut scaler: ProScaler, start: u32, until: u64, life: impl Fn(u64) -> Snapshot) -> Vec<u32> {
        let mut replicas = start;
        (0..=until)
            .step_by(5)
            .map(|at| {
                let seen = Snapshot { at: secs(at), desired: replicas, ready: replicas, ..life(at) };
                replicas = scaler.decide(&seen).replicas.unwrap_or(replicas);
                replicas
            })
            .collect()
    }

    fn in_flight(calls: u32) -> Snapshot {
        Snapshot { in_flight: calls, ..Snapshot::default() }
    }

    #[test]
    fn documented_examples_of_the_capacity_mode() {
        let settings = Pro { target: 5.0, proportion: 1.0, ..Pro::new(Load::Capacity) };
        assert_eq!(play(scaler(settings.clone()), 1, 0, |_| in_flight(15)), [3]);
        assert_eq!(play(scaler(settings), 3, 0, |_| in_flight(25)), [5]);
    }

    #[test]
    fn documented_example_of_the_proportion() {
        // Target 100 at proportion 0.7: a load of 90 on one replica asks for a second.
        let settings = Pro { target: 100.0, proportion: 0.7, ..Pro::new(Load::Capacity) };
        assert_eq!(play(scaler(settings), 1, 0, |_| in_flight(90)), [2]);
    }

    #[test]
    fn a_peak_in_flight_counts_for_45_s() {
        let settings = Pro { target: 5.0, proportion: 1.0, ..Pro::new(Load::Capacity) };
        let replicas = play(scaler(settings), 1, 60, |at| in_flight(if at == 5 { 20 } else { 1 }));
        // The peak at 5 s is in the windows that end at 5 … 45 s.
        assert_eq!(replicas, [1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 1, 1, 1]);
    }

    #[test]
    fn rps_follows_the_rate_of_ended_calls() {
        let settings = Pro { target: 10.0, proportion: 0.9, ..Pro::new(Load::Rps) };
        let life = |at| Snapshot { completed_total: 60 * at, ..Snapshot::default() };
        let replicas = play(scaler(settings), 1, 60, life);
        assert_eq!(replicas[0], 1, "nothing is known at the start");
        // 60 / 9 = 6.67 replicas once the window is full.
        assert_eq!(replicas[6..], [7; 7]);
    }

    #[test]
    fn cpu_is_measured_in_milli_cores() {
        let settings = Pro { target: 500.0, proportion: 0.9, ..Pro::new(Load::Cpu) };
        let life = |at| Snapshot { cpu_seconds_total: 1.25 * at as f64, ..Snapshot::default() };
        // 1250 / 450 = 2.8.
        assert_eq!(play(scaler(settings), 1, 10, life), [1, 3, 3]);
    }

    #[test]
    fn queue_depth_counts_as_it_is() {
        let settings = Pro { target: 10.0, proportion: 1.0, ..Pro::new(Load::Queue) };
        let life = |at| Snapshot { queue_depth: if at < 10 { 1000 } else { 31 }, ..Snapshot::default() };
        assert_eq!(play(scaler(settings), 1, 10, life), [20, 20, 4]);
    }

    #[test]
    fn the_down_window_holds_its_highest_wish_and_lets_growth_pass() {
        let settings = Pro { target: 1.0, proportion: 1.0, down_window: Span::from_secs(15), ..Pro::new(Load::Queue) };
        let depths = [9, 4, 6, 2, 2, 2, 12];
        let life = |at: u64| Snapshot { queue_depth: depths[at as usize / 5], ..Snapshot::default() };
        assert_eq!(play(scaler(settings), 1, 30, life), [9, 9, 9, 6, 6, 2, 12]);
    }

    #[test]
    fn without_a_ready_replica_or_a_choice_it_leaves_things_alone() {
        let mut waking = scaler(Pro::new(Load::Queue));
        let seen = Snapshot { desired: 1, ready: 0, queue_depth: 1000, ..Snapshot::default() };
        assert_eq!(waking.decide(&seen).replicas, None);

        let bounds = Bounds { min: 4, max: 4, initial: 4 };
        let mut pinned = ProScaler::new(Pro::new(Load::Queue), ScalerSetup::of(bounds, 0.1));
        let seen = Snapshot { desired: 2, ready: 2, ..seen };
        assert_eq!(pinned.decide(&seen), Verdict { replicas: None, ask_again: SimTime::NEVER });
    }
}
