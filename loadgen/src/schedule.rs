//! All arrivals of a scenario in the order of their instants: those that the simulator plays with the same seed.

use faas_lab_model::arrivals::ArrivalSchedule;
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::Scenario;
use faas_lab_model::time::{SimTime, Span};

/// A request that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Index into [`Scenario::workloads`].
    pub workload: usize,
    /// Its number in the workload's schedule, from 0.
    pub number: u64,
    /// When.
    pub at: SimTime,
}

/// The arrivals of all workloads that have a schedule, merged lazily. Workloads of users have none.
#[derive(Clone, Debug)]
pub struct Schedule {
    sources: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    schedule: ArrivalSchedule,
    next: Option<Arrival>,
}

impl Schedule {
    /// The schedule of `scenario`'s first replication under `seed`.
    pub fn new(scenario: &Scenario, seed: Seed) -> Schedule {
        let sources = scenario.workloads.iter().enumerate().map(|(index, workload)| {
            let mut schedule = ArrivalSchedule::new(&workload.arrivals, &workload.name, seed, scenario.duration);
            let next = schedule.next().map(|at| Arrival { workload: index, number: 0, at });
            Source { schedule, next }
        });
        Schedule { sources: sources.collect() }
    }

    /// Most arrivals within any window of this length.
    pub fn most_within(self, window: Span) -> usize {
        let mut recent = std::collections::VecDeque::new();
        let mut most = 0;
        for arrival in self {
            recent.push_back(arrival.at);
            while recent.front().is_some_and(|first| arrival.at.since(*first) > window) {
                recent.pop_front();
            }
            most = most.max(recent.len());
        }
        most
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        // Workloads are few; of several arrivals at one instant the first workload's comes first.
        let source = self
            .sources
            .iter_mut()
            .filter(|source| source.next.is_some())
            .min_by_key(|source| source.next.map(|arrival| arrival.at))?;
        let arrival = source.next?;
        source.next = source.schedule.next().map(|at| Arrival { number: arrival.number + 1, at, ..arrival });
        Some(arrival)
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::scenario::BuiltIn;

    use super::*;

    const SCENARIO: &str = r#"
        duration = "60s"
        seed = 11
        [function.a]
        demand = { exponential = "1ms" }
        [function.b]
        demand = { exponential = "1ms" }
        [[workload]]
        function = "a"
        arrivals = { poisson = "20/s" }
        [[workload]]
        function = "b"
        name = "second"
        arrivals = { batches = { size = 3, period = "10s" } }
        [[workload]]
        function = "b"
        name = "third"
        users = { count = 3, think = "1s" }
    "#;

    fn scenario() -> Scenario {
        Scenario::parse("x.toml", SCENARIO, &[], &BuiltIn).expect("valid")
    }

    #[test]
    fn it_is_the_workloads_own_schedules_in_order() {
        let scenario = scenario();
        let all: Vec<Arrival> = Schedule::new(&scenario, scenario.seed).collect();
        assert!(all.is_sorted_by_key(|arrival| arrival.at));
        for (index, workload) in scenario.workloads.iter().enumerate() {
            let merged: Vec<SimTime> = all.iter().filter(|a| a.workload == index).map(|a| a.at).collect();
            let own = ArrivalSchedule::new(&workload.arrivals, &workload.name, scenario.seed, scenario.duration);
            assert_eq!(merged, own.collect::<Vec<_>>());
            assert!(all.iter().filter(|a| a.workload == index).map(|a| a.number).eq(0..merged.len() as u64));
        }
        assert_eq!(all.iter().filter(|arrival| arrival.workload == 2).count(), 0);
    }

    #[test]
    fn a_batch_is_within_any_window() {
        let mut scenario = scenario();
        scenario.workloads.remove(0);
        assert_eq!(Schedule::new(&scenario, scenario.seed).most_within(Span::from_secs(1)), 3);
        assert_eq!(Schedule::new(&scenario, scenario.seed).most_within(Span::from_secs(10)), 6);
    }
}
