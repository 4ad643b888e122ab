//! Kubernetes' HorizontalPodAutoscaler (autoscaling/v2) on CPU utilization.
//!
//! The controller's arithmetic is followed down to its whole percents, replica by replica: what the metrics server tells of
//! each is in `metrics_server.rs`.
//!
//! * A replica's sample is trusted once a whole window of it lies after its readiness. Others, and replicas whose process
//!   does not run yet, are set aside: they count as idle when scaling up and not at all when scaling down.
//! * Of a replica that runs and has no sample yet is assumed what holds the change back: it counts as idle when scaling up
//!   and as using all it requests when scaling down.
//! * One metric, one function, no custom behaviour: up by the larger of 100 % and 4 pods per 15 s, down freely.
//!
//! *Left out*: after the CPU initialisation period (5 min since its start) any sample of a ready replica is trusted, which
//! matters to those that take minutes to become ready; a replica that has crashed is one that does not run yet.
//!
//! Sources: kubernetes/website, tasks/run-application/horizontal-pod-autoscale; kubernetes/kubernetes,
//! pkg/controller/podautoscaler/replica_calculator.go.

use super::grid::Grid;
use super::metrics_server::MetricsServer;
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
    /// How often the metrics server scrapes (15 s). A replica's sample is trusted once so long a time lies between it and the
    /// replica's readiness; with `housekeeping_interval`, 30 s.
    pub metric_resolution: Span,
    /// When it does so first, after the start of the run (0 s).
    pub metric_offset: Span,
    /// Least time between two readings of cAdvisor, at most twice as much: the window of the rates that the kubelet gives a
    /// metrics server until 0.4. `None`: the rate is over the time between two scrapes, as since 0.5.
    pub housekeeping_interval: Option<Span>,
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
    metrics: MetricsServer,
    decisions: Grid,
    wishes: Series<u32>,
    changes: Series<i64>,
}

/// CPU use as the controller sees it.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    /// Of the trusted replicas together.
    millicores: f64,
    /// Replicas whose samples are trusted.
    trusted: u32,
    /// Replicas that run and have no sample.
    missing: u32,
    /// Replicas that are set aside.
    ignored: u32,
}

impl HpaScaler {
    pub(super) fn new(settings: Hpa, setup: ScalerSetup) -> HpaScaler {
        HpaScaler {
            bounds: setup.bounds,
            request_millicores: (setup.cpu_request * 1000.0).round(),
            metrics: MetricsServer::new(&settings, setup.key),
            decisions: Grid::new(settings.period),
            wishes: Series::keeping(settings.down_window.max(settings.up_window)),
            changes: Series::keeping(GROWTH_PERIOD),
            settings,
        }
    }

    /// `None` while there is no sample that can be trusted.
    fn usage(&self, seen: &Snapshot) -> Option<Usage> {
        let mut usage = Usage { ignored: seen.desired.saturating_sub(seen.replicas.len() as u32), ..Usage::default() };
        for replica in &seen.replicas {
            let trusted_from = match replica.ready_since {
                Some(SimTime::ZERO) => SimTime::ZERO,
                Some(since) => since + self.metrics.window(),
                None => SimTime::NEVER,
            };
            match self.metrics.sample(replica.replica) {
                Some(sample) if sample.at >= trusted_from => {
                    usage.millicores += sample.millicores;
                    usage.trusted += 1;
                }
                Some(_) => usage.ignored += 1,
                None => usage.missing += 1,
            }
        }
        (usage.trusted > 0).then_some(usage)
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
        let Usage { mut millicores, trusted, missing, ignored } = usage;
        let plain = self.ratio(millicores, trusted);
        let mut counted = trusted;
        if plain < 1.0 {
            counted += missing;
            millicores += f64::from(missing) * self.request_millicores;
        } else if plain > 1.0 {
            counted += missing + ignored;
        }
        let ratio = self.ratio(millicores, counted);
        // Neither what was assumed nor what was set aside may turn the direction.
        if close(ratio) || (plain < 1.0) != (ratio < 1.0) {
            return current;
        }
        let proposal = (ratio * f64::from(counted)).ceil() as u32;
        if ratio < 1.0 { proposal.min(current) } else { proposal.max(current) }
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
        self.metrics.look(seen);
        let replicas = if self.decisions.due(seen.at) { self.wish(seen) } else { None };
        Verdict { replicas, ask_again: self.metrics.next().min(self.decisions.next()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ReplicaUse;
    use super::*;

    /// Scrapes once a minute.
    fn minute_at(secs: u64) -> Hpa {
        Hpa { metric_resolution: Span::from_secs(60), metric_offset: Span::from_secs(secs), ..Hpa::default() }
    }

    /// A function that obeys at once and whose replicas, if any are to be ready, are so at once.
    struct Bench {
        scaler: HpaScaler,
        at: SimTime,
        desired: u32,
        replicas: Vec<ReplicaUse>,
    }

    impl Bench {
        /// Replicas request half a core; the target is 50 % of that, 0.25 cores each.
        fn new(settings: Hpa, replicas: u32) -> Bench {
            let bounds = Bounds { min: 1, max: 100, initial: replicas };
            let settings = Hpa { target_utilization: 0.5, ..settings };
            let scaler = HpaScaler::new(settings, ScalerSetup::of(bounds, 0.5));
            Bench { scaler, at: SimTime::ZERO, desired: replicas, replicas: Vec::new() }
        }

        /// 15 s at `cores` in all, shared by `ready` replicas, then a decision; the replicas it leaves.
        fn step(&mut self, cores: f64, ready: u32) -> u32 {
            self.at += Span::from_secs(15);
            for replica in &mut self.replicas {
                replica.cpu_seconds += 15.0 * cores / f64::from(ready);
            }
            self.ask(ready)
        }

        /// A decision with `ready` replicas; those there were not before have become so just now.
        fn ask(&mut self, ready: u32) -> u32 {
            self.replicas.truncate(ready as usize);
            for replica in self.replicas.len() as u64..u64::from(ready) {
                self.replicas.push(ReplicaUse { replica, ready_since: Some(self.at), cpu_seconds: 0.0 });
            }
            let (at, desired, replicas) = (self.at, self.desired, self.replicas.clone());
            let verdict = self.scaler.decide(&Snapshot { at, desired, ready, replicas, ..Snapshot::default() });
            assert_eq!(verdict.ask_again, at + Span::from_secs(15));
            self.desired = verdict.replicas.unwrap_or(desired);
            self.desired
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
        let mut bench = Bench::new(Hpa::default(), 1);
        bench.ask(1);
        let grown: Vec<u32> = (0..5).map(|_| bench.step(f64::from(bench.desired) * 25.0, bench.desired)).collect();
        assert_eq!(grown, [5, 10, 20, 40, 80]);
    }

    #[test]
    fn shorter_periods_share_one_limit_of_growth() {
        let bounds = Bounds { min: 1, max: 100, initial: 1 };
        let settings = Hpa { period: Span::from_secs(5), metric_resolution: Span::from_secs(5), ..Hpa::default() };
        let mut scaler = HpaScaler::new(settings, ScalerSetup::of(bounds, 0.1));
        let mut replicas = 1;
        let grown: Vec<u32> = (0..=5u64)
            .map(|step| {
                let at = SimTime::ZERO + Span::from_secs(5 * step);
                let uses = uses(replicas, 1000.0 * step as f64);
                let seen = Snapshot { at, desired: replicas, ready: replicas, replicas: uses, ..Snapshot::default() };
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
        assert_eq!((shrunk_after, bench.desired), (Some(20), 1), "20 × 15 s after the last wish for eight");
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
        // All four are ready and busy, but of two of them there is no sample yet: those count as idle.
        assert_eq!(bench.step(4.0 * 0.5, 4), 4);
        assert_eq!(bench.step(4.0 * 0.5, 4), 8, "15 s later all of them count");
    }

    #[test]
    fn a_sample_counts_once_its_window_lies_after_the_readiness() {
        // Scraped at 18 s and each minute after; all of four use 200 %. Two come at 30 s and are ready at 60 s: no rate that ends
        // before 90 s is trusted, which leaves 100 % at the scrape at 78 s, and 200 % at the next.
        let asked_from = |ready: u64| {
            let settings =
                Hpa { target_utilization: 0.5, housekeeping_interval: Some(Span::from_secs(10)), ..minute_at(18) };
            let bounds = Bounds { min: 1, max: 100, initial: 4 };
            let mut scaler = HpaScaler::new(settings, ScalerSetup::of(bounds, 0.5));
            let mut at = SimTime::ZERO;
            loop {
                let since = SimTime::ZERO + Span::from_secs(ready);
                let mut replicas = uses(4, 0.5 * at.as_secs_f64());
                replicas[2..].iter_mut().for_each(|replica| replica.ready_since = Some(since));
                replicas.truncate(if at < SimTime::ZERO + Span::from_secs(30) { 2 } else { 4 });
                let seen = Snapshot { at, desired: 4, ready: 4, replicas, ..Snapshot::default() };
                let verdict = scaler.decide(&seen);
                if verdict.replicas.is_some() {
                    return (at, verdict.replicas);
                }
                at = verdict.ask_again;
            }
        };
        let secs = |secs| SimTime::ZERO + Span::from_secs(secs);
        assert_eq!(asked_from(60), (secs(150), Some(8)));
        // Ready at 28 s: a rate that ends at 58 s or later will do.
        assert_eq!(asked_from(28), (secs(90), Some(8)));
    }

    #[test]
    fn a_replica_without_a_sample_holds_back_whatever_the_others_ask_for() {
        let settings = Hpa { down_window: Span::ZERO, ..Hpa::default() };
        // Of four, two use 40 % of the target, and of two nothing is known. Used as requested they would make
        // (2·0.1 + 2·0.5)/(4·0.25) = 120 % of the target: nothing happens.
        let mut bench = Bench::new(settings.clone(), 4);
        bench.ask(2);
        assert_eq!(bench.step(4.0 * 0.1, 4), 4);
        // Replicas whose process does not run do not count on the way down: ⌈0.4·2⌉.
        let mut bench = Bench::new(settings, 4);
        bench.ask(2);
        assert_eq!(bench.step(2.0 * 0.1, 2), 1);
    }

    /// So many replicas, ready for long, the first four of which have burnt so much each.
    fn uses(replicas: u32, cpu_seconds: f64) -> Vec<ReplicaUse> {
        let of = |replica| ReplicaUse {
            replica,
            ready_since: Some(SimTime::ZERO),
            cpu_seconds: if replica < 4 { cpu_seconds } else { 0.0 },
        };
        (0..u64::from(replicas)).map(of).collect()
    }

    /// Plays 200 s, 1 core until `change` and then 2, four replicas that obey at once; when it asks for how many.
    fn after_a_change(settings: Hpa, change: u64) -> Vec<(f64, u32)> {
        let bounds = Bounds { min: 1, max: 100, initial: 4 };
        let mut scaler = HpaScaler::new(Hpa { target_utilization: 0.5, ..settings }, ScalerSetup::of(bounds, 0.5));
        let mut seen = Snapshot { desired: 4, ready: 4, ..Snapshot::default() };
        let mut wishes = Vec::new();
        while seen.at < SimTime::ZERO + Span::from_secs(200) {
            let secs = seen.at.as_secs_f64();
            seen.replicas = uses(seen.desired, (secs + (secs - change as f64).max(0.0)) / 4.0);
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
