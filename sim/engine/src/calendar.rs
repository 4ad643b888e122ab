//! The calendar of future events.
//!
//! A four-ary heap holds what may come at any time. Deadlines of one constant length expire in the order they were set, and
//! so do the arrivals of one workload: those wait in first-in-first-out rings beside the heap, which cost almost nothing.
//! All share one sequence number: ties leave in scheduling order.

use std::collections::VecDeque;

use faas_lab_model::time::{SimTime, Span};

use crate::event::Event;

/// More rings than this are not made, and the heap serves instead: looking at every ring's front has its cost too.
const MOST_RINGS: usize = 8;

/// Of those, so many may be for arrivals.
const MOST_ARRIVAL_RINGS: usize = 4;

/// What happens when.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    heap: Vec<Entry>,
    rings: Vec<Ring>,
    /// The ring whose front comes first, with that front's key.
    first_ring: Option<(Key, usize)>,
    sequence: u64,
    now: SimTime,
}

/// Instant in the high half, sequence number in the low one: one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u128);

impl Key {
    fn new(at: SimTime, sequence: u64) -> Key {
        Key(u128::from(at.as_nanos()) << 64 | u128::from(sequence))
    }

    fn at(self) -> SimTime {
        SimTime::from_nanos((self.0 >> 64) as u64)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    event: Event,
}

#[derive(Debug)]
struct Ring {
    kind: RingKind,
    entries: VecDeque<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RingKind {
    Deadlines(Span),
    Arrivals(u32),
}

impl Calendar {
    /// The instant of the event that left last.
    pub(crate) fn now(&self) -> SimTime {
        self.now
    }

    /// `event` happens after `delay`.
    #[inline]
    pub(crate) fn schedule_in(&mut self, delay: Span, event: Event) {
        self.schedule_at(self.now + delay, event);
    }

    /// `event` happens at `at`, which is not in the past.
    #[inline]
    pub(crate) fn schedule_at(&mut self, at: SimTime, event: Event) {
        debug_assert!(at >= self.now, "{event:?} is scheduled in the past");
        if at == SimTime::NEVER {
            return;
        }
        let entry = Entry { key: Key::new(at, self.next_sequence()), event };
        self.heap.push(entry);
        self.sift_up(self.heap.len() - 1);
    }

    /// `event` happens after `delay`, one of few constants that many events share.
    #[inline]
    pub(crate) fn schedule_deadline(&mut self, delay: Span, event: Event) {
        let at = self.now + delay;
        match self.ring(RingKind::Deadlines(delay), MOST_RINGS) {
            Some(ring) => self.push_ring(ring, at, event),
            None => self.schedule_at(at, event),
        }
    }

    /// The next request of `workload` arrives at `at`, which is not before the one scheduled last.
    #[inline]
    pub(crate) fn schedule_arrival(&mut self, at: SimTime, workload: u32) {
        match self.ring(RingKind::Arrivals(workload), MOST_ARRIVAL_RINGS) {
            Some(ring) => self.push_ring(ring, at, Event::Arrival(workload)),
            None => self.schedule_at(at, Event::Arrival(workload)),
        }
    }

    #[inline]
    fn ring(&mut self, kind: RingKind, most: usize) -> Option<usize> {
        let known = self.rings.iter().position(|ring| ring.kind == kind);
        if known.is_none() && self.rings.len() < most {
            self.rings.push(Ring { kind, entries: VecDeque::new() });
            return Some(self.rings.len() - 1);
        }
        known
    }

    #[inline]
    fn push_ring(&mut self, ring: usize, at: SimTime, event: Event) {
        let key = Key::new(at, self.next_sequence());
        if self.rings[ring].entries.is_empty() && self.first_ring.is_none_or(|(first, _)| key < first) {
            self.first_ring = Some((key, ring));
        }
        self.rings[ring].entries.push_back(Entry { key, event });
    }

    /// Takes the next event; the clock moves to its instant.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = match (self.heap.first(), self.first_ring) {
            (Some(top), Some((key, ring))) if key < top.key => self.pop_ring(ring),
            (Some(_), _) => self.pop_heap(),
            (None, Some((_, ring))) => self.pop_ring(ring),
            (None, None) => return None,
        };
        Some(event)
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn pop_ring(&mut self, ring: usize) -> Event {
        let entry = self.rings[ring].entries.pop_front().expect("the first ring has a front");
        self.now = entry.key.at();
        let fronts = self.rings.iter().enumerate();
        self.first_ring = fronts.filter_map(|(i, ring)| ring.entries.front().map(|front| (front.key, i))).min();
        entry.event
    }

    #[inline]
    fn pop_heap(&mut self) -> Event {
        let top = self.heap.swap_remove(0);
        self.now = top.key.at();
        if !self.heap.is_empty() {
            self.sift_down();
        }
        top.event
    }

    #[inline]
    fn sift_up(&mut self, mut at: usize) {
        let entry = self.heap[at];
        while at > 0 {
            let parent = (at - 1) / 4;
            if self.heap[parent].key <= entry.key {
                break;
            }
            self.heap[at] = self.heap[parent];
            at = parent;
        }
        self.heap[at] = entry;
    }

    /// The child that comes first, of those from `first` on.
    #[inline]
    fn least_child(&self, first: usize) -> usize {
        let children = &self.heap[first..self.heap.len().min(first + 4)];
        if let [a, b, c, d] = children {
            // Which child wins is as good as random: arithmetic instead of branches that would be guessed wrong.
            let left = usize::from(b.key < a.key);
            let right = 2 + usize::from(d.key < c.key);
            let right_wins = usize::from(children[right].key < children[left].key);
            return first + left + right_wins * (right - left);
        }
        let keys = children.iter().map(|child| child.key).enumerate();
        first + keys.min_by_key(|(_, key)| *key).map_or(0, |(index, _)| index)
    }

    #[inline]
    fn sift_down(&mut self) {
        let entry = self.heap[0];
        let len = self.heap.len();
        let mut at = 0;
        loop {
            let first = 4 * at + 1;
            if first >= len {
                break;
            }
            let least = self.least_child(first);
            if entry.key <= self.heap[least].key {
                break;
            }
            self.heap[at] = self.heap[least];
            at = least;
        }
        self.heap[at] = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faas_lab_model::rng::{Seed, Uniforms};

    /// Heap and rings together give the order of a sorted list, ties in scheduling order.
    #[test]
    fn leaves_in_the_order_of_a_sorted_list() {
        let mut draws = Seed(4).stream("calendar");
        let mut calendar = Calendar::default();
        let mut expected: Vec<(SimTime, u32)> = Vec::new();
        let mut left = Vec::new();
        let mut arrivals = SimTime::ZERO;
        for id in 0..20_000u32 {
            let bits = draws.bits();
            let at = if bits.is_multiple_of(7) {
                arrivals = arrivals.max(calendar.now()) + Span::from_nanos((bits >> 8) % 5);
                calendar.schedule_arrival(arrivals, id);
                arrivals
            } else if bits.is_multiple_of(3) {
                let delay = Span::from_nanos((bits >> 8) % 12 * 10);
                calendar.schedule_deadline(delay, Event::Arrival(id));
                calendar.now() + delay
            } else {
                let delay = Span::from_nanos((bits >> 8) % 100);
                calendar.schedule_in(delay, Event::Arrival(id));
                calendar.now() + delay
            };
            expected.push((at, id));
            if bits % 5 < 2 {
                let event = calendar.pop().expect("something was scheduled");
                left.push((calendar.now(), event));
            }
        }
        while let Some(event) = calendar.pop() {
            left.push((calendar.now(), event));
        }
        // Every event leaves at its own instant, in order of time and, at one instant, of scheduling.
        assert_eq!(left.len(), expected.len());
        assert!(left.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        for pair in left.windows(2) {
            let (Event::Arrival(a), Event::Arrival(b)) = (pair[0].1, pair[1].1) else { unreachable!() };
            assert!(pair[0].0 < pair[1].0 || a < b, "a tie left out of order");
        }
        for (at, event) in left {
            let Event::Arrival(id) = event else { unreachable!() };
            assert_eq!(at, expected[id as usize].0);
        }
    }
}
