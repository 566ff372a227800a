//! The few operations that all others are composed of. Each folds constants.

use super::elementwise::{add_constant, expand, scale, sum};
use super::reshape::reshaped;
use crate::model::curve::Curve;
use crate::model::error::OpError;
use crate::model::lower::Lowering;
use crate::model::program::{Act, Composite};
use crate::model::tensor::{Data, Element, Tensor, broadcast_shape, elements};
use crate::model::value::Value;

/// A constant without axes.
pub(super) fn number(v: f64) -> Value {
    Value::Const(Tensor::float(vec![], vec![v]))
}

/// A constant with `f` of every element; integers stay integers where `f` gives integers.
pub(super) fn map(t: &Tensor, f: impl Fn(f64) -> f64) -> Tensor {
    let data: Vec<f64> = t.to_floats().into_iter().map(f).collect();
    let whole = |v: &f64| v.fract() == 0.0 && v.abs() < 2f64.powi(53);
    Tensor {
        shape: t.shape.clone(),
        data: match t.data {
            Data::Int(_) if data.iter().all(whole) => Data::Int(data.iter().map(|&v| v as i64).collect()),
            _ => Data::Float(data),
        },
    }
}

/// `gain x + offset`; nothing becomes of the identity, so that a pending activation stays pending.
pub(super) fn affine(ctx: &mut Lowering, x: Value, gain: f64, offset: f64) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(map(t, |v| gain * v + offset)));
    }
    let n = elements(x.shape())?;
    let scaled = if gain == 1.0 { x } else { scale(ctx, x, &vec![gain; n])? };
    match offset == 0.0 {
        true => Ok(scaled),
        false => add_constant(ctx, scaled, &vec![offset; n]),
    }
}

/// `a - b`, broadcast.
pub(super) fn difference(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    let b = affine(ctx, b, -1.0, 0.0)?;
    sum(ctx, a, b)
}

/// A value that can be read twice for nothing.
pub(super) fn shared(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    match x {
        Value::Linear(l) => Ok(Value::Affine(ctx.materialise(l)?)),
        Value::Affine(a) if a.parts.len() > 1 => {
            let node = ctx.node();
            Ok(Value::Affine(ctx.materialise(a.into_linear(node))?))
        }
        free => Ok(free),
    }
}

/// `max(0, x)` as a value of its own.
pub(super) fn positive_part(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    let y = super::relu::rectify(ctx, x)?;
    shared(ctx, y)
}

/// `|x|`: a ReLU of either sign.
pub(super) fn absolute(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(map(t, f64::abs)));
    }
    let x = shared(ctx, x)?;
    let positive = positive_part(ctx, x.clone())?;
    let double = affine(ctx, positive, 2.0, 0.0)?;
    difference(ctx, double, x)
}

/// A function of one variable, by its table.
pub(super) fn curve(ctx: &mut Lowering, x: Value, curve: Curve) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(Tensor::float(
            t.shape.clone(),
            t.to_floats().into_iter().map(|v| curve.eval(v)).collect(),
        )));
    }
    let mut linear = ctx.linear(x)?;
    linear.act = Some(ctx.function(curve));
    let raw = ctx.materialise(linear)?;
    let node = ctx.node();
    Ok(Value::Affine(ctx.materialise(raw.into_linear(node))?))
}

/// 1 where `x < 0`, else 0; exact on the integers that represent `x`.
pub(super) fn negative(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(truth(t, |v| v < 0.0)));
    }
    let mut linear = ctx.linear(x)?;
    linear.act = Some(Act::Composite(Composite::Negative));
    Ok(Value::Affine(ctx.materialise(linear)?))
}

/// A constant of truth values.
pub(super) fn truth(t: &Tensor, f: impl Fn(f64) -> bool) -> Tensor {
    let data = t.to_floats().into_iter().map(|v| i64::from(f(v))).collect();
    Tensor::int(t.shape.clone(), data)
}

/// 1 where `a < b`, else 0.
pub(super) fn less(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    if let (Value::Const(a), Value::Const(b)) = (&a, &b) {
        return compare(a, b, |a, b| a < b);
    }
    let d = difference(ctx, a, b)?;
    negative(ctx, d)
}

/// 1 where `f(a, b)`, else 0, of constants.
pub(super) fn compare(a: &Tensor, b: &Tensor, f: impl Fn(f64, f64) -> bool) -> Result<Value, OpError> {
    let t = zip(a, b, |a, b| f64::from(u8::from(f(a, b))))?;
    Ok(Value::Const(truth(&t, |v| v != 0.0)))
}

/// `f(a, b)` of constants, broadcast.
pub(super) fn zip(a: &Tensor, b: &Tensor, f: impl Fn(f64, f64) -> f64) -> Result<Tensor, OpError> {
    let shape = broadcast_shape(&a.shape, &b.shape)?;
    elements(&shape)?;
    let (x, y) = (a.to_floats(), b.to_floats());
    let (i, j) = (
        crate::model::tensor::broadcast_indices(&a.shape, &shape),
        crate::model::tensor::broadcast_indices(&b.shape, &shape),
    );
    Ok(Tensor::float(
        shape,
        i.iter().zip(&j).map(|(&i, &j)| f(x[i], y[j])).collect(),
    ))
}

/// `1 - x` of a truth value.
pub(super) fn not(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    affine(ctx, x, -1.0, 1.0)
}

/// `floor(x)`, of which every representation is the integer itself.
pub(super) fn floor(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(map(t, f64::floor)));
    }
    let x = affine(ctx, x, 1.0, -0.5)?;
    nearest(ctx, x)
}

/// `floor(x + 1/2)` as an integer.
pub(super) fn nearest(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(map(t, |v| (v + 0.5).floor())));
    }
    let linear = ctx.linear(x)?;
    Ok(Value::Affine(ctx.integer(linear)?))
}

/// The value rounded toward zero.
pub(super) fn truncate(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(map(t, f64::trunc)));
    }
    let x = shared(ctx, x)?;
    let up = positive_part(ctx, x.clone())?;
    let opposite = affine(ctx, x, -1.0, 0.0)?;
    let down = positive_part(ctx, opposite)?;
    let (up, down) = (floor(ctx, up)?, floor(ctx, down)?);
    difference(ctx, up, down)
}

/// Whether both depend on the input.
fn both_vary(a: &Value, b: &Value) -> bool {
    !matches!(a, Value::Const(_)) && !matches!(b, Value::Const(_))
}

/// `a b`, broadcast: one slot an element where both depend on the input.
pub(super) fn times(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    if !both_vary(&a, &b) {
        return super::elementwise::scaled(ctx, a, b);
    }
    pairwise(ctx, Act::Product { factor: 1 }, a, b)
}

/// `x^2`.
pub(super) fn square(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(map(t, |v| v * v)));
    }
    let x = shared(ctx, x)?;
    times(ctx, x.clone(), x)
}

/// `a / b`, broadcast, for `b > 0`.
pub(super) fn quotient(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    match (&a, &b) {
        (Value::Const(a), Value::Const(b)) => Ok(Value::Const(zip(a, b, |a, b| a / b)?)),
        (_, Value::Const(b)) => {
            let inverse = Value::Const(Tensor::float(
                b.shape.clone(),
                b.to_floats().into_iter().map(|v| 1.0 / v).collect(),
            ));
            times(ctx, a, inverse)
        }
        _ => pairwise(ctx, Act::Composite(Composite::Divide), a, b),
    }
}

/// `a / b` for `b` of either sign: `(a s) / |b|` with the sign `s` of `b`.
pub(super) fn signed_quotient(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    if matches!(b, Value::Const(_)) {
        return quotient(ctx, a, b);
    }
    let b = shared(ctx, b)?;
    if ctx.is_nonnegative_value(&b) {
        return quotient(ctx, a, b);
    }
    let below = negative(ctx, b.clone())?;
    let sign = affine(ctx, below, -2.0, 1.0)?;
    let size = absolute(ctx, b)?;
    let a = times(ctx, a, sign)?;
    quotient(ctx, a, size)
}

/// The square root of `x >= 0`.
pub(super) fn root(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    match &x {
        Value::Const(t) => Ok(Value::Const(Tensor::float(
            t.shape.clone(),
            t.to_floats().into_iter().map(f64::sqrt).collect(),
        ))),
        _ => single(ctx, Composite::SquareRoot, x),
    }
}

/// One over the square root of `x > 0`.
pub(super) fn inverse_root(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    match &x {
        Value::Const(t) => Ok(Value::Const(Tensor::float(
            t.shape.clone(),
            t.to_floats().into_iter().map(|v| 1.0 / v.sqrt()).collect(),
        ))),
        _ => single(ctx, Composite::ReciprocalSquareRoot, x),
    }
}

fn single(ctx: &mut Lowering, composite: Composite, x: Value) -> Result<Value, OpError> {
    let shape = x.shape().to_vec();
    let n = elements(&shape)?;
    let view = ctx.operand(x)?;
    let out = ctx.pairs(Act::Composite(composite), n, vec![], vec![view])?;
    Ok(reshaped(Value::Affine(out), shape))
}

fn pairwise(ctx: &mut Lowering, act: Act, a: Value, b: Value) -> Result<Value, OpError> {
    let shape = broadcast_shape(a.shape(), b.shape())?;
    let n = elements(&shape)?;
    // An operand is read as it is, so it is made a layer before it is repeated.
    let a = Value::Affine(ctx.operand(a)?);
    let b = Value::Affine(ctx.operand(b)?);
    let (a, b) = (expand(ctx, a, &shape)?, expand(ctx, b, &shape)?);
    let operands = vec![ctx.operand(a)?, ctx.operand(b)?];
    let out = ctx.pairs(act, n, vec![], operands)?;
    Ok(reshaped(Value::Affine(out), shape))
}

/// The larger of two, broadcast: `b + max(0, a - b)`.
pub(super) fn larger(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    if let (Value::Const(x), Value::Const(y)) = (&a, &b) {
        let t = zip(x, y, f64::max)?;
        let whole = matches!((&x.data, &y.data), (Data::Int(_), Data::Int(_)));
        return Ok(Value::Const(if whole { to_ints(&t) } else { t }));
    }
    let (a, b) = (shared(ctx, a)?, shared(ctx, b)?);
    let above = difference(ctx, a, b.clone())?;
    let above = positive_part(ctx, above)?;
    sum(ctx, b, above)
}

/// The smaller of two, broadcast.
pub(super) fn smaller(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    let (a, b) = (affine(ctx, a, -1.0, 0.0)?, affine(ctx, b, -1.0, 0.0)?);
    let y = larger(ctx, a, b)?;
    affine(ctx, y, -1.0, 0.0)
}

/// The elements as integers, cut off.
pub(super) fn to_ints(t: &Tensor) -> Tensor {
    match &t.data {
        Data::Int(_) => t.clone(),
        Data::Float(v) => Tensor::int(t.shape.clone(), v.iter().map(|&x| x as i64).collect()),
    }
}

/// The elements as floats.
pub(super) fn to_float(t: &Tensor) -> Tensor {
    Tensor::float(t.shape.clone(), t.to_floats())
}

/// The value as one of another element type.
pub(super) fn cast(ctx: &mut Lowering, x: Value, from: Element, to: Element) -> Result<Value, OpError> {
    match (&x, to) {
        (Value::Const(t), Element::Bool) => Ok(Value::Const(truth(t, |v| v != 0.0))),
        (Value::Const(t), to) if to.is_float() => Ok(Value::Const(to_float(t))),
        (Value::Const(t), to) => Ok(Value::Const(wrap(&to_ints(t), to))),
        (_, Element::Bool) if from != Element::Bool => {
            let x = shared(ctx, x)?;
            let opposite = affine(ctx, x.clone(), -1.0, 0.0)?;
            let (below, above) = (negative(ctx, x)?, negative(ctx, opposite)?);
            sum(ctx, below, above)
        }
        (_, to) if from.is_float() && !to.is_float() => truncate(ctx, x),
        _ => Ok(x),
    }
}

/// Integers modulo the span of their type.
fn wrap(t: &Tensor, to: Element) -> Tensor {
    match (&t.data, to.range()) {
        (Data::Int(v), Some((low, high))) => {
            let (low, span) = (low as i64, (high - low) as i64 + 1);
            let wrapped = |&x: &i64| x.wrapping_sub(low).rem_euclid(span) + low;
            Tensor::int(t.shape.clone(), v.iter().map(wrapped).collect())
        }
        _ => t.clone(),
    }
}

/// Clips to constant bounds; either may be infinite.
pub(super) fn clip(ctx: &mut Lowering, x: Value, low: f64, high: f64) -> Result<Value, OpError> {
    super::clip::between(ctx, x, low.is_finite().then_some(low), high.is_finite().then_some(high))
}
