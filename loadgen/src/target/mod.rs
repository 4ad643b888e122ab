//! The platforms that can be driven, behind one trait.

mod address;
mod knative;
mod lambda;
mod login;
mod openfaas;
mod options;
mod plain;
mod timeouts;

use faas_lab_model::metrics::Ending;
use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::scenario::Invocation;
use http::HeaderMap;
use url::Url;

pub(crate) use address::below;
pub use address::{Address, AddressError};
pub use login::{Credentials, LoginError, credentials_in};
pub use openfaas::OpenFaas;
pub use options::{Kind, System, Target, TargetError, TargetOptions};
pub use timeouts::{Timeouts, settle};

use crate::answer::{Answer, Fault, Signs};

/// What differs between platforms: where a function is, how a call is dressed, and what an answer's marks mean.
pub trait Platform: std::fmt::Debug + Send + Sync {
    /// Name, as flags and results have it.
    fn name(&self) -> &'static str;

    /// Where `function` is invoked.
    fn url(&self, function: &str, invocation: Invocation) -> Url;

    /// Headers that every call of `function` needs: a Host, say.
    fn headers(&self, function: &str) -> HeaderMap;

    /// Whether it can be invoked in this way.
    fn takes(&self, invocation: Invocation) -> bool {
        invocation == Invocation::Sync
    }

    /// Whether a call without a body is a POST all the same.
    fn posts(&self) -> bool {
        true
    }

    /// What the answer's headers say.
    fn signs(&self, headers: &HeaderMap) -> Signs;

    /// How the call ended, told by status, reason and fault: which hop gave up, where that can be known. What only its
    /// length can tell is [`settle`]'s.
    fn ending(&self, answer: &Answer) -> Ending;
}

/// What statuses and faults mean on any platform; which hop it was stays open but where there can be one only.
pub(crate) fn ending_by_status(answer: &Answer) -> Ending {
    let kind = |kind, status| Ending::new(kind, None, status);
    match (answer.fault, answer.status) {
        // As in the simulator, a client that gave up saw no status, even if a head had come.
        (Some(Fault::ClientTimeout | Fault::ConnectTimeout), _) => {
            Ending::new(OutcomeKind::TimedOut, Some(faas_lab_model::metrics::Hop::Client), None)
        }
        (Some(_), Some(status @ 200..=299)) => kind(OutcomeKind::Truncated, Some(status)),
        (Some(_), status) if !answer.is_refusal() => kind(OutcomeKind::Failed, status),
        (_, Some(status @ 200..=299)) if answer.is_short() => kind(OutcomeKind::Truncated, Some(status)),
        (_, Some(status @ 200..=299)) => kind(OutcomeKind::Ok, Some(status)),
        (_, Some(status @ (408 | 504))) => kind(OutcomeKind::TimedOut, Some(status)),
        (_, Some(429)) => kind(OutcomeKind::Refused, Some(429)),
        (_, Some(503)) => kind(OutcomeKind::Unavailable, Some(503)),
        (_, status) => kind(OutcomeKind::Failed, status),
    }
}

/// A header's text, where it is one.
pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(Into::into)
}
