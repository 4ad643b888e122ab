//! What replicas wrote: a ring of lines for each, bounded in bytes.
//!
//! Readers who follow keep only their place in each ring. One that is slower than the function writes finds its place
//! gone, is told how many lines it lost, and holds nobody up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use futures_util::stream;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::watch;

use crate::api::{FunctionName, LogLine, LogQuery};
use crate::{Bounds, LogStream};

/// A line's cost besides its text.
const LINE_OVERHEAD_BYTES: usize = 64;

/// The logs of a function's replicas.
#[derive(Debug)]
pub(crate) struct FunctionLogs {
    function: FunctionName,
    bounds: Bounds,
    rings: Mutex<Rings>,
    /// The number of lines ever written; closed when the function is removed.
    written: watch::Sender<u64>,
    removed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Rings {
    by_replica: BTreeMap<u64, Ring>,
    /// Replicas that have ended, in that order.
    ended: VecDeque<u64>,
    next_line: u64,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
    /// How many lines have been dropped from the front.
    dropped: u64,
}

#[derive(Debug)]
struct Line {
    /// Orders the lines of all replicas.
    number: u64,
    at: SystemTime,
    text: String,
}

impl FunctionLogs {
    pub(crate) fn new(function: FunctionName, bounds: &Bounds) -> Arc<FunctionLogs> {
        Arc::new(FunctionLogs {
            function,
            bounds: bounds.clone(),
            rings: Mutex::default(),
            written: watch::Sender::new(0),
            removed: watch::Sender::new(false),
        })
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().expect("no thread panics while it holds this lock")
    }

    /// Adds a line.
    pub(crate) fn write(&self, replica: u64, text: String) {
        let mut rings = self.rings();
        let number = rings.next_line;
        rings.next_line += 1;
        let ring = rings.by_replica.entry(replica).or_default();
        ring.bytes += text.len() + LINE_OVERHEAD_BYTES;
        ring.lines.push_back(Line { number, at: SystemTime::now(), text });
        while ring.bytes > self.bounds.log_bytes && ring.lines.len() > 1 {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.bytes -= oldest.text.len() + LINE_OVERHEAD_BYTES;
            ring.dropped += 1;
        }
        drop(rings);
        self.written.send_replace(number + 1);
    }

    /// Reads a process's output until its end, line by line.
    pub(crate) async fn read(self: Arc<Self>, replica: u64, output: impl AsyncRead + Unpin) {
        let mut output = BufReader::with_capacity(16 << 10, output);
        while let Some(line) = next_line(&mut output, self.bounds.log_line_bytes).await {
            self.write(replica, line);
        }
    }

    /// The replica writes no more. Only the last few of those are kept.
    pub(crate) fn end(&self, replica: u64) {
        let mut rings = self.rings();
        if !rings.by_replica.contains_key(&replica) {
            return;
        }
        rings.ended.push_back(replica);
        while rings.ended.len() > self.bounds.ended_logs {
            if let Some(oldest) = rings.ended.pop_front() {
                rings.by_replica.remove(&oldest);
            }
        }
    }

    /// The function is removed: whoever follows comes to an end.
    pub(crate) fn close(&self) {
        self.removed.send_replace(true);
    }

    /// The lines that a query asks for.
    pub(crate) fn stream(self: &Arc<Self>, query: &LogQuery) -> LogStream {
        let mut reader = Reader { logs: Arc::clone(self), instance: query.instance.clone(), places: BTreeMap::new() };
        // Watched before the first look, so that no line falls between the two.
        let (written, removed) = (self.written.subscribe(), self.removed.subscribe());
        let past = reader.past(query);
        if !query.follow {
            return Box::pin(stream::iter(past));
        }
        let follower = Follower { reader, ready: past.into(), written, removed };
        Box::pin(stream::unfold(follower, Follower::next))
    }
}

/// A reader who waits for more.
struct Follower {
    reader: Reader,
    /// Lines that are read and not yet handed out.
    ready: VecDeque<LogLine>,
    written: watch::Receiver<u64>,
    removed: watch::Receiver<bool>,
}

impl Follower {
    async fn next(mut self) -> Option<(LogLine, Follower)> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some((line, self));
            }
            // Asked before the look: lines that were written before the removal are still read.
            let removed = *self.removed.borrow_and_update();
            self.written.borrow_and_update();
            self.ready.extend(self.reader.news());
            if self.ready.is_empty() {
                if removed {
                    return None;
                }
                tokio::select! {
                    changed = self.written.changed() => changed.ok()?,
                    changed = self.removed.changed() => changed.ok()?,
                }
            }
        }
    }
}

/// A reader's place in each ring.
struct Reader {
    logs: Arc<FunctionLogs>,
    instance: Option<String>,
    /// By replica: how many of its lines, counted from the first ever, are behind.
    places: BTreeMap<u64, u64>,
}

impl Reader {
    fn past(&mut self, query: &LogQuery) -> Vec<LogLine> {
        let mut lines = self.take();
        if let Some(since) = query.since {
            lines.retain(|(_, at, _)| *at >= since);
        }
        let skipped = query.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        lines.into_iter().skip(skipped).map(|(_, _, line)| line).collect()
    }

    fn news(&mut self) -> Vec<LogLine> {
        self.take().into_iter().map(|(_, _, line)| line).collect()
    }

    /// All lines past the reader's places, in the order they were written; the places move on.
    fn take(&mut self) -> Vec<(u64, SystemTime, LogLine)> {
        let rings = self.logs.rings();
        let function = &self.logs.function;
        let mut taken = Vec::new();
        for (&replica, ring) in &rings.by_replica {
            let instance = instance(function, replica);
            if self.instance.as_ref().is_some_and(|wanted| *wanted != instance) {
                continue;
            }
            let make = |at: SystemTime, text: String| LogLine {
                name: function.name.clone(),
                namespace: function.namespace.clone(),
                instance: instance.clone(),
                timestamp: jiff::Timestamp::try_from(at).unwrap_or_default().to_string(),
                text,
            };
            let place = self.places.get(&replica).copied();
            if let Some(lost) = place.map(|place| ring.dropped.saturating_sub(place)).filter(|&lost| lost > 0)
                && let Some(first) = ring.lines.front()
            {
                let note = format!("({lost} lines are lost here: they came faster than they were read)");
                taken.push((first.number, first.at, make(first.at, note)));
            }
            let skipped = place.unwrap_or(0).saturating_sub(ring.dropped) as usize;
            for line in ring.lines.iter().skip(skipped) {
                taken.push((line.number, line.at, make(line.at, line.text.clone())));
            }
            self.places.insert(replica, ring.dropped + ring.lines.len() as u64);
        }
        // Places of forgotten replicas are of no use.
        self.places.retain(|replica, _| rings.by_replica.contains_key(replica));
        drop(rings);
        // Stable: a note stays before the line it stands before.
        taken.sort_by_key(|(number, _, _)| *number);
        taken
    }
}

/// A replica's name in logs.
pub(crate) fn instance(function: &FunctionName, replica: u64) -> String {
    format!("{}-{replica}", function.name)
}

/// The next line without its end; a longer one is cut and says so. `None` at the end of the output.
async fn next_line(output: &mut (impl AsyncBufRead + Unpin), bytes_max: usize) -> Option<String> {
    let mut line = Vec::new();
    let mut length = 0usize;
    loop {
        // An output that cannot be read has ended.
        let piece = output.fill_buf().await.unwrap_or_default();
        if piece.is_empty() && length == 0 {
            return None;
        }
        let end = piece.iter().position(|&byte| byte == b'\n');
        let text = &piece[..end.unwrap_or(piece.len())];
        line.extend_from_slice(&text[..text.len().min(bytes_max.saturating_sub(line.len()))]);
        length += text.len();
        let (used, ended) = (end.map_or(text.len(), |end| end + 1), end.is_some() || piece.is_empty());
        output.consume(used);
        if !ended {
            continue;
        }
        let cut = length - line.len();
        if cut == 0 && line.last() == Some(&b'\r') {
            line.pop();
        }
        let mut text = match String::from_utf8(line) {
            Ok(text) => text,
            Err(no_text) => String::from_utf8_lossy(no_text.as_bytes()).into_owned(),
        };
        if cut > 0 {
            text.push_str(&format!(" … ({cut} more bytes in this line)"));
        }
        return Some(text);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    fn logs(log_bytes: usize) -> Arc<FunctionLogs> {
        let bounds = Bounds { log_bytes, log_line_bytes: 10, ended_logs: 2, ..Bounds::default() };
        FunctionLogs::new(FunctionName::parse("hello"), &bounds)
    }

    fn query(tail: Option<usize>, follow: bool) -> LogQuery {
        LogQuery { function: FunctionName::parse("hello"), instance: None, tail, since: None, follow }
    }

    async fn texts(stream: LogStream) -> Vec<String> {
        stream.map(|line| line.text).collect().await
    }

    #[tokio::test]
    async fn lines_of_all_replicas_come_in_the_order_they_were_written() {
        let logs = logs(10_000);
        for (replica, text) in [(1, "a"), (2, "b"), (1, "c")] {
            logs.write(replica, text.to_owned());
        }
        assert_eq!(texts(logs.stream(&query(None, false))).await, ["a", "b", "c"]);
        assert_eq!(texts(logs.stream(&query(Some(2), false))).await, ["b", "c"]);
        let one = LogQuery { instance: Some("hello-1".to_owned()), ..query(None, false) };
        assert_eq!(texts(logs.stream(&one)).await, ["a", "c"]);
        let later =
            LogQuery { since: Some(SystemTime::now() + std::time::Duration::from_secs(9)), ..query(None, false) };
        assert!(texts(logs.stream(&later)).await.is_empty());
    }

    #[tokio::test]
    async fn a_ring_is_bounded_in_bytes() {
        let logs = logs(1000);
        for n in 0..1000 {
            logs.write(1, n.to_string());
        }
        let kept = texts(logs.stream(&query(None, false))).await;
        assert_eq!(kept.last().map(String::as_str), Some("999"));
        assert!(kept.len() <= 1000 / LINE_OVERHEAD_BYTES, "{}", kept.len());
    }

    #[tokio::test]
    async fn only_the_last_ended_replicas_keep_their_log() {
        let logs = logs(1000);
        for replica in 1..=5 {
            logs.write(replica, replica.to_string());
            logs.end(replica);
        }
        assert_eq!(texts(logs.stream(&query(None, false))).await, ["4", "5"]);
    }

    #[tokio::test]
    async fn a_follower_gets_each_line_as_it_is_written_and_ends_with_the_function() {
        let logs = logs(10_000);
        logs.write(1, "past".to_owned());
        let mut stream = logs.stream(&query(None, true));
        assert_eq!(stream.next().await.map(|line| line.text).as_deref(), Some("past"));
        assert!(stream.next().now_or_never().is_none());
        logs.write(2, "new".to_owned());
        assert_eq!(stream.next().await.map(|line| line.instance).as_deref(), Some("hello-2"));
        logs.write(2, "last".to_owned());
        logs.close();
        assert_eq!(stream.next().await.map(|line| line.text).as_deref(), Some("last"));
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn a_slow_follower_is_told_what_it_lost() {
        let logs = logs(500);
        logs.write(1, "first".to_owned());
        let mut stream = logs.stream(&query(None, true));
        assert_eq!(stream.next().await.map(|line| line.text).as_deref(), Some("first"));
        for n in 0..100 {
            logs.write(1, n.to_string());
        }
        let kept = logs.rings().by_replica[&1].lines.len();
        logs.close();
        let rest = texts(stream).await;
        assert!(rest[0].starts_with(&format!("({} lines are lost", 100 - kept)), "{rest:?}");
        assert_eq!((rest.len(), rest.last().map(String::as_str)), (kept + 1, Some("99")));
    }

    #[tokio::test]
    async fn a_giant_line_is_cut_and_the_last_one_needs_no_end() {
        let output: &[u8] = b"short\r\n01234567890123456789\n\n\xff\nend";
        let logs = logs(10_000);
        Arc::clone(&logs).read(1, output).await;
        let expected = ["short", "0123456789 … (10 more bytes in this line)", "", "\u{fffd}", "end"];
        assert_eq!(texts(logs.stream(&query(None, false))).await, expected);
    }
}
