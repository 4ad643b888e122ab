//! Whether each hop waits longer than what it waits for.
//!
//! function ≤ watchdog's exec_timeout ≤ its write_timeout ≤ provider ≤ gateway's upstream_timeout ≤ its write_timeout ≤
//! client; and the queue's ack_wait ≥ exec_timeout. What happens where one does not is told in the words of what users
//! see then.

use std::collections::BTreeMap;
use std::time::Duration;

use faas_lab_http::go::{format_duration, parse_duration};
use serde::Serialize;

/// What a watchdog allows where nothing is set.
const WATCHDOG: Duration = Duration::from_secs(30);

/// What a gateway allows where nothing is set.
const GATEWAY: Duration = Duration::from_secs(60);

/// By how much each should wait longer than the next.
const MARGIN: Duration = Duration::from_secs(5);

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Severity {
    /// Good to know.
    Note,
    /// Works as it is, by luck or by much waiting.
    Doubtful,
    /// Has to be changed.
    Wrong,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Short name of its kind.
    pub(super) code: &'static str,
    /// The function that it is about.
    pub(super) function: Option<String>,
    /// What is so, and what comes of it.
    pub(super) what: String,
    /// What to write instead.
    pub(super) change: String,
}

/// A timeout of the gateway, and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// By a flag.
    Said(Duration),
    /// By the gateway.
    Told(Duration),
    /// Not at all: the original's default.
    Assumed,
}

impl Known {
    fn span(self) -> Duration {
        match self {
            Known::Said(span) | Known::Told(span) => span,
            Known::Assumed => GATEWAY,
        }
    }

    fn shown(self) -> String {
        match self {
            Known::Assumed => format!("{} (the default, as it does not say)", span(GATEWAY)),
            known => span(known.span()),
        }
    }

    /// A contradiction with what is only assumed is a doubt.
    fn severity(self) -> Severity {
        if self == Known::Assumed { Severity::Doubtful } else { Severity::Wrong }
    }
}

/// The timeouts before the watchdogs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    pub(super) upstream: Known,
    pub(super) write: Known,
    pub(super) provider: Option<Duration>,
    pub(super) client: Option<Duration>,
    pub(super) ack_wait: Option<Duration>,
}

/// A watchdog's timeouts; zero is none.
#[derive(Clone, Debug)]
pub(super) struct Watchdog {
    exec: Duration,
    write: Duration,
    read: Duration,
    /// Names and values that are no spans: Go takes the default for them.
    rubbish: Vec<(&'static str, String)>,
    set: Vec<&'static str>,
}

/// The watchdog's timeouts by the environment of its function.
pub(super) fn watchdog(environment: &BTreeMap<String, String>) -> Watchdog {
    let (mut rubbish, mut set) = (Vec::new(), Vec::new());
    let mut of = |name: &'static str| match environment.get(name) {
        None => WATCHDOG,
        Some(text) => parse_duration(text).inspect(|_| set.push(name)).unwrap_or_else(|| {
            rubbish.push((name, text.clone()));
            WATCHDOG
        }),
    };
    let (exec, write, read) = (of("exec_timeout"), of("write_timeout"), of("read_timeout"));
    Watchdog { exec, write, read, rubbish, set }
}

impl Watchdog {
    pub(super) fn shown(&self) -> BTreeMap<String, String> {
        let show = |name: &str, value: Duration| {
            let default = if self.set.contains(&name) { "" } else { " (default)" };
            (name.to_owned(), format!("{}{default}", span(value)))
        };
        BTreeMap::from([
            show("exec_timeout", self.exec),
            show("write_timeout", self.write),
            show("read_timeout", self.read),
        ])
    }

    /// Longest time that a call may take here; `None` without end.
    fn longest(&self) -> Option<Duration> {
        let bound = |limit: Duration| (!limit.is_zero()).then_some(limit);
        match (bound(self.exec), bound(self.write)) {
            (Some(exec), Some(write)) => Some(exec.min(write)),
            (exec, write) => exec.or(write),
        }
    }
}

impl Chain {
    pub(super) fn shown(&self) -> BTreeMap<String, String> {
        let mut shown = BTreeMap::from([
            ("upstream_timeout".to_owned(), self.upstream.shown()),
            ("write_timeout".to_owned(), self.write.shown()),
        ]);
        let named = [("provider", self.provider), ("client", self.client), ("ack_wait", self.ack_wait)];
        shown.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), span(value?)))));
        shown
    }

    /// What is wrong on the way to one function.
    pub(super) fn check(&self, function: &str, environment: &BTreeMap<String, String>) -> Vec<Finding> {
        let watchdog = watchdog(environment);
        let mut findings = Vec::new();
        let mut add = |severity, code, what: String, change: String| {
            findings.push(Finding { severity, code, function: Some(function.to_owned()), what, change });
        };
        for (name, text) in &watchdog.rubbish {
            let what = format!("{name}: {text:?} is no span, so the watchdog takes its default of {}", span(WATCHDOG));
            add(Severity::Wrong, "no-span", what, format!("write {name}: 30s, or another number with s, m or h"));
        }
        if watchdog.write.is_zero() {
            let what = "write_timeout is 0: the watchdog does not start so".to_owned();
            add(
                Severity::Wrong,
                "no-write-timeout",
                what,
                format!("set write_timeout: {}", span(watchdog.exec + MARGIN)),
            );
        }
        let Some(longest) = watchdog.longest() else { return findings };
        if watchdog.exec.is_zero() {
            let what = "exec_timeout is 0: a call that hangs keeps its process, and its place, for ever".to_owned();
            add(
                Severity::Doubtful,
                "no-exec-timeout",
                what,
                "set exec_timeout to the longest that a call may take".to_owned(),
            );
        }
        if !watchdog.write.is_zero() && watchdog.exec > watchdog.write {
            let what = format!(
                "exec_timeout {} is longer than write_timeout {}: a call between them is done in full, and then its \
                 connection is closed without an answer",
                span(watchdog.exec),
                span(watchdog.write)
            );
            let change = format!("set write_timeout: {}", span(watchdog.exec + MARGIN));
            add(Severity::Wrong, "exec-over-write", what, change);
        }
        if let Some(provider) = self.provider.filter(|provider| longest > *provider) {
            let what = format!(
                "the provider gives up after {}, but the watchdog lets a call run for {}: callers get 502 while it runs on",
                span(provider),
                span(longest)
            );
            add(
                Severity::Wrong,
                "function-over-provider",
                what,
                format!("set the provider's read_timeout to {}", span(longest + MARGIN)),
            );
        }
        let upstream = self.upstream.span();
        if !upstream.is_zero() && longest > upstream {
            let what = format!(
                "the gateway waits {} for a function, but the watchdog lets a call run for {}: callers get 502 at {}, and \
                 the call runs on for nobody",
                self.upstream.shown(),
                span(longest),
                span(upstream)
            );
            let change = format!(
                "set the gateway's upstream_timeout to {} and its write_timeout to {}, or exec_timeout to {}",
                span(longest + MARGIN),
                span(longest + 2 * MARGIN),
                span(upstream.saturating_sub(MARGIN))
            );
            add(self.upstream.severity(), "function-over-gateway", what, change);
        }
        if let Some(client) = self.client.filter(|client| longest > *client) {
            let what = format!(
                "clients wait {}, but the watchdog lets a call run for {}: who gave up is still worked for",
                span(client),
                span(longest)
            );
            let change = format!(
                "let clients wait {}, or set exec_timeout: {}",
                span(longest + 3 * MARGIN),
                span(client.saturating_sub(MARGIN))
            );
            add(Severity::Wrong, "function-over-client", what, change);
        }
        if let Some(ack_wait) = self.ack_wait.filter(|ack_wait| longest > *ack_wait) {
            let what = format!(
                "the queue delivers again after {}, but the watchdog lets a call run for {}: slow asynchronous invocations \
                 run twice at once",
                span(ack_wait),
                span(longest)
            );
            add(Severity::Wrong, "function-over-ack-wait", what, format!("set ack_wait to {}", span(longest + MARGIN)));
        }
        findings
    }

    /// What is wrong before functions, whichever is called.
    pub(super) fn check_gateway(&self, environments: &[&BTreeMap<String, String>]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut add = |severity, code, what: String, change: String| {
            findings.push(Finding { severity, code, function: None, what, change });
        };
        let (upstream, write) = (self.upstream.span(), self.write.span());
        if !write.is_zero()
            && !upstream.is_zero()
            && upstream >= write
            && (self.upstream, self.write) != (Known::Assumed, Known::Assumed)
        {
            let what = format!(
                "the gateway's upstream_timeout {} is not below its write_timeout {}: at the limit it closes connections \
                 instead of saying 502",
                self.upstream.shown(),
                self.write.shown()
            );
            let severity =
                if upstream > write { self.upstream.severity().min(self.write.severity()) } else { Severity::Doubtful };
            add(severity, "upstream-over-write", what, format!("set its write_timeout to {}", span(upstream + MARGIN)));
        }
        if let Some(provider) = self.provider.filter(|provider| upstream > *provider) {
            let what = format!(
                "the provider's timeout {} is below the gateway's upstream_timeout {}: calls end earlier than the gateway says",
                span(provider),
                self.upstream.shown()
            );
            add(
                Severity::Doubtful,
                "provider-under-gateway",
                what,
                format!("set the provider's read_timeout to {}", span(upstream)),
            );
        }
        if let Some(client) = self.client.filter(|client| *client <= upstream) {
            let what = format!(
                "clients wait {}, no longer than the gateway for a function ({}): they give up without hearing why",
                span(client),
                self.upstream.shown()
            );
            add(
                Severity::Doubtful,
                "client-under-gateway",
                what,
                format!("let clients wait {}", span(upstream + 2 * MARGIN)),
            );
        }
        let longest = environments.iter().filter_map(|environment| watchdog(environment).longest()).max();
        if let Some(longest) = longest.filter(|longest| upstream > *longest * 10) {
            let what = format!(
                "the gateway waits {} for functions that take {} at most: a lost replica is noticed late",
                self.upstream.shown(),
                span(longest)
            );
            add(
                Severity::Note,
                "gateway-far-over-functions",
                what,
                format!("{} would do as upstream_timeout", span(longest + MARGIN)),
            );
        }
        findings
    }
}

/// `1m0s` reads worse than `1m`.
fn span(length: Duration) -> String {
    if length.is_zero() {
        return "none".to_owned();
    }
    let text = format_duration(length);
    let text = text.strip_suffix("m0s").map_or(text.clone(), |minutes| format!("{minutes}m"));
    text.strip_suffix("h0m").map_or(text.clone(), |hours| format!("{hours}h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn chain(upstream: u64, write: u64) -> Chain {
        let (upstream, write) = (Known::Told(secs(upstream)), Known::Told(secs(write)));
        Chain { upstream, write, provider: None, client: None, ack_wait: None }
    }

    fn codes(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
        findings.iter().map(|finding| (finding.code, finding.severity)).collect()
    }

    #[test]
    fn a_chain_that_grows_from_the_function_outwards_is_fine() {
        let environment = environment(&[("exec_timeout", "50s"), ("write_timeout", "55"), ("read_timeout", "1m")]);
        let chain =
            Chain { client: Some(secs(80)), provider: Some(secs(61)), ack_wait: Some(secs(60)), ..chain(60, 70) };
        assert_eq!(chain.check("f", &environment), []);
        assert_eq!(chain.check_gateway(&[&environment]), []);
        assert_eq!(Chain { provider: None, client: None, ack_wait: None, ..chain }.check("f", &BTreeMap::new()), []);
    }

    #[test]
    fn each_hop_that_waits_too_little_is_named_with_what_to_write() {
        let long = environment(&[("exec_timeout", "2m"), ("write_timeout", "2m")]);
        let chain =
            Chain { client: Some(secs(90)), provider: Some(secs(30)), ack_wait: Some(secs(30)), ..chain(60, 60) };
        let findings = chain.check("f", &long);
        let wrong = Severity::Wrong;
        let expected = [
            ("function-over-provider", wrong),
            ("function-over-gateway", wrong),
            ("function-over-client", wrong),
            ("function-over-ack-wait", wrong),
        ];
        assert_eq!(codes(&findings), expected);
        assert!(findings[1].change.contains("upstream_timeout to 2m5s"), "{}", findings[1].change);
        assert_eq!(
            codes(&chain.check_gateway(&[&long])),
            [("upstream-over-write", Severity::Doubtful), ("provider-under-gateway", Severity::Doubtful)]
        );
    }

    #[test]
    fn the_watchdogs_own_timeouts_are_held_against_each_other() {
        let of = |pairs: &[(&str, &str)]| codes(&chain(600, 700).check("f", &environment(pairs)));
        assert_eq!(of(&[("exec_timeout", "60s")]), [("exec-over-write", Severity::Wrong)], "the default is 30 s");
        assert_eq!(of(&[("exec_timeout", "1 minute")]), [("no-span", Severity::Wrong)]);
        assert_eq!(of(&[("exec_timeout", "0")]), [("no-exec-timeout", Severity::Doubtful)]);
        assert_eq!(of(&[("write_timeout", "0s")]), [("no-write-timeout", Severity::Wrong)]);
    }

    #[test]
    fn what_is_only_assumed_is_doubted_and_not_denied() {
        let chain =
            Chain { upstream: Known::Assumed, write: Known::Assumed, provider: None, client: None, ack_wait: None };
        let findings = chain.check("f", &environment(&[("exec_timeout", "5m"), ("write_timeout", "5m")]));
        assert_eq!(codes(&findings), [("function-over-gateway", Severity::Doubtful)]);
        assert!(findings[0].what.contains("default"), "{}", findings[0].what);
        assert_eq!(chain.check_gateway(&[]), []);
    }

    #[test]
    fn spans_read_well() {
        for (secs, text) in
            [(0, "none"), (5, "5s"), (60, "1m"), (90, "1m30s"), (3600, "1h"), (3660, "1h1m"), (600, "10m")]
        {
            assert_eq!(span(Duration::from_secs(secs)), text);
        }
    }
}
