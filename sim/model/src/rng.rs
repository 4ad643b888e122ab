//! Random bits: the one home of `rand` and `rand_chacha`.
//!
//! Two kinds of randomness keep variants of one scenario comparable draw by draw:
//!
//! * [`Stream`]: a named sequence, for arrivals and demands, which are drawn in order of birth.
//! * [`Draws`] from a [`Key`]: counter-based, for everything after birth (routing, cold phases, retries). A draw
//!   depends only on (seed, purpose, entity, attempt), so it stays the same when another path is taken elsewhere.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What makes a run repeatable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

/// A source of uniform draws; distributions sample from it.
pub trait Uniforms {
    /// 64 random bits.
    fn bits(&mut self) -> u64;

    /// A uniform draw from the open interval (0, 1), on a grid of 2⁻⁵³ offset by half a step, so that neither end can come.
    fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
    }
}

impl Seed {
    /// The stream that belongs to `name`. Adding a stream leaves all others as they are.
    pub fn stream(self, name: &str) -> Stream {
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        rng.set_stream(fnv1a(name.as_bytes()));
        Stream { rng }
    }

    /// The seed of replication `index`; index 0 is the seed itself, so that a run of one is the first of many.
    pub fn replication(self, index: u32) -> Seed {
        if index == 0 { self } else { Seed(mix(self.0 ^ mix(u64::from(index)))) }
    }

    /// The key from which counter-based draws for `purpose` start.
    pub fn key(self, purpose: &str) -> Key {
        Key(mix(self.0 ^ fnv1a(purpose.as_bytes())))
    }
}

/// A named sequence of random bits.
#[derive(Clone, Debug)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Uniforms for Stream {
    fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }
}

/// Names the draws of one purpose; made more specific by the entity and attempt they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// The number of the `index`-th entity of a family, for [`Key::draws`]. Families with different names do not meet,
    /// however many entities the others have.
    pub fn entity(self, index: u64) -> u64 {
        self.0.wrapping_add(index)
    }

    /// The draws of one `entity` (a request, a replica) at one `attempt`.
    pub fn draws(self, entity: u64, attempt: u32) -> Draws {
        Draws { state: mix(self.0 ^ mix(entity ^ (u64::from(attempt) << 48))) }
    }
}

/// Counter-based draws: SplitMix64 from a state that is a hash of its key.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    state: u64,
}

impl Uniforms for Draws {
    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014, variant 13 of Stafford's mixers): a bijection whose output bits
/// each depend on every input bit.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// FNV-1a: a stable name → number map (std's hasher may change between releases).
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01B3);
        i += 1;
    }
    hash
}
