//! ReLU and its leaky forms.

use super::elementwise::sum;
use super::primitive::{affine, difference, map, number, times};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::program::Act;
use crate::model::value::Value;

pub(crate) fn relu(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    Ok(vec![rectify(ctx, x)?])
}

pub(crate) fn leaky(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let slope = number(node.float("alpha", f64::from(0.01f32))?);
    Ok(vec![two_slopes(ctx, x, slope)?])
}

pub(crate) fn parametric(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let slope = inputs.value(1, "slope")?;
    Ok(vec![two_slopes(ctx, x, slope)?])
}

/// `max(0, x)`. Stays pending: a pool may follow.
pub(super) fn rectify(ctx: &mut Lowering, value: Value) -> Result<Value, OpError> {
    match value {
        Value::Const(t) => Ok(Value::Const(map(&t, |v| v.max(0.0)))),
        Value::Linear(mut l) if matches!(l.act, Some(Act::MaxPool { .. })) => {
            l.act = Some(Act::MaxPool { relu: true });
            ctx.fuse(&mut l);
            Ok(Value::Linear(l))
        }
        other => {
            let mut l = ctx.linear(other)?;
            l.act = Some(Act::Relu);
            Ok(Value::Linear(l))
        }
    }
}

/// `slope x + (1 - slope) max(0, x)`: the ReLU is a layer, the sum part of the next linear map.
fn two_slopes(ctx: &mut Lowering, x: Value, slope: Value) -> Result<Value, OpError> {
    let x = Value::Affine(ctx.affine(x)?);
    let positive = rectify(ctx, x.clone())?;
    let positive = Value::Affine(ctx.affine(positive)?);
    if let Value::Const(_) = slope {
        let rest = affine(ctx, slope.clone(), -1.0, 1.0)?;
        let (a, b) = (times(ctx, x, slope)?, times(ctx, positive, rest)?);
        return sum(ctx, a, b);
    }
    // max(0, x) + slope min(0, x)
    let below = difference(ctx, x, positive.clone())?;
    let below = times(ctx, slope, below)?;
    sum(ctx, positive, below)
}
