//! The gateway's timeouts, raised above those of the functions it starts with.
//!
//! "502 after 60 s, whatever I set" is what users of such platforms meet first: gateway, watchdog and function must
//! agree. Each waits longer here than what it waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use faas_lab_http::go::parse_duration;

/// What a watchdog allows where nothing is set.
const WATCHDOG_DEFAULT: Duration = Duration::from_secs(30);

/// What the gateway allows at least.
const GATEWAY_DEFAULT: Duration = Duration::from_secs(60);

/// By how much each waits longer than the next.
const MARGIN: Duration = Duration::from_secs(5);

/// The gateway's timeouts, and who made them what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// For an answer of a function.
    pub(crate) upstream: Duration,
    /// For a client's request, and for the answer to be sent.
    pub(crate) client: Duration,
    /// The slowest functions, and how long their watchdogs let them run; `None` if the default is enough.
    pub(crate) raised_for: Option<(Vec<String>, Duration)>,
}

impl Timeouts {
    /// Above those of functions with these names and environments.
    pub(crate) fn above<'a>(functions: impl Iterator<Item = (&'a str, BTreeMap<String, String>)>) -> Timeouts {
        let spans: Vec<(&str, Duration)> = functions.map(|(name, environment)| (name, allowed(&environment))).collect();
        let longest = spans.iter().map(|(_, span)| *span).max().unwrap_or(WATCHDOG_DEFAULT);
        let upstream = GATEWAY_DEFAULT.max(longest + MARGIN);
        let slowest = spans.iter().filter(|(_, span)| *span == longest).map(|(name, _)| (*name).to_owned());
        let raised_for = (upstream > GATEWAY_DEFAULT).then(|| (slowest.collect(), longest));
        Timeouts { upstream, client: upstream + MARGIN, raised_for }
    }
}

/// How long a watchdog with this environment may take for a call: the longer of running and answering.
fn allowed(environment: &BTreeMap<String, String>) -> Duration {
    let of = |name: &str| environment.get(name).and_then(|text| parse_duration(text)).unwrap_or(WATCHDOG_DEFAULT);
    of("exec_timeout").max(of("write_timeout")).min(Duration::from_secs(7 * 24 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn above(functions: &[(&str, &str)]) -> Timeouts {
        let environment = |text: &str| BTreeMap::from([("exec_timeout".to_owned(), text.to_owned())]);
        Timeouts::above(functions.iter().map(|(name, text)| (*name, environment(text))))
    }

    #[test]
    fn each_waits_longer_than_what_it_waits_for() {
        let quick = above(&[("hello", "10s")]);
        assert_eq!((quick.upstream, quick.raised_for), (GATEWAY_DEFAULT, None));
        let slow = above(&[("hello", "10s"), ("sleep", "5m"), ("cpu", "300")]);
        assert_eq!(slow.upstream, Duration::from_secs(305));
        assert_eq!(slow.client, Duration::from_secs(310));
        let both = vec!["sleep".to_owned(), "cpu".to_owned()];
        assert_eq!(slow.raised_for, Some((both, Duration::from_secs(300))));
        assert_eq!(above(&[("f", "rubbish")]).upstream, GATEWAY_DEFAULT);
        assert_eq!(above(&[]).upstream, GATEWAY_DEFAULT);
    }
}
