//! How near is the simulation? Simulated results over measured ones, where both are there: in a sentence, as curves, and
//! as a table of errors.

use faas_lab_model::metrics::result;
use maud::{Markup, html};

use super::nearness::{Error, HELD, LOST, Pair, pairs, unmeasured};
use super::view::{Seen, View};
use super::{answer, caption};
use crate::charts::overlay::{self, Curve};
use crate::charts::{Ink, Look};
use crate::format;
use crate::page::{svg, table};
use crate::words;

/// Measured results that get a chart each, with the simulated ones that stand for them.
const MOST: usize = 6;

/// `None` where all are simulated or all measured.
pub(super) fn measured(view: &View<'_>) -> Option<Markup> {
    let pairs = pairs(view);
    if pairs.is_empty() {
        return None;
    }
    Some(html! {
        @for pair in pairs.iter().take(MOST) { (figure(pair)) }
        @if pairs.len() > MOST { p .quiet { "The other " (pairs.len() - MOST) " measured results are in the tables only." } }
    })
}

/// What the page answers where simulation and measurement are side by side: how far the one is from the other.
pub(super) fn sentence(view: &View<'_>) -> Option<String> {
    let pairs = pairs(view);
    match pairs.as_slice() {
        [] => None,
        [pair] => of_one(pair),
        several => of_several(several),
    }
}

fn of_one(pair: &Pair<'_, '_>) -> Option<String> {
    let (real, sim) = (pair.real, *pair.simulated.first()?);
    let error = |(key, name): (&'static str, &'static str)| {
        let error = Error::of(key, sim, real)?;
        Some((name, key, error.way()?, error.beyond))
    };
    let errors: Vec<(&str, &str, String, Option<bool>)> = CHIEF.into_iter().filter_map(error).collect();
    if errors.is_empty() {
        return None;
    }
    let clauses: Vec<String> = errors
        .iter()
        .enumerate()
        .map(|(index, (name, key, way, _))| {
            // What it is held against is said once; `within 1 % of` and `on` need it each time.
            let whom = match index {
                0 => " what was measured",
                _ if way.ends_with(" of") || way == "on" => " the measured one",
                _ => "",
            };
            format!("{name} {way}{whom} ({}, not {})", sim.text(key), real.text(key))
        })
        .collect();
    let puts = match pair.simulated.len() {
        1 => format!("{} puts", beginning(sim)),
        many => format!("Of {many} simulations {} comes nearest to {}: it puts", sim.label(), subject(real)),
    };
    let mut text = format!("{puts} the {}.", listed(&clauses));
    text += &agreement(sim, real).unwrap_or_default();
    let beyond: Vec<&str> = errors.iter().filter(|error| error.3 == Some(true)).map(|error| error.0).collect();
    match errors.iter().any(|error| error.3.is_some()) {
        false => text += " Whether that is chance cannot be known from so few runs.",
        true if beyond.is_empty() => text += " Runs of the simulation differ from each other by as much.",
        true => {
            text += &format!(
                " In the {} that is more than runs of the simulation differ from each other.",
                listed(&beyond)
            );
        }
    }
    Some(text)
}

/// Figures of the sentence.
const CHIEF: [(&str, &str); 4] = [
    (result::RESPONSE_P50, "median"),
    (result::RESPONSE_P95, "p95"),
    (result::RESPONSE_P99, "p99"),
    (result::ERROR_RATE, "error rate"),
];

fn of_several(pairs: &[Pair<'_, '_>]) -> Option<String> {
    let nearest: Vec<(&Seen<'_>, &Seen<'_>)> =
        pairs.iter().filter_map(|pair| Some((*pair.simulated.first()?, pair.real))).collect();
    let worst = |key: &str| {
        let errors = nearest.iter().filter_map(|(sim, real)| {
            let error = Error::of(key, sim, real)?;
            let size = if error.share { (error.simulated - error.real).abs() } else { error.relative()?.abs() };
            Some((*real, size))
        });
        errors.max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let (furthest, most) = worst(result::RESPONSE_P95)?;
    let mut text = format!(
        "Over {} measured results, the nearest simulation puts the p95 at most {} % away from what was measured, with {}",
        nearest.len(),
        format::significant(100.0 * most, 2),
        furthest.label()
    );
    if let Some((_, most)) = worst(result::RESPONSE_P99) {
        text += &format!("; the p99 at most {} %", format::significant(100.0 * most, 2));
    }
    if let Some((_, most)) = worst(result::ERROR_RATE) {
        text += &format!("; the error rate at most {} points", format::significant(100.0 * most, 2));
    }
    Some(text + ".")
}

/// Whether both come to the same decision.
fn agreement(sim: &Seen<'_>, real: &Seen<'_>) -> Option<String> {
    if sim.entry.result.objectives.is_empty() || real.entry.result.objectives.is_empty() {
        return None;
    }
    let objectives = answer::objectives(real);
    Some(match (sim.meets(), real.meets()) {
        (true, true) => format!(" Both meet {objectives}."),
        (false, false) => format!(" Neither meets {objectives}."),
        (true, false) => format!(" The simulation meets {objectives}, but what was measured does not."),
        (false, true) => format!(" What was measured meets {objectives}, but the simulation does not."),
    })
}

/// A result in the middle of a sentence.
fn subject(seen: &Seen<'_>) -> String {
    match seen.label() {
        "simulated" => "the simulation".to_owned(),
        "measured" => "the measured run".to_owned(),
        label => label.to_owned(),
    }
}

/// As at the start of a sentence; a label stays as it is.
fn beginning(seen: &Seen<'_>) -> String {
    let subject = subject(seen);
    if subject == seen.label() { subject } else { words::capitalized(&subject) }
}

/// `a`, `a and b`, `a, b and c`.
fn listed<T: AsRef<str>>(parts: &[T]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

fn figure(pair: &Pair<'_, '_>) -> Markup {
    let real = pair.real;
    let mut curves = vec![Curve {
        entry: real.index,
        name: real.label(),
        look: Look { ink: Ink::Text, dash: 0 },
        times: &real.answered,
        shown: true,
    }];
    curves.extend(pair.simulated.iter().map(|seen| Curve {
        entry: seen.index,
        name: seen.label(),
        look: Look { dash: 1, ..seen.look },
        times: &seen.answered,
        shown: true,
    }));
    let label = "Response time by percentile, measured and simulated";
    let drawn = overlay::of(&curves, &[]);
    let text = match pair.simulated.len() {
        1 => "The measured curve is the dark whole line, the simulated one is dashed.",
        _ => "The measured curve is the dark whole line; simulated ones are dashed.",
    };
    let lacking = pair.simulated.first().map(|sim| unmeasured(real, sim)).unwrap_or_default();
    html! {
        figure {
            (caption(&title(pair), text))
            @if let Some((wide, narrow, numbers)) = &drawn {
                (svg(wide, "wide", label))
                (svg(narrow, "narrow", label))
                details { summary { "The numbers" } (table(numbers)) }
            }
            (errors(pair))
            @if !lacking.is_empty() {
                p .quiet { "Not measured with " (real.label()) ": " (listed(&lacking)) ". What this page says of them is simulated." }
            }
        }
    }
}

fn title(pair: &Pair<'_, '_>) -> String {
    let real = pair.real;
    let found = pair.simulated.iter().find_map(|seen| {
        let error = Error::of(result::RESPONSE_P95, seen, real)?;
        Some((seen, error.relative()?.abs(), error.way()?))
    });
    let whom = match real.label() {
        "measured" => "what was measured".to_owned(),
        label => format!("what {label} measured"),
    };
    match found {
        Some((seen, size, _)) if size < 0.005 => format!("{} has the measured p95", beginning(seen)),
        Some((seen, _, way)) => format!("{} puts the p95 {way} {whom}", beginning(seen)),
        None => format!("{} beside its simulation", beginning(real)),
    }
}

/// Figure by figure: measured, simulated, and how far off.
fn errors(pair: &Pair<'_, '_>) -> Markup {
    let (real, simulated) = (pair.real, &pair.simulated);
    let known = |key: &&str| real.of(key).is_some() && simulated.iter().any(|seen| seen.of(key).is_some());
    let lost = LOST.into_iter().filter(|(kind, _)| {
        let some = |seen: &Seen<'_>| seen.share_of(*kind).is_some_and(|share| share > 0.0);
        some(real) || simulated.iter().any(|seen| some(seen))
    });
    html! {
        div .scroll tabindex="0" role="region" aria-label="Errors of the simulation" {
            table .errors {
                caption {
                    "Errors of the simulation against " (subject(real))
                    "; beyond chance: further off than 19 of 20 further runs of the simulation would be, each figure for itself"
                }
                thead {
                    tr {
                        th scope="col" { "figure" }
                        th .n scope="col" { @if real.label() == "measured" { "measured" } @else { "measured, " (real.label()) } }
                        @for seen in simulated { th .n scope="col" { (seen.label()) } th .n scope="col" { "error" } }
                    }
                }
                tbody {
                    @for key in HELD.into_iter().filter(known) {
                        tr {
                            th scope="row" { (head(key)) }
                            td .n { (real.text(key)) }
                            @for seen in simulated { td .n { (seen.text(key)) } (cell(Error::of(key, seen, real))) }
                        }
                    }
                    @for (kind, key) in lost {
                        tr {
                            th scope="row" { "… " (words::outcome_words(kind)) }
                            td .n { (real.share_of(kind).map_or(format::NONE.to_owned(), format::share)) }
                            @for seen in simulated {
                                td .n { (seen.share_of(kind).map_or(format::NONE.to_owned(), format::share)) }
                                (cell(key.and_then(|key| Error::of(key, seen, real)).or_else(|| Error::of_share(kind, seen, real))))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A measured run is no replication.
fn head(key: &str) -> String {
    if key == result::OFFERED { "requests per run".to_owned() } else { words::metric_words(key) }
}

fn cell(error: Option<Error>) -> Markup {
    let Some(error) = error else { return html! { td .n { (format::NONE) } } };
    html! {
        td .n {
            (error.text())
            @match error.beyond {
                Some(true) => small .judged.missed { "beyond chance" },
                Some(false) => small .quiet { "may be chance" },
                None => {},
            }
        }
    }
}
