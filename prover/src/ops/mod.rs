//! The operators: each lowers an ONNX node into a linear map, an activation or a movement of data.

mod attention;
mod clip;
mod combination;
mod compare;
mod constant;
mod conv;
mod einsum;
mod elementwise;
mod function;
mod loss;
mod matmul;
mod movement;
mod norm;
mod order;
mod pool;
mod primitive;
mod quantized;
mod recurrent;
mod reduce;
mod registry;
mod relu;
mod reshape;
mod resize;
mod scatter;
mod select;
mod softmax;
#[cfg(test)]
mod tests;
mod trees;
mod window;

use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::Element;
use crate::model::value::Value;

/// An ONNX operator that can be proven.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// Its name in the ONNX specification, with the domain (`domain::Name`) unless that is ONNX's own.
    pub name: &'static str,
    /// What it becomes: the parts of the proof system that it uses.
    pub lowers_to: &'static str,
    /// Slots that it costs.
    pub slots: &'static str,
    /// What it does, and which forms of it are supported.
    pub doc: &'static str,
    /// The smallest and largest number of inputs.
    pub(crate) inputs: (usize, usize),
    /// The attributes that are understood; any other is refused.
    pub(crate) attributes: &'static [&'static str],
    /// Element types of the outputs; the last counts for all further ones, and none means that of the first input.
    pub(crate) types: &'static [Type],
    pub(crate) lower: fn(&mut Lowering, &Node, Inputs) -> Result<Vec<Value>, OpError>,
}

/// Element type of an output.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type {
    /// That of an input.
    Input(usize),
    /// Always the same.
    Is(Element),
    /// What attributes and inputs say.
    By(fn(&Node, &Lowering) -> Element),
}

const SAME: &[Type] = &[];
const BOOL: &[Type] = &[Type::Is(Element::Bool)];
const INDEX: &[Type] = &[Type::Is(Element::Int64)];
impl Op {
    /// The operator set that it is from.
    pub fn domain(&self) -> &'static str {
        self.name.split_once("::").map_or("ai.onnx", |(domain, _)| domain)
    }

    /// Its name without the domain.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, name)| name)
    }
}

/// The operators that can be proven, by name.
pub fn supported() -> &'static [Op] {
    registry::OPS
}

/// The page docs/ops.md: a table of the operators.
pub fn markdown() -> String {
    let mut page = String::from(include_str!("head.md"));
    for op in supported() {
        let (name, domain) = (op.short_name(), op.domain());
        page += &format!("| {name} | {domain} | {} | {} | {} |\n", op.lowers_to, op.slots, op.doc);
    }
    page
}

pub(crate) fn find(name: &str) -> Option<&'static Op> {
    registry::OPS.iter().find(|op| op.name == name)
}

pub(crate) fn names() -> String {
    registry::OPS.iter().map(|op| op.name).collect::<Vec<_>>().join(", ")
}

/// Whether an operator reads the shape of its input alone, which is known whatever the input is.
pub(crate) fn reads_shape_only(name: &str) -> bool {
    matches!(name, "Shape" | "Size" | "EyeLike")
}
