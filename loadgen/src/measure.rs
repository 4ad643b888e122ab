//! What only a measured result has, from what the run left; and whether its numbers can be trusted.

use std::time::SystemTime;

use faas_lab_model::metrics::measurement::{
    CallbackCounts, ClientUse, ErrorReason, LoadMode, MeasuredTarget, Measurement, ShardOf,
};
use faas_lab_model::metrics::result::HistogramData;
use faas_lab_model::scenario::Scenario;

use crate::book::Page;
use crate::clock::Clock;
use crate::users::Crowd;
use crate::validity;
use crate::warmth::Told;

/// What is known of a run beside its calls.
pub(crate) struct Facts {
    pub(crate) target: MeasuredTarget,
    pub(crate) clock: Clock,
    /// Arrivals that were due and never sent.
    pub(crate) unsent: u64,
    pub(crate) used: ClientUse,
    pub(crate) callbacks: Option<CallbackCounts>,
    pub(crate) shard: Option<ShardOf>,
}

pub(crate) fn measurement(scenario: &Scenario, crowd: &Crowd, total: &Page, facts: Facts) -> Measurement {
    let mode = match (crowd.pool() > 0, crowd.closed_users() > 0) {
        (true, true) => LoadMode::Mixed,
        (false, true) => LoadMode::Closed,
        _ => LoadMode::Open,
    };
    let mut measurement = Measurement {
        target: facts.target,
        mode,
        started_at: rfc3339(facts.clock.wall()),
        clock_step_seconds: facts.clock.gained(),
        valid: true,
        reasons: Vec::new(),
        offered: total.sent + facts.unsent,
        sent: total.sent,
        late_starts: total.late,
        cap_hits: crowd.gate.cap_hits(),
        cap: crowd.users() as u64,
        in_flight_max: crowd.gate.busy_max(),
        connections: crowd.caller.connections().opened(),
        client: facts.used,
        lateness: HistogramData::of(&total.lateness),
        first_byte: HistogramData::of(&total.first_byte),
        connecting: HistogramData::of(&total.connecting),
        from_sending: HistogramData::of(&total.from_sending),
        cold_told_by: told(crowd.told()).to_owned(),
        errors: errors(scenario, total),
        callbacks: facts.callbacks,
        shard: facts.shard,
    };
    measurement.reasons = validity::reasons(&measurement, total, facts.clock.now().as_secs_f64());
    measurement.valid = measurement.reasons.is_empty();
    measurement
}

fn told(told: Told) -> &'static str {
    match told {
        Told::ByPlatform => "platform",
        Told::ByFirstAnswer => "first-answer",
        Told::ByReplicas => "replicas",
        Told::Not => "nothing",
    }
}

/// Most frequent first.
fn errors(scenario: &Scenario, total: &Page) -> Vec<ErrorReason> {
    let mut errors: Vec<ErrorReason> = total
        .errors
        .iter()
        .map(|((function, status, fault, reason), count)| ErrorReason {
            function: scenario.functions[*function].name.clone(),
            status: *status,
            fault: fault.map(|fault| fault.name().to_owned()),
            reason: reason.clone(),
            count: *count,
        })
        .collect();
    errors.sort_by_key(|error| std::cmp::Reverse(error.count));
    errors
}

/// UTC, in whole milliseconds. A clock beyond the calendar is taken for its beginning.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Instants as `date -u -d @N` prints them.
    #[test]
    fn wall_times_are_dates() {
        let at = |secs: u64| rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(secs * 1000 + 7));
        assert_eq!(at(0), "1970-01-01T00:00:00.007Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59.007Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.007Z");
    }
}
