//! One run on one page: the answer first, then what it rests on. The page needs nothing but itself.

mod evidence;

use faas_lab_model::metrics::result::{self, FunctionResult, RunResult};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::ReportError;
use crate::charts::percentiles::Curve;
use crate::charts::{self, Chart, Drawing, Hover, Ink, Table};
use crate::format;
use crate::responses::Responses;
use crate::words::{self, Verdict};

const STYLE: &str = include_str!("../templates/report.css");
const SCRIPT: &str = include_str!("../templates/report.js");

/// Functions that get a colour of their own where all are compared.
const COMPARED: usize = Ink::SERIES.len();

/// The report of one run as a self-contained HTML page.
///
/// Fails only if a histogram in the result is damaged.
pub fn render(result: &RunResult) -> Result<String, ReportError> {
    let responses = result.functions.iter().map(Responses::of).collect::<Result<Vec<_>, _>>()?;
    let functions: Vec<(&FunctionResult, &Responses)> = result.functions.iter().zip(&responses).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content={ (result.tool.name) " " (result.tool.version) };
                // An empty icon, so that no browser asks for one.
                link rel="icon" href="data:,";
                title { (result.name) " · " (words::source_words(result.source)) " · faas-lab" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (opening(result))
                main {
                    section #answer aria-label="Answer" { (answer(result)) (warnings(result)) }
                    section #time aria-labelledby="time-head" { (over_time(result)) }
                    @if functions.len() > 1 {
                        section #compared aria-labelledby="compared-head" { (compared(result, &functions)) }
                    }
                    @for (index, (function, responses)) in functions.iter().enumerate() {
                        section id={ "function-" (index) } aria-labelledby={ "function-" (index) "-head" } {
                            (of_function(result, index, function, responses))
                        }
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
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(page.into_string())
}

fn opening(result: &RunResult) -> Markup {
    let runs = result.replications.len() as u64;
    html! {
        header {
            h1 { (result.name) }
            p .quiet {
                (words::capitalized(words::source_words(result.source)))
                @if runs > 0 { " · " (words::plural(runs, "replication")) }
                " · " (words::window_words(result)) " · seed " (result.seed)
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
    let class = match verdict {
        Verdict::Met => "answer met",
        Verdict::Missed => "answer missed",
        Verdict::Unsure => "answer unsure",
        Verdict::Open => "answer",
    };
    html! {
        p class=(class) { (words::tied(&text)) }
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
        (result::ENERGY, "energy", "of all nodes, per replication".to_owned()),
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
                    "Means of " (words::plural(result.replications.len() as u64, "replication")) " with their 95 % intervals"
                } @else {
                    "From a single replication"
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
                            (Some(_), true, false) => ("judged unsure", "met, within the interval"),
                            (Some(_), false, true) => ("judged missed", "missed"),
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

fn warnings(result: &RunResult) -> Markup {
    html! {
        @if !result.warnings.is_empty() {
            aside .warnings aria-label="Warnings" {
                h2 { (words::capitalized(&words::plural(result.warnings.len() as u64, "warning"))) }
                ul {
                    @for warning in &result.warnings { li { (warning.text) " " code { (warning.code) } } }
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
            None => p .quiet { "No replica had to start in the measured window, or its phases are not known." },
        }
        @if result.functions.len() > 1 {
            @if let Some(found) = charts::timeline::of(result, Some(&function.name)) { (chart(&found)) }
        }
    }
}

/// A chart with what it says and the numbers behind it.
fn chart(chart: &Chart) -> Markup {
    let open = chart.table.head.iter().any(|head| head == "hop");
    html! {
        figure {
            figcaption {
                h3 { (chart.title) }
                p { (words::tied(&chart.caption)) }
            }
            (svg(&chart.wide, "wide", &chart.label))
            (svg(&chart.narrow, "narrow", &chart.label))
            @if open {
                (table(&chart.table))
            } @else {
                details { summary { "The numbers" } (table(&chart.table)) }
            }
        }
    }
}

fn svg(drawing: &Drawing, class: &str, label: &str) -> Markup {
    let view = format!("0 0 {} {}", drawing.width, drawing.height);
    let (axis, from, to) = match drawing.hover {
        Hover::Shapes => (None, 0.0, 0.0),
        Hover::Across(from, to) => (Some("across"), from, to),
        Hover::Up(from, to) => (Some("up"), from, to),
    };
    let share = |value: f64| axis.map(|_| format!("{value:.4}"));
    html! {
        svg class=(class) viewBox=(view) role="img" aria-label=(label) data-axis=[axis] data-from=[share(from)] data-to=[share(to)] {
            (PreEscaped(&drawing.body))
        }
    }
}

fn table(table: &Table) -> Markup {
    let is_number = |cell: &str| cell.starts_with(|first: char| first.is_ascii_digit() || "−–<".contains(first));
    let numbers: Vec<bool> =
        (0..table.head.len()).map(|column| table.rows.iter().all(|row| is_number(&row.cells[column]))).collect();
    html! {
        div .scroll tabindex="0" role="region" aria-label=(table.caption) {
            table {
                caption { (table.caption) }
                thead { tr { @for (head, number) in table.head.iter().zip(&numbers) { th .n[*number] scope="col" { (head) } } } }
                tbody {
                    @for row in &table.rows {
                        tr data-at=[row.at.map(|at| format!("{at:.4}"))] {
                            @for (index, (cell, number)) in row.cells.iter().zip(&numbers).enumerate() {
                                @if index == 0 { th .n[*number] scope="row" { (cell) } } @else { td .n[*number] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
