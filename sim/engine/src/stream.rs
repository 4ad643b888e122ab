//! Responses that are written item by item: which bytes reach the wire by when.

use faas_lab_model::scenario::{Buffering, StreamBody, StreamItem};
use faas_lab_model::time::Span;

/// Go's net/http puts a body into chunks of this size …
const CHUNK: u64 = 2048;
/// … each between a head and a tail ("800\r\n", "\r\n") …
const CHUNK_HEAD: u64 = 5;
const CHUNK_TAIL: u64 = 2;
/// … and those into a connection buffer of this size, which goes out when it is full.
const BLOCK: u64 = 4096;

/// Bytes written by the first `items` items.
fn bytes_of(item: StreamItem, items: u64) -> u64 {
    match item {
        StreamItem::Bytes(bytes) => bytes.saturating_mul(items),
        StreamItem::Number => {
            // Numbers with d digits, each with a newline: from 10^(d−1) up to 10^d − 1.
            let mut total = 0;
            let mut first = 1u64;
            for digits in 1.. {
                let last = first.saturating_mul(10) - 1;
                if items < first {
                    break;
                }
                total += (items.min(last) - first + 1) * (digits + 1);
                first = last + 1;
            }
            total
        }
    }
}

/// Items written `elapsed` after the stream began.
fn items_by(stream: &StreamBody, elapsed: Span) -> u64 {
    match stream.period.as_nanos() {
        0 => stream.items,
        period => (elapsed.as_nanos() / period).min(stream.items),
    }
}

/// How long the whole stream takes.
pub(crate) fn length(stream: &StreamBody) -> Span {
    stream.period * stream.items
}

/// Size of the whole body.
pub(crate) fn size(stream: &StreamBody) -> u64 {
    bytes_of(stream.item, stream.items)
}

/// Body bytes written by the function `elapsed` after the stream began.
pub(crate) fn written(stream: &StreamBody, elapsed: Span) -> u64 {
    bytes_of(stream.item, items_by(stream, elapsed))
}

/// Body bytes that have left the server `elapsed` after the stream began, if nothing is flushed at the end.
pub(crate) fn on_wire(stream: &StreamBody, elapsed: Span) -> u64 {
    let written = written(stream, elapsed);
    let Buffering::Go { header } = stream.buffering else { return written };
    let chunks = written / CHUNK;
    let framed = header.saturating_add(chunks.saturating_mul(CHUNK_HEAD + CHUNK + CHUNK_TAIL));
    let sent = framed / BLOCK * BLOCK;
    // What of the sent bytes is body: all but the header and the frames that lie before the cut.
    let Some(after_header) = sent.checked_sub(header) else { return 0 };
    let (whole, rest) =
        (after_header / (CHUNK_HEAD + CHUNK + CHUNK_TAIL), after_header % (CHUNK_HEAD + CHUNK + CHUNK_TAIL));
    whole * CHUNK + rest.saturating_sub(CHUNK_HEAD).min(CHUNK)
}

/// The first instant after `elapsed` at which the server tries to send something: there a broken connection is noticed.
pub(crate) fn next_send(stream: &StreamBody, elapsed: Span) -> Span {
    let end = length(stream);
    if elapsed >= end {
        return end;
    }
    let before = on_wire(stream, elapsed);
    let (mut low, mut high) = (items_by(stream, elapsed), stream.items);
    // Bytes on the wire grow with items: bisect for the first item that moves them.
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if on_wire(stream, stream.period * middle) > before {
            high = middle;
        } else {
            low = middle;
        }
    }
    (stream.period * high).min(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printr(period_micros: u64) -> StreamBody {
        StreamBody {
            items: 10_000,
            period: Span::from_nanos(period_micros * 1000),
            item: StreamItem::Number,
            buffering: Buffering::Go { header: 124 },
        }
    }

    #[test]
    fn counts_the_bytes_of_decimal_lines() {
        let by_hand = |n: u64| (1..=n).map(|i| i.to_string().len() as u64 + 1).sum::<u64>();
        for n in [0, 1, 9, 10, 99, 100, 2646, 10_000] {
            assert_eq!(bytes_of(StreamItem::Number, n), by_hand(n), "{n}");
        }
    }

    /// The published cut on a Raspberry Pi 4: "…2645\n2646\n2", 12124 bytes, for any period between 2.86 and 3.73 ms.
    #[test]
    fn cuts_where_the_pi_cut() {
        let limit = Span::from_secs(10);
        for period_micros in [2_860, 2_900, 3_300, 3_700, 3_730] {
            assert_eq!(on_wire(&printr(period_micros), limit), 12_124, "{period_micros} µs");
        }
        assert_eq!(
            12_124,
            bytes_of(StreamItem::Number, 2646) + 1,
            "that is 2646 lines and the first digit of the next"
        );
        // Faster and slower writers cut one block later or earlier, as measured on the original.
        let text = |bytes: u64| {
            let all: String = (1..=10_000).map(|i| format!("{i}\n")).collect();
            all[..bytes as usize].lines().next_back().unwrap_or_default().to_owned()
        };
        assert_eq!(text(on_wire(&printr(2_800), limit)), "346");
        assert_eq!(on_wire(&printr(3_800), limit), 8_042);
    }

    #[test]
    fn a_broken_connection_is_noticed_at_the_next_block() {
        let stream = printr(3_300);
        let noticed = next_send(&stream, Span::from_secs(10));
        assert!(on_wire(&stream, noticed) > 12_124);
        assert_eq!(on_wire(&stream, noticed.saturating_sub(stream.period)), 12_124);
    }

    #[test]
    fn a_flushed_stream_holds_nothing_back() {
        let stream = StreamBody { buffering: Buffering::Flushed, ..printr(3_300) };
        assert_eq!(on_wire(&stream, Span::from_millis(33)), bytes_of(StreamItem::Number, 10));
        assert_eq!(size(&stream), 48_894);
    }
}
