//! The 68 landmarks of a face (jaw, brows, nose, eyes, mouth, in the order of the iBUG 300-W annotation), and where they
//! say that the face is.

use std::path::Path;

use image::RgbImage;

use super::{
    Border, Finish, Graph, ModelError, Network, Weights, Wire, fully_connected,
    input::{Normalization, Padding, square_planes},
};
use crate::geometry::{Area, Point};

/// How many landmarks a face has.
pub const LANDMARKS: usize = 68;

const SIZE: usize = 112;

/// The mean that the landmark network and the descriptor network were trained with.
pub(super) const MEAN: Normalization = Normalization { mean: [122.782, 117.001, 104.298], factor: 1.0 / 255.0 };

/// The landmark network.
pub struct Landmarker {
    network: Network,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Landmarker {
    /// Loads the network from the folder of models.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let weights = &mut Weights::read(folder, "face_landmark_68_model")?;
        let (mut graph, mut last) = Graph::new(SIZE)?;
        for block in 0..4 {
            last = dense_block(&mut graph, weights, last, block)?;
        }
        Ok(Self {
            network: graph.finish(&[last])?,
            weights: weights.values("fc/weights")?,
            bias: weights.values("fc/bias")?,
        })
    }

    /// The landmarks of the face in `area`, or `None` where nothing of the area lies in the picture.
    pub fn find(&self, picture: &RgbImage, area: Area) -> Result<Option<Landmarks>, ModelError> {
        let Some(frame) = area.clipped(picture) else { return Ok(None) };
        let planes = square_planes(picture, frame, SIZE, Padding::Around, MEAN);
        let features = self.network.run(SIZE, &planes)?.swap_remove(0).means();
        let output = fully_connected(&features, &self.weights, Some(&self.bias));

        let (width, height) = (f64::from(frame.width), f64::from(frame.height));
        let scale = SIZE as f64 / width.max(height);
        let padding = |length: f64, other: f64| (other - length).max(0.0) * scale / 2.0;
        let (pad_x, pad_y) = (padding(width, height), padding(height, width));
        let place = |value: f32, pad: f64| (f64::from(value) * SIZE as f64 - pad) / scale;
        let point = |[x, y]: &[f32; 2]| Point { x: place(*x, pad_x) + area.x, y: place(*y, pad_y) + area.y };
        let points = output.as_chunks().0.iter().map(point).collect();
        Ok(Some(Landmarks { points, width, height }))
    }
}

/// The landmarks of one face.
#[derive(Debug, Clone, PartialEq)]
pub struct Landmarks {
    /// In pixels of the picture.
    pub points: Vec<Point>,
    /// Sides of the part of the picture that the network saw.
    width: f64,
    height: f64,
}

impl Landmarks {
    /// The square from which the descriptor is computed: as far around the middle of eyes and mouth as these are apart.
    /// The constants are those of dlib's alignment, as the face-api package uses them.
    pub fn aligned(&self) -> Area {
        let centre = |points: &[Point]| {
            let sum = points
                .iter()
                .fold(Point { x: 0.0, y: 0.0 }, |sum, point| Point { x: sum.x + point.x, y: sum.y + point.y });
            Point { x: sum.x / points.len() as f64, y: sum.y / points.len() as f64 }
        };
        let centres = [centre(&self.points[36..42]), centre(&self.points[42..48]), centre(&self.points[48..68])];
        let to_mouth = |eye: Point| (centres[2].x - eye.x).hypot(centres[2].y - eye.y);
        let side = ((to_mouth(centres[0]) + to_mouth(centres[1])) / 2.0 / 0.45).floor();
        let middle = centre(&centres);
        let x = (middle.x - 0.5 * side).max(0.0).floor();
        let y = (middle.y - 0.43 * side).max(0.0).floor();
        Area { x, y, width: side.min(self.width + x), height: side.min(self.height + y) }
    }
}

/// Four convolutions, each of which sees the sum of all before it.
fn dense_block(graph: &mut Graph, weights: &mut Weights, input: Wire, block: usize) -> Result<Wire, ModelError> {
    let name = |layer: usize, what: &str| format!("dense{block}/conv{layer}/{what}");
    let separable = |graph: &mut Graph, weights: &mut Weights, input: Wire, layer: usize, stride: usize| {
        let filters = weights.take(&name(layer, "depthwise_filter"))?;
        let depthwise = graph.depthwise(input, &filters, None, stride, Border::Same, Finish::default())?;
        let bias = weights.values(&name(layer, "bias"))?;
        graph.conv(depthwise, &weights.take(&name(layer, "pointwise_filter"))?, Some(&bias), 1, Border::Same)
    };
    let first = if block == 0 {
        let bias = weights.values(&name(0, "bias"))?;
        graph.conv(input, &weights.take(&name(0, "filters"))?, Some(&bias), 2, Border::Same)?
    } else {
        separable(graph, weights, input, 0, 2)?
    };
    let mut sum = graph.relu(first)?;
    let mut last = sum;
    for layer in 1..4 {
        let next = separable(graph, weights, last, layer, 1)?;
        sum = graph.add(sum, next)?;
        last = graph.relu(sum)?;
    }
    Ok(last)
}
