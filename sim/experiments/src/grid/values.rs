//! `KEY=V1,V2,…` as it is written on a command line: values are cut at commas outside of quotes and brackets, and
//! `1..12` or `0.5s..2s:4` stand for the numbers between.

use std::ops::Range;
use std::sync::Arc;

use faas_lab_model::metrics::comparison::Axis;
use faas_lab_model::scenario::{Place, Problem, Source};

use super::Combine;

/// Values that a range may stand for.
const MOST_VALUES: usize = 100_000;

const WRITE: &str = "write KEY=V1,V2, such as --vary function.NAME.scaling=fixed,capacity";

/// Reads one axis.
///
/// # Errors
/// What is wrong, where, and what to write instead.
pub fn read_axis(text: &str, combine: Combine) -> Result<Axis, Problem> {
    let source = Source::new(&format!("--vary {text}"), text);
    let whole = || Place::new(&source, 0..text.len());
    let equals = outside(text, 0..text.len(), '=')
        .map_err(|open| unclosed(&source, open))?
        .first()
        .copied()
        .ok_or_else(|| Problem::at(whole(), "what is varied needs an `=`").help(WRITE))?;
    let key = text[..equals].trim();
    if key.is_empty() {
        return Err(Problem::at(whole(), "a key is missing before the `=`").help(WRITE));
    }
    let values = values(&source, equals + 1..text.len(), combine)?;
    Ok(Axis { key: key.to_owned(), values })
}

fn values(source: &Arc<Source>, range: Range<usize>, combine: Combine) -> Result<Vec<String>, Problem> {
    let text = source.text();
    let commas = outside(text, range.clone(), ',').map_err(|open| unclosed(source, open))?;
    let starts = std::iter::once(range.start).chain(commas.iter().map(|comma| comma + 1));
    let ends = commas.iter().copied().chain([range.end]);
    let mut values: Vec<String> = Vec::new();
    for (start, end) in starts.zip(ends) {
        let written = text[start..end].trim();
        let place = || Place::new(source, start..end.max(start + 1));
        if written.is_empty() {
            let missing = Problem::at(place(), "a value is missing here");
            return Err(missing.help("write values between commas; an empty text is \"\""));
        }
        for value in expanded(written).map_err(|(what, help)| Problem::at(place(), what).help(help))? {
            if combine == Combine::Grid && values.contains(&value) {
                let twice = Problem::at(place(), format!("{value} is there twice"));
                return Err(twice.help("leave one of them out"));
            }
            values.push(value);
        }
    }
    Ok(values)
}

fn unclosed(source: &Arc<Source>, open: usize) -> Problem {
    let place = Place::new(source, open..open + 1);
    let opened = place.text().to_owned();
    Problem::at(place, format!("this {opened} is never closed"))
        .help("close it; a shell may have taken quotes away: put the whole argument in single quotes")
}

/// The bytes in `range` where `wanted` stands outside of quotes and brackets, or the place of what is never closed.
fn outside(text: &str, range: Range<usize>, wanted: char) -> Result<Vec<usize>, usize> {
    let mut found = Vec::new();
    let mut brackets: Vec<(char, usize)> = Vec::new();
    let mut quote: Option<(char, usize)> = None;
    let mut escaped = false;
    for (offset, letter) in text[range.clone()].char_indices() {
        let at = range.start + offset;
        if let Some((open, _)) = quote {
            match letter {
                _ if escaped => escaped = false,
                '\\' if open == '"' => escaped = true,
                _ if letter == open => quote = None,
                _ => {}
            }
            continue;
        }
        match letter {
            // An apostrophe within a word, as in a name, opens nothing.
            '"' | '\'' if !text[..at].ends_with(char::is_alphanumeric) => quote = Some((letter, at)),
            '[' | '{' => brackets.push((letter, at)),
            ']' | '}' => drop(brackets.pop()),
            _ if letter == wanted && brackets.is_empty() => found.push(at),
            _ => {}
        }
    }
    match quote.or(brackets.first().copied()) {
        Some((_, open)) => Err(open),
        None => Ok(found),
    }
}

/// A range's values, or the one value that is written.
fn expanded(written: &str) -> Result<Vec<String>, (String, &'static str)> {
    const HOW: &str = "write 1..12 for whole numbers, or 0.5s..2s:4 for four evenly spaced values";
    let Some(range) = Interval::read(written) else { return Ok(vec![written.to_owned()]) };
    let Interval { low, high, unit, steps } = range;
    if low >= high {
        return Err((format!("{written} does not go upwards"), HOW));
    }
    let whole = |value: f64| value.fract() == 0.0 && value.abs() < 1e15;
    let count = match steps {
        Some(Some(steps)) if (2..=MOST_VALUES).contains(&steps) => steps,
        Some(_) => return Err((format!("{written} needs a number from 2 to {MOST_VALUES} after the colon"), HOW)),
        None if !whole(low) || !whole(high) => return Err((format!("{written} does not say how many values"), HOW)),
        None if high - low >= MOST_VALUES as f64 => {
            return Err((format!("{written} has more than {MOST_VALUES} values"), HOW));
        }
        None => (high - low) as usize + 1,
    };
    let value = |k: usize| low + (high - low) * k as f64 / (count - 1) as f64;
    Ok((0..count).map(|k| format!("{}{unit}", plain(value(k)))).collect())
}

/// Without the noise of binary fractions.
fn plain(value: f64) -> f64 {
    let rounded = (value * 1e9).round() / 1e9;
    if rounded == 0.0 { value } else { rounded }
}

/// `LOW..HIGH` or `LOW..HIGH:STEPS`, both ends with the same unit or none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) unit: String,
    /// After the colon, where there is one; `None` inside if it is no number.
    pub(crate) steps: Option<Option<usize>>,
}

impl Interval {
    /// `None` for whatever is no range, such as a path that begins with `..`.
    pub(crate) fn read(written: &str) -> Option<Interval> {
        let (low, rest) = written.split_once("..")?;
        let (high, steps) = match rest.split_once(':') {
            Some((high, steps)) => (high, Some(steps.trim().parse().ok())),
            None => (rest, None),
        };
        let ((low, low_unit), (high, unit)) = (number(low.trim())?, number(high.trim())?);
        // `1..12s` can only mean seconds.
        (low_unit == unit || low_unit.is_empty()).then(|| Interval { low, high, unit: unit.to_owned(), steps })
    }
}

/// A number and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let value = digits.parse::<f64>().ok().filter(|value| value.is_finite())?;
    unit.chars().all(|c| c.is_alphabetic() || "/%".contains(c)).then_some((value, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        read_axis(text, Combine::Grid).expect("valid").values
    }

    fn wrong(text: &str) -> String {
        let problem = read_axis(text, Combine::Grid).expect_err("wrong");
        let place = problem.place.as_ref().expect("a place");
        format!("{place} {problem} [{}]", problem.help.as_ref().expect("help"))
    }

    #[test]
    fn commas_within_quotes_and_brackets_do_not_cut() {
        assert_eq!(read("k=5s,10s , 60s"), ["5s", "10s", "60s"]);
        assert_eq!(read(r#"k="a,b",'c,d',e"#), [r#""a,b""#, "'c,d'", "e"]);
        assert_eq!(
            read("k={ capacity = { target = 2, x = [1, 2] } },fixed"),
            ["{ capacity = { target = 2, x = [1, 2] } }", "fixed"]
        );
        assert_eq!(read("k=[[\"0s\", \"1/s\"], [\"1h\", \"2/s\"]]").len(), 1);
        assert_eq!(read(r#"k="say \"a,b\"",c"#), [r#""say \"a,b\"""#, "c"]);
        let quoted = read_axis(r#"function."a=b".scaling=hpa"#, Combine::Grid).expect("valid");
        assert_eq!((quoted.key.as_str(), quoted.values.len()), (r#"function."a=b".scaling"#, 1));
    }

    #[test]
    fn ranges_stand_for_their_numbers() {
        assert_eq!(read("k=1..4"), ["1", "2", "3", "4"]);
        assert_eq!(read("k=0,2..3,9"), ["0", "2", "3", "9"]);
        assert_eq!(read("k=0.1..1:10"), ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]);
        assert_eq!(read("k=0.5s..2s:4"), ["0.5s", "1s", "1.5s", "2s"]);
        assert_eq!(read("k=10..30/s:3"), ["10/s", "20/s", "30/s"]);
        assert_eq!(read("k=../trace.csv,a..b"), ["../trace.csv", "a..b"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, at, words) in [
            ("key", ":1:1 ", "needs an `=`"),
            ("=1", ":1:1 ", "a key is missing"),
            ("k=", ":1:3 ", "a value is missing"),
            ("k=1,,2", ":1:5 ", "a value is missing"),
            ("k=1,2,", ":1:7 ", "a value is missing"),
            ("k=1,2,1", ":1:7 ", "1 is there twice"),
            ("k=1,\"a", ":1:5 ", "never closed"),
            ("k={ a = 1,2", ":1:3 ", "never closed"),
            ("k=4..1", ":1:3 ", "does not go upwards"),
            ("k=0.5..1", ":1:3 ", "does not say how many"),
            ("k=0..1:1", ":1:3 ", "after the colon"),
            ("k=0..1:many", ":1:3 ", "after the colon"),
            ("k=1..1000000000", ":1:3 ", "more than 100000 values"),
        ] {
            let told = wrong(text);
            assert!(told.contains(at) && told.contains(words), "{text}: {told}");
        }
    }
}
