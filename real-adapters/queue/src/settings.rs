//! What a function's annotations say of its asynchronous invocations, and how many are delivered at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::callback::CallbackOptions;
use crate::retry::RetryPolicy;

/// The queue of functions without the annotation `com.openfaas.queue`.
pub const DEFAULT_QUEUE: &str = "default";

/// How a function's asynchronous invocations are delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionSettings {
    /// The named queue whose workers deliver them. Names have workers of their own, so that one cannot hold up another.
    pub queue: String,
    /// The most of them under way at once; `None` for [`RunOptions::max_inflight_per_function`].
    pub max_inflight: Option<u32>,
    /// Which answers are tried again, and when.
    pub retry: RetryPolicy,
}

impl Default for FunctionSettings {
    fn default() -> FunctionSettings {
        FunctionSettings { queue: DEFAULT_QUEUE.to_owned(), max_inflight: None, retry: RetryPolicy::default() }
    }
}

impl FunctionSettings {
    /// Reads `com.openfaas.queue`, `com.openfaas.retry.*` and `com.faas-lab.queue.max-inflight` (1 or more).
    ///
    /// As in the original a value that makes no sense leaves the default; what is wrong with it is said in the second
    /// part, to be logged when the function is deployed.
    pub fn from_annotations(
        annotations: &BTreeMap<String, String>,
        defaults: &FunctionSettings,
    ) -> (FunctionSettings, Vec<String>) {
        let (retry, mut problems) = RetryPolicy::from_annotations(annotations, &defaults.retry);
        let mut settings = FunctionSettings { retry, ..defaults.clone() };
        if let Some(name) = annotations.get("com.openfaas.queue") {
            if is_queue_name(name) {
                settings.queue = name.clone();
            } else {
                problems.push(format!(
                    "com.openfaas.queue: `{}` is no name of a queue: write up to 63 letters, digits, `-` or `_`",
                    name.escape_debug()
                ));
            }
        }
        if let Some(text) = annotations.get("com.faas-lab.queue.max-inflight") {
            match text.parse() {
                Ok(most) if most > 0 => settings.max_inflight = Some(most),
                _ => problems.push(format!(
                    "com.faas-lab.queue.max-inflight: `{}` is no count: write a whole number of at least 1",
                    text.escape_debug()
                )),
            }
        }
        (settings, problems)
    }
}

/// Whether this can name a queue, in a NATS subject too.
fn is_queue_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Answers how a function (`name.namespace`) is delivered. It is asked at every delivery and may be asked for functions
/// that are not there (any more); it should be as cheap as a look-up.
#[derive(Clone)]
pub struct Settings(Arc<Ask>);

type Ask = dyn Fn(&str) -> Arc<FunctionSettings> + Send + Sync;

impl Settings {
    /// Asks this closure.
    pub fn new(of: impl Fn(&str) -> Arc<FunctionSettings> + Send + Sync + 'static) -> Settings {
        Settings(Arc::new(of))
    }

    /// The same for every function.
    pub fn same(settings: FunctionSettings) -> Settings {
        let settings = Arc::new(settings);
        Settings::new(move |_| settings.clone())
    }

    /// How this function is delivered.
    pub fn of(&self, function: &str) -> Arc<FunctionSettings> {
        (self.0)(function)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::same(FunctionSettings::default())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings")
    }
}

/// How much is delivered at once, and how a run ends.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The most deliveries under way at once in each named queue; at least 1.
    pub max_inflight: u32,
    /// Named queues with another bound than that.
    pub queues: BTreeMap<String, u32>,
    /// The most deliveries of one function under way at once; at least 1.
    pub max_inflight_per_function: u32,
    /// How answers are posted back.
    pub callbacks: CallbackOptions,
    /// How long a shutdown waits for deliveries under way; those that take longer come again at the next start.
    pub drain: Duration,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            max_inflight: 64,
            queues: BTreeMap::new(),
            max_inflight_per_function: 64,
            callbacks: CallbackOptions::default(),
            drain: Duration::from_secs(30),
        }
    }
}

impl RunOptions {
    /// The bound of a named queue.
    pub(crate) fn queue_bound(&self, queue: &str) -> u32 {
        self.queues.get(queue).copied().unwrap_or(self.max_inflight).max(1)
    }

    /// The bound of a function.
    pub(crate) fn function_bound(&self, settings: &FunctionSettings) -> u32 {
        settings.max_inflight.unwrap_or(self.max_inflight_per_function).max(1)
    }
}
