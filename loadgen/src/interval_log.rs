//! Response times as an HdrHistogram interval log (V2): one line for each second, function, temperature and outcome, which
//! `HistogramLogProcessor`, hdrhistogram.github.io's plotter and [`hdrhistogram`] itself read.
//!
//! Times are in microseconds, as in `result.json`. A line's tag is `FUNCTION/cold|warm/OUTCOME`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use faas_lab_model::metrics::TimeHistogram;
use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::time::{SimTime, Span};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, IntervalLogWriterError, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};
use thiserror::Error;

/// Calls are told when they end, not quite in order: an interval stays open for as long again.
const OPEN: usize = 2;

/// Writes the log as calls end.
pub struct IntervalLog<W: Write> {
    out: W,
    functions: Vec<String>,
    step: Span,
    /// The first interval that is not written.
    first: u64,
    open: BTreeMap<u64, BTreeMap<(usize, bool, OutcomeKind), TimeHistogram>>,
    failed: Option<io::Error>,
    serializer: V2DeflateSerializer,
}

impl<W: Write> IntervalLog<W> {
    /// Begins a log of functions with these names, whose schedule started at `start`, in intervals of `step`.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn new(mut out: W, functions: Vec<String>, start: SystemTime, step: Span) -> io::Result<IntervalLog<W>> {
        let mut serializer = V2DeflateSerializer::new();
        heading(start).begin_log_with(&mut out, &mut serializer)?;
        let step = step.max(Span::from_millis(1));
        Ok(IntervalLog { out, functions, step, first: 0, open: BTreeMap::new(), failed: None, serializer })
    }

    /// A call has ended at `ended`, this long after it was meant to be sent.
    pub fn enter(&mut self, function: usize, cold: bool, outcome: OutcomeKind, ended: SimTime, response: Span) {
        let interval = (ended.as_nanos() / self.step.as_nanos()).max(self.first);
        let of_interval = self.open.entry(interval).or_default();
        of_interval.entry((function, cold, outcome)).or_default().record(response);
        while self.open.len() > OPEN {
            self.write_first();
        }
    }

    /// Writes what is still open.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(mut self) -> io::Result<W> {
        while !self.open.is_empty() {
            self.write_first();
        }
        self.out.flush()?;
        match self.failed {
            None => Ok(self.out),
            Some(error) => Err(error),
        }
    }

    fn write_first(&mut self) {
        let Some((interval, histograms)) = self.open.pop_first() else { return };
        self.first = interval + 1;
        if self.failed.is_none() {
            self.failed = self.write(interval, &histograms).err();
        }
    }

    fn write(
        &mut self,
        interval: u64,
        histograms: &BTreeMap<(usize, bool, OutcomeKind), TimeHistogram>,
    ) -> io::Result<()> {
        let mut log = IntervalLogWriterBuilder::new().begin_log_with(&mut self.out, &mut self.serializer)?;
        let step = Duration::from(self.step);
        let start = Duration::from(self.step * interval);
        for ((function, cold, outcome), times) in histograms {
            let name: String = self.functions.get(*function).map_or("", String::as_str).chars().map(plain).collect();
            let warmth = if *cold { "cold" } else { "warm" };
            let tag = format!("{name}/{warmth}/{}", outcome.name());
            match log.write_histogram(&times.histogram(), start, step, Tag::new(&tag)) {
                Ok(()) => {}
                Err(IntervalLogWriterError::IoError(error)) => return Err(error),
                Err(IntervalLogWriterError::SerializeError(error)) => {
                    return Err(io::Error::other(format!("{error:?}")));
                }
            }
        }
        Ok(())
    }
}

/// Joins the logs of several parts of one run: histograms of the same interval and tag are added.
///
/// # Errors
/// What is wrong with a log, by its position; or why `out` cannot be written.
pub fn merge<W: Write>(logs: &[Vec<u8>], start: SystemTime, mut out: W) -> Result<(), MergeLogsError> {
    let mut joined: BTreeMap<(Duration, String), (Duration, Histogram<u64>)> = BTreeMap::new();
    for (index, log) in logs.iter().enumerate() {
        let wrong = || MergeLogsError::Form(index);
        for entry in IntervalLogIterator::new(log) {
            let LogEntry::Interval(line) = entry.map_err(|_| wrong())? else { continue };
            let bytes = STANDARD.decode(line.encoded_histogram()).map_err(|_| wrong())?;
            let read: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|_| wrong())?;
            let tag = line.tag().map_or("", |tag| tag.as_str()).to_owned();
            match joined.entry((line.start_timestamp(), tag)) {
                Entry::Vacant(vacant) => {
                    let mut histogram = Histogram::new(read.sigfig()).map_err(|_| wrong())?;
                    histogram.add(&read).map_err(|_| wrong())?;
                    vacant.insert((line.duration(), histogram));
                }
                Entry::Occupied(mut known) => known.get_mut().1.add(&read).map_err(|_| wrong())?,
            }
        }
    }
    let mut serializer = V2DeflateSerializer::new();
    let mut log = heading(start).begin_log_with(&mut out, &mut serializer)?;
    for ((start, tag), (length, histogram)) in &joined {
        match log.write_histogram(histogram, *start, *length, Tag::new(tag).filter(|tag| !tag.is_empty())) {
            Ok(()) => {}
            Err(IntervalLogWriterError::IoError(error)) => return Err(error.into()),
            Err(IntervalLogWriterError::SerializeError(error)) => {
                return Err(io::Error::other(format!("{error:?}")).into());
            }
        }
    }
    drop(log);
    Ok(out.flush()?)
}

/// Why logs cannot be joined.
#[derive(Debug, Error)]
pub enum MergeLogsError {
    /// The log at this position is none.
    #[error("log {0} is no interval log of HdrHistogram")]
    Form(usize),
    /// The sum cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// How a log begins.
fn heading(start: SystemTime) -> IntervalLogWriterBuilder {
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("[Response times from the intended sending to the last byte, in microseconds]")
        .add_comment("[Tag: FUNCTION/cold|warm/OUTCOME; an interval has the calls that ended in it]")
        .add_comment(&format!("[Logged with faas-lab {}]", env!("CARGO_PKG_VERSION")))
        .with_start_time(start)
        .with_base_time(start);
    builder
}

/// A tag has no commas and no white space.
fn plain(c: char) -> char {
    if c == ',' || c.is_whitespace() { '_' } else { c }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + Span::from_millis(millis)
    }

    fn log() -> IntervalLog<Vec<u8>> {
        let names = vec!["hello".to_owned(), "a b,c".to_owned()];
        IntervalLog::new(Vec::new(), names, SystemTime::UNIX_EPOCH, Span::from_secs(1)).expect("memory")
    }

    fn read(bytes: &[u8]) -> Vec<(String, f64, Histogram<u64>)> {
        let entries = IntervalLogIterator::new(bytes).map(|entry| entry.expect("well-formed"));
        let interval = |entry| match entry {
            LogEntry::Interval(line) => {
                let bytes = STANDARD.decode(line.encoded_histogram()).expect("base64");
                let histogram = Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram");
                let tag = line.tag().expect("a tag").as_str().to_owned();
                Some((tag, line.start_timestamp().as_secs_f64(), histogram))
            }
            _ => None,
        };
        entries.filter_map(interval).collect()
    }

    #[test]
    fn what_is_entered_is_read_back_by_interval_and_tag() {
        let mut log = log();
        for k in 0..1000u64 {
            log.enter(0, k % 10 == 0, OutcomeKind::Ok, at(k * 5), Span::from_millis(1 + k));
        }
        log.enter(1, false, OutcomeKind::TimedOut, at(4_999), Span::from_secs(60));
        let text = log.finish().expect("memory");
        let lines = read(&text);
        assert_eq!(lines.len(), 11, "five seconds, cold and warm, and one that timed out");
        assert!(lines.is_sorted_by(|a, b| a.1 <= b.1));
        let (tag, start, histogram) = &lines[0];
        assert_eq!((tag.as_str(), *start, histogram.len()), ("hello/warm/ok", 0.0, 180));
        let last = lines.last().expect("lines");
        assert_eq!((last.0.as_str(), last.2.len()), ("a_b_c/warm/timed-out", 1));
        assert!((last.2.max() as f64 / 60e6 - 1.0).abs() < 1e-3, "microseconds to three digits");
        let all: u64 = lines.iter().map(|(.., histogram)| histogram.len()).sum();
        assert_eq!(all, 1001);
        let text = String::from_utf8(text).expect("text");
        assert!(text.contains("#[StartTime: 0.000 (seconds since epoch)]") && text.contains("#[BaseTime:"), "{text}");
    }

    #[test]
    fn stragglers_go_to_the_oldest_open_interval_and_idle_time_takes_no_line() {
        let mut log = log();
        for millis in [500, 1_500, 900, 100_000, 2_000_000, 700] {
            log.enter(0, false, OutcomeKind::Ok, at(millis), Span::from_millis(3));
        }
        let starts: Vec<f64> = read(&log.finish().expect("memory")).into_iter().map(|(_, start, _)| start).collect();
        assert_eq!(starts, [0.0, 1.0, 2.0, 100.0, 2000.0]);
    }

    #[test]
    fn the_logs_of_parts_add_up_to_the_log_of_the_whole() {
        let (mut parts, mut whole) = ([log(), log(), log()], log());
        for k in 0..3000u64 {
            let (at, took) = (at(k * 2), Span::from_millis(1 + k % 500));
            parts[(k % 3) as usize].enter(0, k % 50 == 0, OutcomeKind::Ok, at, took);
            whole.enter(0, k % 50 == 0, OutcomeKind::Ok, at, took);
        }
        let logs = parts.map(|part| part.finish().expect("memory"));
        let mut joined = Vec::new();
        merge(&logs, SystemTime::UNIX_EPOCH, &mut joined).expect("memory");
        // Within an interval the order of lines is their tags'.
        let sorted = |bytes: &[u8]| {
            let mut lines = read(bytes);
            lines.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
            lines
        };
        assert_eq!(sorted(&joined), sorted(&whole.finish().expect("memory")));
        let torn = merge(&[joined[..joined.len() - 40].to_vec()], SystemTime::UNIX_EPOCH, Vec::new());
        assert!(matches!(torn, Err(MergeLogsError::Form(0))));
    }

    proptest! {
        #[test]
        fn any_log_ends_in_an_answer(text in "\\PC{0,60}|(Tag=a,|0\\.5,|1,|HISTFAAA|#\\[|\n){0,12}") {
            let _ = merge(&[text.into_bytes()], SystemTime::UNIX_EPOCH, Vec::new());
        }
    }

    #[test]
    fn a_full_disk_is_told_in_the_end() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| io::Error::other("full"))?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut log =
            IntervalLog::new(Full(600), vec!["f".into()], SystemTime::UNIX_EPOCH, Span::from_secs(1)).expect("fits");
        for second in 0..100 {
            log.enter(0, false, OutcomeKind::Ok, at(second * 1000), Span::from_millis(3));
        }
        assert_eq!(log.finish().err().map(|error| error.to_string()).as_deref(), Some("full"));
    }
}
