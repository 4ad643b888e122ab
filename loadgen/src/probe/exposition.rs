//! Reads Prometheus' text format, as far as numbers with labels go. What cannot be read is passed over: a look that misses
//! a line is better than none.

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Name of the metric.
    pub name: &'a str,
    /// Its labels.
    pub labels: Vec<(&'a str, String)>,
    /// The value.
    pub value: f64,
}

impl Sample<'_> {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// All values of a text, in their order.
pub fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = line.find(|c| !is_name(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // A timestamp may follow.
    let value = rest.split_whitespace().next()?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    Some(Sample { name, labels, value })
}

type Labels<'a> = Vec<(&'a str, String)>;

/// What is between the braces, and the rest of the line.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start().strip_prefix('"')?;
        let (value, after) = quoted(after)?;
        labels.push((name.trim(), value));
        rest = after;
    }
}

/// Up to the closing quote; `\\`, `\"` and `\n` are escapes.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_read_as_prometheus_writes_them() {
        let text = "# HELP x y\n# TYPE gateway_service_count gauge\n\
                    gateway_service_count{function_name=\"hello.openfaas-fn\"} 3\n\
                    http{code=\"200\", path=\"a\\\\b\\\"c\\nd\" ,} 1.5e3 1700000000000\n\
                    up 1\nbare{} +Inf\nnot a number\nbroken{a=\"b} 1\n{} 3\n9x 1\n";
        let all: Vec<Sample<'_>> = samples(text).collect();
        assert_eq!(
            all.iter().map(|sample| sample.name).collect::<Vec<_>>(),
            ["gateway_service_count", "http", "up", "bare"]
        );
        assert_eq!((all[0].label("function_name"), all[0].value), (Some("hello.openfaas-fn"), 3.0));
        assert_eq!((all[1].label("path"), all[1].value), (Some("a\\b\"c\nd"), 1500.0));
        assert_eq!((all[3].value, all[3].label("x")), (f64::INFINITY, None));
    }

    proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "\\PC{0,80}|([a-z{}\"=,\\\\ 0-9\n#.]|gateway_service_count|function_name=){0,40}") {
            prop_assert!(samples(&text).count() <= text.lines().count());
        }

        #[test]
        fn what_is_written_is_read(value in "\\PC{0,20}", number in -1e9f64..1e9) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let text = format!("m{{a=\"{escaped}\"}} {number}\n");
            let all: Vec<Sample<'_>> = samples(&text).collect();
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!((all[0].label("a"), all[0].value), (Some(value.as_str()), number));
        }
    }
}
