//! A network in the making: convolutions and what lies between them, put together layer by layer for the inference
//! engine, which then fuses and lays them out for the processor at hand.
//!
//! Pictures are one channel plane after another (channels, height, width), a batch of one.

use tract_core::{
    internal::{Graph as TractGraph, *},
    ops::{
        cnn::{Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool},
        math, nn,
        nn::DataFormat,
    },
};

use super::{
    ModelError, Weight,
    depthwise::{Depthwise, square},
};

/// What a layer sends on.
pub(crate) type Wire = OutletId;

/// How far a window moves and what happens at the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// The window stays inside.
    Valid,
    /// TensorFlow's `same`: zeros around, more of them at the bottom and the right.
    Same,
    /// One row or column of zeros on each side.
    One,
}

/// What follows a depthwise convolution.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Finish {
    /// Outputs are kept between zero and this, if it is given.
    pub(crate) ceiling: Option<f32>,
    /// Whether planes are handed on with few long rows, which is faster for a convolution of 1 × 1 that follows.
    pub(crate) in_bands: bool,
}

/// A network in the making.
pub(crate) struct Graph {
    model: TypedModel,
    layers: usize,
}

/// A network ready to run, from one picture to one or more stacks of planes.
pub(crate) struct Network {
    plan: TypedSimplePlan<TractGraph<TypedFact, Box<dyn TypedOp>>>,
}

impl Graph {
    /// A network whose input is three planes of `size` × `size`.
    pub(crate) fn new(size: usize) -> Result<(Self, Wire), ModelError> {
        let mut model = TypedModel::default();
        let input = model.add_source("picture", f32::fact([1, 3, size, size]))?;
        Ok((Self { model, layers: 0 }, input))
    }

    /// Height (and width: all planes here are square) and number of the planes on `wire`.
    pub(crate) fn size_and_channels(&self, wire: Wire) -> Result<(usize, usize), ModelError> {
        let shape = self.model.outlet_fact(wire)?.shape.as_concrete();
        let (channels, size) = square(shape.ok_or_else(|| format_err!("the size of a layer is not known"))?)?;
        Ok((size, channels))
    }

    fn wire(&mut self, op: impl Into<Box<dyn TypedOp>>, inputs: &[Wire]) -> Result<Wire, ModelError> {
        self.layers += 1;
        Ok(self.model.wire_node(format!("layer {}", self.layers), op, inputs)?[0])
    }

    fn constant(&mut self, shape: &[usize], values: &[f32]) -> Result<Wire, ModelError> {
        self.layers += 1;
        let tensor = Tensor::from_shape(shape, values)?;
        Ok(self.model.add_const(format!("constant {}", self.layers), tensor)?)
    }

    fn window(kernel: usize, stride: usize, border: Border, channels_in: usize, channels_out: usize) -> PoolSpec {
        let padding = match border {
            Border::Valid => PaddingSpec::Valid,
            Border::Same => PaddingSpec::SameUpper,
            Border::One => PaddingSpec::Explicit(tvec![1, 1], tvec![1, 1]),
        };
        PoolSpec {
            data_format: DataFormat::NCHW,
            kernel_shape: tvec![kernel, kernel],
            padding,
            dilations: None,
            strides: Some(tvec![stride, stride]),
            input_channels: channels_in,
            output_channels: channels_out,
        }
    }

    /// A convolution; without `bias`, zero.
    pub(crate) fn conv(
        &mut self,
        input: Wire,
        filters: &Weight,
        bias: Option<&[f32]>,
        stride: usize,
        border: Border,
    ) -> Result<Wire, ModelError> {
        let &[kernel, _, channels_in, channels_out] = filters.shape.as_slice() else {
            return Err(ModelError::Engine(format_err!("a filter has four axes, not {:?}", filters.shape)));
        };
        let pool_spec = Self::window(kernel, stride, border, channels_in, channels_out);
        // To a window of one pixel all shapes are the same.
        let input = if kernel == 1 && stride == 1 { input } else { self.squared(input)? };
        self.convolve(input, &filters.values, bias, pool_spec)
    }

    /// Planes that come in bands, as squares again.
    fn squared(&mut self, input: Wire) -> Result<Wire, ModelError> {
        let (size, _) = self.size_and_channels(input)?;
        let shape = &self.model.outlet_fact(input)?.shape;
        let (rows, columns) = (shape[2].clone(), shape[3].clone());
        if rows == columns {
            return Ok(input);
        }
        self.wire(AxisOp::Reshape(2, tvec![rows, columns], tvec![size.to_dim(), size.to_dim()]), &[input])
    }

    /// A convolution of each channel by itself.
    pub(crate) fn depthwise(
        &mut self,
        input: Wire,
        filters: &Weight,
        bias: Option<&[f32]>,
        stride: usize,
        border: Border,
        finish: Finish,
    ) -> Result<Wire, ModelError> {
        let &[3, 3, channels, 1] = filters.shape.as_slice() else {
            return Err(ModelError::Engine(format_err!("a depthwise filter is not of shape {:?}", filters.shape)));
        };
        let turned =
            (0..channels).map(|channel| std::array::from_fn(|place| filters.values[place * channels + channel]));
        let op = Depthwise {
            filters: Arc::new(turned.collect()),
            bias: Arc::new(bias.map_or_else(|| vec![0.0; channels], <[f32]>::to_vec)),
            stride,
            border,
            ceiling: finish.ceiling,
            in_bands: finish.in_bands,
        };
        self.wire(op, &[input])
    }

    fn convolve(
        &mut self,
        input: Wire,
        filters: &[f32],
        bias: Option<&[f32]>,
        pool_spec: PoolSpec,
    ) -> Result<Wire, ModelError> {
        // From the package's order (height, width, in, out) to the one that the engine packs from.
        let (area, ins, outs): (usize, usize, usize) =
            (pool_spec.kernel_shape.iter().product(), pool_spec.input_channels, pool_spec.output_channels);
        let turned: Vec<f32> = (0..outs * ins * area)
            .map(|i| {
                let (out, rest) = (i / (ins * area), i % (ins * area));
                filters[(rest % area * ins + rest / area) * outs + out]
            })
            .collect();
        let kernel = pool_spec.kernel_shape[0];
        let filters = self.constant(&[outs, ins, kernel, kernel], &turned)?;
        let bias = match bias {
            Some(bias) => self.constant(&[bias.len()], bias)?,
            None => self.constant(&[pool_spec.output_channels], &vec![0.0; pool_spec.output_channels])?,
        };
        self.wire(Conv { pool_spec, kernel_fmt: KernelFormat::OIHW, group: 1, q_params: None }, &[input, filters, bias])
    }

    /// The sum of two layers of one shape.
    pub(crate) fn add(&mut self, left: Wire, right: Wire) -> Result<Wire, ModelError> {
        self.wire(math::add(), &[left, right])
    }

    /// max(x, 0).
    pub(crate) fn relu(&mut self, input: Wire) -> Result<Wire, ModelError> {
        let zero = self.constant(&[1, 1, 1, 1], &[0.0])?;
        self.wire(math::max(), &[input, zero])
    }

    /// x between 0 and 6.
    pub(crate) fn relu6(&mut self, input: Wire) -> Result<Wire, ModelError> {
        let floor = self.relu(input)?;
        let six = self.constant(&[1, 1, 1, 1], &[6.0])?;
        self.wire(math::min(), &[floor, six])
    }

    /// x, or a tenth of it where it is negative.
    pub(crate) fn leaky_relu(&mut self, input: Wire) -> Result<Wire, ModelError> {
        self.wire(nn::leaky_relu(0.1), &[input])
    }

    /// The largest value in each window.
    pub(crate) fn max_pool(
        &mut self,
        input: Wire,
        kernel: usize,
        stride: usize,
        border: Border,
    ) -> Result<Wire, ModelError> {
        let (_, channels) = self.size_and_channels(input)?;
        let pool_spec = Self::window(kernel, stride, border, channels, channels);
        self.wire(MaxPool { pool_spec, with_index_outputs: None }, &[input])
    }

    /// The mean of each window that lies inside.
    pub(crate) fn average_pool(&mut self, input: Wire, kernel: usize, stride: usize) -> Result<Wire, ModelError> {
        let (_, channels) = self.size_and_channels(input)?;
        let pool_spec = Self::window(kernel, stride, Border::Valid, channels, channels);
        self.wire(SumPool { pool_spec, count_include_pad: false, normalize: true }, &[input])
    }

    /// Zeros after the last channels, rows and columns.
    pub(crate) fn pad_after(&mut self, input: Wire, channels: usize, rows: usize) -> Result<Wire, ModelError> {
        let pads = vec![(0, 0), (0, channels), (0, rows), (0, rows)];
        self.wire(tract_core::ops::array::Pad { pads, ..Default::default() }, &[input])
    }

    /// Closes the network: `outputs` are what a run returns.
    pub(crate) fn finish(mut self, outputs: &[Wire]) -> Result<Network, ModelError> {
        self.model.set_output_outlets(outputs)?;
        Ok(Network { plan: self.model.into_optimized()?.into_runnable()? })
    }
}

impl Network {
    /// Runs the network on a picture: three planes, each `size` × `size`.
    pub(crate) fn run(&self, size: usize, planes: &[f32]) -> Result<Vec<Planes>, ModelError> {
        let input = Tensor::from_shape(&[1, 3, size, size], planes)?;
        let outputs = self.plan.run(tvec![input.into_tvalue()])?;
        outputs.iter().map(|output| Planes::new(output)).collect()
    }
}

/// What a network returns: planes of values.
#[derive(Debug)]
pub(crate) struct Planes {
    /// Number of planes.
    pub(crate) channels: usize,
    /// Rows of each, and columns.
    pub(crate) size: usize,
    values: Vec<f32>,
}

impl Planes {
    fn new(tensor: &Tensor) -> Result<Self, ModelError> {
        let (channels, size) = square(tensor.shape())?;
        Ok(Self { channels, size, values: tensor.as_slice::<f32>()?.to_vec() })
    }

    /// The value of `channel` at a place.
    pub(crate) fn at(&self, channel: usize, row: usize, column: usize) -> f32 {
        self.values[(channel * self.size + row) * self.size + column]
    }

    /// The mean of each plane.
    pub(crate) fn means(&self) -> Vec<f32> {
        let area = self.size * self.size;
        self.values.chunks_exact(area).map(|plane| plane.iter().sum::<f32>() / area as f32).collect()
    }
}

/// A fully connected layer: `input` · `weights` (+ `bias`), the weights stored input by input.
pub(crate) fn fully_connected(input: &[f32], weights: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let outputs = weights.len() / input.len();
    let mut output = bias.map_or_else(|| vec![0.0; outputs], <[f32]>::to_vec);
    for (value, row) in input.iter().zip(weights.chunks_exact(outputs)) {
        for (sum, weight) in output.iter_mut().zip(row) {
            *sum += value * weight;
        }
    }
    output
}
