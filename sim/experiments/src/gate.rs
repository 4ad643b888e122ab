//! A gate for regressions: `p95 worse by 5%`.
//!
//! A rule fails for a result if two things hold: the difference from the baseline in the stated direction is real, and
//! its estimate is at least the stated amount. Real means: the hypothesis that the metric did not move in that direction is
//! rejected by a one-sided test (Student's on pairs of the same seed, else Welch's), Holm's correction over all rules and
//! results included, at 5 % for all of them together. So where nothing has changed the gate stops at most one release in
//! twenty, however many rules it has. A change that is real but smaller than the amount passes, as does a large one that may
//! be chance: more replications settle it. What cannot be tested, such as single runs, neither passes nor fails.

use faas_lab_model::metrics::comparison::Entry;
use faas_lab_model::metrics::result::{Better, MetricInfo, RunResult};
use faas_lab_model::scenario::{Place, Problem, Source};

use crate::metrics;
use crate::significance::{Contrast, FAMILY_ERROR, holm};

const GRAMMAR: &str =
    "write METRIC worse|better|higher|lower by AMOUNT, such as 'p95 worse by 5%' or 'p95 higher by 50ms'";

/// What must not happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// As written.
    pub text: String,
    /// The metric it is about.
    pub metric: &'static MetricInfo,
    /// 1 if it must not rise, −1 if it must not fall.
    pub direction: f64,
    /// The least change that counts.
    pub least: Least,
    /// The currency of that change, where one is written.
    pub currency: Option<String>,
}

/// The least change that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Least {
    /// As a share of the baseline.
    Relative(f64),
    /// In the metric's unit.
    Absolute(f64),
}

impl Rule {
    /// Reads a rule. A percentage is one of the baseline's value; `1pp` is a percentage point of a share.
    ///
    /// # Errors
    /// What is wrong, where, and what to write instead.
    pub fn parse(text: &str) -> Result<Rule, Problem> {
        let source = Source::new(&format!("--fail-if {text:?}"), text);
        let place = |word: &str| {
            // Words are slices of the text.
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            Place::new(&source, start..start + word.len().max(1))
        };
        let whole = || Place::new(&source, 0..text.len());
        let mut words = text.split_whitespace();
        let (Some(name), Some(way)) = (words.next(), words.next()) else {
            return Err(Problem::at(whole(), "this is not a rule").help(GRAMMAR));
        };
        let metric = metrics::named(name)
            .map_err(|help| Problem::at(place(name), format!("there is no metric {name:?}")).help(help))?;
        let direction = match (way, metric.better) {
            ("higher", _) | ("worse", Better::Lower) | ("better", Better::Higher) => 1.0,
            ("lower", _) | ("worse", Better::Higher) | ("better", Better::Lower) => -1.0,
            ("worse" | "better", Better::Neither) => {
                let problem = Problem::at(place(way), format!("{} is neither good nor bad", metric.key));
                return Err(problem.help("write higher or lower"));
            }
            _ => return Err(Problem::at(place(way), format!("{way:?} is no direction")).help(GRAMMAR)),
        };
        let mut currency = None;
        let least = match words.next() {
            None => Least::Absolute(0.0),
            Some(by @ "by") => {
                let after = &text[by.as_ptr() as usize - text.as_ptr() as usize + by.len()..];
                let code = after.trim().trim_start_matches(|c: char| !c.is_alphabetic());
                currency = (metric.unit == "currency" && !code.is_empty()).then(|| code.to_uppercase());
                least(after.trim(), metric).map_err(|help| {
                    let at = if after.trim().is_empty() { whole() } else { place(after.trim()) };
                    Problem::at(at, "this is no amount").help(help)
                })?
            }
            Some(other) => return Err(Problem::at(place(other), "expected `by` and an amount").help(GRAMMAR)),
        };
        Ok(Rule { text: text.trim().to_owned(), metric, direction, least, currency })
    }

    /// The currencies that stand in the way of holding `entry` against `base`: amounts of money in two currencies, or in
    /// another one than the rule's.
    pub fn currencies(&self, entry: &RunResult, base: &RunResult) -> Option<String> {
        if self.metric.unit != "currency" {
            return None;
        }
        let mut met: Vec<&str> = vec![&base.cost.currency, &entry.cost.currency];
        met.extend(self.currency.as_deref());
        met.sort_unstable();
        met.dedup();
        (met.len() > 1).then(|| met.join(" and "))
    }
}

fn least(text: &str, metric: &MetricInfo) -> Result<Least, String> {
    let with = |help: String| format!("{help}, or a percentage of the baseline such as 5%");
    let number = |digits: &str| digits.trim().parse::<f64>().ok();
    let found = match (text.strip_suffix("pp"), text.strip_suffix('%')) {
        (Some(points), _) if metric.unit == "share" => number(points).map(|points| Least::Absolute(points / 100.0)),
        (_, Some(percent)) => number(percent).map(|percent| Least::Relative(percent / 100.0)),
        _ if metric.unit == "share" => return Err("write 5% of the baseline, or 1pp for a percentage point".to_owned()),
        _ => Some(Least::Absolute(metrics::amount(text, metric.unit).map_err(with)?)),
    };
    let size = |least: &Least| match least {
        Least::Relative(share) => *share,
        Least::Absolute(amount) => *amount,
    };
    let found = found.filter(|least| size(least).is_finite() && size(least) >= 0.0);
    found.ok_or_else(|| with("write a number of at least 0".to_owned()))
}

/// What a rule says of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Index of the rule.
    pub rule: usize,
    /// Index of the entry.
    pub entry: usize,
    /// How the entry differs from the baseline, where both have the metric.
    pub contrast: Option<Contrast>,
    /// Probability of such a difference by chance in that direction, all questions together.
    pub adjusted: Option<f64>,
    /// What follows.
    pub decision: Decision,
}

/// What follows from a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing to object to.
    Passed,
    /// What must not happen has happened.
    Failed,
    /// It cannot be told.
    Undecided,
}

/// Holds every entry but the `baseline` against every rule.
pub fn judge(rules: &[Rule], entries: &[Entry], baseline: usize) -> Vec<Judgement> {
    let base = &entries[baseline].result;
    let others = || entries.iter().enumerate().filter(|(entry, _)| *entry != baseline);
    let pairs = rules.iter().enumerate().flat_map(|(index, rule)| others().map(move |other| (index, rule, other)));
    let contrasts: Vec<(usize, &Rule, usize, Option<Contrast>)> = pairs
        .map(|(index, rule, (entry, other))| {
            let comparable = rule.currencies(&other.result, base).is_none();
            let contrast = comparable.then(|| Contrast::new(&other.result, base, rule.metric.key)).flatten();
            (index, rule, entry, contrast)
        })
        .collect();
    let one_sided = |rule: &Rule, contrast: &Option<Contrast>| -> Option<f64> {
        let contrast = contrast.as_ref()?;
        let half = contrast.p_value? / 2.0;
        Some(if contrast.estimate.mean * rule.direction > 0.0 { half } else { 1.0 - half })
    };
    let p_values: Vec<Option<f64>> = contrasts.iter().map(|(_, rule, _, contrast)| one_sided(rule, contrast)).collect();
    let adjusted = holm(&p_values.iter().map(|p| p.unwrap_or(1.0)).collect::<Vec<_>>());
    let judged = contrasts.into_iter().zip(p_values).zip(adjusted);
    judged
        .map(|(((index, rule, entry, contrast), p_value), adjusted)| {
            let partial = entries[entry].result.partial || base.partial;
            let decision = match (&contrast, p_value) {
                (Some(contrast), _) if contrast.same && !partial => Decision::Passed,
                (Some(contrast), Some(_)) if adjusted <= FAMILY_ERROR && reaches(rule, contrast) => Decision::Failed,
                (Some(_), Some(_)) if !partial => Decision::Passed,
                _ => Decision::Undecided,
            };
            Judgement { rule: index, entry, contrast, adjusted: p_value.map(|_| adjusted), decision }
        })
        .collect()
}

/// Whether the estimate is at least as large as the rule's amount. Any rise above nothing is infinitely large a share of it.
fn reaches(rule: &Rule, contrast: &Contrast) -> bool {
    let change = contrast.estimate.mean * rule.direction;
    match rule.least {
        Least::Absolute(amount) => change >= amount,
        Least::Relative(share) => change >= share * contrast.base.abs(),
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::metrics::result;
    use faas_lab_model::rng::{Seed, Stream, Uniforms};

    use super::*;
    use crate::significance::tests::result_with;

    fn rule(text: &str) -> Rule {
        Rule::parse(text).expect("valid")
    }

    fn entry(key: &str, values: &[f64]) -> Entry {
        Entry { label: "x".into(), values: Vec::new(), result: result_with(key, 1, values) }
    }

    fn decide(text: &str, base: &[f64], new: &[f64]) -> Decision {
        let rule = rule(text);
        let entries = [entry(rule.metric.key, base), entry(rule.metric.key, new)];
        judge(&[rule], &entries, 0)[0].decision
    }

    #[test]
    fn rules_are_read() {
        let p95 = rule("p95 worse by 5%");
        assert_eq!((p95.metric.key, p95.direction, p95.least), (result::RESPONSE_P95, 1.0, Least::Relative(0.05)));
        assert_eq!(rule("goodput worse by 2/s").direction, -1.0);
        assert_eq!(rule("errors worse by 0.5pp").least, Least::Absolute(0.005));
        assert_eq!(rule("p99 higher by 50 ms").least, Least::Absolute(0.05));
        assert_eq!(rule("cost worse").least, Least::Absolute(0.0));
        assert_eq!(rule("cold-starts better by 10").direction, -1.0);
        assert_eq!(rule("offered lower by 1%").direction, -1.0);
    }

    #[test]
    fn what_is_no_rule_is_told_with_its_place() {
        for (text, at, words) in [
            ("p95", ":1:1", "not a rule"),
            ("p96 worse by 5%", ":1:1", "no metric \"p96\""),
            ("p95 slower by 5%", ":1:5", "no direction"),
            ("p95 worse than 5%", ":1:11", "expected `by`"),
            ("p95 worse by", ":1:1", "no amount"),
            ("p95 worse by 5", ":1:14", "no amount"),
            ("p95 worse by -5%", ":1:14", "no amount"),
            ("errors worse by 0.01", ":1:17", "no amount"),
            ("offered worse by 1%", ":1:9", "neither good nor bad"),
        ] {
            let problem = Rule::parse(text).expect_err(text);
            let place = problem.place.as_ref().expect("a place").to_string();
            assert!(place.ends_with(at) && problem.message.contains(words), "{text}: {place} {problem}");
            assert!(problem.help.is_some(), "{text}");
        }
    }

    #[test]
    fn only_what_is_real_and_large_enough_fails() {
        let base = [1.0, 1.1, 0.9, 1.05, 0.95];
        let times = |factor: f64| base.map(|value| factor * value + 0.001 * (value * 37.0).fract());
        assert_eq!(decide("p95 worse by 5%", &base, &times(1.10)), Decision::Failed);
        assert_eq!(decide("p95 worse by 5%", &base, &times(1.03)), Decision::Passed, "real, but small");
        assert_eq!(decide("p95 worse by 5%", &base, &times(0.50)), Decision::Passed, "better");
        assert_eq!(decide("p95 better by 5%", &base, &times(0.50)), Decision::Failed);
        assert_eq!(decide("p95 worse by 50ms", &base, &times(1.10)), Decision::Failed);
        assert_eq!(decide("p95 worse by 5%", &base, &[3.0, 0.2, 1.5, 0.6, 1.9]), Decision::Passed, "may be chance");
        assert_eq!(decide("p95 worse by 5%", &base, &base), Decision::Passed);
        assert_eq!(decide("p95 worse by 5%", &[1.0], &[2.0]), Decision::Undecided, "single runs");
        assert_eq!(decide("p95 worse by 5%", &[1.0], &[1.0]), Decision::Passed);
        let zero = [0.0; 5];
        assert_eq!(decide("errors worse by 500%", &zero, &[0.01, 0.02, 0.01, 0.02, 0.015]), Decision::Failed);
    }

    #[test]
    fn what_is_missing_or_partial_is_not_decided() {
        let rules = [rule("cost worse by 5%")];
        let mut entries = [entry(result::RESPONSE_P95, &[1.0, 2.0]), entry(result::RESPONSE_P95, &[1.0, 2.0])];
        assert_eq!(judge(&rules, &entries, 0)[0].decision, Decision::Undecided);
        entries[1].result.partial = true;
        assert_eq!(judge(&[rule("p95 worse by 5%")], &entries, 0)[0].decision, Decision::Undecided);
    }

    #[test]
    fn money_is_held_against_money_of_one_currency() {
        let mut entries = [entry(result::COST, &[1.0, 2.0, 3.0]), entry(result::COST, &[2.0, 3.1, 4.0])];
        let decisions = |entries: &[Entry], text: &str| judge(&[rule(text)], entries, 0)[0].decision;
        entries.iter_mut().for_each(|entry| entry.result.cost.currency = "USD".into());
        assert_eq!(decisions(&entries, "cost worse by 0.1 USD"), Decision::Failed);
        assert_eq!(decisions(&entries, "cost worse by 0.1"), Decision::Failed);
        assert_eq!(decisions(&entries, "cost worse by 0.1 EUR"), Decision::Undecided);
        entries[1].result.cost.currency = "EUR".into();
        assert_eq!(decisions(&entries, "cost worse by 5%"), Decision::Undecided);
        let told = rule("cost worse by 5%").currencies(&entries[1].result, &entries[0].result);
        assert_eq!(told.as_deref(), Some("EUR and USD"));
    }

    #[test]
    fn a_gate_of_many_rules_stops_an_unchanged_release_as_rarely_as_it_says() {
        let rules: Vec<Rule> = ["p95 worse", "p95 better", "p95 higher by 0.1%"].map(rule).to_vec();
        let mut stream = Seed(3).stream("gate");
        let draw = |stream: &mut Stream| (0..12).map(|_| stream.uniform()).sum::<f64>();
        let tries = 1500;
        let stopped = (0..tries).filter(|_| {
            let mut side = || entry(result::RESPONSE_P95, &std::array::from_fn::<f64, 6, _>(|_| draw(&mut stream)));
            let entries = [side(), side(), side(), side()];
            judge(&rules, &entries, 0).iter().any(|judgement| judgement.decision == Decision::Failed)
        });
        let share = stopped.count() as f64 / f64::from(tries);
        assert!(share <= 0.05 + 4.0 * (0.05 * 0.95 / f64::from(tries)).sqrt(), "{share}");
    }
}
