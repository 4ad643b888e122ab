//! One call over the wire: sends it, reads its answer to the last byte, and says how that went.

use std::time::Duration;

use faas_lab_model::time::{SimTime, Span};
use reqwest::{Client, Request, Response};

use crate::answer::{Answer, Fault};
use crate::client::watched;
use crate::target::Platform;

/// As much of an error's body is kept.
const REASON_BYTES: usize = 200;

/// One call as it went.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When it was sent.
    pub sent: SimTime,
    /// How long opening a connection took, if one was opened for it.
    pub connecting: Option<Span>,
    /// When the answer's head was here.
    pub first_byte: Option<SimTime>,
    /// When the last byte was here, or the call was given up.
    pub ended: SimTime,
    /// What came.
    pub answer: Answer,
}

/// Sends `request` and reads what comes, for at most `limit` from now. `now` is the run's clock.
pub async fn exchange(
    client: &Client,
    request: Request,
    limit: Option<Duration>,
    platform: &dyn Platform,
    now: &(dyn Fn() -> SimTime + Sync),
) -> Exchange {
    let sent = now();
    let mut heard = Heard::default();
    let (done, connecting) = watched(async {
        let talk = heard.talk(client, request, platform, now);
        match limit {
            Some(limit) => tokio::time::timeout(limit, talk).await.is_ok(),
            None => {
                talk.await;
                true
            }
        }
    })
    .await;
    let ended = now();
    let Heard { first_byte, mut answer, reason } = heard;
    if !done {
        answer.fault = Some(Fault::ClientTimeout);
    }
    answer.took = ended.since(sent);
    answer.reason = line(&reason);
    Exchange { sent, connecting, first_byte, ended, answer }
}

/// What has come so far, which is kept when the client gives up.
#[derive(Default)]
struct Heard {
    first_byte: Option<SimTime>,
    answer: Answer,
    reason: Vec<u8>,
}

impl Heard {
    async fn talk(
        &mut self,
        client: &Client,
        request: Request,
        platform: &dyn Platform,
        now: &(dyn Fn() -> SimTime + Sync),
    ) {
        let bodiless = request.method() == http::Method::HEAD;
        let mut response = match client.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                self.answer.fault = Some(Fault::of(&error, false));
                return;
            }
        };
        self.first_byte = Some(now());
        self.head(&response, platform);
        if bodiless || matches!(self.answer.status, Some(204 | 304)) {
            // The length is of what another method would have brought.
            self.answer.expected = None;
        }
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    self.answer.received += chunk.len() as u64;
                    if self.answer.is_refusal() && self.reason.len() < REASON_BYTES {
                        let room = REASON_BYTES - self.reason.len();
                        self.reason.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    self.answer.fault = Some(Fault::of(&error, true));
                    return;
                }
            }
        }
    }

    fn head(&mut self, response: &Response, platform: &dyn Platform) {
        self.answer.status = Some(response.status().as_u16());
        self.answer.signs = platform.signs(response.headers());
        let length = response.headers().get(http::header::CONTENT_LENGTH);
        self.answer.expected = length.and_then(|length| length.to_str().ok()?.trim().parse().ok());
    }
}

/// The first line that says something.
pub(crate) fn line(reason: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(reason);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_printable_text() {
        assert_eq!(line(b"\n  exit status 1\nmore").as_deref(), Some("exit status 1"));
        assert_eq!(line(b"a\x1b[2Jb\xff").as_deref(), Some("a [2Jb\u{fffd}"));
        assert_eq!(line(b" \n"), None);
    }
}
