//! Comparisons, logic and selection: truth values are the integers 0 and 1.

use super::elementwise::sum;
use super::primitive::{
    affine, compare, difference, floor, less as below, map, negative, not as opposite, shared, times, truth,
};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::Tensor;
use crate::model::value::Value;

fn pair(inputs: &mut Inputs) -> Result<(Value, Value), OpError> {
    Ok((inputs.value(0, "A")?, inputs.value(1, "B")?))
}

pub(crate) fn less(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = pair(&mut inputs)?;
    Ok(vec![below(ctx, a, b)?])
}

pub(crate) fn greater(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = pair(&mut inputs)?;
    Ok(vec![below(ctx, b, a)?])
}

pub(crate) fn less_or_equal(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = pair(&mut inputs)?;
    let above = below(ctx, b, a)?;
    Ok(vec![opposite(ctx, above)?])
}

pub(crate) fn greater_or_equal(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = pair(&mut inputs)?;
    let under = below(ctx, a, b)?;
    Ok(vec![opposite(ctx, under)?])
}

/// Neither is less than the other.
pub(crate) fn equal(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = pair(&mut inputs)?;
    if let (Value::Const(a), Value::Const(b)) = (&a, &b) {
        return Ok(vec![compare(a, b, |a, b| a == b)?]);
    }
    for (side, name, input) in [(&a, "B", 1), (&b, "A", 0)] {
        if let Value::Const(t) = side
            && t.to_floats().iter().any(|v| v.is_infinite())
        {
            return Err(OpError::NotConstant { name, input });
        }
    }
    let d = difference(ctx, a, b)?;
    let d = shared(ctx, d)?;
    let mirrored = affine(ctx, d.clone(), -1.0, 0.0)?;
    let (under, over) = (negative(ctx, d)?, negative(ctx, mirrored)?);
    let either = sum(ctx, under, over)?;
    Ok(vec![opposite(ctx, either)?])
}

/// With truth values `a + b`: 2 where both are true, 0 where none is.
fn logic(
    ctx: &mut Lowering,
    mut inputs: Inputs,
    fold: impl Fn(bool, bool) -> bool,
    join: impl Fn(&mut Lowering, Value) -> Result<Value, OpError>,
) -> Result<Vec<Value>, OpError> {
    let (a, b) = pair(&mut inputs)?;
    if let (Value::Const(a), Value::Const(b)) = (&a, &b) {
        return Ok(vec![compare(a, b, |a, b| fold(a != 0.0, b != 0.0))?]);
    }
    let both = sum(ctx, a, b)?;
    Ok(vec![join(ctx, both)?])
}

pub(crate) fn and(ctx: &mut Lowering, _: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    logic(
        ctx,
        inputs,
        |a, b| a && b,
        |ctx, both| {
            let second = affine(ctx, both, 1.0, -1.0)?;
            super::relu::rectify(ctx, second)
        },
    )
}

pub(crate) fn or(ctx: &mut Lowering, _: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    logic(
        ctx,
        inputs,
        |a, b| a || b,
        |ctx, both| {
            let neither = affine(ctx, both, -1.0, 1.0)?;
            let neither = super::relu::rectify(ctx, neither)?;
            opposite(ctx, neither)
        },
    )
}

/// 1 - |a + b - 1| = a + b - 2 max(0, a + b - 1).
pub(crate) fn xor(ctx: &mut Lowering, _: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    logic(
        ctx,
        inputs,
        |a, b| a != b,
        |ctx, both| {
            let both = shared(ctx, both)?;
            let second = affine(ctx, both.clone(), 1.0, -1.0)?;
            let second = super::relu::rectify(ctx, second)?;
            let twice = affine(ctx, second, 2.0, 0.0)?;
            difference(ctx, both, twice)
        },
    )
}

pub(crate) fn not(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    if let Value::Const(t) = &x {
        return Ok(vec![Value::Const(truth(t, |v| v == 0.0))]);
    }
    Ok(vec![opposite(ctx, x)?])
}

pub(crate) fn choose(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let condition = inputs.value(0, "condition")?;
    let (x, y) = (inputs.value(1, "X")?, inputs.value(2, "Y")?);
    Ok(vec![super::combination::choose(ctx, condition, x, y)?])
}

/// Shifts by constants: to the left a product less what is shifted out, to the right a floor.
pub(crate) fn bit_shift(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let by = inputs.constant(1, "Y")?;
    let left = match node.text("direction", "")? {
        "LEFT" => true,
        "RIGHT" => false,
        _ => return Err(node.attribute_error("direction", "LEFT or RIGHT")),
    };
    let bits = 8.0 * ctx.element(0).size() as f64;
    if by.to_floats().iter().any(|v| !(0.0..bits).contains(v)) {
        return Err(OpError::Constant {
            name: "Y",
            problem: "is negative, or no less than the number of bits",
        });
    }
    let factor = map(&Tensor::float(by.shape.clone(), by.to_floats()), |v| {
        (if left { v } else { -v }).exp2()
    });
    if !left {
        let moved = times(ctx, x, Value::Const(factor))?;
        return Ok(vec![floor(ctx, moved)?]);
    }
    let x = shared(ctx, x)?;
    let moved = times(ctx, x.clone(), Value::Const(factor.clone()))?;
    match ctx.element(0).range() {
        // Bits that are shifted out are lost: multiples of the type's span. Wider types hold more than a trace does; there, what
        // does not fit is refused.
        Some((low, high)) if high - low < 65536.0 && factor.to_floats().iter().any(|f| *f != 1.0) => {
            let span = high - low + 1.0;
            let part = times(ctx, x, Value::Const(map(&factor, |f| f / span)))?;
            let part = affine(ctx, part, 1.0, -low / span)?;
            let lost = floor(ctx, part)?;
            let lost = affine(ctx, lost, span, 0.0)?;
            Ok(vec![difference(ctx, moved, lost)?])
        }
        _ => Ok(vec![moved]),
    }
}
