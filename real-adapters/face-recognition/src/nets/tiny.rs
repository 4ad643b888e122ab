//! The tiny face detector: a YOLO of seven convolutions, most of them separable, on a grid with five anchors a cell.

use std::path::Path;

use image::RgbImage;

use super::{
    Border, Finish, Graph, ModelError, Network, Weights,
    input::{Normalization, Padding, square_planes},
};
use crate::{
    detect::Face,
    geometry::{Area, Frame},
};

const MEAN: Normalization = Normalization { mean: [117.001, 114.697, 97.404], factor: 1.0 / 255.0 };

/// Width and height of the anchors, in cells.
const ANCHORS: [(f64, f64); 5] =
    [(1.603231, 2.094468), (6.041143, 7.080126), (2.882459, 3.518061), (4.266906, 5.178857), (9.041765, 10.66308)];

/// Boxes that share more than this with a better one are the same face.
const OVERLAP: f64 = 0.4;

/// The detector, for one size of input.
pub(crate) struct Tiny {
    network: Network,
    size: usize,
}

impl Tiny {
    /// Loads the network for pictures scaled to `size` × `size`, a multiple of 32.
    pub(crate) fn load(folder: &Path, size: usize) -> Result<Self, ModelError> {
        let weights = &mut Weights::read(folder, "tiny_face_detector_model")?;
        let (mut graph, input) = Graph::new(size)?;
        let bias = weights.values("conv0/bias")?;
        let mut last = graph.conv(input, &weights.take("conv0/filters")?, Some(&bias), 1, Border::Valid)?;
        last = graph.leaky_relu(last)?;
        for layer in 1..=5 {
            last = graph.max_pool(last, 2, 2, Border::Same)?;
            let filters = weights.take(&format!("conv{layer}/depthwise_filter"))?;
            last = graph.depthwise(last, &filters, None, 1, Border::One, Finish::default())?;
            let bias = weights.values(&format!("conv{layer}/bias"))?;
            let filters = weights.take(&format!("conv{layer}/pointwise_filter"))?;
            last = graph.conv(last, &filters, Some(&bias), 1, Border::Valid)?;
            last = graph.leaky_relu(last)?;
        }
        last = graph.max_pool(last, 2, 1, Border::Same)?;
        let bias = weights.values("conv8/bias")?;
        last = graph.conv(last, &weights.take("conv8/filters")?, Some(&bias), 1, Border::Valid)?;
        Ok(Self { network: graph.finish(&[last])?, size })
    }

    /// Finds faces whose score is above `threshold`, best first.
    pub(crate) fn detect(&self, picture: &RgbImage, threshold: f64) -> Result<Vec<Face>, ModelError> {
        let planes = square_planes(picture, Frame::of(picture), self.size, Padding::After, MEAN);
        let grid = self.network.run(self.size, &planes)?.swap_remove(0);
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        // The package rounds the scaled sides before it undoes the padding.
        let scale = self.size as f64 / width.max(height);
        let stretch = |length: f64| self.size as f64 / (length * scale).round() * length / grid.size as f64;
        let (cell_width, cell_height) = (stretch(width), stretch(height));
        let mut faces = Vec::new();
        for row in 0..grid.size {
            for column in 0..grid.size {
                for (anchor, (anchor_width, anchor_height)) in ANCHORS.iter().enumerate() {
                    let value = |k: usize| f64::from(grid.at(anchor * 5 + k, row, column));
                    let score = sigmoid(value(4));
                    if score > threshold {
                        let width = value(2).exp() * anchor_width * cell_width;
                        let height = value(3).exp() * anchor_height * cell_height;
                        let x = (column as f64 + sigmoid(value(0))) * cell_width - width / 2.0;
                        let y = (row as f64 + sigmoid(value(1))) * cell_height - height / 2.0;
                        faces.push(Face { area: Area { x, y, width, height }, score });
                    }
                }
            }
        }
        Ok(crate::detect::keep_best(faces, OVERLAP))
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
