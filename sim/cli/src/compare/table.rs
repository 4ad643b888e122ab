//! `comparison.csv`: a row for each entry and metric.

use csv::Writer;
use faas_lab_model::metrics::comparison::{Comparison, Verdict};
use faas_lab_model::metrics::result::{self, Better, METRICS, Source};

use crate::failure::Failure;

/// The table. What has no value is an empty cell; numbers are in the metric's unit, with nine digits.
pub(super) fn csv(comparison: &Comparison) -> Result<Vec<u8>, Failure> {
    let failed = |error: csv::Error| Failure::new(format!("cannot write comparison.csv: {error}"));
    let mut writer = Writer::from_writer(Vec::new());
    let mut head: Vec<&str> = vec!["label"];
    head.extend(comparison.axes.iter().map(|axis| axis.key.as_str()));
    head.extend(["rank", "source", "metric", "unit", "better", "mean", "half_width", "sd", "n"]);
    head.extend(["difference", "difference_half_width", "relative", "paired", "p_value", "verdict"]);
    writer.write_record(&head).map_err(failed)?;
    for (index, entry) in comparison.entries.iter().enumerate() {
        let rank = comparison.ranking.iter().position(|place| *place == index).map_or(0, |rank| rank + 1);
        for metric in METRICS {
            let Some(estimate) = entry.result.summary.get(metric.key) else { continue };
            let unit = match metric.unit {
                "currency" => entry.result.cost.currency.as_str(),
                unit => unit,
            };
            let mut row: Vec<String> = vec![entry.label.clone()];
            row.extend((0..comparison.axes.len()).map(|axis| entry.values.get(axis).cloned().unwrap_or_default()));
            row.extend([
                rank.to_string(),
                if entry.result.source == Source::Simulated { "simulated" } else { "measured" }.to_owned(),
                metric.key.to_owned(),
                unit.to_owned(),
                better(metric.better).to_owned(),
                number(Some(estimate.mean)),
                number(estimate.half_width),
                number(estimate.sd),
                estimate.n.to_string(),
            ]);
            let found = comparison.differences.iter().find(|d| d.entry == index && d.metric == metric.key);
            row.extend(match found {
                Some(found) => [
                    number(Some(found.estimate.mean)),
                    number(found.estimate.half_width),
                    number(found.relative),
                    found.paired.to_string(),
                    number(found.p_value),
                    verdict(found.verdict).to_owned(),
                ],
                None => Default::default(),
            });
            writer.write_record(&row).map_err(failed)?;
        }
    }
    writer.into_inner().map_err(|error| Failure::new(format!("cannot write comparison.csv: {error}")))
}

fn better(better: Better) -> &'static str {
    match better {
        result::Better::Lower => "lower",
        result::Better::Higher => "higher",
        result::Better::Neither => "neither",
    }
}

pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Different => "different",
        Verdict::Unclear => "unclear",
        Verdict::Same => "same",
    }
}

/// Nine digits that count.
pub(crate) fn number(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        None => String::new(),
        Some(value) => format!("{value:.8e}").parse::<f64>().map_or_else(|_| String::new(), |value| value.to_string()),
    }
}
