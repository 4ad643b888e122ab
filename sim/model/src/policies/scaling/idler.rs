//! Scale to zero: a function that nobody calls is put to rest, whatever its scaling policy.

//!
//! It looks on its own grid and counts from the look that sees the last sign of activity, so a function rests at most one
//! reconcile interval late (two if `after` is no multiple of it). The open faas-idler asks Prometheus for the rate over
//! whole minutes instead; for a call within one scrape interval of a look the two may differ by a look. Left out is its
//! habit of putting a function to rest at once that has never been called: here the first look counts as activity.

use super::{Scaler, Snapshot, Verdict};
use crate::policies::Listing;
use crate::policies::scaling::grid::Grid;
use crate::time::{SimTime, Span};

/// What counts as activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Completed calls, as the open faas-idler first did: a long call can be scaled away while it runs (faas-idler#34).
    Completions,
    /// Started calls, as it did later: still blind to calls that outlast the window.
    Starts,
    /// Started calls and calls in flight: the corrected rule.
    InFlight,
}

/// Settings of the idler.
#[derive(Clone, Debug, PartialEq)]
pub struct Idler {
    /// Inactivity after which a function rests (15 m).
    pub after: Span,
    /// How often it looks (1 m in the chart).
    pub reconcile: Span,
    /// What counts as activity.
    pub counting: Counting,
}

impl Default for Idler {
    fn default() -> Idler {
        Idler { after: Span::from_secs(900), reconcile: Span::from_secs(60), counting: Counting::InFlight }
    }
}

impl Idler {
    /// How it is listed.
    pub const LISTING: Listing = Listing {
        name: "idler",
        key: "function.NAME.scale_to_zero",
        about: "no replicas after a time without calls: OpenFaaS's faas-idler, counting completions, starts or calls in flight",
    };

    /// The idler of one function.
    pub fn scaler(&self) -> Box<dyn Scaler + Send> {
        Box::new(Watch::new(self.clone()))
    }
}

/// An idler at work.
#[derive(Clone, Debug)]
struct Watch {
    settings: Idler,
    looks: Grid,
    /// The last look that saw a sign of activity, and the counter as it was then.
    active: Option<(u64, SimTime)>,
}

impl Watch {
    fn new(settings: Idler) -> Watch {
        Watch { looks: Grid::new(settings.reconcile), settings, active: None }
    }

    /// How long the function has been idle by the counting rule; `None` if this look sees a sign of activity.
    fn idle_for(&mut self, now: &Snapshot) -> Option<Span> {
        let (count, busy) = match self.settings.counting {
            Counting::Completions => (now.completed_total, false),
            Counting::Starts => (now.started_total, false),
            // Ends count too: a call that ended since the last look was activity until then.
            Counting::InFlight => (now.started_total + now.completed_total, now.in_flight > 0),
        };
        match self.active {
            Some((before, at)) if before == count && !busy => Some(now.at.since(at)),
            _ => {
                self.active = Some((count, now.at));
                None
            }
        }
    }
}

impl Scaler for Watch {
    fn decide(&mut self, seen: &Snapshot) -> Verdict {
        let mut replicas = None;
        if self.looks.due(seen.at) {
            let idle = self.idle_for(seen).is_some_and(|idle| idle >= self.settings.after);
            // A replica that is still starting was asked for just now; faas-idler looks at available ones too.
            let awake = seen.ready > 0 && seen.desired > 0;
            replicas = (idle && awake).then_some(0);
        }
        Verdict { replicas, ask_again: self.looks.next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: u64) -> SimTime {
        SimTime::ZERO + Span::from_secs(60 * minutes)
    }

    fn idler(counting: Counting) -> Box<dyn Scaler + Send> {
        Idler { after: Span::from_secs(300), counting, ..Idler::default() }.scaler()
    }

    /// Asks on the idler's grid for `until` minutes; the minute at which it puts the function to rest, if it does.
    fn rests_at(mut idler: Box<dyn Scaler + Send>, until: u64, life: impl Fn(u64) -> Snapshot) -> Option<u64> {
        (0..=until).find(|&minute| {
            let verdict = idler.decide(&Snapshot { at: minutes(minute), desired: 1, ready: 1, ..life(minute) });
            assert_eq!(verdict.ask_again, minutes(minute + 1));
            verdict.replicas == Some(0)
        })
    }

    #[test]
    fn a_function_rests_once_its_last_call_is_long_enough_ago() {
        // One short call in minute 3, seen at the look that ends it.
        let life = |minute| Snapshot {
            started_total: u64::from(minute >= 3),
            completed_total: u64::from(minute >= 3),
            ..Snapshot::default()
        };
        for counting in [Counting::Completions, Counting::Starts, Counting::InFlight] {
            assert_eq!(rests_at(idler(counting), 20, life), Some(8), "{counting:?}");
        }
    }

    #[test]
    fn a_call_that_outlasts_the_window_is_cut_unless_calls_in_flight_count() {
        // A call from minute 2 to minute 12 (faas-idler#34): completions stay at zero all the while.
        let life = |minute| Snapshot {
            started_total: u64::from(minute >= 2),
            completed_total: u64::from(minute >= 12),
            in_flight: u32::from((2..12).contains(&minute)),
            ..Snapshot::default()
        };
        assert_eq!(rests_at(idler(Counting::Completions), 20, life), Some(5), "three minutes into the call");
        assert_eq!(rests_at(idler(Counting::Starts), 20, life), Some(7), "five minutes into the call");
        assert_eq!(
            rests_at(idler(Counting::InFlight), 20, life),
            Some(17),
            "five minutes after the look that sees its end"
        );
    }

    #[test]
    fn a_function_that_rests_or_wakes_is_left_alone() {
        for (desired, ready) in [(0, 0), (1, 0), (0, 1)] {
            let mut idler = idler(Counting::InFlight);
            for minute in 0..20 {
                let seen = Snapshot { at: minutes(minute), desired, ready, ..Snapshot::default() };
                assert_eq!(idler.decide(&seen).replicas, None);
            }
        }
    }
}
