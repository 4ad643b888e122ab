//! Several scenarios played under common random numbers: the same seeds, and one truncation point where the warm-up is
//! found rather than given.

use std::num::NonZeroUsize;

use faas_lab_model::metrics::RunRecord;
use faas_lab_model::metrics::result::RunResult;
use faas_lab_model::scenario::{Scenario, WarmUp};
use faas_lab_model::time::Span;

use crate::crew::{Crew, Run};
use crate::replicate::{Ended, Plan};
use crate::simulate::result_of;
use crate::warmup::{Truncated, find_warm_up};

/// What playing several scenarios yields.
#[derive(Clone, Debug)]
pub struct Contest {
    /// One result per scenario; `None` where not one replication was finished.
    pub results: Vec<Option<RunResult>>,
    /// Whether it was stopped before all was done.
    pub stopped: bool,
}

/// Plays each of `scenarios` as often as it says, in parallel. `commands` are those that make each result again.
///
/// All first replications come before all second ones, so that a contest that is stopped has pairs to compare.
pub fn contest(scenarios: &[Scenario], commands: &[String], crew: &Crew<'_>) -> Contest {
    let truncated = shared_warm_ups(scenarios, crew);
    let mut runs = Vec::new();
    for (point, (scenario, truncated)) in scenarios.iter().zip(&truncated).enumerate() {
        let replications = 0..scenario.replications.max(1);
        runs.extend(replications.map(|number| (point, Run { scenario, warm_up: truncated.warm_up, number })));
    }
    runs.sort_by_key(|(point, run)| (run.number, *point));
    let (points, runs): (Vec<usize>, Vec<Run<'_>>) = runs.into_iter().unzip();

    let mut records: Vec<Vec<(u32, RunRecord)>> = scenarios.iter().map(|_| Vec::new()).collect();
    let mut played = 0;
    if !crew.stop.load(std::sync::atomic::Ordering::Relaxed) {
        crew.play(&runs, &mut |job, record| {
            records[points[job]].push((runs[job].number, record));
            played += 1;
        });
    }
    let stopped = played < runs.len();
    let results = records.into_iter().zip(scenarios).zip(truncated).zip(commands).map(
        |(((mut records, scenario), truncated), command)| {
            records.sort_by_key(|(number, _)| *number);
            let records: Vec<RunRecord> = records.into_iter().map(|(_, record)| record).collect();
            let whole = scenario.replications.max(1) as usize;
            let ended = match () {
                () if records.iter().any(|record| record.partial) => Ended::Overfull,
                () if records.len() < whole => Ended::Stopped,
                () => Ended::Planned,
            };
            result_of(scenario, command, records, truncated, ended)
        },
    );
    Contest { results: results.collect(), stopped }
}

/// Where each scenario's statistics begin. Those that leave it to be found and last equally long share the latest
/// point that any of them needs: were they cut at different places, they would be compared over different hours.
pub fn shared_warm_ups(scenarios: &[Scenario], crew: &Crew<'_>) -> Vec<Truncated> {
    let autos: Vec<usize> = (0..scenarios.len()).filter(|point| scenarios[*point].warm_up == WarmUp::Auto).collect();
    let given = |scenario: &Scenario| match scenario.warm_up {
        WarmUp::Given(warm_up) => Truncated { warm_up, rule: "given".into(), warning: None },
        WarmUp::Auto => {
            Truncated { warm_up: Span::ZERO, rule: "auto: stopped before it was found".into(), warning: None }
        }
    };
    let mut all: Vec<Truncated> = scenarios.iter().map(given).collect();
    let pilot = |_: usize, job: usize| {
        let plan = Plan {
            warm_up: Span::ZERO,
            steps: 0,
            threads: NonZeroUsize::MIN,
            precision: None,
            stop: crew.stop,
            progress: &|_| (),
        };
        find_warm_up(&scenarios[autos[job]], plan)
    };
    crew.each(autos.len(), &pilot, &mut |job, truncated| all[autos[job]] = truncated);
    let own = all.clone();
    for point in &autos {
        let alike = autos.iter().filter(|other| scenarios[**other].duration == scenarios[*point].duration);
        let alike: Vec<usize> = alike.copied().collect();
        let Some(latest) = alike.iter().copied().max_by_key(|other| own[*other].warm_up) else { continue };
        if alike.len() > 1 {
            all[*point].warm_up = own[latest].warm_up;
            all[*point].rule = format!("{} (the latest of {} that are compared)", own[latest].rule, alike.len());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use faas_lab_model::distributions::Distribution;
    use faas_lab_model::fixtures;

    use super::*;

    fn crew(threads: usize, stop: &AtomicBool) -> Crew<'_> {
        Crew { threads: NonZeroUsize::new(threads).expect("some"), stop, progress: &|_| () }
    }

    fn queues(means: &[f64]) -> Vec<Scenario> {
        let queue = |mean: &f64| {
            let mut scenario = fixtures::scenario();
            scenario.functions[0].demand.law = Distribution::Exponential { mean: *mean };
            scenario.replications = 3;
            scenario
        };
        means.iter().map(queue).collect()
    }

    fn commands(scenarios: &[Scenario]) -> Vec<String> {
        scenarios.iter().map(|_| "again".to_owned()).collect()
    }

    #[test]
    fn threads_change_nothing() {
        let scenarios = queues(&[0.5, 0.7, 0.9]);
        let stop = AtomicBool::new(false);
        let alone = contest(&scenarios, &commands(&scenarios), &crew(1, &stop));
        let together = contest(&scenarios, &commands(&scenarios), &crew(4, &stop));
        assert_eq!(alone.results, together.results);
        assert!(!alone.stopped);
        let seeds = |point: usize| -> Vec<u64> {
            let result = alone.results[point].as_ref().expect("played");
            result.replications.iter().map(|replication| replication.seed).collect()
        };
        assert_eq!((seeds(0), seeds(0).len()), (seeds(2), 3));
    }

    #[test]
    fn a_contest_is_a_simulation_of_each() {
        let scenarios = queues(&[0.5, 0.9]);
        let stop = AtomicBool::new(false);
        let found = contest(&scenarios, &commands(&scenarios), &crew(2, &stop));
        let how = crate::Simulation {
            command: "again",
            threads: NonZeroUsize::MIN,
            precision: None,
            check: false,
            stop: &stop,
            progress: &|_| (),
        };
        let alone = crate::simulate(&scenarios[1], how, None).expect("played");
        assert_eq!(found.results[1].as_ref(), Some(&alone.result));
    }

    #[test]
    fn variants_that_find_their_warm_up_share_it() {
        let mut scenarios = queues(&[0.2, 1.1]);
        scenarios.iter_mut().for_each(|scenario| scenario.warm_up = WarmUp::Auto);
        scenarios.push(Scenario { warm_up: WarmUp::Given(Span::from_secs(7)), ..scenarios[0].clone() });
        let stop = AtomicBool::new(false);
        let cuts = shared_warm_ups(&scenarios, &crew(2, &stop));
        assert_eq!(cuts[0].warm_up, cuts[1].warm_up);
        assert!(cuts[0].warm_up > Span::ZERO && cuts[0].rule.contains("latest of 2"), "{}", cuts[0].rule);
        assert_eq!(cuts[2].warm_up, Span::from_secs(7));
    }

    #[test]
    fn a_stop_keeps_what_is_whole() {
        let scenarios = queues(&[0.5, 0.6]);
        let stop = AtomicBool::new(false);
        let note = |progress: Progress| {
            if progress.finished == 3 {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let crew = Crew { threads: NonZeroUsize::MIN, stop: &stop, progress: &note };
        let found = contest(&scenarios, &commands(&scenarios), &crew);
        assert!(found.stopped);
        let counts: Vec<usize> = found.results.iter().flatten().map(|result| result.replications.len()).collect();
        assert_eq!(counts, [2, 1]);
        assert!(found.results.iter().flatten().all(|result| result.partial));
    }

    use crate::replicate::Progress;
}
