//! The program: a network as the proof system sees it, a list of layers over activations.
//!
//! Every operator that costs no slot of its own (convolution, Gemm, pooling by averages, batch normalisation, sums, pads,
//! constants) is part of a layer's *linear map*; every operator that moves data (reshape, transpose, concatenation) is part of
//! which activation a read refers to. What remains of a network is one loop: linear map, then one [`Act`] per layer. A few acts
//! read pairs of values instead ([`Layer::operands`]): products, and what is composed from them.
//!
//! The same structure is used with weights in `f64` (the imported model, for calibration) and in `i64` (quantised, what is
//! proven); [`crate::model::execute`] runs both. A program in floats may hold [`Act::Composite`]s and [`Function::Curve`]s,
//! which quantisation replaces by layers and tables; a quantised one may hold advice and assertions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::curve::Curve;
use super::fixed::Scale;

/// A network with weights of type `W`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program<W> {
    /// Shape of the one input tensor, as the model states it.
    pub input_shape: Vec<usize>,
    /// The input's scale where the model fixes it: 0 for integers. Otherwise calibration chooses it.
    pub input_scale: Option<Scale>,
    /// Shape of the one output tensor.
    pub output_shape: Vec<usize>,
    /// The layers, each reading the input and earlier layers only.
    pub layers: Vec<Layer<W>>,
    /// What [`Act::Function`]s refer to.
    pub functions: Vec<Function<W>>,
    /// The output tensor in row-major order. No element is a constant.
    pub outputs: Vec<Source<W>>,
}

/// One linear map and the activation behind it.
///
/// The pre-activation of channel `o` at position `p` (one index per entry of `dims`) is
/// `u[o, p] = bias[o] + sum over terms, over taps (slot, w) of channel o: w * block[slot + sum_d p_d * strides[d]]`.
///
/// Acts that read pairs of values have no linear map: no terms and no bias, and [`Layer::operands`] instead.
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
    /// What acts without a linear map read: per operand one value per element, or a matrix ([`Act::MatMul`]).
    pub operands: Vec<Vec<Source<W>>>,
    /// The scale of the outputs where the model fixes it: 0 makes them integers, rounded in floats too, so that comparisons and
    /// indices are exact. Otherwise calibration chooses it.
    pub scale: Option<Scale>,
}

impl<W> Default for Layer<W> {
    fn default() -> Self {
        Self {
            name: String::new(),
            channels: 0,
            dims: Vec::new(),
            terms: Vec::new(),
            bias: Vec::new(),
            act: Act::Requant,
            operands: Vec::new(),
            scale: None,
        }
    }
}

/// A function of one variable, proven by looking up a segment of a piecewise-linear table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Function<W> {
    /// To be tabulated over the calibrated range of its argument. In programs in floats only.
    Curve(Curve),
    /// Row `key` is `(value, rise)`: the value at `key`, and how much it rises up to `key + 1`. An argument outside of
    /// `0 .. rows` is refused.
    Table(Vec<(W, W)>),
}

pub use tapeout_verifier::plonk::linear::MAX_DIMS;

/// The largest number of position axes in a program of one inference: one more is a batch's.
pub const INFERENCE_DIMS: usize = MAX_DIMS - 1;

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

/// What follows a linear map, or stands in its place.
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
    /// `y = floor(u / 2^s)`; asserts that `u` is not negative. One slot.
    Floor,
    /// Asserts `u = 0`. One slot, no output.
    Zero,
    /// `y = f(u)`, `f` being [`Program::functions`]' entry of this index. One slot. The output is *raw*: it has `s` bits more than
    /// other values, and is meant for a [`Act::Requant`] layer that reads it with weight 1.
    Function(u32),
    /// `y = round(factor a b / 2^s)`, element by element of the two operands. One slot of the first lane.
    Product {
        /// Carries the scales; 1 in a program in floats, where nothing is rounded.
        factor: i64,
    },
    /// `y = a b`, exactly. One slot of the first lane. The output is raw: as wide as both factors together.
    RawProduct,
    /// A value that the prover chooses; honestly by this rule. It is in range and nothing else: layers behind it must assert
    /// what makes it unique. One slot. In quantised programs only.
    Advice(Rule),
    /// `y[i, b, j] = round(factor sum_k left[b, i, k] right[b, k, j] / 2^s)`: channel `i`, positions `(b, j)`; the operands are
    /// row-major. One slot an output, no slot a multiplication.
    MatMul {
        /// As in [`Act::Product`].
        factor: i64,
    },
    /// What quantisation makes several layers of. In programs in floats only.
    Composite(Composite),
}

/// How an honest prover finds a value that is proven by assertions on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// `floor((2^numerator a + floor(2^denominator b / 2)) / (2^denominator b))` for operands `a` and `b >= 1`.
    Quotient {
        /// Shift of `a`.
        numerator: u32,
        /// Shift of `b`.
        denominator: u32,
    },
    /// `floor(sqrt(2^shift v))` for the operand `v >= 0`.
    SquareRoot {
        /// Shift of `v`.
        shift: u32,
    },
    /// `floor(sqrt(2^shift / v))` for the operand `v >= 1`.
    ReciprocalSquareRoot {
        /// Shift of 1.
        shift: u32,
    },
}

/// An operation on reals that takes more than one layer to prove; see `model/composite.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Composite {
    /// `a / b` of the two operands, element by element; `b` must be positive.
    Divide,
    /// The square root of the operand, which must not be negative.
    SquareRoot,
    /// One over the square root of the operand, which must be positive.
    ReciprocalSquareRoot,
    /// 1 where the linear map's value is negative, 0 elsewhere; exact on what is read. Its scale is 0.
    Negative,
}

impl Composite {
    /// Number of operands; 0 for what has a linear map.
    fn operands(self) -> usize {
        match self {
            Self::Divide => 2,
            Self::SquareRoot | Self::ReciprocalSquareRoot => 1,
            Self::Negative => 0,
        }
    }
}

impl Rule {
    /// Number of operands.
    fn operands(self) -> usize {
        match self {
            Self::Quotient { .. } => 2,
            Self::SquareRoot { .. } | Self::ReciprocalSquareRoot { .. } => 1,
        }
    }
}

impl Act {
    /// Number of operands; 0 for what has a linear map.
    pub fn operands(self) -> usize {
        match self {
            Self::Requant | Self::Relu | Self::MaxPool { .. } | Self::Floor | Self::Zero | Self::Function(_) => 0,
            Self::Product { .. } | Self::RawProduct | Self::MatMul { .. } => 2,
            Self::Advice(rule) => rule.operands(),
            Self::Composite(composite) => composite.operands(),
        }
    }

    /// Whether outputs are wider than a slot's high limbs: read by linear maps and products that account for it.
    pub fn is_raw(self) -> bool {
        matches!(self, Self::Function(_) | Self::RawProduct)
    }
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
            _ => 1,
        }
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        match self.act {
            Act::Zero => 0,
            _ => self.channels * self.positions() / self.window(),
        }
    }

    /// Everything that is read, in no particular order.
    pub fn sources(&self) -> impl Iterator<Item = &Source<W>> {
        self.terms
            .iter()
            .flat_map(|t| &t.block)
            .chain(self.operands.iter().flatten())
    }

    /// What is read as one tensor each: the blocks of the linear map, and the operands.
    pub fn blocks(&self) -> impl Iterator<Item = &Vec<Source<W>>> {
        self.terms.iter().map(|term| &term.block).chain(&self.operands)
    }

    /// Of a [`Act::MatMul`]: the number of terms of a scalar product.
    pub fn inner(&self) -> usize {
        let rows = self.channels * self.dims.first().copied().unwrap_or(1);
        self.operands.first().map_or(0, Vec::len) / rows.max(1)
    }
}
