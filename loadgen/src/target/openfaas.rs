//! An OpenFaaS-compatible gateway: ours, or the originals.
//!
//! The gateway's own password is for `/system` only. It is not sent with invocations, as functions would get to see it.

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::scenario::Invocation;
use faas_lab_model::time::Span;
use http::HeaderMap;
use url::Url;

use super::address::below;
use super::{Platform, ending_by_status, text};
use crate::answer::{Answer, Signs};

/// A gateway that refuses says so at once; an empty 502 that takes longer than this came at a timeout.
const AT_ONCE: Span = Span::from_secs(1);

/// An OpenFaaS-compatible gateway.
#[derive(Clone, Debug)]
pub struct OpenFaas {
    gateway: Url,
    namespace: Option<String>,
    replica_header: String,
}

impl OpenFaas {
    /// The one at this address. Functions are those of its default namespace, or of `namespace`.
    pub fn new(gateway: Url, namespace: Option<String>) -> OpenFaas {
        OpenFaas { gateway, namespace, replica_header: "x-replica".to_owned() }
    }

    /// With another header that names the replica.
    pub fn with_replica_header(self, name: String) -> OpenFaas {
        OpenFaas { replica_header: name, ..self }
    }
}

impl Default for OpenFaas {
    /// The one that `faas-lab up` starts on this machine.
    fn default() -> OpenFaas {
        OpenFaas::new(Url::parse("http://127.0.0.1:8080").expect("a constant"), None)
    }
}

impl Platform for OpenFaas {
    fn name(&self) -> &'static str {
        "openfaas"
    }

    fn url(&self, function: &str, invocation: Invocation) -> Url {
        let kind = match invocation {
            Invocation::Sync => "function",
            Invocation::Async => "async-function",
        };
        match &self.namespace {
            Some(namespace) => below(&self.gateway, &format!("/{kind}/{function}.{namespace}")),
            None => below(&self.gateway, &format!("/{kind}/{function}")),
        }
    }

    fn headers(&self, _function: &str) -> HeaderMap {
        HeaderMap::new()
    }

    fn takes(&self, _invocation: Invocation) -> bool {
        true
    }

    fn signs(&self, headers: &HeaderMap) -> Signs {
        let seconds = |name| {
            let secs: f64 = text(headers, name)?.parse().ok()?;
            (secs.is_finite() && secs >= 0.0).then(|| Span::from_secs_f64(secs))
        };
        Signs {
            replica: text(headers, &self.replica_header),
            held: seconds("x-cold-start"),
            inside: seconds("x-duration-seconds"),
            call_id: text(headers, "x-call-id"),
            internal: text(headers, "x-openfaas-internal"),
            tells_held: text(headers, "x-served-by").is_some_and(|by| by.starts_with("faas-lab")),
        }
    }

    fn ending(&self, answer: &Answer) -> Ending {
        let by_status = ending_by_status(answer);
        if answer.fault.is_some() && !answer.is_refusal() {
            return by_status;
        }
        let reason = answer.reason.as_deref().unwrap_or("");
        let internal = answer.signs.internal.as_deref().unwrap_or("");
        let at = |kind, hop| Ending::new(kind, Some(hop), answer.status);
        match answer.status {
            // The classic watchdog.
            Some(408) if reason.starts_with("Killed process") => at(OutcomeKind::TimedOut, Hop::WatchdogExec),
            Some(429) if internal == "faas-middleware" || reason.starts_with("Concurrent request limit") => {
                at(OutcomeKind::Refused, Hop::Replica)
            }
            Some(429) if internal == "gateway" => at(OutcomeKind::Refused, Hop::Admission),
            // A serializing watchdog killed the function.
            Some(500) if reason.contains("signal: killed") => at(OutcomeKind::TimedOut, Hop::WatchdogExec),
            Some(500) if reason.starts_with("read tcp") && reason.ends_with("i/o timeout") => {
                at(OutcomeKind::TimedOut, Hop::WatchdogRead)
            }
            Some(500 | 413) if reason.starts_with("Error queuing request") => at(OutcomeKind::Failed, Hop::Queue),
            // The gateway had no answer from the replica; the watchdog none from the function; or the function said so.
            Some(500) => at(OutcomeKind::Failed, Hop::Replica),
            // Ours says so by its mark. Of the originals it may be the provider's timeout, too.
            Some(502) if answer.is_empty() && internal == "gateway" => at(OutcomeKind::TimedOut, Hop::GatewayUpstream),
            Some(502) if answer.is_empty() && answer.took >= AT_ONCE => {
                Ending { kind: OutcomeKind::TimedOut, ..by_status }
            }
            Some(503) if reason.starts_with("No endpoints available") => at(OutcomeKind::Unavailable, Hop::Admission),
            Some(503) if reason.starts_with("Error queuing request") => at(OutcomeKind::Unavailable, Hop::Queue),
            Some(504) if internal == "of-watchdog" => at(OutcomeKind::TimedOut, Hop::WatchdogExec),
            _ => by_status,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::answer::Fault;

    fn signs(headers: &[(&'static str, &'static str)]) -> Signs {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        OpenFaas::default().signs(&headers.iter().map(pair).collect())
    }

    #[test]
    fn functions_are_below_the_gateway_and_the_password_is_not_theirs() {
        let gateway = Url::parse("http://h:8080/faas/").expect("valid");
        let plain = OpenFaas::new(gateway.clone(), None);
        assert_eq!(plain.url("hello", Invocation::Sync).as_str(), "http://h:8080/faas/function/hello");
        let spaced = OpenFaas::new(gateway, Some("dev".into()));
        assert_eq!(spaced.url("hello", Invocation::Async).as_str(), "http://h:8080/faas/async-function/hello.dev");
        assert!(plain.headers("hello").is_empty());
    }

    #[test]
    fn our_gateway_names_replica_hold_and_call() {
        let ours = signs(&[
            ("x-served-by", "faas-lab/0.1.0"),
            ("x-replica", "hello-3"),
            ("x-cold-start", "0.250000"),
            ("x-duration-seconds", "0.002"),
            ("x-call-id", "abc"),
        ]);
        assert_eq!(ours.replica.as_deref(), Some("hello-3"));
        assert_eq!((ours.held, ours.inside), (Some(Span::from_millis(250)), Some(Span::from_millis(2))));
        assert!(ours.tells_held);
        let theirs = signs(&[("x-served-by", "openfaas-community/0.27.0"), ("x-duration-seconds", "-1")]);
        assert_eq!((theirs.tells_held, theirs.inside, theirs.held), (false, None, None));
    }

    /// What our own gateway and watchdogs, and the Go originals, say in each case: the OpenFaaS reference's tables.
    #[test]
    fn hops_are_told_apart_by_status_mark_and_reason() {
        use OutcomeKind::{Failed, Ok, Refused, TimedOut, Truncated, Unavailable};
        let cases: &[(u16, &str, &str, OutcomeKind, Option<Hop>)] = &[
            (200, "", "", Ok, None),
            (202, "", "", Ok, None),
            (301, "", "", Failed, None),
            (404, "gateway", "error finding function f: server returned", Failed, None),
            (408, "", "Killed process.", TimedOut, Some(Hop::WatchdogExec)),
            (408, "", "", TimedOut, None),
            (429, "faas-middleware", "Concurrent request limit exceeded.", Refused, Some(Hop::Replica)),
            (429, "gateway", "All replicas of f are busy.", Refused, Some(Hop::Admission)),
            (429, "", "slow down", Refused, None),
            (500, "", "signal: killed", TimedOut, Some(Hop::WatchdogExec)),
            (500, "", "read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout", TimedOut, Some(Hop::WatchdogRead)),
            (500, "", "exit status 1", Failed, Some(Hop::Replica)),
            (500, "of-watchdog", "", Failed, Some(Hop::Replica)),
            (500, "", "Error queuing request: request body too large for OpenFaaS CE", Failed, Some(Hop::Queue)),
            (413, "", "Error queuing request: the body is longer than 10 bytes", Failed, Some(Hop::Queue)),
            (502, "gateway", "", TimedOut, Some(Hop::GatewayUpstream)),
            (502, "", "", Failed, None),
            (503, "gateway", "No endpoints available for: f.", Unavailable, Some(Hop::Admission)),
            (503, "", "", Unavailable, None),
            (504, "of-watchdog", "", TimedOut, Some(Hop::WatchdogExec)),
            (504, "", "", TimedOut, None),
        ];
        for (status, internal, reason, kind, hop) in cases {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let answer = Answer {
                status: Some(*status),
                received: reason.len() as u64,
                reason: some(reason),
                signs: Signs { internal: some(internal), ..Signs::default() },
                ..Answer::default()
            };
            let ending = OpenFaas::default().ending(&answer);
            assert_eq!(
                (ending.kind, ending.hop, ending.status),
                (*kind, *hop, Some(*status)),
                "{status} {internal} {reason}"
            );
        }
        let broken =
            |status, fault| OpenFaas::default().ending(&Answer { status, fault: Some(fault), ..Answer::default() });
        assert_eq!(broken(Some(200), Fault::Cut).kind, Truncated);
        assert_eq!(broken(Some(429), Fault::Cut).kind, Refused, "the status had been said");
        assert_eq!(broken(Some(200), Fault::ClientTimeout), Ending::new(TimedOut, Some(Hop::Client), None));
        assert_eq!(broken(None, Fault::Connect), Ending::new(Failed, None, None));
    }
}
