//! The later rows of the cascade: small networks over gradients (SURF) in a window of 40 × 40 pixels.

use image::GrayImage;

use super::{
    WINDOW,
    model::Reader,
    pyramid::{Tap, mix, taps},
};

const SIDE: usize = WINDOW as usize;

/// Gradients are summed up separately by their signs: dx and |dx| where dy is not negative and where it is, then dy and
/// |dy| where dx is not negative and where it is.
const CHANNELS: usize = 8;

/// A feature is made of two rows of two cells.
const CELLS: usize = 4;

/// Numbers of one feature.
const FEATURE: usize = CELLS * CHANNELS;

/// A place for a feature in the window.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// All features there are, as the model counts them: five shapes, each in all sizes that fit from 16 pixels on, in
/// places 16 pixels apart.
fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for (across, down) in [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2)] {
        for height in (16..=SIDE).filter(|height| height % 2 == 0 && height % down == 0) {
            let width = height / down * across;
            if width % 2 != 0 || !(16..=SIDE).contains(&width) {
                continue;
            }
            for y in (0..=SIDE - height).step_by(16) {
                places.extend((0..=SIDE - width).step_by(16).map(|x| Place { x, y, width, height }));
            }
        }
    }
    places
}

/// A network: fully connected layers, rectified ones and a logistic one at the end.
pub(super) struct Network {
    features: Vec<Place>,
    threshold: f32,
    layers: Vec<Layer>,
}

struct Layer {
    /// Input by input, so that all outputs of an input lie side by side.
    weights: Vec<f32>,
    biases: Vec<f32>,
}

impl Network {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let (layers, features) = (reader.count()?, reader.count()?);
        let all = places();
        let features: Vec<Place> =
            (0..features).map(|_| all.get(reader.count()?.checked_sub(1)?).copied()).collect::<Option<_>>()?;
        let threshold = reader.number()?;
        let mut inputs = reader.count()?;
        if inputs != features.len() * FEATURE {
            return None;
        }
        let mut network = Self { features, threshold, layers: Vec::new() };
        for _ in 1..layers {
            let outputs = reader.count()?;
            let weights = reader.numbers(inputs * outputs)?;
            let turned = (0..inputs * outputs).map(|i| weights[i % outputs * inputs + i / outputs]).collect();
            network.layers.push(Layer { weights: turned, biases: reader.numbers(outputs)? });
            inputs = outputs;
        }
        (inputs == 4).then_some(network)
    }

    /// Score, shift to the right and down, growth; `None` where there is no face.
    pub(super) fn run(&self, patch: &mut Patch) -> Option<[f32; 4]> {
        let Patch { sums, input, output, .. } = patch;
        input.clear();
        for place in &self.features {
            place.describe(sums, input);
        }
        for (i, layer) in self.layers.iter().enumerate() {
            layer.run(input, output);
            let is_last = i + 1 == self.layers.len();
            for value in output.iter_mut() {
                *value = if is_last { 1.0 / (1.0 + (-*value).exp()) } else { value.max(0.0) };
            }
            std::mem::swap(input, output);
        }
        let result = *input.first_chunk()?;
        (result[0] > self.threshold).then_some(result)
    }
}

impl Layer {
    fn run(&self, input: &[f32], output: &mut Vec<f32>) {
        let outputs = self.biases.len();
        output.clear();
        output.resize(outputs, 0.0);
        for (value, weights) in input.iter().zip(self.weights.chunks_exact(outputs)) {
            for (sum, weight) in output.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
        for (sum, bias) in output.iter_mut().zip(&self.biases) {
            *sum += bias;
        }
    }
}

/// A window of the picture, scaled, with what the features are made of. Buffers are kept.
pub(super) struct Patch {
    pixels: [[i32; SIDE]; SIDE],
    /// For each corner between pixels, the sums of all channels above and to the left of it.
    sums: Box<[[[i32; CHANNELS]; SIDE + 1]; SIDE + 1]>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Default for Patch {
    fn default() -> Self {
        Self {
            pixels: [[0; SIDE]; SIDE],
            sums: Box::new([[[0; CHANNELS]; SIDE + 1]; SIDE + 1]),
            input: Vec::new(),
            output: Vec::new(),
        }
    }
}

impl Patch {
    /// Takes a square out of the picture, black where it reaches beyond. Its side is 2 at least.
    pub(super) fn look_at(&mut self, gray: &GrayImage, x: i32, y: i32, side: u32) {
        let mut columns = [Tap { first: 0, share: 0.0 }; SIDE];
        for (column, tap) in columns.iter_mut().zip(taps(side as usize, SIDE)) {
            *column = tap;
        }
        let mut beyond = [Vec::new(), Vec::new()];
        for (row, pixels) in taps(side as usize, SIDE).zip(&mut self.pixels) {
            let [first, second] = &mut beyond;
            let upper = line(gray, x, i64::from(y) + row.first as i64, side, first);
            let lower = line(gray, x, i64::from(y) + row.first as i64 + 1, side, second);
            for (column, pixel) in columns.iter().zip(pixels) {
                let pair = |line: &[u8]| [line[column.first], line[column.first + 1]];
                *pixel = i32::from(mix(pair(upper), pair(lower), column.share, row.share));
            }
        }
        self.sum_up();
    }

    fn sum_up(&mut self) {
        let pixels = &self.pixels;
        // Central differences; at the border one-sided ones, doubled.
        let difference = |before: i32, after: i32, i: usize| {
            if i == 0 || i == SIDE - 1 { (after - before) << 1 } else { after - before }
        };
        for y in 0..SIDE {
            let (above, below) = (&pixels[y.saturating_sub(1)], &pixels[(y + 1).min(SIDE - 1)]);
            let line = &pixels[y];
            let (before, after) = self.sums.split_at_mut(y + 1);
            let mut row = [0; CHANNELS];
            for x in 0..SIDE {
                let dx = difference(line[x.saturating_sub(1)], line[(x + 1).min(SIDE - 1)], x);
                let dy = difference(above[x], below[x], y);
                // All ones where the gradient is negative.
                let (up, left) = (dy >> 31, dx >> 31);
                let (dx_size, dy_size) = (dx.abs(), dy.abs());
                let channels = [
                    dx & !up,
                    dx_size & !up,
                    dx & up,
                    dx_size & up,
                    dy & !left,
                    dy_size & !left,
                    dy & left,
                    dy_size & left,
                ];
                let corner = &mut after[0][x + 1];
                for (channel, value) in channels.into_iter().enumerate() {
                    row[channel] += value;
                    corner[channel] = before[y][x + 1][channel] + row[channel];
                }
            }
        }
    }
}

/// `side` pixels of a row from `x` on; in `beyond`, filled up with black, where they do not all lie in the picture.
fn line<'a>(gray: &'a GrayImage, x: i32, y: i64, side: u32, beyond: &'a mut Vec<u8>) -> &'a [u8] {
    let width = gray.width() as usize;
    let row = usize::try_from(y).ok().and_then(|y| gray.as_raw().chunks_exact(width).nth(y)).unwrap_or_default();
    let inside = usize::try_from(x).ok().and_then(|x| row.get(x..x + side as usize));
    inside.unwrap_or_else(|| {
        let (x, side) = (i64::from(x), i64::from(side));
        beyond.clear();
        beyond
            .extend((x..x + side).map(|at| usize::try_from(at).ok().and_then(|at| row.get(at)).copied().unwrap_or(0)));
        beyond
    })
}

impl Place {
    /// Appends the sums of the cells, scaled to a length of one.
    fn describe(&self, sums: &[[[i32; CHANNELS]; SIDE + 1]; SIDE + 1], input: &mut Vec<f32>) {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut values = [0; FEATURE];
        for (cell, values) in values.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
            let (left, top) = (self.x + cell % 2 * width, self.y + cell / 2 * height);
            let (upper, lower) = (&sums[top], &sums[top + height]);
            for (channel, value) in values.iter_mut().enumerate() {
                *value = lower[left + width][channel] + upper[left][channel]
                    - upper[left + width][channel]
                    - lower[left][channel];
            }
        }
        let squares: f64 = values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        let length = squares.sqrt() as f32;
        input.extend(values.iter().map(|value| if length > 0.0 { *value as f32 / length } else { 0.0 }));
    }
}
