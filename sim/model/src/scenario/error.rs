//! What is wrong with a scenario, where, and what to write instead: all of it in one go.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

/// A text that problems point into: a scenario, a profile, a trace, or an override of the command line.
#[derive(Debug)]
pub struct Source {
    code: NamedSource<String>,
}

impl Source {
    /// A text with the name that messages give it.
    pub fn new(name: &str, text: &str) -> Arc<Source> {
        Arc::new(Source { code: NamedSource::new(name, text.to_owned()) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.code.name()
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.code.inner()
    }
}

/// Some bytes of a source.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which source.
    pub source: Arc<Source>,
    /// Which bytes of it; on character boundaries and within the text.
    pub span: Range<usize>,
}

impl Place {
    /// `span` of `source`, cut to what is there.
    pub fn new(source: &Arc<Source>, span: Range<usize>) -> Place {
        let text = source.text();
        let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (start, end) = (floor(span.start), floor(span.end));
        Place { source: source.clone(), span: start..end.max(start) }
    }

    /// Line and column, from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = &self.source.text()[..self.span.start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.source.text()[self.span.clone()]
    }

    /// Whether both name common bytes of one source.
    pub fn overlaps(&self, other: &Place) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
            && self.span.start < other.span.end.max(other.span.start + 1)
            && other.span.start < self.span.end.max(self.span.start + 1)
    }

    /// The line it starts in, without its line break.
    fn line(&self) -> &str {
        let text = self.source.text();
        let start = text[..self.span.start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[self.span.start..].find('\n').map_or(text.len(), |at| self.span.start + at);
        text[start..end].trim_end_matches('\r')
    }
}

/// `name:line:column`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.name())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Where; absent when there is no text to point into.
    pub place: Option<Place>,
    /// A few words beside the place; may be empty.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Other places that matter, with a few words each.
    pub related: Vec<(Place, String)>,
}

impl Problem {
    /// A problem at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Problem {
        Problem { place: Some(place), ..Problem::nowhere(message) }
    }

    /// A problem with nothing to point at, such as a file that cannot be read.
    pub fn nowhere(message: impl Into<String>) -> Problem {
        Problem { message: message.into(), place: None, label: String::new(), help: None, related: Vec::new() }
    }

    /// Says what to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// Puts a few words beside the place.
    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    /// Points at another place that matters.
    pub fn see(mut self, place: Option<Place>, words: impl Into<String>) -> Problem {
        self.related.extend(place.map(|place| (place, words.into())));
        self
    }
}

impl std::error::Error for Problem {}

/// The message alone; [`ScenarioErrors`] shows the place too.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &place.source.code as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let words = |label: &String| (!label.is_empty()).then(|| label.clone());
        // One source is shown; places elsewhere are left to the help text.
        let others = self.related.iter().filter(|(other, _)| Arc::ptr_eq(&other.source, &place.source));
        let first = LabeledSpan::new_primary_with_span(words(&self.label), SourceSpan::from(place.span.clone()));
        Some(Box::new(std::iter::once(first).chain(others.map(move |(other, label)| {
            LabeledSpan::new_with_span(words(label), SourceSpan::from(other.span.clone()))
        }))))
    }
}

/// Everything that is wrong with a scenario; never empty.
#[derive(Clone, Debug)]
pub struct ScenarioErrors {
    /// Name of the scenario file as given.
    pub name: String,
    /// The problems, in the order of the file.
    pub problems: Vec<Problem>,
}

impl ScenarioErrors {
    /// The problems in the order of their places.
    pub(crate) fn new(name: &str, mut problems: Vec<Problem>) -> ScenarioErrors {
        problems.sort_by_key(|problem| problem.place.as_ref().map(|place| place.span.start));
        ScenarioErrors { name: name.to_owned(), problems }
    }
}

impl std::error::Error for ScenarioErrors {}

/// Problems that are shown; more would scroll the first ones away.
const MOST_SHOWN: usize = 50;

/// Plain text: each problem with its place, its line, a caret below it and the help. At most fifty of them.
impl fmt::Display for ScenarioErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(MOST_SHOWN).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match &problem.place {
                Some(place) => writeln!(f, "{place}: {}", problem.message)?,
                None if problem.message.contains(&self.name) => writeln!(f, "{}", problem.message)?,
                None => writeln!(f, "{}: {}", self.name, problem.message)?,
            }
            if let Some(place) = &problem.place {
                excerpt(f, place, &problem.label)?;
            }
            for (place, label) in &problem.related {
                let elsewhere = problem.place.as_ref().is_none_or(|first| !Arc::ptr_eq(&first.source, &place.source));
                if elsewhere {
                    writeln!(f, "   in {}:", place.source.name())?;
                }
                excerpt(f, place, label)?;
            }
            if let Some(help) = &problem.help {
                writeln!(f, "   help: {help}")?;
            }
        }
        match self.problems.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "\n… and {more} more problems"),
        }
    }
}

/// The line of a place, and carets below it.
fn excerpt(f: &mut fmt::Formatter<'_>, place: &Place, label: &str) -> fmt::Result {
    /// Longest part of a line that is shown, in characters.
    const WIDTH: usize = 160;
    let (number, column) = place.line_column();
    // What would move the cursor or change colours is shown as a space.
    let line: Vec<char> = place.line().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let first = if column > WIDTH { column - WIDTH / 2 } else { 0 };
    let shown: String = line.iter().skip(first).take(WIDTH).collect();
    let inside = place.text().lines().next().unwrap_or("").chars().count();
    let carets = inside.clamp(1, (line.len() + 1).saturating_sub(column).max(1)).min(WIDTH);
    writeln!(f, "{number:>5} | {shown}")?;
    let row = format!("      | {:pad$}{:^<carets$} {label}", "", "", pad = column - 1 - first);
    writeln!(f, "{}", row.trim_end())
}

impl Diagnostic for ScenarioErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}
