//! Quantities with units. A scenario writes them in words ("2/s", "128MiB"); in code they are types.
//!
//! Each type reads what it prints. Numbers are read as decimals and scaled in integers where the unit allows, so that
//! "0.3ms" is 300 000 ns and not the nearest float.

use std::fmt;
use std::str::FromStr;

use crate::time::Span;

/// Events per second; finite and not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// A data rate in bytes per second; finite and positive.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct ByteRate(pub f64);

/// A part of a whole, in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Share(pub f64);

/// Why a text is not a quantity, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {instead}")]
pub struct QuantityError {
    /// What is wrong.
    pub problem: String,
    /// What to write.
    pub instead: String,
}

fn error(problem: impl Into<String>, instead: impl Into<String>) -> QuantityError {
    QuantityError { problem: problem.into(), instead: instead.into() }
}

const SPAN_UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const BYTE_UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const BIT_UNITS: [(&str, f64); 5] =
    [("bit", 0.125), ("kbit", 125.0), ("Kbit", 125.0), ("Mbit", 125e3), ("Gbit", 125e6)];

/// A number at the start of `text`, and what follows it.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    // "1e3s": an exponent belongs to the number.
    let exponent = unit.strip_prefix(['e', 'E']).and_then(|rest| {
        let digits = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        (length > 0).then(|| 1 + rest.len() - digits.len() + length)
    });
    let (number, unit) = text.split_at(number.len() + exponent.unwrap_or(0));
    (!number.is_empty()).then_some((number, unit.trim_start()))
}

fn float(number: &str) -> Option<f64> {
    number.replace('_', "").parse::<f64>().ok().filter(|value| value.is_finite())
}

/// `number · scale` rounded to a whole; exact in decimal. `None` when it is no number or too large.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let number = number.replace('_', "");
    if number.contains(['e', 'E']) {
        let value = float(&number)? * scale as f64;
        return (value < u64::MAX as f64).then(|| value.round() as u64);
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits beyond the eighteenth cannot change a result below 2⁶⁴.
    let digits = fraction.get(..fraction.len().min(18))?;
    let part: u128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let power = 10u128.pow(digits.len() as u32);
    let scale = u128::from(scale);
    let value = whole.checked_mul(scale)?.checked_add((part * scale + power / 2) / power)?;
    u64::try_from(value).ok()
}

fn unit_of<T: Copy>(units: &[(&str, T)], name: &str) -> Option<T> {
    units.iter().find(|(unit, _)| *unit == name).map(|(_, scale)| *scale)
}

impl FromStr for Span {
    type Err = QuantityError;

    /// `250ms`, `1.5s`, `2h30m`; each part a number and one of ns, us, ms, s, m, h, d.
    fn from_str(text: &str) -> Result<Span, QuantityError> {
        let text = text.trim();
        let example = || "write a number and a unit, such as \"250ms\", \"1.5s\", \"2m\" or \"2h30m\"".to_owned();
        if text.is_empty() {
            return Err(error("a time is empty", example()));
        }
        if text.starts_with('-') {
            return Err(error(format!("{text:?} is a negative time"), "write a time of zero or more, such as \"0s\""));
        }
        let (mut rest, mut total) = (text, 0u64);
        while !rest.is_empty() {
            let Some((number, after)) = split_number(rest) else {
                return Err(error(format!("{text:?} is not a time"), example()));
            };
            let end = after.find(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            if unit.is_empty() {
                return Err(error(
                    "a time needs a unit".to_owned(),
                    if rest == text { format!("write \"{number}ms\" or \"{number}s\"") } else { example() },
                ));
            }
            let Some(scale) = unit_of(&SPAN_UNITS, unit) else {
                return Err(error(format!("{unit:?} is not a unit of time"), span_unit_hint(number, unit)));
            };
            let nanos = scaled(number, scale)
                .and_then(|nanos| total.checked_add(nanos))
                .ok_or_else(|| error(format!("{text:?} is not a time of less than 584 years"), example()))?;
            total = nanos;
            rest = after.trim_start();
        }
        Ok(Span::from_nanos(total))
    }
}

fn span_unit_hint(number: &str, unit: &str) -> String {
    let meant = match unit.to_lowercase().as_str() {
        "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "hour" | "hours" | "hr" | "hrs" => "h",
        "day" | "days" => "d",
        "msec" | "millis" | "milliseconds" | "millisecond" => "ms",
        "usec" | "micros" | "microseconds" => "us",
        _ => return "the units are ns, us, ms, s, m, h and d".to_owned(),
    };
    format!("write \"{number}{meant}\"")
}

impl FromStr for Rate {
    type Err = QuantityError;

    /// `2/s`, `30/min`, `10/h`, `5/d`.
    fn from_str(text: &str) -> Result<Rate, QuantityError> {
        let example = "write a number per unit of time, such as \"2/s\", \"30/min\" or \"10/h\"";
        let text = text.trim();
        let (number, unit) = split_number(text).ok_or_else(|| error(format!("{text:?} is not a rate"), example))?;
        let Some(unit) = unit.strip_prefix('/') else {
            let problem =
                if unit.is_empty() { "a rate needs a unit".to_owned() } else { format!("{text:?} is not a rate") };
            return Err(error(problem, format!("write \"{number}/s\" or \"{number}/min\"")));
        };
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 3600.0,
            "d" | "day" => 86_400.0,
            other => {
                return Err(error(format!("{other:?} is not a unit of time"), "the units are /s, /min, /h and /d"));
            }
        };
        let value = float(number).ok_or_else(|| error(format!("{number:?} is not a number"), example))?;
        Ok(Rate(value / seconds))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;

    /// `12124B`, `256kB` (thousands), `128MiB` (powers of 1024).
    fn from_str(text: &str) -> Result<Bytes, QuantityError> {
        let example = "write a number and a unit, such as \"12124B\", \"256kB\" or \"128MiB\"";
        let text = text.trim();
        let (number, unit) = split_number(text).ok_or_else(|| error(format!("{text:?} is not a size"), example))?;
        if unit.is_empty() {
            return Err(error("a size needs a unit", format!("write \"{number}B\" or \"{number}MiB\"")));
        }
        let scale = unit_of(&BYTE_UNITS, unit).ok_or_else(|| {
            let unknown = format!("{unit:?} is not a unit of size");
            match unit_of(&BYTE_UNITS, &format!("{unit}B")).or_else(|| unit_of(&BYTE_UNITS, &format!("{unit}iB"))) {
                Some(_) => {
                    error(unknown, format!("write \"{number}{unit}B\" or \"{number}{}iB\"", unit[..1].to_uppercase()))
                }
                None => error(unknown, "the units are B, kB, MB, GB, TB and KiB, MiB, GiB, TiB"),
            }
        })?;
        scaled(number, scale).map(Bytes).ok_or_else(|| error(format!("{text:?} is not a size below 16 EiB"), example))
    }
}

impl fmt::Display for Bytes {
    /// In the largest unit of which it is a whole multiple.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["GiB", "MiB", "GB", "MB", "KiB", "kB"];
        let whole = units.into_iter().filter_map(|unit| Some((unit, unit_of(&BYTE_UNITS, unit)?)));
        match whole.into_iter().find(|(_, scale)| self.0 >= *scale && self.0.is_multiple_of(*scale)) {
            Some((unit, scale)) => write!(f, "{}{unit}", self.0 / scale),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl FromStr for ByteRate {
    type Err = QuantityError;

    /// `939Mbit/s`, `20MiB/s`.
    fn from_str(text: &str) -> Result<ByteRate, QuantityError> {
        let example = "write a size per second, such as \"939Mbit/s\" or \"20MiB/s\"";
        let text = text.trim();
        let not_one = || error(format!("{text:?} is not a data rate"), example);
        let (number, unit) = split_number(text).ok_or_else(not_one)?;
        let unit = unit.strip_suffix("/s").ok_or_else(not_one)?.trim_end();
        let bytes = unit_of(&BYTE_UNITS, unit).map(|scale| scale as f64);
        let scale = bytes.or_else(|| unit_of(&BIT_UNITS, unit)).ok_or_else(|| {
            error(
                format!("{unit:?} is not a unit of size"),
                "the units are kbit, Mbit, Gbit, kB, MB, GB, KiB, MiB and GiB",
            )
        })?;
        match float(number).map(|number| number * scale) {
            Some(rate) if rate > 0.0 && rate.is_finite() => Ok(ByteRate(rate)),
            Some(_) => Err(error("a data rate must be more than zero", example)),
            None => Err(not_one()),
        }
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |scale: f64| self.0 >= scale && (self.0 / scale).fract() == 0.0;
        match self.0 {
            rate if whole(125e3) => write!(f, "{}Mbit/s", rate / 125e3),
            rate if whole(1048576.0) => write!(f, "{}MiB/s", rate / 1048576.0),
            rate => write!(f, "{rate}B/s"),
        }
    }
}

impl FromStr for Share {
    type Err = QuantityError;

    /// `30%` or `0.3`.
    fn from_str(text: &str) -> Result<Share, QuantityError> {
        let text = text.trim();
        let example = "write a share between 0 and 1, such as 0.3 or \"30%\"";
        let (number, scale) = match text.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), 100.0),
            None => (text, 1.0),
        };
        match float(number) {
            Some(value) if (0.0..=scale).contains(&value) => Ok(Share(value / scale)),
            Some(_) => Err(error(format!("{text:?} is not between 0 and 1"), example)),
            None => Err(error(format!("{text:?} is not a share"), example)),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        let nanos = |text: &str| text.parse::<Span>().map(Span::as_nanos);
        for (text, expected) in [
            ("10ns", 10),
            ("3us", 3_000),
            ("0.3ms", 300_000),
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("1e3s", 1_000_000_000_000),
            ("2h30m", 9_000_000_000_000),
            ("1h 30m", 5_400_000_000_000),
            ("1d", 86_400_000_000_000),
        ] {
            assert_eq!(nanos(text), Ok(expected), "{text}");
        }
        assert_eq!("30/min".parse(), Ok(Rate(0.5)));
        assert_eq!("128MiB".parse(), Ok(Bytes(128 << 20)));
        assert_eq!("256kB".parse(), Ok(Bytes(256_000)));
        assert_eq!("939Mbit/s".parse(), Ok(ByteRate(117_375_000.0)));
        assert_eq!("30%".parse(), Ok(Share(0.3)));
    }

    #[test]
    fn errors_say_what_to_write_instead() {
        let span = |text: &str| text.parse::<Span>().expect_err(text).to_string();
        assert_eq!(span("250"), "a time needs a unit: write \"250ms\" or \"250s\"");
        assert_eq!(span("5min"), "\"min\" is not a unit of time: write \"5m\"");
        assert_eq!(span("-1s"), "\"-1s\" is a negative time: write a time of zero or more, such as \"0s\"");
        assert!(span("600y").contains("the units are"));
        assert!(span("999999999h").contains("584 years"));
        assert_eq!(
            "128M".parse::<Bytes>().expect_err("no unit").to_string(),
            "\"M\" is not a unit of size: write \"128MB\" or \"128MiB\""
        );
        assert_eq!(
            "2".parse::<Rate>().expect_err("no unit").to_string(),
            "a rate needs a unit: write \"2/s\" or \"2/min\""
        );
        assert!("130%".parse::<Share>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(nanos: u64, bytes: u64, rate in 0.0..1e12f64, data in 1e-3..1e15f64, share in 0.0..=1.0f64) {
            let span = Span::from_nanos(nanos);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
            prop_assert_eq!(Rate(rate).to_string().parse(), Ok(Rate(rate)));
            prop_assert_eq!(ByteRate(data).to_string().parse(), Ok(ByteRate(data)));
            prop_assert_eq!(Share(share).to_string().parse(), Ok(Share(share)));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC*") {
            let _ = (text.parse::<Span>(), text.parse::<Rate>(), text.parse::<Bytes>(), text.parse::<ByteRate>(), text.parse::<Share>());
        }
    }
}
