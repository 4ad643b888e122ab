//! AWS Lambda by its function URLs, which are open (auth type NONE): calls are not signed.

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::scenario::Invocation;
use http::HeaderMap;
use url::Url;

use super::plain::Direct;
use super::{Platform, ending_by_status};
use crate::answer::{Answer, Signs};

/// Lambda function URLs.
#[derive(Clone, Debug)]
pub(super) struct Lambda(pub(super) Direct);

impl Platform for Lambda {
    fn name(&self) -> &'static str {
        "lambda"
    }

    fn url(&self, function: &str, _invocation: Invocation) -> Url {
        self.0.address.of(function)
    }

    fn headers(&self, _function: &str) -> HeaderMap {
        self.0.headers()
    }

    fn signs(&self, headers: &HeaderMap) -> Signs {
        self.0.signs(headers, "x-amzn-requestid")
    }

    /// 429 is a throttle: no environment could be had. 502 is a function that failed or ran into its timeout; which of
    /// them the length tells, where the scenario says the timeout.
    fn ending(&self, answer: &Answer) -> Ending {
        match answer.status {
            Some(429) => Ending::new(OutcomeKind::Refused, Some(Hop::Admission), Some(429)),
            _ => ending_by_status(answer),
        }
    }
}
