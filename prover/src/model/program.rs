//! The program: a network as the proof system sees it, a list of layers over activations.
//!
//! Every operator that costs no slot of its own (convolution, Gemm, pooling by averages, batch normalisation, sums, pads,
//! constants) is part of a layer's *linear map*; every operator that moves data (reshape, transpose, concatenation) is part of
//! which activation a read refers to. What remains of a network is one loop: linear map, then one [`Act`] per layer.
//!
//! The same structure is used with weights in `f64` (the imported model, for calibration) and in `i64` (quantised, what is
//! proven); [`crate::model::execute`] runs both.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A network with weights of type `W`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program<W> {
    /// Shape of the one input tensor, as the model states it.
    pub input_shape: Vec<usize>,
    /// Shape of the one output tensor.
    pub output_shape: Vec<usize>,
    /// The layers, each reading the input and earlier layers only.
    pub layers: Vec<Layer<W>>,
    /// The output tensor in row-major order. Every element refers to a layer.
    pub outputs: Vec<Source<W>>,
}

/// One linear map and the activation behind it.
///
/// The pre-activation of channel `o` at position `p` (one index per entry of `dims`) is
/// `u[o, p] = bias[o] + sum over terms, over taps (slot, w) of channel o: w * block[slot + sum_d p_d * strides[d]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer<W> {
    /// The ONNX node (or nodes) that this layer stems from, for messages.
    pub name: String,
    /// Number of output channels.
    pub channels: usize,
    /// Counts of the position axes, outermost first; at most [`MAX_DIMS`]. For [`Act::MaxPool`] the last two are the window's.
    pub dims: Vec<usize>,
    /// What is summed.
    pub terms: Vec<Term<W>>,
    /// One per channel.
    pub bias: Vec<W>,
    /// What follows the sum.
    pub act: Act,
}

/// The largest number of position axes of a layer.
pub const MAX_DIMS: usize = 4;

/// One operand of a layer's linear map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term<W> {
    /// What is read, laid out so that moving the position moves every tap by a constant: for a convolution, the padded image.
    pub block: Vec<Source<W>>,
    /// How far one step along each position axis moves the taps within the block.
    pub strides: Vec<usize>,
    /// The weights.
    pub taps: Taps<W>,
}

/// Per channel `(slot, weight)`, slots ascending. Shared, not copied: keys and circuit refer to one set of weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Taps<W>(Arc<Vec<Vec<(u32, W)>>>);

impl<W> Default for Taps<W> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<W> std::ops::Deref for Taps<W> {
    type Target = [Vec<(u32, W)>];
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<W: Clone> std::ops::DerefMut for Taps<W> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        let channels: &mut Vec<_> = Arc::make_mut(&mut self.0);
        channels
    }
}

impl<'a, W> IntoIterator for &'a Taps<W> {
    type Item = &'a Vec<(u32, W)>;
    type IntoIter = std::slice::Iter<'a, Vec<(u32, W)>>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<W> FromIterator<Vec<(u32, W)>> for Taps<W> {
    fn from_iter<I: IntoIterator<Item = Vec<(u32, W)>>>(channels: I) -> Self {
        Self(Arc::new(channels.into_iter().collect()))
    }
}

impl<W> From<Vec<Vec<(u32, W)>>> for Taps<W> {
    fn from(channels: Vec<Vec<(u32, W)>>) -> Self {
        Self(Arc::new(channels))
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Source<W> {
    /// Element of the input tensor, row-major.
    Input(u32),
    /// Element of the output of a layer, by `(channel, positions...)` row-major; for [`Act::MaxPool`] without the window axes.
    Layer {
        /// Which layer.
        layer: u32,
        /// Which element.
        index: u32,
    },
    /// A constant, such as the zero of a pad.
    Const(W),
}

/// What follows a linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// `y = round(u / 2^s)`, one slot.
    Requant,
    /// `y = max(0, round(u / 2^s))`, one slot.
    Relu,
    /// `y = round(max over the window of u / 2^s)`, with `max(0, .)` if `relu`; a slot per window element and one that closes.
    MaxPool {
        /// Whether a ReLU is fused in.
        relu: bool,
    },
}

impl<W> Layer<W> {
    /// Number of positions, the window's axes included.
    pub fn positions(&self) -> usize {
        self.dims.iter().product()
    }

    /// Number of elements of the window that one output takes the maximum of: 1 unless this is a pool.
    pub fn window(&self) -> usize {
        match self.act {
            Act::MaxPool { .. } => self.dims[self.dims.len() - 2..].iter().product(),
            Act::Requant | Act::Relu => 1,
        }
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.channels * self.positions() / self.window()
    }
}
