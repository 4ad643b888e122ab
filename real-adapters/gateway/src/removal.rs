//! From wanted replicas to starts and ends, and the replacement of replicas after an update.
//!
//! Victims are those that do not serve yet, then idle ones, then busy ones, the newest first. A victim gets no more calls;
//! those it has are finished by its watchdog, so no running call is ever scaled away. After an update the old replicas
//! serve until new ones are ready in their place: an image that does not come up takes nothing down.

use std::sync::Arc;
use std::time::Duration;

use faas_lab_provider::{Provider, ProviderError};
use tokio::time::Instant;

use crate::function::{Function, Member, Phase, State};

/// A requested replica that has not appeared after this time never will.
const APPEARS_WITHIN: Duration = Duration::from_secs(10);
/// First and longest wait before a start that failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What the provider is to do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    starts: u32,
    retires: Vec<u64>,
}

impl Function {
    /// Keeps as many replicas as are wanted, until it is dropped.
    pub(crate) async fn reconcile(self: Arc<Self>, provider: Arc<dyn Provider>) {
        let mut retry = RETRY.0;
        let mut said = String::new();
        loop {
            let plan = self.lock().plan();
            self.metrics.ready_count.set(self.lock().pool.len() as i64);
            for replica in plan.retires {
                match provider.retire(&self.name, replica).await {
                    Ok(()) | Err(ProviderError::Unknown(_)) => {}
                    Err(why) => eprintln!("{}: replica {replica} does not retire: {why}", self.label),
                }
            }
            if plan.starts > 0 {
                if let Err(why) = provider.start(&self.name, plan.starts).await {
                    let why = why.to_string();
                    if why != said {
                        eprintln!("{}: {} replicas do not start: {why}", self.label, plan.starts);
                        said = why;
                    }
                    self.lock().never_came(plan.starts);
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(RETRY.1);
                    continue;
                }
                retry = RETRY.0;
                said.clear();
            }
            let overdue = self.lock().pending > 0;
            let news = self.changed.notified();
            if overdue {
                let _ = tokio::time::timeout(APPEARS_WITHIN, news).await;
            } else {
                news.await;
            }
        }
    }
}

impl State {
    fn never_came(&mut self, starts: u32) {
        self.pending = self.pending.saturating_sub(starts);
    }

    /// What is missing and what is too much, as things are.
    fn plan(&mut self) -> Plan {
        let now = Instant::now();
        if self.pending > 0 && now - self.pending_since >= APPEARS_WITHIN {
            self.pending = 0;
        }
        let generation = self.generation;
        let is_current = move |member: &&Member| member.generation == generation && member.phase != Phase::Leaving;
        let is_old = move |member: &&Member| member.generation != generation && member.phase != Phase::Leaving;
        let current = self.members.values().filter(is_current).count() as u32;
        let current_ready = self.members.values().filter(is_current).filter(|it| it.handle.is_some()).count() as u32;
        let old = self.members.values().filter(is_old).count() as u32;

        let starts = self.desired.saturating_sub(current + self.pending);
        if starts > 0 {
            self.pending += starts;
            self.pending_since = now;
        }
        let too_much = current.saturating_sub(self.desired);
        let replaced = old.saturating_sub(self.desired.saturating_sub(current_ready));
        let mut victims = self.victims(too_much, is_current);
        victims.extend(self.victims(replaced, is_old));
        for victim in victims {
            self.send_away(victim);
        }
        Plan { starts, retires: std::mem::take(&mut self.to_retire) }
    }

    fn victims(&self, count: u32, of: impl Fn(&&Member) -> bool) -> Vec<u32> {
        if count == 0 {
            return Vec::new();
        }
        let rank = |member: &Member| match member.handle {
            None => 0,
            Some(handle) if self.pool.in_flight(handle) == 0 => 1,
            Some(_) => 2,
        };
        let mut ranked: Vec<(u8, std::cmp::Reverse<u64>)> =
            self.members.values().filter(of).map(|member| (rank(member), std::cmp::Reverse(member.number))).collect();
        ranked.sort_unstable();
        ranked.into_iter().take(count as usize).map(|(_, number)| number.0 as u32).collect()
    }

    /// A replica gets no more calls and is to be retired.
    pub(crate) fn send_away(&mut self, number: u32) {
        self.leave_pool(number);
        if let Some(member) = self.members.get_mut(&number) {
            member.phase = Phase::Leaving;
            let number = member.number;
            self.to_retire.push(number);
        }
    }
}
