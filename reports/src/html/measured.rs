//! How a live run was measured: whether its numbers can be trusted, and what its errors said.

use faas_lab_model::metrics::measurement::Measurement;
use faas_lab_model::metrics::result::HistogramData;
use maud::{Markup, html};

use crate::format;
use crate::words;

/// What the client saw of itself and of errors.
pub(super) fn section(measurement: &Measurement, several: bool) -> Markup {
    let rows = rows(measurement);
    html! {
        h2 #measured-head { "How it was measured" }
        @if measurement.valid {
            p { "Nothing speaks against these numbers: requests were sent when they were meant to be, and the client had time to spare." }
        } @else {
            p { strong { "These numbers cannot be trusted." } }
            ul { @for reason in &measurement.reasons { li { (reason.text) } } }
        }
        div .scroll tabindex="0" role="region" aria-label="The client" {
            table {
                caption { (measurement.target.url) ", HTTP/" (measurement.target.http) ", from " (measurement.started_at) }
                tbody { @for (name, value) in &rows { tr { th scope="row" { (name) } td .n { (value) } } } }
            }
        }
        @if !measurement.errors.is_empty() {
            div .scroll tabindex="0" role="region" aria-label="What errors said" {
                table {
                    caption { "What errors said" }
                    thead { tr { th .n scope="col" { "requests" } th scope="col" { "said" } } }
                    tbody {
                        @for error in &measurement.errors {
                            tr {
                                td .n { (format::count(error.count)) }
                                td .words {
                                    @if several { (error.function) ": " }
                                    (words::error_words(error))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn rows(measurement: &Measurement) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("requests offered", format::count(measurement.offered)),
        ("sent", format::count(measurement.sent)),
        ("sent more than 1 ms late", format::count(measurement.late_starts)),
        ("most in flight", format::count(measurement.in_flight_max)),
        ("had to wait for one to end", format::count(measurement.cap_hits)),
        ("connections opened", format::count(measurement.connections)),
        ("client's cores busy", format::share(measurement.client.cpu_share)),
    ];
    let mean = |times: &Option<HistogramData>| times.as_ref().map(|times| format::quantity(times.mean_seconds, "s"));
    let most = measurement.lateness.as_ref().map(|times| format::quantity(times.max_seconds, "s"));
    let told = [
        ("lateness, mean", mean(&measurement.lateness)),
        ("lateness, most", most),
        ("first byte, mean", mean(&measurement.first_byte)),
        ("opening a connection, mean", mean(&measurement.connecting)),
    ];
    rows.extend(told.into_iter().filter_map(|(name, value)| Some((name, value?))));
    rows
}
