//! The model file of SeetaFace: classifiers in rows, each row fed by the windows that the row before it lets through.

use super::{gradients::Network, texture::Classifier};

/// The whole cascade.
pub(super) struct Cascade {
    /// The first row: classifiers by texture, one for each range of poses.
    pub(super) texture: Vec<Classifier>,
    /// The rows after it.
    pub(super) gradients: Vec<Vec<Branch>>,
}

/// Networks in sequence.
pub(super) struct Branch {
    pub(super) networks: Vec<Network>,
    /// Which of the row before it these windows come from.
    pub(super) sources: Vec<usize>,
}

impl Cascade {
    /// Reads a model: 32-bit numbers, little-endian. `None` if it is no such model.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let reader = &mut Reader(bytes);
        let (mut texture, mut gradients) = (Vec::new(), Vec::new());
        let rows = reader.count()?;
        for row in 0..rows {
            let mut branches = Vec::new();
            for _ in 0..reader.count()? {
                let mut networks = Vec::new();
                for _ in 0..reader.count()? {
                    match (reader.count()?, row) {
                        (0, 0) => texture.push(Classifier::read(reader)?),
                        (1, 1..) => networks.push(Network::read(reader)?),
                        _ => return None,
                    }
                }
                // The first row, which has no sources, writes −1 of them.
                let sources = (0..reader.integer()?).map(|_| reader.count()).collect::<Option<_>>()?;
                branches.push(Branch { networks, sources });
            }
            if row > 0 {
                gradients.push(branches);
            }
        }
        reader.0.is_empty().then_some(Self { texture, gradients })
    }
}

/// What is left of the file.
pub(super) struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn word(&mut self) -> Option<[u8; 4]> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*word)
    }

    fn integer(&mut self) -> Option<i32> {
        Some(i32::from_le_bytes(self.word()?))
    }

    /// A number that counts something.
    pub(super) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.integer()?).ok()
    }

    pub(super) fn number(&mut self) -> Option<f32> {
        Some(f32::from_le_bytes(self.word()?))
    }

    pub(super) fn numbers(&mut self, count: usize) -> Option<Vec<f32>> {
        (0..count).map(|_| self.number()).collect()
    }
}
