//! Elements by index: the gathers of several axes and the scatters.

use super::elementwise::sum;
use super::movement::{gather_all, pick};
use super::primitive::{larger, smaller, times, to_ints};
use super::reshape::reshaped;
use super::select::mapped;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, axis, elements, strides};
use crate::model::value::Value;

/// Constant indices along an axis, the negative ones counted from its end.
pub(super) fn resolved(t: &Tensor, size: usize) -> Result<Vec<usize>, OpError> {
    let resolve = |&i: &i64| {
        axis(i, size).map_err(|_| OpError::Constant {
            name: "indices",
            problem: "is out of bounds",
        })
    };
    to_ints(t).ints("indices")?.iter().map(resolve).collect()
}

pub(crate) fn gather_elements(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let along = axis(node.int("axis", 0)?, x.shape().len())?;
    let own = x.shape().to_vec();
    let indices = inputs.value(1, "indices")?;
    let shape = indices.shape().to_vec();
    if shape.len() != own.len() || (0..own.len()).any(|a| a != along && shape[a] > own[a]) {
        return Err(OpError::Shape {
            what: "indices",
            expected: format!("at most {own:?} but for axis {along}"),
            got: shape,
        });
    }
    let Value::Const(indices) = indices else {
        // Secret indices: each one-hot row times the line that it picks from.
        let (n, size) = (elements(&shape)?, own[along]);
        let index = super::combination::wrapped(ctx, indices, size)?;
        let hot = super::combination::one_hot(ctx, reshaped(index, vec![n]), size)?;
        let lines = mapped(&[&shape[..], &[size]].concat(), &own, |at| {
            let mut place = at[..own.len()].to_vec();
            place[along] = at[own.len()];
            place
        })?;
        let lines = pick(ctx, x, vec![n, size], &lines)?;
        let chosen = times(ctx, hot, lines)?;
        let out = super::combination::total(ctx, chosen, 1.0)?;
        return Ok(vec![reshaped(out, shape)]);
    };
    let list = resolved(&indices, own[along])?;
    let steps = strides(&shape);
    let places = mapped(&shape, &own, |at| {
        let e: usize = at.iter().zip(&steps).map(|(i, s)| i * *s as usize).sum();
        let mut place = at.to_vec();
        place[along] = list[e];
        place
    })?;
    Ok(vec![pick(ctx, x, shape, &places)?])
}

/// The slices that rows of indices name: `(first element, length of a slice)` per row.
fn slices(shape: &[usize], indices: &Tensor, batch: usize) -> Result<(Vec<usize>, Vec<usize>), OpError> {
    let error = || OpError::Constant {
        name: "indices",
        problem: "does not fit the data",
    };
    let depth = *indices.shape.last().ok_or_else(error)?;
    if batch + depth > shape.len() || indices.shape.len() <= batch {
        return Err(error());
    }
    let own = strides(shape);
    let list = to_ints(indices);
    let list = list.ints("indices")?;
    let per_batch: usize = indices.shape[batch..indices.shape.len() - 1].iter().product();
    let size: usize = shape[batch..].iter().product();
    let mut out = Vec::new();
    for (row, index) in list.chunks(depth.max(1)).enumerate() {
        let mut place = row / per_batch.max(1) * size;
        for (d, &i) in index.iter().enumerate() {
            place += axis(i, shape[batch + d]).map_err(|_| error())? * own[batch + d] as usize;
        }
        out.push(place);
    }
    Ok((out, shape[batch + depth..].to_vec()))
}

pub(crate) fn gather_nd(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let indices = inputs.constant(1, "indices")?;
    let batch = usize::try_from(node.int("batch_dims", 0)?).unwrap_or(0);
    let (firsts, rest) = slices(x.shape(), &indices, batch)?;
    let size: usize = rest.iter().product();
    let shape = [&indices.shape[..indices.shape.len() - 1], &rest].concat();
    let places: Vec<usize> = firsts.iter().flat_map(|&f| f..f + size).collect();
    Ok(vec![pick(ctx, x, shape, &places)?])
}

/// Joins updates with the data: in order, each with what is there.
fn scatter(ctx: &mut Lowering, node: &Node, x: Value, updates: Value, places: &[usize]) -> Result<Vec<Value>, OpError> {
    let shape = x.shape().to_vec();
    let n = elements(&shape)?;
    let reduction = node.text("reduction", "none")?.to_owned();
    // In rounds, so that no element has two updates in one.
    let mut x = x;
    let mut open: Vec<usize> = (0..places.len()).collect();
    while !open.is_empty() {
        let mut current: Vec<Option<usize>> = vec![None; n];
        let mut later = Vec::new();
        for u in open {
            match current[places[u]] {
                None => current[places[u]] = Some(u),
                // Without a reduction the last one counts.
                Some(_) if reduction == "none" => current[places[u]] = Some(u),
                Some(_) => later.push(u),
            }
        }
        let taken: Vec<usize> = (0..n).filter(|&e| current[e].is_some()).collect();
        let from: Vec<usize> = current.iter().copied().flatten().collect();
        let new = pick(ctx, updates.clone(), vec![from.len()], &from)?;
        let old = super::primitive::shared(ctx, x)?;
        let there = pick(ctx, old.clone(), vec![taken.len()], &taken)?;
        let joined = match reduction.as_str() {
            "none" => new,
            "add" => sum(ctx, there, new)?,
            "mul" => times(ctx, there, new)?,
            "max" => larger(ctx, there, new)?,
            "min" => smaller(ctx, there, new)?,
            _ => return Err(node.attribute_error("reduction", "none, add, mul, max or min")),
        };
        let all = gather_all(ctx, vec![old, joined])?;
        let mut order: Vec<usize> = (0..n).collect();
        taken.iter().enumerate().for_each(|(i, &e)| order[e] = n + i);
        x = pick(ctx, all, shape.clone(), &order)?;
        open = later;
    }
    Ok(vec![x])
}

pub(crate) fn scatter_elements(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let indices = inputs.constant(1, "indices")?;
    let updates = inputs.value(2, "updates")?;
    let along = axis(node.int("axis", 0)?, x.shape().len())?;
    if indices.shape != updates.shape() || indices.shape.len() != x.shape().len() {
        return Err(OpError::Shape {
            what: "updates",
            expected: format!("{:?}", indices.shape),
            got: updates.shape().to_vec(),
        });
    }
    let list = resolved(&indices, x.shape()[along])?;
    let steps = strides(&indices.shape);
    let places = mapped(&indices.shape, x.shape(), |at| {
        let e: usize = at.iter().zip(&steps).map(|(i, s)| i * *s as usize).sum();
        let mut place = at.to_vec();
        place[along] = list[e];
        place
    })?;
    let n = elements(x.shape())?;
    if places.iter().any(|&p| p >= n) {
        return Err(OpError::Constant {
            name: "indices",
            problem: "does not fit the data",
        });
    }
    scatter(ctx, node, x, updates, &places)
}

pub(crate) fn scatter_nd(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let indices = inputs.constant(1, "indices")?;
    let updates = inputs.value(2, "updates")?;
    let (firsts, rest) = slices(x.shape(), &indices, 0)?;
    let size: usize = rest.iter().product();
    let places: Vec<usize> = firsts.iter().flat_map(|&f| f..f + size).collect();
    if elements(updates.shape())? != places.len() {
        return Err(OpError::Shape {
            what: "updates",
            expected: format!("{} elements", places.len()),
            got: updates.shape().to_vec(),
        });
    }
    scatter(ctx, node, x, updates, &places)
}
