//! What waits and what is under way, in memory: which invocation is next, and the bounds. No clock, no disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::store::{Dead, Recovered, State, Totals};

/// Where an invocation is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    /// With its function; it occupies a slot of this named queue.
    Delivering(String),
    /// Its function has answered; it occupies no slot.
    Answered,
}

#[derive(Debug)]
struct Entry {
    state: State,
    phase: Phase,
}

#[derive(Debug, Default)]
struct Function {
    /// (due, key)
    waiting: BTreeSet<(u64, u64)>,
    delivering: u32,
    /// Waiting, delivering or answered.
    all: u64,
}

/// Bounds for a function's next delivery.
pub(crate) struct Slots {
    pub(crate) queue: String,
    pub(crate) queue_bound: u32,
    pub(crate) function_bound: u32,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Deliver this one; it has its slot.
    Deliver(u64),
    /// Nothing before this time, in milliseconds.
    At(u64),
    /// Nothing until something changes.
    Idle,
}

/// What waits and what is under way.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    entries: BTreeMap<u64, Entry>,
    functions: BTreeMap<Arc<str>, Function>,
    by_call: BTreeSet<(String, u64)>,
    /// Deliveries by named queue.
    queues: BTreeMap<String, u32>,
    bytes: u64,
    /// Pushes that are being written.
    reserved: u64,
    last_key: u64,
    dead: BTreeMap<u64, Dead>,
    dead_bytes: u64,
    pub(crate) totals: Totals,
}

impl Schedule {
    /// What a file holds, at `now_ms`.
    ///
    /// A machine without a clock of its own, such as a Raspberry Pi, may come back in the past. The times of acceptance
    /// tell by how much at least, and what was due is due that much earlier; a first delivery is due in any case.
    pub(crate) fn recovered(recovered: Recovered, now_ms: u64) -> Schedule {
        let mut schedule = Schedule { totals: recovered.totals, ..Schedule::default() };
        let dead = recovered.dead.iter().map(|(_, dead)| dead.died_ms.max(dead.state.accepted_ms));
        let latest = recovered.states.iter().map(|(_, state)| state.accepted_ms).chain(dead).max();
        let set_back_ms = latest.map_or(0, |latest| latest.saturating_sub(now_ms));
        for (key, mut state) in recovered.states {
            state.due_ms = state.due_ms.saturating_sub(set_back_ms);
            if state.attempts == 0 {
                state.due_ms = state.due_ms.min(now_ms);
            }
            schedule.bytes += state.bytes;
            schedule.add(key, state);
        }
        for (key, dead) in recovered.dead {
            schedule.last_key = schedule.last_key.max(key);
            schedule.dead_bytes += dead.state.bytes;
            schedule.dead.insert(key, dead);
        }
        schedule
    }

    /// Room for a push and its key; `Err` with the number of those that wait if a bound is reached.
    pub(crate) fn reserve(&mut self, bytes: u64, most: u64, most_bytes: u64) -> Result<u64, u64> {
        let count = self.entries.len() as u64 + self.reserved;
        if count >= most || self.bytes.saturating_add(bytes) > most_bytes {
            return Err(count);
        }
        self.reserved += 1;
        self.bytes += bytes;
        self.last_key += 1;
        Ok(self.last_key)
    }

    /// The reserved push is on disk (or, without a state, is not).
    pub(crate) fn pushed(&mut self, key: u64, bytes: u64, state: Option<State>) {
        self.reserved -= 1;
        match state {
            Some(state) => {
                self.totals.accepted += 1;
                self.add(key, state);
            }
            None => self.bytes -= bytes,
        }
    }

    fn add(&mut self, key: u64, state: State) {
        self.last_key = self.last_key.max(key);
        let function = self.functions.entry(state.function.as_str().into()).or_default();
        function.waiting.insert((state.due_ms, key));
        function.all += 1;
        self.by_call.insert((state.call_id.clone(), key));
        self.entries.insert(key, Entry { state, phase: Phase::Waiting });
    }

    /// The oldest due invocation whose function and queue have a slot, marked as being delivered.
    pub(crate) fn next(&mut self, now_ms: u64, slots: impl Fn(&str) -> Slots) -> Next {
        let mut best: Option<(u64, u64, String)> = None;
        for (name, function) in &self.functions {
            let Some(&(due, key)) = function.waiting.first() else { continue };
            if best.as_ref().is_some_and(|(first, _, _)| *first <= due) {
                continue;
            }
            let slots = slots(name);
            let busy = self.queues.get(&slots.queue).copied().unwrap_or(0);
            if busy < slots.queue_bound && function.delivering < slots.function_bound {
                best = Some((due, key, slots.queue));
            }
        }
        let Some((due, key, queue)) = best else { return Next::Idle };
        if due > now_ms {
            return Next::At(due);
        }
        let entry = self.entries.get_mut(&key).expect("what waits has an entry");
        let function = self.functions.get_mut(entry.state.function.as_str()).expect("an entry's function is known");
        function.waiting.remove(&(due, key));
        function.delivering += 1;
        *self.queues.entry(queue.clone()).or_default() += 1;
        entry.phase = Phase::Delivering(queue);
        Next::Deliver(key)
    }

    /// What is known of an invocation.
    pub(crate) fn state(&self, key: u64) -> Option<&State> {
        self.entries.get(&key).map(|entry| &entry.state)
    }

    /// Its delivery is marked on disk.
    pub(crate) fn started(&mut self, key: u64) {
        if let Some(entry) = self.entries.get_mut(&key) {
            self.totals.redelivered += u64::from(entry.state.started);
            entry.state.started = true;
        }
    }

    /// Its function has answered: the slot is free.
    pub(crate) fn answered(&mut self, key: u64) {
        self.leave_phase(key, Phase::Answered);
    }

    /// It waits again, with this state.
    pub(crate) fn wait_again(&mut self, key: u64, state: State) {
        self.leave_phase(key, Phase::Waiting);
        if let Some(entry) = self.entries.get_mut(&key) {
            let function = self.functions.get_mut(state.function.as_str()).expect("an entry's function is known");
            function.waiting.insert((state.due_ms, key));
            entry.state = state;
        }
    }

    /// All that are under way wait again: whoever delivered them is gone.
    pub(crate) fn abandon(&mut self, now_ms: u64) {
        let under_way = self.entries.iter().filter(|(_, entry)| entry.phase != Phase::Waiting);
        for (key, mut state) in under_way.map(|(key, entry)| (*key, entry.state.clone())).collect::<Vec<_>>() {
            state.due_ms = now_ms;
            self.wait_again(key, state);
        }
    }

    /// It is gone from the store.
    pub(crate) fn remove(&mut self, key: u64) -> Option<State> {
        self.leave_phase(key, Phase::Answered);
        let state = self.entries.remove(&key)?.state;
        self.by_call.remove(&(state.call_id.clone(), key));
        self.bytes -= state.bytes;
        let function = self.functions.get_mut(state.function.as_str()).expect("an entry's function is known");
        function.all -= 1;
        if function.all == 0 {
            self.functions.remove(state.function.as_str());
        }
        Some(state)
    }

    fn leave_phase(&mut self, key: u64, next: Phase) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let function = self.functions.get_mut(entry.state.function.as_str()).expect("an entry's function is known");
        match std::mem::replace(&mut entry.phase, next) {
            Phase::Waiting => _ = function.waiting.remove(&(entry.state.due_ms, key)),
            Phase::Delivering(queue) => {
                function.delivering -= 1;
                let busy = self.queues.get_mut(&queue).expect("a slot was taken from this queue");
                *busy -= 1;
                if *busy == 0 {
                    self.queues.remove(&queue);
                }
            }
            Phase::Answered => {}
        }
    }

    /// Takes a waiting invocation of this call id out of the waiting ones, so that nobody delivers it while it is being
    /// removed from the store.
    pub(crate) fn withdraw(&mut self, call_id: &str) -> Option<u64> {
        let keys = self.by_call.range((call_id.to_owned(), 0)..=(call_id.to_owned(), u64::MAX));
        let key = keys.map(|(_, key)| *key).find(|key| self.entries[key].phase == Phase::Waiting)?;
        self.answered(key);
        Some(key)
    }

    /// It has moved to the dead ones.
    pub(crate) fn buried(&mut self, key: u64, dead: Dead) {
        self.remove(key);
        self.dead_bytes += dead.state.bytes;
        self.dead.insert(key, dead);
    }

    /// It waits again.
    pub(crate) fn revived(&mut self, key: u64, state: State) {
        if let Some(dead) = self.dead.remove(&key) {
            self.dead_bytes -= dead.state.bytes;
            self.bytes += state.bytes;
            self.add(key, state);
        }
    }

    /// It is forgotten.
    pub(crate) fn purged(&mut self, key: u64) {
        if let Some(dead) = self.dead.remove(&key) {
            self.dead_bytes -= dead.state.bytes;
            self.totals.purged += 1;
        }
    }

    /// The dead ones, oldest first.
    pub(crate) fn dead(&self) -> &BTreeMap<u64, Dead> {
        &self.dead
    }

    /// Dead ones to forget, so that at most so many of so many bytes remain and none died before that time.
    pub(crate) fn surplus_dead(&self, most: u64, most_bytes: u64, since_ms: u64) -> Vec<u64> {
        let (mut count, mut bytes) = (self.dead.len() as u64, self.dead_bytes);
        let mut surplus = Vec::new();
        for (key, dead) in &self.dead {
            if count > most || bytes > most_bytes || dead.died_ms < since_ms {
                count -= 1;
                bytes -= dead.state.bytes;
                surplus.push(*key);
            }
        }
        surplus
    }

    /// Waiting invocations of a function.
    pub(crate) fn depth(&self, function: &str) -> u64 {
        self.functions.get(function).map_or(0, |function| function.waiting.len() as u64)
    }

    /// (function, waiting, under way)
    pub(crate) fn by_function(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.functions.iter().map(|(name, function)| {
            let waiting = function.waiting.len() as u64;
            (&**name, waiting, function.all - waiting)
        })
    }

    /// Bytes of all that wait or are under way.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the oldest of them was accepted.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.entries.values().next().map(|entry| entry.state.accepted_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(accepted_ms: u64, due_ms: u64, attempts: u32) -> State {
        let (call_id, function) = (format!("call-{accepted_ms}"), "f.ns".to_owned());
        State { call_id, function, accepted_ms, due_ms, attempts, started: false, bytes: 1, last_status: None }
    }

    fn slots(_: &str) -> Slots {
        Slots { queue: "q".to_owned(), queue_bound: 9, function_bound: 9 }
    }

    /// A day in the past: what was due then is not due in a day only.
    #[test]
    fn a_start_in_the_past_does_not_hold_up_what_waits() {
        const DAY: u64 = 24 * 3_600_000;
        let states = vec![(1, state(10 * DAY, 10 * DAY, 0)), (2, state(9 * DAY, 10 * DAY + 60_000, 3))];
        let recovered = || Recovered { states: states.clone(), ..Recovered::default() };
        let mut schedule = Schedule::recovered(recovered(), 9 * DAY);
        assert_eq!(schedule.next(9 * DAY, slots), Next::Deliver(1));
        assert_eq!(schedule.next(9 * DAY, slots), Next::At(9 * DAY + 60_000));
        // With a clock that goes right nothing is moved.
        let mut schedule = Schedule::recovered(recovered(), 10 * DAY + 1000);
        assert_eq!(schedule.next(10 * DAY + 1000, slots), Next::Deliver(1));
        assert_eq!(schedule.next(10 * DAY + 1000, slots), Next::At(10 * DAY + 60_000));
    }
}
