//! The operators: each lowers an ONNX node into a linear map, an activation or a movement of data.

mod clip;
mod conv;
mod elementwise;
mod matmul;
mod movement;
mod norm;
mod pool;
mod relu;
mod reshape;
#[cfg(test)]
mod tests;
mod window;

use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::value::Value;

/// An ONNX operator that can be proven.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// Its name in the ONNX specification.
    pub name: &'static str,
    /// Slots that it costs.
    pub slots: &'static str,
    /// What it does, and which forms of it are supported.
    pub doc: &'static str,
    /// The smallest and largest number of inputs.
    pub(crate) inputs: (usize, usize),
    /// The attributes that are understood; any other is refused.
    pub(crate) attributes: &'static [&'static str],
    pub(crate) lower: fn(&mut Lowering, &Node, Inputs) -> Result<Vec<Value>, OpError>,
}

const FREE: &str = "0";
const PER_ELEMENT: &str = "1 per element";

/// Every operator, by name.
#[rustfmt::skip]
const OPS: &[Op] = &[
    Op { name: "Add", slots: FREE, doc: "sum of two tensors, broadcast", inputs: (2, 2), attributes: &[], lower: elementwise::add },
    Op { name: "AveragePool", slots: FREE, doc: "mean over windows, 1 or 2 axes", inputs: (1, 1), attributes: pool::AVERAGE_ATTRIBUTES, lower: pool::average },
    Op { name: "BatchNormalization", slots: FREE, doc: "inference form", inputs: (5, 5), attributes: norm::BATCH_ATTRIBUTES, lower: norm::batch },
    Op { name: "Cast", slots: FREE, doc: "between number types, values unchanged", inputs: (1, 1), attributes: &["to", "saturate"], lower: movement::identity },
    Op { name: "Clip", slots: "1 per element and bound", doc: "to constant bounds (ReLU6)", inputs: (1, 3), attributes: &["min", "max"], lower: clip::clip },
    Op { name: "Concat", slots: FREE, doc: "along any axis", inputs: (1, usize::MAX), attributes: &["axis"], lower: movement::concat },
    Op { name: "Constant", slots: FREE, doc: "a tensor or a number", inputs: (0, 0), attributes: movement::CONSTANT_ATTRIBUTES, lower: movement::constant },
    Op { name: "Conv", slots: FREE, doc: "1 to 3 axes; strides, pads, dilations, groups; constant weights", inputs: (2, 3), attributes: conv::ATTRIBUTES, lower: conv::conv },
    Op { name: "Div", slots: FREE, doc: "by a constant", inputs: (2, 2), attributes: &[], lower: elementwise::div },
    Op { name: "Dropout", slots: FREE, doc: "inference form: identity", inputs: (1, 3), attributes: &["ratio", "seed", "is_test"], lower: movement::dropout },
    Op { name: "Flatten", slots: FREE, doc: "to two axes", inputs: (1, 1), attributes: &["axis"], lower: reshape::flatten },
    Op { name: "Gather", slots: FREE, doc: "with constant indices", inputs: (2, 2), attributes: &["axis"], lower: movement::gather },
    Op { name: "Gemm", slots: FREE, doc: "alpha A B + beta C, one of A and B constant", inputs: (2, 3), attributes: &["alpha", "beta", "transA", "transB"], lower: matmul::gemm },
    Op { name: "GlobalAveragePool", slots: FREE, doc: "mean over all spatial axes", inputs: (1, 1), attributes: &[], lower: pool::global_average },
    Op { name: "GlobalMaxPool", slots: "1 per element read, 1 per output", doc: "maximum over all spatial axes", inputs: (1, 1), attributes: &[], lower: pool::global_max },
    Op { name: "Identity", slots: FREE, doc: "the value itself", inputs: (1, 1), attributes: &[], lower: movement::identity },
    Op { name: "LeakyRelu", slots: PER_ELEMENT, doc: "and 1 more per element where its input is not an activation", inputs: (1, 1), attributes: &["alpha"], lower: relu::leaky },
    Op { name: "MatMul", slots: FREE, doc: "one operand constant; batched positions", inputs: (2, 2), attributes: &[], lower: matmul::matmul },
    Op { name: "MaxPool", slots: "1 per element of each window, 1 per output", doc: "1 or 2 axes; ReLU before or after it costs nothing more", inputs: (1, 1), attributes: pool::MAX_ATTRIBUTES, lower: pool::max },
    Op { name: "Mul", slots: FREE, doc: "by a constant", inputs: (2, 2), attributes: &[], lower: elementwise::mul },
    Op { name: "Neg", slots: FREE, doc: "opposite", inputs: (1, 1), attributes: &[], lower: elementwise::neg },
    Op { name: "PRelu", slots: PER_ELEMENT, doc: "as LeakyRelu, with a constant tensor of slopes", inputs: (2, 2), attributes: &[], lower: relu::parametric },
    Op { name: "Pad", slots: FREE, doc: "constant mode", inputs: (1, 4), attributes: &["mode", "pads", "paddings", "value"], lower: movement::pad },
    Op { name: "ReduceMean", slots: FREE, doc: "mean over constant axes", inputs: (1, 2), attributes: &["axes", "keepdims", "noop_with_empty_axes"], lower: pool::reduce_mean },
    Op { name: "Relu", slots: PER_ELEMENT, doc: "max(0, x), fused with the linear map before it", inputs: (1, 1), attributes: &[], lower: relu::relu },
    Op { name: "Reshape", slots: FREE, doc: "to a constant shape", inputs: (1, 2), attributes: &["shape", "allowzero"], lower: reshape::reshape },
    Op { name: "Shape", slots: FREE, doc: "the shape as a constant", inputs: (1, 1), attributes: &["start", "end"], lower: reshape::shape },
    Op { name: "Slice", slots: FREE, doc: "with constant bounds and steps", inputs: (1, 5), attributes: &["starts", "ends", "axes"], lower: movement::slice },
    Op { name: "Split", slots: FREE, doc: "into constant or equal lengths", inputs: (1, 2), attributes: &["axis", "split", "num_outputs"], lower: movement::split },
    Op { name: "Squeeze", slots: FREE, doc: "removes axes of length 1", inputs: (1, 2), attributes: &["axes"], lower: reshape::squeeze },
    Op { name: "Sub", slots: FREE, doc: "difference of two tensors, broadcast", inputs: (2, 2), attributes: &[], lower: elementwise::sub },
    Op { name: "Transpose", slots: FREE, doc: "permutes axes", inputs: (1, 1), attributes: &["perm"], lower: reshape::transpose },
    Op { name: "Unsqueeze", slots: FREE, doc: "adds axes of length 1", inputs: (1, 2), attributes: &["axes"], lower: reshape::unsqueeze },
];

/// The operators that can be proven, by name.
pub fn supported() -> &'static [Op] {
    OPS
}

pub(crate) fn find(name: &str) -> Option<&'static Op> {
    OPS.iter().find(|op| op.name == name)
}

pub(crate) fn names() -> String {
    OPS.iter().map(|op| op.name).collect::<Vec<_>>().join(", ")
}

/// Whether an operator reads the shape of its input alone, which is known whatever the input is.
pub(crate) fn reads_shape_only(name: &str) -> bool {
    name == "Shape"
}
