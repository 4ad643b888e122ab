//! The SSD detector: MobileNet v1 on 512 × 512 pixels, six grids of anchor boxes. Slower and more exact than the tiny
//! detector, and better with small faces.

use std::path::Path;

use image::RgbImage;

use super::{
    Border, Finish, Graph, ModelError, Network, Planes, Weights, Wire,
    input::{Normalization, Padding, square_planes},
};
use crate::{
    detect::Face,
    geometry::{Area, Frame},
};

const SIZE: usize = 512;

/// To −1 … 1.
const CENTRED: Normalization = Normalization { mean: [127.5; 3], factor: 1.0 / 127.5 };

/// Added to a variance before its root is taken.
const EPSILON: f32 = 0.001;

/// Boxes that share more than this with a better one are the same face.
const OVERLAP: f64 = 0.5;

/// The detector.
pub(crate) struct Ssd {
    network: Network,
    /// Upper, left, lower and right edge of each anchor, from 0 to 1.
    anchors: Vec<f32>,
}

impl Ssd {
    pub(crate) fn load(folder: &Path) -> Result<Self, ModelError> {
        let weights = &mut Weights::read(folder, "ssd_mobilenetv1_model")?;
        let (mut graph, input) = Graph::new(SIZE)?;
        let mut last = pointwise(&mut graph, weights, input, "MobilenetV1", 0, 2)?;
        let mut features = Vec::new();
        for layer in 1..=13 {
            last = depthwise(&mut graph, weights, last, layer)?;
            last = pointwise(&mut graph, weights, last, "MobilenetV1", layer, 1)?;
            if layer == 11 || layer == 13 {
                features.push(last);
            }
        }
        for layer in 0..8 {
            let stride = 1 + layer % 2;
            last = pointwise(&mut graph, weights, last, "Prediction", layer, stride)?;
            if stride == 2 {
                features.push(last);
            }
        }
        let mut outputs = Vec::new();
        for (i, feature) in features.into_iter().enumerate() {
            for kind in ["BoxEncodingPredictor", "ClassPredictor"] {
                let name = format!("Prediction/BoxPredictor_{i}/{kind}");
                let bias = weights.values(&format!("{name}/biases"))?;
                let filters = weights.take(&format!("{name}/weights"))?;
                outputs.push(graph.conv(feature, &filters, Some(&bias), 1, Border::Same)?);
            }
        }
        let anchors = weights.values("Output/extra_dim")?;
        Ok(Self { network: graph.finish(&outputs)?, anchors })
    }

    /// Finds faces whose score is above `threshold`, best first.
    pub(crate) fn detect(&self, picture: &RgbImage, threshold: f64) -> Result<Vec<Face>, ModelError> {
        let planes = square_planes(picture, Frame::of(picture), SIZE, Padding::After, CENTRED);
        let outputs = self.network.run(SIZE, &planes)?;
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        // The package rounds the scaled sides before it undoes the padding.
        let scale = SIZE as f64 / width.max(height);
        let stretch = |length: f64| SIZE as f64 / (length * scale).round() * length;
        let (scale_x, scale_y) = (stretch(width), stretch(height));
        let mut anchors = self.anchors.as_chunks::<4>().0.iter();
        let mut faces = Vec::new();
        for grid in outputs.as_chunks::<2>().0 {
            for_each_anchor(grid, |encoding, logit| {
                let Some(anchor) = anchors.next() else { return };
                let score = f64::from(1.0 / (1.0 + (-logit).exp()));
                if score > threshold {
                    let [top, left, bottom, right] = decode(anchor, encoding).map(f64::from);
                    let area = Area {
                        x: left * scale_x,
                        y: top * scale_y,
                        width: (right - left) * scale_x,
                        height: (bottom - top) * scale_y,
                    };
                    faces.push(Face { area, score });
                }
            });
        }
        let mut faces = crate::detect::keep_best(faces, OVERLAP);
        for Face { area, .. } in &mut faces {
            (area.x, area.width) = inside(area.x, area.width, scale_x);
            (area.y, area.height) = inside(area.y, area.height, scale_y);
        }
        Ok(faces)
    }
}

/// Start and length of what lies between 0 and `limit`.
fn inside(start: f64, length: f64, limit: f64) -> (f64, f64) {
    let (from, to) = (start.max(0.0), (start + length).min(limit));
    (from, to - from)
}

/// Calls `found` with the box encoding and the face logit of each anchor, in the order of the package's anchors.
fn for_each_anchor([boxes, classes]: &[Planes; 2], mut found: impl FnMut([f32; 4], f32)) {
    for row in 0..boxes.size {
        for column in 0..boxes.size {
            for anchor in 0..boxes.channels / 4 {
                let encoding = std::array::from_fn(|k| boxes.at(anchor * 4 + k, row, column));
                // Of three classes the second is "face".
                found(encoding, classes.at(anchor * 3 + 1, row, column));
            }
        }
    }
}

/// An anchor moved and scaled by what the network says: upper, left, lower, right edge.
fn decode(&[top, left, bottom, right]: &[f32; 4], [dy, dx, dh, dw]: [f32; 4]) -> [f32; 4] {
    let (height, width) = (bottom - top, right - left);
    let (y, x) = (dy / 10.0 * height + top + height / 2.0, dx / 10.0 * width + left + width / 2.0);
    let (half_height, half_width) = ((dh / 5.0).exp() * height / 2.0, (dw / 5.0).exp() * width / 2.0);
    [y - half_height, x - half_width, y + half_height, x + half_width]
}

fn pointwise(
    graph: &mut Graph,
    weights: &mut Weights,
    input: Wire,
    part: &str,
    layer: usize,
    stride: usize,
) -> Result<Wire, ModelError> {
    let name = format!("{part}/Conv2d_{layer}_pointwise");
    let bias = weights.values(&format!("{name}/convolution_bn_offset"))?;
    let conv = graph.conv(input, &weights.take(&format!("{name}/weights"))?, Some(&bias), stride, Border::Same)?;
    graph.relu6(conv)
}

/// A depthwise convolution with its batch normalisation folded into filters and bias.
fn depthwise(graph: &mut Graph, weights: &mut Weights, input: Wire, layer: usize) -> Result<Wire, ModelError> {
    let name = format!("MobilenetV1/Conv2d_{layer}_depthwise");
    let mut norm = |what: &str| weights.values(&format!("{name}/BatchNorm/{what}"));
    let (gamma, beta) = (norm("gamma")?, norm("beta")?);
    let (mean, variance) = (norm("moving_mean")?, norm("moving_variance")?);
    let mut filters = weights.take(&format!("{name}/depthwise_weights"))?;
    let scale: Vec<f32> =
        gamma.iter().zip(&variance).map(|(gamma, variance)| gamma / (variance + EPSILON).sqrt()).collect();
    for place in filters.values.chunks_exact_mut(scale.len()) {
        for (filter, scale) in place.iter_mut().zip(&scale) {
            *filter *= scale;
        }
    }
    let bias: Vec<f32> = beta.iter().zip(&mean).zip(&scale).map(|((beta, mean), scale)| beta - mean * scale).collect();
    let stride = if [2, 4, 6, 12].contains(&layer) { 2 } else { 1 };
    graph.depthwise(input, &filters, Some(&bias), stride, Border::Same, Finish { ceiling: Some(6.0), in_bands: true })
}
