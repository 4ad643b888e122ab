//! Kubernetes' HorizontalPodAutoscaler (autoscaling/v2) on CPU utilization.
//!
//! The controller's arithmetic is followed down to its whole percents. What a snapshot cannot show is simplified:
//!
//! * CPU time is known for the function as a whole, so each ready replica is taken to use an equal share. Replicas
//!   without metrics, which count as 100 % on the way down, cannot be told apart and do not occur.
//! * Replicas that are wanted and not ready, and those whose readiness is younger than the initial readiness delay, are
//!   the "not yet ready" ones: they count as idle when scaling up and not at all when scaling down. Left out is the CPU
//!   initialisation period of 5 min, in which a replica is trusted once a whole metrics window lies after its readiness.
//! * The metrics server's sample is as fresh as the decision when their grids meet; the real pipeline adds seconds.
//! * One metric, one function, no custom behaviour: up by the larger of 100 % and 4 pods per 15 s, down freely.
//!
//! What the metrics server tells depends on its version. Since 0.5 it takes the difference between two of its scrapes, which
//! its manifest sets 15 s apart. Until 0.4 it scraped each 60 s and passed on the kubelet's rate, which is over cAdvisor's
//! last housekeeping interval, of 10 to 20 s. So a change of the load is seen up to a minute and a half later, in one go or in
//! parts, and each sample has the noise of a short window. The model has one such interval for all replicas, where each
//! container has its own. Source: kubernetes-sigs/metrics-server#567 and #734, cAdvisor's
//! `nextHousekeepingInterval`.
//!
//! Source: kubernetes/website, tasks/run-application/horizontal-pod-autoscale.

use super::grid::{Grid, Jittered};
use super::series::Series;
use super::{Bounds, Scaler, ScalerSetup, Snapshot, Verdict};
use crate::policies::Listing;
use crate::time::{SimTime, Span};

/// Period over which the limits of growth count.
const GROWTH_PERIOD: Span = Span::from_secs(15);
/// Replicas that may always be added within that period; doubling may add more.
const GROWTH_PODS: u32 = 4;

/// Settings of the autoscaler. Defaults: Kubernetes' own.
#[derive(Clone, Debug, PartialEq)]
pub struct Hpa {
    /// Wanted CPU use as a share of the request (0.8, which is what `kubectl autoscale` writes).
    pub target_utilization: f64,
    /// How often it decides (15 s).
    pub period: Span,
    /// Relative deviation that is left alone (0.1).
    pub tolerance: f64,
    /// Look-back of the highest wish before scaling down (300 s).
    pub down_window: Span,
    /// Look-back of the lowest wish before scaling up (0 s).
    pub up_window: Span,
    /// How often the metrics server scrapes (15 s).
    pub metric_resolution: Span,
    /// When it does so first, after the start of the run (0 s).
    pub metric_offset: Span,
    /// Least time between two readings of cAdvisor, at most twice as much: the window of the rates that the kubelet gives a
    /// metrics server until 0.4. `None`: the rate is over the time between two scrapes, as since 0.5.
    pub housekeeping_interval: Option<Span>,
    /// A new replica's readiness is not trusted for this long (30 s).
    pub initial_readiness_delay: Span,
}

impl Default for Hpa {
    fn default() -> Hpa {
        Hpa {
            target_utilization: 0.8,
            period: Span::from_secs(15),
            tolerance: 0.1,
            down_window: Span::from_secs(300),
            up_window: Span::ZERO,
            metric_resolution: Span::from_secs(15),
            metric_offset: Span::ZERO,
            housekeeping_interval: None,
            initial_readiness_delay: Span::from_secs(30),
        }
    }
}

impl Hpa {
    /// How it is listed.
    pub const LISTING: Listing = Listing {
        name: "hpa",
        key: "function.NAME.scaling",
        about: "Kubernetes HorizontalPodAutoscaler (autoscaling/v2) on CPU utilization, with its default behaviour",
    };
}

/// The controller at work on one function.
#[derive(Clone, Debug)]
pub(super) struct HpaScaler {
    settings: Hpa,
    bounds: Bounds,
    request_millicores: f64,
    scrapes: Grid,
    housekeeping: Option<Jittered>,
    decisions: Grid,
    cpu_seconds: Series<f64>,
    /// How far back the last two readings may lie.
    reach: Span,
    /// CPU of all ready replicas as scraped last.
    cores: Option<f64>,
    ready: Series<u32>,
    wishes: Series<u32>,
    changes: Series<i64>,
}

/// CPU use as the controller sees it.
#[derive(Clone, Copy, Debug)]
struct Usage {
    /// Of the trusted replicas together.
    millicores: f64,
    /// Replicas whose metrics are trusted, ≥ 1.
    trusted: u32,
}

impl HpaScaler {
    pub(super) fn new(settings: Hpa, setup: ScalerSetup) -> HpaScaler {
        let housekeeping =
            settings.housekeeping_interval.map(|interval| Jittered::new(interval, setup.key.draws(0, 0)));
        let reach = settings.housekeeping_interval.map_or(settings.metric_resolution, |interval| interval * 2) * 4;
        HpaScaler {
            bounds: setup.bounds,
            request_millicores: (setup.cpu_request * 1000.0).round(),
            scrapes: Grid::starting(settings.metric_offset, settings.metric_resolution),
            housekeeping,
            decisions: Grid::new(settings.period),
            cpu_seconds: Series::keeping(reach),
            reach,
            cores: None,
            ready: Series::keeping(settings.initial_readiness_delay),
            wishes: Series::keeping(settings.down_window.max(settings.up_window)),
            changes: Series::keeping(GROWTH_PERIOD),
            settings,
        }
    }

    /// Reads the counter and scrapes it, each where it is time.
    fn observe(&mut self, seen: &Snapshot) {
        let scraped = self.scrapes.due(seen.at);
        if self.housekeeping.as_mut().map_or(scraped, |housekeeping| housekeeping.due(seen.at)) {
            self.cpu_seconds.push(seen.at, seen.cpu_seconds_total);
        }
        if scraped {
            self.cores = self.cpu_seconds.irate(seen.at, self.reach);
        }
    }

    /// When there is something to read, to scrape or to decide.
    fn next(&self) -> SimTime {
        let next = self.scrapes.next().min(self.decisions.next());
        self.housekeeping.as_ref().map_or(next, |housekeeping| next.min(housekeeping.next()))
    }

    fn usage(&self, seen: &Snapshot) -> Option<Usage> {
        // A replica is trusted when it has been ready for the whole delay: the fewest ready at any look since then.
        let steady = self.ready.within(seen.at, self.settings.initial_readiness_delay).map(|(_, ready)| ready).min();
        let trusted = steady.unwrap_or(seen.ready).min(seen.ready).min(seen.desired);
        if trusted == 0 {
            return None;
        }
        let millicores = (self.cores? * 1000.0 * f64::from(trusted) / f64::from(seen.ready)).round();
        Some(Usage { millicores, trusted })
    }

    /// Utilization of `replicas` that use `millicores` together, relative to the target; both in whole percents.
    fn ratio(&self, millicores: f64, replicas: u32) -> f64 {
        let percent = (millicores * 100.0 / (self.request_millicores * f64::from(replicas))).trunc();
        percent / (self.settings.target_utilization * 100.0).round()
    }

    /// What the metric alone asks for.
    fn proposal(&self, usage: Usage, current: u32) -> u32 {
        let tolerance = self.settings.tolerance;
        let close = |ratio: f64| (1.0 - tolerance..=1.0 + tolerance).contains(&ratio);
        let plain = self.ratio(usage.millicores, usage.trusted);
        if plain <= 1.0 || usage.trusted == current {
            return if close(plain) { current } else { (plain * f64::from(usage.trusted)).ceil() as u32 };
        }
        // Scaling up while replicas are not ready yet: as if they were there and idle.
        let damped = self.ratio(usage.millicores, current);
        if close(damped) || damped < 1.0 { current } else { ((damped * f64::from(current)).ceil() as u32).max(current) }
    }

    /// The proposal after the stabilization windows: not above the lowest wish of one, not below the highest of the other.
    fn stabilize(&mut self, at: SimTime, proposal: u32, current: u32) -> u32 {
        if self.wishes.is_empty() {
            self.wishes.push(at, current);
        }
        self.wishes.push(at, proposal);
        let up = self.wishes.within(at, self.settings.up_window).map(|(_, wish)| wish).min().unwrap_or(proposal);
        let down = self.wishes.within(at, self.settings.down_window).map(|(_, wish)| wish).max().unwrap_or(proposal);
        current.max(up).min(down)
    }

    /// The most replicas that the default limits of growth allow.
    fn growth_limit(&self, at: SimTime, current: u32) -> u32 {
        let changed: i64 = self.changes.within(at, GROWTH_PERIOD).map(|(_, change)| change).sum();
        let before = u32::try_from(i64::from(current) - changed).unwrap_or(0);
        before.saturating_add(GROWTH_PODS).max(before.saturating_mul(2)).max(current)
    }

    fn wish(&mut self, seen: &Snapshot) -> Option<u32> {
        let current = seen.desired;
        let (floor, ceiling) = (self.bounds.min.max(1), self.bounds.max);
        // At zero replicas the controller is off; without a request there is no utilization.
        if current == 0 || self.request_millicores == 0.0 {
            return None;
        }
        let wish = if current < floor {
            floor
        } else if current > ceiling {
            ceiling
        } else {
            let usage = self.usage(seen)?;
            let proposal = self.proposal(usage, current);
            let steady = self.stabilize(seen.at, proposal, current);
            steady.min(self.growth_limit(seen.at, current)).clamp(floor, ceiling)
        };
        self.changes.push(seen.at, i64::from(wish) - i64::from(current));
        (wish != current).then_some(wish)
    }
}

impl Scaler for HpaScaler {
    fn decide(&mut self, seen: &Snapshot) -> Verdict {
        self.observe(seen);
        self.ready.push(seen.at, seen.ready);
        let replicas = if self.decisions.due(seen.at) { self.wish(seen) } else { None };
        Verdict { replicas, ask_again: self.next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scrapes once a minute.
    fn minute_at(secs: u64) -> Hpa {
        Hpa { metric_resolution: Span::from_secs(60), metric_offset: Span::from_secs(secs), ..Hpa::default() }
    }

    /// A function that obeys at once and whose replicas are ready at once.
    struct Bench {
        scaler: HpaScaler,
        at: SimTime,
        replicas: u32,
        cpu_seconds: f64,
    }

    impl Bench {
        /// Replicas request half a core; the target is 50 % of that, 0.25 cores each.
        fn new(settings: Hpa, replicas: u32) -> Bench {
            let bounds = Bounds { min: 1, max: 100, initial: replicas };
            let settings = Hpa { target_utilization: 0.5, ..settings };
            let scaler = HpaScaler::new(settings, ScalerSetup::of(bounds, 0.5));
            Bench { scaler, at: SimTime::ZERO, replicas, cpu_seconds: 0.0 }
        }

        /// 15 s at `cores` in all, then a decision with `ready` replicas; the replicas it leaves.
        fn step(&mut self, cores: f64, ready: u32) -> u32 {
            self.at += Span::from_secs(15);
            self.cpu_seconds += 15.0 * cores;
            self.ask(ready)
        }

        fn ask(&mut self, ready: u32) -> u32 {
            let (at, desired) = (self.at, self.replicas);
            let seen = Snapshot { at, desired, ready, cpu_seconds_total: self.cpu_seconds, ..Snapshot::default() };
            let verdict = self.scaler.decide(&seen);
            assert_eq!(verdict.ask_again, at + Span::from_secs(15));
            self.replicas = verdict.replicas.unwrap_or(self.replicas);
            self.replicas
        }
    }

    #[test]
    fn replicas_grow_by_the_ratio_of_use_to_target() {
        // kubernetes/website: 200 m where 100 m are wanted doubles the replicas.
        let mut bench = Bench::new(Hpa::default(), 4);
        bench.ask(4);
        assert_eq!(bench.step(4.0 * 0.5, 4), 8);
    }

    #[test]
    fn a_deviation_within_the_tolerance_is_left_alone() {
        let mut bench = Bench::new(Hpa { down_window: Span::ZERO, ..Hpa::default() }, 10);
        bench.ask(10);
        assert_eq!(bench.step(10.0 * 0.25 * 1.10, 10), 10);
        assert_eq!(bench.step(10.0 * 0.25 * 0.90, 10), 10);
        assert_eq!(bench.step(10.0 * 0.25 * 0.88, 10), 9);
    }

    #[test]
    fn growth_is_limited_to_four_more_or_twice_as_many() {
        let mut bench = Bench::new(Hpa { initial_readiness_delay: Span::ZERO, ..Hpa::default() }, 1);
        bench.ask(1);
        let grown: Vec<u32> = (0..5).map(|_| bench.step(f64::from(bench.replicas) * 25.0, bench.replicas)).collect();
        assert_eq!(grown, [5, 10, 20, 40, 80]);
    }

    #[test]
    fn shorter_periods_share_one_limit_of_growth() {
        let bounds = Bounds { min: 1, max: 100, initial: 1 };
        let settings = Hpa {
            period: Span::from_secs(5),
            metric_resolution: Span::from_secs(5),
            initial_readiness_delay: Span::ZERO,
            ..Hpa::default()
        };
        let mut scaler = HpaScaler::new(settings, ScalerSetup::of(bounds, 0.1));
        let mut replicas = 1;
        let grown: Vec<u32> = (0..=5u64)
            .map(|step| {
                let at = SimTime::ZERO + Span::from_secs(5 * step);
                let cpu_seconds_total = 1000.0 * step as f64;
                let seen =
                    Snapshot { at, desired: replicas, ready: replicas, cpu_seconds_total, ..Snapshot::default() };
                replicas = scaler.decide(&seen).replicas.unwrap_or(replicas);
                replicas
            })
            .collect();
        assert_eq!(grown, [1, 5, 5, 5, 10, 10]);
    }

    #[test]
    fn it_waits_five_minutes_before_it_scales_down() {
        let mut bench = Bench::new(Hpa::default(), 8);
        bench.ask(8);
        bench.step(8.0 * 0.25, 8);
        let shrunk_after = (1..).find(|_| bench.step(0.25, 8) < 8);
        assert_eq!((shrunk_after, bench.replicas), (Some(20), 1), "20 × 15 s after the last wish for eight");
    }

    #[test]
    fn replicas_that_are_not_ready_count_as_idle_on_the_way_up() {
        // Two of four ready at 200 %: with the others idle that is 100 % of the target, so nothing happens.
        let mut bench = Bench::new(Hpa::default(), 4);
        bench.ask(2);
        assert_eq!(bench.step(2.0 * 0.5, 2), 4);
        // At 300 % it is 150 % of the target over all four.
        assert_eq!(bench.step(2.0 * 0.75, 2), 6);
    }

    #[test]
    fn young_readiness_is_not_trusted() {
        let mut bench = Bench::new(Hpa::default(), 4);
        bench.ask(2);
        // All four are ready and busy, two of them for less than 30 s: those count as idle.
        assert_eq!(bench.step(4.0 * 0.5, 4), 4);
        assert_eq!(bench.step(4.0 * 0.5, 4), 8, "30 s later all of them count");
    }

    /// Plays 200 s, 1 core until `change` and then 2, four replicas that obey at once; when it asks for how many.
    fn after_a_change(settings: Hpa, change: u64) -> Vec<(f64, u32)> {
        let bounds = Bounds { min: 1, max: 100, initial: 4 };
        let mut scaler = HpaScaler::new(Hpa { target_utilization: 0.5, ..settings }, ScalerSetup::of(bounds, 0.5));
        let mut seen = Snapshot { desired: 4, ready: 4, ..Snapshot::default() };
        let mut wishes = Vec::new();
        while seen.at < SimTime::ZERO + Span::from_secs(200) {
            let secs = seen.at.as_secs_f64();
            seen.cpu_seconds_total = secs + (secs - change as f64).max(0.0);
            let verdict = scaler.decide(&seen);
            if let Some(replicas) = verdict.replicas {
                wishes.push((secs, replicas));
                (seen.desired, seen.ready) = (replicas, replicas);
            }
            seen.at = verdict.ask_again;
        }
        wishes
    }

    #[test]
    fn between_two_scrapes_nothing_is_seen() {
        // Scrapes at 20, 80, 140 s. The load doubles at 90 s: the scrape at 140 s has 10 s of the old load and 50 of the new,
        // (10 + 2·50)/60 = 1.83 cores, 183 % of the target: ⌈4·1.83⌉ = 8 at the next decision.
        assert_eq!(after_a_change(minute_at(20), 90), [(150.0, 8)]);
        // At 79 s it leaves its mark at the scrape at 80 s, 61/60 cores, within the tolerance; the next has only the new load.
        assert_eq!(after_a_change(minute_at(20), 79), [(150.0, 8)]);
    }

    #[test]
    fn a_rate_of_housekeeping_has_a_short_window() {
        // The last housekeeping interval ends at most 20 s before the scrape at 140 s and begins at most 20 s earlier: a load
        // that doubled at 90 s is all it sees, 8 replicas in one go. A load that doubles right after the scrape at 80 s
        // is seen a minute later.
        let settings = Hpa { housekeeping_interval: Some(Span::from_secs(10)), ..minute_at(20) };
        for change in [81, 90, 99] {
            assert_eq!(after_a_change(settings.clone(), change), [(150.0, 8)], "{change}");
        }
        // At 121 s the interval may see a part of it; by 200 s all of it has not been seen yet.
        assert!(after_a_change(settings, 121).iter().all(|(at, replicas)| *at == 150.0 && *replicas <= 8));
    }

    #[test]
    fn at_zero_replicas_the_controller_is_off() {
        let mut bench = Bench::new(Hpa::default(), 0);
        bench.ask(0);
        assert_eq!(bench.step(3.0, 0), 0);
    }
}
