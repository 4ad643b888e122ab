//! Several results on one page: which to take first, then the evidence, each chart with what to see in its title and its
//! numbers in a table behind it. Without script the page shows the best and the baseline; with it a reader chooses.

mod answer;
mod curves;
mod differences;
mod evidence;
mod heat;
mod live;
mod measured;
mod nearness;
mod ranking;
mod view;

use faas_lab_model::metrics::comparison::Comparison;
use faas_lab_model::metrics::result::{Source, Tool};
use maud::{Markup, html};

use crate::ReportError;
use crate::charts::{Drawing, Look, draw_sized};
use crate::page::{self, Head};
use crate::{format, words};
pub use live::live;
use view::View;

pub(crate) const STYLE: &str = include_str!("../../templates/compare.css");
const SCRIPT: &str = include_str!("../../templates/compare.js");

/// The report of a comparison as a self-contained HTML page.
///
/// Fails only if a histogram in a result is damaged. Results may lack anything else: costs, objectives, series, requests.
pub fn compare(comparison: &Comparison) -> Result<String, ReportError> {
    let view = View::new(comparison)?;
    let unknown = Tool { name: "faas-lab".to_owned(), version: String::new() };
    let tool = comparison.entries.first().map_or(&unknown, |entry| &entry.result.tool);
    let body = if view.ranked.is_empty() { nothing(comparison) } else { body(&view, tool) };
    let title = format!("{} · comparison · faas-lab", comparison.name);
    Ok(page::page(&Head { title: &title, tool, styles: &[STYLE], scripts: &[SCRIPT] }, &body))
}

/// What follows from a comparison in one sentence, as plain text. The page of a comparison that has an answer says that one.
///
/// Fails only if a histogram in a result is damaged.
pub fn answer(comparison: &Comparison) -> Result<String, ReportError> {
    Ok(answer::sentence(&View::new(comparison)?).1)
}

fn nothing(comparison: &Comparison) -> Markup {
    html! { header { h1 { (comparison.name) } } main { p .answer { "There is nothing to compare." } } }
}

fn body(view: &View<'_>, tool: &Tool) -> Markup {
    // A measurement and its simulation are no candidates to choose from.
    let measured = measured::measured(view);
    let (side_by_side, ranking) = match measured.is_some() && view.ranked.len() == 2 {
        true => ("Side by side", ranking::side_by_side(view)),
        false => ("Ranking", ranking::ranking(view)),
    };
    let sections: Vec<(&str, &str, Option<Markup>)> = vec![
        ("measured", "Simulated and measured", measured),
        ("ranking", side_by_side, Some(ranking)),
        ("times", "Response times", Some(curves::response_times(view))),
        ("time", "Over time", curves::over_time(view)),
        ("losses", "Where requests are lost", Some(heat::losses(view))),
        ("cost", "Cost and speed", Some(curves::cost(view))),
        ("differences", "Differences", differences::differences(view)),
        ("figures", "All figures", Some(evidence::all_figures(view))),
        ("settings", "What differs", Some(evidence::settings(view))),
        ("again", "Run it again", Some(evidence::again(view))),
    ];
    html! {
        header {
            h1 { (view.comparison.name) }
            p .quiet { (opening(view)) }
            nav aria-label="Sections" {
                ul { @for (id, name, section) in &sections { @if section.is_some() { li { a href={ "#" (id) } { (name) } } } } }
            }
        }
        main .comparison data-baseline=(view.baseline) {
            section #answer aria-label="Answer" {
                (answer::answer(view))
                (page::warnings(&evidence::warnings(view)))
            }
            @for (id, name, section) in &sections {
                @if let Some(section) = section {
                    section id=(id) aria-labelledby={ (id) "-head" } {
                        h2 id={ (id) "-head" } { (name) }
                        (section)
                    }
                }
            }
        }
        footer {
            "Written by " (tool.name) " " (tool.version) ". All figures come from the compared results."
        }
    }
}

fn opening(view: &View<'_>) -> String {
    let count = words::plural(view.ranked.len() as u64, "result");
    let runs = |source: Source| -> Option<String> {
        let of: Vec<usize> = view
            .ranked
            .iter()
            .filter(|seen| seen.entry.result.source == source)
            .map(|seen| seen.entry.result.replications.len())
            .collect();
        let (least, most) = (*of.iter().min()?, *of.iter().max()?);
        let word = words::source_words(source);
        let runs = |count: usize| words::plural(count as u64, words::run_words(source));
        Some(match (least, most) {
            (_, 0) => word.to_owned(),
            (least, most) if least < most => format!("{word}, {least} to {} each", runs(most)),
            _ if of.len() > 1 => format!("{word}, {} each", runs(most)),
            _ => format!("{word}, {}", runs(most)),
        })
    };
    let sources: Vec<String> = [Source::Simulated, Source::Measured].into_iter().filter_map(runs).collect();
    format!("{count} · {} · held against {}", sources.join(" · "), view.baseline().label())
}

/// A piece of line in an entry's colour and dash, to know it by.
fn swatch(look: Look) -> Markup {
    let drawing: Drawing = draw_sized(26.0, 12.0, |sheet| {
        sheet.group(&look.classes(false), None, || sheet.rule((0.0, 6.0), (26.0, 6.0), look.ink));
        crate::charts::Hover::Shapes
    });
    html! { svg .swatch viewBox="0 0 26 12" aria-hidden="true" { (maud::PreEscaped(drawing.body)) } }
}

/// A title that says what to see, and what to know when looking.
fn caption(title: &str, text: &str) -> Markup {
    html! { figcaption { h3 { (words::tied(title)) } @if !text.is_empty() { p { (words::tied(text)) } } } }
}

/// A value in a few digits.
fn short(value: f64, unit: &str, currency: &str) -> String {
    if unit == "currency" { format::money(value, currency) } else { format::quantity(value, unit) }
}
