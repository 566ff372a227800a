//! Softmax and what is built on it. Exponentials are relative to the largest of a row, and a row is divided by its sum.

use super::movement::{gather_all, pick};
use super::primitive::{curve, difference, largest, number, quotient, shared, times, total};
use super::reduce::Rows;
use super::reshape::reshaped;
use crate::model::curve::Curve;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, axis};
use crate::model::value::Value;

/// The rows that a node's axis makes: before operator set 13 everything behind it is one row.
fn rows_of(ctx: &mut Lowering, node: &Node, x: Value) -> Result<Rows, OpError> {
    let rank = x.shape().len();
    let old = node.opset < 13;
    let first = axis(node.int("axis", if old { 1 } else { -1 })?, rank)?;
    let reduced: Vec<usize> = if old { (first..rank).collect() } else { vec![first] };
    Rows::new(ctx, x, &reduced)
}

/// Rows less their largest, and the exponentials of that; minus infinity has 0.
fn exponentials(ctx: &mut Lowering, x: Value) -> Result<(Value, Value), OpError> {
    let x = masked(ctx, x)?;
    let top = largest(ctx, x.value.clone())?;
    let rows = top.shape()[0];
    let below = difference(ctx, x.value, reshaped(top, vec![rows, 1]))?;
    let below = shared(ctx, below)?;
    let e = curve(ctx, below.clone(), Curve::Exp)?;
    Ok((below, x.mask.apply(ctx, e)?))
}

/// Values in which nothing is minus infinity, and where it was.
struct Masked {
    value: Value,
    mask: Mask,
}

struct Mask(Vec<bool>);

impl Mask {
    /// 0 where something was minus infinity.
    fn apply(&self, ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
        if !self.0.contains(&true) {
            return Ok(x);
        }
        let (shape, n) = (x.shape().to_vec(), self.0.len());
        let zero = Value::Const(Tensor::float(vec![1], vec![0.0]));
        let all = gather_all(ctx, vec![x, zero])?;
        let places: Vec<usize> = (0..n).map(|e| if self.0[e] { n } else { e }).collect();
        pick(ctx, all, shape, &places)
    }
}

/// An element that is minus infinity repeats another one of its row `[rows, K]`, so that no table has to reach there.
fn masked(ctx: &mut Lowering, x: Value) -> Result<Masked, OpError> {
    let x = match x {
        Value::Linear(l) => Value::Affine(ctx.materialise(l)?),
        other => other,
    };
    let gone: Vec<bool> = match &x {
        Value::Const(t) => t.to_floats().iter().map(|v| *v == f64::NEG_INFINITY).collect(),
        Value::Affine(a) => a.offset.iter().map(|v| *v == f64::NEG_INFINITY).collect(),
        Value::Linear(_) => Vec::new(),
    };
    if !gone.contains(&true) {
        let value = shared(ctx, x)?;
        return Ok(Masked { value, mask: Mask(gone) });
    }
    let count = x.shape().last().copied().unwrap_or(1);
    let place = |e: usize| -> Option<usize> {
        match gone[e] {
            false => Some(e),
            true => (e / count * count..(e / count + 1) * count).find(|&i| !gone[i]),
        }
    };
    let places: Option<Vec<usize>> = (0..gone.len()).map(place).collect();
    let places = places.ok_or_else(|| OpError::Unsupported {
        what: "a row of nothing but minus infinity".into(),
    })?;
    let value = pick(ctx, x.clone(), x.shape().to_vec(), &places)?;
    let value = shared(ctx, value)?;
    Ok(Masked { value, mask: Mask(gone) })
}

/// Softmax of each row of `[rows, K]`.
pub(super) fn soft(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    let rows = x.shape()[0];
    let (_, e) = exponentials(ctx, x)?;
    let e = shared(ctx, e)?;
    let s = total(ctx, e.clone(), 1.0)?;
    let inverse = quotient(ctx, number(1.0), s)?;
    times(ctx, e, reshaped(inverse, vec![rows, 1]))
}

/// The logarithm of softmax of each row.
pub(super) fn log_soft(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    let rows = x.shape()[0];
    let (below, e) = exponentials(ctx, x)?;
    let s = total(ctx, e, 1.0)?;
    let l = curve(ctx, s, Curve::Log)?;
    difference(ctx, below, reshaped(l, vec![rows, 1]))
}

pub(crate) fn softmax(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let rows = rows_of(ctx, node, x)?;
    let y = soft(ctx, rows.value.clone())?;
    Ok(vec![rows.restored(ctx, y)?])
}

pub(crate) fn log_softmax(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let rows = rows_of(ctx, node, x)?;
    let y = log_soft(ctx, rows.value.clone())?;
    Ok(vec![rows.restored(ctx, y)?])
}
