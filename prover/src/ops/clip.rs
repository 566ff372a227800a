//! Clip, by one ReLU per bound: with `z = max(0, hi - x)` and `w = max(0, (hi - lo) - z)` the result is `lo + w`.

use super::elementwise::{add_constant, scale};
use super::relu::rectify;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, elements};
use crate::model::value::Value;

pub(crate) fn clip(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let mut bound = |i, name: &'static str, none: f64| -> Result<Option<f64>, OpError> {
        let value = match inputs.optional_constant(i, name)? {
            Some(t) => match t.floats(name)?.as_slice() {
                [v] => *v,
                _ => {
                    return Err(OpError::Constant {
                        name,
                        problem: "must be a single number",
                    });
                }
            },
            None => node.float(name, none)?,
        };
        // The largest floats are how older operator sets write that there is no bound.
        Ok((value.abs() < f64::from(f32::MAX)).then_some(value))
    };
    let (lo, hi) = (bound(1, "min", f64::MIN)?, bound(2, "max", f64::MAX)?);
    if let (Some(lo), Some(hi)) = (lo, hi)
        && lo > hi
    {
        return Err(OpError::Constant {
            name: "min",
            problem: "lies above max",
        });
    }
    if let Value::Const(t) = x {
        let (lo, hi) = (lo.unwrap_or(f64::MIN), hi.unwrap_or(f64::MAX));
        let data = t.floats("input")?.into_iter().map(|v| v.clamp(lo, hi)).collect();
        return Ok(vec![Value::Const(Tensor::float(t.shape, data))]);
    }
    Ok(vec![match (lo, hi) {
        (None, None) => x,
        (Some(lo), None) => {
            let above = shift(ctx, x, -lo)?;
            let above = rectify(ctx, above)?;
            shift(ctx, above, lo)?
        }
        (None, Some(hi)) => {
            let below = from_top(ctx, x, hi)?;
            let below = rectify(ctx, below)?;
            from_top(ctx, below, hi)?
        }
        (Some(lo), Some(hi)) => {
            let below = from_top(ctx, x, hi)?;
            let below = rectify(ctx, below)?;
            let above = from_top(ctx, below, hi - lo)?;
            let above = rectify(ctx, above)?;
            shift(ctx, above, lo)?
        }
    }])
}

/// `top - x`.
fn from_top(ctx: &mut Lowering, x: Value, top: f64) -> Result<Value, OpError> {
    let n = elements(x.shape())?;
    let opposite = scale(ctx, x, &vec![-1.0; n])?;
    shift(ctx, opposite, top)
}

/// `x + by`; nothing becomes of a shift by zero, so that a pending activation stays pending.
fn shift(ctx: &mut Lowering, x: Value, by: f64) -> Result<Value, OpError> {
    if by == 0.0 {
        return Ok(x);
    }
    let n = elements(x.shape())?;
    add_constant(ctx, x, &vec![by; n])
}
