//! The packed tests, and one of them imported as a person would do it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use serde::Deserialize;
use tapeout_prover::choice::{self, Choice};
use tapeout_prover::model::{Element, Error, Import, Model, OpError, Tensor};
use tapeout_prover::pipeline::SetupOptions;

/// Operators that are constants whenever their inputs are, as the specification's uses of them have it.
const FOLDED: [&str; 7] = [
    "BlackmanWindow",
    "Constant",
    "ConstantOfShape",
    "EyeLike",
    "HammingWindow",
    "HannWindow",
    "Range",
];

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) op: String,
    pub(crate) expanded: bool,
    /// Element types beyond floats, integers and booleans; nothing else is given then.
    pub(crate) types: Option<String>,
    #[serde(default)]
    pub(crate) model: (usize, usize),
    #[serde(default)]
    pub(crate) inputs: Vec<Place>,
    #[serde(default)]
    pub(crate) outputs: Vec<Place>,
}

#[derive(Deserialize)]
pub(crate) struct Place {
    pub(crate) r#type: i32,
    pub(crate) shape: Vec<usize>,
    pub(crate) at: usize,
}

pub(crate) struct Suite {
    pub(crate) cases: Vec<Case>,
    pub(crate) blob: Vec<u8>,
}

impl Suite {
    pub(crate) fn load() -> Self {
        let packed = std::fs::read(root().join("prover/tests/data/conformance.gz")).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut bytes)
            .unwrap();
        let (length, rest) = bytes.split_at(8);
        let (index, blob) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        Self {
            cases: serde_json::from_slice(index).unwrap(),
            blob: blob.to_vec(),
        }
    }

    pub(crate) fn model(&self, case: &Case) -> &[u8] {
        &self.blob[case.model.0..][..case.model.1]
    }

    pub(crate) fn tensor(&self, place: &Place) -> Tensor {
        let element = Element::from_onnx(place.r#type).unwrap();
        let size = place.shape.iter().product::<usize>() * element.size();
        Tensor::from_le_bytes(element, place.shape.clone(), &self.blob[place.at..][..size]).unwrap()
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of the inputs that stay inputs, in order, and the model; inputs that operators need to know are constants.
fn import(bytes: &[u8], values: &BTreeMap<String, Tensor>) -> Result<(Model, Vec<String>), Error> {
    let import = Import {
        constant_outputs: true,
        ..Import::default()
    };
    import_with(bytes, values, import)
}

/// As [`import`], from these constants on.
pub(crate) fn import_with(
    bytes: &[u8],
    values: &BTreeMap<String, Tensor>,
    mut import: Import,
) -> Result<(Model, Vec<String>), Error> {
    loop {
        match Model::import(bytes, &import) {
            Ok(model) => return Ok((model, import.constants.into_keys().collect())),
            Err(Error::Node { inputs, source, .. })
                if matches!(*source, OpError::NotConstant { .. }) && !inputs.is_empty() =>
            {
                import.constants.extend(inputs.into_iter().map(|name| {
                    let value = values[&name].clone();
                    (name, value)
                }));
            }
            Err(error) => return Err(error),
        }
    }
}

/// The model's inputs in the order of the file, which is that of a test's values.
fn input_names(bytes: &[u8]) -> Vec<String> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct ModelProto {
        #[prost(message, optional, tag = "7")]
        graph: Option<GraphProto>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct GraphProto {
        #[prost(message, repeated, tag = "11")]
        input: Vec<ValueInfoProto>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct ValueInfoProto {
        #[prost(string, tag = "1")]
        name: String,
    }
    let model: ModelProto = prost::Message::decode(bytes).unwrap();
    model.graph.unwrap().input.into_iter().map(|i| i.name).collect()
}

/// The values of a test's inputs, by name.
pub(crate) fn values(suite: &Suite, case: &Case) -> Vec<(String, Tensor)> {
    let names = input_names(suite.model(case)).into_iter();
    names.zip(case.inputs.iter().map(|p| suite.tensor(p))).collect()
}

/// A test that has been imported, and what is expected of it.
pub(crate) struct Imported {
    pub(crate) model: Model,
    /// Inputs that were given as constants.
    pub(crate) constants: Vec<String>,
    pub(crate) input: Vec<f64>,
    pub(crate) expected: Vec<Tensor>,
}

impl Imported {
    /// # Errors
    /// Why the test is not supported.
    pub(crate) fn new(suite: &Suite, case: &Case) -> Result<Self, String> {
        if let Some(types) = &case.types {
            return Err(format!("element type {types}"));
        }
        let bytes = suite.model(case);
        let values: BTreeMap<String, Tensor> = values(suite, case).into_iter().collect();
        let expected: Vec<Tensor> = case.outputs.iter().map(|p| suite.tensor(p)).collect();
        let finite = |t: &Tensor| t.to_floats().iter().all(|v| v.is_finite());
        if !values.values().chain(&expected).all(finite) {
            return Err("NaN or infinities in an input or output".into());
        }
        let (model, constants) = import(bytes, &values).map_err(|e| reason(&e))?;
        if model.inputs.is_empty() && !constants.is_empty() && !FOLDED.contains(&&case.op[..]) {
            return Err("all of its inputs would have to be constants".into());
        }
        let input = model.inputs.iter().flat_map(|i| values[&i.name].to_floats()).collect();
        Ok(Self {
            model,
            constants,
            input,
            expected,
        })
    }

    /// Limbs and scales, chosen by the test's own input as `tapeout setup` chooses them.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) fn choose(&self) -> Result<Choice, String> {
        let samples = std::slice::from_ref(&self.input);
        choice::choose(&self.model, samples, SetupOptions::default()).map_err(|e| match e {
            tapeout_prover::pipeline::Error::Model(e) => reason(&e),
            other => other.to_string(),
        })
    }
}

/// What an error says but for the node's name, which is the test's.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::UnsupportedOp { op, .. } => format!("operator {op}"),
        Error::Node { op, source, .. } => format!("{op}: {source}"),
        other => other.to_string(),
    }
}
