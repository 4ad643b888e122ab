//! Whether a measurement can be trusted: a late, starved or jumping client is a finding, not noise.

use faas_lab_model::metrics::TimeHistogram;
use faas_lab_model::metrics::measurement::{Invalidity, LoadMode, Measurement};

use crate::book::Page;

/// Percentiles that reports show.
const REPORTED: [(f64, &str); 5] = [(0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99.9")];

/// A percentile is told by so many values beyond it, at the least.
const FEWEST_BEYOND: f64 = 10.0;

/// A percentile may be moved by this share of itself …
const MOVED_SHARE: f64 = 0.05;
/// … or by this many seconds, whichever is more.
const MOVED_SECS: f64 = 1e-3;

/// Of the offered load, at least this share must be sent.
const SENT_SHARE: f64 = 0.99;

/// A client that needs more than this of its cores sets the pace itself.
const CPU_SHARE: f64 = 0.95;

/// Network time protocols slew a clock by up to 500 ppm; what is beyond that and this many seconds is a step.
const SLEW: f64 = 500e-6;
const STEP_SECS: f64 = 0.05;

/// What speaks against a measurement that took so many seconds.
pub(crate) fn reasons(measurement: &Measurement, total: &Page, elapsed_secs: f64) -> Vec<Invalidity> {
    let found = [
        moved(measurement, &total.from_intended, &total.from_sending),
        unsent(measurement),
        saturated(measurement),
        stepped(measurement, elapsed_secs),
    ];
    found.into_iter().flatten().collect()
}

fn invalid(code: &str, text: String) -> Option<Invalidity> {
    Some(Invalidity { code: code.into(), text })
}

/// Requests sent late met the target later than they should, and it may have been quicker or slower by then.
fn moved(measurement: &Measurement, intended: &TimeHistogram, sending: &TimeHistogram) -> Option<Invalidity> {
    let beyond = |q: f64| intended.count() as f64 * (1.0 - q) >= FEWEST_BEYOND;
    let judged = REPORTED.into_iter().filter(|(q, _)| *q == 0.5 || beyond(*q));
    let found = judged.filter_map(|(q, name)| {
        let (reported, without) = (intended.quantile(q)?, sending.quantile(q)?);
        let moved = reported - without;
        (moved > MOVED_SECS && moved > MOVED_SHARE * reported).then_some((moved / reported, name, reported, without))
    });
    let (_, name, reported, without) = found.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let milliseconds = |secs: f64| secs * 1e3;
    let what = format!(
        "requests were sent late: {name} is {:.1} ms from when they were meant to be sent, and {:.1} ms from when they were.",
        milliseconds(reported),
        milliseconds(without)
    );
    if measurement.cap_hits > 0 {
        invalid(
            "cap",
            format!(
                "{what} {} of them had to wait because {} were in flight already: allow more with --in-flight.",
                measurement.cap_hits, measurement.cap
            ),
        )
    } else {
        invalid(
            "late",
            format!(
                "{what} Use a less busy machine, put the client before its other work (on Linux: chrt -f 10 faas-lab loadtest …), lower the rate, or share it with --processes."
            ),
        )
    }
}

fn unsent(measurement: &Measurement) -> Option<Invalidity> {
    let share = measurement.sent as f64 / measurement.offered.max(1) as f64;
    if share >= SENT_SHARE || measurement.offered == 0 {
        return None;
    }
    invalid(
        "unsent",
        format!(
            "only {} of {} requests were sent by the end: allow more in flight with --in-flight, or lower the rate.",
            measurement.sent, measurement.offered
        ),
    )
}

fn saturated(measurement: &Measurement) -> Option<Invalidity> {
    let client = &measurement.client;
    let what = match measurement.mode {
        LoadMode::Closed => "the users could not ask as fast as they were answered",
        LoadMode::Open | LoadMode::Mixed => "answers may have waited for this client",
    };
    if client.cpu_share < CPU_SHARE {
        return None;
    }
    invalid(
        "client-cpu",
        format!(
            "this client kept {:.0} % of its {} cores busy: {what}. Use more cores or machines (--processes, --shards), or less load.",
            100.0 * client.cpu_share,
            client.cores
        ),
    )
}

fn stepped(measurement: &Measurement, elapsed_secs: f64) -> Option<Invalidity> {
    let step = measurement.clock_step_seconds;
    if step.abs() <= STEP_SECS + SLEW * elapsed_secs {
        return None;
    }
    invalid(
        "clock-step",
        format!("the wall clock was set by {step:+.3} s during the run: instants in the report may be off by that."),
    )
}
