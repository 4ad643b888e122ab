//! The convolution of each channel by itself, as an operation of the inference engine. The engine's own looks up each
//! input of each output, and took more than a third of SSD; here a row is computed at a time, which the compiler turns
//! into vector instructions.

use tract_core::internal::*;

use super::Border;

/// Side of all depthwise filters of these networks.
const KERNEL: usize = 3;

/// The convolution that follows multiplies matrices of so many pixels at least, where that is asked for.
const BAND: usize = 512;

/// A depthwise convolution of 3 × 3, with its bias and what follows it. Its planes are squares, whatever their shape says.
#[derive(Debug, Clone)]
pub(super) struct Depthwise {
    /// Nine weights per channel, row by row.
    pub(super) filters: Arc<Vec<[f32; KERNEL * KERNEL]>>,
    /// One per channel.
    pub(super) bias: Arc<Vec<f32>>,
    /// Pixels from one output to the next.
    pub(super) stride: usize,
    /// What lies around the planes.
    pub(super) border: Border,
    /// Outputs are cut off here, and at zero, if anywhere.
    pub(super) ceiling: Option<f32>,
    /// Whether the output says that its planes have few long rows: the engine takes a row at a time to be the columns of
    /// a matrix, and short ones waste its kernels, which work on twelve at once.
    pub(super) in_bands: bool,
}

impl Depthwise {
    /// The shape of the output.
    fn output_shape(&self, channels: usize, size: usize) -> [usize; 4] {
        let rows = (1..=size).find(|rows| self.in_bands && size.is_multiple_of(*rows) && rows * size >= BAND);
        let rows = rows.unwrap_or(if self.in_bands { size } else { 1 });
        [1, channels, size / rows, size * rows]
    }

    /// Rows of the output, and rows of zeros above the input.
    fn geometry(&self, size: usize) -> (usize, usize) {
        match self.border {
            Border::Valid => ((size - KERNEL) / self.stride + 1, 0),
            Border::One => ((size + 2 - KERNEL) / self.stride + 1, 1),
            Border::Same => {
                let output = size.div_ceil(self.stride);
                let zeros = ((output - 1) * self.stride + KERNEL).saturating_sub(size);
                (output, zeros / 2)
            }
        }
    }
}

impl Op for Depthwise {
    fn name(&self) -> StaticName {
        "Depthwise".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Depthwise {
    fn is_stateless(&self) -> bool {
        true
    }

    fn eval(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (channels, size) = square(input.shape())?;
        let (output_size, before) = self.geometry(size);
        let shape = self.output_shape(channels, output_size);
        // With room for the zeros around, and for the last window of an odd stride.
        let width = (output_size * self.stride + KERNEL).max(size + before);
        let mut padded = vec![0.0; width * width];
        let pad = |plane: &[f32], padded: &mut [f32]| {
            for (row, line) in plane.chunks_exact(size).zip(padded.chunks_exact_mut(width).skip(before)) {
                line[before..before + size].copy_from_slice(row);
            }
        };
        let filters = self.filters.iter().zip(self.bias.iter());
        if output_size == size {
            // A plane is done with once it is padded, and its memory warm.
            let mut planes = input.into_tensor();
            for (plane, (filter, bias)) in planes.as_slice_mut::<f32>()?.chunks_exact_mut(size * size).zip(filters) {
                pad(plane, &mut padded);
                self.convolve(&padded, width, filter, *bias, plane);
            }
            planes.set_shape(&shape)?;
            return Ok(tvec![planes.into_tvalue()]);
        }
        let mut output = Tensor::zero::<f32>(&shape)?;
        let planes = input.as_slice::<f32>()?.chunks_exact(size * size);
        let outputs = output.as_slice_mut::<f32>()?.chunks_exact_mut(output_size * output_size);
        for ((plane, output), (filter, bias)) in planes.zip(outputs).zip(filters) {
            pad(plane, &mut padded);
            self.convolve(&padded, width, filter, *bias, output);
        }
        Ok(tvec![output.into_tvalue()])
    }
}

impl Depthwise {
    /// One plane of outputs from a plane with zeros around, of rows of `width`.
    fn convolve(&self, padded: &[f32], width: usize, filter: &[f32; KERNEL * KERNEL], bias: f32, output: &mut [f32]) {
        for (y, out) in output.chunks_exact_mut(output.len().isqrt()).enumerate() {
            let rows = std::array::from_fn(|down| &padded[(y * self.stride + down) * width..][..width]);
            if self.stride == 1 {
                line::<1>(rows, filter, bias, out)
            } else {
                line::<2>(rows, filter, bias, out)
            }
            if let Some(ceiling) = self.ceiling {
                for value in out {
                    *value = value.max(0.0).min(ceiling);
                }
            }
        }
    }
}

/// Number and side of square planes, whatever rows their shape divides them into.
pub(super) fn square(shape: &[usize]) -> TractResult<(usize, usize)> {
    let &[1, channels, rows, columns] = shape else { bail!("planes of shape {shape:?}") };
    let size = (rows * columns).isqrt();
    ensure!(size * size == rows * columns, "planes that are no squares: {rows} × {columns}");
    Ok((channels, size))
}

impl TypedOp for Depthwise {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = inputs[0].shape.as_concrete().context("the size of a layer is not known")?;
        let (channels, size) = square(shape)?;
        let (size, _) = self.geometry(size);
        Ok(tvec![f32::fact(self.output_shape(channels, size))])
    }

    as_op!();
}

/// One row of outputs from three rows of inputs.
fn line<const STRIDE: usize>(rows: [&[f32]; KERNEL], filter: &[f32; KERNEL * KERNEL], bias: f32, out: &mut [f32]) {
    let count = out.len();
    out.fill(bias);
    for (row, weights) in rows.into_iter().zip(filter.as_chunks::<KERNEL>().0) {
        // Three views of a row, each one pixel on, of equal and known length: no bounds are left to check.
        let [first, second, third] = std::array::from_fn(|right| &row[right..][..(count - 1) * STRIDE + 1]);
        let views = first.iter().step_by(STRIDE).zip(second.iter().step_by(STRIDE)).zip(third.iter().step_by(STRIDE));
        for (out, ((a, b), c)) in out.iter_mut().zip(views) {
            *out += a * weights[0] + b * weights[1] + c * weights[2];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::{Finish, Graph, Weight};

    /// Against the engine's own convolution, which the descriptor network uses.
    #[test]
    fn the_same_as_a_sparse_full_convolution() {
        let channels = 3;
        let noise = |i: usize| ((i * 7919 % 97) as f32 - 48.0) / 32.0;
        let filters: Vec<f32> = (0..9 * channels).map(noise).collect();
        let bias: Vec<f32> = (0..channels).map(|i| noise(i + 500)).collect();
        // Height, width, in, out: zero unless in and out are the same channel.
        let full = (0..9 * channels * channels)
            .map(|i| {
                if i / channels % channels == i % channels {
                    filters[i / (channels * channels) * channels + i % channels]
                } else {
                    0.0
                }
            })
            .collect();
        let full = Weight { shape: vec![3, 3, channels, channels], values: full };
        let own = Weight { shape: vec![3, 3, channels, 1], values: filters };
        for size in [3, 4, 7, 16, 21, 64] {
            for (stride, border) in [
                (1, Border::Same),
                (2, Border::Same),
                (1, Border::One),
                (2, Border::One),
                (1, Border::Valid),
                (2, Border::Valid),
            ] {
                let planes: Vec<f32> = (0..3 * size * size).map(|i| noise(i + 1000)).collect();
                let run = |in_bands: Option<bool>| {
                    let (mut graph, input) = Graph::new(size).expect("an input");
                    let output = if let Some(in_bands) = in_bands {
                        let finish = Finish { ceiling: None, in_bands };
                        graph.depthwise(input, &own, Some(&bias), stride, border, finish)
                    } else {
                        graph.conv(input, &full, Some(&bias), stride, border)
                    };
                    let network = graph.finish(&[output.expect("a layer")]).expect("a network");
                    network.run(size, &planes).expect("a run").swap_remove(0)
                };
                let (left, right) = (run(Some(size % 2 == 0)), run(None));
                assert_eq!((left.size, left.channels), (right.size, right.channels), "{size} {stride} {border:?}");
                for channel in 0..channels {
                    for row in 0..left.size {
                        for column in 0..left.size {
                            let (a, b) = (left.at(channel, row, column), right.at(channel, row, column));
                            assert!((a - b).abs() < 1e-4, "{size} {stride} {border:?}: {a} and {b}");
                        }
                    }
                }
            }
        }
    }
}
