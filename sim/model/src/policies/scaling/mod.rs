//! How many replicas a function should have, decided on a timer from counters such as a scrape would see.

mod ce_alert;
mod fixed;
mod grid;
mod hpa;
mod idler;
mod metrics_server;
mod pro;
mod series;

pub use ce_alert::CeAlert;
pub use fixed::Fixed;
pub use hpa::Hpa;
pub use idler::{Counting, Idler};
pub use pro::{Load, Pro};

use super::PerRequest;
use crate::rng::Key;
use crate::time::SimTime;

/// What the control plane can read of one function at one instant. Totals only ever grow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// When it was read.
    pub at: SimTime,
    /// Replicas that are wanted at present.
    pub desired: u32,
    /// Replicas that can take calls.
    pub ready: u32,
    /// Calls that the gateway has handed on and not yet seen the end of.
    pub in_flight: u32,
    /// Calls that the gateway has begun to serve, ever.
    pub started_total: u64,
    /// Calls that have ended with any status, ever.
    pub completed_total: u64,
    /// Calls that have ended with status 200, ever.
    pub ok_total: u64,
    /// CPU time the function's replicas have burnt, ever, in core-seconds.
    pub cpu_seconds_total: f64,
    /// Asynchronous invocations that wait for this function.
    pub queue_depth: u64,
    /// Its replicas whose processes run and that are to stay, in order of creation.
    pub replicas: Vec<ReplicaUse>,
}

/// What one running replica uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplicaUse {
    /// Names it; never used twice for a function.
    pub replica: u64,
    /// Since when it can take calls; `None`: not yet. Zero, where the policy's clock begins: who knows for how long.
    pub ready_since: Option<SimTime>,
    /// CPU time it has burnt, in core-seconds. Falls to nothing where its process is started again.
    pub cpu_seconds: f64,
}

/// A scaler's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The replicas it wants, within its bounds; `None` leaves them as they are.
    pub replicas: Option<u32>,
    /// When it wants to be asked next; later than the snapshot.
    pub ask_again: SimTime,
}

/// Decides on a timer. It keeps its own windows over the snapshots it was shown.
pub trait Scaler {
    /// Answers to what is `seen` now. The first question comes at time zero.
    fn decide(&mut self, seen: &Snapshot) -> Verdict;
}

/// Between how many replicas a scaler may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Fewest replicas; 0 lets a function rest.
    pub min: u32,
    /// Most replicas, ≥ min and ≥ 1.
    pub max: u32,
    /// Replicas at the start of the run, within the bounds.
    pub initial: u32,
}

/// What a scaler needs to know of its function beside its own settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScalerSetup {
    /// The bounds of its wishes.
    pub bounds: Bounds,
    /// CPU that one replica requests, in cores; what utilization is measured against.
    pub cpu_request: f64,
    /// What its draws start from, where it makes any.
    pub key: Key,
}

#[cfg(test)]
impl ScalerSetup {
    fn of(bounds: Bounds, cpu_request: f64) -> ScalerSetup {
        ScalerSetup { bounds, cpu_request, key: crate::rng::Seed(1).key("scaler") }
    }
}

/// The scaling policies that a scenario can name, with their settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// The initial number of replicas, always.
    Fixed(Fixed),
    /// The alert rule of the OpenFaaS Community Edition.
    CeAlert(CeAlert),
    /// The OpenFaaS Pro rule on requests per second, calls in flight, CPU or queue depth.
    Pro(Pro),
    /// Kubernetes HorizontalPodAutoscaler on CPU.
    Hpa(Hpa),
    /// A replica for each request that finds none idle; decided at arrivals, not by a [`Scaler`].
    PerRequest(PerRequest),
}

impl Scaling {
    /// The scaler of one function; `None` where nobody needs to be asked on a timer.
    pub fn scaler(&self, setup: ScalerSetup) -> Option<Box<dyn Scaler + Send>> {
        match self {
            Scaling::Fixed(_) | Scaling::PerRequest(_) => None,
            Scaling::CeAlert(settings) => Some(Box::new(ce_alert::CeAlertScaler::new(settings.clone(), setup))),
            Scaling::Pro(settings) => Some(Box::new(pro::ProScaler::new(settings.clone(), setup))),
            Scaling::Hpa(settings) => Some(Box::new(hpa::HpaScaler::new(settings.clone(), setup))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Span;

    /// What happens between two questions.
    #[derive(Clone, Copy, Debug)]
    struct Step {
        /// How late the question comes, as on a live gateway.
        late_millis: u64,
        calls: u64,
        failed: u64,
        in_flight: u32,
        cpu_seconds: f64,
        queue_depth: u64,
        /// Replicas that lag behind what is wanted.
        missing: u32,
        /// What someone else sets the replicas to: an operator, the idler.
        meddling: Option<u32>,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (
            prop_oneof![3 => Just(0), 1 => 0..20_000u64],
            0..2_000u64,
            0..50u64,
            0..300u32,
            0.0..100.0f64,
            0..5_000u64,
            0..10u32,
            prop_oneof![9 => Just(None), 1 => (0..40u32).prop_map(Some)],
        );
        let step =
            step.prop_map(|(late_millis, calls, failed, in_flight, cpu_seconds, queue_depth, missing, meddling)| {
                Step { late_millis, calls, failed, in_flight, cpu_seconds, queue_depth, missing, meddling }
            });
        prop::collection::vec(step, 1..150)
    }

    fn bounds() -> impl Strategy<Value = Bounds> {
        (0..5u32, 1..30u32).prop_map(|(min, more)| Bounds { min, max: min + more, initial: min })
    }

    fn policies() -> Vec<Scaling> {
        let window = Span::from_secs(60);
        let mut policies: Vec<Scaling> = [Load::Rps, Load::Capacity, Load::Cpu, Load::Queue]
            .into_iter()
            .flat_map(|load| [Pro::new(load), Pro { target: 3.0, down_window: window, ..Pro::new(load) }])
            .map(Scaling::Pro)
            .collect();
        policies.extend([CeAlert::default(), CeAlert::corrected()].map(Scaling::CeAlert));
        policies.push(Scaling::CeAlert(CeAlert {
            evaluation: Span::from_secs(7),
            group_wait: Span::ZERO,
            ..CeAlert::corrected()
        }));
        policies.extend([Hpa::default(), Hpa { up_window: window, ..Hpa::default() }].map(Scaling::Hpa));
        policies.push(Scaling::Hpa(Hpa { period: Span::from_millis(4_700), ..Hpa::default() }));
        policies.push(Scaling::Hpa(Hpa { housekeeping_interval: Some(Span::from_secs(10)), ..Hpa::default() }));
        policies
    }

    /// Plays `steps` with a function that obeys at once; every question with its answer.
    fn play(scaler: &mut dyn Scaler, initial: u32, steps: &[Step]) -> Vec<(Snapshot, Verdict)> {
        let mut seen = Snapshot { desired: initial, ready: initial, ..Snapshot::default() };
        let mut log = Vec::new();
        for step in steps {
            let verdict = scaler.decide(&seen);
            log.push((seen.clone(), verdict));
            if verdict.ask_again == SimTime::NEVER {
                break;
            }
            seen.at = verdict.ask_again + Span::from_millis(step.late_millis);
            seen.desired = step.meddling.or(verdict.replicas).unwrap_or(seen.desired);
            seen.ready = seen.desired.saturating_sub(step.missing);
            seen.started_total += step.calls;
            seen.completed_total += step.calls;
            seen.ok_total += step.calls.saturating_sub(step.failed);
            seen.in_flight = step.in_flight;
            seen.cpu_seconds_total += step.cpu_seconds;
            seen.queue_depth = step.queue_depth;
            // Some are there and not ready, some are not even there.
            let there = 0..u64::from(seen.desired).saturating_sub(u64::from(step.missing) / 2);
            let ready_since = |replica| (replica < u64::from(seen.ready)).then_some(seen.at);
            let of = |replica| ReplicaUse {
                replica,
                ready_since: ready_since(replica),
                cpu_seconds: seen.cpu_seconds_total / (replica + 1) as f64,
            };
            seen.replicas = there.map(of).collect();
        }
        log
    }

    proptest! {
        #[test]
        fn wishes_stay_within_bounds_and_time_moves_on(bounds in bounds(), steps in steps()) {
            for policy in policies() {
                let mut scaler = policy.scaler(ScalerSetup::of(bounds, 0.2)).expect("asked on a timer");
                for (seen, verdict) in play(scaler.as_mut(), bounds.initial, &steps) {
                    prop_assert!(verdict.ask_again > seen.at, "{policy:?}");
                    if let Some(replicas) = verdict.replicas {
                        prop_assert!((bounds.min.max(1)..=bounds.max).contains(&replicas), "{policy:?} wants {replicas}");
                    }
                }
            }
        }

        #[test]
        fn the_idler_only_ever_says_rest(after in 0..600u64, steps in steps()) {
            for counting in [Counting::Completions, Counting::Starts, Counting::InFlight] {
                let mut idler = Idler { after: Span::from_secs(after), counting, ..Idler::default() }.scaler();
                for (seen, verdict) in play(idler.as_mut(), 1, &steps) {
                    prop_assert!(verdict.ask_again > seen.at);
                    prop_assert!(matches!(verdict.replicas, None | Some(0)));
                    if counting == Counting::InFlight && verdict.replicas.is_some() {
                        prop_assert_eq!(seen.in_flight, 0);
                    }
                }
            }
        }

        #[test]
        fn the_same_snapshots_give_the_same_verdicts(bounds in bounds(), steps in steps()) {
            for policy in policies() {
                let setup = ScalerSetup::of(bounds, 0.2);
                let mut first = policy.scaler(setup).expect("asked on a timer");
                let mut second = policy.scaler(setup).expect("asked on a timer");
                for (seen, verdict) in play(first.as_mut(), bounds.initial, &steps) {
                    prop_assert_eq!(second.decide(&seen), verdict);
                }
            }
        }
    }

    #[test]
    fn nobody_asks_a_fixed_fleet_or_scale_per_request() {
        let setup = ScalerSetup::of(Bounds { min: 1, max: 3, initial: 2 }, 0.2);
        assert!(Scaling::Fixed(Fixed {}).scaler(setup).is_none());
        assert!(Scaling::PerRequest(PerRequest::default()).scaler(setup).is_none());
    }
}
