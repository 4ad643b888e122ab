//! The JSON of the OpenFaaS REST API, field for field. Field names are the API's; empty fields are left out.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The namespace of functions that name none.
pub const DEFAULT_NAMESPACE: &str = "openfaas-fn";

/// A function's full name. In URLs and metrics it is written `name.namespace`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName {
    /// Namespace.
    pub namespace: String,
    /// Name within it.
    pub name: String,
}

impl FunctionName {
    /// `name` or `name.namespace`, split at the last dot.
    pub fn parse(text: &str) -> FunctionName {
        let (name, namespace) = text.rsplit_once('.').unwrap_or((text, DEFAULT_NAMESPACE));
        FunctionName { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.name, self.namespace)
    }
}

/// What is deployed: the body of `POST` and `PUT /system/functions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionDeployment {
    /// Name.
    pub service: String,
    /// Image: for the embedded provider a built-in function's name or a folder.
    pub image: String,
    /// Namespace; empty for [`DEFAULT_NAMESPACE`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The process that the watchdog runs; empty for the image's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub env_process: String,
    /// Environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<String, String>,
    /// Where it may run; taken and reported, without effect on one machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// Names of secrets it may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Labels, such as `com.openfaas.scale.min`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations, such as `topic`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The most it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Resources>,
    /// What it is sure to get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Resources>,
    /// Whether it may write to its file system.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_root_filesystem: bool,
}

/// CPU and memory in Kubernetes' notation: `128Mi`, `100m`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub memory: String,
    /// CPU.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cpu: String,
}

/// A secret; listings carry name and namespace only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Secret {
    /// Name.
    pub name: String,
    /// Namespace; empty for [`DEFAULT_NAMESPACE`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Value, if it is text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Value in base64, if it is not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub raw_value: String,
}

impl fmt::Debug for Secret {
    /// Without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// What a function's replicas use, all together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// CPU in use at present, in thousandths of a core.
    pub cpu: f64,
    /// Memory in bytes.
    pub total_memory_bytes: f64,
    /// CPU time burnt by all replicas there ever were, in core-seconds; not part of the API.
    #[serde(skip)]
    pub cpu_seconds_total: f64,
    /// CPU time of each process that runs, by its replica's number; not part of the API.
    #[serde(skip)]
    pub cpu_seconds: BTreeMap<u64, f64>,
}

/// Which log lines are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct LogQuery {
    /// The function.
    pub function: FunctionName,
    /// Only this replica's.
    pub instance: Option<String>,
    /// At most so many of the past ones; `None` for all.
    pub tail: Option<usize>,
    /// Only those written since.
    pub since: Option<SystemTime>,
    /// Go on as lines are written.
    pub follow: bool,
}

/// A line of a function's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Function.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Replica, such as `hello-3`.
    pub instance: String,
    /// When it was written, RFC 3339.
    pub timestamp: String,
    /// The line, without its end.
    pub text: String,
}
