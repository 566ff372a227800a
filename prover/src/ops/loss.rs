//! Losses: minus the weighted logarithm of the class that a target names.

use super::combination::total;
use super::order::{equals, picked_by_class};
use super::primitive::{affine, quotient, shared, times};
use super::reduce::Rows;
use super::reshape::reshaped;
use super::softmax::log_soft;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::value::Value;

pub(crate) const ATTRIBUTES: &[&str] = &["reduction", "ignore_index"];

pub(crate) fn nll_loss(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (x, target) = (inputs.value(0, "input")?, inputs.value(1, "target")?);
    let weight = inputs.optional(2);
    Ok(vec![loss(ctx, node, x, target, weight)?])
}

pub(crate) fn cross_entropy(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (scores, target) = (inputs.value(0, "scores")?, inputs.value(1, "labels")?);
    let weight = inputs.optional(2);
    let rows = Rows::new(ctx, scores, &[1])?;
    let y = log_soft(ctx, rows.value.clone())?;
    let y = rows.restored(ctx, y)?;
    let y = shared(ctx, y)?;
    let l = loss(ctx, node, y.clone(), target, weight)?;
    Ok(vec![l, y])
}

/// Minus the weighted value of the class that `target` names, reduced.
fn loss(ctx: &mut Lowering, node: &Node, x: Value, target: Value, weight: Option<Value>) -> Result<Value, OpError> {
    let shape = x.shape().to_vec();
    let &[n, classes, ref image @ ..] = &shape[..] else {
        return Err(OpError::Shape {
            what: "input",
            expected: "at least two axes".into(),
            got: shape,
        });
    };
    let area: usize = image.iter().product();
    let out = target.shape().to_vec();
    let target = reshaped(target, vec![n, area]);
    let ignored = match node.attributes.contains_key("ignore_index") {
        true => Some(equals(ctx, target.clone(), node.int("ignore_index", 0)? as f64)?),
        false => None,
    };
    let picked = picked_by_class(ctx, reshaped(x, vec![n, classes, area]), target.clone(), classes)?;
    // The weight of each target's class; what is ignored weighs nothing.
    let mut weights = match weight {
        Some(w) => {
            let wide = super::elementwise::expand(ctx, reshaped(w, vec![1, classes, 1]), &[n, classes, area])?;
            Some(picked_by_class(ctx, wide, target, classes)?)
        }
        None => None,
    };
    if let Some(ignored) = ignored {
        let counts = affine(ctx, ignored, -1.0, 1.0)?;
        weights = Some(match weights {
            Some(w) => times(ctx, w, counts)?,
            None => counts,
        });
    }
    let weights = match weights {
        Some(w) => Some(shared(ctx, w)?),
        None => None,
    };
    let weighed = match &weights {
        Some(w) => times(ctx, picked, w.clone())?,
        None => picked,
    };
    let losses = affine(ctx, weighed, -1.0, 0.0)?;
    let count = n * area;
    let all = |ctx: &mut Lowering, v: Value, weight: f64| -> Result<Value, OpError> {
        let s = total(ctx, reshaped(v, vec![1, count]), weight)?;
        Ok(reshaped(s, vec![]))
    };
    match node.text("reduction", "mean")? {
        "none" => Ok(reshaped(losses, out)),
        "sum" => all(ctx, losses, 1.0),
        "mean" => match weights {
            None => all(ctx, losses, 1.0 / count as f64),
            Some(w) => {
                let (l, w) = (all(ctx, losses, 1.0)?, all(ctx, w, 1.0)?);
                quotient(ctx, l, w)
            }
        },
        _ => Err(node.attribute_error("reduction", "none, sum or mean")),
    }
}
