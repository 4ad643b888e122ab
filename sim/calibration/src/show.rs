//! Sections as text for a terminal, as Markdown for the documentation, and as a page.

use serde_json::{Value, json};

use crate::verdict::{Bound, Row, Section, Verdict, missed};

const HEAD: [&str; 7] = ["case", "quantity", "measured", "simulated", "difference", "bound", "verdict"];

/// A figure to four significant digits, without an exponent where it can be read without.
pub fn figure(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "-".into();
    }
    if size != 0.0 && !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = if size == 0.0 { 0 } else { libm::floor(libm::log10(size)) as i32 + 1 };
    let decimals = usize::try_from((4 - digits).clamp(0, 8)).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A figure and its error, with the error's unit behind both.
fn with_error(value: f64, error: Option<f64>, unit: &str) -> String {
    let error = match error {
        Some(error) if error > 0.0 => format!(" ± {}", error_figure(error)),
        _ => String::new(),
    };
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    format!("{}{error}{unit}", figure(value))
}

fn simulated(row: &Row) -> String {
    match row.range {
        Some((low, high)) => {
            format!("{} ({} to {})", with_error(row.simulated, None, row.unit), figure(low), figure(high))
        }
        None => with_error(row.simulated, row.half_width, row.unit),
    }
}

/// An error to two significant digits.
fn error_figure(error: f64) -> String {
    let digits = libm::floor(libm::log10(error)) as i32 + 1;
    match usize::try_from(2 - digits) {
        Ok(decimals) if decimals <= 8 => format!("{error:.decimals$}"),
        Ok(_) => format!("{error:.1e}"),
        Err(_) => figure(error),
    }
}

fn bound(row: &Row) -> String {
    let unit = if row.unit.is_empty() { String::new() } else { format!(" {}", row.unit) };
    match row.bound {
        Bound::Share(share) => format!("± {} %", figure(100.0 * share)),
        Bound::Distance(0.0) => "equal".into(),
        Bound::Distance(most) => format!("± {}{unit}", figure(most)),
        Bound::Errors(_) if row.standard_error.is_none() && row.published_error == Some(0.0) => "equal".into(),
        Bound::Errors(most) => format!("± {} errors", figure(most)),
        Bound::Between(low, high) => format!("{} to {}{unit}", figure(low), figure(high)),
        Bound::Range(most) => format!("range ± {}{unit}", figure(most)),
        Bound::None => "-".into(),
    }
}

fn difference(row: &Row) -> String {
    match (row.bound, row.deviations()) {
        (Bound::Errors(_), Some(z)) => format!("{z:+.1} errors"),
        _ => row.difference().map_or_else(|| "-".into(), |share| format!("{:+.1} %", 100.0 * share)),
    }
}

fn verdict(row: &Row) -> &'static str {
    match row.verdict() {
        Verdict::Within => "within",
        Verdict::Outside => "OUTSIDE",
        Verdict::Shown => "shown",
    }
}

fn cells(row: &Row) -> [String; 7] {
    [
        row.case.clone(),
        row.quantity.clone(),
        with_error(row.published, row.published_error, row.unit),
        simulated(row),
        difference(row),
        bound(row),
        verdict(row).to_owned(),
    ]
}

/// How many rows came to what, in words.
fn tally(section: &Section) -> String {
    let [within, outside, shown] = [Verdict::Within, Verdict::Outside, Verdict::Shown].map(|kind| section.count(kind));
    let mut parts = vec![format!("{within} within their bounds")];
    if outside > 0 {
        parts.push(format!("{outside} OUTSIDE"));
    }
    if shown > 0 {
        parts.push(format!("{shown} shown without a bound"));
    }
    parts.join(", ")
}

/// All sections as one table with a line of words over each part, as wide as it has to be.
pub fn text(sections: &[Section]) -> String {
    let all: Vec<[String; 7]> = sections.iter().flat_map(|section| section.rows.iter().map(cells)).collect();
    let mut widths = HEAD.map(|head| head.chars().count());
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 7]| {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                2..=4 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        format!("  {}\n", cells.join("  ").trim_end())
    };
    let mut text = String::new();
    for section in sections {
        text.push_str(&format!("{}: {}\n", section.title, tally(section)));
        text.push_str(&line(&HEAD.map(str::to_owned)));
        section.rows.iter().for_each(|row| text.push_str(&line(&cells(row))));
        text.push('\n');
    }
    match missed(sections) {
        0 => text.push_str("All rows with a bound are within it.\n"),
        1 => text.push_str("1 row is outside of its bound.\n"),
        missed => text.push_str(&format!("{missed} rows are outside of their bounds.\n")),
    }
    text
}

/// Sections as Markdown, each under a heading of the second level with what there is to say about it.
pub fn markdown(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        text.push_str(&format!("## {}\n\n", section.title));
        section.about.iter().for_each(|about| text.push_str(&format!("{about}\n\n")));
        text.push_str(&format!("{}.\n\n", tally(section)));
        text.push_str(&format!("| {} |\n|---|---|--:|--:|--:|---|---|\n", HEAD.join(" | ")));
        for row in &section.rows {
            text.push_str(&format!("| {} |\n", cells(row).map(|cell| cell.replace('|', "\\|")).join(" | ")));
        }
        text.push('\n');
    }
    text
}

/// Sections for programs: each row with its difference and verdict, and how many rows are outside of their bounds.
pub fn json(sections: &[Section]) -> Value {
    let row = |row: &Row| {
        let mut value = serde_json::to_value(row).unwrap_or_default();
        value["difference"] = json!(row.difference());
        value["deviations"] = json!(row.deviations());
        value["verdict"] = json!(row.verdict());
        value
    };
    let section = |section: &Section| {
        json!({
            "title": section.title,
            "about": section.about,
            "rows": section.rows.iter().map(row).collect::<Vec<Value>>(),
        })
    };
    json!({ "sections": sections.iter().map(section).collect::<Vec<Value>>(), "outside": missed(sections) })
}

/// Sections as one page that needs nothing but itself.
pub fn html(sections: &[Section]) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut body = String::new();
    for section in sections {
        body.push_str(&format!("<section><h2>{}</h2>\n", escape(&section.title)));
        section.about.iter().for_each(|about| body.push_str(&format!("<p>{}</p>\n", escape(about))));
        body.push_str(&format!("<p><strong>{}.</strong></p>\n<table><thead><tr>", escape(&tally(section))));
        HEAD.iter().for_each(|head| body.push_str(&format!("<th scope=\"col\">{head}</th>")));
        body.push_str("</tr></thead><tbody>\n");
        for row in &section.rows {
            body.push_str(&format!("<tr class=\"{}\">", verdict(row).to_lowercase()));
            cells(row).iter().for_each(|cell| body.push_str(&format!("<td>{}</td>", escape(cell))));
            body.push_str("</tr>\n");
        }
        body.push_str("</tbody></table></section>\n");
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\
         <title>Validation - faas-lab</title><style>{STYLE}</style></head>\n<body><h1>Validation</h1>\n{body}</body></html>\n"
    )
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}\
section{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}\
th,td{padding:.2rem .7rem;text-align:left;border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)}\
td:nth-child(n+3):nth-child(-n+5),th:nth-child(n+3):nth-child(-n+5){text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
tr.outside td:last-child{font-weight:bold;color:#b3261e}\
@media(prefers-color-scheme:dark){tr.outside td:last-child{color:#ff8a80}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        for (value, written) in [
            (12_124.0, "12124"),
            (0.001_337_29, "0.001337"),
            (7.6953, "7.695"),
            (0.25, "0.25"),
            (-88.566, "-88.57"),
            (0.0, "0"),
            (3e-5, "3.000e-5"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(figure(value), written);
        }
        assert_eq!(with_error(7.6953, Some(0.0073), "s"), "7.695 ± 0.0073 s");
        assert_eq!(with_error(5.0, Some(0.0), ""), "5");
    }

    #[test]
    fn a_miss_cannot_be_overlooked() {
        let mut section = Section::new("A < B", &["As measured."]);
        let row = Row::new("one", "time", "s").published(2.0, None).simulated(3.0);
        section.rows = vec![row.clone().within(Bound::Share(0.2)), row];
        let sections = [section];
        let text = text(&sections);
        assert!(text.starts_with("A < B: 0 within their bounds, 1 OUTSIDE, 1 shown without a bound\n"), "{text}");
        assert!(text.contains("OUTSIDE\n") && text.ends_with("1 row is outside of its bound.\n"), "{text}");
        assert!(markdown(&sections).contains("| one | time | 2 s | 3 s | +50.0 % | ± 20 % | OUTSIDE |"));
        let page = html(&sections);
        assert!(page.contains("A &lt; B") && page.contains("<tr class=\"outside\">"));
    }
}
