//! What can go wrong between a model file and its quantised execution.

use std::path::PathBuf;

use super::fixed::Scale;

/// The result of reading, lowering, quantising or running a model.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model or an input was refused. No message ever holds a value of the input or of an activation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not a protobuf message of the kind that ONNX models are.
    #[error("not an ONNX model: {0}")]
    Decode(#[from] prost::DecodeError),
    /// The message decodes, but contradicts itself or the ONNX specification.
    #[error("the ONNX model is malformed: {what}")]
    Malformed {
        /// What was found and what was expected.
        what: String,
    },
    /// The model is well-formed, but outside of what is proven (several inputs, dynamic axes, ...).
    #[error("the model cannot be proven: {what}")]
    Unsupported {
        /// What was found and what was expected.
        what: String,
    },
    /// A node whose operator is not in the registry.
    #[error("node {node}: op {op} is not supported; supported: {supported}")]
    UnsupportedOp {
        /// The node's name.
        node: String,
        /// Its operator.
        op: String,
        /// The operators that are supported.
        supported: String,
    },
    /// A node whose operator is supported, but not in this form.
    #[error("node {node} ({op}): {source}{}", depends_on(inputs))]
    Node {
        /// The node's name.
        node: String,
        /// Its operator.
        op: String,
        /// What is wrong with it.
        source: Box<OpError>,
        /// Where an operand should be constant: the model's inputs that it depends on.
        inputs: Vec<String>,
    },
    /// A program that breaks the rules its type states.
    #[error("layer {layer}: malformed program: {what}")]
    Program {
        /// The layer's name, or "outputs".
        layer: String,
        /// The rule.
        what: &'static str,
    },
    /// An input or an accumulator does not fit the limbs.
    #[error("layer {layer}: {what} lies outside of the calibrated range; calibrate with samples that cover this input")]
    Range {
        /// The layer's name, or "input".
        layer: String,
        /// Which quantity.
        what: &'static str,
    },
    /// A layer's accumulator could leave the integers that the executor and the field both represent.
    #[error(
        "layer {layer}: its accumulator could reach 2^{bits}; the limit is 2^{limit} (weights too large or too many)"
    )]
    Overflow {
        /// The layer's name.
        layer: String,
        /// Bits that the worst case takes.
        bits: u32,
        /// Bits there are.
        limit: u32,
    },
    /// No scale has room for what an output is computed from and still tells its values apart.
    #[error(
        "layer {layer}: the scale of its outputs would be 2^{}, and their range needs 2^{}: what they are sums of is far larger than \
         they are",
        scale.0, needed.0
    )]
    Coarse {
        /// The layer's name.
        layer: String,
        /// The finest scale that there is room for.
        scale: Scale,
        /// The coarsest that will do.
        needed: Scale,
    },
    /// A weight, a bias or a constant cannot be represented.
    #[error("layer {layer}: {what} is not finite or too large to be quantised")]
    Weight {
        /// The layer's name.
        layer: String,
        /// Which parameter.
        what: &'static str,
    },
    /// A calibration that is not one of the model.
    #[error("the calibration is not one of this model: {what}")]
    Calibration {
        /// What was found and what was expected.
        what: String,
    },
    /// Limbs outside of what a trace can hold.
    #[error(transparent)]
    Limbs(#[from] tapeout_verifier::fixed::LimbsError),
    /// A sample or an input of the wrong length.
    #[error("{what}: expected {expected} values, got {got}")]
    Length {
        /// Which vector.
        what: String,
        /// How many values the model takes.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A sample or an input that holds NaN or an infinity.
    #[error("{what}: value {index} is not a finite number")]
    NotFinite {
        /// Which vector.
        what: String,
        /// Position of the first such value.
        index: usize,
    },
    /// An input file that cannot be understood.
    #[error("{what}: {problem}")]
    Input {
        /// The file.
        what: String,
        /// What was expected and what was found.
        problem: String,
    },
}

fn depends_on(inputs: &[String]) -> String {
    match inputs {
        [] => String::new(),
        names => format!("; it depends on the model's input {}", names.join(", ")),
    }
}

/// Why one node cannot be lowered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// The wrong number of inputs or outputs.
    #[error("expected {expected} {what}, got {got}")]
    Arity {
        /// "inputs" or "outputs".
        what: &'static str,
        /// How many the operator has.
        expected: String,
        /// How many the node has.
        got: usize,
    },
    /// An input that must be there is not.
    #[error("input {name} is missing")]
    MissingInput {
        /// The input's name in the ONNX specification.
        name: &'static str,
    },
    /// An input that must be known when the model is compiled depends on the model's input.
    #[error("input {name} must be a constant")]
    NotConstant {
        /// The input's name in the ONNX specification.
        name: &'static str,
        /// Its position.
        input: usize,
    },
    /// An attribute with a value that is wrong or not supported, or that the operator does not have.
    #[error("attribute {name}: expected {expected}, got {got}")]
    Attribute {
        /// The attribute.
        name: String,
        /// What it may be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// Shapes that do not fit.
    #[error("{what}: expected {expected}, got {got:?}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// What its shape must be.
        expected: String,
        /// What it is.
        got: Vec<usize>,
    },
    /// A tensor too large to be laid out.
    #[error("a tensor of shape {shape:?} has more than {limit} elements")]
    TooLarge {
        /// The tensor's shape.
        shape: Vec<usize>,
        /// The largest number of elements.
        limit: usize,
    },
    /// A constant that is NaN, infinite, zero where it divides, or out of bounds.
    #[error("constant {name}: {problem}")]
    Constant {
        /// Which input.
        name: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// A form of the operator that is not supported.
    #[error("{what}")]
    Unsupported {
        /// What was found and what is supported.
        what: String,
    },
}
