//! Short, unique names of points: the end of each key that tells it from the others, and the value.

use faas_lab_model::metrics::comparison::Axis;

/// Letters of a value that a label shows.
const LONGEST_VALUE: usize = 32;

/// The words that labels are put together from.
pub(super) struct Labels {
    /// Axis by axis: `key=value` for each value.
    parts: Vec<Vec<String>>,
}

impl Labels {
    pub(super) fn new(axes: &[Axis]) -> Labels {
        let keys: Vec<Vec<&str>> = axes.iter().map(|axis| segments(&axis.key)).collect();
        let parts = axes.iter().zip(&keys).map(|(axis, key)| {
            let name = shortest(key, &keys);
            let shown = shortened(&axis.values);
            shown.iter().map(|value| format!("{name}={value}")).collect()
        });
        Labels { parts: parts.collect() }
    }

    /// The label of the point with these values, given by their numbers.
    pub(super) fn of(&self, chosen: &[usize]) -> String {
        if chosen.is_empty() {
            return "base".to_owned();
        }
        let parts = self.parts.iter().zip(chosen).map(|(values, index)| values[*index].as_str());
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Without line breaks and other control characters, and without runs of spaces.
pub(super) fn on_one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The parts of a key; dots within quotes do not cut.
fn segments(key: &str) -> Vec<&str> {
    let mut quote = None;
    let cut = |letter: char| {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            _ => {}
        }
        letter == '.' && quote.is_none()
    };
    key.split(cut).map(str::trim).collect()
}

/// As many parts from the end of `key` as no other of the `keys` ends in.
fn shortest(key: &[&str], keys: &[Vec<&str>]) -> String {
    let taken = |length: usize| {
        let end = &key[key.len() - length..];
        keys.iter().filter(|other| other.ends_with(end)).count() > 1
    };
    let length = (1..=key.len()).find(|length| !taken(*length)).unwrap_or(key.len());
    key[key.len() - length..].join(".")
}

/// Values as labels show them: without quotes, not too long, and still told apart.
fn shortened(values: &[String]) -> Vec<String> {
    let bare: Vec<String> = values.iter().map(|value| on_one_line(unquoted(value))).collect();
    let short = bare.iter().map(|value| match value.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", value[..end].trim_end()),
        None => value.clone(),
    });
    let short: Vec<String> = short.collect();
    let numbered = short.iter().enumerate().map(|(k, value)| {
        let alike = values.iter().zip(&short).any(|(other, short)| short == value && *other != values[k]);
        if alike { format!("{value} #{}", k + 1) } else { value.clone() }
    });
    numbered.collect()
}

fn unquoted(value: &str) -> &str {
    let inner = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    inner.filter(|inner| !inner.trim().is_empty()).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(key: &str, values: &[&str]) -> Axis {
        Axis { key: key.to_owned(), values: values.iter().map(|value| (*value).to_owned()).collect() }
    }

    #[test]
    fn keys_keep_what_tells_them_apart() {
        let axes = [
            axis("function.a.replicas.max", &["1"]),
            axis("function.b.replicas.max", &["2"]),
            axis("edge.client_timeout", &["3s"]),
        ];
        assert_eq!(Labels::new(&axes).of(&[0, 0, 0]), "a.replicas.max=1, b.replicas.max=2, client_timeout=3s");
        let dotted = [axis(r#"function."a.b".scaling"#, &["hpa"])];
        assert_eq!(Labels::new(&dotted).of(&[0]), "scaling=hpa");
    }

    #[test]
    fn values_are_shortened_and_stay_apart() {
        let long = |end: &str| format!("{{ capacity = {{ target = 2, down_window = \"60s\", x = {end} }} }}");
        let (one, two) = (long("1"), long("2"));
        let axes = [axis("scaling", &[&one, &two, "\"a, b\"", "a\nb", "\"\""])];
        let labels = Labels::new(&axes);
        assert_eq!(labels.of(&[0]), "scaling={ capacity = { target = 2, down_… #1");
        assert_eq!(labels.of(&[1]), "scaling={ capacity = { target = 2, down_… #2");
        assert_eq!((labels.of(&[2]), labels.of(&[3])), ("scaling=a, b".to_owned(), "scaling=a b".to_owned()));
        assert_eq!(labels.of(&[4]), "scaling=\"\"");
    }
}
