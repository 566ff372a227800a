//! Functions of one variable: by a table, or composed of ReLUs and floors where that is exact.

use super::elementwise::sum;
use super::primitive::{
    absolute, affine, cast as convert, clip, curve, difference, floor, map, negative, number, positive_part, shared,
    signed_quotient, square, times,
};
use crate::model::curve::Curve;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::Element;
use crate::model::value::Value;

/// An operator whose only input goes through a table.
macro_rules! tabulated {
    ($($name:ident => $curve:ident),* $(,)?) => {$(
        pub(crate) fn $name(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
            let x = inputs.value(0, "X")?;
            Ok(vec![curve(ctx, x, Curve::$curve)?])
        }
    )*};
}

tabulated! {
    sigmoid => Sigmoid, tanh => Tanh, erf => Erf, exp => Exp, softplus => Softplus, softsign => Softsign,
    mish => Mish, sin => Sin, cos => Cos, atan => Atan,
}

/// An operator that is composed of others.
macro_rules! composed {
    ($($name:ident($ctx:ident, $node:ident, $x:ident) $body:block)*) => {$(
        pub(crate) fn $name($ctx: &mut Lowering, $node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
            let $x = inputs.value(0, "X")?;
            Ok(vec![$body])
        }
    )*};
}

composed! {
    abs(ctx, _node, x) { absolute(ctx, x)? }
    // Twice the logarithm of the root, whose range is narrower by far: near 0 a table is too coarse for the logarithm.
    log(ctx, _node, x) {
        let root = super::primitive::root(ctx, x)?;
        let half = curve(ctx, root, Curve::Log)?;
        affine(ctx, half, 2.0, 0.0)?
    }
    // A quotient, since no table reaches across the poles.
    tan(ctx, _node, x) {
        let x = shared(ctx, x)?;
        let (sine, cosine) = (curve(ctx, x.clone(), Curve::Sin)?, curve(ctx, x, Curve::Cos)?);
        signed_quotient(ctx, sine, cosine)?
    }
    floor_op(ctx, _node, x) { floor(ctx, x)? }
    ceil(ctx, _node, x) {
        let opposite = affine(ctx, x, -1.0, 0.0)?;
        let down = floor(ctx, opposite)?;
        affine(ctx, down, -1.0, 0.0)?
    }
    round(ctx, node, x) { rounded(ctx, node, x)? }
    sign(ctx, _node, x) {
        let x = shared(ctx, x)?;
        let opposite = affine(ctx, x.clone(), -1.0, 0.0)?;
        let (below, above) = (negative(ctx, x)?, negative(ctx, opposite)?);
        difference(ctx, above, below)?
    }
    reciprocal(ctx, _node, x) { signed_quotient(ctx, number(1.0), x)? }
    sqrt(ctx, _node, x) { super::primitive::root(ctx, x)? }
    elu(ctx, node, x) {
        curve(ctx, x, Curve::Elu { gain: 1.0, scale: node.float("alpha", 1.0)?, width: 1.0 })?
    }
    selu(ctx, node, x) {
        let (scale, gain) = (node.float("alpha", 1.673_263_192_176_818_8)?, node.float("gamma", 1.050_701_022_148_132_3)?);
        curve(ctx, x, Curve::Elu { gain, scale, width: 1.0 })?
    }
    celu(ctx, node, x) {
        let alpha = node.float("alpha", 1.0)?;
        curve(ctx, x, Curve::Elu { gain: 1.0, scale: alpha, width: alpha })?
    }
    gelu(ctx, node, x) {
        match node.text("approximate", "none")? {
            "none" => curve(ctx, x, Curve::Gelu)?,
            "tanh" => curve(ctx, x, Curve::GeluTanh)?,
            _ => return Err(node.attribute_error("approximate", "none or tanh")),
        }
    }
    swish(ctx, node, x) {
        swished(ctx, x, node.float("alpha", 1.0)?)?
    }
    hard_sigmoid(ctx, node, x) {
        let (alpha, beta) = (node.float("alpha", f64::from(0.2f32))?, node.float("beta", 0.5)?);
        let line = affine(ctx, x, alpha, beta)?;
        clip(ctx, line, 0.0, 1.0)?
    }
    hard_swish(ctx, _node, x) {
        let x = shared(ctx, x)?;
        let line = affine(ctx, x.clone(), 1.0 / 6.0, 0.5)?;
        let gate = clip(ctx, line, 0.0, 1.0)?;
        times(ctx, x, gate)?
    }
    // x where x > alpha: relu(x - alpha) + alpha [x > alpha].
    thresholded_relu(ctx, node, x) {
        let alpha = node.float("alpha", 1.0)?;
        let x = shared(ctx, x)?;
        let above = affine(ctx, x.clone(), 1.0, -alpha)?;
        let above = positive_part(ctx, above)?;
        let below = affine(ctx, x, -1.0, alpha)?;
        let step = negative(ctx, below)?;
        let step = affine(ctx, step, alpha, 0.0)?;
        sum(ctx, above, step)?
    }
    // x + bias below -lambd, x - bias above it, 0 between.
    shrink(ctx, node, x) {
        let (bias, lambda) = (node.float("bias", 0.0)?, node.float("lambd", 0.5)?);
        let x = shared(ctx, x)?;
        let side = |ctx: &mut Lowering, sign: f64| -> Result<Value, OpError> {
            let y = affine(ctx, x.clone(), sign, -lambda)?;
            let y = shared(ctx, y)?;
            let beyond = positive_part(ctx, y.clone())?;
            let opposite = affine(ctx, y, -1.0, 0.0)?;
            let step = negative(ctx, opposite)?;
            let step = affine(ctx, step, lambda - bias, 0.0)?;
            sum(ctx, beyond, step)
        };
        let (up, down) = (side(ctx, 1.0)?, side(ctx, -1.0)?);
        difference(ctx, up, down)?
    }
    binarizer(ctx, node, x) {
        let below = affine(ctx, x, -1.0, node.float("threshold", 0.0)?)?;
        negative(ctx, below)?
    }
    // Quantised values are finite.
    is_nan(ctx, _node, x) { constant_of(ctx, &x, f64::is_nan)? }
    is_inf(ctx, _node, x) { constant_of(ctx, &x, f64::is_infinite)? }
}

/// The nearest integer, of two equally near ones the even one.
///
/// `up = floor(x + 1/2)` and `down = ceil(x - 1/2)` differ at a tie alone; there the even one of both is
/// `2 floor((up + down + 1) / 4)`.
pub(super) fn rounded(ctx: &mut Lowering, _: &Node, x: Value) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(map(t, f64::round_ties_even)));
    }
    let x = shared(ctx, x)?;
    let up = affine(ctx, x.clone(), 1.0, 0.5)?;
    let up = floor(ctx, up)?;
    let mirrored = affine(ctx, x, -1.0, 0.5)?;
    let down = floor(ctx, mirrored)?;
    let down = affine(ctx, down, -1.0, 0.0)?;
    let both = sum(ctx, up.clone(), down.clone())?;
    let quarter = affine(ctx, both, 0.25, 0.25)?;
    let even = floor(ctx, quarter)?;
    let even = affine(ctx, even, 2.0, 0.0)?;
    let tie = difference(ctx, up.clone(), down)?;
    let step = difference(ctx, even, up.clone())?;
    let step = times(ctx, tie, step)?;
    sum(ctx, up, step)
}

fn constant_of(_: &mut Lowering, x: &Value, f: impl Fn(f64) -> bool) -> Result<Value, OpError> {
    match x {
        Value::Const(t) => Ok(Value::Const(super::primitive::truth(t, f))),
        x => {
            let n = crate::model::tensor::elements(x.shape())?;
            Ok(Value::Const(crate::model::tensor::Tensor::int(
                x.shape().to_vec(),
                vec![0; n],
            )))
        }
    }
}

pub(crate) fn pow(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let y = inputs.constant(1, "Y")?;
    if let Value::Const(t) = &x {
        let out = super::primitive::zip(t, &y, f64::powf)?;
        let floats = ctx.element(0).is_float();
        return Ok(vec![Value::Const(if floats {
            out
        } else {
            super::primitive::to_ints(&out)
        })]);
    }
    let mut exponents = y.floats("Y")?;
    exponents.sort_unstable_by(f64::total_cmp);
    exponents.dedup();
    let x = shared(ctx, x)?;
    if let [exponent] = exponents[..] {
        let out = power(ctx, x.clone(), exponent)?;
        let shape = crate::model::tensor::broadcast_shape(x.shape(), &y.shape)?;
        return Ok(vec![super::elementwise::expand(ctx, out, &shape)?]);
    }
    // Each exponent's power of everything, and where it is wanted.
    let shape = crate::model::tensor::broadcast_shape(x.shape(), &y.shape)?;
    let wide = super::elementwise::expand(ctx, x, &shape)?;
    let y = super::elementwise::expand(ctx, Value::Const(y), &shape)?;
    let Value::Const(y) = y else {
        return Err(OpError::NotConstant { name: "Y", input: 1 });
    };
    let wanted = y.to_floats();
    let mut parts = Vec::new();
    let mut places = vec![0; wanted.len()];
    for exponent in exponents {
        let here: Vec<usize> = (0..wanted.len()).filter(|&e| wanted[e] == exponent).collect();
        let part = super::movement::pick(ctx, wide.clone(), vec![here.len()], &here)?;
        let before: usize = parts.iter().map(|p: &Value| p.shape()[0]).sum();
        here.iter().enumerate().for_each(|(i, &e)| places[e] = before + i);
        parts.push(power(ctx, part, exponent)?);
    }
    let all = super::movement::gather_all(ctx, parts)?;
    Ok(vec![super::movement::pick(ctx, all, shape, &places)?])
}

/// `x^exponent`: products for small integers, a table for the rest.
fn power(ctx: &mut Lowering, x: Value, exponent: f64) -> Result<Value, OpError> {
    match exponent {
        0.0 => {
            let n = crate::model::tensor::elements(x.shape())?;
            Ok(Value::Const(crate::model::tensor::Tensor::float(
                x.shape().to_vec(),
                vec![1.0; n],
            )))
        }
        1.0 => Ok(x),
        2.0 => square(ctx, x),
        0.5 => super::primitive::root(ctx, x),
        -0.5 => super::primitive::inverse_root(ctx, x),
        -1.0 => signed_quotient(ctx, number(1.0), x),
        e if e.fract() == 0.0 && (3.0..=16.0).contains(&e) => {
            let half = power(ctx, x.clone(), (e / 2.0).floor())?;
            let even = square(ctx, half)?;
            if e % 2.0 == 0.0 { Ok(even) } else { times(ctx, even, x) }
        }
        exponent => curve(ctx, x, Curve::Pow { exponent }),
    }
}

/// The type that the attribute `to` names.
pub(crate) fn target(node: &Node, _: &Lowering) -> Element {
    let to = node.int("to", 1).unwrap_or(1);
    i32::try_from(to)
        .ok()
        .and_then(Element::from_onnx)
        .unwrap_or(Element::Float)
}

pub(crate) fn cast(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let known = i32::try_from(node.int("to", 0)?).ok().and_then(Element::from_onnx);
    let to = known.ok_or_else(|| node.attribute_error("to", "a type of numbers"))?;
    let from = ctx.element(0);
    Ok(vec![convert(ctx, x, from, to)?])
}

pub(crate) fn cast_like(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let (from, to) = (ctx.element(0), ctx.element(1));
    Ok(vec![convert(ctx, x, from, to)?])
}

/// `x sigmoid(alpha x)`.
fn swished(ctx: &mut Lowering, x: Value, alpha: f64) -> Result<Value, OpError> {
    match alpha {
        1.0 => curve(ctx, x, Curve::Silu),
        0.0 => affine(ctx, x, 0.5, 0.0),
        alpha => {
            let inner = affine(ctx, x, alpha, 0.0)?;
            let y = curve(ctx, inner, Curve::Silu)?;
            affine(ctx, y, 1.0 / alpha, 0.0)
        }
    }
}

/// The first input's Swish gates the second.
pub(crate) fn swiglu(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (gate, value) = (inputs.value(0, "A")?, inputs.value(1, "B")?);
    let gate = swished(ctx, gate, node.float("alpha", 1.0)?)?;
    Ok(vec![times(ctx, gate, value)?])
}
