//! Every published case keeps the bound that it states. SimFaaS's cases are tests of their own: they are what is left of
//! the engine when one of its parts is changed by mistake.

use faas_lab_calibration::published::simfaas;
use faas_lab_calibration::{Section, Verdict, published};

use crate::{outside, players};

#[test]
fn simfaas_agrees_within_four_errors() {
    for case in simfaas::cases() {
        let rows = case.rows(&players());
        assert!(!rows.is_empty(), "{} is about something", case.name);
        let section = Section { rows, ..Section::new(case.name, &[]) };
        assert_eq!(outside(&[section]), "");
    }
}

#[test]
fn the_pi_and_its_control_plane_are_as_published() {
    let sections = published::quick(&players());
    assert_eq!(outside(&sections), "");
    let judged: usize = sections.iter().map(|section| section.count(Verdict::Within)).sum();
    // Five periods of printr with its long runs, and two roles of two figures each.
    assert_eq!(judged, 5 + 4 + 4);
}

#[test]
fn what_was_calibrated_beats_the_ten_minute_rule_which_is_off_by_its_own_error() {
    let sections = published::lambda_rates(&players());
    assert_eq!(outside(&sections), "");
    for section in &sections {
        assert_eq!(section.count(Verdict::Within), 2);
    }
    let [rule, learnt] = &sections;
    let widest = rule.rows[0].half_width.expect("an interval");
    assert!(widest < 0.3, "the interval, ± {widest}, can tell whether the bound is kept");
    let (error, width) = (learnt.rows[0].simulated, learnt.rows[0].half_width.expect("an interval"));
    assert!(error + width < rule.rows[0].simulated, "{error} ± {width} % is better by more than chance");
}

#[test]
fn percentiles_under_stepped_load_are_within_twenty_percent() {
    let section = published::stepped_load(&players());
    assert_eq!(outside(&[section]), "");
}
