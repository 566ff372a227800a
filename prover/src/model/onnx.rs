//! Reads ONNX files: the only module that knows their protobuf encoding.
//!
//! The messages below are the part of `onnx.proto` (field numbers of IR version 10) that inference graphs use; unknown fields
//! are skipped, as protobuf prescribes. Nothing is allocated from a length that the file merely claims.

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use super::error::{Error, Result};
use super::graph::{Attribute, Constant, Graph, Input, Node};
use super::tensor::{Data, Element, MAX_ELEMENTS, Tensor, clamp};

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetIdProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    domain: String,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, tag = "2")]
    f: f32,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(bytes = "vec", tag = "4")]
    s: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    t: Option<TensorProto>,
    #[prost(float, repeated, tag = "7")]
    floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    strings: Vec<Vec<u8>>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    double_data: Vec<f64>,
    #[prost(uint64, repeated, tag = "11")]
    uint64_data: Vec<u64>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    dim_param: Option<String>,
}

/// The newest operator set of each domain that operators are known from.
const NEWEST: [(&str, i64); 4] = [("", 28), ("ai.onnx", 28), ("ai.onnx.ml", 5), ("ai.onnx.preview", 1)];

/// Reads a model's graph. Inputs that `constants` names are constants with the values given there.
///
/// # Errors
/// [`Error::Decode`] and [`Error::Malformed`] for bytes that are no model, [`Error::Unsupported`] for a model with an axis of
/// unknown length, tensors in another file, or operators newer than those known.
pub(crate) fn read(bytes: &[u8], constants: &BTreeMap<String, Tensor>) -> Result<Graph> {
    let model = ModelProto::decode(bytes)?;
    let graph = model.graph.ok_or_else(|| malformed("it holds no graph"))?;
    if model.opset_import.is_empty() {
        return Err(malformed("it names no operator set"));
    }
    let opsets: HashMap<&str, i64> = model
        .opset_import
        .iter()
        .map(|o| (o.domain.as_str(), o.version))
        .collect();
    for (domain, version) in &opsets {
        let newest = NEWEST.iter().find(|(name, _)| name == domain);
        if let Some((_, newest)) = newest.filter(|(_, newest)| version > newest) {
            let domain = if domain.is_empty() { "ai.onnx" } else { domain };
            return Err(unsupported(format!(
                "it uses version {version} of the operator set {domain}; the newest that is known is {newest}"
            )));
        }
    }
    let mut initializers = HashMap::new();
    for proto in &graph.initializer {
        let (tensor, element) = tensor(proto, &proto.name)?;
        if initializers
            .insert(proto.name.clone(), Constant { tensor, element })
            .is_some()
        {
            return Err(malformed(format!("the initializer {:?} is defined twice", proto.name)));
        }
    }
    for (name, value) in constants {
        let stated = graph.input.iter().find(|i| &i.name == name);
        let element = stated
            .and_then(|i| i.r#type.as_ref()?.tensor_type.as_ref())
            .and_then(|t| Element::from_onnx(t.elem_type))
            .ok_or_else(|| unsupported(format!("it has no input {name:?} of numbers to be given a value")))?;
        let tensor = value.clone();
        initializers.insert(name.clone(), Constant { tensor, element });
    }
    // An empty list has no values to be a secret: it is the constant that it says.
    for port in graph.input.iter().filter(|i| !constants.contains_key(&i.name)) {
        let tensor = port.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let empty = tensor.and_then(|t| t.shape.as_ref()).map(|s| &s.dim[..]);
        if let (Some([DimensionProto { dim_value: Some(0), .. }]), Some(t)) = (empty, tensor)
            && let Some(element) = Element::from_onnx(t.elem_type)
        {
            let data = Data::from_le_bytes(element, &[]);
            let tensor = Tensor { shape: vec![0], data };
            initializers
                .entry(port.name.clone())
                .or_insert(Constant { tensor, element });
        }
    }
    let inputs = graph.input.iter().filter(|i| !initializers.contains_key(&i.name));
    let inputs = inputs.map(input).collect::<Result<Vec<_>>>()?;
    let size = inputs.iter().map(|i| i.shape.iter().product::<usize>()).sum::<usize>();
    if size > MAX_ELEMENTS {
        return Err(unsupported(format!(
            "its inputs have more than {MAX_ELEMENTS} elements"
        )));
    }
    if graph.output.is_empty() {
        return Err(malformed("it has no output"));
    }
    let outputs = graph.output.iter().map(|o| o.name.clone()).collect();
    let nodes = graph.node.iter().map(|n| node(n, &opsets)).collect::<Result<_>>()?;
    Graph {
        inputs,
        outputs,
        initializers,
        nodes,
    }
    .sort()
}

fn malformed(what: impl Into<String>) -> Error {
    Error::Malformed { what: what.into() }
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::Unsupported { what: what.into() }
}

/// An input's name, type and shape. A batch axis (the first) of no fixed length is taken as 1.
fn input(input: &ValueInfoProto) -> Result<Input> {
    let name = &input.name;
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| unsupported(format!("input {name:?} is not a tensor")))?;
    let element = Element::from_onnx(tensor.elem_type).ok_or_else(|| {
        unsupported(format!(
            "input {name:?} has element type {}; expected numbers",
            tensor.elem_type
        ))
    })?;
    let stated = tensor
        .shape
        .as_ref()
        .ok_or_else(|| unsupported(format!("input {name:?} has no shape")))?;
    let mut shape = Vec::new();
    for (axis, dim) in stated.dim.iter().enumerate() {
        shape.push(match (dim.dim_value, axis) {
            (Some(n), _) if n > 0 => n as usize,
            (None, 0) => 1,
            (Some(n), _) => return Err(malformed(format!("axis {axis} of input {name:?} has length {n}"))),
            (None, _) => {
                let param = dim.dim_param.as_deref().unwrap_or("?");
                return Err(unsupported(format!(
                    "axis {axis} of input {name:?} has no fixed length ({param}); export it with a fixed shape"
                )));
            }
        });
    }
    match shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) {
        Some(n) if n <= MAX_ELEMENTS => Ok(Input {
            name: name.clone(),
            shape,
            element,
        }),
        _ => Err(unsupported(format!(
            "input {name:?} has more than {MAX_ELEMENTS} elements"
        ))),
    }
}

fn node(proto: &NodeProto, opsets: &HashMap<&str, i64>) -> Result<Node> {
    let names = |v: &[String]| v.iter().map(|n| (!n.is_empty()).then(|| n.clone())).collect::<Vec<_>>();
    let first = proto.output.first().map_or("", String::as_str);
    let name = match proto.name.as_str() {
        "" => format!("{}({first})", proto.op_type),
        name => name.to_owned(),
    };
    let op = match proto.domain.as_str() {
        "" | "ai.onnx" => proto.op_type.clone(),
        domain => format!("{domain}::{}", proto.op_type),
    };
    let mut attributes = HashMap::new();
    for a in &proto.attribute {
        if attributes.insert(a.name.clone(), attribute(a, &name)?).is_some() {
            return Err(malformed(format!("node {name} has two attributes {:?}", a.name)));
        }
    }
    let own = opsets.get(proto.domain.as_str());
    Ok(Node {
        name,
        op,
        opset: own.or(opsets.get("ai.onnx")).copied().unwrap_or(1),
        inputs: names(&proto.input),
        outputs: names(&proto.output),
        attributes,
    })
}

fn attribute(proto: &AttributeProto, node: &str) -> Result<Attribute> {
    // `AttributeProto.AttributeType`
    Ok(match proto.kind {
        1 => Attribute::Float(proto.f.into()),
        2 => Attribute::Int(proto.i),
        3 => Attribute::Text(String::from_utf8_lossy(&proto.s).into_owned()),
        4 => {
            let t = proto.t.as_ref();
            let t = t.ok_or_else(|| malformed(format!("attribute {:?} of node {node} is empty", proto.name)))?;
            let (tensor, element) = tensor(t, node)?;
            Attribute::Tensor(tensor, element)
        }
        6 => Attribute::Floats(proto.floats.iter().map(|&f| f.into()).collect()),
        7 => Attribute::Ints(proto.ints.clone()),
        5 | 10 => Attribute::Other("subgraph"),
        8 => {
            let text = |s: &Vec<u8>| String::from_utf8_lossy(s).into_owned();
            Attribute::Texts(proto.strings.iter().map(text).collect())
        }
        9 => Attribute::Other("list of tensors"),
        11 | 12 => Attribute::Other("sparse tensor"),
        13 | 14 => Attribute::Other("type"),
        n => {
            return Err(malformed(format!(
                "attribute {:?} of node {node} has unknown type {n}",
                proto.name
            )));
        }
    })
}

fn tensor(proto: &TensorProto, name: &str) -> Result<(Tensor, Element)> {
    if proto.data_location == 1 {
        return Err(unsupported(format!(
            "tensor {name:?} is stored in another file; save the model with its weights inside"
        )));
    }
    let element = Element::from_onnx(proto.data_type).ok_or_else(|| {
        unsupported(format!(
            "tensor {name:?} has element type {}; expected numbers",
            proto.data_type
        ))
    })?;
    let size = element.size();
    let bad_dims = || malformed(format!("tensor {name:?} has dimensions {:?}", proto.dims));
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| bad_dims())?;
    let expected = shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .ok_or_else(bad_dims)?;
    let data = match proto.raw_data.as_slice() {
        [] => typed(proto, element),
        raw if raw.len() % size == 0 => Data::from_le_bytes(element, raw),
        raw => {
            let (got, ty) = (raw.len(), proto.data_type);
            return Err(malformed(format!(
                "tensor {name:?}: {got} bytes are no multiple of element type {ty}'s {size}"
            )));
        }
    };
    let got = data.len();
    match got == expected {
        true => Ok((Tensor { shape, data }, element)),
        false => Err(malformed(format!(
            "tensor {name:?}: shape {shape:?} takes {expected} elements, got {got}"
        ))),
    }
}

/// Elements stored in the field of their type; small types share `int32_data`.
fn typed(proto: &TensorProto, element: Element) -> Data {
    let halves = || proto.int32_data.iter().map(|&v| v as u16);
    match element {
        Element::Float => Data::Float(proto.float_data.iter().map(|&f| f.into()).collect()),
        Element::Double => Data::Float(proto.double_data.clone()),
        Element::Float16 => Data::Float(halves().map(|v| half::f16::from_bits(v).into()).collect()),
        Element::Bfloat16 => Data::Float(halves().map(|v| half::bf16::from_bits(v).into()).collect()),
        Element::Int64 => Data::Int(proto.int64_data.clone()),
        Element::Uint32 | Element::Uint64 => Data::Int(proto.uint64_data.iter().map(|&v| clamp(v)).collect()),
        _ => Data::Int(proto.int32_data.iter().map(|&v| v.into()).collect()),
    }
}
