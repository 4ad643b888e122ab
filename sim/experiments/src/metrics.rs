//! Metrics and amounts of them as people write them: `p95`, `errors`, `2s`, `1%`.

use faas_lab_model::metrics::result::{self, METRICS, MetricInfo};

/// Short names, beside the keys themselves and those without `response_`.
const SHORT: &[(&str, &str)] = &[
    ("mean", result::RESPONSE_MEAN),
    ("median", result::RESPONSE_P50),
    ("p99.9", result::RESPONSE_P999),
    ("max", result::RESPONSE_MAX),
    ("error", result::ERROR_RATE),
    ("errors", result::ERROR_RATE),
    ("success", result::SUCCESS_SHARE),
    ("timeouts", result::TIMED_OUT_SHARE),
    ("refused", result::REFUSED_SHARE),
    ("cold", result::COLD_SHARE),
    ("replicas", result::REPLICAS_MEAN),
    ("wasted", result::WASTED_CPU_SHARE),
    ("cpu", result::CPU_UTILIZATION),
];

/// The metric that a word names: its key, with `-` for `_` if you like, or a short form.
///
/// # Errors
/// Names that could have been meant.
pub fn named(word: &str) -> Result<&'static MetricInfo, String> {
    let plain = word.trim().to_lowercase().replace('-', "_");
    let short = SHORT.iter().find(|(short, _)| *short == plain).map(|(_, key)| *key);
    let key = short.unwrap_or(&plain);
    let found = METRICS.iter().find(|metric| metric.key == key || metric.key.strip_prefix("response_") == Some(key));
    found.ok_or_else(|| {
        let like: Vec<&str> =
            METRICS.iter().map(|metric| metric.key).filter(|known| alike(known, &plain)).take(5).collect();
        match like.is_empty() {
            true => "write p50, p95, p99, mean, errors, goodput, cost, cold-starts or another metric of result.json"
                .to_owned(),
            false => format!("did you mean {}?", like.join(" or ")),
        }
    })
}

/// Whether a part of `word` of four letters or more is in `known`.
fn alike(known: &str, word: &str) -> bool {
    word.split('_').any(|part| part.len() >= 4 && (known.contains(part) || known.contains(&part[..4.min(part.len())])))
}

/// An amount of a metric with `unit`, as a bound or a difference: `2s` and `250ms` for times, `1%` for shares, plain
/// numbers for the others.
///
/// # Errors
/// What to write instead.
pub fn amount(text: &str, unit: &str) -> Result<f64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic() || "%/µ ".contains(c));
    let suffix = text[digits.len()..].trim();
    let number = digits.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let scale = match (unit, suffix) {
        ("s", "ns") => Some(1e-9),
        ("s", "us" | "µs") => Some(1e-6),
        ("s", "ms") => Some(1e-3),
        ("s", "s") => Some(1.0),
        ("s", "m" | "min") => Some(60.0),
        ("s", "h") => Some(3600.0),
        ("share", "%") => Some(0.01),
        ("1/s", "/s") => Some(1.0),
        ("J", "J") => Some(1.0),
        ("J", "kJ") => Some(1e3),
        ("J", "Wh") => Some(3600.0),
        ("J", "kWh") => Some(3.6e6),
        ("s", _) => None,
        (_, "") => Some(1.0),
        ("currency", code) if code.chars().all(char::is_alphabetic) => Some(1.0),
        _ => None,
    };
    let wanted = match unit {
        "s" => "a time such as 250ms or 2s",
        "share" => "a share such as 1% or 0.01",
        "1/s" => "a rate such as 20/s",
        _ => "a number",
    };
    number.zip(scale).map(|(number, scale)| number * scale).ok_or_else(|| format!("write {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_short_names() {
        for (word, key) in [
            ("p95", result::RESPONSE_P95),
            ("p99.9", result::RESPONSE_P999),
            ("mean", result::RESPONSE_MEAN),
            ("Errors", result::ERROR_RATE),
            ("cold-starts", result::COLD_STARTS),
            ("goodput", result::GOODPUT),
            ("cost", result::COST),
            ("waiting_mean", result::WAITING_MEAN),
        ] {
            assert_eq!(named(word).map(|metric| metric.key), Ok(key), "{word}");
        }
        assert_eq!(named("cost_per_milion"), Err("did you mean cost or cost_per_million?".to_owned()));
        assert!(named("nonsense").expect_err("unknown").contains("write p50"));
        assert!(SHORT.iter().all(|(_, key)| result::metric(key).is_some()));
    }

    #[test]
    fn amounts_have_the_units_of_their_metrics() {
        for (text, unit, value) in [
            ("250ms", "s", 0.25),
            ("2 s", "s", 2.0),
            ("1.5%", "share", 0.015),
            ("0.01", "share", 0.01),
            ("20/s", "1/s", 20.0),
            ("-3", "count", -3.0),
            ("0.5 EUR", "currency", 0.5),
        ] {
            assert!((amount(text, unit).expect("valid") - value).abs() < 1e-12, "{text}");
        }
        for (text, unit) in [("2", "s"), ("2s", "share"), ("", "count"), ("x", "count"), ("NaN", "count"), ("2%", "s")]
        {
            assert!(amount(text, unit).expect_err("wrong").starts_with("write a "), "{text} {unit}");
        }
    }
}
