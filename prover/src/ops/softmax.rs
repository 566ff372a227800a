//! Softmax and what is built on it. Exponentials are relative to the largest of a row, and a row is divided by its sum.

use super::combination::{largest, total};
use super::movement::{gather_all, pick};
use super::primitive::{curve, difference, number, quotient, shared, times};
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
fn exponentials(ctx: &mut Lowering, x: Value) -> Result<(Value, Value, Mask), OpError> {
    let x = masked(ctx, x)?;
    let top = largest(ctx, x.value.clone())?;
    let rows = top.shape()[0];
    let below = difference(ctx, x.value, reshaped(top, vec![rows, 1]))?;
    let below = shared(ctx, below)?;
    let e = curve(ctx, below.clone(), Curve::Exp)?;
    let e = x.mask.apply(ctx, e)?;
    Ok((below, e, x.mask))
}

/// Values in which nothing is minus infinity, and where it was.
struct Masked {
    value: Value,
    mask: Mask,
}

struct Mask {
    gone: Vec<bool>,
    /// Rows of nothing but minus infinity, whose exponentials stay 1 so that their sum is positive.
    empty: Vec<bool>,
}

impl Mask {
    /// 0 where something was minus infinity, but in empty rows.
    fn apply(&self, ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
        let count = self.gone.len() / self.empty.len().max(1);
        let zero = |e: usize| self.gone[e] && !self.empty[e / count.max(1)];
        zeroed(ctx, x, zero)
    }

    /// 0 in empty rows.
    fn apply_to_rows(&self, ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
        let count = self.gone.len() / self.empty.len().max(1);
        zeroed(ctx, x, |e| self.empty.get(e / count.max(1)) == Some(&true))
    }
}

fn zeroed(ctx: &mut Lowering, x: Value, zero: impl Fn(usize) -> bool) -> Result<Value, OpError> {
    let (shape, n) = (x.shape().to_vec(), x.shape().iter().product());
    if !(0..n).any(&zero) {
        return Ok(x);
    }
    let constant = Value::Const(Tensor::float(vec![1], vec![0.0]));
    let all = gather_all(ctx, vec![x, constant])?;
    let places: Vec<usize> = (0..n).map(|e| if zero(e) { n } else { e }).collect();
    pick(ctx, all, shape, &places)
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
    let (shape, n) = (x.shape().to_vec(), gone.len());
    let count = shape.last().copied().unwrap_or(1).max(1);
    let empty: Vec<bool> = gone.chunks(count).map(|r| r.iter().all(|g| *g)).collect();
    let mut value = x;
    if gone.contains(&true) {
        let other = |e: usize| (e / count * count..(e / count + 1) * count).find(|&i| !gone[i]);
        let places: Vec<usize> = (0..n)
            .map(|e| if gone[e] { other(e).unwrap_or(n) } else { e })
            .collect();
        let zero = Value::Const(Tensor::float(vec![1], vec![0.0]));
        let all = without_infinities(ctx, value)?;
        let all = gather_all(ctx, vec![all, zero])?;
        value = pick(ctx, all, shape, &places)?;
    }
    let value = shared(ctx, value)?;
    let mask = Mask { gone, empty };
    Ok(Masked { value, mask })
}

/// The value with 0 for what is added where that is minus infinity.
fn without_infinities(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    let mut a = ctx.affine(x)?;
    a.offset.iter_mut().filter(|o| o.is_infinite()).for_each(|o| *o = 0.0);
    Ok(Value::Affine(a))
}

/// Softmax of each row of `[rows, K]`; a row of nothing but minus infinity has 0.
pub(super) fn soft(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    let rows = x.shape()[0];
    let (_, e, mask) = exponentials(ctx, x)?;
    let e = shared(ctx, e)?;
    let s = total(ctx, e.clone(), 1.0)?;
    let inverse = quotient(ctx, number(1.0), s)?;
    let y = times(ctx, e, reshaped(inverse, vec![rows, 1]))?;
    mask.apply_to_rows(ctx, y)
}

/// The logarithm of softmax of each row.
pub(super) fn log_soft(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    let rows = x.shape()[0];
    let (below, e, _) = exponentials(ctx, x)?;
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
