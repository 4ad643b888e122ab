//! How Go's HTTP server holds a stream back: chunks of 2048 bytes behind a connection buffer of 4096, which goes out when
//! it is full. A stream that is cut has therefore arrived up to a multiple of 4096 bytes, head and chunk frames included.
//!
//! Only the bytes of the body are reproduced, not where their frames lie: a client cannot tell the difference. The
//! simulator has the same rule in `sim/engine/src/stream.rs`.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::DATE;

const CHUNK: u64 = 2048;
/// `800\r\n`.
const CHUNK_HEAD: u64 = 5;
const CHUNK_FRAMED: u64 = CHUNK_HEAD + CHUNK + 2;
const BLOCK: u64 = 4096;

/// Holds a body's bytes back until Go would have sent them.
#[derive(Debug)]
pub(crate) struct GoBuffer {
    head: u64,
    written: u64,
    sent: u64,
    held: BytesMut,
}

impl GoBuffer {
    /// For a chunked response with a head of so many bytes.
    pub(crate) fn new(head: u64) -> GoBuffer {
        GoBuffer { head, written: 0, sent: 0, held: BytesMut::new() }
    }

    /// Takes bytes, and gives those that go out now.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<Bytes> {
        self.held.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
        let due = on_wire(self.head, self.written);
        let more = usize::try_from(due.saturating_sub(self.sent)).expect("no more than is held");
        self.sent += more as u64;
        (more > 0).then(|| self.held.split_to(more).freeze())
    }

    /// The rest, at the end.
    pub(crate) fn finish(self) -> Bytes {
        self.held.freeze()
    }
}

/// Body bytes that Go has sent after so many were written.
fn on_wire(head: u64, written: u64) -> u64 {
    let framed = head + written / CHUNK * CHUNK_FRAMED;
    let Some(sent) = (framed / BLOCK * BLOCK).checked_sub(head) else { return 0 };
    sent / CHUNK_FRAMED * CHUNK + (sent % CHUNK_FRAMED).saturating_sub(CHUNK_HEAD).min(CHUNK)
}

/// Bytes of a chunked `200 OK` response's head as it will be written, with `Date` and `Transfer-Encoding`.
pub(crate) fn head_bytes(headers: &HeaderMap) -> u64 {
    let fixed = "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n".len();
    // A date of the function's own takes the place of ours.
    let named = headers.iter().filter(|(name, _)| *name != DATE);
    let named: usize = named.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum();
    (fixed + named) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};
    use proptest::prelude::*;

    /// The published cut on a Raspberry Pi 4: "…2645\n2646\n2", 12124 bytes.
    #[test]
    fn cuts_printr_where_the_pi_cut_it() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))]);
        assert_eq!(head_bytes(&headers), 124);
        let mut buffer = GoBuffer::new(124);
        let mut arrived = Vec::new();
        let mut held = 0;
        for line in 1..=3600 {
            arrived.extend(buffer.push(format!("{line}\n").as_bytes()).unwrap_or_default());
            held += usize::from(arrived.len() == 12_124);
        }
        assert!(arrived.len() > 12_124);
        assert!(arrived[..12_124].ends_with(b"2645\n2646\n2"));
        // So many lines may be written while the cut stays the same: any period between 2.86 and 3.73 ms in ten seconds.
        assert!((800..=830).contains(&held), "{held}");
    }

    proptest! {
        #[test]
        fn loses_nothing(head in 80..400_u64, pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..20)) {
            let mut buffer = GoBuffer::new(head);
            let mut out = Vec::new();
            for piece in &pieces {
                out.extend(buffer.push(piece).unwrap_or_default());
                prop_assert!(buffer.held.len() < 2 * 4096 + 2048);
            }
            out.extend(buffer.finish());
            prop_assert_eq!(out, pieces.concat());
        }
    }
}
