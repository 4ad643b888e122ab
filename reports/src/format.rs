//! Numbers for people: times, shares, rates and estimates, rounded to what they support.
//!
//! Values come in the units of [`METRICS`](faas_lab_model::metrics::result::METRICS): `s`, `1/s`, `share`, `count`,
//! `replicas`, `cores`, `J`, `W`, `currency`. What is not finite has no figure and reads as "–".

use faas_lab_model::metrics::result::Estimate;

/// What stands where there is no value.
pub const NONE: &str = "–";

/// Groups the digits of large numbers: a narrow space that does not break.
const GROUP: char = '\u{202f}';

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

/// A time to three digits, in the unit that people would use: `850 µs`, `412 ms`, `2.3 s`, `2 min 5 s`, `2 h 5 min`.
pub fn time(seconds: f64) -> String {
    if !seconds.is_finite() {
        return NONE.to_owned();
    }
    let size = seconds.abs();
    let sign = if seconds < 0.0 { "−" } else { "" };
    // Just below a unit's start, three digits would round up into it; 0.9996 s reads as 1 s.
    let text = match size {
        0.0 => "0 s".to_owned(),
        s if s < 0.999_5e-6 => format!("{} ns", significant(s * 1e9, 3)),
        s if s < 0.999_5e-3 => format!("{} µs", significant(s * 1e6, 3)),
        s if s < 0.999_5 => format!("{} ms", significant(s * 1e3, 3)),
        s if s < 119.5 => format!("{} s", significant(s, 3)),
        s if s < HOUR - 0.5 => two_units(s.round() as u64, 60, "min", "s"),
        // An hour and a half is 1 h 30 min, but an hour, a minute and five seconds keep their seconds.
        s if s < 2.0 * HOUR - 0.5 && s.round() % MINUTE != 0.0 => {
            format!("1 h {}", two_units((s - HOUR).round() as u64, 60, "min", "s"))
        }
        s if s < 2.0 * DAY - 30.0 => two_units((s / MINUTE).round() as u64, 60, "h", "min"),
        s => two_units((s / HOUR).round() as u64, 24, "d", "h"),
    };
    format!("{sign}{text}")
}

/// A share of one as a percentage. Says 0 % and 100 % only of exactly none and all.
pub fn share(share: f64) -> String {
    if !share.is_finite() {
        return NONE.to_owned();
    }
    let percent = share * 100.0;
    match share {
        0.0 => "0 %".to_owned(),
        1.0 => "100 %".to_owned(),
        s if s.abs() < 1e-6 => "< 0.0001 %".to_owned(),
        s if s > 1.0 - 1e-6 && s < 1.0 => "> 99.9999 %".to_owned(),
        // Near one, the digit that matters is the first of what is missing.
        s if s > 0.9 && s < 1.0 => format!("{} %", decimals(percent, decimals_for(100.0 - percent, 1).max(1))),
        _ => format!("{} %", significant(percent, if percent.abs() < 1.0 { 2 } else { 3 })),
    }
}

/// Events per second, or per hour where that reads better: `20.1/s`, `10.8/h`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        r if !r.is_finite() => NONE.to_owned(),
        0.0 => "0/s".to_owned(),
        r if r.abs() < 0.01 => format!("{}/h", significant(r * HOUR, 3)),
        r => format!("{}/s", significant(r, 3)),
    }
}

/// A whole number with its digits in groups of three.
pub fn count(count: u64) -> String {
    group(&count.to_string())
}

/// An energy in joules, or in kilowatt-hours from a thousand kilojoules on.
pub fn energy(joules: f64) -> String {
    quantity(joules, "J")
}

/// A value in one of the units of results.
pub fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "s" => time(value),
        "share" => share(value),
        "1/s" => rate(value),
        _ if !value.is_finite() => NONE.to_owned(),
        _ => {
            let (scale, name) = scaled(value.abs(), unit);
            with_unit(&significant(value / scale, 3), name)
        }
    }
}

/// A mean with its 95 % interval, both rounded to what the interval supports: `412 ± 9 ms`, `1.30 ± 0.12 s`, `3.1 ± 0.4 %`.
///
/// The half-width keeps one digit, or two if the first is a 1. Without an interval the mean stands alone, to three digits.
pub fn estimate(estimate: &Estimate, unit: &str) -> String {
    estimate_in(estimate, unit, "")
}

/// As [`estimate`], with a currency code for amounts of money.
pub fn estimate_in(estimate: &Estimate, unit: &str, currency: &str) -> String {
    let mean = estimate.mean;
    if !mean.is_finite() {
        return NONE.to_owned();
    }
    let half = match estimate.half_width {
        Some(half) if half.is_finite() && half > mean.abs() * 1e-9 => half,
        _ if unit == "currency" => return money(mean, currency),
        _ => return quantity(mean, unit),
    };
    let size = mean.abs().max(half);
    // Rounded up, 980 ± 400 ms would be 1000 ± 400 ms.
    let rounded = round_to(size, decimals_for(half, if leading_digit(half) == 1 { 2 } else { 1 }));
    let (scale, name) = if unit == "currency" { (1.0, currency) } else { scaled(rounded, unit) };
    let (mean, half) = (mean / scale, half / scale);
    let digits = if leading_digit(half) == 1 { 2 } else { 1 };
    let places = decimals_for(half, digits);
    with_unit(&format!("{} ± {}", decimals(mean, places), decimals(half, places)), name)
}

/// An amount of money to three digits.
pub fn money(amount: f64, currency: &str) -> String {
    if !amount.is_finite() {
        return NONE.to_owned();
    }
    with_unit(&significant(amount, 3), currency)
}

/// A number to `digits` significant digits, without a trailing fraction of zeros, its digits grouped from 10 000 on.
pub fn significant(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let text = decimals(value, decimals_for(value, digits));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A tick of an axis whose ticks are `step` apart: as many decimals as tell them apart.
pub(crate) fn at_step(value: f64, step: f64) -> String {
    let places = decimals_for(step, 1).max(0);
    let text = decimals(value, if step == round_to(step, places) { places } else { places + 1 });
    if value == 0.0 { "0".to_owned() } else { text }
}

fn round_to(value: f64, places: i32) -> f64 {
    let power = 10f64.powi(places);
    let rounded = (value * power).round() / power;
    if (rounded - value).abs() < value.abs() * 1e-9 { value } else { rounded }
}

/// The unit that a value of this size reads best in, with its size in the unit of results.
fn scaled(size: f64, unit: &str) -> (f64, &str) {
    match unit {
        "s" => match size {
            s if s < 1e-6 => (1e-9, "ns"),
            s if s < 1e-3 => (1e-6, "µs"),
            s if s < 1.0 => (1e-3, "ms"),
            s if s < 10.0 * MINUTE => (1.0, "s"),
            s if s < 2.0 * HOUR => (MINUTE, "min"),
            s if s < 2.0 * DAY => (HOUR, "h"),
            _ => (DAY, "d"),
        },
        "share" => (0.01, "%"),
        "1/s" if size < 0.01 && size > 0.0 => (1.0 / HOUR, "/h"),
        "1/s" => (1.0, "/s"),
        "J" => match size {
            j if j < 1e3 => (1.0, "J"),
            j if j < 1e6 => (1e3, "kJ"),
            _ => (3.6e6, "kWh"),
        },
        "count" | "replicas" | "currency" => (1.0, ""),
        other => (1.0, other),
    }
}

fn with_unit(number: &str, unit: &str) -> String {
    match unit {
        "" => number.to_owned(),
        unit if unit.starts_with('/') && !number.contains('±') => format!("{number}{unit}"),
        unit => format!("{number} {unit}"),
    }
}

fn two_units(total: u64, parts: u64, large: &str, small: &str) -> String {
    match (total / parts, total % parts) {
        (whole, 0) => format!("{} {large}", count(whole)),
        (whole, rest) => format!("{} {large} {rest} {small}", count(whole)),
    }
}

/// Decimal places that show `digits` significant digits of `value`; negative for tens, hundreds, …
fn decimals_for(value: f64, digits: i32) -> i32 {
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    let exponent = value.abs().log10().floor() as i32;
    // Rounding may carry into the next power of ten: 9.96 to two digits is 10, not 10.0.
    let carried = (value.abs() * 10f64.powi(digits - 1 - exponent)).round() >= 10f64.powi(digits);
    digits - 1 - exponent - i32::from(carried)
}

fn leading_digit(value: f64) -> u32 {
    let exponent = value.abs().log10().floor() as i32;
    // As rounded to two digits, so that 0.0999 counts as 0.10.
    let two = (value.abs() / 10f64.powi(exponent - 1)).round() as u32;
    if two >= 100 { 1 } else { two / 10 }
}

/// `value` rounded to `places` decimals (to tens or hundreds when negative), never "-0".
fn decimals(value: f64, places: i32) -> String {
    let text = if places >= 0 {
        format!("{value:.*}", places.min(12) as usize)
    } else {
        let step = 10f64.powi(-places);
        format!("{:.0}", (value / step).round() * step)
    };
    let zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    match text.strip_prefix('-') {
        Some(rest) if zero => rest.to_owned(),
        Some(rest) => format!("−{}", group(rest)),
        None => group(&text),
    }
}

/// Groups the whole part by three from five digits on, as years and ports stay whole.
fn group(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)));
    let mut text = String::with_capacity(number.len() + 8);
    for (index, digit) in whole.chars().enumerate() {
        if whole.len() > 4 && index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(GROUP);
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_interval(mean: f64, half_width: f64) -> Estimate {
        Estimate { mean, half_width: Some(half_width), sd: Some(half_width), n: 10 }
    }

    #[test]
    fn times_read_as_people_say_them() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (3.2e-8, "32 ns"),
            (0.000_85, "850 µs"),
            (0.0123, "12.3 ms"),
            (0.412, "412 ms"),
            (0.9996, "1 s"),
            (2.3, "2.3 s"),
            (8.314, "8.31 s"),
            (61.2, "61.2 s"),
            (125.0, "2 min 5 s"),
            (600.0, "10 min"),
            (3600.0, "1 h"),
            (3665.0, "1 h 1 min 5 s"),
            (5400.0, "1 h 30 min"),
            (7500.0, "2 h 5 min"),
            (7200.0, "2 h"),
            (86_400.0 * 3.5, "3 d 12 h"),
            (-0.5, "−500 ms"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(time(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn shares_never_round_to_none_or_all() {
        for (value, text) in [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.004, "0.4 %"),
            (0.0123, "1.23 %"),
            (0.5, "50 %"),
            (0.973, "97.3 %"),
            (0.9731, "97.3 %"),
            (0.999_96, "99.996 %"),
            (0.9923, "99.2 %"),
            (0.999_999_99, "> 99.9999 %"),
            (1e-9, "< 0.0001 %"),
        ] {
            assert_eq!(share(value), text, "{value}");
        }
    }

    #[test]
    fn an_estimate_is_rounded_to_what_its_interval_supports() {
        for (mean, half, unit, text) in [
            (0.41234, 0.0091, "s", "412 ± 9 ms"),
            (1.3041, 0.1234, "s", "1.30 ± 0.12 s"),
            (1.3041, 0.31, "s", "1.3 ± 0.3 s"),
            (0.98712, 0.0031, "share", "98.7 ± 0.3 %"),
            (0.98, 0.4, "s", "1.0 ± 0.4 s"),
            (0.031, 0.0042, "share", "3.1 ± 0.4 %"),
            (20.13, 0.048, "1/s", "20.13 ± 0.05 /s"),
            (121_312.0, 340.0, "count", "121\u{202f}300 ± 300"),
            (121_312.0, 0.0, "count", "121\u{202f}000"),
            (0.02, 1.2, "s", "0.0 ± 1.2 s"),
            (9.96, 0.0996, "s", "9.96 ± 0.10 s"),
            (-3.2, 0.4, "s", "−3.2 ± 0.4 s"),
            (4.2e6, 1.1e5, "J", "1.17 ± 0.03 kWh"),
        ] {
            assert_eq!(estimate(&with_interval(mean, half), unit), text);
        }
        let single = Estimate { mean: 0.41234, half_width: None, sd: None, n: 1 };
        assert_eq!(estimate(&single, "s"), "412 ms");
        assert_eq!(estimate_in(&with_interval(0.01234, 0.0002), "currency", "EUR"), "0.0123 ± 0.0002 EUR");
        assert_eq!(estimate_in(&single, "currency", "USD"), "0.412 USD");
    }

    #[test]
    fn rates_counts_and_energies_have_their_units() {
        assert_eq!(rate(20.13), "20.1/s");
        assert_eq!(rate(0.003), "10.8/h");
        assert_eq!(count(1234), "1234");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(energy(1234.0), "1.23 kJ");
        assert_eq!(quantity(6.5, "W"), "6.5 W");
        assert_eq!(quantity(f64::INFINITY, "W"), "–");
        assert_eq!(significant(0.000_123_4, 2), "0.00012");
    }
}
