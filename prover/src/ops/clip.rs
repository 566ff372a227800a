//! Clip, by one ReLU per bound: with `z = max(0, hi - x)` and `w = max(0, (hi - lo) - z)` the result is `lo + w`.

use super::primitive::{affine, larger, map, smaller};
use super::relu::rectify;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, elements};
use crate::model::value::Value;

pub(crate) fn clip(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let mut variable = Vec::new();
    let mut bound = |i, name: &'static str, none: f64| -> Result<Option<f64>, OpError> {
        let value = match inputs.optional(i) {
            Some(Value::Const(t)) => match t.floats(name)?.as_slice() {
                [v] => *v,
                _ => {
                    return Err(OpError::Constant {
                        name,
                        problem: "must be a single number",
                    });
                }
            },
            Some(value) => {
                variable.push((i, value));
                none
            }
            None => node.float(name, none)?,
        };
        // The largest floats are how older operator sets write that there is no bound.
        Ok((value.abs() < f64::from(f32::MAX)).then_some(value))
    };
    let (low, high) = (bound(1, "min", f64::MIN)?, bound(2, "max", f64::MAX)?);
    if let (Some(low), Some(high)) = (low, high)
        && low > high
    {
        // The specification: everything becomes `max`.
        let n = elements(x.shape())?;
        let all = Tensor::float(x.shape().to_vec(), vec![high; n]);
        return Ok(vec![Value::Const(all)]);
    }
    let mut y = between(ctx, x, low, high)?;
    for (i, value) in variable {
        y = if i == 1 {
            larger(ctx, y, value)?
        } else {
            smaller(ctx, y, value)?
        };
    }
    Ok(vec![y])
}

/// The value clipped to constant bounds.
pub(super) fn between(ctx: &mut Lowering, x: Value, low: Option<f64>, high: Option<f64>) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        let (low, high) = (low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY));
        return Ok(Value::Const(map(t, |v| v.clamp(low, high))));
    }
    Ok(match (low, high) {
        (None, None) => x,
        (Some(low), None) => {
            let above = affine(ctx, x, 1.0, -low)?;
            let above = rectify(ctx, above)?;
            affine(ctx, above, 1.0, low)?
        }
        (None, Some(high)) => {
            let below = affine(ctx, x, -1.0, high)?;
            let below = rectify(ctx, below)?;
            affine(ctx, below, -1.0, high)?
        }
        (Some(low), Some(high)) => {
            let below = affine(ctx, x, -1.0, high)?;
            let below = rectify(ctx, below)?;
            let above = affine(ctx, below, -1.0, high - low)?;
            let above = rectify(ctx, above)?;
            affine(ctx, above, 1.0, low)?
        }
    })
}
