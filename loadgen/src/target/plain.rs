//! Any HTTP server: a status is all that is known.

use faas_lab_model::metrics::Ending;
use faas_lab_model::scenario::Invocation;
use http::{HeaderMap, header};
use url::Url;

use super::{Address, Credentials, Platform, ending_by_status, text};
use crate::answer::{Answer, Signs};

/// Functions that are called at their own address.
#[derive(Clone, Debug)]
pub(super) struct Direct {
    pub(super) address: Address,
    /// Sent with every call.
    pub(super) credentials: Option<Credentials>,
    /// Response header that names the replica.
    pub(super) replica_header: Option<String>,
}

impl Direct {
    pub(super) fn headers(&self) -> HeaderMap {
        self.credentials.iter().map(|credentials| (header::AUTHORIZATION, credentials.header())).collect()
    }

    /// `call_id` is the header that names the call.
    pub(super) fn signs(&self, headers: &HeaderMap, call_id: &str) -> Signs {
        Signs {
            replica: self.replica_header.as_ref().and_then(|name| text(headers, name)),
            call_id: text(headers, call_id),
            ..Signs::default()
        }
    }
}

/// Any HTTP server.
#[derive(Clone, Debug)]
pub(super) struct Plain(pub(super) Direct);

impl Platform for Plain {
    fn name(&self) -> &'static str {
        "http"
    }

    fn url(&self, function: &str, _invocation: Invocation) -> Url {
        self.0.address.of(function)
    }

    fn headers(&self, _function: &str) -> HeaderMap {
        self.0.headers()
    }

    fn posts(&self) -> bool {
        false
    }

    fn signs(&self, headers: &HeaderMap) -> Signs {
        self.0.signs(headers, "x-request-id")
    }

    fn ending(&self, answer: &Answer) -> Ending {
        ending_by_status(answer)
    }
}
