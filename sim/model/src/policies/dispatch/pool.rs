//! The replicas of one function that calls can be sent to, kept so that every routing rule finds its choice fast.

use super::IdleRouting;
use crate::rng::Uniforms;

/// A member of a [`Pool`]; valid until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(u32);

/// Replicas in order of creation, with their calls in flight.
///
/// A member is *free* while it has fewer calls than `slots`.
#[derive(Clone, Debug)]
pub struct Pool {
    slots: u32,
    members: Vec<Member>,
    vacant: Vec<u32>,
    /// Handles in order of creation.
    ready: Vec<u32>,
    free: FreeIndex,
    free_slots: u64,
    busy: u32,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    replica: u32,
    in_flight: u32,
    /// Place in the free index, or `ABSENT`.
    place: u32,
    older: u32,
    newer: u32,
    /// Place in the order of creation (`FreeIndex::Newest` only).
    rank: u32,
}

const ABSENT: u32 = u32::MAX;

/// The free members, in the order that the routing rule needs.
#[derive(Clone, Debug)]
enum FreeIndex {
    /// Any order: removal swaps with the last.
    Dense(Vec<u32>),
    /// By creation: one bit for each rank. Ranks are dealt out in order of creation and closed up now and then.
    Newest { bits: BitSet, by_rank: Vec<u32> },
    /// By last use: a list through the members, `oldest` and `newest` its ends.
    Recency { oldest: u32, newest: u32, take_newest: bool },
}

impl Pool {
    /// An empty pool whose members take `slots` calls each before they are no longer free (`None`: any number).
    pub fn new(slots: Option<u32>, routing: Option<IdleRouting>) -> Pool {
        let free = match routing {
            None | Some(IdleRouting::Random) => FreeIndex::Dense(Vec::new()),
            Some(IdleRouting::Newest) => FreeIndex::Newest { bits: BitSet::default(), by_rank: Vec::new() },
            Some(IdleRouting::MostRecentlyUsed) => {
                FreeIndex::Recency { oldest: ABSENT, newest: ABSENT, take_newest: true }
            }
            Some(IdleRouting::LeastRecentlyUsed) => {
                FreeIndex::Recency { oldest: ABSENT, newest: ABSENT, take_newest: false }
            }
        };
        Pool {
            slots: slots.unwrap_or(u32::MAX),
            members: Vec::new(),
            vacant: Vec::new(),
            ready: Vec::new(),
            free,
            free_slots: 0,
            busy: 0,
        }
    }

    /// Adds the replica that the caller calls `replica`; it is the newest and has no calls.
    pub fn insert(&mut self, replica: u32) -> Handle {
        let member = Member { replica, in_flight: 0, place: ABSENT, older: ABSENT, newer: ABSENT, rank: ABSENT };
        let handle = match self.vacant.pop() {
            Some(handle) => {
                self.members[handle as usize] = member;
                handle
            }
            None => {
                self.members.push(member);
                self.members.len() as u32 - 1
            }
        };
        self.ready.push(handle);
        self.deal_rank(handle);
        self.add_free(handle);
        self.free_slots += u64::from(self.slots);
        Handle(handle)
    }

    /// Removes a member, whatever calls it still has.
    pub fn remove(&mut self, Handle(handle): Handle) {
        let member = self.members[handle as usize];
        if member.in_flight < self.slots {
            self.remove_free(handle);
        }
        self.free_slots -= u64::from(self.slots - member.in_flight);
        self.busy -= u32::from(member.in_flight > 0);
        let at = self.ready.iter().rposition(|h| *h == handle).expect("a member is in the list of members");
        self.ready.remove(at);
        self.vacant.push(handle);
    }

    /// A call begins on a member.
    #[inline]
    pub fn begin(&mut self, Handle(handle): Handle) {
        let member = &mut self.members[handle as usize];
        self.busy += u32::from(member.in_flight == 0);
        member.in_flight += 1;
        debug_assert!(member.in_flight <= self.slots, "a call begins on a replica without a free slot");
        self.free_slots -= 1;
        if member.in_flight == self.slots {
            self.remove_free(handle);
        }
    }

    /// A call ends on a member.
    #[inline]
    pub fn end(&mut self, Handle(handle): Handle) {
        let member = &mut self.members[handle as usize];
        member.in_flight -= 1;
        let (in_flight, was_full) = (member.in_flight, member.in_flight + 1 == self.slots);
        self.busy -= u32::from(in_flight == 0);
        self.free_slots += 1;
        if was_full {
            self.add_free(handle);
        } else if matches!(self.free, FreeIndex::Recency { .. }) {
            self.remove_free(handle);
            self.add_free(handle);
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Members with at least one call.
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// Calls that the members can still take before none is free; large where slots are unlimited.
    pub fn free_slots(&self) -> u64 {
        self.free_slots
    }

    /// What the caller calls this member.
    #[inline]
    pub fn replica(&self, Handle(handle): Handle) -> u32 {
        self.members[handle as usize].replica
    }

    /// Calls in flight on a member.
    pub fn in_flight(&self, Handle(handle): Handle) -> u32 {
        self.members[handle as usize].in_flight
    }

    /// Members in order of creation.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = Handle> + '_ {
        self.ready.iter().map(|handle| Handle(*handle))
    }

    /// The `index`-th member in order of creation.
    pub fn member(&self, index: usize) -> Handle {
        Handle(self.ready[index])
    }

    /// The free member that the routing rule takes first.
    #[inline]
    pub fn choose_free(&self, uniforms: &mut impl Uniforms) -> Option<Handle> {
        match &self.free {
            FreeIndex::Dense(free) => pick(free, uniforms),
            FreeIndex::Newest { bits, by_rank } => bits.last().map(|rank| Handle(by_rank[rank])),
            FreeIndex::Recency { oldest, newest, take_newest } => {
                let handle = if *take_newest { *newest } else { *oldest };
                (handle != ABSENT).then_some(Handle(handle))
            }
        }
    }

    #[inline]
    fn add_free(&mut self, handle: u32) {
        match &mut self.free {
            FreeIndex::Dense(free) => {
                self.members[handle as usize].place = free.len() as u32;
                free.push(handle);
            }
            FreeIndex::Newest { bits, .. } => bits.insert(self.members[handle as usize].rank as usize),
            FreeIndex::Recency { oldest, newest, .. } => {
                self.members[handle as usize].older = *newest;
                self.members[handle as usize].newer = ABSENT;
                match *newest {
                    ABSENT => *oldest = handle,
                    newest => self.members[newest as usize].newer = handle,
                }
                *newest = handle;
            }
        }
    }

    #[inline]
    fn remove_free(&mut self, handle: u32) {
        let member = self.members[handle as usize];
        match &mut self.free {
            FreeIndex::Dense(free) => {
                free.swap_remove(member.place as usize);
                if let Some(moved) = free.get(member.place as usize) {
                    self.members[*moved as usize].place = member.place;
                }
            }
            FreeIndex::Newest { bits, .. } => bits.remove(member.rank as usize),
            FreeIndex::Recency { oldest, newest, .. } => {
                match member.older {
                    ABSENT => *oldest = member.newer,
                    older => self.members[older as usize].newer = member.newer,
                }
                match member.newer {
                    ABSENT => *newest = member.older,
                    newer => self.members[newer as usize].older = member.older,
                }
            }
        }
    }

    /// Gives a new member the next rank; closes the ranks up when most belong to members that are gone.
    fn deal_rank(&mut self, handle: u32) {
        let FreeIndex::Newest { bits, by_rank } = &mut self.free else { return };
        if by_rank.len() > 64 + 2 * self.ready.len() {
            by_rank.clear();
            let mut closed_up = BitSet::default();
            // The new member is last in `ready`; it gets its rank below.
            for &old in &self.ready[..self.ready.len() - 1] {
                let member = &mut self.members[old as usize];
                let was_free = bits.contains(member.rank as usize);
                member.rank = by_rank.len() as u32;
                by_rank.push(old);
                if was_free {
                    closed_up.insert(member.rank as usize);
                }
            }
            *bits = closed_up;
        }
        self.members[handle as usize].rank = by_rank.len() as u32;
        by_rank.push(handle);
    }
}

/// One of `handles`, each with equal probability.
pub(super) fn pick(handles: &[u32], uniforms: &mut impl Uniforms) -> Option<Handle> {
    match handles {
        [] => None,
        [only] => Some(Handle(*only)),
        _ => Some(Handle(handles[index_below(handles.len(), uniforms)])),
    }
}

/// A uniform index below `n` ≥ 1. The bias is below n·2⁻⁶⁴.
pub(super) fn index_below(n: usize, uniforms: &mut impl Uniforms) -> usize {
    ((u128::from(uniforms.bits()) * n as u128) >> 64) as usize
}

/// A set of small numbers with a fast "largest": a bit for each, and a bit for each word that has any.
#[derive(Clone, Debug, Default)]
struct BitSet {
    words: Vec<u64>,
    summary: Vec<u64>,
}

impl BitSet {
    fn insert(&mut self, i: usize) {
        let word = i / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
            self.summary.resize(word / 64 + 1, 0);
        }
        self.words[word] |= 1 << (i % 64);
        self.summary[word / 64] |= 1 << (word % 64);
    }

    fn remove(&mut self, i: usize) {
        let word = i / 64;
        self.words[word] &= !(1 << (i % 64));
        if self.words[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
    }

    fn contains(&self, i: usize) -> bool {
        self.words.get(i / 64).is_some_and(|word| word >> (i % 64) & 1 == 1)
    }

    fn last(&self) -> Option<usize> {
        let highest = |bits: u64| 63 - bits.leading_zeros() as usize;
        let (block, bits) = self.summary.iter().enumerate().rev().find(|(_, bits)| **bits != 0)?;
        let word = block * 64 + highest(*bits);
        Some(word * 64 + highest(self.words[word]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use proptest::prelude::*;

    /// What the pool must do, written down as plainly as possible.
    #[derive(Default)]
    struct Plain {
        /// (handle, calls, last use), in order of creation.
        members: Vec<(Handle, u32, u64)>,
    }

    proptest! {
        /// The indexed pool and a plain list agree on every choice, after any sequence of operations.
        #[test]
        fn agrees_with_a_plain_list(
            slots in 1..4u32,
            routing in prop_oneof![
                Just(IdleRouting::Newest), Just(IdleRouting::MostRecentlyUsed), Just(IdleRouting::LeastRecentlyUsed)
            ],
            operations in prop::collection::vec((0..4u8, any::<prop::sample::Index>()), 1..600),
        ) {
            let mut pool = Pool::new(Some(slots), Some(routing));
            let mut plain = Plain::default();
            let mut draws = Seed(1).key("test").draws(0, 0);
            for (clock, (operation, index)) in operations.into_iter().enumerate() {
                let clock = clock as u64;
                match operation {
                    0 => {
                        let handle = pool.insert(clock as u32);
                        plain.members.push((handle, 0, clock));
                    }
                    1 if !plain.members.is_empty() => {
                        let (handle, _, _) = plain.members.remove(index.index(plain.members.len()));
                        pool.remove(handle);
                    }
                    2 => {
                        let free = plain.members.iter_mut().filter(|(_, calls, _)| *calls < slots);
                        let expected = match routing {
                            IdleRouting::Newest => free.last(),
                            IdleRouting::MostRecentlyUsed => free.max_by_key(|(_, _, used)| *used),
                            _ => free.min_by_key(|(_, _, used)| *used),
                        };
                        let chosen = pool.choose_free(&mut draws);
                        prop_assert_eq!(chosen, expected.as_ref().map(|(handle, _, _)| *handle));
                        if let Some((handle, calls, _)) = expected {
                            *calls += 1;
                            pool.begin(*handle);
                        }
                    }
                    _ => {
                        let mut busy: Vec<_> = plain.members.iter_mut().filter(|(_, calls, _)| *calls > 0).collect();
                        if !busy.is_empty() {
                            let at = index.index(busy.len());
                            busy[at].1 -= 1;
                            busy[at].2 = clock;
                            pool.end(busy[at].0);
                        }
                    }
                }
                let calls: u32 = plain.members.iter().map(|(_, calls, _)| calls).sum();
                prop_assert_eq!(pool.len(), plain.members.len());
                prop_assert_eq!(pool.free_slots(), u64::from(slots) * plain.members.len() as u64 - u64::from(calls));
                prop_assert_eq!(pool.busy() as usize, plain.members.iter().filter(|(_, calls, _)| *calls > 0).count());
            }
        }
    }
}
