//! One call of an experiment: sent at once, read to its end.

use std::time::Instant;

use bytes::Bytes;
use faas_lab_calibration::live::Call;
use faas_lab_model::scenario::Invocation;

use super::Experiment;
use crate::probe::cause;

/// Calls the function of an experiment.
pub(super) struct Caller<'a> {
    pub(super) experiment: &'a Experiment<'a>,
}

/// What became of a call.
pub(super) enum Tried {
    /// A whole answer with a 2xx status.
    Done(Call),
    /// Anything else, in words.
    Failed(String),
}

impl Caller<'_> {
    pub(super) async fn call(&self, body: &Bytes) -> Tried {
        let Experiment { platform, client, function, .. } = self.experiment;
        let request = client
            .post(platform.url(function, Invocation::Sync))
            .headers(platform.headers(function))
            .body(body.clone());
        let start = Instant::now();
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Tried::Failed(cause(&error)),
        };
        let (status, signs) = (response.status(), platform.signs(response.headers()));
        match response.bytes().await {
            Ok(_) if status.is_success() => Tried::Done(Call {
                total: start.elapsed().as_secs_f64(),
                inside: signs.inside.map(|span| span.as_secs_f64()),
                held: signs.held.map(|span| span.as_secs_f64()),
            }),
            Ok(body) => {
                let text = String::from_utf8_lossy(&body);
                Tried::Failed(format!("{status} {}", text.lines().next().unwrap_or_default()))
            }
            Err(error) => Tried::Failed(cause(&error)),
        }
    }
}
