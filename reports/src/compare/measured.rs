//! How near is the simulation? Simulated results over measured ones, where both are there.

use faas_lab_model::metrics::result::{self, Source};
use maud::{Markup, html};

use super::caption;
use super::view::{Seen, View};
use crate::charts::overlay::{self, Curve};
use crate::charts::{Ink, Look};
use crate::format;
use crate::page::{svg, table};
use crate::words;

/// Figures that simulation and measurement are held against each other by.
const HELD: [&str; 7] = [
    result::RESPONSE_P50,
    result::RESPONSE_P95,
    result::RESPONSE_P99,
    result::ERROR_RATE,
    result::GOODPUT,
    result::COLD_STARTS,
    result::REPLICAS_MEAN,
];

/// Measured results that get a chart each, with the simulated ones that stand for them.
const MOST: usize = 6;

/// `None` where all are simulated or all measured.
pub(super) fn measured(view: &View<'_>) -> Option<Markup> {
    if !view.is_mixed() {
        return None;
    }
    let of = |source: Source| -> Vec<&Seen<'_>> {
        view.ranked.iter().filter(|seen| seen.entry.result.source == source).collect()
    };
    let (measured, simulated) = (of(Source::Measured), of(Source::Simulated));
    Some(html! {
        @for real in measured.iter().take(MOST) {
            @let stand_ins = stand_ins(real, &simulated);
            (figure(real, &stand_ins))
        }
        @if measured.len() > MOST { p .quiet { "The other " (measured.len() - MOST) " measured results are in the tables only." } }
    })
}

/// Simulated results of the same name, or all if none has it.
fn stand_ins<'v, 'c>(real: &Seen<'_>, simulated: &[&'v Seen<'c>]) -> Vec<&'v Seen<'c>> {
    let same: Vec<&Seen<'_>> =
        simulated.iter().copied().filter(|seen| seen.entry.result.name == real.entry.result.name).collect();
    if same.is_empty() { simulated.iter().copied().take(MOST).collect() } else { same.into_iter().take(MOST).collect() }
}

fn figure(real: &Seen<'_>, simulated: &[&Seen<'_>]) -> Markup {
    let mut curves = vec![Curve {
        entry: real.index,
        name: real.label(),
        look: Look { ink: Ink::Text, dash: 0 },
        times: &real.answered,
        shown: true,
    }];
    curves.extend(simulated.iter().map(|seen| Curve {
        entry: seen.index,
        name: seen.label(),
        look: Look { dash: 1, ..seen.look },
        times: &seen.answered,
        shown: true,
    }));
    let label = "Response time by percentile, measured and simulated";
    let drawn = overlay::of(&curves, &[]);
    html! {
        figure {
            (caption(&title(real, simulated), "The measured curve is the dark whole line; simulated ones are dashed."))
            @if let Some((wide, narrow, numbers)) = &drawn {
                (svg(wide, "wide", label))
                (svg(narrow, "narrow", label))
                details { summary { "The numbers" } (table(numbers)) }
            }
            (errors(real, simulated))
        }
    }
}

fn title(real: &Seen<'_>, simulated: &[&Seen<'_>]) -> String {
    let nearest = simulated.iter().find_map(|seen| {
        let (sim, truth) = (seen.of(result::RESPONSE_P95)?.mean, real.of(result::RESPONSE_P95)?.mean);
        (truth > 0.0).then(|| (seen, sim / truth - 1.0))
    });
    match nearest {
        Some((seen, error)) if error.abs() < 0.005 => {
            format!("{} has the p95 that {} measured", seen.label(), real.label())
        }
        Some((seen, error)) => format!(
            "{} puts the p95 {} % {} what {} measured",
            seen.label(),
            format::significant(error.abs() * 100.0, 2),
            if error > 0.0 { "above" } else { "below" },
            real.label()
        ),
        None => format!("{} beside its simulation", real.label()),
    }
}

/// Figure by figure: measured, simulated, and how far off.
fn errors(real: &Seen<'_>, simulated: &[&Seen<'_>]) -> Markup {
    let off = |key: &str, seen: &Seen<'_>| -> String {
        let (Some(sim), Some(truth)) = (seen.of(key), real.of(key)) else { return format::NONE.to_owned() };
        let error = sim.mean - truth.mean;
        let sign = if error > 0.0 { "+" } else { "" };
        match truth.mean {
            _ if words::unit_of(key) == "share" => format!("{sign}{} points", format::significant(error * 100.0, 2)),
            mean if mean != 0.0 => format!("{sign}{} %", format::significant(100.0 * error / mean.abs(), 2)),
            _ if error == 0.0 => "0".to_owned(),
            _ => format::NONE.to_owned(),
        }
    };
    html! {
        div .scroll tabindex="0" role="region" aria-label="Errors of the simulation" {
            table {
                caption { "Errors of the simulation against " (real.label()) }
                thead {
                    tr {
                        th scope="col" { "figure" }
                        th .n scope="col" { "measured" }
                        @for seen in simulated { th .n scope="col" { (seen.label()) } th .n scope="col" { "error" } }
                    }
                }
                tbody {
                    @for key in HELD.into_iter().filter(|key| real.of(key).is_some() || simulated.iter().any(|seen| seen.of(key).is_some())) {
                        tr {
                            th scope="row" { (words::metric_words(key)) }
                            td .n { (real.text(key)) }
                            @for seen in simulated { td .n { (seen.text(key)) } td .n { (off(key, seen)) } }
                        }
                    }
                }
            }
        }
    }
}
