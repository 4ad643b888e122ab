//! Which timeout it was, where only the length of a call can tell.
//!
//! A gateway that closes a connection at its write timeout says nothing, and an empty 502 can mean the gateway's upstream
//! timeout or the provider's own. What the scenario says of the timeouts on the way is held against how long the call
//! took: the longest timeout that was over when it ended is the one that ended it.

use faas_lab_model::metrics::result::OutcomeKind;
use faas_lab_model::metrics::{Ending, Hop};
use faas_lab_model::scenario::{Scenario, WatchdogMode};
use faas_lab_model::time::Span;

use super::Platform;
use crate::answer::Answer;

/// The timeouts on the way to a function, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// The gateway's for its answer to be sent: then the connection is closed.
    pub gateway_write: Option<Span>,
    /// The gateway's for the function.
    pub gateway_upstream: Option<Span>,
    /// The provider's own.
    pub provider: Option<Span>,
    /// The watchdog's for its answer to be sent.
    pub watchdog_write: Option<Span>,
    /// The watchdog's for the function to run.
    pub watchdog_exec: Option<Span>,
    /// Whether the watchdog sends what the function has written when it kills it.
    pub streams: bool,
}

/// Clocks of two machines tick differently, and timers fire on a grid.
const SLACK: Span = Span::from_millis(2);

impl Timeouts {
    /// Those on the way to a function of a scenario, given by its index.
    pub fn of(scenario: &Scenario, function: usize) -> Timeouts {
        let watchdog = &scenario.functions[function].watchdog;
        Timeouts {
            gateway_write: scenario.gateway.write_timeout,
            gateway_upstream: scenario.gateway.upstream_timeout,
            provider: scenario.gateway.provider_timeout,
            watchdog_write: watchdog.write_timeout,
            watchdog_exec: watchdog.exec_timeout,
            streams: watchdog.mode == WatchdogMode::Streaming,
        }
    }

    /// The longest of these timeouts that was over after `took`.
    fn over(&self, took: Span, hops: &[Hop]) -> Option<Hop> {
        let known = |hop: &Hop| match hop {
            Hop::GatewayWrite => self.gateway_write,
            Hop::GatewayUpstream => self.gateway_upstream,
            Hop::Provider => self.provider,
            Hop::WatchdogWrite => self.watchdog_write,
            Hop::WatchdogExec => self.watchdog_exec,
            _ => None,
        };
        let over = hops.iter().filter_map(|hop| Some((known(hop)?, *hop))).filter(|(limit, _)| *limit <= took + SLACK);
        // Of equal ones the first that is asked for.
        over.rev().max_by_key(|(limit, _)| *limit).map(|(_, hop)| hop)
    }
}

/// How a call ended: what the platform's marks say, and where they leave it open, what its length says.
pub fn settle(platform: &dyn Platform, answer: &Answer, timeouts: &Timeouts) -> Ending {
    let told = platform.ending(answer);
    let took = answer.took.saturating_sub(answer.signs.held.unwrap_or(Span::ZERO));
    let over = |hops: &[Hop]| timeouts.over(took, hops);
    let timed_out = |hop: Option<Hop>| hop.map(|hop| Ending::new(OutcomeKind::TimedOut, Some(hop), told.status));
    let settled = match (told.kind, told.hop, told.status) {
        // Closed without an answer.
        (OutcomeKind::Failed, None, None) if answer.was_closed() => timed_out(over(&[Hop::GatewayWrite])),
        (OutcomeKind::TimedOut, None, Some(502)) => {
            let over = over(&[Hop::GatewayUpstream, Hop::Provider, Hop::WatchdogExec]);
            timed_out(over.or(Some(Hop::GatewayUpstream)))
        }
        (OutcomeKind::Failed | OutcomeKind::TimedOut, None, Some(502 | 504)) => {
            timed_out(over(&[Hop::GatewayUpstream, Hop::Provider, Hop::WatchdogExec]))
        }
        // The watchdog closed its connection to the gateway, which could also be a replica's end.
        (OutcomeKind::Failed, Some(Hop::Replica), Some(500 | 502)) if answer.signs.internal.is_some() => {
            timed_out(over(&[Hop::WatchdogWrite]))
        }
        (OutcomeKind::Truncated, None, status) => {
            let hop =
                over(&[Hop::WatchdogExec, Hop::GatewayUpstream, Hop::Provider, Hop::WatchdogWrite, Hop::GatewayWrite]);
            Some(Ending::new(OutcomeKind::Truncated, hop, status))
        }
        // of-watchdog ends a stream at its exec timeout as if it were whole. Nothing runs for longer than that.
        (OutcomeKind::Ok, ..) if timeouts.streams && !answer.signs.tells_held && answer.expected.is_none() => {
            over(&[Hop::WatchdogExec]).map(|hop| Ending::new(OutcomeKind::Truncated, Some(hop), told.status))
        }
        _ => None,
    };
    settled.unwrap_or(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Fault, Signs};
    use crate::target::OpenFaas;

    fn timeouts() -> Timeouts {
        Timeouts {
            gateway_write: Some(Span::from_secs(60)),
            gateway_upstream: Some(Span::from_secs(55)),
            provider: Some(Span::from_secs(10)),
            watchdog_write: Some(Span::from_secs(35)),
            watchdog_exec: Some(Span::from_secs(30)),
            streams: false,
        }
    }

    fn settled(answer: Answer, timeouts: &Timeouts) -> (OutcomeKind, Option<Hop>, Option<u16>) {
        let ending = settle(&OpenFaas::default(), &answer, timeouts);
        (ending.kind, ending.hop, ending.status)
    }

    fn after(millis: u64, status: Option<u16>, fault: Option<Fault>) -> Answer {
        Answer { status, fault, took: Span::from_millis(millis), ..Answer::default() }
    }

    #[test]
    fn a_closed_connection_is_a_timeout_if_one_was_over() {
        let closed = |millis| settled(after(millis, None, Some(Fault::Closed)), &timeouts());
        assert_eq!(closed(60_004), (OutcomeKind::TimedOut, Some(Hop::GatewayWrite), None));
        assert_eq!(closed(59_000), (OutcomeKind::Failed, None, None));
        let refused = settled(after(61_000, None, Some(Fault::Connect)), &timeouts());
        assert_eq!(refused, (OutcomeKind::Failed, None, None));
    }

    #[test]
    fn an_empty_502_is_whichever_timeout_was_over() {
        let empty = |millis, timeouts: &Timeouts| settled(after(millis, Some(502), None), timeouts);
        assert_eq!(empty(55_010, &timeouts()), (OutcomeKind::TimedOut, Some(Hop::GatewayUpstream), Some(502)));
        assert_eq!(empty(10_010, &timeouts()), (OutcomeKind::TimedOut, Some(Hop::Provider), Some(502)));
        assert_eq!(empty(10, &timeouts()), (OutcomeKind::Failed, None, Some(502)), "a provider that refuses");
        let unknown = Timeouts::default();
        assert_eq!(empty(20_000, &unknown), (OutcomeKind::TimedOut, Some(Hop::GatewayUpstream), Some(502)));
    }

    #[test]
    fn a_cut_stream_names_the_timeout_that_was_over() {
        let cut = |millis| settled(after(millis, Some(200), Some(Fault::Cut)), &timeouts());
        assert_eq!(cut(30_001).1, Some(Hop::WatchdogExec));
        assert_eq!(cut(2_000), (OutcomeKind::Truncated, None, Some(200)));
        let streaming = Timeouts { streams: true, ..timeouts() };
        let well_formed = |millis, timeouts: &Timeouts| settled(after(millis, Some(200), None), timeouts);
        let exec = (OutcomeKind::Truncated, Some(Hop::WatchdogExec), Some(200));
        assert_eq!(well_formed(30_005, &streaming), exec, "the original ends a cut stream properly");
        assert_eq!(well_formed(29_000, &streaming).0, OutcomeKind::Ok);
        assert_eq!(well_formed(30_005, &timeouts()).0, OutcomeKind::Ok, "other modes do not");
        let held = Signs { held: Some(Span::from_secs(5)), ..Signs::default() };
        let held = Answer { signs: held, ..after(33_000, Some(200), None) };
        assert_eq!(settled(held, &streaming).0, OutcomeKind::Ok, "the wait for a replica does not count");
    }

    #[test]
    fn a_replica_that_hung_up_late_had_a_write_timeout() {
        let lost = |millis| {
            let signs = Signs { internal: Some("proxy".into()), ..Signs::default() };
            let answer =
                Answer { signs, reason: Some("Can't reach service for: f.".into()), ..after(millis, Some(500), None) };
            settled(answer, &timeouts())
        };
        assert_eq!(lost(40_000), (OutcomeKind::TimedOut, Some(Hop::WatchdogWrite), Some(500)));
        assert_eq!(lost(3), (OutcomeKind::Failed, Some(Hop::Replica), Some(500)));
    }
}
