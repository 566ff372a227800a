//! Models: import, calibration, quantisation and the exact integer executor.

pub mod accuracy;
mod advice;
mod batch;
pub mod calibrate;
pub mod curve;
pub mod cut;
pub mod error;
pub mod execute;
mod expand;
pub(crate) mod graph;
pub mod interval;
pub mod io;
pub(crate) mod lower;
mod onnx;
pub mod program;
pub mod quantise;
mod scales;
pub(crate) mod tensor;
mod validate;
pub(crate) mod value;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sha3::{Digest, Keccak256};

pub use calibrate::Calibration;
pub use error::{Error, OpError, Result};
pub use graph::Input as Port;
pub use program::Program;
pub use quantise::Quantised;
pub use tapeout_verifier::fixed::{self, Limbs, LimbsError, Scale};
pub use tensor::{Data, Element, Tensor};

/// An imported model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Keccak-256 of the file.
    pub hash: [u8; 32],
    /// What the file holds.
    pub summary: Summary,
    /// The inputs; the program's one input is all of them, one behind the other.
    pub inputs: Vec<Port>,
    /// The outputs; the program's one output is all of them, one behind the other.
    pub outputs: Vec<Port>,
    /// The network, in floats.
    pub program: Program<f64>,
}

/// How a model is read, beyond what its file says.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// Inputs, by name, that are constants with these values. Where operators need a value when the model is compiled (a shape,
    /// the bounds of a slice), an input cannot give it in any other way.
    pub constants: BTreeMap<String, Tensor>,
    /// Whether outputs that depend on no input are accepted.
    pub constant_outputs: bool,
}

/// What a model file holds, as far as its output depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Number of nodes.
    pub nodes: usize,
    /// Number of nodes per operator.
    pub ops: BTreeMap<String, usize>,
    /// Number of floating-point parameters.
    pub params: usize,
    /// Multiplications by weights per inference.
    pub macs: u64,
}

impl Model {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// [`Error::Io`], and those of [`Model::from_bytes`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Io {
            path: path.into(),
            source,
        })?;
        Self::from_bytes(&bytes)
    }

    /// Reads an ONNX model.
    ///
    /// # Errors
    /// [`Error::Decode`] and [`Error::Malformed`] for what is no model, [`Error::Unsupported`], [`Error::UnsupportedOp`] and
    /// [`Error::Node`] for one that cannot be proven.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::import(bytes, &Import::default())
    }

    /// Reads an ONNX model, some of whose inputs are given.
    ///
    /// # Errors
    /// Those of [`Model::from_bytes`]; [`Error::Unsupported`] for constants that are no inputs of the model.
    pub fn import(bytes: &[u8], import: &Import) -> Result<Self> {
        let graph = onnx::read(bytes, &import.constants)?;
        let mut ops = BTreeMap::new();
        graph
            .nodes
            .iter()
            .for_each(|n| *ops.entry(n.op.clone()).or_default() += 1);
        let floats = graph
            .initializers
            .values()
            .map(|c| &c.tensor)
            .filter(|t| matches!(t.data, tensor::Data::Float(_)));
        let (nodes, params) = (graph.nodes.len(), floats.map(tensor::Tensor::len).sum());
        let lowered = lower::lower(&graph)?;
        lowered.program.validate()?;
        let reads_input = |l: &program::Layer<f64>| l.sources().any(|s| matches!(s, program::Source::Input(_)));
        if !import.constant_outputs && !lowered.program.layers.iter().any(reads_input) {
            return Err(Error::Unsupported {
                what: "its output does not depend on its input".into(),
            });
        }
        Ok(Self {
            hash: Keccak256::digest(bytes).into(),
            summary: Summary {
                nodes,
                ops,
                params,
                macs: lowered.macs,
            },
            inputs: graph.inputs,
            outputs: lowered.outputs,
            program: lowered.program,
        })
    }
}
