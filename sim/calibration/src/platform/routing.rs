//! Which idle replica is used: the rule under which the recorded choices are most likely.
//!
//! A choice is an arrival at which at least two replicas are known to be idle and alive: the one that took it, and others that
//! served requests later. A rule is scored with a small share of errors, which the log itself gives.

use std::collections::BTreeMap;

use faas_lab_model::policies::dispatch::IdleRouting;

use crate::logs::Log;

/// Clocks of client and platform differ by the network; a replica counts as idle after this, in seconds.
pub(super) const SLACK: f64 = 0.2;
/// Fewer choices than this decide nothing.
const FEW: usize = 20;

/// How well a rule explains the choices.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleScore {
    /// The rule.
    pub rule: IdleRouting,
    /// Share of choices that it would have made.
    pub agreement: f64,
    /// Log-likelihood, with errors at the share seen.
    pub log_likelihood: f64,
}

/// Which rule it is.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutingFit {
    /// The most likely one.
    pub rule: IdleRouting,
    /// All of them, the best first.
    pub scores: Vec<RuleScore>,
    /// Choices seen.
    pub choices: usize,
}

impl RoutingFit {
    /// Whether the choices are enough to tell, and the best rule explains nearly all of them.
    pub fn is_trusted(&self) -> bool {
        self.choices >= FEW
            && self.scores.first().is_some_and(|best| best.rule == IdleRouting::Random || best.agreement > 0.9)
    }
}

/// One choice: how many were idle, and what each rule says of the one that was used.
struct Choice {
    idle: usize,
    newest: bool,
    most_recent: bool,
    least_recent: bool,
}

/// Finds the rule. Without any choice it is the stack, which needs the fewest replicas.
pub fn fit_routing(logs: &[&Log]) -> RoutingFit {
    let choices: Vec<Choice> = logs.iter().flat_map(|log| choices(log)).collect();
    let n = choices.len() as f64;
    let random = choices.iter().map(|choice| -libm::log(choice.idle as f64)).sum();
    let score = |rule, agrees: fn(&Choice) -> bool| {
        let agreement = if choices.is_empty() { 0.0 } else { choices.iter().filter(|c| agrees(c)).count() as f64 / n };
        let errors = (1.0 - agreement).clamp(1e-3, 0.999);
        let log_likelihood = choices
            .iter()
            .map(|choice| match agrees(choice) {
                true => libm::log(1.0 - errors),
                false => libm::log(errors / (choice.idle - 1) as f64),
            })
            .sum();
        RuleScore { rule, agreement, log_likelihood }
    };
    let by_chance = choices.iter().map(|choice| 1.0 / choice.idle as f64).sum::<f64>() / n.max(1.0);
    let mut scores = vec![
        score(IdleRouting::MostRecentlyUsed, |choice| choice.most_recent),
        score(IdleRouting::Newest, |choice| choice.newest),
        score(IdleRouting::LeastRecentlyUsed, |choice| choice.least_recent),
        RuleScore { rule: IdleRouting::Random, agreement: by_chance, log_likelihood: random },
    ];
    // Stable: of equals the first, which is the stack.
    scores.sort_by(|a, b| b.log_likelihood.total_cmp(&a.log_likelihood));
    RoutingFit { rule: scores[0].rule, choices: choices.len(), scores }
}

fn choices(log: &Log) -> Vec<Choice> {
    let mut last_use: BTreeMap<&str, f64> = BTreeMap::new();
    for request in &log.requests {
        if let (Some(replica), Some(arrived)) = (request.replica.as_deref(), request.arrived) {
            last_use.insert(replica, arrived);
        }
    }
    // Of each replica in use: when it was first used, and when it last became idle.
    let mut known: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let mut choices = Vec::new();
    for request in &log.requests {
        let (Some(replica), Some(now)) = (request.replica.as_deref(), request.arrived) else { continue };
        known.retain(|other, _| last_use.get(other).is_some_and(|last| *last >= now));
        if let (Some((born, idle_since)), false) = (known.get(replica).copied(), request.cold == Some(true)) {
            let others: Vec<(f64, f64)> = known
                .iter()
                .filter(|(other, (_, since))| **other != replica && *since < now - SLACK)
                .map(|(_, times)| *times)
                .collect();
            if !others.is_empty() {
                choices.push(Choice {
                    idle: others.len() + 1,
                    newest: others.iter().all(|(other, _)| *other < born),
                    most_recent: others.iter().all(|(_, other)| *other <= idle_since),
                    least_recent: others.iter().all(|(_, other)| *other >= idle_since),
                });
            }
        }
        let end = now + request.response;
        known.entry(replica).and_modify(|(_, since)| *since = since.max(end)).or_insert((now, end));
    }
    choices
}

/// How a log's replicas stand to each other under a rule: whether `other` would have been used before `chosen`. Each is
/// (first used, idle since).
pub(super) fn comes_before(rule: IdleRouting, other: (f64, f64), chosen: (f64, f64)) -> bool {
    match rule {
        IdleRouting::Newest => other.0 > chosen.0,
        IdleRouting::MostRecentlyUsed => other.1 > chosen.1,
        IdleRouting::LeastRecentlyUsed => other.1 < chosen.1,
        IdleRouting::Random => false,
    }
}
