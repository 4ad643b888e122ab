//! The alert rule of the OpenFaaS Community Edition: Prometheus scrapes, a rule fires, Alertmanager tells the gateway.
//!
//! ```text
//! scrape, 5 s ─▶ rate over 10 s ─▶ rule, each 15 s, held 5 s ─▶ group, after 5 s then each 10 s ─▶ webhook ─▶ gateway
//! ```
//! Three programs, each on its own clock; where their instants coincide they act in this order. The consequences are
//! reproduced, not repaired:
//!
//! * The gateway adds a step at each notification of a firing alert, whatever the replicas achieve, so the count climbs to
//!   the maximum while the rate stays above the threshold (openfaas/faas#1271).
//! * A resolved alert sets the minimum at once (openfaas/faas#1124, #1676), and so wakes a function that rests.
//! * The rule counts status 200 only: a function that fails under load looks idle. One slower than the threshold never
//!   scales.
//! * Alertmanager stamps a notification after it has been sent, so a repeat is due only at the first look *later* than
//!   the repeat interval: 40 s with the chart's 30 s and 10 s (prometheus/alertmanager#676, #917).
//!
//! The corrected variant keeps the three clocks and mends the gateway's arithmetic. The threshold is read as the calls per
//! second that one replica serves, and a notification carries the highest rate that the rule has seen since the one
//! before, the rate that held then included. The function needs `ceil(rate / threshold)` replicas; each notification moves
//! at most one step towards that, up or down. After the alert has resolved, it takes one step down at each look of the
//! group until the minimum is reached. A function that rests is not woken.
//!
//! Simplified: all grids start at zero, where real ones are offset at random; the stock configuration puts the alerts of
//! all functions into one group, here each function has its own; a group is forgotten once its resolution has been told,
//! where Alertmanager cleans up every 30 s; nothing is lost or delayed between the programs.

use super::grid::Grid;
use super::series::Series;
use super::{Bounds, Scaler, ScalerSetup, Snapshot, Verdict};
use crate::policies::Listing;
use crate::time::{SimTime, Span};

/// Settings of the alert rule and of the three programs it passes through. Defaults: the OpenFaaS chart's.
#[derive(Clone, Debug, PartialEq)]
pub struct CeAlert {
    /// Calls per second with status 200 above which the alert fires (5).
    pub threshold_per_second: f64,
    /// Window of the rate (10 s).
    pub rate_window: Span,
    /// How long the rate must stay above the threshold (5 s).
    pub hold: Span,
    /// Prometheus' scrape interval (5 s).
    pub scrape: Span,
    /// Prometheus' rule evaluation interval (15 s).
    pub evaluation: Span,
    /// Alertmanager's wait before the first notification of a group (5 s).
    pub group_wait: Span,
    /// Alertmanager's interval between looks at a changed group (10 s).
    pub group_interval: Span,
    /// Alertmanager's interval between repeats of an unchanged alert (30 s).
    pub repeat_interval: Span,
    /// Share of the maximum that one alert adds, in (0, 1] (0.10 today, 0.20 before 2023).
    pub factor: f64,
    /// The corrected variant: steps are bounded by the load, and a resolved alert steps down instead of falling to the
    /// minimum at once.
    pub corrected: bool,
}

impl Default for CeAlert {
    fn default() -> CeAlert {
        CeAlert {
            threshold_per_second: 5.0,
            rate_window: Span::from_secs(10),
            hold: Span::from_secs(5),
            scrape: Span::from_secs(5),
            evaluation: Span::from_secs(15),
            group_wait: Span::from_secs(5),
            group_interval: Span::from_secs(10),
            repeat_interval: Span::from_secs(30),
            factor: 0.10,
            corrected: false,
        }
    }
}

impl CeAlert {
    /// How the rule is listed.
    pub const LISTING: Listing = Listing {
        name: "ce-alert",
        key: "function.NAME.scaling",
        about: "OpenFaaS Community Edition: an alert on calls per second adds a step at a time, its end drops to the minimum",
    };

    /// How the corrected variant is listed.
    pub const LISTING_CORRECTED: Listing = Listing {
        name: "ce-alert-corrected",
        key: "function.NAME.scaling",
        about: "the same alert, but steps stop at what the rate needs and lead down again one by one",
    };

    /// The settings of `ce-alert-corrected`.
    pub fn corrected() -> CeAlert {
        CeAlert { corrected: true, ..CeAlert::default() }
    }
}

/// The three programs at work on one function.
#[derive(Clone, Debug)]
pub(super) struct CeAlertScaler {
    settings: CeAlert,
    bounds: Bounds,
    scrapes: Grid,
    evaluations: Grid,
    ok: Series<f64>,
    /// Since when the rule's expression has held: the alert is pending, and fires once it has held for long enough.
    active_since: Option<SimTime>,
    group: Option<Group>,
    /// The rate at the last evaluation.
    rate: f64,
    /// The highest rate that the next notification carries.
    highest_rate: f64,
}

/// Alertmanager's group of the function's one alert.
#[derive(Clone, Copy, Debug)]
struct Group {
    next_look: SimTime,
    firing: bool,
    told: Told,
}

/// The last notification of a group.
#[derive(Clone, Copy, Debug)]
enum Told {
    Nothing,
    Firing(SimTime),
    Resolved,
}

/// What the gateway's webhook is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alert {
    Firing,
    Resolved,
}

impl CeAlertScaler {
    pub(super) fn new(settings: CeAlert, setup: ScalerSetup) -> CeAlertScaler {
        CeAlertScaler {
            bounds: setup.bounds,
            scrapes: Grid::new(settings.scrape),
            evaluations: Grid::new(settings.evaluation),
            ok: Series::keeping(settings.rate_window),
            active_since: None,
            group: None,
            rate: 0.0,
            highest_rate: 0.0,
            settings,
        }
    }

    /// Prometheus reads the gateway's counter, which does not exist before the first call with status 200.
    fn scrape(&mut self, seen: &Snapshot) {
        if seen.ok_total > 0 {
            self.ok.push(seen.at, seen.ok_total as f64);
        }
    }

    /// Prometheus evaluates the rule and tells Alertmanager whether the alert fires.
    fn evaluate(&mut self, now: SimTime) {
        self.rate = self.ok.rate(now, self.settings.rate_window).unwrap_or(0.0);
        self.highest_rate = self.highest_rate.max(self.rate);
        let active = self.rate > self.settings.threshold_per_second;
        self.active_since = active.then(|| self.active_since.unwrap_or(now));
        let firing = self.active_since.is_some_and(|since| now.since(since) >= self.settings.hold);
        if let Some(group) = &mut self.group {
            group.firing = firing;
        } else if firing {
            self.group = Some(Group { next_look: now + self.settings.group_wait, firing, told: Told::Nothing });
        }
    }

    /// Alertmanager looks at the group, if it is time to, and notifies the gateway if there is news.
    fn look(&mut self, now: SimTime) -> Option<Alert> {
        let group = self.group.as_mut().filter(|group| now >= group.next_look)?;
        // At least a moment, so that time moves on.
        group.next_look = now + self.settings.group_interval.max(Span::from_millis(1));
        match (group.firing, group.told) {
            (true, Told::Firing(at)) if now.since(at) <= self.settings.repeat_interval => None,
            (true, _) => {
                group.told = Told::Firing(now);
                Some(Alert::Firing)
            }
            (false, Told::Nothing) => {
                self.group = None;
                None
            }
            (false, _) => {
                group.told = Told::Resolved;
                Some(Alert::Resolved)
            }
        }
    }

    /// The gateway answers a notification with a number of replicas.
    fn scale(&mut self, alert: Alert, current: u32) -> u32 {
        let Bounds { min, max, .. } = self.bounds;
        let floor = min.max(1);
        if !self.settings.corrected {
            return match alert {
                Alert::Firing if self.step() > 0 => current.saturating_add(self.step()).clamp(floor, max),
                _ => floor,
            };
        }
        let needed = match alert {
            Alert::Firing => ((self.highest_rate / self.settings.threshold_per_second).ceil() as u32).clamp(floor, max),
            Alert::Resolved => floor,
        };
        // With a factor of zero a step would lead nowhere.
        let step = self.step().max(1);
        needed.clamp(current.saturating_sub(step), current.saturating_add(step)).clamp(floor, max)
    }

    /// Replicas that one notification adds, in the gateway's order of operations, to keep its rounding.
    fn step(&self) -> u32 {
        (f64::from(self.bounds.max) / 100.0 * (self.settings.factor * 100.0).round()).ceil() as u32
    }
}

impl Scaler for CeAlertScaler {
    fn decide(&mut self, seen: &Snapshot) -> Verdict {
        if self.scrapes.due(seen.at) {
            self.scrape(seen);
        }
        if self.evaluations.due(seen.at) {
            self.evaluate(seen.at);
        }
        let mut replicas = None;
        if let Some(alert) = self.look(seen.at) {
            let wish = self.scale(alert, seen.desired);
            // The corrected variant has no business waking a function that rests.
            let asleep = self.settings.corrected && seen.desired == 0;
            replicas = (wish != seen.desired && !asleep).then_some(wish);
            self.highest_rate = self.rate;
            let stepping_down = self.settings.corrected && replicas.is_some();
            if alert == Alert::Resolved && !stepping_down {
                self.group = None;
            }
        }
        let next_look = self.group.map_or(SimTime::NEVER, |group| group.next_look);
        Verdict { replicas, ask_again: self.scrapes.next().min(self.evaluations.next()).min(next_look) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The replicas a scaler sets, each with the second at which it does, when its function obeys at once and `ok_total`
    /// calls have succeeded by each second.
    fn changes(settings: CeAlert, max: u32, until: u64, ok_total: impl Fn(u64) -> u64) -> Vec<(u64, u32)> {
        let bounds = Bounds { min: 1, max, initial: 1 };
        let mut scaler = CeAlertScaler::new(settings, ScalerSetup::of(bounds, 0.1));
        let (mut at, mut replicas, mut changes) = (SimTime::ZERO, 1, Vec::new());
        while at <= SimTime::ZERO + Span::from_secs(until) {
            let second = at.as_nanos() / 1_000_000_000;
            let seen =
                Snapshot { at, desired: replicas, ready: replicas, ok_total: ok_total(second), ..Snapshot::default() };
            let verdict = scaler.decide(&seen);
            if let Some(wish) = verdict.replicas {
                replicas = wish;
                changes.push((second, wish));
            }
            assert!(verdict.ask_again > at);
            at = verdict.ask_again;
        }
        changes
    }

    /// `rate` calls per second between two instants.
    fn burst(rate: u64, from: u64, to: u64) -> impl Fn(u64) -> u64 {
        move |second| rate * second.clamp(from, to).saturating_sub(from)
    }

    #[test]
    fn the_step_is_a_share_of_the_maximum_rounded_up() {
        for (max, factor, step) in
            [(5, 0.10, 1), (5, 0.20, 1), (20, 0.20, 4), (20, 0.10, 2), (12, 0.20, 3), (5, 1.0, 5)]
        {
            let setup = ScalerSetup::of(Bounds { min: 1, max, initial: 1 }, 0.1);
            assert_eq!(
                CeAlertScaler::new(CeAlert { factor, ..CeAlert::default() }, setup).step(),
                step,
                "{max} {factor}"
            );
        }
    }

    #[test]
    fn steady_load_climbs_to_the_maximum_and_stays_there() {
        // Load from the start: pending at 15 s, firing at 30 s, first told at 35 s, then each 40 s (looks at 45, 55, 65 and 75).
        let changes = changes(CeAlert::default(), 5, 600, burst(6, 0, 600));
        assert_eq!(changes, [(35, 2), (75, 3), (115, 4), (155, 5)]);
    }

    #[test]
    fn the_end_of_the_load_drops_to_the_minimum_at_once() {
        // The last counter movement is scraped at 100 s; the rule sees 0/s at 105 s, and the group looks at 105 s.
        let changes = changes(CeAlert { factor: 1.0, ..CeAlert::default() }, 20, 600, burst(6, 0, 100));
        assert_eq!(changes, [(35, 20), (105, 1)]);
    }

    #[test]
    fn a_load_at_the_threshold_or_a_short_burst_does_not_fire() {
        assert_eq!(changes(CeAlert::default(), 5, 600, burst(5, 0, 600)), []);
        assert_eq!(changes(CeAlert::default(), 5, 600, burst(50, 6, 18)), [], "over before the rule has held");
    }

    #[test]
    fn calls_that_do_not_succeed_are_not_counted() {
        let bounds = Bounds { min: 1, max: 5, initial: 1 };
        let mut scaler = CeAlertScaler::new(CeAlert::default(), ScalerSetup::of(bounds, 0.1));
        for step in 0..100 {
            let at = SimTime::ZERO + Span::from_secs(5 * step);
            let total = 500 * step;
            let seen = Snapshot {
                at,
                desired: 1,
                ready: 1,
                started_total: total,
                completed_total: total,
                ..Snapshot::default()
            };
            assert_eq!(scaler.decide(&seen).replicas, None);
        }
    }

    #[test]
    fn only_counters_read_at_scrapes_make_a_rate() {
        // Evaluations between scrapes: the counter shown then is far off, and must not matter.
        let settings = CeAlert { evaluation: Span::from_secs(7), ..CeAlert::default() };
        let steady = |second: u64| if second.is_multiple_of(5) { 1 + 4 * second } else { 1_000_000 };
        assert_eq!(changes(settings, 5, 600, steady), []);
    }

    #[test]
    fn the_corrected_rule_settles_at_what_the_rate_needs() {
        let settings = CeAlert::corrected();
        // 18/s at 5/s a replica: four replicas of at most twenty, by steps of two.
        let changes = changes(settings, 20, 1200, burst(18, 0, 1200));
        assert_eq!(changes, [(35, 3), (75, 4)]);
    }

    #[test]
    fn the_corrected_rule_walks_down_with_the_load_and_after_it() {
        let settings = CeAlert::corrected();
        let ok_total = |second: u64| burst(48, 0, 300)(second) + burst(12, 300, 500)(second);
        let changes = changes(settings, 20, 700, ok_total);
        let replicas: Vec<u32> = changes.iter().map(|&(_, replicas)| replicas).collect();
        assert_eq!(replicas, [3, 5, 7, 9, 10, 8, 6, 4, 3, 1], "{changes:?}");
    }

    #[test]
    fn the_corrected_rule_settles_even_if_it_is_told_more_often_than_the_rule_is_evaluated() {
        let settings = CeAlert { evaluation: Span::from_secs(60), ..CeAlert::corrected() };
        assert_eq!(changes(settings, 20, 1200, burst(18, 0, 1200)), [(125, 3), (165, 4)]);
    }

    #[test]
    fn the_corrected_rule_lets_a_resting_function_rest() {
        let setup = ScalerSetup::of(Bounds { min: 1, max: 5, initial: 1 }, 0.1);
        let wakes = |settings| {
            let mut scaler = CeAlertScaler::new(settings, setup);
            (0..40u64).any(|step| {
                let at = SimTime::ZERO + Span::from_secs(5 * step);
                // Load until 60 s, and nothing left of the function from then on.
                let replicas = u32::from(step < 12);
                let ok_total = 1 + 50 * step.min(12);
                let seen = Snapshot { at, desired: replicas, ready: replicas, ok_total, ..Snapshot::default() };
                scaler.decide(&seen).replicas.is_some() && replicas == 0
            })
        };
        assert!(wakes(CeAlert { repeat_interval: Span::MAX, ..CeAlert::default() }));
        assert!(!wakes(CeAlert { repeat_interval: Span::MAX, ..CeAlert::corrected() }));
    }

    #[test]
    fn the_corrected_rule_takes_its_last_steps_at_each_look() {
        // The rule sees the end of the load at its evaluation at 210 s; the group looks at 215 s and each 10 s from there.
        let changes = changes(CeAlert::corrected(), 20, 700, burst(48, 0, 200));
        assert_eq!(changes[5..], [(215, 8), (225, 6), (235, 4), (245, 2), (255, 1)]);
    }
}
