//! The platforms that can be driven, behind one trait.

use faas_lab_model::metrics::Ending;
use faas_lab_model::scenario::Invocation;
use http::HeaderMap;
use url::Url;

use crate::answer::{Answer, Signs};

/// What differs between platforms: where a function is, how a call is dressed, and what an answer's marks mean.
pub trait Platform: std::fmt::Debug + Send + Sync {
    /// Name, as flags and results have it.
    fn name(&self) -> &'static str;

    /// Where `function` is invoked.
    fn url(&self, function: &str, invocation: Invocation) -> Url;

    /// Headers that every call of `function` needs: credentials, a Host.
    fn headers(&self, function: &str) -> HeaderMap;

    /// What the answer's headers say.
    fn signs(&self, headers: &HeaderMap) -> Signs;

    /// How the call ended, told by status, reason and fault: which hop gave up, where that can be known.
    fn ending(&self, answer: &Answer) -> Ending;
}
