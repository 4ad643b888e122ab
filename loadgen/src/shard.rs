//! One part of a run that several machines share: every N-th arrival of the one schedule, and every N-th user.

use std::time::{Duration, SystemTime};

use faas_lab_model::time::Span;
use jiff::Timestamp;
use thiserror::Error;

/// Part `index`, from 0, of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Default for Shard {
    fn default() -> Shard {
        Shard::WHOLE
    }
}

impl Shard {
    /// The run as a whole.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Part `index` of `count`; `None` if there is no such part.
    pub fn new(index: u32, count: u32) -> Option<Shard> {
        (index < count).then_some(Shard { index, count })
    }

    /// Which part, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Of how many.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether this is not the run as a whole.
    pub fn is_part(self) -> bool {
        self.count > 1
    }

    /// Whether the arrival with this number in the schedule of all workloads is in this part.
    pub fn takes(self, number: u64) -> bool {
        number % u64::from(self.count) == u64::from(self.index)
    }

    /// What of the whole schedule is in this part, in its order.
    pub fn of<I: Iterator>(self, schedule: I) -> impl Iterator<Item = I::Item> + use<I> {
        schedule.skip(self.index as usize).step_by(self.count as usize)
    }

    /// How many of so many users are in this part: users k with k mod N = i.
    pub fn users(self, count: u32) -> u32 {
        count / self.count + u32::from(self.index < count % self.count)
    }

    /// The number among all users of this part's `k`-th.
    pub fn user(self, k: u32) -> u32 {
        k.saturating_mul(self.count).saturating_add(self.index)
    }
}

/// Why a run cannot start when it should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartError {
    /// It is no instant.
    #[error("{0:?} is no instant: write one such as 2026-01-31T12:00:00Z, or seconds since 1970")]
    NoInstant(String),
    /// It is over.
    #[error(
        "the run was to start {} ago: the other parts have started without this one; start all again with a later instant",
        rough(*.0)
    )]
    Late(Duration),
    /// It is too far away to be meant.
    #[error("the run is to start in {}, and waits for an hour at most: is the clock of this machine right?", rough(*.0))]
    Far(Duration),
}

/// In whole seconds, as people write them.
fn rough(span: Duration) -> Span {
    Span::from_secs(span.as_secs().max(1))
}

/// Longest that a run waits for its start.
const FAR: Duration = Duration::from_secs(3600);

/// Reads an instant: RFC 3339, or seconds since 1970.
///
/// # Errors
/// If it is neither.
pub fn instant(text: &str) -> Result<SystemTime, StartError> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.into());
    }
    let seconds = text.parse::<f64>().ok().filter(|secs| secs.is_finite() && (0.0..1e11).contains(secs));
    let since = seconds.map(Duration::from_secs_f64);
    since.map(|since| SystemTime::UNIX_EPOCH + since).ok_or_else(|| StartError::NoInstant(text.to_owned()))
}

/// An instant as RFC 3339 has it, in whole seconds of UTC.
pub fn rfc3339(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// How long from `now` to the start at `at`.
///
/// # Errors
/// If that is over, or further away than a run waits.
pub fn until(at: SystemTime, now: SystemTime) -> Result<Duration, StartError> {
    match at.duration_since(now) {
        Ok(wait) if wait > FAR => Err(StartError::Far(wait)),
        Ok(wait) => Ok(wait),
        Err(late) => Err(StartError::Late(late.duration())),
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::arrivals::ArrivalSchedule;
    use faas_lab_model::distributions::Distribution;
    use faas_lab_model::rng::Seed;
    use faas_lab_model::scenario::{Arrivals, BatchSize, Cron, MmppState, ShapePoint};
    use faas_lab_model::time::SimTime;
    use faas_lab_model::units::Rate;
    use proptest::prelude::*;

    use super::*;

    /// Every kind of arrivals.
    fn arrivals() -> impl Strategy<Value = Arrivals> {
        let rate = || (0.1f64..30.0).prop_map(Rate);
        let at = |secs: f64| SimTime::ZERO + Span::from_secs_f64(secs);
        prop_oneof![
            rate().prop_map(Arrivals::Constant),
            rate().prop_map(Arrivals::Poisson),
            (0.05f64..1.0, 0.1f64..1.5)
                .prop_map(|(median, sigma)| Arrivals::Renewal(Distribution::Lognormal { median, sigma })),
            prop::collection::vec((rate(), 1u64..20), 1..4).prop_map(|states| {
                let state = |(rate, stay)| MmppState { rate, mean_stay: Span::from_secs(stay) };
                Arrivals::Mmpp(states.into_iter().map(state).collect())
            }),
            prop::collection::vec((0.0f64..60.0, 0.0f64..30.0), 1..5).prop_map(move |mut corners| {
                corners.sort_by(|a, b| a.0.total_cmp(&b.0));
                Arrivals::Shape(
                    corners.into_iter().map(|(s, rate)| ShapePoint { at: at(s), rate: Rate(rate) }).collect(),
                )
            }),
            (1u32..9, 0u32..9, 1u64..15).prop_map(move |(first, later, secs)| {
                let sizes = [(0.0, first), (20.0, later)].map(|(s, size)| BatchSize { at: at(s), size }).to_vec();
                Arrivals::Batches { sizes, period: Span::from_secs(secs) }
            }),
            any::<u64>().prop_map(|minutes| Arrivals::Cron(Cron { minutes, hours: (1 << 24) - 1, weekdays: 127 })),
            prop::collection::vec(0u64..60_000, 0..80).prop_map(|mut millis| {
                millis.sort_unstable();
                Arrivals::Trace(millis.into_iter().map(|m| SimTime::ZERO + Span::from_millis(m)).collect())
            }),
        ]
    }

    proptest! {
        /// The parts of several workloads' schedules, put together, are the whole, bit for bit.
        #[test]
        fn the_union_of_the_parts_is_the_schedule(
            workloads in prop::collection::vec(arrivals(), 1..4), seed in any::<u64>(), count in 1u32..9
        ) {
            let mut whole: Vec<(SimTime, usize, u64)> = Vec::new();
            for (index, arrivals) in workloads.iter().enumerate() {
                let name = format!("w{index}");
                let own = ArrivalSchedule::new(arrivals, &name, Seed(seed), Span::from_secs(60));
                whole.extend(own.zip(0u64..).map(|(at, number)| (at, index, number)));
            }
            whole.sort_unstable();
            let parts: Vec<Vec<_>> = (0..count)
                .map(|index| Shard::new(index, count).expect("a part").of(whole.iter().copied()).collect())
                .collect();
            let mut union: Vec<_> = parts.concat();
            union.sort_unstable();
            prop_assert_eq!(&union, &whole);
            for (number, arrival) in whole.iter().enumerate() {
                let takers: Vec<usize> =
                    (0..count).filter(|i| Shard { index: *i, count }.takes(number as u64)).map(|i| i as usize).collect();
                prop_assert_eq!(takers.len(), 1);
                prop_assert_eq!(&parts[takers[0]][number / count as usize], arrival);
            }
        }

        #[test]
        fn every_user_is_in_one_part(users in 0u32..200, count in 1u32..20) {
            let mut all: Vec<u32> = (0..count)
                .flat_map(|index| {
                    let shard = Shard { index, count };
                    (0..shard.users(users)).map(move |k| shard.user(k))
                })
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..users).collect::<Vec<_>>());
        }

        #[test]
        fn any_text_ends_in_an_answer(text in "\\PC{0,30}|[0-9TZ:.+eE-]{0,30}") {
            let _ = instant(&text);
        }
    }

    #[test]
    fn instants_are_dates_or_seconds() {
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800);
        for text in ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", " 1769860800 ", "1769860800.0"] {
            assert_eq!(instant(text), Ok(expected), "{text}");
        }
        for wrong in ["", "now", "-1", "NaN", "inf", "2026-01-31", "1e300"] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_start_is_ahead_and_near() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let in_secs = |secs: i64| match u64::try_from(secs) {
            Ok(secs) => now + Duration::from_secs(secs),
            Err(_) => now - Duration::from_secs(secs.unsigned_abs()),
        };
        assert_eq!(until(in_secs(60), now), Ok(Duration::from_secs(60)));
        assert_eq!(until(in_secs(-3), now), Err(StartError::Late(Duration::from_secs(3))));
        assert_eq!(until(in_secs(7200), now), Err(StartError::Far(Duration::from_secs(7200))));
        assert_eq!(rfc3339(in_secs(-1)), "1970-01-12T13:46:39Z");
        assert!(Shard::new(3, 3).is_none() && Shard::new(0, 0).is_none());
    }
}
