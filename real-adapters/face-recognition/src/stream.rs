//! Live video: a multipart body of pictures in, one of annotated pictures out (MJPEG), frame by frame.

use std::sync::Arc;

use bytes::Bytes;
use faas_lab_http::Body;
use futures_util::stream;
use http::{Response, StatusCode, header::CONTENT_TYPE};

use crate::{
    function::Function,
    refusal::Refusal,
    settings::{Options, Output},
};

/// Between the frames that are sent.
const BOUNDARY: &str = "faas-lab-face-frame";

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
        let limit = self.settings.fetch.max_bytes as u64;
        let chunks = stream::unfold(body, async |mut body| Some((body.data().await?, body)));
        let constraints = multer::Constraints::new().size_limit(multer::SizeLimit::new().per_field(limit));
        let frames = multer::Multipart::with_constraints(Box::pin(chunks), boundary, constraints);
        // One frame is worked on while the one before it is sent; the sender is slowed down to that.
        let (mut sender, answer) = Body::channel(1, None);
        let function = self.clone();
        tokio::spawn(async move {
            if let Err(refusal) = function.annotate(frames, &options, &mut sender).await {
                let part = part("text/plain; charset=utf-8", refusal.reason.as_bytes());
                let _ = sender.send(part).await;
            }
            let _ = sender.send(Bytes::from(format!("--{BOUNDARY}--\r\n"))).await;
        });
        let content_type = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
        Ok(Response::builder().header(CONTENT_TYPE, content_type).body(answer).expect("the header is plain text"))
    }

    async fn annotate(
        self: &Arc<Self>,
        mut frames: multer::Multipart<'static>,
        options: &Options,
        sender: &mut faas_lab_http::body::Sender,
    ) -> Result<(), Refusal> {
        let wrong = |error: multer::Error| Refusal::bad_request(format!("the multipart body: {error}"));
        while let Some(frame) = frames.next_field().await.map_err(wrong)? {
            let bytes = frame.bytes().await.map_err(wrong)?;
            let options = options.clone();
            let drawn =
                self.work(move |function| function.analyse(&bytes, &options)?.drawn(&options, Output::Jpeg)).await?;
            if sender.send(part("image/jpeg", &drawn)).await.is_err() {
                // Nobody looks any more.
                break;
            }
        }
        Ok(())
    }
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
