//! Sums, differences, products and quotients. What is linear is part of a linear map and costs no slot.

use super::primitive::{
    affine, difference, floor, larger, map, positive_part, shared, signed_quotient, smaller, times, to_float, to_ints,
    truncate, zip,
};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Data, Tensor, broadcast_indices, broadcast_shape, elements};
use crate::model::value::{Affine, Linear, Value};

pub(crate) fn add(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = (inputs.value(0, "A")?, inputs.value(1, "B")?);
    Ok(vec![sum(ctx, a, b)?])
}

pub(crate) fn sub(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = (inputs.value(0, "A")?, inputs.value(1, "B")?);
    let b = opposite(ctx, b)?;
    Ok(vec![sum(ctx, a, b)?])
}

pub(crate) fn neg(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    Ok(vec![opposite(ctx, x)?])
}

pub(crate) fn mul(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = (inputs.value(0, "A")?, inputs.value(1, "B")?);
    Ok(vec![times(ctx, a, b)?])
}

pub(crate) fn div(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = (inputs.value(0, "A")?, inputs.value(1, "B")?);
    if let Value::Const(b) = &b
        && b.to_floats().contains(&0.0)
    {
        return Err(OpError::Constant {
            name: "B",
            problem: "divides by zero",
        });
    }
    if ctx.element(0).is_float() {
        return Ok(vec![signed_quotient(ctx, a, b)?]);
    }
    let sign = |t: &Tensor| map(t, f64::signum);
    if let (Value::Const(x), Value::Const(y)) = (&a, &b) {
        return Ok(vec![Value::Const(to_ints(&zip(x, y, |x, y| (x / y).trunc())?))]);
    }
    let Value::Const(t) = &b else {
        // Nothing between two integers comes closer to one than a reciprocal of the divisor: a rounded quotient has the same floor.
        let q = signed_quotient(ctx, a, b)?;
        return Ok(vec![truncate(ctx, q)?]);
    };
    // |a| / |b|, a half above the integer so that no rounding of 1 / |b| matters; then the sign of both.
    let (inverse, half) = (
        map(&to_float(t), |v| 1.0 / v.abs()),
        map(&to_float(t), |v| 0.5 / v.abs()),
    );
    let a = shared(ctx, a)?;
    let side = |ctx: &mut Lowering, a: Value| -> Result<Value, OpError> {
        let a = positive_part(ctx, a)?;
        let q = times(ctx, a, Value::Const(inverse.clone()))?;
        let q = sum(ctx, q, Value::Const(half.clone()))?;
        floor(ctx, q)
    };
    let opposite = affine(ctx, a.clone(), -1.0, 0.0)?;
    let (up, down) = (side(ctx, a)?, side(ctx, opposite)?);
    let q = difference(ctx, up, down)?;
    Ok(vec![times(ctx, q, Value::Const(sign(t)))?])
}

pub(crate) fn modulo(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = (inputs.value(0, "A")?, inputs.value(1, "B")?);
    let truncated = node.flag("fmod", false)?;
    let floats = ctx.element(0).is_float();
    let whole = |x: f64| if truncated { x.trunc() } else { x.floor() };
    if let (Value::Const(x), Value::Const(y)) = (&a, &b) {
        if y.to_floats().contains(&0.0) {
            return Err(OpError::Constant {
                name: "B",
                problem: "divides by zero",
            });
        }
        let t = zip(x, y, |x, y| x - y * whole(x / y))?;
        return Ok(vec![Value::Const(if floats { t } else { to_ints(&t) })]);
    }
    let a = shared(ctx, a)?;
    let b = shared(ctx, b)?;
    let q = match &b {
        Value::Const(t) if !floats && !truncated => {
            let (inverse, half) = (map(&to_float(t), |v| 1.0 / v), map(&to_float(t), |v| 0.5 / v.abs()));
            let q = times(ctx, a.clone(), Value::Const(inverse))?;
            let q = sum(ctx, q, Value::Const(half))?;
            floor(ctx, q)?
        }
        _ => {
            let q = signed_quotient(ctx, a.clone(), b.clone())?;
            if truncated { truncate(ctx, q)? } else { floor(ctx, q)? }
        }
    };
    let multiple = times(ctx, q, b)?;
    Ok(vec![difference(ctx, a, multiple)?])
}

/// Sum, mean, maximum or minimum of any number of tensors.
fn variadic(
    ctx: &mut Lowering,
    mut inputs: Inputs,
    join: impl Fn(&mut Lowering, Value, Value) -> Result<Value, OpError>,
) -> Result<(Value, usize), OpError> {
    let n = inputs.len();
    let mut all = inputs.value(0, "data_0")?;
    for i in 1..n {
        let next = inputs.value(i, "data_i")?;
        all = join(ctx, all, next)?;
    }
    Ok((all, n))
}

pub(crate) fn sum_all(ctx: &mut Lowering, _: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    Ok(vec![variadic(ctx, inputs, sum)?.0])
}

pub(crate) fn mean_all(ctx: &mut Lowering, _: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (total, n) = variadic(ctx, inputs, sum)?;
    Ok(vec![affine(ctx, total, 1.0 / n as f64, 0.0)?])
}

pub(crate) fn max_all(ctx: &mut Lowering, _: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    Ok(vec![variadic(ctx, inputs, larger)?.0])
}

pub(crate) fn min_all(ctx: &mut Lowering, _: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    Ok(vec![variadic(ctx, inputs, smaller)?.0])
}

/// Adds two values, broadcasting.
pub(super) fn sum(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    if let (Value::Const(a), Value::Const(b)) = (&a, &b) {
        return fold(a, b, |x, y| x.checked_add(y), |x, y| x + y);
    }
    let shape = broadcast_shape(a.shape(), b.shape())?;
    let (a, b) = (expand(ctx, a, &shape)?, expand(ctx, b, &shape)?);
    Ok(match (a, b) {
        (Value::Const(t), x) | (x, Value::Const(t)) => add_constant(ctx, x, &t.to_floats())?,
        (Value::Affine(a), Value::Affine(b)) => Value::Affine(merge(a, b)),
        (Value::Linear(l), Value::Affine(a)) | (Value::Affine(a), Value::Linear(l)) => add_affine(ctx, l, a)?,
        (Value::Linear(a), Value::Linear(b)) => {
            if a.act.is_some() {
                let a = ctx.materialise(a)?;
                return add_affine(ctx, b, a);
            }
            if b.act.is_some() {
                let b = ctx.materialise(b)?;
                return add_affine(ctx, a, b);
            }
            let mut a = a;
            match a.add_linear(b) {
                Ok(()) => {
                    ctx.fuse(&mut a);
                    Value::Linear(a)
                }
                Err(b) => {
                    let b = ctx.materialise(*b)?;
                    add_affine(ctx, a, b)?
                }
            }
        }
    })
}

fn add_affine(ctx: &mut Lowering, mut linear: Linear, affine: Affine) -> Result<Value, OpError> {
    if linear.act.is_none() {
        match linear.add_affine(affine) {
            Ok(()) => {
                ctx.fuse(&mut linear);
                return Ok(Value::Linear(linear));
            }
            Err(affine) => return Ok(Value::Affine(merge(ctx.materialise(linear)?, affine))),
        }
    }
    Ok(Value::Affine(merge(ctx.materialise(linear)?, affine)))
}

fn merge(mut a: Affine, b: Affine) -> Affine {
    a.parts.extend(b.parts);
    a.offset.iter_mut().zip(b.offset).for_each(|(x, y)| *x += y);
    a
}

/// Adds a constant per element.
pub(super) fn add_constant(ctx: &mut Lowering, value: Value, values: &[f64]) -> Result<Value, OpError> {
    if let Value::Linear(mut l) = value {
        if l.act.is_some() {
            let a = ctx.materialise(l)?;
            return add_constant(ctx, Value::Affine(a), values);
        }
        match l.per_channel(values) {
            _ if values.iter().any(|v| v.is_infinite()) => {
                let a = ctx.materialise(l)?;
                return add_constant(ctx, Value::Affine(a), values);
            }
            Some(bias) => {
                l.bias.iter_mut().zip(bias).for_each(|(b, v)| *b += v);
                ctx.fuse(&mut l);
                return Ok(Value::Linear(l));
            }
            // A bias that depends on the position is a term that reads constants.
            None => {
                let constants = ctx.affine(Value::Const(Tensor::float(l.shape.clone(), values.to_vec())))?;
                return add_affine(ctx, l, constants);
            }
        }
    }
    let mut a = ctx.affine(value)?;
    a.offset.iter_mut().zip(values).for_each(|(o, v)| *o += v);
    Ok(Value::Affine(a))
}

fn opposite(ctx: &mut Lowering, value: Value) -> Result<Value, OpError> {
    match value {
        Value::Const(t) => fold(
            &t,
            &Tensor::int(vec![], vec![-1]),
            |x, y| x.checked_mul(y),
            |x, y| x * y,
        ),
        x => {
            let n = elements(x.shape())?;
            scale(ctx, x, &vec![-1.0; n])
        }
    }
}

/// Multiplies two values, broadcasting; one of them must be a constant.
pub(super) fn scaled(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    if let (Value::Const(a), Value::Const(b)) = (&a, &b) {
        return fold(a, b, |x, y| x.checked_mul(y), |x, y| x * y);
    }
    let shape = broadcast_shape(a.shape(), b.shape())?;
    match (expand(ctx, a, &shape)?, expand(ctx, b, &shape)?) {
        (Value::Const(t), x) | (x, Value::Const(t)) => scale(ctx, x, &t.floats("operand")?),
        _ => Err(OpError::NotConstant { name: "B", input: 1 }),
    }
}

/// Multiplies each element by its own factor.
pub(super) fn scale(ctx: &mut Lowering, value: Value, factors: &[f64]) -> Result<Value, OpError> {
    if let Value::Linear(mut l) = value {
        if let Some(factors) = l.per_channel(factors).filter(|_| l.act.is_none()) {
            l.scale(&factors);
            ctx.fuse(&mut l);
            return Ok(Value::Linear(l));
        }
        let a = ctx.materialise(l)?;
        return scale(ctx, Value::Affine(a), factors);
    }
    let mut a = ctx.affine(value)?;
    a.scale(factors);
    Ok(Value::Affine(a))
}

/// Repeats a value along the axes that broadcasting adds or stretches.
pub(super) fn expand(ctx: &mut Lowering, mut value: Value, shape: &[usize]) -> Result<Value, OpError> {
    let size = elements(shape)?;
    if elements(value.shape())? == size {
        match &mut value {
            Value::Const(t) => t.shape = shape.to_vec(),
            Value::Affine(a) => a.shape = shape.to_vec(),
            Value::Linear(l) => l.shape = shape.to_vec(),
        }
        return Ok(value);
    }
    let indices = broadcast_indices(value.shape(), shape);
    Ok(match value {
        Value::Const(t) => Value::Const(t.gather(shape.to_vec(), &indices)),
        other => Value::Affine(ctx.affine(other)?.gather(shape.to_vec(), &indices)),
    })
}

fn fold(
    a: &Tensor,
    b: &Tensor,
    int: impl Fn(i64, i64) -> Option<i64>,
    float: impl Fn(f64, f64) -> f64,
) -> Result<Value, OpError> {
    if let (Data::Int(_), Data::Int(_)) = (&a.data, &b.data) {
        let overflow = OpError::Constant {
            name: "operand",
            problem: "overflows a 64-bit integer",
        };
        return fold_ints(a, b, |x, y| int(x, y).ok_or(overflow.clone())).map(Value::Const);
    }
    let shape = broadcast_shape(&a.shape, &b.shape)?;
    elements(&shape)?;
    let (x, y) = (a.to_floats(), b.to_floats());
    let (i, j) = (broadcast_indices(&a.shape, &shape), broadcast_indices(&b.shape, &shape));
    let data = i.iter().zip(&j).map(|(&i, &j)| float(x[i], y[j])).collect();
    Ok(Value::Const(Tensor::float(shape, data)))
}

fn fold_ints(a: &Tensor, b: &Tensor, f: impl Fn(i64, i64) -> Result<i64, OpError>) -> Result<Tensor, OpError> {
    let shape = broadcast_shape(&a.shape, &b.shape)?;
    elements(&shape)?;
    let (x, y) = (a.ints("A")?, b.ints("B")?);
    let (i, j) = (broadcast_indices(&a.shape, &shape), broadcast_indices(&b.shape, &shape));
    let data = i
        .iter()
        .zip(&j)
        .map(|(&i, &j)| f(x[i], y[j]))
        .collect::<Result<_, _>>()?;
    Ok(Tensor::int(shape, data))
}
