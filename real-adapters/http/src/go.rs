//! How Go writes spans of time and log lines: environment variables, log parsers and the certifier expect that.

use std::fmt::Write;
use std::time::Duration;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `30s`, `1m30s`, `1.5h`, `250ms`; a bare integer is seconds. `None` for anything else, negative spans too, and for
/// more than Go can hold (292 years).
pub fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        let limit = i64::MAX.unsigned_abs() / 1_000_000_000;
        return (seconds <= limit).then(|| Duration::from_secs(seconds));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let nanos = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
        total = total.checked_add(whole.checked_mul(nanos)?)?.checked_add(part(fraction, nanos))?;
        rest = after;
    }
    (total <= i64::MAX.unsigned_abs()).then(|| Duration::from_nanos(total))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `0.fraction` of a unit, rounded down; digits below a nanosecond's share do not count.
fn part(fraction: &str, nanos: u64) -> u64 {
    let mut sum: u128 = 0;
    let mut scale: u128 = 1;
    for digit in fraction.bytes().take(18) {
        sum = sum * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    u64::try_from(sum * u128::from(nanos) / scale).expect("less than one unit")
}

/// As Go prints it: `1m0s`, `30s`, `2m0.5s`, `1.5ms`, `0s`.
pub fn format_duration(span: Duration) -> String {
    let nanos = span.as_nanos();
    let mut text = String::new();
    let small = match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => Some((1, "ns")),
        1_000..1_000_000 => Some((1_000, "\u{b5}s")),
        1_000_000..1_000_000_000 => Some((1_000_000, "ms")),
        _ => None,
    };
    if let Some((unit, name)) = small {
        decimal(&mut text, nanos, unit);
        text.push_str(name);
        return text;
    }
    let minutes = span.as_secs() / 60;
    if minutes >= 60 {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}h", minutes / 60);
    }
    if minutes > 0 {
        let _ = write!(text, "{}m", minutes % 60);
    }
    decimal(&mut text, nanos % 60_000_000_000, 1_000_000_000);
    text.push('s');
    text
}

/// `nanos` in units, with the digits after the point that it needs.
fn decimal(text: &mut String, nanos: u128, unit: u128) {
    let _ = write!(text, "{}", nanos / unit);
    let rest = nanos % unit;
    if rest > 0 {
        let width = unit.ilog10() as usize;
        let fraction = format!("{rest:0width$}");
        let _ = write!(text, ".{}", fraction.trim_end_matches('0'));
    }
}

/// What Go's logger puts before a line: `2006/01/02 15:04:05 `, local time.
pub fn log_prefix() -> String {
    jiff::Zoned::now().strftime("%Y/%m/%d %H:%M:%S ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        let ms = Duration::from_millis;
        for (text, meant) in [
            ("30", ms(30_000)),
            ("0", ms(0)),
            ("30s", ms(30_000)),
            ("1m30s", ms(90_000)),
            ("1.5h", ms(5_400_000)),
            (".5s", ms(500)),
            ("1.s", ms(1_000)),
            ("250ms", ms(250)),
            ("1500us", Duration::from_micros(1500)),
            ("1µs", Duration::from_micros(1)),
            ("+5s", ms(5_000)),
            ("1h0m0.001s", ms(3_600_001)),
        ] {
            assert_eq!(parse_duration(text), Some(meant), "{text}");
        }
        for rubbish in ["", "s", "-1s", "-5", "abc", "1x", "1 s", " 1s", "1s ", "1.5", ".s", "1h-5m", "99999999999999h"]
        {
            assert_eq!(parse_duration(rubbish), None, "{rubbish}");
        }
    }

    #[test]
    fn prints_as_go_prints() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (30_000_000_000, "30s"),
            (60_000_000_000, "1m0s"),
            (120_500_000_000, "2m0.5s"),
            (3_600_000_000_000, "1h0m0s"),
            (5_025_000_000_001, "1h23m45.000000001s"),
        ] {
            assert_eq!(format_duration(Duration::from_nanos(nanos)), text);
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_prints(nanos in 0..i64::MAX.unsigned_abs()) {
            let span = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&format_duration(span)), Some(span));
        }

        #[test]
        fn survives_any_text(text in "[-+0-9.a-zµ ]{0,24}") {
            if let Some(span) = parse_duration(&text) {
                prop_assert_eq!(parse_duration(&format_duration(span)), Some(span));
            }
        }
    }
}
