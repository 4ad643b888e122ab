//! The summary on a terminal: the answer, a compact table, and what else one should know before opening the page.

use faas_lab_model::metrics::result::{self, OutcomeKind, RunResult, Source};

use crate::format;
use crate::words::{self, Verdict};

/// How the summary is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of the terminal; less than 40 counts as 40.
    pub width: usize,
    /// Whether to colour it with ANSI escapes.
    pub color: bool,
}

impl Default for TextOptions {
    fn default() -> TextOptions {
        TextOptions { width: 100, color: false }
    }
}

/// Metrics of the table, as far as the result has them.
const SHOWN: [&str; 16] = [
    result::OFFERED,
    result::SUCCESS_SHARE,
    result::TIMED_OUT_SHARE,
    result::REFUSED_SHARE,
    result::RESPONSE_P50,
    result::RESPONSE_P95,
    result::RESPONSE_P99,
    result::WAITING_MEAN,
    result::COLD_SHARE,
    result::GOODPUT,
    result::REPLICAS_MEAN,
    result::REPLICAS_BUSY_MEAN,
    result::CPU_UTILIZATION,
    result::ENERGY,
    result::COST,
    result::COST_PER_MILLION,
];

/// Different errors whose words are shown.
const ERRORS: usize = 5;

/// The summary of a result, ending in a line break.
pub fn summary(result: &RunResult, options: &TextOptions) -> String {
    let mut sheet = Sheet { out: String::new(), width: options.width.max(40), color: options.color };
    sheet.heading(result);
    sheet.answer(result);
    sheet.metrics(result);
    sheet.outcomes(result);
    sheet.errors(result);
    sheet.checks(result);
    sheet.warnings(result);
    sheet.out
}

/// Styles of the terminal.
#[derive(Clone, Copy)]
enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    Unsure,
}

struct Sheet {
    out: String,
    width: usize,
    color: bool,
}

impl Sheet {
    fn heading(&mut self, result: &RunResult) {
        let runs = words::plural(result.replications.len() as u64, words::run_words(result.source));
        let how = words::source_words(result.source);
        let name = plain(&result.name);
        self.styled(&name, Style::Bold);
        self.paragraph(
            &format!("{how}, {runs}, {}; {}", words::window_words(result), words::seed_words(result)),
            "",
            Some(Style::Dim),
        );
    }

    fn answer(&mut self, result: &RunResult) {
        let (verdict, text) = words::answer(result);
        let style = match verdict {
            Verdict::Met => Some(Style::Good),
            Verdict::Missed => Some(Style::Bad),
            Verdict::Unsure => Some(Style::Unsure),
            Verdict::Open => None,
        };
        self.out.push('\n');
        self.paragraph(&text, "", style);
    }

    fn metrics(&mut self, result: &RunResult) {
        let mut columns = vec![("all", &result.summary)];
        match result.functions.as_slice() {
            [only] => {
                columns[0] =
                    (only.name.as_str(), if result.summary.is_empty() { &only.summary } else { &result.summary })
            }
            functions => columns.extend(functions.iter().map(|function| (function.name.as_str(), &function.summary))),
        }
        let text = |column: usize, key: &str| words::metric_text(columns[column].1, key, &result.cost.currency);
        let keys: Vec<&str> =
            SHOWN.into_iter().filter(|key| (0..columns.len()).any(|column| text(column, key).is_some())).collect();
        if keys.is_empty() {
            return;
        }
        let label_width = keys.iter().map(|key| width(&words::metric_words(key))).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns.len())
            .map(|column| {
                let cells = keys.iter().filter_map(|key| text(column, key)).map(|cell| width(&cell));
                cells.chain([width(&plain(columns[column].0))]).max().unwrap_or(0)
            })
            .collect();
        // As many columns side by side as the terminal holds, the rest in tables of their own.
        let mut from = 0;
        while from < columns.len() {
            let mut to = from + 1;
            let total = |to: usize| label_width + widths[from..to].iter().map(|width| width + 3).sum::<usize>();
            while to < columns.len() && total(to + 1) <= self.width {
                to += 1;
            }
            let head: String =
                (from..to).map(|column| format!("   {}", right(&plain(columns[column].0), widths[column]))).collect();
            self.out.push('\n');
            self.styled(&format!("{:label_width$}{head}", ""), Style::Bold);
            for key in &keys {
                let label = match *key == result::OFFERED && result.source == Source::Measured {
                    true => "requests per run".to_owned(),
                    false => words::metric_words(key),
                };
                let cells: String = (from..to)
                    .map(|column| text(column, key).unwrap_or_else(|| format::NONE.to_owned()))
                    .zip(&widths[from..to])
                    .map(|(cell, width)| format!("   {}", right(&cell, *width)))
                    .collect();
                self.out.push_str(&format!("{label}{:pad$}{cells}\n", "", pad = label_width - width(&label)));
            }
            from = to;
        }
    }

    fn outcomes(&mut self, result: &RunResult) {
        let total: u64 = words::requests(result);
        let mut lost = Vec::new();
        for function in &result.functions {
            for outcome in
                function.outcomes.iter().filter(|outcome| outcome.outcome != OutcomeKind::Ok && outcome.count > 0)
            {
                let hop = outcome.hop.as_ref().map_or_else(String::new, |hop| format!(" at {}", plain(hop)));
                let status = outcome.status.map_or_else(String::new, |status| format!(", status {status}"));
                let whose =
                    if result.functions.len() > 1 { format!("{}: ", plain(&function.name)) } else { String::new() };
                let what = format!("{whose}{}{hop}{status}", words::outcome_words(outcome.outcome));
                lost.push((format::count(outcome.count), format::share(outcome.count as f64 / total as f64), what));
            }
        }
        if lost.is_empty() {
            return;
        }
        self.out.push('\n');
        let all = match result.replications.len() {
            1 => String::new(),
            _ => format!(", over all {}s", words::run_words(result.source)),
        };
        self.styled(&format!("Without a full answer{all}"), Style::Bold);
        let widest =
            |of: fn(&(String, String, String)) -> &String| lost.iter().map(|row| width(of(row))).max().unwrap_or(0);
        let (counts, shares) = (widest(|row| &row.0), widest(|row| &row.1));
        for (count, share, what) in &lost {
            self.out.push_str(&format!("  {}  {}  {what}\n", right(count, counts), right(share, shares)));
        }
    }

    /// What the most frequent errors of a live run said.
    fn errors(&mut self, result: &RunResult) {
        let errors = result.measurement.as_ref().map_or(&[][..], |measurement| &measurement.errors);
        if errors.is_empty() {
            return;
        }
        self.out.push('\n');
        self.styled("What errors said", Style::Bold);
        for error in errors.iter().take(ERRORS) {
            let whose =
                if result.functions.len() > 1 { format!("{}: ", plain(&error.function)) } else { String::new() };
            let count = format::count(error.count);
            self.paragraph(&format!("{whose}{}", plain(&words::error_words(error))), &format!("  {count}  "), None);
        }
        if errors.len() > ERRORS {
            self.out.push_str(&format!("  and {} others: the report lists them\n", errors.len() - ERRORS));
        }
    }

    fn checks(&mut self, result: &RunResult) {
        if result.checks.is_empty() {
            return;
        }
        self.out.push('\n');
        self.styled("Beside theory", Style::Bold);
        for check in &result.checks {
            let line = format!(
                "{}, {}: {} simulated, {} in theory (z = {})",
                plain(&check.model),
                plain(&check.quantity),
                format::estimate(&check.simulated, &check.unit),
                format::quantity(check.theory, &check.unit),
                format::significant(check.z, 2)
            );
            self.paragraph(&line, "  ", None);
        }
    }

    fn warnings(&mut self, result: &RunResult) {
        if !result.warnings.is_empty() {
            self.out.push('\n');
        }
        for warning in &result.warnings {
            self.paragraph(&format!("{}: {}", plain(&warning.code), plain(&warning.text)), "! ", Some(Style::Unsure));
        }
    }

    /// Breaks `text` into lines after words; `mark` opens the first, its width indents the others.
    fn paragraph(&mut self, text: &str, mark: &str, style: Option<Style>) {
        let room = self.width - width(mark);
        let (mut line, mut first) = (String::new(), true);
        let mut lines = Vec::new();
        for word in text.split(' ') {
            if !line.is_empty() && width(&line) + 1 + width(word) > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
        for line in lines {
            let start = if first { mark.to_owned() } else { " ".repeat(width(mark)) };
            first = false;
            match style {
                Some(style) => self.styled(&format!("{start}{line}"), style),
                None => self.out.push_str(&format!("{start}{line}\n")),
            }
        }
    }

    fn styled(&mut self, line: &str, style: Style) {
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Bad => "31",
            Style::Unsure => "33",
        };
        match self.color {
            true => self.out.push_str(&format!("\u{1b}[{code}m{line}\u{1b}[0m\n")),
            false => self.out.push_str(&format!("{line}\n")),
        }
    }
}

/// Without control characters: a name from a file must not steer the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn right(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn it_opens_with_the_answer_and_keeps_to_the_width() {
        for width in [48, 80, 120] {
            let text = summary(&sample::two_functions(), &TextOptions { width, color: false });
            assert!(text.lines().all(|line| line.chars().count() <= width.max(80)), "{text}");
            assert!(text.contains("misses the objective") || width < 80, "{text}");
            assert!(!text.contains('\u{1b}') && !text.contains("NaN"), "{text}");
        }
    }

    #[test]
    fn colour_comes_only_when_asked_and_names_cannot_steer_the_terminal() {
        let mut result = sample::two_functions();
        result.name = "evil\u{1b}[2J".to_owned();
        assert!(!summary(&result, &TextOptions { width: 80, color: false }).contains('\u{1b}'));
        let coloured = summary(&result, &TextOptions { width: 80, color: true });
        assert!(coloured.contains("\u{1b}[31m") && !coloured.contains("\u{1b}[2J"));
    }

    #[test]
    fn nothing_says_so() {
        let text = summary(&sample::nothing(), &TextOptions::default());
        assert!(text.contains("No request arrived"), "{text}");
    }
}
