//! Who gave up on requests? Those without a full answer, by what the client saw and the hop that decided it.

use faas_lab_model::metrics::result::{OutcomeCount, OutcomeKind};

use super::bars::{self, BarRow};
use super::{Chart, Ink, Row, Table, both};
use crate::format;
use crate::words::outcome_words;

/// `None` when every request was answered in full, or there were none.
pub(crate) fn of_function(outcomes: &[OutcomeCount]) -> Option<Chart> {
    let total: u64 = outcomes.iter().map(|outcome| outcome.count).sum();
    let bad: Vec<&OutcomeCount> =
        outcomes.iter().filter(|outcome| outcome.outcome != OutcomeKind::Ok && outcome.count > 0).collect();
    let worst = bad.iter().max_by_key(|outcome| outcome.count)?;
    let share = |count: u64| count as f64 / total as f64;
    let rows: Vec<BarRow> = bad
        .iter()
        .map(|outcome| BarRow {
            label: name(outcome),
            from: 0.0,
            to: outcome.count as f64,
            value: format!("{} · {}", format::count(outcome.count), format::share(share(outcome.count))),
            ink: match outcome.outcome {
                OutcomeKind::TimedOut => Ink::Vermilion,
                OutcomeKind::Truncated => Ink::Orange,
                OutcomeKind::Refused | OutcomeKind::Unavailable => Ink::Purple,
                _ => Ink::Limit,
            },
        })
        .collect();
    let lost: u64 = bad.iter().map(|outcome| outcome.count).sum();
    let mut caption = format!(
        "{} of {} requests ({}) did not get a full answer",
        format::count(lost),
        format::count(total),
        format::share(share(lost))
    );
    caption += &match bad.len() {
        1 => format!(": all of them {}.", name(worst)),
        _ => format!("; {} of them {}.", format::share(worst.count as f64 / lost as f64), name(worst)),
    };
    let (wide, narrow) = both(|layout| bars::paint(layout, &rows, |count| format::count(count as u64)));
    let row = |outcome: &OutcomeCount| Row {
        at: None,
        cells: vec![
            outcome_words(outcome.outcome).to_owned(),
            outcome.hop.clone().unwrap_or_else(|| format::NONE.to_owned()),
            outcome.status.map_or_else(|| format::NONE.to_owned(), |status| status.to_string()),
            format::count(outcome.count),
            format::share(share(outcome.count)),
        ],
    };
    Some(Chart {
        title: "Who gave up on requests?".to_owned(),
        caption,
        label: "Requests without a full answer by outcome and hop".to_owned(),
        wide,
        narrow,
        table: Table {
            caption: "How requests ended, all runs together".to_owned(),
            entries: Vec::new(),
            head: ["outcome", "hop", "status", "requests", "share"].map(str::to_owned).to_vec(),
            rows: outcomes.iter().map(row).collect(),
        },
    })
}

/// The outcome with its hop and status: `timed out at gateway upstream (504)`.
fn name(outcome: &OutcomeCount) -> String {
    let mut text = outcome_words(outcome.outcome).to_owned();
    if let Some(hop) = &outcome.hop {
        text += &format!(" at {hop}");
    }
    if let Some(status) = outcome.status {
        text += &format!(" ({status})");
    }
    text
}
