//! Live video: a multipart body of pictures in, one of annotated pictures out (MJPEG), frame by frame.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use faas_lab_http::{Body, body::BodyError};
use futures_util::{Stream, stream};
use http::{Response, StatusCode, header::CONTENT_TYPE};

use crate::{
    function::Function,
    refusal::Refusal,
    room::Held,
    server::TIMEOUT,
    settings::{Options, Output},
};

/// Between the frames that are sent.
const BOUNDARY: &str = "faas-lab-face-frame";

/// Bytes at most between two frames, headers and boundary among them.
const BETWEEN: usize = 64 << 10;

impl Function {
    /// Answers a stream of frames. A frame that cannot be read ends it: what follows would not line up.
    pub(crate) fn stream(
        self: &Arc<Self>,
        content_type: &str,
        query: &str,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        let options = self.settings.options.with_query(query)?;
        self.can(&options)?;
        let boundary = boundary(content_type).ok_or_else(|| {
            let reason = "send the frames as multipart/x-mixed-replace or multipart/form-data, with a boundary";
            Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason)
        })?;
        let limit = self.settings.fetch.max_bytes;
        let held = Arc::new(Mutex::new(self.room.hold()));
        let chunks = bounded(body, held.clone(), limit + BETWEEN);
        let constraints = multer::Constraints::new().size_limit(multer::SizeLimit::new().per_field(limit as u64));
        let frames = multer::Multipart::with_constraints(Box::pin(chunks), boundary, constraints);
        // One frame is worked on while the one before it is sent; the sender is slowed down to that.
        let (mut sender, answer) = Body::channel(1, None);
        let function = self.clone();
        tokio::spawn(async move {
            let mut last = Vec::new();
            if let Err(refusal) = function.annotate(frames, &held, &options, &mut sender).await {
                last.extend(part("text/plain; charset=utf-8", refusal.reason.as_bytes()));
            }
            last.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
            let _ = in_time("the end was not taken", sender.send(last)).await;
        });
        let content_type = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
        Ok(Response::builder().header(CONTENT_TYPE, content_type).body(answer).expect("the header is plain text"))
    }

    async fn annotate(
        self: &Arc<Self>,
        mut frames: multer::Multipart<'static>,
        held: &Mutex<Held>,
        options: &Options,
        sender: &mut faas_lab_http::body::Sender,
    ) -> Result<(), Refusal> {
        let wrong = |error: multer::Error| Refusal::bad_request(format!("the multipart body: {error}"));
        loop {
            let next = async {
                let Some(frame) = frames.next_field().await? else { return Ok(None) };
                frame.bytes().await.map(Some)
            };
            let Some(bytes) = in_time("the next frame did not arrive", next).await?.map_err(wrong)? else { break };
            let options = options.clone();
            let drawn =
                self.work(move |function| function.analyse(&bytes, &options)?.drawn(&options, Output::Jpeg)).await?;
            lock(held).clear();
            let sent = sender.send(part("image/jpeg", &drawn));
            if in_time("the last frame was not taken", sent).await?.is_err() {
                // Nobody looks any more.
                break;
            }
        }
        Ok(())
    }
}

/// What comes, as long as there is room for it and not more than `most` bytes come without the end of a frame: headers
/// without an end would fill the memory.
fn bounded(
    body: Body,
    held: Arc<Mutex<Held>>,
    most: usize,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
    stream::unfold(body, move |mut body| {
        let held = held.clone();
        async move {
            let data = body.data().await?.and_then(|data| {
                let mut held = lock(&held);
                held.add(data.len())?;
                match held.bytes() {
                    came if came > most => Err(format!("{came} bytes without the end of a frame").into()),
                    _ => Ok(data),
                }
            });
            Some((data, body))
        }
    })
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a peer that may have gone to sleep.
async fn in_time<T>(what: &str, done: impl Future<Output = T>) -> Result<T, Refusal> {
    tokio::time::timeout(TIMEOUT, done)
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, format!("{what} within {TIMEOUT:?}")))
}

fn part(content_type: &str, body: &[u8]) -> Bytes {
    let length = body.len();
    let mut part =
        format!("--{BOUNDARY}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    part.extend_from_slice(body);
    part.extend_from_slice(b"\r\n");
    part.into()
}

/// The boundary of any multipart type. Cameras write it with the dashes that precede it in the body, and quote it.
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!value.is_empty() && value.len() <= 200).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_of_any_multipart_type_are_found() {
        assert_eq!(boundary("multipart/x-mixed-replace; boundary=frame").as_deref(), Some("frame"));
        assert_eq!(boundary("multipart/form-data; charset=utf-8; Boundary=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(boundary("image/jpeg; boundary=frame"), None);
        assert_eq!(boundary("multipart/form-data"), None);
    }
}
