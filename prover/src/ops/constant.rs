//! Operators whose outputs are constants of the model.

use super::primitive::to_ints;
use super::select::lengths;
use crate::model::error::OpError;
use crate::model::graph::{Attribute, Node};
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Data, Element, Tensor, elements};
use crate::model::value::Value;

pub(crate) fn range(_: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let parts = [
        inputs.constant(0, "start")?,
        inputs.constant(1, "limit")?,
        inputs.constant(2, "delta")?,
    ];
    let one = |t: &Tensor| {
        t.to_floats()
            .first()
            .copied()
            .filter(|v| v.is_finite())
            .ok_or(OpError::Constant {
                name: "start",
                problem: "must be a single number",
            })
    };
    let (start, limit, delta) = (one(&parts[0])?, one(&parts[1])?, one(&parts[2])?);
    let count = ((limit - start) / delta).ceil().max(0.0);
    if !count.is_finite() {
        return Err(OpError::Constant {
            name: "delta",
            problem: "must not be zero",
        });
    }
    let n = elements(&[count as usize])?;
    let values = Tensor::float(vec![n], (0..n).map(|i| start + i as f64 * delta).collect());
    let whole = parts.iter().all(|t| matches!(t.data, Data::Int(_)));
    Ok(vec![Value::Const(if whole { to_ints(&values) } else { values })])
}

pub(crate) fn constant_of_shape(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let shape = lengths(&inputs.constant(0, "input")?, "input")?;
    let n = elements(&shape)?;
    Ok(vec![Value::Const(match node.attributes.get("value") {
        Some(Attribute::Tensor(t, _)) if t.len() == 1 => t.gather(shape, &vec![0; n]),
        None => Tensor::float(shape, vec![0.0; n]),
        Some(_) => return Err(node.attribute_error("value", "a tensor of one element")),
    })])
}

/// The type of the tensor in the attribute `value`; floats where there is none.
pub(crate) fn value_type(node: &Node, _: &Lowering) -> Element {
    match node.attributes.iter().find(|(name, _)| name.starts_with("value")) {
        Some((_, Attribute::Tensor(_, element))) => *element,
        Some((_, Attribute::Int(_) | Attribute::Ints(_))) => Element::Int64,
        _ => Element::Float,
    }
}

pub(crate) fn eye_like(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    // Of its input it takes the shape alone.
    let shape = lengths(&inputs.constant(0, "input")?, "input")?;
    let k = node.int("k", 0)?;
    let &[_, columns] = &shape[..] else {
        return Err(OpError::Shape {
            what: "input",
            expected: "two axes".into(),
            got: shape,
        });
    };
    let n = elements(&shape)?;
    let at = |e: usize| f64::from(u8::from((e % columns) as i64 == (e / columns) as i64 + k));
    Ok(vec![Value::Const(Tensor::float(shape, (0..n).map(at).collect()))])
}

/// The type that the attribute `dtype` names; else that of the input.
pub(crate) fn dtype(node: &Node, ctx: &Lowering) -> Element {
    let stated = node.int("dtype", 0).unwrap_or(0);
    i32::try_from(stated)
        .ok()
        .and_then(Element::from_onnx)
        .unwrap_or_else(|| ctx.element(0))
}

/// Windows of signal processing: `sum of c_k cos(2 pi k i / n)`.
fn window(node: &Node, inputs: &mut Inputs, coefficients: &[f64]) -> Result<Vec<Value>, OpError> {
    let size = inputs.constant(0, "size")?;
    let n = size.to_floats().first().map_or(0, |&v| v as usize);
    elements(&[n])?;
    let periodic = node.flag("periodic", true)?;
    let period = if periodic { n } else { n.saturating_sub(1).max(1) } as f64;
    let at = |i: usize| -> f64 {
        let angle = std::f64::consts::TAU * i as f64 / period;
        coefficients
            .iter()
            .enumerate()
            .map(|(k, c)| c * (k as f64 * angle).cos())
            .sum()
    };
    Ok(vec![Value::Const(Tensor::float(vec![n], (0..n).map(at).collect()))])
}

pub(crate) fn hann(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    window(node, &mut inputs, &[0.5, -0.5])
}

pub(crate) fn hamming(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    window(node, &mut inputs, &[25.0 / 46.0, -21.0 / 46.0])
}

pub(crate) fn blackman(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    window(node, &mut inputs, &[0.42, -0.5, 0.08])
}

/// The type that `output_datatype` names.
pub(crate) fn output_datatype(node: &Node, _: &Lowering) -> Element {
    let stated = node.int("output_datatype", 1).unwrap_or(1);
    i32::try_from(stated)
        .ok()
        .and_then(Element::from_onnx)
        .unwrap_or(Element::Float)
}
