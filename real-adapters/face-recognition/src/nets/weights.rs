//! The weights of one network, as the face-api package stores them: a TensorFlow.js manifest that names the tensors and
//! says how they are quantised, and one file with their bytes in the order of the manifest.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use super::ModelError;

/// One tensor, dequantised. Convolution filters are in the order height, width, channels in, channels out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weight {
    /// Sizes, outermost first.
    pub(crate) shape: Vec<usize>,
    /// The values, the last axis fastest.
    pub(crate) values: Vec<f32>,
}

/// The tensors of one network by name. Each is taken out once, so that its memory can move into the graph.
#[derive(Debug)]
pub(crate) struct Weights {
    network: &'static str,
    tensors: BTreeMap<String, Weight>,
}

#[derive(Deserialize)]
struct Group {
    weights: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    dtype: String,
    quantization: Option<Quantization>,
}

#[derive(Deserialize)]
struct Quantization {
    dtype: String,
    scale: f64,
    min: f64,
}

impl Weights {
    /// Reads `NETWORK-weights_manifest.json` and `NETWORK.bin` in `folder`.
    pub(crate) fn read(folder: &Path, network: &'static str) -> Result<Self, ModelError> {
        let read = |name: String| {
            let path = folder.join(name);
            fs::read(&path).map_err(|source| ModelError::Unreadable { path, source })
        };
        let manifest = read(format!("{network}-weights_manifest.json"))?;
        let bytes = read(format!("{network}.bin"))?;
        Self::parse(network, &manifest, &bytes)
    }

    fn parse(network: &'static str, manifest: &[u8], bytes: &[u8]) -> Result<Self, ModelError> {
        let damaged = |what: String| ModelError::Damaged { network, what };
        let groups: Vec<Group> = serde_json::from_slice(manifest).map_err(|error| damaged(error.to_string()))?;
        let mut rest = bytes;
        let mut tensors = BTreeMap::new();
        for entry in groups.into_iter().flat_map(|group| group.weights) {
            let too_short = || damaged(format!("the weights end inside `{}`", entry.name));
            let count: usize = entry.shape.iter().product();
            let stored = entry.quantization.as_ref().map_or(entry.dtype.as_str(), |q| q.dtype.as_str());
            let width = if stored == "uint8" { 1 } else { 4 };
            let (own, after) = rest.split_at_checked(count * width).ok_or_else(too_short)?;
            rest = after;
            let values = match (&entry.quantization, stored) {
                (Some(q), "uint8") => own.iter().map(|byte| (f64::from(*byte) * q.scale + q.min) as f32).collect(),
                (None, "float32") => own.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect(),
                _ => return Err(damaged(format!("`{}` is stored as {stored}, which is not known here", entry.name))),
            };
            tensors.insert(entry.name, Weight { shape: entry.shape, values });
        }
        Ok(Self { network, tensors })
    }

    /// Takes a tensor out.
    pub(crate) fn take(&mut self, name: &str) -> Result<Weight, ModelError> {
        self.tensors
            .remove(name)
            .ok_or_else(|| ModelError::Damaged { network: self.network, what: format!("there is no tensor `{name}`") })
    }

    /// Takes the values of a tensor out, where its shape is known.
    pub(crate) fn values(&mut self, name: &str) -> Result<Vec<f32>, ModelError> {
        Ok(self.take(name)?.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"[{"weights": [
        {"name": "a", "shape": [2, 1], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0}},
        {"name": "b", "shape": [1], "dtype": "float32"}], "paths": ["x.bin"]}]"#;

    #[test]
    fn quantised_and_plain_tensors_are_read_in_order() {
        let bytes = [&[0u8, 3][..], &2.5f32.to_le_bytes()].concat();
        let mut weights = Weights::parse("x", MANIFEST.as_bytes(), &bytes).expect("a valid manifest");
        assert_eq!(
            weights.take("a").expect("named in the manifest"),
            Weight { shape: vec![2, 1], values: vec![-1.0, 0.5] }
        );
        assert_eq!(weights.values("b").expect("named in the manifest"), [2.5]);
        assert!(weights.take("a").is_err(), "a tensor is taken once");
    }

    #[test]
    fn a_short_file_is_told() {
        let error = Weights::parse("x", MANIFEST.as_bytes(), &[0, 3, 9]).expect_err("two bytes are missing");
        assert!(error.to_string().contains("end inside `b`"), "{error}");
    }
}
