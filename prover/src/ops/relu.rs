//! ReLU and its leaky forms.

use super::elementwise::{product, sum};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::program::Act;
use crate::model::tensor::Tensor;
use crate::model::value::Value;

pub(crate) fn relu(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    Ok(vec![rectify(ctx, x)?])
}

pub(crate) fn leaky(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let slope = Tensor::float(vec![], vec![node.float("alpha", f64::from(0.01f32))?]);
    Ok(vec![two_slopes(ctx, x, slope)?])
}

pub(crate) fn parametric(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let slope = inputs.constant(1, "slope")?;
    Ok(vec![two_slopes(ctx, x, slope)?])
}

/// `max(0, x)`. Stays pending: a pool may follow.
pub(super) fn rectify(ctx: &mut Lowering, value: Value) -> Result<Value, OpError> {
    match value {
        Value::Const(t) => {
            let data = t.floats("X")?.into_iter().map(|v| v.max(0.0)).collect();
            Ok(Value::Const(Tensor::float(t.shape, data)))
        }
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
fn two_slopes(ctx: &mut Lowering, x: Value, slope: Tensor) -> Result<Value, OpError> {
    if let Value::Const(_) = x {
        return Err(OpError::Unsupported {
            what: "its input X is a constant".into(),
        });
    }
    let rest = slope.floats("slope")?.into_iter().map(|s| 1.0 - s).collect();
    let rest = Tensor::float(slope.shape.clone(), rest);
    let x = Value::Affine(ctx.affine(x)?);
    let positive = rectify(ctx, x.clone())?;
    let positive = Value::Affine(ctx.affine(positive)?);
    let (a, b) = (
        product(ctx, x, Value::Const(slope))?,
        product(ctx, positive, Value::Const(rest))?,
    );
    sum(ctx, a, b)
}
