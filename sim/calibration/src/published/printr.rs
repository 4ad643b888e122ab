//! An answer cut by a timeout on a Raspberry Pi 4 (josanabr/LibroFaaS, 2020-05-28; faasd 0.8.2, of-watchdog 0.7.1).
//!
//! A shell loop prints 1 to 10000, a line each iteration, behind a watchdog with a write timeout of 10 s. The book shows
//! an answer that ends with line 2646 and a lone "2": 12124 bytes, three whole blocks of Go's connection buffer. The
//! fourth block needs line 3498, the third line 2679: so an iteration took between 10 s / 3498 and 10 s / 2679.

use faas_lab_model::metrics::result::OutcomeKind;

use crate::runs::{Players, View, scenario};
use crate::verdict::{Bound, Row, Section};

const SCENARIO: &str = include_str!("../../../../scenarios/printr-timeouts.toml");

/// Bytes of the body that the book shows.
const BODY: f64 = 12_124.0;
/// Bytes of all 10000 lines.
const WHOLE_BODY: f64 = 48_894.0;
/// Iterations in milliseconds: just inside both ends of what the output allows, and between.
const PERIODS: [&str; 5] = ["2.859ms", "2.9ms", "3.3ms", "3.7ms", "3.7327ms"];

fn last_answer(players: &Players<'_>, overrides: &[String]) -> (f64, f64, Option<OutcomeKind>) {
    let mut overrides = overrides.to_vec();
    overrides.extend(["duration=90s", "replications=1"].map(str::to_owned));
    let scenario = scenario("printr-timeouts", SCENARIO, &overrides);
    let found = players.measure_requests(&scenario, View::default(), &|_, requests| {
        let request = requests.last()?;
        Some((request.body_bytes as f64, request.ended.since(request.arrived).as_secs_f64(), request.ending.kind))
    });
    match found.first() {
        Some(Some((bytes, secs, kind))) => (*bytes, *secs, Some(*kind)),
        _ => (f64::NAN, f64::NAN, None),
    }
}

pub(super) fn section(players: &Players<'_>) -> Section {
    let mut section = Section::new(
        "A cut answer on a Raspberry Pi 4",
        &[
            "A function prints 1 to 10000 behind a watchdog that allows 10 s (josanabr/LibroFaaS, faasd 0.8.2, of-watchdog \
             0.7.1). The published output is 12124 bytes long and bounds an iteration to (2.859, 3.733] ms. The same body \
             must come out for any period in that bound, and all lines within a minute once the limits are raised to it.",
        ],
    );
    let period = |period: &str| vec![format!("function.printr.stream.period={period}")];
    for written in PERIODS {
        let mut overrides = period(written);
        // The bound counts from the first iteration on.
        overrides.push("function.printr.watchdog.streaming.overhead=0s".into());
        let (bytes, ..) = last_answer(players, &overrides);
        let row = Row::new(format!("an iteration takes {written}"), "body", "B").published(BODY, None);
        section.rows.push(row.simulated(bytes).within(Bound::Distance(0.0)));
    }
    for written in [PERIODS[0], PERIODS[4]] {
        let raised = ["read_timeout", "write_timeout", "exec_timeout"]
            .map(|key| format!("function.printr.watchdog.streaming.{key}=1m"));
        let overrides: Vec<String> = period(written).into_iter().chain(raised).collect();
        let (bytes, secs, kind) = last_answer(players, &overrides);
        let case = format!("limits of a minute, {written}");
        section.rows.push(
            Row::new(case.clone(), "body", "B")
                .published(WHOLE_BODY, None)
                .simulated(bytes)
                .within(Bound::Distance(0.0)),
        );
        let secs = if kind == Some(OutcomeKind::Ok) { secs } else { f64::NAN };
        // The book says only that it completes within the minute.
        section.rows.push(
            Row::new(case, "response", "s").published(60.0, None).simulated(secs).within(Bound::Between(0.0, 60.0)),
        );
    }
    section
}
