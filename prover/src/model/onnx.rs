//! Reads ONNX files: the only module that knows their protobuf encoding.
//!
//! The messages below are the part of `onnx.proto` (field numbers of IR version 10) that inference graphs use; unknown fields
//! are skipped, as protobuf prescribes. Nothing is allocated from a length that the file merely claims.

use std::collections::HashMap;

use prost::Message;

use super::error::{Error, Result};
use super::graph::{Attribute, Graph, Node};
use super::tensor::{Data, MAX_ELEMENTS, Tensor};

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

/// `TensorProto.DataType`: name, number, size of an element in `raw_data`.
const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT8: i32 = 3;
const UINT16: i32 = 4;
const INT16: i32 = 5;
const INT32: i32 = 6;
const INT64: i32 = 7;
const BOOL: i32 = 9;
const FLOAT16: i32 = 10;
const DOUBLE: i32 = 11;
const UINT32: i32 = 12;
const UINT64: i32 = 13;
const BFLOAT16: i32 = 16;

/// Reads a model's graph.
///
/// # Errors
/// [`Error::Decode`] and [`Error::Malformed`] for bytes that are no model, [`Error::Unsupported`] for a model with several
/// inputs or outputs, an axis of unknown length, or tensors in another file.
pub(crate) fn read(bytes: &[u8]) -> Result<Graph> {
    let model = ModelProto::decode(bytes)?;
    let graph = model.graph.ok_or_else(|| malformed("it holds no graph"))?;
    if model.opset_import.is_empty() {
        return Err(malformed("it names no operator set"));
    }
    let mut initializers = HashMap::new();
    for proto in &graph.initializer {
        if initializers
            .insert(proto.name.clone(), tensor(proto, &proto.name)?)
            .is_some()
        {
            return Err(malformed(format!("the initializer {:?} is defined twice", proto.name)));
        }
    }
    let inputs: Vec<_> = graph
        .input
        .iter()
        .filter(|i| !initializers.contains_key(&i.name))
        .collect();
    let input = only(&inputs, "input")?;
    let output = only(&graph.output.iter().collect::<Vec<_>>(), "output")?;
    let nodes = graph.node.iter().map(node).collect::<Result<_>>()?;
    Graph {
        input: input.name.clone(),
        input_shape: shape(input)?,
        output: output.name.clone(),
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

fn only<'a>(values: &[&'a ValueInfoProto], what: &str) -> Result<&'a ValueInfoProto> {
    match values {
        [one] => Ok(one),
        _ => {
            let names: Vec<_> = values.iter().map(|v| v.name.as_str()).collect();
            Err(unsupported(format!(
                "it has {} {what}s ({}); expected exactly one",
                values.len(),
                names.join(", ")
            )))
        }
    }
}

/// The input's shape. A batch axis (the first) of no fixed length is taken as 1.
fn shape(input: &ValueInfoProto) -> Result<Vec<usize>> {
    let name = &input.name;
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| unsupported(format!("input {name:?} is not a tensor")))?;
    if element_size(tensor.elem_type).is_none() {
        return Err(unsupported(format!(
            "input {name:?} has element type {}; expected numbers",
            tensor.elem_type
        )));
    }
    let shape = tensor
        .shape
        .as_ref()
        .ok_or_else(|| unsupported(format!("input {name:?} has no shape")))?;
    let mut out = Vec::new();
    for (axis, dim) in shape.dim.iter().enumerate() {
        out.push(match (dim.dim_value, axis) {
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
    match out.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) {
        Some(n) if n <= MAX_ELEMENTS => Ok(out),
        _ => Err(unsupported(format!(
            "input {name:?} has more than {MAX_ELEMENTS} elements"
        ))),
    }
}

fn node(proto: &NodeProto) -> Result<Node> {
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
    Ok(Node {
        name,
        op,
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
            Attribute::Tensor(tensor(t, node)?)
        }
        6 => Attribute::Floats(proto.floats.iter().map(|&f| f.into()).collect()),
        7 => Attribute::Ints(proto.ints.clone()),
        5 | 10 => Attribute::Other("subgraph"),
        8 => Attribute::Other("list of strings"),
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

/// Bytes per element in `raw_data`, for the types that are numbers.
fn element_size(data_type: i32) -> Option<usize> {
    Some(match data_type {
        UINT8 | INT8 | BOOL => 1,
        UINT16 | INT16 | FLOAT16 | BFLOAT16 => 2,
        FLOAT | INT32 | UINT32 => 4,
        INT64 | DOUBLE | UINT64 => 8,
        _ => return None,
    })
}

fn tensor(proto: &TensorProto, name: &str) -> Result<Tensor> {
    if proto.data_location == 1 {
        return Err(unsupported(format!(
            "tensor {name:?} is stored in another file; save the model with its weights inside"
        )));
    }
    let size = element_size(proto.data_type).ok_or_else(|| {
        unsupported(format!(
            "tensor {name:?} has element type {}; expected numbers",
            proto.data_type
        ))
    })?;
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
        [] => typed(proto),
        raw if raw.len() % size == 0 => raw_elements(proto.data_type, raw),
        raw => {
            let (got, ty) = (raw.len(), proto.data_type);
            return Err(malformed(format!(
                "tensor {name:?}: {got} bytes are no multiple of element type {ty}'s {size}"
            )));
        }
    };
    let got = match &data {
        Data::Float(v) => v.len(),
        Data::Int(v) => v.len(),
    };
    match got == expected {
        true => Ok(Tensor { shape, data }),
        false => Err(malformed(format!(
            "tensor {name:?}: shape {shape:?} takes {expected} elements, got {got}"
        ))),
    }
}

/// Elements stored in the field of their type; small types share `int32_data`.
fn typed(proto: &TensorProto) -> Data {
    let halves = || proto.int32_data.iter().map(|&v| v as u16);
    match proto.data_type {
        FLOAT => Data::Float(proto.float_data.iter().map(|&f| f.into()).collect()),
        DOUBLE => Data::Float(proto.double_data.clone()),
        FLOAT16 => Data::Float(halves().map(|v| half::f16::from_bits(v).into()).collect()),
        BFLOAT16 => Data::Float(halves().map(|v| half::bf16::from_bits(v).into()).collect()),
        INT64 => Data::Int(proto.int64_data.clone()),
        UINT32 | UINT64 => Data::Int(proto.uint64_data.iter().map(|&v| clamp(v)).collect()),
        _ => Data::Int(proto.int32_data.iter().map(|&v| v.into()).collect()),
    }
}

/// Elements stored as little-endian bytes.
fn raw_elements(data_type: i32, raw: &[u8]) -> Data {
    fn float<const N: usize>(raw: &[u8], f: impl Fn([u8; N]) -> f64) -> Data {
        Data::Float(raw.as_chunks::<N>().0.iter().map(|&c| f(c)).collect())
    }
    fn int<const N: usize>(raw: &[u8], f: impl Fn([u8; N]) -> i64) -> Data {
        Data::Int(raw.as_chunks::<N>().0.iter().map(|&c| f(c)).collect())
    }
    match data_type {
        FLOAT => float(raw, |b| f32::from_le_bytes(b).into()),
        DOUBLE => float(raw, f64::from_le_bytes),
        FLOAT16 => float(raw, |b| half::f16::from_le_bytes(b).into()),
        BFLOAT16 => float(raw, |b| half::bf16::from_le_bytes(b).into()),
        INT8 => int(raw, |b| i8::from_le_bytes(b).into()),
        UINT16 => int(raw, |b| u16::from_le_bytes(b).into()),
        INT16 => int(raw, |b| i16::from_le_bytes(b).into()),
        INT32 => int(raw, |b| i32::from_le_bytes(b).into()),
        UINT32 => int(raw, |b| u32::from_le_bytes(b).into()),
        INT64 => int(raw, i64::from_le_bytes),
        UINT64 => int(raw, |b| clamp(u64::from_le_bytes(b))),
        _ => int(raw, |b| u8::from_le_bytes(b).into()),
    }
}

/// Unsigned integers serve as shapes and indices, where everything beyond `i64::MAX` means "to the end".
fn clamp(v: u64) -> i64 {
    i64::try_from(v).unwrap_or(i64::MAX)
}
