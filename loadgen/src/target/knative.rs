//! Knative: every function has a host name, and the ingress tells them apart by the Host header.

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::scenario::Invocation;
use http::{HeaderMap, HeaderValue, header};
use url::Url;

use super::plain::Direct;
use super::{Platform, ending_by_status};
use crate::answer::{Answer, Signs};

/// Knative Serving behind an ingress.
#[derive(Clone, Debug)]
pub(super) struct Knative {
    /// The ingress, or the service itself.
    pub(super) direct: Direct,
    /// What comes after the function's name in its host name, such as `default.example.com`.
    pub(super) domain: Option<String>,
}

impl Platform for Knative {
    fn name(&self) -> &'static str {
        "knative"
    }

    fn url(&self, function: &str, _invocation: Invocation) -> Url {
        self.direct.address.of(function)
    }

    fn headers(&self, function: &str) -> HeaderMap {
        let mut headers = self.direct.headers();
        if let Some(domain) = &self.domain
            && let Ok(host) = HeaderValue::from_str(&format!("{function}.{domain}"))
        {
            headers.insert(header::HOST, host);
        }
        headers
    }

    fn signs(&self, headers: &HeaderMap) -> Signs {
        self.direct.signs(headers, "x-request-id")
    }

    /// The activator and the queue proxy say 503 in the same words when their queues are full, older activators in their
    /// own (knative/serving `pkg/queue`, `pkg/activator/net`). A revision's timeout is 504, and its body says who waited.
    fn ending(&self, answer: &Answer) -> Ending {
        let reason = answer.reason.as_deref().unwrap_or("");
        let at = |kind, hop| Ending::new(kind, Some(hop), answer.status);
        match answer.status {
            Some(503) if reason.contains("pending request queue full") => {
                Ending::new(OutcomeKind::Refused, None, answer.status)
            }
            Some(503) if reason.contains("activator overload") => at(OutcomeKind::Refused, Hop::Admission),
            Some(504) if reason.contains("activator request timeout") => at(OutcomeKind::TimedOut, Hop::Admission),
            Some(504) if reason.contains("request timeout") => at(OutcomeKind::TimedOut, Hop::WatchdogExec),
            _ => ending_by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Address;

    #[test]
    fn a_function_is_a_host_and_refusals_name_who_refused() {
        let address = Address::parse("http://10.0.0.1:80").expect("valid");
        let direct = Direct { address, credentials: None, replica_header: None };
        let knative = Knative { direct, domain: Some("default.example.com".into()) };
        assert_eq!(knative.url("hello", Invocation::Sync).as_str(), "http://10.0.0.1/");
        assert_eq!(knative.headers("hello")[header::HOST], "hello.default.example.com");
        assert!(!knative.takes(Invocation::Async));
        let ending = |status, reason: &str| {
            let ending =
                knative.ending(&Answer { status: Some(status), reason: Some(reason.into()), ..Answer::default() });
            (ending.kind, ending.hop)
        };
        assert_eq!(ending(503, "pending request queue full"), (OutcomeKind::Refused, None));
        assert_eq!(ending(503, "activator overload"), (OutcomeKind::Refused, Some(Hop::Admission)));
        assert_eq!(ending(503, "no healthy upstream"), (OutcomeKind::Unavailable, None));
        assert_eq!(ending(504, "activator request timeout"), (OutcomeKind::TimedOut, Some(Hop::Admission)));
        assert_eq!(ending(504, "request timeout"), (OutcomeKind::TimedOut, Some(Hop::WatchdogExec)));
    }
}
