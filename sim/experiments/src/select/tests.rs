//! How often the right setting is chosen where it is known.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

use faas_lab_model::fixtures;
use faas_lab_model::metrics::result;
use faas_lab_model::policies::Bounds;
use faas_lab_model::rng::{Seed, Uniforms};
use faas_lab_model::scenario::{Arrivals, Scenario, WarmUp};
use faas_lab_model::theory;
use faas_lab_model::time::Span;
use faas_lab_model::units::Rate;

use super::*;

fn wanted(bounds: &[Bound]) -> Wanted {
    Wanted { direction: 1.0, bounds: bounds.to_vec(), confidence: 0.95, indifference: 0.01, first: 10, budget: 100_000 }
}

fn below(value: f64, tolerance: f64) -> Bound {
    Bound { direction: 1.0, value, tolerance, strict: true }
}

/// Fails where `hits` of `tries` are too few for a probability of `least`, by 4 deviations.
fn assert_at_least(hits: usize, tries: usize, least: f64) {
    let share = hits as f64 / tries as f64;
    assert!(share >= least - 4.0 * (least * (1.0 - least) / tries as f64).sqrt(), "{share} of {tries}");
}

/// Normal values around (objective, bounded), with noise that all settings share and noise of their own.
fn choose_among(means: &[(f64, f64)], wanted: &Wanted, seed: u64) -> Choice {
    let normal = |key: u64, replication: u32| {
        let mut draws = Seed(seed).key("select").draws(key, replication);
        (0..12).map(|_| draws.uniform()).sum::<f64>() - 6.0
    };
    choose(means.len(), wanted, &mut |jobs| {
        let one = |(setting, replication): &(usize, u32)| {
            let (objective, bounded) = means[*setting];
            let own = 1 + 2 * *setting as u64;
            let noise = 0.05 * normal(0, *replication) + 0.03 * normal(own, *replication);
            vec![Some(objective + noise), Some(bounded + 0.1 * normal(own + 1, *replication))]
        };
        Some(jobs.iter().map(one).collect())
    })
}

#[test]
fn the_best_feasible_setting_is_chosen_as_often_as_promised() {
    // The cheapest breaks the bound by twice the tolerance; the third is dearer by twice the indifference.
    let means = [(0.95, 1.04), (1.0, 0.96), (1.02, 0.9), (1.3, 0.5), (1.02, 0.95)];
    let tries = 400;
    let right = (0..tries).filter(|seed| {
        let choice = choose_among(&means, &wanted(&[below(1.0, 0.02)]), *seed);
        assert!(choice.decided && choice.probability == 0.95);
        choice.best == Some(1)
    });
    assert_at_least(right.count(), tries as usize, 0.95);
}

#[test]
fn clear_cases_take_few_runs_and_hard_ones_more() {
    let easy = choose_among(&[(1.0, 0.5), (2.0, 0.5), (3.0, 0.5), (0.5, 3.0)], &wanted(&[below(1.0, 0.02)]), 1);
    assert_eq!((easy.best, easy.runs), (Some(0), 40));
    assert_eq!(easy.settings[3].fate, Fate::Infeasible(0));
    assert_eq!(easy.settings[1].fate, Fate::Beaten(0));
    let hard = choose_among(&[(1.0, 0.5), (1.005, 0.5)], &wanted(&[below(1.0, 0.02)]), 1);
    assert!(hard.runs > 20, "{}", hard.runs);
}

#[test]
fn what_is_hopeless_is_dropped_at_the_first_look_however_noisy() {
    let choice = choose(2, &wanted(&[below(0.1, 0.002)]), &mut |jobs| {
        let noise = |number: u32| f64::from(number * 7 % 5) - 2.0;
        let one = |(setting, number): &(usize, u32)| match setting {
            0 => vec![Some(1.0), Some(20.0 + 5.0 * noise(*number))],
            _ => vec![Some(2.0), Some(0.05 + 0.001 * noise(*number))],
        };
        Some(jobs.iter().map(one).collect())
    });
    assert_eq!((choice.best, choice.runs), (Some(1), 20));
}

#[test]
fn where_none_is_feasible_none_is_chosen() {
    let choice = choose_among(&[(1.0, 2.0), (2.0, 3.0)], &wanted(&[below(1.0, 0.02)]), 1);
    assert_eq!((choice.best, choice.decided), (None, true));
}

#[test]
fn a_budget_ends_it_with_a_probability_below_what_was_asked() {
    let tight = Wanted { budget: 60, indifference: 0.0001, ..wanted(&[]) };
    let choice = choose_among(&[(1.0, 0.0), (1.001, 0.0), (2.0, 0.0)], &tight, 5);
    assert!(!choice.decided && choice.runs <= 60);
    assert!(choice.probability < 0.95, "{}", choice.probability);
    assert!(choice.best.is_some_and(|best| best < 2) && matches!(choice.settings[2].fate, Fate::Beaten(_)));
    assert_eq!(choice.settings.iter().filter(|seen| seen.fate == Fate::Undecided).count(), 2);
}

#[test]
fn the_largest_can_be_wanted_and_bounds_can_be_from_below() {
    let most = Wanted {
        direction: -1.0,
        bounds: vec![Bound { direction: -1.0, value: 0.9, tolerance: 0.01, strict: true }],
        ..wanted(&[])
    };
    let choice = choose_among(&[(1.0, 1.2), (2.0, 1.2), (3.0, 0.3)], &most, 2);
    assert_eq!(choice.best, Some(1));
    assert!((choice.settings[1].objective.expect("seen").mean - 2.0).abs() < 0.1);
}

#[test]
fn equals_and_what_never_varies_come_to_an_end() {
    let constant = |values: &'static [f64]| {
        choose(values.len(), &wanted(&[]), &mut |jobs| {
            Some(jobs.iter().map(|(setting, _)| vec![Some(values[*setting])]).collect())
        })
    };
    assert_eq!(constant(&[2.0, 1.0, 1.0]).best, Some(1));
    assert_eq!(constant(&[2.0, 1.0, 1.0]).settings[2].fate, Fate::NoBetter);
    assert_eq!(constant(&[3.0]).best, Some(0));
    assert_eq!(constant(&[0.0, 0.0]).best, Some(0));
}

#[test]
fn near_ties_do_not_dethrone_each_other_in_turn() {
    // Within the indifference of 1 % throughout. Early looks favour the first over the second, the next ones the second
    // over the third, later ones the third over the first; none of them keeps its bound for certain before that.
    let objective = |setting: usize, number: u32| {
        let sign = if number.is_multiple_of(2) { 1.0 } else { -1.0 };
        match (setting, number) {
            (0, 0..10) => 99.9 + 0.3 * sign,
            (0, 10..15) => 100.7 + 3.0 * sign,
            (0, _) => 100.2,
            (2, 0..10) => 100.1 + 0.95 * sign,
            (2, _) => 100.1,
            _ => 100.0,
        }
    };
    let bounded = |number: u32| 0.99 + if number < 40 { 0.04 * (f64::from(number % 5) - 2.0) } else { 0.0 };
    let choice = choose(3, &wanted(&[below(1.0, 0.002)]), &mut |jobs| {
        Some(
            jobs.iter()
                .map(|(setting, number)| vec![Some(objective(*setting, *number)), Some(bounded(*number))])
                .collect(),
        )
    });
    assert_eq!((choice.best, choice.decided), (Some(1), true), "{choice:?}");
}

#[test]
fn the_choice_is_the_best_up_to_the_indifference_however_many_near_ties() {
    // Each is worse than the one before it by 0.8 of the indifference: only the first two are right.
    let means: Vec<(f64, f64)> = (0..6).map(|step| (1.0 + 0.008 * f64::from(step), 0.5)).collect();
    let tries = 200;
    let right = (0..tries).filter(|seed| {
        let choice = choose_among(&means, &wanted(&[below(1.0, 0.02)]), *seed);
        assert!(choice.decided);
        choice.best.is_some_and(|best| means[best].0 - 1.0 <= choice.indifference)
    });
    assert_at_least(right.count(), tries as usize, 0.95);
}

#[test]
fn what_lies_on_a_bound_breaks_it_only_if_it_is_strict() {
    let chosen = |strict: bool| {
        let bound = Bound { strict, ..below(6.0, 0.12) };
        let mut observe = |jobs: &[(usize, u32)]| -> Option<Vec<Observation>> {
            Some(jobs.iter().map(|(setting, _)| vec![Some(-(*setting as f64)), Some(5.0 + *setting as f64)]).collect())
        };
        choose(3, &wanted(&[bound]), &mut observe).best
    };
    assert_eq!((chosen(true), chosen(false)), (Some(0), Some(1)));
}

#[test]
fn what_was_not_seen_is_not_chosen_and_a_stop_ends_it() {
    let choice = choose(2, &wanted(&[]), &mut |jobs| {
        Some(jobs.iter().map(|(setting, _)| vec![(*setting == 1).then_some(5.0)]).collect())
    });
    assert_eq!((choice.best, choice.settings[0].fate), (Some(1), Fate::Unseen));
    let stopped = choose(2, &wanted(&[]), &mut |_| None);
    assert_eq!((stopped.best, stopped.decided, stopped.runs), (None, false, 0));
}

/// M/M/c with service in 1 s on average.
fn queue(servers: u32, seed: u64) -> Scenario {
    let mut scenario = fixtures::scenario();
    scenario.duration = Span::from_secs(2000);
    scenario.warm_up = WarmUp::Given(Span::from_secs(200));
    scenario.seed = Seed(seed);
    scenario.functions[0].replicas = Bounds { min: servers, max: servers, initial: servers };
    scenario.workloads[0].arrivals = Arrivals::Poisson(Rate(2.4));
    scenario
}

#[test]
fn the_least_servers_that_keep_a_mean_response_time_are_found() {
    // Mean response times of M/M/c at 2.4 erlangs, c = 3 … 7, from Erlang's C formula. The bound lies between c = 4 and 5.
    let response = |servers: u32| 1.0 + theory::erlang_c(servers, 2.4).expect("stable") / (f64::from(servers) - 2.4);
    let bound = (response(4) + response(5)) / 2.0;
    assert!(response(4) - bound > 0.05 && bound - response(5) > 0.05, "{} {}", response(4), response(5));
    let tries = 40;
    let right = (0..tries).filter(|trial| {
        let scenarios: Vec<Scenario> = (3..=7).map(|servers| queue(servers, 1000 + 7 * trial)).collect();
        let stop = AtomicBool::new(false);
        let crew = crate::Crew { threads: NonZeroUsize::new(2).expect("two"), stop: &stop, progress: &|_| () };
        let keys = [result::REPLICAS_MEAN, result::RESPONSE_MEAN];
        let choice = crate::optimize::search(&scenarios, &keys, &wanted(&[below(bound, 0.05)]), &crew);
        assert!(choice.decided);
        choice.best == Some(2)
    });
    assert_at_least(right.count(), tries as usize, 0.95);
}
