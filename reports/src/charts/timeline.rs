//! What happened when? Arrivals and answers, replicas, and requests in flight, on one time axis.

use faas_lab_model::metrics::result::RunResult;

use super::over_time::{self, Frame, peak, series};
use super::{Chart, Ink, both};
use crate::{format, words};

/// The whole system's timeline, or one function's; `None` when the result has no series for it.
pub(crate) fn of(result: &RunResult, function: Option<&str>) -> Option<Chart> {
    let panels = over_time::panels(
        result,
        function,
        &[
            (
                "requests per second",
                &[
                    ("arrivals", "arrivals", Ink::Muted),
                    ("successes", "answered", Ink::Blue),
                    ("errors", "errors", Ink::Vermilion),
                ],
            ),
            (
                "replicas",
                &[
                    ("replicas desired", "desired", Ink::Muted),
                    ("replicas ready", "ready", Ink::Green),
                    ("replicas busy", "busy", Ink::Blue),
                    ("replicas starting", "starting", Ink::Purple),
                ],
            ),
            (
                "requests in the system",
                &[
                    ("in flight", "in flight", Ink::Blue),
                    ("waiting", "waiting", Ink::Orange),
                    ("queue depth", "in queue", Ink::Sky),
                ],
            ),
        ],
    );
    if panels.is_empty() {
        return None;
    }
    let frame = Frame {
        step_seconds: result.timeline.step_seconds,
        warm_up_seconds: result.window.warm_up_seconds,
        // They are recorded for the system as a whole.
        cold_starts: if function.is_none() { &result.timeline.cold_starts } else { &[] },
    };
    let (wide, narrow) = both(|layout| over_time::paint(layout, &panels, &frame));
    Some(Chart {
        title: "What happened when?".to_owned(),
        caption: caption(result, function),
        label: "Requests per second, replicas and requests in the system over time".to_owned(),
        wide,
        narrow,
        table: over_time::table(&panels, &frame),
    })
}

fn caption(result: &RunResult, function: Option<&str>) -> String {
    let step = result.timeline.step_seconds;
    let of = |name: &str| series(result, name, function);
    let mut text = Vec::new();
    let arrivals = of("arrivals").and_then(|series| peak(series, step));
    if let Some((at, rate)) = arrivals {
        text.push(format!("Arrivals peak at {} around {}.", format::rate(rate), format::time(at)));
    }
    if let Some(ready) = of("replicas ready")
        && let Some((_, most)) = peak(ready, step)
    {
        let first = ready.mean.iter().position(|value| *value >= 0.98 * most).unwrap_or(0) as f64 * step;
        let most = format::significant(most, 2);
        text.push(match arrivals {
            Some((at, _)) if first > at + step => {
                format!("Ready replicas reach their most, {most}, {} after that.", format::time(first - at))
            }
            _ => format!("Ready replicas reach their most, {most}, by {}.", format::time(first)),
        });
    }
    match of("errors").and_then(|series| peak(series, step)) {
        Some((at, rate)) => {
            text.push(format!("Errors are worst around {}, at {}.", format::time(at), format::rate(rate)))
        }
        None if of("errors").is_some() => text.push("No errors at any time.".to_owned()),
        None => {}
    }
    let runs = result.replications.len();
    if runs > 1 {
        let runs = words::plural(runs as u64, words::run_words(result.source));
        text.push(format!("Lines are means of {runs}, bands span the lowest to the highest."));
    }
    if result.window.warm_up_seconds > 0.0 {
        let warm_up = format::time(result.window.warm_up_seconds);
        text.push(format!("The shaded first {warm_up} are warm-up and in no other figure."));
    }
    if function.is_none() && !result.timeline.cold_starts.is_empty() {
        let which = match runs > 1 {
            true => format!(" in the first {}", words::run_words(result.source)),
            false => String::new(),
        };
        text.push(format!("Each stroke at the foot is a request that met a cold start{which}."));
    }
    text.join(" ")
}
