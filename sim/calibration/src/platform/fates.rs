//! What a log says about how long replicas lived and how long they stayed idle.
//!
//! Nobody sees a replica end. But an arrival that starts a new one says that every idle one is gone, and under a known rule
//! of choice an arrival that takes one replica says that those the rule prefers are gone. A replica that is not seen again
//! and never missed says nothing about its end: it is censored, not dead.

use std::collections::BTreeMap;

use faas_lab_model::policies::dispatch::IdleRouting;

use super::routing::{SLACK, comes_before};
use crate::logs::Log;

/// Spells shorter than this are not looked at for idleness: no platform gives up so soon what it has just started.
const SHORT: f64 = 15.0;

/// A replica that is gone: what is known of its last idle spell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spell {
    /// Its age when it was last used; `None` if it was there before the log began.
    pub age: Option<f64>,
    /// From its last use to the arrival that missed it.
    pub missed_after: f64,
    /// From the end of its last use to that arrival.
    pub idle: f64,
}

/// All that logs say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fates {
    /// Ages at which replicas that the log saw being born were last used.
    pub ages: Vec<f64>,
    /// Idle spells that replicas survived, the short ones left out.
    pub idle: Vec<f64>,
    /// Times in which a whole function was idle, and lost no replica that was then needed; the short ones left out.
    pub function_idle: Vec<f64>,
    /// Replicas that were missed one by one.
    pub missed: Vec<Spell>,
    /// Cold starts of a function that had idle replicas, all of which are gone: how long the whole function was idle, and
    /// the replicas. That time is zero if another was busy.
    pub cold: Vec<(f64, Vec<Spell>)>,
}

#[derive(Clone, Copy)]
struct Known {
    born: Option<f64>,
    first_used: f64,
    last_used: f64,
    idle_since: f64,
}

impl Fates {
    /// Gathers the fates of all logs' replicas, under the rule by which idle ones are chosen.
    pub fn of(logs: &[&Log], rule: IdleRouting) -> Fates {
        let mut fates = Fates::default();
        logs.iter().for_each(|log| fates.add(log, rule));
        fates
    }

    /// How many replicas are known to be gone.
    pub fn ends(&self) -> usize {
        self.missed.len() + self.cold.iter().map(|(_, gone)| gone.len()).sum::<usize>()
    }

    fn add(&mut self, log: &Log, rule: IdleRouting) {
        let mut seen_last: BTreeMap<&str, f64> = BTreeMap::new();
        for request in &log.requests {
            if let (Some(replica), Some(arrived)) = (request.replica.as_deref(), request.arrived) {
                seen_last.insert(replica, arrived);
            }
        }
        let mut known: BTreeMap<&str, Known> = BTreeMap::new();
        for request in &log.requests {
            let (Some(replica), Some(now)) = (request.replica.as_deref(), request.arrived) else { continue };
            let cold = request.cold == Some(true);
            let chosen = known.get(replica).copied().filter(|_| !cold);
            let all_idle_since = known.values().map(|known| known.idle_since).fold(f64::NEG_INFINITY, f64::max);
            let function_idle = if all_idle_since.is_finite() { (now - all_idle_since).max(0.0) } else { 0.0 };
            let is_missed = |other: &Known| {
                other.idle_since < now - SLACK
                    && match chosen {
                        Some(chosen) => comes_before(
                            rule,
                            (other.first_used, other.idle_since),
                            (chosen.first_used, chosen.idle_since),
                        ),
                        None => cold,
                    }
            };
            // What is used later was not gone, whatever the rule says.
            let gone: Vec<&str> = known
                .iter()
                .filter(|(name, other)| **name != replica && is_missed(other))
                .filter(|(name, _)| seen_last.get(*name).is_some_and(|last| *last < now))
                .map(|(name, _)| *name)
                .collect();
            let spells: Vec<Spell> = gone
                .iter()
                .filter_map(|name| known.remove(name))
                .map(|gone| Spell {
                    age: gone.born.map(|born| gone.last_used - born),
                    missed_after: now - gone.last_used,
                    idle: now - gone.idle_since,
                })
                .collect();
            match chosen {
                Some(chosen) => {
                    self.missed.extend(spells);
                    let idle = now - chosen.idle_since;
                    self.idle.extend((idle > SHORT).then_some(idle));
                    self.function_idle.extend((function_idle > SHORT).then_some(function_idle));
                }
                None if !spells.is_empty() => self.cold.push((function_idle, spells)),
                None => {}
            }
            let entry = known.entry(replica).or_insert(Known {
                born: cold.then_some(now),
                first_used: now,
                last_used: now,
                idle_since: now,
            });
            entry.last_used = now;
            entry.idle_since = entry.idle_since.max(now + request.response);
            if seen_last.get(replica) == Some(&now) {
                self.ages.extend(entry.born.map(|born| now - born));
            }
        }
    }
}
