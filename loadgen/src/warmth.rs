//! Which calls met a cold start.
//!
//! Best is a platform that says so: our gateway holds a call and tells for how long. Else the first answer of a replica is
//! taken for the one that its start kept waiting, if replicas have names; those that were ready when the run began are not
//! counted. Else a call is cold if it was sent while no replica was ready, as the probe saw it: that is as fine as the
//! probe's interval.

use std::collections::HashSet;

use faas_lab_model::time::SimTime;

use crate::answer::Signs;

/// Names of replicas that are remembered of one function.
const MOST_REPLICAS: usize = 100_000;

/// How it was told whether a call met a cold start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// The platform said so.
    ByPlatform,
    /// It was a replica's first answer.
    ByFirstAnswer,
    /// No replica was ready when it was sent.
    ByReplicas,
    /// There was nothing to tell it by: counted as warm.
    Not,
}

/// Tells for one function whether calls met a cold start.
#[derive(Debug, Default)]
pub struct Warmth {
    /// Replicas that were ready at the start, and have not answered yet; `None`: unknown.
    ready_at_start: Option<usize>,
    seen: HashSet<String>,
    by: Option<Told>,
}

impl Warmth {
    /// With so many replicas ready before the first call, if that is known.
    pub fn new(ready_at_start: Option<usize>) -> Warmth {
        Warmth { ready_at_start, ..Warmth::default() }
    }

    /// Whether the call with these signs, sent at `sent`, met a cold start. `was_resting` says whether no replica was ready
    /// at an instant; `None` where nobody looked.
    pub fn is_cold(&mut self, signs: &Signs, sent: SimTime, was_resting: impl FnOnce(SimTime) -> Option<bool>) -> bool {
        let (cold, told) = self.judge(signs, sent, was_resting);
        self.by = Some(self.by.map_or(told, |by| by.min(told)));
        cold
    }

    /// The best way in which it could be told so far; `None` before the first call.
    pub fn told(&self) -> Option<Told> {
        self.by
    }

    fn judge(
        &mut self,
        signs: &Signs,
        sent: SimTime,
        was_resting: impl FnOnce(SimTime) -> Option<bool>,
    ) -> (bool, Told) {
        if signs.held.is_some() || signs.tells_held {
            return (signs.held.is_some(), Told::ByPlatform);
        }
        if let Some(replica) = &signs.replica {
            let is_new = !self.seen.contains(replica);
            if is_new && self.seen.len() < MOST_REPLICAS {
                self.seen.insert(replica.clone());
            }
            return (is_new && !self.was_there(), Told::ByFirstAnswer);
        }
        match was_resting(sent) {
            Some(resting) => (resting, Told::ByReplicas),
            None => (false, Told::Not),
        }
    }

    /// Whether a replica that answers for the first time may be one of those that were there at the start.
    fn was_there(&mut self) -> bool {
        match &mut self.ready_at_start {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::time::Span;

    use super::*;

    fn never(_: SimTime) -> Option<bool> {
        None
    }

    #[test]
    fn a_platform_that_tells_is_believed() {
        let mut warmth = Warmth::new(Some(0));
        let told = |held: Option<u64>| Signs {
            held: held.map(Span::from_millis),
            tells_held: true,
            replica: Some("f-1".into()),
            ..Signs::default()
        };
        assert!(warmth.is_cold(&told(Some(250)), SimTime::ZERO, never));
        assert!(!warmth.is_cold(&told(None), SimTime::ZERO, |_| Some(true)), "no word means no");
        assert_eq!(warmth.told(), Some(Told::ByPlatform));
    }

    #[test]
    fn the_first_answer_of_a_replica_is_cold_unless_it_was_there() {
        let mut warmth = Warmth::new(Some(1));
        let by = |name: &str| Signs { replica: Some(name.into()), ..Signs::default() };
        let cold: Vec<bool> =
            ["a", "a", "b", "b", "a", "c"].iter().map(|name| warmth.is_cold(&by(name), SimTime::ZERO, never)).collect();
        assert_eq!(cold, [false, false, true, false, false, true]);
        assert_eq!(warmth.told(), Some(Told::ByFirstAnswer));
        let mut unknown = Warmth::default();
        assert!(unknown.is_cold(&by("a"), SimTime::ZERO, never), "without a probe, every first answer");
    }

    #[test]
    fn else_the_replicas_tell() {
        let mut warmth = Warmth::default();
        assert!(!warmth.is_cold(&Signs::default(), SimTime::ZERO, never));
        assert_eq!(warmth.told(), Some(Told::Not));
        let resting = |at: SimTime| Some(at < SimTime::ZERO + Span::from_secs(5));
        assert!(warmth.is_cold(&Signs::default(), SimTime::ZERO + Span::from_secs(4), resting));
        assert!(!warmth.is_cold(&Signs::default(), SimTime::ZERO + Span::from_secs(6), resting));
        assert_eq!(warmth.told(), Some(Told::ByReplicas));
    }
}
