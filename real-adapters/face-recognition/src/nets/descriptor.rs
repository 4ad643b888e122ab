//! The descriptor of a face: 128 numbers that lie close together for pictures of one person. The network is a residual
//! one of 29 convolutions, dlib's, on 150 × 150 pixels.

use std::path::Path;

use image::RgbImage;

use super::{
    Border, Graph, ModelError, Network, Weights, Wire, fully_connected,
    input::{Padding, square_planes},
    landmarks::MEAN,
};
use crate::geometry::Area;

/// How many numbers describe a face.
pub const DESCRIPTOR_LENGTH: usize = 128;

const SIZE: usize = 150;

/// What describes a face.
pub type Descriptor = Vec<f32>;

/// The Euclidean distance of two descriptors. Below 0.6 they are taken to be of one person.
pub fn distance(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(left, right)| (f64::from(*left) - f64::from(*right)).powi(2)).sum::<f64>().sqrt()
}

/// The descriptor network.
pub struct Describer {
    network: Network,
    weights: Vec<f32>,
}

impl Describer {
    /// Loads the network from the folder of models.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let weights = &mut Weights::read(folder, "face_recognition_model")?;
        let (mut graph, input) = Graph::new(SIZE)?;
        let mut last = conv(&mut graph, weights, input, "conv32_down", 2)?;
        last = graph.relu(last)?;
        last = graph.max_pool(last, 3, 2, Border::Valid)?;
        let blocks = [
            "conv32_1",
            "conv32_2",
            "conv32_3",
            "conv64_down",
            "conv64_1",
            "conv64_2",
            "conv64_3",
            "conv128_down",
            "conv128_1",
            "conv128_2",
            "conv256_down",
            "conv256_1",
            "conv256_2",
            "conv256_down_out",
        ];
        for name in blocks {
            last = residual(&mut graph, weights, last, name)?;
        }
        Ok(Self { network: graph.finish(&[last])?, weights: weights.values("fc")? })
    }

    /// Describes the face in `area`, or `None` where nothing of the area lies in the picture.
    pub fn describe(&self, picture: &RgbImage, area: Area) -> Result<Option<Descriptor>, ModelError> {
        let Some(frame) = area.clipped(picture) else { return Ok(None) };
        let planes = square_planes(picture, frame, SIZE, Padding::Around, MEAN);
        let features = self.network.run(SIZE, &planes)?.swap_remove(0).means();
        Ok(Some(fully_connected(&features, &self.weights, None)))
    }
}

/// A convolution with the scale that follows it folded in.
fn conv(graph: &mut Graph, weights: &mut Weights, input: Wire, name: &str, stride: usize) -> Result<Wire, ModelError> {
    let mut filters = weights.take(&format!("{name}/conv/filters"))?;
    let mut bias = weights.values(&format!("{name}/conv/bias"))?;
    let scale = weights.values(&format!("{name}/scale/weights"))?;
    let offset = weights.values(&format!("{name}/scale/biases"))?;
    for place in filters.values.chunks_exact_mut(scale.len()) {
        for (filter, scale) in place.iter_mut().zip(&scale) {
            *filter *= scale;
        }
    }
    for ((bias, scale), offset) in bias.iter_mut().zip(&scale).zip(&offset) {
        *bias = *bias * scale + offset;
    }
    let border = if stride == 2 { Border::Valid } else { Border::Same };
    graph.conv(input, &filters, Some(&bias), stride, border)
}

/// Two convolutions and the way around them. A block called `down` halves the planes: the way around is then a mean of
/// four, with zeros for channels that it does not have.
fn residual(graph: &mut Graph, weights: &mut Weights, input: Wire, name: &str) -> Result<Wire, ModelError> {
    let down = name.contains("down");
    let first = conv(graph, weights, input, &format!("{name}/conv1"), if down { 2 } else { 1 })?;
    let first = graph.relu(first)?;
    let mut second = conv(graph, weights, first, &format!("{name}/conv2"), 1)?;
    let mut around = input;
    if down {
        around = graph.average_pool(input, 2, 2)?;
        let (wanted, had) = (graph.size_and_channels(second)?, graph.size_and_channels(around)?);
        if had.1 < wanted.1 {
            around = graph.pad_after(around, wanted.1 - had.1, 0)?;
        }
        if wanted.0 < had.0 {
            second = graph.pad_after(second, 0, had.0 - wanted.0)?;
        }
    }
    let sum = graph.add(around, second)?;
    graph.relu(sum)
}
