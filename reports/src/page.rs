//! What all pages share: the shell with its style and scripts, charts with the tables behind them, warnings. A page
//! needs nothing but itself.

use faas_lab_model::metrics::result::{Tool, Warning};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::charts::{Chart, Drawing, Hover, Table};
use crate::words;

pub(crate) const STYLE: &str = include_str!("../templates/report.css");
pub(crate) const SCRIPT: &str = include_str!("../templates/report.js");

/// What stands above a page's body.
pub(crate) struct Head<'a> {
    pub title: &'a str,
    pub tool: &'a Tool,
    /// Style sheets after the one that all pages have.
    pub styles: &'a [&'a str],
    /// Scripts after the one that all pages have.
    pub scripts: &'a [&'a str],
}

/// A whole page.
pub(crate) fn page(head: &Head<'_>, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content={ (head.tool.name) " " (head.tool.version) };
                // An empty icon, so that no browser asks for one.
                link rel="icon" href="data:,";
                title { (head.title) }
                style { (PreEscaped(STYLE)) @for style in head.styles { (PreEscaped(style)) } }
            }
            body {
                (body)
                script { (PreEscaped(SCRIPT)) @for script in head.scripts { (PreEscaped(script)) } }
            }
        }
    };
    page.into_string()
}

/// What should make a reader careful; nothing where there is nothing.
pub(crate) fn warnings(warnings: &[Warning]) -> Markup {
    html! {
        @if !warnings.is_empty() {
            aside .warnings aria-label="Warnings" {
                h2 { (words::capitalized(&words::plural(warnings.len() as u64, "warning"))) }
                ul { @for warning in warnings { li { (warning.text) " " code { (warning.code) } } } }
            }
        }
    }
}

/// A chart with what it says and the numbers behind it.
pub(crate) fn chart(chart: &Chart) -> Markup {
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

pub(crate) fn svg(drawing: &Drawing, class: &str, label: &str) -> Markup {
    svg_of(drawing, class, label, None)
}

/// A drawing that may belong to an entry of a comparison.
pub(crate) fn svg_of(drawing: &Drawing, class: &str, label: &str, entry: Option<usize>) -> Markup {
    let view = format!("0 0 {} {}", drawing.width, drawing.height);
    let (axis, from, to) = match drawing.hover {
        Hover::Shapes => (None, 0.0, 0.0),
        Hover::Across(from, to) => (Some("across"), from, to),
        Hover::Up(from, to) => (Some("up"), from, to),
    };
    let share = |value: f64| axis.map(|_| format!("{value:.4}"));
    html! {
        svg class=(class) viewBox=(view) role="img" aria-label=(label) data-e=[entry] data-axis=[axis] data-from=[share(from)] data-to=[share(to)] {
            (PreEscaped(&drawing.body))
        }
    }
}

pub(crate) fn table(table: &Table) -> Markup {
    let is_number = |cell: &str| cell.starts_with(|first: char| first.is_ascii_digit() || "−–<".contains(first));
    let numbers: Vec<bool> =
        (0..table.head.len()).map(|column| table.rows.iter().all(|row| is_number(&row.cells[column]))).collect();
    html! {
        div .scroll tabindex="0" role="region" aria-label=(table.caption) {
            table {
                caption { (table.caption) }
                thead { tr { @for (index, (head, number)) in table.head.iter().zip(&numbers).enumerate() { th .n[*number] scope="col" data-e=[table.entries.get(index).copied().flatten()] { (head) } } } }
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
