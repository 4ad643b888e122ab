//! One run on one page: the answer first, then what it rests on. The page needs nothing but itself.

mod evidence;
mod measured;

use faas_lab_model::metrics::result::{self, FunctionResult, RunResult, Source};
use maud::{Markup, html};

use crate::ReportError;
use crate::charts::percentiles::Curve;
use crate::charts::{self, Ink};
use crate::format;
use crate::page::{self, Head, chart};
use crate::responses::Responses;
use crate::words;

/// Functions that get a colour of their own where all are compared.
const COMPARED: usize = Ink::SERIES.len();

/// The report of one run as a self-contained HTML page.
///
/// Fails only if a histogram in the result is damaged.
pub fn render(result: &RunResult) -> Result<String, ReportError> {
    let responses = result.functions.iter().map(Responses::of).collect::<Result<Vec<_>, _>>()?;
    let functions: Vec<(&FunctionResult, &Responses)> = result.functions.iter().zip(&responses).collect();
    let body = html! {
        (opening(result))
        main {
            section #answer aria-label="Answer" { (answer(result)) (page::warnings(&result.warnings)) }
            section #time aria-labelledby="time-head" { (over_time(result)) }
            @if functions.len() > 1 {
                section #compared aria-labelledby="compared-head" { (compared(result, &functions)) }
            }
            @for (index, (function, responses)) in functions.iter().enumerate() {
                section id={ "function-" (index) } aria-labelledby={ "function-" (index) "-head" } {
                    (of_function(result, index, function, responses))
                }
            }
            @if let Some(measurement) = &result.measurement {
                section #measured aria-labelledby="measured-head" { (measured::section(measurement, result.functions.len() > 1)) }
            }
            section #cost aria-labelledby="cost-head" { (evidence::cost_and_energy(result)) }
            @if !result.checks.is_empty() {
                section #theory aria-labelledby="theory-head" { (evidence::theory(result)) }
            }
            section #figures aria-labelledby="figures-head" { (evidence::all_figures(result)) }
            section #provenance aria-labelledby="provenance-head" { (evidence::provenance(result)) }
            section #again aria-labelledby="again-head" { (evidence::again(result)) }
        }
        footer {
            "Written by " (result.tool.name) " " (result.tool.version) ", schema " (result.schema_version)
            ". All figures come from the run's result.json."
        }
    };
    let title = format!("{} · {} · faas-lab", result.name, words::source_words(result.source));
    Ok(page::page(&Head { title: &title, tool: &result.tool, styles: &[], scripts: &[] }, &body))
}

fn opening(result: &RunResult) -> Markup {
    let runs = result.replications.len() as u64;
    html! {
        header {
            h1 { (result.name) }
            p .quiet {
                (words::capitalized(words::source_words(result.source)))
                @if runs > 0 { " · " (words::plural(runs, words::run_words(result.source))) }
                " · " (words::window_words(result)) " · " (words::seed_words(result))
                @if result.partial { " · " strong { "ended early" } }
            }
            @if !result.about.trim().is_empty() { p .about { (result.about.trim()) } }
            nav aria-label="Sections" {
                ul {
                    li { a href="#time" { "Over time" } }
                    @if result.functions.len() > 1 { li { a href="#compared" { "Functions compared" } } }
                    @for (index, function) in result.functions.iter().enumerate() {
                        li { a href={ "#function-" (index) } { (function.name) } }
                    }
                    li { a href="#cost" { "Cost and energy" } }
                    @if !result.checks.is_empty() { li { a href="#theory" { "Theory" } } }
                    li { a href="#figures" { "All figures" } }
                    li { a href="#provenance" { "Provenance" } }
                    li { a href="#again" { "Run it again" } }
                }
            }
        }
    }
}

fn answer(result: &RunResult) -> Markup {
    let (verdict, text) = words::answer(result);
    html! {
        p class=(verdict.class()) { (words::tied(&text)) }
        (key_figures(result))
        @if result.objectives.len() > 1 { (objectives(result)) }
    }
}

/// The few figures that one would say aloud, those that the run has.
fn key_figures(result: &RunResult) -> Markup {
    let of = |key: &str| result.summary.get(key).filter(|estimate| estimate.mean.is_finite());
    let (requests, answered) = (words::requests(result), words::answered(result));
    let described = match requests {
        0 => String::new(),
        _ if answered == requests => "of all requests".to_owned(),
        _ => format!("of the {} answered in full", format::share(answered as f64 / requests as f64)),
    };
    let figures = [
        (result::SUCCESS_SHARE, "answered in full", format!("of {}", words::plural(requests, "request"))),
        (result::RESPONSE_P50, "median response time", described.clone()),
        (result::RESPONSE_P95, "p95 response time", described.clone()),
        (result::RESPONSE_P99, "p99 response time", described),
        (result::COLD_SHARE, "met a cold start", "of the requests served".to_owned()),
        (result::TIMED_OUT_SHARE, "timed out", "at any hop, of all requests".to_owned()),
        (result::REPLICAS_MEAN, "replicas", replicas_note(result)),
        (result::GOODPUT, "goodput", "answered in full per second".to_owned()),
        (result::ENERGY, "energy", format!("of all nodes, per {}", words::run_words(result.source))),
        (result::COST_PER_MILLION, "cost per million", "requests answered in full".to_owned()),
    ];
    let several = result.functions.len() > 1;
    html! {
        dl .figures {
            @for (key, label, note) in figures {
                @if let Some(estimate) = of(key) {
                    @let text = format::estimate_in(estimate, words::unit_of(key), &result.cost.currency);
                    div {
                        dt { (label) }
                        dd .value { (figure(&text)) }
                        dd .note { (words::tied(&note)) }
                    }
                }
            }
        }
        @if !result.summary.is_empty() {
            p .quiet {
                @if result.replications.len() > 1 {
                    "Means of " (words::plural(result.replications.len() as u64, words::run_words(result.source))) " with their 95 % intervals"
                } @else {
                    "From a single " (words::run_words(result.source))
                    @if result.summary.values().all(|estimate| estimate.half_width.is_none()) { ", which yields no intervals" }
                }
                @if several { "; over all functions." } @else { "." }
            }
        }
    }
}

fn replicas_note(result: &RunResult) -> String {
    match words::metric_text(&result.summary, result::REPLICAS_BUSY_MEAN, "") {
        Some(busy) => format!("on average, {busy} busy"),
        None => "on average".to_owned(),
    }
}

/// The interval smaller than its mean.
fn figure(text: &str) -> Markup {
    match text.split_once(" ± ") {
        Some((mean, rest)) => html! { (mean) small { " ± " (rest) } },
        None => html! { (text) },
    }
}

fn objectives(result: &RunResult) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Objectives" {
            table {
                caption { "Objectives" }
                thead { tr { th scope="col" { "objective" } th .n scope="col" { "found" } th scope="col" { "verdict" } } }
                tbody {
                    @for objective in &result.objectives {
                        @let (class, verdict) = match (&objective.found, objective.met, objective.certain) {
                            (None, ..) => ("judged unsure", "no value to judge"),
                            (Some(_), true, true) => ("judged met", "met"),
                            (Some(_), false, true) => ("judged missed", "missed"),
                            (Some(found), true, false) if found.half_width.is_none() => ("judged unsure", "met in a single run"),
                            (Some(found), false, false) if found.half_width.is_none() => ("judged unsure", "missed in a single run"),
                            (Some(_), true, false) => ("judged unsure", "met, within the interval"),
                            (Some(_), false, false) => ("judged unsure", "missed, within the interval"),
                        };
                        tr {
                            th scope="row" { code { (objective.text) } }
                            td .n {
                                @if let Some(found) = &objective.found {
                                    (format::estimate_in(found, words::unit_of(&objective.metric), &result.cost.currency))
                                } @else { (format::NONE) }
                            }
                            td class=(class) { (verdict) }
                        }
                    }
                }
            }
        }
    }
}

fn over_time(result: &RunResult) -> Markup {
    html! {
        h2 #time-head { "Over time" }
        @match charts::timeline::of(result, None) {
            Some(found) => (chart(&found)),
            None => p .quiet { "The result has no series over time." },
        }
        @if let Some(found) = charts::nodes::of(result) { (chart(&found)) }
    }
}

fn compared(result: &RunResult, functions: &[(&FunctionResult, &Responses)]) -> Markup {
    let curves: Vec<Curve<'_>> = functions
        .iter()
        .filter(|(_, responses)| !responses.answered.is_empty())
        .zip(Ink::SERIES)
        .map(|((function, responses), ink)| Curve { name: function.name.clone(), ink, times: &responses.answered })
        .collect();
    html! {
        h2 #compared-head { "Functions compared" }
        @if let Some(found) = charts::percentiles::of_functions(&curves, &words::limits(result, None)) { (chart(&found)) }
        @if functions.len() > COMPARED {
            p .quiet { "The chart shows the first " (COMPARED) " of " (functions.len()) " functions; the others follow below." }
        }
    }
}

fn of_function(result: &RunResult, index: usize, function: &FunctionResult, responses: &Responses) -> Markup {
    let requests: u64 = function.outcomes.iter().map(|outcome| outcome.count).sum();
    let limits = words::limits(result, Some(&function.name));
    html! {
        h2 id={ "function-" (index) "-head" } { (function.name) }
        @if requests == 0 {
            p { "No request to " (function.name) " in the measured window." }
        } @else if responses.answered.is_empty() {
            p { "Not one of " (words::plural(requests, "request")) " was answered in full, so there are no response times to show." }
        }
        @if let Some(found) = charts::percentiles::of_function(responses, &limits) { (chart(&found)) }
        @if !limits.is_empty() {
            p .quiet {
                "Timeouts in force: "
                @for (index, limit) in limits.iter().enumerate() {
                    @if index > 0 { "; " }
                    (words::tied(&limit.name.replacen(" timeout: ", " (", 1))) ")"
                }
                "."
            }
        }
        @if let Some(found) = charts::cdf::of_function(responses) { (chart(&found)) }
        @if let Some(found) = charts::parts::of_function(&function.parts) { (chart(&found)) }
        @match charts::outcomes::of_function(&function.outcomes) {
            Some(found) => (chart(&found)),
            None if requests > 0 => p { "All " (words::plural(requests, "request")) " were answered in full; no hop gave up on any." },
            None => {},
        }
        @match charts::cold_phases::of_function(&function.cold_phases) {
            Some(found) => (chart(&found)),
            None if result.source == Source::Measured => p .quiet { "How long the phases of a cold start take was not measured." },
            None => p .quiet { "No replica had to start in the measured window, or its phases are not known." },
        }
        @if result.functions.len() > 1 {
            @if let Some(found) = charts::timeline::of(result, Some(&function.name)) { (chart(&found)) }
        }
    }
}
