//! The gateway's timeouts, raised above those of the functions it starts with.
//!
//! "502 after 60 s, whatever I set" is what users of such platforms meet first: gateway, watchdog and function must
//! agree. Each waits longer here than what it waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use faas_lab_http::go::parse_duration;

use crate::args::GatewayTimeouts;

/// What a watchdog allows where nothing is set.
const WATCHDOG_DEFAULT: Duration = Duration::from_secs(30);

/// What the gateway allows at least.
const GATEWAY_DEFAULT: Duration = Duration::from_secs(60);

/// By how much each waits longer than the next.
const MARGIN: Duration = Duration::from_secs(5);

/// Functions, and how long their watchdogs let them run.
pub(crate) type Slowest = (Vec<String>, Duration);

/// The gateway's timeouts, and who made them what they are. Zero is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// For a client's request.
    pub(crate) read: Duration,
    /// For the answer to be sent.
    pub(crate) write: Duration,
    /// For an answer of a function.
    pub(crate) upstream: Duration,
    /// The slowest functions, if the timeout for an answer is longer than usual for their sake.
    pub(crate) raised_for: Option<Slowest>,
    /// The slowest functions, if they may run for longer than the gateway was told to wait.
    pub(crate) short_of: Option<Slowest>,
}

impl Timeouts {
    /// Above those of functions with these names and environments, but for those that were `asked` for.
    pub(crate) fn above<'a>(
        functions: impl Iterator<Item = (&'a str, BTreeMap<String, String>)>,
        asked: GatewayTimeouts,
    ) -> Timeouts {
        let spans: Vec<(&str, Duration)> = functions.map(|(name, environment)| (name, allowed(&environment))).collect();
        let longest = spans.iter().map(|(_, span)| *span).max().unwrap_or(WATCHDOG_DEFAULT);
        let slowest = || {
            let slowest = spans.iter().filter(|(_, span)| *span == longest).map(|(name, _)| (*name).to_owned());
            (slowest.collect(), longest)
        };
        let upstream = asked.upstream_timeout.unwrap_or_else(|| GATEWAY_DEFAULT.max(longest + MARGIN));
        // Where nothing ends the wait for a function, nothing ends the answer.
        let write = asked.write_timeout.unwrap_or(if upstream.is_zero() { upstream } else { upstream + MARGIN });
        let raised = asked.upstream_timeout.is_none() && upstream > GATEWAY_DEFAULT;
        let shortest = [upstream, write].into_iter().filter(|span| !span.is_zero()).min();
        let short = !spans.is_empty() && shortest.is_some_and(|shortest| shortest < longest);
        Timeouts {
            read: asked.read_timeout.unwrap_or(write),
            write,
            upstream,
            raised_for: raised.then(slowest),
            short_of: short.then(slowest),
        }
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

    fn asked(functions: &[(&str, &str)], asked: GatewayTimeouts) -> Timeouts {
        let environment = |text: &str| BTreeMap::from([("exec_timeout".to_owned(), text.to_owned())]);
        Timeouts::above(functions.iter().map(|(name, text)| (*name, environment(text))), asked)
    }

    fn above(functions: &[(&str, &str)]) -> Timeouts {
        asked(functions, GatewayTimeouts::default())
    }

    #[test]
    fn each_waits_longer_than_what_it_waits_for() {
        let quick = above(&[("hello", "10s")]);
        assert_eq!((quick.upstream, quick.raised_for), (GATEWAY_DEFAULT, None));
        let slow = above(&[("hello", "10s"), ("sleep", "5m"), ("cpu", "300")]);
        assert_eq!(slow.upstream, Duration::from_secs(305));
        assert_eq!((slow.read, slow.write), (Duration::from_secs(310), Duration::from_secs(310)));
        let both = vec!["sleep".to_owned(), "cpu".to_owned()];
        assert_eq!(slow.raised_for, Some((both, Duration::from_secs(300))));
        assert_eq!(slow.short_of, None);
        assert_eq!(above(&[("f", "rubbish")]).upstream, GATEWAY_DEFAULT);
        assert_eq!(above(&[]).upstream, GATEWAY_DEFAULT);
    }

    #[test]
    fn what_is_asked_for_holds_and_what_it_cuts_is_known() {
        let span = |seconds| Some(Duration::from_secs(seconds));
        let functions = [("hello", "10s"), ("sleep", "5m")];
        let short = asked(&functions, GatewayTimeouts { upstream_timeout: span(20), ..GatewayTimeouts::default() });
        assert_eq!((Some(short.upstream), Some(short.write), short.raised_for), (span(20), span(25), None));
        assert_eq!(short.short_of, Some((vec!["sleep".to_owned()], Duration::from_secs(300))));
        let none = asked(&functions, GatewayTimeouts { upstream_timeout: span(0), ..GatewayTimeouts::default() });
        assert_eq!((none.upstream, none.write, none.short_of), (Duration::ZERO, Duration::ZERO, None));
        let closed = GatewayTimeouts { write_timeout: span(60), read_timeout: span(7), ..GatewayTimeouts::default() };
        let closed = asked(&functions, closed);
        assert_eq!((Some(closed.upstream), Some(closed.write), Some(closed.read)), (span(305), span(60), span(7)));
        assert!(closed.short_of.is_some() && closed.raised_for.is_some());
    }
}
