//! One scenario from start to result: warm-up, replications, theory.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

use faas_lab_model::metrics::result::{RunResult, Warning, Window};
use faas_lab_model::metrics::{RunRecord, assemble};
use faas_lab_model::scenario::{Scenario, WarmUp};
use faas_lab_model::time::Span;

use faas_lab_sim::MOST_IN_FLIGHT;

use crate::check::{Likeness, check};
use crate::replicate::{Ended, Plan, Precision, Progress, Replicated, RequestSink, replicate};
use crate::uncertain;
use crate::warmup::{Truncated, find_warm_up};

/// How to simulate; nothing in here can change a replication.
#[derive(Clone, Copy)]
pub struct Simulation<'a> {
    /// The command that makes the result again.
    pub command: &'a str,
    /// Replications that run at once.
    pub threads: NonZeroUsize,
    /// Go on beyond the scenario's number of replications until this is reached.
    pub precision: Option<Precision>,
    /// Whether to compare with theory.
    pub check: bool,
    /// Set from outside to end early.
    pub stop: &'a AtomicBool,
    /// Called now and then from any thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// A result and what was found on the way to it.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The result.
    pub result: RunResult,
    /// Why there are no more replications.
    pub ended: Ended,
    /// Theory beside it, if that was asked for.
    pub likeness: Option<Likeness>,
}

/// Simulates `scenario`; `None` if it was stopped before anything was seen.
pub fn simulate(scenario: &Scenario, how: Simulation<'_>, requests: Option<RequestSink<'_>>) -> Option<Simulated> {
    let plan = |warm_up| Plan {
        warm_up,
        steps: 0,
        threads: how.threads,
        precision: how.precision,
        stop: how.stop,
        progress: how.progress,
    };
    let quiet = |_| ();
    let truncated = match scenario.warm_up {
        WarmUp::Given(warm_up) => Truncated { warm_up, rule: "given".into(), warning: None },
        WarmUp::Auto => find_warm_up(scenario, Plan { progress: &quiet, ..plan(Span::ZERO) }),
    };
    let Replicated { records, ended } = replicate(scenario, plan(truncated.warm_up), requests);
    let likeness = (how.check && !records.is_empty()).then(|| check(scenario, &records));
    let band = uncertain::band(scenario, &records);
    let mut result = result_of(scenario, how.command, records, truncated, ended)?;
    result.warnings.extend(band);
    result.checks = likeness.as_ref().map(|likeness| likeness.checks.clone()).unwrap_or_default();
    result.warnings.extend(imprecise(ended, how.precision));
    Some(Simulated { result, ended, likeness })
}

/// The result of replications that `ended` in one way or another; `None` without any.
pub(crate) fn result_of(
    scenario: &Scenario,
    command: &str,
    records: Vec<RunRecord>,
    truncated: Truncated,
    ended: Ended,
) -> Option<RunResult> {
    let first = records.first()?;
    let window = Window {
        warm_up_seconds: truncated.warm_up.as_secs_f64(),
        warm_up_rule: truncated.rule,
        duration_seconds: if first.partial { first.window.1.as_secs_f64() } else { scenario.duration.as_secs_f64() },
        drain_seconds: scenario.drain.as_secs_f64(),
    };
    let mut result = assemble(scenario, command.to_owned(), records, window, Vec::new());
    result.partial |= matches!(ended, Ended::Stopped | Ended::Overfull);
    result.warnings.extend((ended == Ended::Overfull).then(overfull));
    result.warnings.extend(truncated.warning);
    Some(result)
}

fn overfull() -> Warning {
    Warning {
        code: "overfull".into(),
        text: format!(
            "more than {MOST_IN_FLIGHT} requests were in flight at once, so the run ended there. Lower the rate, bound the waiting room or the backlog, or let clients give up (edge.client_timeout)."
        ),
    }
}

fn imprecise(ended: Ended, precision: Option<Precision>) -> Option<Warning> {
    let (Ended::Limit(width), Some(precision)) = (ended, precision) else { return None };
    let reached = width.map_or_else(
        || "no interval could be computed".to_owned(),
        |width| format!("± {:.2} % was reached", 100.0 * width),
    );
    Some(Warning {
        code: "precision".into(),
        text: format!(
            "± {} % was asked for, but after the limit of {} replications {reached}.",
            100.0 * precision.relative,
            precision.at_most
        ),
    })
}
